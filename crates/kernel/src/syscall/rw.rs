//! What read(2), write(2) and their relatives share: the checks before, the position, the limits.
//! The calls themselves: `read.rs`, `write.rs`, `pread.rs`, `readv.rs`.

use crate::task::{Cred, Current, Resource};
use crate::vfs::notify::{self, Events};
use crate::vfs::{File, FileType, HOST_POSITION, MAX_RW_COUNT, OpenFlags, SetAttr, Stat, WriteAt};
use crate::{Errno, Result};
use host::io::{IoDst, IoSrc, Segment};
use linux_raw_sys::general::{
    CAP_FSETID, RWF_APPEND, RWF_DSYNC, RWF_HIPRI, RWF_NOWAIT, RWF_SYNC, SIGPIPE, SIGXFSZ,
};

/// `RWF_NOAPPEND` of `linux/fs.h`.
const RWF_NOAPPEND: u32 = 0x20;

/// The user memory of a transfer.
pub(super) enum Buffer<'a> {
    One(Segment),
    Many(&'a mut [Segment]),
    /// Not user memory, and only to be written: what sendfile(2) carries.
    Kernel(&'a [u8]),
}

impl<'a> Buffer<'a> {
    /// One piece, checked as `vfs_read` does.
    #[inline]
    pub(super) fn one(addr: usize, len: usize) -> Result<Buffer<'static>> {
        if !usercopy::access_ok(addr, len) {
            return Err(Errno::FAULT);
        }
        if (len as isize) < 0 {
            return Err(Errno::INVAL);
        }
        Ok(Buffer::One(Segment { addr, len: len.min(MAX_RW_COUNT) }))
    }

    /// Bytes in all.
    #[inline]
    pub(super) fn len(&self) -> usize {
        match self {
            Buffer::One(segment) => segment.len,
            Buffer::Many(segments) => segments.iter().map(|s| s.len).sum(),
            Buffer::Kernel(bytes) => bytes.len(),
        }
    }

    fn truncate(&mut self, mut len: usize) {
        match self {
            Buffer::One(segment) => segment.len = segment.len.min(len),
            Buffer::Many(segments) => {
                for segment in segments.iter_mut() {
                    segment.len = segment.len.min(len);
                    len -= segment.len;
                }
            }
            Buffer::Kernel(bytes) => *bytes = &bytes[..len.min(bytes.len())],
        }
    }

    #[inline]
    fn dst(&self) -> IoDst<'_> {
        match self {
            Buffer::One(segment) => IoDst::user(segment.addr, segment.len),
            Buffer::Many(segments) => IoDst::user_vec(segments),
            // Nothing is ever read into it: `IoDst` refuses when there is no room.
            Buffer::Kernel(_) => IoDst::kernel(&mut []),
        }
    }

    #[inline]
    fn src(&self) -> IoSrc<'_> {
        match self {
            Buffer::One(segment) => IoSrc::user(segment.addr, segment.len),
            Buffer::Many(segments) => IoSrc::user_vec(segments),
            Buffer::Kernel(bytes) => IoSrc::kernel(bytes),
        }
    }
}

/// How one call differs from plain read(2) and write(2): the `RWF_*` flags of preadv2(2).
#[derive(Clone, Copy, Default)]
pub(super) struct RwFlags(u32);

impl RwFlags {
    /// # Errors
    /// `EOPNOTSUPP` for flags that are unknown or that no file here supports; `EINVAL`.
    pub(super) fn new(flags: u32) -> Result<RwFlags> {
        let known = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND | RWF_NOAPPEND;
        // Also RWF_ATOMIC and RWF_DONTCACHE: no file here offers them, and Linux answers the same then.
        if flags & !known != 0 {
            return Err(Errno::OPNOTSUPP);
        }
        if flags & RWF_APPEND != 0 && flags & RWF_NOAPPEND != 0 {
            return Err(Errno::INVAL);
        }
        Ok(RwFlags(flags))
    }

    fn nonblock(self, file: OpenFlags) -> bool {
        file.contains(OpenFlags::NONBLOCK) || self.0 & RWF_NOWAIT != 0
    }

    fn append(self, file: OpenFlags) -> bool {
        (file.contains(OpenFlags::APPEND) && self.0 & RWF_NOAPPEND == 0) || self.0 & RWF_APPEND != 0
    }

