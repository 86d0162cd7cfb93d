//! sigqueue(3): rt_sigqueueinfo(2) and rt_tgsigqueueinfo(2).

use super::kill::{check, find_by_tid, find_thread};
use crate::signal::{self, SigInfo};
use crate::task::Current;
use crate::uaccess::Args;
use crate::{Errno, Result};
use linux_raw_sys::general as g;

/// rt_sigqueueinfo(pid, signo, info)
pub fn sys_rt_sigqueueinfo(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (pid, signo) = (args.i32(0), args.i32(1));
    let info = get_info(args.usize(2), signo)?;
    let own = pid == cur.process().pid;
    check_code(&info, own)?;
    let target = if own { Some(cur.process().clone()) } else { find_by_tid(pid).filter(|_| pid > 0) };
    let target = target.ok_or(Errno::SRCH)?;
    check(cur, &target, signo)?;
    if signo != 0 {
        signal::to_process(&target, info)?;
    }
    Ok(0)
}

/// rt_tgsigqueueinfo(tgid, tid, signo, info)
pub fn sys_rt_tgsigqueueinfo(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (tgid, tid, signo) = (args.i32(0), args.i32(1), args.i32(2));
    let info = get_info(args.usize(3), signo)?;
    if tgid <= 0 || tid <= 0 {
        return Err(Errno::INVAL);
    }
    check_code(&info, tid == cur.task.tid)?;
    let task = find_thread(cur, Some(tgid), tid)?;
    check(cur, &task.process, signo)?;
    if signo != 0 {
        signal::to_task(&task, info)?;
    }
    Ok(0)
}

fn get_info(addr: usize, signo: i32) -> Result<SigInfo> {
    SigInfo::get(addr, Some(signo))
}

/// Nobody may pretend to be the kernel, or kill(2), to somebody else.
fn check_code(info: &SigInfo, to_self: bool) -> Result<()> {
    if !to_self && (info.code() >= 0 || info.code() == g::SI_TKILL) {
        return Err(Errno::PERM);
    }
    Ok(())
}
