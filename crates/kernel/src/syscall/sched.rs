//! sched(7): policies, parameters, affinity.
//!
//! The host schedules, so every request goes to the host for the host thread behind the thread meant (`host::sched`),
//! after the checks of who may ask, which are ours: the host knows nothing of the program's users. What the host refuses
//! to who started fncall stays refused.

use super::kill::find_thread;
use super::priority::may_lower;
use crate::task::{Cred, Current, Resource, Task};
use crate::uaccess::{Args, get, get_bytes, put, put_bytes};
use crate::{Errno, Result};
use alloc::sync::Arc;
use core::sync::atomic::Ordering::Relaxed;
use host::sched::{self, SchedAttr};
use linux_raw_sys::general as g;

/// Bytes of the first version of `struct sched_attr`, and of one with the utilisation clamps.
const ATTR_VER0: usize = 48;
const ATTR_VER1: usize = 56;
const _: () = assert!(size_of::<SchedAttr>() == ATTR_VER1);

/// sched_yield(2)
pub fn sys_sched_yield(_cur: &mut Current<'_>, _args: &Args) -> Result<usize> {
    host::park::yield_now();
    Ok(0)
}

/// The thread `pid` (0: the caller).
///
/// # Errors
/// `ESRCH`.
fn target(cur: &Current<'_>, pid: i32) -> Result<Arc<Task>> {
    if pid == 0 { Ok(cur.task.clone()) } else { find_thread(cur, None, pid) }
}

/// As [`target`], for calls that refuse negative numbers first.
///
/// # Errors
/// `EINVAL`, `ESRCH`.
fn valid_target(cur: &Current<'_>, pid: i32) -> Result<Arc<Task>> {
    if pid < 0 { Err(Errno::INVAL) } else { target(cur, pid) }
}

/// Whether the caller runs as who `task` runs as (`check_same_owner`).
fn same_owner(cur: &Current<'_>, task: &Task) -> bool {
    let (own, other): (Arc<Cred>, Arc<Cred>) = (cur.cred(), task.process.cred());
    own.euid == other.euid || own.euid == other.uid
}

/// sched_getaffinity(2)
pub fn sys_sched_getaffinity(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let len = args.u32(1) as usize;
    let mut mask = [0u8; 1024];
    let own = sched::affinity(0, &mut mask)?;
    if len & 7 != 0 || len < own {
        return Err(Errno::INVAL);
    }
    let task = target(cur, args.i32(0))?;
    let filled = sched::affinity(task.parker.host_tid(), &mut mask)?;
    put_bytes(args.usize(2), &mask[..filled])?;
    Ok(filled)
}

/// sched_setaffinity(2)
pub fn sys_sched_setaffinity(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let mut mask = [0u8; 1024];
    let len = (args.u32(1) as usize).min(mask.len());
    get_bytes(&mut mask[..len], args.usize(2))?;
    let task = target(cur, args.i32(0))?;
    if !same_owner(cur, &task) && !cur.cred().capable(g::CAP_SYS_NICE) {
        return Err(Errno::PERM);
    }
    sched::set_affinity(task.parker.host_tid(), &mask[..len])?;
    Ok(0)
}

/// sched_getparam(2): the real-time priority.
pub fn sys_sched_getparam(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    if args.usize(1) == 0 {
        return Err(Errno::INVAL);
    }
    let task = valid_target(cur, args.i32(0))?;
    put(args.usize(1), &sched::attr(task.parker.host_tid())?.priority)?;
    Ok(0)
}

/// sched_setparam(2)
pub fn sys_sched_setparam(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    set_scheduler(cur, args.i32(0), None, args.usize(1))
}

/// sched_getscheduler(2)
pub fn sys_sched_getscheduler(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let task = valid_target(cur, args.i32(0))?;
    let attr = sched::attr(task.parker.host_tid())?;
    let reset = attr.flags & u64::from(g::SCHED_FLAG_RESET_ON_FORK) != 0;
    Ok((attr.policy | if reset { g::SCHED_RESET_ON_FORK } else { 0 }) as usize)
}

/// sched_setscheduler(2)
pub fn sys_sched_setscheduler(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let policy = args.i32(1);
    if policy < 0 {
        return Err(Errno::INVAL);
    }
    set_scheduler(cur, args.i32(0), Some(policy as u32), args.usize(2))
}

