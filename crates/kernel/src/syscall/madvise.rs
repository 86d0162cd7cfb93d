//! madvise(2).

use crate::Result;
use crate::task::Current;
use crate::uaccess::Args;

/// madvise(2): address, length, advice.
pub fn sys_madvise(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    cur.mm.madvise(args.usize(0), args.usize(1), args.u32(2)).map(|()| 0)
}
