//! sigsuspend(2) and pause(2): sleep until a handler has run.

use crate::signal::{self, SigSet};
use crate::sync::sleep_on;
use crate::task::Current;
use crate::uaccess::{self, Args};
use crate::{ERESTARTNOHAND, Errno, Result};

/// rt_sigsuspend(mask, sigsetsize)
pub fn sys_rt_sigsuspend(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    if args.usize(1) != size_of::<SigSet>() {
        return Err(Errno::INVAL);
    }
    let mask: u64 = uaccess::get(args.usize(0))?;
    signal::set_temporary_mask(cur.task, SigSet(mask));
    sleep()
}

/// pause()
pub fn sys_pause(_cur: &mut Current<'_>, _args: &Args) -> Result<usize> {
    sleep()
}

/// Ends with a signal only, and never restarts once a handler has run.
fn sleep() -> Result<usize> {
    while sleep_on(None, None).is_ok() {}
    Err(ERESTARTNOHAND)
}
