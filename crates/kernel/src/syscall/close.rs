//! close(2).

use crate::Result;
use crate::task::Current;
use crate::uaccess::Args;

/// `close(fd)`
pub fn sys_close(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    // Dropped here, outside the table's lock: the last one may have much to do.
    let file = cur.files.remove(args.i32(0))?;
    file.closed_in(cur.files.lock_owner());
    Ok(0)
}
