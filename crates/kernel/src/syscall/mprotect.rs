//! mprotect(2).

use super::mmap::rights;
use crate::Result;
use crate::task::Current;
use crate::uaccess::Args;

/// mprotect(2): address, length, protection.
pub fn sys_mprotect(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    cur.mm.mprotect(&rights(cur), args.usize(0), args.usize(1), args.u32(2)).map(|()| 0)
}