/// `policy`: `None` keeps it; else with `SCHED_RESET_ON_FORK` as a bit of it.
fn set_scheduler(cur: &Current<'_>, pid: i32, policy: Option<u32>, param: usize) -> Result<usize> {
    if param == 0 || pid < 0 {
        return Err(Errno::INVAL);
    }
    let priority: i32 = get(param)?;
    let task = target(cur, pid)?;
    let old = sched::attr(task.parker.host_tid())?;
    let reset = u64::from(g::SCHED_FLAG_RESET_ON_FORK);
    let (policy, flags) = match policy {
        None => (old.policy, old.flags & reset),
        Some(bits) => {
            (bits & !g::SCHED_RESET_ON_FORK, if bits & g::SCHED_RESET_ON_FORK != 0 { reset } else { 0 })
        }
    };
    let priority = u32::try_from(priority).map_err(|_| Errno::INVAL)?;
    change(cur, &task, &old, SchedAttr { policy, flags, priority, nice: old.nice, ..SchedAttr::default() })
}

/// Checks as Linux does (`__sched_setscheduler`, `user_check_sched_setscheduler`) and asks the host.
fn change(cur: &Current<'_>, task: &Task, old: &SchedAttr, new: SchedAttr) -> Result<usize> {
    let is_rt = |policy: u32| matches!(policy, g::SCHED_FIFO | g::SCHED_RR);
    let is_fair = |policy: u32| matches!(policy, g::SCHED_NORMAL | g::SCHED_BATCH);
    let known =
        is_rt(new.policy) || is_fair(new.policy) || matches!(new.policy, g::SCHED_IDLE | g::SCHED_DEADLINE);
    if !known || new.priority > 99 || is_rt(new.policy) != (new.priority != 0) {
        return Err(Errno::INVAL);
    }
    let tid = task.parker.host_tid();
    let nice_now = sched::nice(tid);
    let limit = task.process.limit(Resource::Rtprio);
    let raises = if is_fair(new.policy) {
        new.nice < nice_now && !may_lower(cur, task, new.nice)
    } else if is_rt(new.policy) {
        new.policy != old.policy && limit == 0
            || new.priority > old.priority && u64::from(new.priority) > limit
    } else {
        new.policy == g::SCHED_DEADLINE
    };
    let leaves_idle = old.policy == g::SCHED_IDLE
        && new.policy != g::SCHED_IDLE
        && (20 - nice_now) as u64 > task.process.limit(Resource::Nice);
    let reset = u64::from(g::SCHED_FLAG_RESET_ON_FORK);
    let drops_reset = old.flags & reset != 0 && new.flags & reset == 0;
    let needs = raises || leaves_idle || drops_reset || !same_owner(cur, task);
    if needs && !cur.cred().capable(g::CAP_SYS_NICE) {
        return Err(Errno::PERM);
    }
    sched::set_attr(tid, &new)?;
    Ok(0)
}

/// sched_setattr(2)
pub fn sys_sched_setattr(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (pid, addr) = (args.i32(0), args.usize(1));
    if addr == 0 || pid < 0 || args.u32(2) != 0 {
        return Err(Errno::INVAL);
    }
    let mut new = get_attr(addr)?;
    if (new.policy as i32) < 0 {
        return Err(Errno::INVAL);
    }
    let task = target(cur, pid)?;
    let old = sched::attr(task.parker.host_tid())?;
    if new.flags & u64::from(g::SCHED_FLAG_KEEP_POLICY) != 0 {
        new.policy = old.policy;
        new.flags &= !u64::from(g::SCHED_FLAG_KEEP_POLICY);
    }
    if new.flags & u64::from(g::SCHED_FLAG_KEEP_PARAMS) != 0 {
        (new.nice, new.priority) = (old.nice, old.priority);
        (new.runtime, new.deadline, new.period) = (old.runtime, old.deadline, old.period);
        new.flags &= !u64::from(g::SCHED_FLAG_KEEP_PARAMS);
    }
    change(cur, &task, &old, new)
}

