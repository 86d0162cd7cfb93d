//! sigprocmask(2): rt_sigprocmask. No lock, no allocation: libraries call it around every critical section.

use crate::signal::{self, SigSet};
use crate::task::Current;
use crate::uaccess::{self, Args};
use crate::{Errno, Result};
use linux_raw_sys::general::{SIG_BLOCK, SIG_SETMASK, SIG_UNBLOCK};

/// rt_sigprocmask(how, new, old, sigsetsize)
pub fn sys_rt_sigprocmask(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (how, new, old) = (args.u32(0), args.usize(1), args.usize(2));
    if args.usize(3) != size_of::<SigSet>() {
        return Err(Errno::INVAL);
    }
    let before = cur.task.signals.blocked();
    if new != 0 {
        let set: u64 = uaccess::get(new)?;
        let mask = match how {
            SIG_BLOCK => before.0 | set & !SigSet::UNBLOCKABLE.0,
            SIG_UNBLOCK => before.0 & !set,
            SIG_SETMASK => set,
            _ => return Err(Errno::INVAL),
        };
        signal::set_blocked(cur.task, SigSet(mask));
    }
    if old != 0 {
        uaccess::put(old, &before.0)?;
    }
    Ok(0)
}
