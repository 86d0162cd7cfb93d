//! brk(2).

use super::mmap::rights;
use crate::Result;
use crate::task::Current;
use crate::uaccess::Args;

/// brk(2): the new end of the heap, or 0 to ask; answers the end, the old one when it could not be moved.
pub fn sys_brk(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    Ok(cur.mm.brk(&rights(cur), args.usize(0)))
}
