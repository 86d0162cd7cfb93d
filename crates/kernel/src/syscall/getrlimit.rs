//! getrlimit(2), setrlimit(2), prlimit(2).

use crate::task::{Current, Process, Resource, find_process};
use crate::uaccess::{Args, get, put};
use crate::vfs::NR_OPEN;
use crate::{Errno, Result};
use alloc::sync::Arc;

const CAP_SYS_RESOURCE: u32 = 24;
const RLIMIT_NOFILE: u32 = 7;

/// Sets one limit of `process`.
fn set(cur: &Current<'_>, process: &Arc<Process>, number: u32, [soft, hard]: [u64; 2]) -> Result<()> {
    let old = process.limits.lock().by_number(number)?;
    if soft > hard {
        return Err(Errno::INVAL);
    }
    if number == RLIMIT_NOFILE && hard > NR_OPEN.get()
        || hard > old.1 && !cur.cred().capable(CAP_SYS_RESOURCE)
    {
        return Err(Errno::PERM);
    }
    let mut limits = *process.limits.lock();
    limits.0[number as usize] = (soft, hard);
    process.set_limits(limits);
    if number == Resource::Cpu as u32 {
        // The process itself sets its timer.
        if Arc::ptr_eq(process, cur.process()) {
            crate::time::run_expired(process);
        } else if let Some(task) = process.tasks.lock().first() {
            task.parker.kick();
        }
    }
    Ok(())
}

/// getrlimit(2)
pub fn sys_getrlimit(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (soft, hard) = cur.process().limits.lock().by_number(args.u32(0))?;
    put(args.usize(1), &[soft, hard])?;
    Ok(0)
}

/// setrlimit(2)
pub fn sys_setrlimit(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let new = get::<[u64; 2]>(args.usize(1))?;
    cur.process().limits.lock().by_number(args.u32(0))?;
    set(cur, &cur.process().clone(), args.u32(0), new)?;
    Ok(0)
}

/// prlimit64(2)
pub fn sys_prlimit64(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (pid, number, new, old) = (args.i32(0), args.u32(1), args.usize(2), args.usize(3));
    let new = if new == 0 { None } else { Some(get::<[u64; 2]>(new)?) };
    let process = if pid == 0 { cur.process().clone() } else { find_process(pid).ok_or(Errno::SRCH)? };
    let (soft, hard) = process.limits.lock().by_number(number)?;
    if let Some(new) = new {
        set(cur, &process, number, new)?;
    }
    if old != 0 {
        put(old, &[soft, hard])?;
    }
    Ok(0)
}
