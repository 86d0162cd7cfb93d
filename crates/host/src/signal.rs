//! The host's signals as far as the kernel uses them: the kick that takes a thread out of user mode or sleep, the
//! host timer that sends it, and what happens on a fault in the kernel itself.

use crate::{Result, check, syscall1, syscall3, syscall4};
use core::mem::{MaybeUninit, zeroed};
use core::sync::atomic::{AtomicI32, Ordering::Relaxed};
use linux_raw_sys::general as g;

/// The host signal used as kick: a real-time signal that neither libc uses by itself (glibc takes 32 and 33). The
/// program's own signals never reach the host, so it cannot collide with them.
pub const KICK_SIGNAL: i32 = 34;

/// The calling host thread's id.
pub fn host_tid() -> i32 {
    // SAFETY: no arguments.
    unsafe { syscall1(g::__NR_gettid, 0) as i32 }
}

/// The host process's id.
pub fn host_pid() -> i32 {
    // SAFETY: no arguments.
    unsafe { syscall1(g::__NR_getpid, 0) as i32 }
}

/// Kicks a host thread of this process.
pub(crate) fn kick(tid: i32) {
    // SAFETY: no memory is involved; a thread that is gone answers ESRCH, which is as good.
    unsafe { syscall3(g::__NR_tgkill, host_pid() as usize, tid as usize, KICK_SIGNAL as usize) };
}

/// The process's one host timer; -1 until made.
static TIMER: AtomicI32 = AtomicI32::new(-1);

/// Asks for a kick of the calling thread at `deadline_ns` on the monotonic clock; `None` takes the wish back. One
/// deadline at a time: the kernel's timer queue asks for its earliest.
///
/// # Errors
/// Those of timer_create(2).
pub fn set_alarm(deadline_ns: Option<u64>) -> Result<()> {
    if TIMER.load(Relaxed) < 0 {
        if deadline_ns.is_none() {
            return Ok(());
        }
        // SAFETY: zero is a valid `sigevent`.
        let mut event: g::sigevent = unsafe { zeroed() };
        event.sigev_signo = KICK_SIGNAL;
        event.sigev_notify = g::SIGEV_THREAD_ID as i32;
        event._sigev_un._tid = host_tid();
        let mut id = MaybeUninit::<i32>::zeroed();
        // SAFETY: both structs are live; CLOCK_MONOTONIC is 1.
        check(unsafe {
            syscall3(g::__NR_timer_create, 1, &raw const event as usize, id.as_mut_ptr() as usize)
        })?;
        // SAFETY: filled in by the host.
        TIMER.store(unsafe { id.assume_init() }, Relaxed);
    }
    let ns = deadline_ns.unwrap_or(0);
    let value = g::__kernel_itimerspec {
        it_interval: g::__kernel_timespec { tv_sec: 0, tv_nsec: 0 },
        // A time of zero would disarm; one nanosecond after boot is long past.
        it_value: g::__kernel_timespec {
            tv_sec: (ns / 1_000_000_000) as i64,
            tv_nsec: (ns % 1_000_000_000).max(u64::from(deadline_ns.is_some())) as i64,
        },
    };
    // SAFETY: `value` is live; TIMER_ABSTIME is 1.
    check(unsafe {
        syscall4(g::__NR_timer_settime, TIMER.load(Relaxed) as usize, 1, &raw const value as usize, 0)
    })?;
    Ok(())
}