/// `sched_copy_attr`: a structure of any size, as long as what we do not know of it is zero.
///
/// # Errors
/// `EFAULT`; `EINVAL`; `E2BIG`, with the size we know written to the structure.
fn get_attr(addr: usize) -> Result<SchedAttr> {
    let too_big = || {
        put(addr, &(ATTR_VER1 as u32))?;
        Err(Errno::TOOBIG)
    };
    let size = match get::<u32>(addr)? as usize {
        0 => ATTR_VER0,
        size if !(ATTR_VER0..=4096).contains(&size) => return too_big(),
        size => size,
    };
    let mut bytes = [0u8; ATTR_VER1];
    let known = size.min(ATTR_VER1);
    get_bytes(&mut bytes[..known], addr)?;
    for at in known..size {
        if get::<u8>(addr + at)? != 0 {
            return too_big();
        }
    }
    let word = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
    let attr = SchedAttr {
        size: size as u32,
        policy: word(4),
        flags: long(8),
        nice: (word(16) as i32).clamp(-20, 19),
        priority: word(20),
        runtime: long(24),
        deadline: long(32),
        period: long(40),
        util_min: word(48),
        util_max: word(52),
    };
    let clamps = u64::from(g::SCHED_FLAG_UTIL_CLAMP_MIN | g::SCHED_FLAG_UTIL_CLAMP_MAX);
    if attr.flags & clamps != 0 && size < ATTR_VER1 {
        return Err(Errno::INVAL);
    }
    Ok(attr)
}

/// sched_getattr(2)
pub fn sys_sched_getattr(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (pid, addr, size) = (args.i32(0), args.usize(1), args.u32(2) as usize);
    if addr == 0 || pid < 0 || !(ATTR_VER0..=4096).contains(&size) || args.u32(3) != 0 {
        return Err(Errno::INVAL);
    }
    let task = target(cur, pid)?;
    let attr = sched::attr(task.parker.host_tid())?;
    let mut bytes = [0u8; ATTR_VER1];
    let len = size.min(ATTR_VER1);
    let fields: [(usize, u64, usize); 10] = [
        (0, len as u64, 4),
        (4, u64::from(attr.policy), 4),
        (8, attr.flags, 8),
        (16, u64::from(attr.nice as u32), 4),
        (20, u64::from(attr.priority), 4),
        (24, attr.runtime, 8),
        (32, attr.deadline, 8),
        (40, attr.period, 8),
        (48, u64::from(attr.util_min), 4),
        (52, u64::from(attr.util_max), 4),
    ];
    for (at, value, width) in fields {
        bytes[at..at + width].copy_from_slice(&value.to_ne_bytes()[..width]);
    }
    put_bytes(addr, &bytes[..len])?;
    Ok(0)
}

/// sched_get_priority_max(2)
pub fn sys_sched_get_priority_max(_cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    match args.i32(0) {
        1 | 2 => Ok(99),
        0 | 3 | 5 | 6 => Ok(0),
        _ => Err(Errno::INVAL),
    }
}

/// sched_get_priority_min(2)
pub fn sys_sched_get_priority_min(_cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    match args.i32(0) {
        1 | 2 => Ok(1),
        0 | 3 | 5 | 6 => Ok(0),
        _ => Err(Errno::INVAL),
    }
}

/// sched_rr_get_interval(2)
pub fn sys_sched_rr_get_interval(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let task = valid_target(cur, args.i32(0))?;
    put(args.usize(1), &sched::interval(task.parker.host_tid())?)?;
    Ok(0)
}

/// getcpu(2)
pub fn sys_getcpu(_cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (cpu, node) = host::system::cpu();
    if args.usize(0) != 0 {
        put(args.usize(0), &cpu)?;
    }
    if args.usize(1) != 0 {
        put(args.usize(1), &node)?;
    }
    Ok(0)
}

/// personality(2): 0xffffffff asks.
pub fn sys_personality(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let personality = &cur.process().personality;
    let old = personality.load(Relaxed);
    if args.u32(0) != u32::MAX {
        personality.store(args.u32(0), Relaxed);
    }
    Ok(old as usize)
}

/// get_mempolicy(2): the default policy, whatever the address.
pub fn sys_get_mempolicy(_cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (mode, mask, maxnode, flags) = (args.usize(0), args.usize(1), args.usize(2), args.u32(4));
    if flags & !7 != 0 || flags != 0 {
        return Err(Errno::INVAL);
    }
    if mask != 0 {
        let bytes = maxnode.saturating_sub(1).div_ceil(64).min(128) * 8;
        put_bytes(mask, &[0u8; 1024][..bytes])?;
    }
    if mode != 0 {
        put(mode, &0u32)?;
    }
    Ok(0)
}

/// set_mempolicy(2)
pub fn sys_set_mempolicy(_cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    if args.i32(0) == 0 { Ok(0) } else { Err(Errno::INVAL) }
}
