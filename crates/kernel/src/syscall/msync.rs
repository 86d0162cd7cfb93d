//! msync(2).

use crate::Result;
use crate::task::Current;
use crate::uaccess::Args;

/// msync(2): address, length, flags.
pub fn sys_msync(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    cur.mm.msync(args.usize(0), args.usize(1), args.u32(2)).map(|()| 0)
}
