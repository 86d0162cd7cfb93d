//! dup(2): dup, dup2, dup3.

use super::at::check_flags;
use crate::task::Current;
use crate::uaccess::Args;
use crate::vfs::{Fd, OpenFlags};
use crate::{Errno, Result};
use core::sync::atomic::Ordering::Relaxed;

/// `dup(oldfd)`
pub fn sys_dup(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let file = cur.file_or_path(args.i32(0))?;
    Ok(cur.install(file, false)? as usize)
}

/// `dup2(oldfd, newfd)`
pub fn sys_dup2(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    if args.i32(0) == args.i32(1) {
        cur.file_or_path(args.i32(0))?;
        return Ok(args.i32(0) as usize);
    }
    replace(cur, args.i32(0), args.i32(1), false)
}

/// `dup3(oldfd, newfd, flags)`
pub fn sys_dup3(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    check_flags(args.u32(2), OpenFlags::CLOEXEC.bits())?;
    if args.i32(0) == args.i32(1) {
        return Err(Errno::INVAL);
    }
    replace(cur, args.i32(0), args.i32(1), args.u32(2) != 0)
}

fn replace(cur: &Current<'_>, old: Fd, new: Fd, cloexec: bool) -> Result<usize> {
    let limit = cur.process().nofile.load(Relaxed);
    if u64::from(new as u32) >= limit {
        return Err(Errno::BADF);
    }
    let file = cur.file_or_path(old)?;
    if let Some(closed) = cur.files.replace(new, file, cloexec, limit)? {
        closed.closed_in(cur.files.lock_owner());
    }
    Ok(new as usize)
}
