//! exit(2), exit_group(2).

use crate::Result;
use crate::task::Current;
use crate::uaccess::Args;

/// exit_group(2), and exit(2) of the only thread.
pub fn sys_exit_group(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    cur.exit = Some((args.i32(0) & 0xff) << 8);
    Ok(0)
}
