//! mlock(2), mlock2(2), munlock(2), mlockall(2), munlockall(2).

use super::mmap::rights;
use crate::task::Current;
use crate::uaccess::Args;
use crate::{Errno, Result};
use linux_raw_sys::general::MLOCK_ONFAULT;

/// mlock(2): address, length.
pub fn sys_mlock(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    cur.mm.mlock(&rights(cur), args.usize(0), args.usize(1), false).map(|()| 0)
}

/// mlock2(2): address, length, flags.
pub fn sys_mlock2(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let flags = args.u32(2);
    if flags & !MLOCK_ONFAULT != 0 {
        return Err(Errno::INVAL);
    }
    cur.mm.mlock(&rights(cur), args.usize(0), args.usize(1), flags != 0).map(|()| 0)
}

/// munlock(2): address, length.
pub fn sys_munlock(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    cur.mm.munlock(args.usize(0), args.usize(1)).map(|()| 0)
}

/// mlockall(2): flags.
pub fn sys_mlockall(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    cur.mm.mlockall(&rights(cur), args.u32(0)).map(|()| 0)
}

/// munlockall(2).
pub fn sys_munlockall(cur: &mut Current<'_>, _args: &Args) -> Result<usize> {
    cur.mm.munlockall();
    Ok(0)
}
