//! exit(2), exit_group(2).

use crate::Result;
use crate::task::Current;
use crate::uaccess::Args;

/// exit(2): the calling thread.
pub fn sys_exit(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    cur.exit = Some((args.i32(0) & 0xff) << 8);
    Ok(0)
}

/// exit_group(2): all threads of the process.
pub fn sys_exit_group(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let status = crate::signal::exit_group(cur.process(), (args.i32(0) & 0xff) << 8);
    cur.exit = Some(status);
    Ok(0)
}
