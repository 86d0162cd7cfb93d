//! munmap(2).

use crate::Result;
use crate::task::Current;
use crate::uaccess::Args;

/// munmap(2): address, length.
pub fn sys_munmap(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    cur.mm.munmap(args.usize(0), args.usize(1)).map(|()| 0)
}
