//! membarrier(2).

use crate::Result;
use crate::task::Current;
use crate::uaccess::Args;

/// membarrier(2): command, flags, processor.
pub fn sys_membarrier(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    cur.mm.membarrier(args.i32(0), args.u32(1))
}
