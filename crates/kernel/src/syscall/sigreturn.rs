//! sigreturn(2): rt_sigreturn, the way back from a handler.

use crate::signal::{self, RestartBlock, SigInfo};
use crate::task::Current;
use crate::uaccess::Args;
use crate::{Errno, Result};
use linux_raw_sys::general::SIGSEGV;

/// rt_sigreturn(): all registers come from the frame on the stack, the result register as well.
pub fn sys_rt_sigreturn(cur: &mut Current<'_>, _args: &Args) -> Result<usize> {
    // A call that a handler interrupted is not continued once it has returned.
    *cur.task.signals.restart.lock() = None;
    signal::leave_handler(cur).or_else(|_| {
        signal::force(cur.task, SigInfo::kernel(SIGSEGV as i32));
        Ok(0)
    })
}

/// restart_syscall(): goes on with a sleep that a stop signal interrupted, with the time that is left.
pub fn sys_restart_syscall(cur: &mut Current<'_>, _args: &Args) -> Result<usize> {
    let block = cur.task.signals.restart.lock().take();
    match block {
        Some(RestartBlock { run, args }) => run(cur, args),
        None => Err(Errno::INTR),
    }
}
