//! Open regular files.

use super::content::Content;
use super::node::{Body, Node, State};
use crate::fs::host_stat;
use crate::vfs::{FileOps, FileType, MmapSource, OpenFlags, TimeSpec, WriteAt};
use crate::{Errno, Result};
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::Ordering::Acquire;
use host::file::HostFd;
use host::io::{IoDst, IoSrc};
use host::layout::PAGE_SIZE;
use linux_raw_sys::general as g;

/// A read holds the node's lock for so many bytes at a time.
const READ_STEP: usize = 1 << 20;

/// An open regular file.
pub(super) struct OpenFile {
    node: Arc<Node>,
    /// The host's file, for reading as long as nothing was written.
    lower: Option<Arc<HostFd>>,
    writable: bool,
    keep_atime: bool,
}

/// Opens the host's file for reading. It is kept open for the next time, unless the host has replaced it since it was
/// looked up: then the new one is read, by this caller only.
///
/// # Errors
/// Those of open(2); `ESTALE` when it is no regular file any more.
#[cold]
pub(super) fn open_lower(node: &Node) -> Result<Arc<HostFd>> {
    // Not to hang when the host has put a fifo there meanwhile.
    let flags = g::O_RDONLY | g::O_NONBLOCK | g::O_NOCTTY;
    let fd = node.at_place(|dir, name| dir.open_child(name, flags, 0))?;
    let stat = fd.stat()?;
    if host_stat::kind(&stat) != FileType::Regular {
        return Err(Errno::STALE);
    }
    if Some(host_stat::ident(&stat)) != node.lower.ident() {
        return Ok(Arc::new(fd));
    }
    Ok(node.core.cache.admit(&node.this()?, fd))
}

impl OpenFile {
    pub fn open(node: Arc<Node>, flags: OpenFlags) -> Result<Box<dyn FileOps>> {
        let lower = match flags.readable() && !node.copied_up.load(Acquire) {
            true => Some(node.lower_fd()?),
            false => None,
        };
        let keep_atime = flags.contains(OpenFlags::NOATIME);
        Ok(Box::new(OpenFile { node, lower, writable: flags.writable(), keep_atime }))
    }

    /// The host's file, while it is the content.
    #[inline]
    fn lower(&self) -> Option<&Arc<HostFd>> {
        self.lower.as_ref().filter(|_| !self.node.copied_up.load(Acquire))
    }

    /// Stamps the access time as `relatime` does: when the file changed since.
    #[inline]
    fn stamp_read(&self, state: &mut State) {
        if let Some(stat) = &mut state.attr
            && (stat.atime <= stat.mtime || stat.atime <= stat.ctime)
            && !self.keep_atime
        {
            stat.atime = TimeSpec::now();
        }
    }

    #[inline]
    fn stamp_write(&self, state: &mut State) {
        if let Some(stat) = &mut state.attr {
            let now = TimeSpec::now();
            (stat.mtime, stat.ctime) = (now, now);
        }
    }
}

/// The content of a node that is a regular file.
fn content(state: &State) -> Result<&Content> {
    match &state.body {
        Body::Regular(content) => Ok(content),
        _ => Err(Errno::INVAL),
    }
}

impl FileOps for OpenFile {
    #[inline]
    fn read(&self, dst: &mut IoDst<'_>, offset: u64, _nonblock: bool) -> Result<usize> {
        if let Some(fd) = self.lower() {
            return fd.read_at(dst, offset, usize::MAX);
        }
        let mut total = 0;
        loop {
            let mut state = self.node.state.lock();
            let body = content(&state)?;
            if let Some(fd) = body.memfd().cloned() {
                drop(state);
                return match fd.read_at(dst, offset + total as u64, usize::MAX) {
                    Ok(count) => Ok(total + count),
                    Err(_) if total > 0 => Ok(total),
                    Err(errno) => Err(errno),
                };
            }
            let wanted = dst.remaining().min(READ_STEP);
            match body.read(dst, offset + total as u64, wanted) {
                Ok(count) => {
                    self.stamp_read(&mut state);
                    total += count;
                    if count < wanted || dst.is_empty() {
                        return Ok(total);
                    }
                }
                Err(_) if total > 0 => return Ok(total),
                Err(errno) => return Err(errno),
            }
        }
    }

