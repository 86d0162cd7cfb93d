//! readv(2): readv, writev, preadv, pwritev, preadv2, pwritev2.

use super::pread::offset;
use super::rw::{self, Buffer, RwFlags};
use crate::task::Current;
use crate::uaccess::{Args, with_iovec};
use crate::vfs::File;
use crate::vfs::notify;
use crate::{Errno, Result};

/// `readv(fd, iov, iovcnt)`
pub fn sys_readv(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let file = cur.file(args.i32(0))?;
    readv(&file, args, None, 0)
}

/// `writev(fd, iov, iovcnt)`
pub fn sys_writev(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let file = cur.file(args.i32(0))?;
    writev(cur, &file, args, None, 0)
}

/// `preadv(fd, iov, iovcnt, pos_l, pos_h)`; the offset is whole in `pos_l` on 64-bit machines.
pub fn sys_preadv(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let at = offset(args.i64(3))?;
    let file = positioned(cur, args)?;
    readv(&file, args, Some(at), 0)
}

/// `pwritev(fd, iov, iovcnt, pos_l, pos_h)`
pub fn sys_pwritev(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let at = offset(args.i64(3))?;
    let file = positioned(cur, args)?;
    writev(cur, &file, args, Some(at), 0)
}

/// `preadv2(fd, iov, iovcnt, pos_l, pos_h, flags)`; offset -1 means the position.
pub fn sys_preadv2(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    if args.i64(3) == -1 {
        let file = cur.file(args.i32(0))?;
        return readv(&file, args, None, args.u32(5));
    }
    let at = offset(args.i64(3))?;
    let file = positioned(cur, args)?;
    readv(&file, args, Some(at), args.u32(5))
}

/// `pwritev2(fd, iov, iovcnt, pos_l, pos_h, flags)`
pub fn sys_pwritev2(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    if args.i64(3) == -1 {
        let file = cur.file(args.i32(0))?;
        return writev(cur, &file, args, None, args.u32(5));
    }
    let at = offset(args.i64(3))?;
    let file = positioned(cur, args)?;
    writev(cur, &file, args, Some(at), args.u32(5))
}

fn positioned(cur: &Current<'_>, args: &Args) -> Result<alloc::sync::Arc<File>> {
    let file = cur.file(args.i32(0))?;
    if file.is_stream() { Err(Errno::SPIPE) } else { Ok(file) }
}

fn readv(file: &File, args: &Args, at: Option<u64>, flags: u32) -> Result<usize> {
    if !file.flags().readable() {
        return Err(Errno::BADF);
    }
    with_iovec(args.usize(1), args.usize(2), |segments| {
        // Nothing to move is answered before the flags are looked at, as Linux does.
        if segments.iter().all(|s| s.len == 0) {
            return Ok(0);
        }
        let rwf = RwFlags::new(flags)?;
        let buffer = buffer(segments);
        match at {
            Some(at) => rw::read_at(file, &buffer, at, rwf),
            None => rw::read(file, &buffer, rwf),
        }
    })
}

fn writev(cur: &Current<'_>, file: &File, args: &Args, at: Option<u64>, flags: u32) -> Result<usize> {
    if !file.flags().writable() {
        return Err(Errno::BADF);
    }
    with_iovec(args.usize(1), args.usize(2), |segments| {
        if segments.iter().all(|s| s.len == 0) {
            return Ok(0);
        }
        let rwf = RwFlags::new(flags)?;
        let mut buffer = buffer(segments);
        match at {
            Some(at) => rw::write_at(cur, file, &mut buffer, at, rwf),
            None => rw::write(cur, file, &mut buffer, rwf),
        }
    })
}

fn buffer(segments: &mut [host::io::Segment]) -> Buffer<'_> {
    match segments {
        // One piece is as read(2), save for those who are told of it.
        [one] if !notify::is_active() => Buffer::One(*one),
        many => Buffer::Many(many),
    }
}
