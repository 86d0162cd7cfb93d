//! umask(2).

use crate::Result;
use crate::task::Current;
use crate::uaccess::Args;
use core::sync::atomic::Ordering::Relaxed;

/// `umask(mask)`
pub fn sys_umask(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    Ok(cur.fs.umask.swap(args.u32(0) & 0o777, Relaxed) as usize)
}