    /// Whether a write must reach the storage, and whether data alone suffices.
    fn sync(self, file: OpenFlags) -> Option<bool> {
        if file.contains(OpenFlags::SYNC) || self.0 & RWF_SYNC != 0 {
            return Some(false);
        }
        (file.contains(OpenFlags::DSYNC) || self.0 & RWF_DSYNC != 0).then_some(true)
    }
}

/// An offset given by the program.
///
/// # Errors
/// `EINVAL` when negative or when the transfer would end beyond the largest offset (`rw_verify_area`).
pub(super) fn check_offset(offset: u64, len: usize) -> Result<()> {
    match offset.checked_add(len as u64) {
        Some(end) if end <= i64::MAX as u64 => Ok(()),
        _ => Err(Errno::INVAL),
    }
}

/// Tells who watches the file, when something was moved.
#[inline]
fn told(file: &File, result: Result<usize>, events: Events) -> Result<usize> {
    if matches!(result, Ok(1..)) {
        notify::on_file(file, events);
    }
    result
}

/// As [`told`], for a read: readv(2) tells even when there was nothing to read (`vfs_readv`).
#[inline]
fn told_read(file: &File, buffer: &Buffer<'_>, result: Result<usize>) -> Result<usize> {
    if matches!((&result, buffer), (Ok(0), Buffer::Many(_))) {
        notify::on_file(file, Events::ACCESS);
    }
    told(file, result, Events::ACCESS)
}

/// Reads at the position and advances it.
#[inline]
pub(super) fn read(file: &File, buffer: &Buffer<'_>, rwf: RwFlags) -> Result<usize> {
    told_read(file, buffer, read_here(file, buffer, rwf))
}

#[inline]
fn read_here(file: &File, buffer: &Buffer<'_>, rwf: RwFlags) -> Result<usize> {
    let flags = check_readable(file)?;
    let nonblock = rwf.nonblock(flags);
    if file.is_stream() {
        return file.ops.read(&mut buffer.dst(), 0, nonblock);
    }
    if file.keeps_position() {
        return file.ops.read(&mut buffer.dst(), HOST_POSITION, nonblock);
    }
    if file.has_atomic_position() {
        let mut position = file.position.lock();
        check_offset(*position, buffer.len())?;
        let count = file.ops.read(&mut buffer.dst(), *position, nonblock)?;
        *position += count as u64;
        return Ok(count);
    }
    let position = *file.position.lock();
    check_offset(position, buffer.len())?;
    let count = file.ops.read(&mut buffer.dst(), position, nonblock)?;
    *file.position.lock() = position + count as u64;
    Ok(count)
}

/// Reads at `offset`; the position stays.
#[inline(always)]
pub(super) fn read_at(file: &File, buffer: &Buffer<'_>, offset: u64, rwf: RwFlags) -> Result<usize> {
    if file.is_stream() {
        return Err(Errno::SPIPE);
    }
    let flags = check_readable(file)?;
    check_offset(offset, buffer.len())?;
    told_read(file, buffer, file.ops.read(&mut buffer.dst(), offset, rwf.nonblock(flags)))
}

#[inline]
fn check_readable(file: &File) -> Result<OpenFlags> {
    let flags = file.flags();
    if !flags.readable() {
        return Err(Errno::BADF);
    }
    if file.kind() == FileType::Directory {
        return Err(Errno::ISDIR);
    }
    Ok(flags)
}

/// Writes at the position, or at the end, and advances it.
#[inline]
pub(super) fn write(cur: &Current<'_>, file: &File, buffer: &mut Buffer<'_>, rwf: RwFlags) -> Result<usize> {
    let flags = file.flags();
    if !flags.writable() {
        return Err(Errno::BADF);
    }
    let result = if file.is_stream() {
        file.ops.write(&mut buffer.src(), WriteAt::Offset(0), rwf.nonblock(flags)).map(|(count, _)| count)
    } else if file.keeps_position() {
        let at = if rwf.append(flags) { WriteAt::End } else { WriteAt::Offset(HOST_POSITION) };
        write_where(cur, file, buffer, at, rwf).map(|(count, _)| count)
    } else if rwf.append(flags) {
        check_offset(0, buffer.len())?;
        write_where(cur, file, buffer, WriteAt::End, rwf).map(|(count, end)| {
            *file.position.lock() = end;
            count
        })
    } else if file.has_atomic_position() {
        let mut position = file.position.lock();
        check_offset(*position, buffer.len())?;
        write_where(cur, file, buffer, WriteAt::Offset(*position), rwf).map(|(count, end)| {
            *position = end;
            count
        })
    } else {
        let position = *file.position.lock();
        check_offset(position, buffer.len())?;
        write_where(cur, file, buffer, WriteAt::Offset(position), rwf).map(|(count, end)| {
            *file.position.lock() = end;
            count
        })
    };
    if let Err(Errno::PIPE) = result
        && file.ops.sigpipe()
    {
        crate::signal::to_current(cur.task, SIGPIPE as i32);
    }
    told(file, result, Events::MODIFY)
}