    fn write(&self, src: &mut IoSrc<'_>, at: WriteAt, _nonblock: bool) -> Result<(usize, u64)> {
        let mut state = self.node.state.lock();
        let content = self.node.copy_up(&mut state, u64::MAX)?;
        let offset = match at {
            WriteAt::Offset(offset) => offset,
            WriteAt::End => content.size().ok_or(Errno::STALE)?,
        };
        if src.is_empty() {
            return Ok((0, offset));
        }
        let count = content.write(src, offset, &self.node.core.quota)?;
        self.stamp_write(&mut state);
        Ok((count, offset + count as u64))
    }

    fn seek(&self, offset: i64, whence: u32, _current: u64) -> Option<Result<u64>> {
        match whence {
            g::SEEK_END => {
                let state = self.node.state.lock();
                let size = content(&state).ok()?.size()?;
                Some(size.checked_add_signed(offset).filter(|&at| at <= i64::MAX as u64).ok_or(Errno::INVAL))
            }
            g::SEEK_DATA | g::SEEK_HOLE => {
                let Ok(at) = u64::try_from(offset) else { return Some(Err(Errno::NXIO)) };
                if let Some(fd) = self.lower() {
                    return Some(fd.seek(offset, whence));
                }
                let state = self.node.state.lock();
                Some(match content(&state) {
                    Ok(Content::Lower) => {
                        drop(state);
                        self.node.lower_fd().and_then(|fd| fd.seek(offset, whence))
                    }
                    Ok(content) => content.seek(at, whence),
                    Err(errno) => Err(errno),
                })
            }
            _ => None,
        }
    }

    /// Of an unchanged host file, the host's own descriptor, read-only; else a memfd. What could be written through
    /// the mapping, now or after mprotect(2), is copied up first.
    fn mmap(&self, offset: u64, _len: usize, shared: bool, write: bool) -> Result<MmapSource> {
        if !(shared && (write || self.writable))
            && let Some(fd) = self.lower()
        {
            return Ok(MmapSource::Host { fd: fd.clone(), offset });
        }
        let mut state = self.node.state.lock();
        Ok(MmapSource::Host { fd: self.node.memfd(&mut state)?, offset })
    }

    /// Memory is as stable as this file system gets.
    fn fsync(&self, _data_only: bool) -> Result<()> {
        Ok(())
    }

    fn fallocate(&self, mode: u32, offset: u64, len: u64) -> Result<()> {
        let end = offset.checked_add(len).filter(|&end| end <= i64::MAX as u64).ok_or(Errno::FBIG)?;
        let mut state = self.node.state.lock();
        let quota = &self.node.core.quota;
        let content = self.node.copy_up(&mut state, u64::MAX)?;
        let size = content.size().ok_or(Errno::STALE)?;
        let page = PAGE_SIZE as u64;
        let keep_size = mode & g::FALLOC_FL_KEEP_SIZE != 0;
        match mode & !g::FALLOC_FL_KEEP_SIZE {
            // Room is not set aside, only looked for.
            0 => {
                let more = if keep_size { len } else { end.saturating_sub(size) };
                quota.charge(more)?;
                quota.refund(more);
                if !keep_size && end > size {
                    content.truncate(end, quota)?;
                }
            }
            g::FALLOC_FL_PUNCH_HOLE if keep_size => content.punch(offset, len, quota)?,
            g::FALLOC_FL_ZERO_RANGE => {
                content.punch(offset, len, quota)?;
                if !keep_size && end > size {
                    content.truncate(end, quota)?;
                }
            }
            g::FALLOC_FL_COLLAPSE_RANGE if !keep_size => {
                if !offset.is_multiple_of(page) || !len.is_multiple_of(page) || end >= size {
                    return Err(Errno::INVAL);
                }
                content.shift(offset, -((len / page) as i64), quota)?;
            }
            g::FALLOC_FL_INSERT_RANGE if !keep_size => {
                if !offset.is_multiple_of(page) || !len.is_multiple_of(page) || offset >= size {
                    return Err(Errno::INVAL);
                }
                content.shift(offset, (len / page) as i64, quota)?;
            }
            _ => return Err(Errno::OPNOTSUPP),
        }
        self.stamp_write(&mut state);
        Ok(())
    }
}
