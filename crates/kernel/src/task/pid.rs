//! Numbers of processes and threads: which are given out, and how many there may be (`kernel/pid.c`, pid_max in proc(5),
//! `RLIMIT_NPROC` in getrlimit(2)). `clone` asks here.

use super::{Current, FIRST_PID, KERNEL_PID, Process, processes};
use crate::sysctl::Sysctl;
use crate::{Errno, Result};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicI32, AtomicU64, Ordering::Relaxed};
use host::mutex::Mutex;

/// So many threads there may be in an instance: each has stacks in the arena.
const MAX_TASKS: usize = 8192;
/// Numbers wrap here (`pid_max` of a small machine) and begin again above those of daemons, as Linux has it.
pub static PID_MAX: Sysctl = Sysctl::new(32768, 301, 1 << 22);
const PID_AGAIN: i32 = 300;

const CAP_SYS_ADMIN: u32 = 21;
const CAP_SYS_RESOURCE: u32 = 24;
const CAP_CHECKPOINT_RESTORE: u32 = 40;

static LAST_PID: AtomicI32 = AtomicI32::new(FIRST_PID);
static MADE: AtomicU64 = AtomicU64::new(2);
/// Numbers asked for by `set_tid` whose tasks are not in the tables yet.
static PID_LOCK: Mutex<Vec<i32>> = Mutex::new(Vec::new());

/// Whether the caller may make another thread or process.
///
/// # Errors
/// `EAGAIN` at `RLIMIT_NPROC`, and when there are as many as there may be.
pub(super) fn check_limits(cur: &Current<'_>) -> Result<()> {
    let cred = cur.cred();
    let (own, total) = count_tasks(cred.uid);
    let exempt = cred.uid == 0 || cred.capable(CAP_SYS_ADMIN) || cred.capable(CAP_SYS_RESOURCE);
    let limit = cur.process().limit(super::Resource::Nproc);
    if total >= MAX_TASKS || !exempt && own as u64 >= limit { Err(Errno::AGAIN) } else { Ok(()) }
}

/// How many threads the processes of a user have, and how many there are; one that has ended counts until it was waited
/// for.
fn count_tasks(uid: u32) -> (usize, usize) {
    let mut all = processes();
    all.retain(|process| process.pid != KERNEL_PID);
    let tasks = |process: &Arc<Process>| process.tasks.lock().len().max(1);
    let own = all.iter().filter(|process| process.cred().uid == uid).map(tasks).sum();
    (own, all.iter().map(tasks).sum())
}

/// How many threads the processes of a user have, as `RLIMIT_NPROC` counts them.
pub fn process_count(uid: u32) -> usize {
    count_tasks(uid).0
}

/// The number that was given out last.
pub fn last_pid() -> i32 {
    LAST_PID.load(Relaxed)
}

/// The next process gets a number behind `pid` (/proc/sys/kernel/ns_last_pid).
///
/// # Errors
/// `EPERM` for who has no capability for it; `EINVAL` for what is no number of a process.
pub fn set_last_pid(pid: i128) -> Result<()> {
    let may = |cred: &super::Cred| cred.capable(CAP_SYS_ADMIN) || cred.capable(CAP_CHECKPOINT_RESTORE);
    if !super::current_task().is_some_and(|task| may(&task.process.cred())) {
        return Err(Errno::PERM);
    }
    let pid =
        i32::try_from(pid).ok().filter(|pid| (0..PID_MAX.get() as i32).contains(pid)).ok_or(Errno::INVAL)?;
    LAST_PID.store(pid.max(KERNEL_PID), Relaxed);
    Ok(())
}

/// How many processes and threads were made since boot.
pub fn made() -> u64 {
    MADE.load(Relaxed)
}

/// A number nobody has: `set_tid`, unless that is 0.
///
/// # Errors
/// `EINVAL`, `EPERM`, `EEXIST` for `set_tid`.
pub(super) fn new(cur: &Current<'_>, set_tid: i32) -> Result<i32> {
    let mut claimed = PID_LOCK.lock();
    let taken = |pid: i32| {
        processes().iter().any(|p| {
            let used = [p.pid, p.pgid.load(Relaxed), p.sid.load(Relaxed)].contains(&pid);
            used || p.tasks.lock().iter().any(|task| task.tid == pid)
        })
    };
    if set_tid != 0 {
        if !(1..PID_MAX.get() as i32).contains(&set_tid) {
            return Err(Errno::INVAL);
        }
        let cred = cur.cred();
        if !cred.capable(CAP_SYS_ADMIN) && !cred.capable(CAP_CHECKPOINT_RESTORE) {
            return Err(Errno::PERM);
        }
        // 1 is the kernel's own.
        if set_tid == 1 || taken(set_tid) || claimed.contains(&set_tid) {
            return Err(Errno::EXIST);
        }
        claimed.push(set_tid);
        return Ok(set_tid);
    }
    let mut pid = LAST_PID.load(Relaxed);
    loop {
        pid = if pid + 1 >= PID_MAX.get() as i32 { PID_AGAIN } else { pid + 1 };
        // There are far fewer tasks than numbers.
        if !taken(pid) && !claimed.contains(&pid) {
            LAST_PID.store(pid, Relaxed);
            MADE.fetch_add(1, Relaxed);
            return Ok(pid);
        }
    }
}

/// The task of a number that was asked for is in the tables now, or was not made.
pub(super) fn forget_claim(set_tid: i32) {
    PID_LOCK.lock().retain(|pid| *pid != set_tid);
}
