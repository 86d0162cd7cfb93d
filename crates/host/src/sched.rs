//! Scheduling of this host's threads: affinity, policy, nice value, priority of input and output.
//!
//! The host schedules the kernel's threads, so what a program asks for one of its threads is asked of the host for the
//! host thread behind it. Threads are named by their host thread number; 0 is the calling one.

use crate::arch::{syscall2, syscall3, syscall4};
use crate::{Result, check};
use linux_raw_sys::general as g;

/// `struct sched_attr` (sched_setattr(2)), version 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct SchedAttr {
    /// Bytes of the structure.
    pub size: u32,
    /// `SCHED_*`.
    pub policy: u32,
    /// `SCHED_FLAG_*`.
    pub flags: u64,
    /// Nice value, of the fair policies.
    pub nice: i32,
    /// 1 to 99, of the real-time policies.
    pub priority: u32,
    /// `SCHED_DEADLINE`: nanoseconds; the slice of the fair policies.
    pub runtime: u64,
    /// `SCHED_DEADLINE`: nanoseconds.
    pub deadline: u64,
    /// `SCHED_DEADLINE`: nanoseconds.
    pub period: u64,
    /// Utilisation clamp.
    pub util_min: u32,
    /// Utilisation clamp.
    pub util_max: u32,
}

/// The processors the host lets the thread run on, bit by number; answers the bytes the host filled in.
///
/// # Errors
/// Those of sched_getaffinity(2).
pub fn affinity(tid: i32, mask: &mut [u8; 1024]) -> Result<usize> {
    // SAFETY: the mask is live and of that length.
    check(unsafe {
        syscall3(g::__NR_sched_getaffinity, tid as usize, mask.len(), mask.as_mut_ptr() as usize)
    })
}

/// Restricts the thread to these processors.
///
/// # Errors
/// Those of sched_setaffinity(2).
pub fn set_affinity(tid: i32, mask: &[u8]) -> Result<()> {
    // SAFETY: the mask is live and of that length.
    check(unsafe { syscall3(g::__NR_sched_setaffinity, tid as usize, mask.len(), mask.as_ptr() as usize) })?;
    Ok(())
}

/// Policy and parameters.
///
/// # Errors
/// `ESRCH` when there is no such thread any more.
pub fn attr(tid: i32) -> Result<SchedAttr> {
    let mut attr = SchedAttr::default();
    // SAFETY: the structure is live and of that size.
    check(unsafe {
        syscall4(g::__NR_sched_getattr, tid as usize, &raw mut attr as usize, size_of::<SchedAttr>(), 0)
    })?;
    Ok(attr)
}

/// Changes policy and parameters.
///
/// # Errors
/// Those of sched_setattr(2).
pub fn set_attr(tid: i32, attr: &SchedAttr) -> Result<()> {
    let attr = SchedAttr { size: size_of::<SchedAttr>() as u32, ..*attr };
    // SAFETY: the structure is live and of the size it says.
    check(unsafe { syscall3(g::__NR_sched_setattr, tid as usize, &raw const attr as usize, 0) })?;
    Ok(())
}

/// The nice value, as -20..=19; 0 when there is no such thread any more.
pub fn nice(tid: i32) -> i32 {
    const PRIO_PROCESS: usize = 0;
    // SAFETY: no memory is involved; the raw call answers 20 - nice.
    check(unsafe { syscall2(g::__NR_getpriority, PRIO_PROCESS, tid as usize) }).map_or(0, |n| 20 - n as i32)
}

/// Changes the nice value.
///
/// # Errors
/// Those of setpriority(2).
pub fn set_nice(tid: i32, nice: i32) -> Result<()> {
    const PRIO_PROCESS: usize = 0;
    // SAFETY: no memory is involved.
    check(unsafe { syscall3(g::__NR_setpriority, PRIO_PROCESS, tid as usize, nice as usize) })?;
    Ok(())
}

/// The time slice of the thread, in nanoseconds (sched_rr_get_interval(2)).
///
/// # Errors
/// `ESRCH` when there is no such thread any more.
pub fn interval(tid: i32) -> Result<[i64; 2]> {
    let mut time = [0i64; 2];
    // SAFETY: the time is live.
    check(unsafe { syscall2(g::__NR_sched_rr_get_interval, tid as usize, &raw mut time as usize) })?;
    Ok(time)
}

/// Class and level of input and output, as ioprio_get(2) packs them.
///
/// # Errors
/// `ESRCH` when there is no such thread any more.
pub fn io_priority(tid: i32) -> Result<u32> {
    const IOPRIO_WHO_PROCESS: usize = 1;
    // SAFETY: no memory is involved.
    check(unsafe { syscall2(g::__NR_ioprio_get, IOPRIO_WHO_PROCESS, tid as usize) }).map(|value| value as u32)
}

/// Changes class and level of input and output.
///
/// # Errors
/// Those of ioprio_set(2).
pub fn set_io_priority(tid: i32, value: u32) -> Result<()> {
    const IOPRIO_WHO_PROCESS: usize = 1;
    // SAFETY: no memory is involved.
    check(unsafe { syscall3(g::__NR_ioprio_set, IOPRIO_WHO_PROCESS, tid as usize, value as usize) })?;
    Ok(())
}
