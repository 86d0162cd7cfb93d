//! getpriority(2), setpriority(2), ioprio_get(2), ioprio_set(2): of a thread, a process group, a user.
//!
//! The values are the host's, of the host threads behind the threads meant (`host::sched`).

use super::kill::find_thread;
use crate::task::{self, Current, Resource, Task};
use crate::uaccess::Args;
use crate::{Errno, Result};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;
use host::sched;
use linux_raw_sys::general::{CAP_SYS_ADMIN, CAP_SYS_NICE};

const PRIO_PROCESS: i32 = 0;
const PRIO_PGRP: i32 = 1;
const PRIO_USER: i32 = 2;

/// Classes of ioprio_set(2), which lie above [`CLASS_SHIFT`]; levels below.
const CLASS_NONE: u32 = 0;
const CLASS_RT: u32 = 1;
const CLASS_BE: u32 = 2;
const CLASS_IDLE: u32 = 3;
const CLASS_SHIFT: u32 = 13;
const CLASS_MASK: u32 = 7;
const LEVEL_MASK: u32 = 7;

/// The threads that `which` (`PRIO_*`) and `who` (0: the caller's own) mean; maybe none.
///
/// # Errors
/// `EINVAL` for another `which`.
fn targets(cur: &Current<'_>, which: i32, who: i32) -> Result<Vec<Arc<Task>>> {
    let of_processes = |wanted: &dyn Fn(&task::Process) -> bool| {
        let found = task::processes().into_iter().filter(|process| wanted(process));
        found.flat_map(|process| process.tasks.lock().clone()).collect()
    };
    Ok(match which {
        PRIO_PROCESS if who == 0 => alloc::vec![cur.task.clone()],
        PRIO_PROCESS => find_thread(cur, None, who).into_iter().collect(),
        PRIO_PGRP => {
            let group = if who == 0 { cur.process().pgid.load(Relaxed) } else { who };
            of_processes(&|process| process.pgid.load(Relaxed) == group)
        }
        PRIO_USER => {
            let user = if who == 0 { cur.cred().uid } else { who as u32 };
            of_processes(&|process| process.cred().uid == user)
        }
        _ => return Err(Errno::INVAL),
    })
}

/// getpriority(2): 20 less the nice value, so that it is never negative; the highest of those meant.
pub fn sys_getpriority(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let tasks = targets(cur, args.i32(0), args.i32(1))?;
    let best = tasks.iter().map(|task| 20 - sched::nice(task.parker.host_tid())).max();
    best.map(|value| value as usize).ok_or(Errno::SRCH)
}

/// setpriority(2)
pub fn sys_setpriority(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let nice = args.i32(2).clamp(-20, 19);
    let own = cur.cred();
    let mut result = Err(Errno::SRCH);
    for task in targets(cur, args.i32(0), args.i32(1))? {
        let cred = task.process.cred();
        let may = cred.uid == own.euid || cred.euid == own.euid || own.capable(CAP_SYS_NICE);
        let tid = task.parker.host_tid();
        // One that could not be changed is told, but does not keep the others from it (`set_one_prio`).
        let done = match () {
            () if !may => Err(Errno::PERM),
            () if nice < sched::nice(tid) && !may_lower(cur, &task, nice) => Err(Errno::ACCESS),
            () => sched::set_nice(tid, nice),
        };
        if done.is_err() || result == Err(Errno::SRCH) {
            result = done;
        }
    }
    result.map(|()| 0)
}

/// Whether the caller may lower a nice value to `nice` (`can_nice`).
pub(super) fn may_lower(cur: &Current<'_>, task: &Task, nice: i32) -> bool {
    (20 - nice) as u64 <= task.process.limit(Resource::Nice) || cur.cred().capable(CAP_SYS_NICE)
}

/// ioprio_get(2): of several, the best.
pub fn sys_ioprio_get(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let tasks = targets(cur, args.i32(0).wrapping_sub(1), args.i32(1))?;
    let values = tasks.iter().filter_map(|task| sched::io_priority(task.parker.host_tid()).ok());
    values.min().map(|value| value as usize).ok_or(Errno::SRCH)
}

/// Whether `cred` may use a class and level of ioprio_set(2) (`ioprio_check_cap`).
///
/// # Errors
/// `EPERM`, `EINVAL`.
pub(super) fn check_ioprio(cred: &task::Cred, value: u32) -> Result<()> {
    match (value >> CLASS_SHIFT & CLASS_MASK, value & LEVEL_MASK) {
        (CLASS_RT, _) if !cred.capable(CAP_SYS_ADMIN) && !cred.capable(CAP_SYS_NICE) => {
            return Err(Errno::PERM);
        }
        (CLASS_RT | CLASS_BE | CLASS_IDLE, _) | (CLASS_NONE, 0) => {}
        _ => return Err(Errno::INVAL),
    }
    Ok(())
}

/// ioprio_set(2)
pub fn sys_ioprio_set(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let value = args.u32(2);
    let own = cur.cred();
    check_ioprio(&own, value)?;
    let tasks = targets(cur, args.i32(0).wrapping_sub(1), args.i32(1))?;
    if tasks.is_empty() {
        return Err(Errno::SRCH);
    }
    for task in tasks {
        let uid = task.process.cred().uid;
        if uid != own.euid && uid != own.uid && !own.capable(CAP_SYS_NICE) {
            return Err(Errno::PERM);
        }
        sched::set_io_priority(task.parker.host_tid(), value)?;
    }
    Ok(0)
}