/// Writes at `offset` (at the end with `O_APPEND`: pwrite(2), "BUGS"); the position stays.
#[inline(always)]
pub(super) fn write_at(
    cur: &Current<'_>,
    file: &File,
    buffer: &mut Buffer<'_>,
    offset: u64,
    rwf: RwFlags,
) -> Result<usize> {
    if file.is_stream() {
        return Err(Errno::SPIPE);
    }
    let flags = file.flags();
    if !flags.writable() {
        return Err(Errno::BADF);
    }
    check_offset(offset, buffer.len())?;
    let at = if rwf.append(flags) { WriteAt::End } else { WriteAt::Offset(offset) };
    told(file, write_where(cur, file, buffer, at, rwf).map(|(count, _)| count), Events::MODIFY)
}

/// The write itself, within the limits; answers the count and the position behind it.
fn write_where(
    cur: &Current<'_>,
    file: &File,
    buffer: &mut Buffer<'_>,
    at: WriteAt,
    rwf: RwFlags,
) -> Result<(usize, u64)> {
    let flags = file.flags();
    if file.kind() == FileType::Regular && buffer.len() > 0 {
        let start = match at {
            // The end, and a position the host keeps, matter only when there is a limit.
            WriteAt::End | WriteAt::Offset(HOST_POSITION)
                if cur.process().limit(Resource::Fsize) == u64::MAX =>
            {
                None
            }
            WriteAt::Offset(HOST_POSITION) => Some(file.tell()?),
            WriteAt::Offset(offset) => Some(offset),
            WriteAt::End => Some(file.inode.stat()?.size),
        };
        if let Some(start) = start {
            let len = limit_length(cur, file, start, buffer.len())?;
            if len < buffer.len() {
                buffer.truncate(len);
            }
        }
        remove_privileges(cur, file)?;
    }
    let done = file.ops.write(&mut buffer.src(), at, rwf.nonblock(flags))?;
    if done.0 > 0
        && let Some(data_only) = rwf.sync(flags)
    {
        match file.ops.fsync(data_only) {
            Ok(()) | Err(Errno::INVAL) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(done)
}

/// How much of `len` bytes from `start` on the limits allow (`generic_write_check_limits`).
///
/// # Errors
/// `EFBIG` (with SIGXFSZ for `RLIMIT_FSIZE`) when nothing can be written there.
pub(super) fn limit_length(cur: &Current<'_>, file: &File, start: u64, len: usize) -> Result<usize> {
    if file.kind() != FileType::Regular {
        return Ok(len);
    }
    let limit = cur.process().limit(Resource::Fsize);
    let most = limit.min(i64::MAX as u64);
    if start >= most {
        if limit <= start {
            crate::signal::to_current(cur.task, SIGXFSZ as i32);
        }
        return Err(Errno::FBIG);
    }
    Ok(len.min(usize::try_from(most - start).unwrap_or(usize::MAX)))
}

/// Takes set-ID bits away from a file that is about to be changed (`file_remove_privs`).
#[inline]
pub(super) fn remove_privileges(cur: &Current<'_>, file: &File) -> Result<()> {
    if file.may_have_setid()? {
        let cred = cur.cred();
        let stat = file.inode.stat()?;
        if !cred.capable(CAP_FSETID)
            && let Some(mode) = without_setid(&cred, &stat)
        {
            file.inode.set_attr(&SetAttr { mode: Some(mode), ..SetAttr::default() })?;
        }
    }
    Ok(())
}

/// The permission bits without set-user-ID, and without set-group-ID where the group may execute or `cred` is not
/// of it; `None` when there is nothing to take away (`setattr_should_drop_suidgid`).
pub(super) fn without_setid(cred: &Cred, stat: &Stat) -> Option<u32> {
    let mut mode = stat.mode & 0o3777;
    if mode & 0o10 != 0 || !(cred.in_group(stat.gid) || cred.capable(CAP_FSETID)) {
        mode &= !0o2000;
    }
    (mode != stat.mode & 0o7777).then_some(mode)
}
