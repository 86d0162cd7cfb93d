//! sched(7): scheduling parameters, affinity, priorities. The host schedules; policies are kept as data.

use crate::task::{Current, find_process};
use crate::uaccess::{Args, get, get_bytes, put, put_bytes};
use crate::{Errno, Result};
use core::sync::atomic::Ordering::Relaxed;

const CAP_SYS_NICE: u32 = 23;

/// sched_yield(2)
pub fn sys_sched_yield(_cur: &mut Current<'_>, _args: &Args) -> Result<usize> {
    host::park::yield_now();
    Ok(0)
}

/// Whether `pid` (0: the caller) is there.
fn check_pid(cur: &Current<'_>, pid: i32) -> Result<()> {
    if pid < 0 {
        return Err(Errno::INVAL);
    }
    if pid == 0 || pid == cur.task.tid || find_process(pid).is_some() { Ok(()) } else { Err(Errno::SRCH) }
}

/// sched_getaffinity(2)
pub fn sys_sched_getaffinity(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let len = args.u32(1) as usize;
    let mut mask = [0u8; 1024];
    let filled = host::system::affinity(&mut mask)?;
    if len & 7 != 0 || len < filled {
        return Err(Errno::INVAL);
    }
    check_pid(cur, args.i32(0)).map_err(|_| Errno::SRCH)?;
    put_bytes(args.usize(2), &mask[..filled])?;
    Ok(filled)
}

/// sched_setaffinity(2)
pub fn sys_sched_setaffinity(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let mut mask = [0u8; 1024];
    let len = (args.u32(1) as usize).min(mask.len());
    get_bytes(&mut mask[..len], args.usize(2))?;
    check_pid(cur, args.i32(0)).map_err(|_| Errno::SRCH)?;
    host::system::set_affinity(&mask[..len])?;
    Ok(0)
}

/// sched_getparam(2)
pub fn sys_sched_getparam(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    if args.usize(1) == 0 {
        return Err(Errno::INVAL);
    }
    check_pid(cur, args.i32(0))?;
    put(args.usize(1), &0u32)?;
    Ok(0)
}

/// sched_setparam(2): the only parameter of the ordinary policies is 0.
pub fn sys_sched_setparam(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    if args.usize(1) == 0 {
        return Err(Errno::INVAL);
    }
    let priority: i32 = get(args.usize(1))?;
    check_pid(cur, args.i32(0))?;
    if priority == 0 { Ok(0) } else { Err(Errno::INVAL) }
}

/// sched_getscheduler(2): `SCHED_OTHER`.
pub fn sys_sched_getscheduler(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    check_pid(cur, args.i32(0))?;
    Ok(0)
}

/// sched_setscheduler(2): the ordinary policies; real-time ones are the host's to give.
pub fn sys_sched_setscheduler(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let policy = args.i32(1) & !0x4000_0000;
    if args.usize(2) == 0 || policy < 0 {
        return Err(Errno::INVAL);
    }
    let priority: i32 = get(args.usize(2))?;
    check_pid(cur, args.i32(0))?;
    match (policy, priority) {
        (0 | 3 | 5, 0) => Ok(0),
        (1 | 2, 1..=99) => Err(Errno::PERM),
        _ => Err(Errno::INVAL),
    }
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

/// sched_rr_get_interval(2): the slice of an ordinary task, as Linux computes it for one that is alone.
pub fn sys_sched_rr_get_interval(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    check_pid(cur, args.i32(0))?;
    put(args.usize(1), &[0i64, 2_800_000])?;
    Ok(0)
}

/// sched_getattr(2)
pub fn sys_sched_getattr(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (addr, size) = (args.usize(1), args.u32(2) as usize);
    if addr == 0 || !(48..=4096).contains(&size) || args.u32(3) != 0 {
        return Err(Errno::INVAL);
    }
    check_pid(cur, args.i32(0))?;
    let mut attr = [0u8; 56];
    let len = size.min(attr.len());
    attr[..4].copy_from_slice(&(len as u32).to_ne_bytes());
    attr[16..20].copy_from_slice(&cur.process().nice.load(Relaxed).to_ne_bytes());
    put_bytes(addr, &attr[..len])?;
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

/// The process that `which` (`PRIO_PROCESS`, `PRIO_PGRP`, `PRIO_USER`) and `who` mean: there is one.
fn priority_target(cur: &Current<'_>, which: i32, who: i32) -> Result<()> {
    let process = cur.process();
    let there = match which {
        0 => who == 0 || who == cur.task.tid || find_process(who).is_some(),
        1 => who == 0 || who == process.pgid.load(Relaxed),
        2 => who == 0 || who as u32 == process.cred().uid,
        _ => return Err(Errno::INVAL),
    };
    if there { Ok(()) } else { Err(Errno::SRCH) }
}

/// getpriority(2): 20 less the nice value, so that it is never negative.
pub fn sys_getpriority(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    priority_target(cur, args.i32(0), args.i32(1))?;
    Ok((20 - cur.process().nice.load(Relaxed)) as usize)
}

/// setpriority(2)
pub fn sys_setpriority(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    priority_target(cur, args.i32(0), args.i32(1))?;
    let nice = args.i32(2).clamp(-20, 19);
    let process = cur.process();
    let floor = 20 - (process.limit(crate::task::Resource::Nice).min(40) as i32);
    if nice < process.nice.load(Relaxed) && nice < floor && !cur.cred().capable(CAP_SYS_NICE) {
        return Err(Errno::ACCESS);
    }
    process.nice.store(nice, Relaxed);
    Ok(0)
}

/// ioprio_get(2): no class, derived from the nice value.
pub fn sys_ioprio_get(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    priority_target(cur, args.i32(0) - 1, args.i32(1))?;
    Ok(0)
}

/// ioprio_set(2)
pub fn sys_ioprio_set(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let class = args.u32(2) >> 13;
    if class > 3 || args.u32(2) & 0x1fff > 7 && class != 0 {
        return Err(Errno::INVAL);
    }
    if class == 1 && !cur.cred().capable(CAP_SYS_NICE) {
        return Err(Errno::PERM);
    }
    priority_target(cur, args.i32(0) - 1, args.i32(1))?;
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
