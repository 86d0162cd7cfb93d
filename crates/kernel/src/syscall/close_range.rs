//! close_range(2).

use super::at::check_flags;
use crate::task::Current;
use crate::uaccess::Args;
use crate::vfs::FdTable;
use crate::{Errno, Result};
use alloc::sync::Arc;

/// Give the process a table of its own first (`linux/close_range.h`).
const CLOSE_RANGE_UNSHARE: u32 = 2;
/// Mark instead of closing.
const CLOSE_RANGE_CLOEXEC: u32 = 4;

/// `close_range(first, last, flags)`
pub fn sys_close_range(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (first, last, flags) = (args.u32(0), args.u32(1), args.u32(2));
    check_flags(flags, CLOSE_RANGE_CLOEXEC | CLOSE_RANGE_UNSHARE)?;
    if first > last {
        return Err(Errno::INVAL);
    }
    let table = if flags & CLOSE_RANGE_UNSHARE != 0 { unshare(cur) } else { cur.files.clone() };
    let chosen = |fd: i32| (first..=last).contains(&(fd as u32));
    if flags & CLOSE_RANGE_CLOEXEC != 0 {
        table.set_cloexec_of(chosen);
        return Ok(0);
    }
    let owner = table.lock_owner();
    for file in table.drain(|fd, _| chosen(fd)) {
        file.closed_in(owner);
    }
    Ok(0)
}

/// A table of the thread's own in place of one that it may share.
fn unshare(cur: &mut Current<'_>) -> Arc<FdTable> {
    let own = cur.files.duplicate();
    cur.task.set_files(own.clone());
    cur.reload = true;
    own
}
