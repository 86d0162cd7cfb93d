//! sigpending(2): rt_sigpending.

use crate::signal;
use crate::task::Current;
use crate::uaccess::{self, Args};
use crate::{Errno, Result};

/// rt_sigpending(set, sigsetsize)
pub fn sys_rt_sigpending(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let len = args.usize(1);
    if len > 8 {
        return Err(Errno::INVAL);
    }
    let set = signal::pending_for(cur.task).0 & cur.task.signals.blocked().0;
    uaccess::put_bytes(args.usize(0), &set.to_le_bytes()[..len])?;
    Ok(0)
}
