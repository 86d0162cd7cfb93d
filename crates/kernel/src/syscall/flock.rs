//! flock(2).

use crate::task::Current;
use crate::uaccess::Args;
use crate::vfs::locks;
use crate::{Errno, Result};
use linux_raw_sys::general::{LOCK_EX, LOCK_MAND, LOCK_NB, LOCK_SH, LOCK_UN};

/// `flock(fd, operation)`
pub fn sys_flock(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let operation = args.u32(1);
    // Mandatory locks of this kind are gone; Linux ignores the request (`LOCK_MAND`).
    if operation & LOCK_MAND != 0 {
        return Ok(0);
    }
    let wanted = match operation & !LOCK_NB {
        LOCK_SH => Some(false),
        LOCK_EX => Some(true),
        LOCK_UN => None,
        _ => return Err(Errno::INVAL),
    };
    let file = cur.file(args.i32(0))?;
    // A lock needs the file open for reading or writing, giving it up does not.
    if wanted.is_some() && file.flags().bits() & 3 == 3 {
        return Err(Errno::BADF);
    }
    locks::flock(&file, cur.process().pid, wanted, operation & LOCK_NB == 0)?;
    Ok(0)
}
