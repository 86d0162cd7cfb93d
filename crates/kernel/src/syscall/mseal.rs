//! mseal(2).

use crate::Result;
use crate::task::Current;
use crate::uaccess::Args;

/// mseal(2): address, length, flags.
pub fn sys_mseal(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    cur.mm.mseal(args.usize(0), args.usize(1), args.usize(2)).map(|()| 0)
}
