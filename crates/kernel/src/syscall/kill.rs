//! kill(2), tkill(2), tgkill(2).

use crate::signal::{self, SigInfo, set};
use crate::task::{self, Current, KERNEL_PID, Process, Task, find_process, processes};
use crate::uaccess::Args;
use crate::{Errno, Result};
use alloc::sync::Arc;
use core::sync::atomic::Ordering::Relaxed;
use linux_raw_sys::general as g;

/// Signal any process (capabilities(7)).
const CAP_KILL: u32 = 5;

/// kill(pid, signo)
pub fn sys_kill(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (pid, signo) = (args.i32(0), args.i32(1));
    let info = by_user(cur, signo, g::SI_USER as i32);
    match pid {
        1.. => {
            let target =
                if pid == cur.process().pid { Some(cur.process().clone()) } else { find_by_tid(pid) };
            send(cur, &target.ok_or(Errno::SRCH)?, signo, info)?;
        }
        0 => to_group(cur, cur.process().pgid.load(Relaxed), signo, info)?,
        -1 => to_all(cur, signo, info)?,
        i32::MIN => return Err(Errno::SRCH),
        _ => to_group(cur, -pid, signo, info)?,
    }
    Ok(0)
}

/// tkill(tid, signo)
pub fn sys_tkill(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (tid, signo) = (args.i32(0), args.i32(1));
    if tid <= 0 {
        return Err(Errno::INVAL);
    }
    to_thread(cur, None, tid, signo)
}

/// tgkill(tgid, tid, signo)
pub fn sys_tgkill(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (tgid, tid, signo) = (args.i32(0), args.i32(1), args.i32(2));
    if tgid <= 0 || tid <= 0 {
        return Err(Errno::INVAL);
    }
    to_thread(cur, Some(tgid), tid, signo)
}

pub(super) fn by_user(cur: &Current<'_>, signo: i32, code: i32) -> SigInfo {
    SigInfo::user(signo, code, cur.process().pid, cur.cred().uid)
}

fn to_thread(cur: &Current<'_>, tgid: Option<i32>, tid: i32, signo: i32) -> Result<usize> {
    let task = find_thread(cur, tgid, tid)?;
    check(cur, &task.process, signo)?;
    if signo != 0 {
        signal::to_task(&task, by_user(cur, signo, g::SI_TKILL))?;
    }
    Ok(0)
}

/// The thread with a number, of the process `tgid` when given.
///
/// # Errors
/// `ESRCH`.
pub(super) fn find_thread(cur: &Current<'_>, tgid: Option<i32>, tid: i32) -> Result<Arc<Task>> {
    if cur.task.tid == tid && tgid.is_none_or(|pid| pid == cur.process().pid) {
        return Ok(cur.task.clone());
    }
    match tgid {
        Some(pid) => find_process(pid).and_then(|process| process.thread(tid)),
        None => task::find_thread(tid),
    }
    .ok_or(Errno::SRCH)
}

/// The process with a number, or the one that has a thread with it, as Linux's kill(2) takes both.
pub(super) fn find_by_tid(pid: i32) -> Option<Arc<Process>> {
    find_process(pid).or_else(|| task::find_thread(pid).map(|task| task.process.clone()))
}

/// Whether the caller may send `signo` to `target` (`check_kill_permission`).
///
/// # Errors
/// `EINVAL` for what is no signal; `EPERM`.
pub(super) fn check(cur: &Current<'_>, target: &Arc<Process>, signo: i32) -> Result<()> {
    if signo != 0 && !set::is_valid(signo) {
        return Err(Errno::INVAL);
    }
    if Arc::ptr_eq(target, cur.process()) {
        return Ok(());
    }
    let (mine, other) = (cur.cred(), target.cred());
    let same_user = [mine.euid, mine.uid].iter().any(|id| *id == other.suid || *id == other.uid);
    let same_session = target.sid.load(Relaxed) == cur.process().sid.load(Relaxed);
    if same_user || mine.capable(CAP_KILL) || signo == g::SIGCONT as i32 && same_session {
        Ok(())
    } else {
        Err(Errno::PERM)
    }
}

fn send(cur: &Current<'_>, target: &Arc<Process>, signo: i32, info: SigInfo) -> Result<()> {
    check(cur, target, signo)?;
    if signo == 0 { Ok(()) } else { signal::to_process(target, info) }
}

/// To every member of a process group; it works when it works for one.
pub(super) fn to_group(cur: &Current<'_>, pgid: i32, signo: i32, info: SigInfo) -> Result<()> {
    let mut result = Err(Errno::SRCH);
    for process in processes().iter().filter(|process| process.pgid.load(Relaxed) == pgid) {
        let one = send(cur, process, signo, info);
        if result != Ok(()) {
            result = one;
        }
    }
    result
}

/// To every process but the caller's own and the first of all. Those that may not be sent to do not count.
fn to_all(cur: &Current<'_>, signo: i32, info: SigInfo) -> Result<()> {
    let mut result = Err(Errno::SRCH);
    for process in
        processes().iter().filter(|process| process.pid != KERNEL_PID && !Arc::ptr_eq(process, cur.process()))
    {
        let one = send(cur, process, signo, info);
        result = if one == Err(Errno::PERM) { result.or(Ok(())) } else { one };
    }
    result
}
