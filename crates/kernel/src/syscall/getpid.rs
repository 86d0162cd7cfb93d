//! getpid(2), getppid(2), gettid(2), getpgid(2), setpgid(2), getsid(2), setsid(2).

use crate::task::{Current, Process, find_process};
use crate::uaccess::Args;
use crate::{Errno, Result};
use alloc::sync::Arc;
use core::sync::atomic::Ordering::Relaxed;

/// getpid(2)
pub fn sys_getpid(cur: &mut Current<'_>, _args: &Args) -> Result<usize> {
    Ok(cur.task.process.pid as usize)
}

/// getppid(2)
pub fn sys_getppid(cur: &mut Current<'_>, _args: &Args) -> Result<usize> {
    Ok(cur.task.process.ppid.load(Relaxed) as usize)
}

/// gettid(2)
pub fn sys_gettid(cur: &mut Current<'_>, _args: &Args) -> Result<usize> {
    Ok(cur.task.tid as usize)
}

/// The process a pid argument means: 0 is the caller.
fn process_of(cur: &Current<'_>, pid: i32) -> Result<Arc<Process>> {
    if pid == 0 { Ok(cur.process().clone()) } else { find_process(pid).ok_or(Errno::SRCH) }
}

/// getpgid(2)
pub fn sys_getpgid(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    Ok(process_of(cur, args.i32(0))?.pgid.load(Relaxed) as usize)
}

/// getpgrp(2)
pub fn sys_getpgrp(cur: &mut Current<'_>, _args: &Args) -> Result<usize> {
    Ok(cur.process().pgid.load(Relaxed) as usize)
}

/// setpgid(2)
pub fn sys_setpgid(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (pid, pgid) = (args.i32(0), args.i32(1));
    if pgid < 0 || pgid == 0 && pid < 0 {
        return Err(Errno::INVAL);
    }
    let me = cur.process();
    let process = process_of(cur, pid)?;
    let is_child = process.ppid.load(Relaxed) == me.pid;
    if !Arc::ptr_eq(&process, me) && !is_child {
        return Err(Errno::SRCH);
    }
    let session = me.sid.load(Relaxed);
    if is_child && process.sid.load(Relaxed) != session || process.sid.load(Relaxed) == process.pid {
        return Err(Errno::PERM);
    }
    let pgid = if pgid == 0 { process.pid } else { pgid };
    if pgid != process.pid {
        let exists = crate::task::processes()
            .iter()
            .any(|other| other.pgid.load(Relaxed) == pgid && other.sid.load(Relaxed) == session);
        if !exists {
            return Err(Errno::PERM);
        }
    }
    process.pgid.store(pgid, Relaxed);
    Ok(0)
}

/// getsid(2)
pub fn sys_getsid(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    Ok(process_of(cur, args.i32(0))?.sid.load(Relaxed) as usize)
}

/// setsid(2)
pub fn sys_setsid(cur: &mut Current<'_>, _args: &Args) -> Result<usize> {
    let me = cur.process();
    if crate::task::processes().iter().any(|other| other.pgid.load(Relaxed) == me.pid) {
        return Err(Errno::PERM);
    }
    me.sid.store(me.pid, Relaxed);
    me.pgid.store(me.pid, Relaxed);
    crate::fs::tty::job::new_session(me);
    Ok(me.pid as usize)
}
