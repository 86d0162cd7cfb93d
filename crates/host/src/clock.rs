//! Clocks. The kernel asks the host's vdso, as programs do, so a clock read costs no system call.

use crate::{Result, check, syscall2};
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use linux_raw_sys::general::{
    __NR_adjtimex, __NR_clock_getres, __NR_clock_gettime, __NR_getrusage, __kernel_timespec,
};

/// Address of `__vdso_clock_gettime`, 0 when there is none.
static VDSO_CLOCK_GETTIME: AtomicUsize = AtomicUsize::new(0);

pub(crate) fn set_vdso_clock_gettime(addr: usize) {
    VDSO_CLOCK_GETTIME.store(addr, Relaxed);
}

/// clock_gettime(2) of the host: seconds and nanoseconds.
///
/// # Errors
/// `EINVAL` for an unknown clock.
pub fn gettime(clock: i32) -> Result<(i64, i64)> {
    let mut time = MaybeUninit::<__kernel_timespec>::zeroed();
    let vdso = VDSO_CLOCK_GETTIME.load(Relaxed);
    if vdso != 0 && (0..=11).contains(&clock) {
        // Clocks the vdso does not do itself make a system call from outside the range that Syscall User Dispatch
        // allows; so only those it does itself are asked of it.
        if matches!(clock, 0 | 1 | 4 | 5 | 6 | 7 | 11) {
            // SAFETY: the address is that of the vdso's function of this signature (vdso(7)). It neither blocks nor
            // touches anything but `time`.
            let raw = unsafe {
                let function: extern "sysv64" fn(i32, *mut __kernel_timespec) -> i32 =
                    core::mem::transmute(vdso);
                function(clock, time.as_mut_ptr())
            };
            if raw == 0 {
                // SAFETY: filled in.
                let time = unsafe { time.assume_init() };
                return Ok((time.tv_sec, time.tv_nsec));
            }
        }
    }
    // SAFETY: `time` is a live struct.
    check(unsafe { syscall2(__NR_clock_gettime, clock as usize, time.as_mut_ptr() as usize) })?;
    // SAFETY: filled in by the host.
    let time = unsafe { time.assume_init() };
    Ok((time.tv_sec, time.tv_nsec))
}

/// clock_getres(2) of the host: seconds and nanoseconds.
///
/// # Errors
/// `EINVAL` for an unknown clock.
pub fn getres(clock: i32) -> Result<(i64, i64)> {
    let mut time = MaybeUninit::<__kernel_timespec>::zeroed();
    // SAFETY: `time` is a live struct.
    check(unsafe { syscall2(__NR_clock_getres, clock as usize, time.as_mut_ptr() as usize) })?;
    // SAFETY: filled in by the host.
    let time = unsafe { time.assume_init() };
    Ok((time.tv_sec, time.tv_nsec))
}

fn ns(clock: i32) -> u64 {
    gettime(clock).map_or(0, |(sec, nsec)| sec as u64 * 1_000_000_000 + nsec as u64)
}

/// Nanoseconds on the monotonic clock.
pub fn monotonic_ns() -> u64 {
    ns(1)
}

/// The monotonic clock as of the last tick, a few milliseconds old at most: a few nanoseconds to read.
pub fn coarse_monotonic_ns() -> u64 {
    ns(6)
}

/// Nanoseconds since 1970-01-01 UTC.
pub fn realtime_ns() -> u64 {
    ns(0)
}

/// As [`realtime_ns`], as of the last tick: what file times use, as Linux's do.
pub fn coarse_realtime_ns() -> u64 {
    ns(5)
}

/// getrusage(2) of the host: user time, system time (seconds and microseconds each), then the other 14 members of
/// `struct rusage`. `who` is 0 for the calling process, 1 for the thread, -1 for children that were waited for.
///
/// # Errors
/// `EINVAL` for another `who`.
pub fn rusage(who: i32) -> Result<[i64; 18]> {
    let mut usage = [0i64; 18];
    // SAFETY: `usage` is live and of the size of `struct rusage`.
    check(unsafe { syscall2(__NR_getrusage, who as usize, usage.as_mut_ptr() as usize) })?;
    Ok(usage)
}

/// `struct timex` as words: modes and padding, then what the host fills in.
pub type Timex = [u64; 26];

/// adjtimex(2) of the host; answers the clock's state.
///
/// # Errors
/// Those of adjtimex(2).
pub fn adjtimex(timex: &mut Timex) -> Result<usize> {
    // SAFETY: `timex` is live and of the size of `struct timex`, 208 bytes.
    check(unsafe { syscall2(__NR_adjtimex, timex.as_mut_ptr() as usize, 0) })
}
