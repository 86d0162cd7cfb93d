//! Clocks (clock_gettime(2)): which there are, what each is on the host, and conversions.
//!
//! Our processes and threads are processes and threads of the host, so their processor time is the host's: it
//! includes what the kernel did for them.

use crate::task::{Current, find_process};
use crate::{Errno, Result};
use linux_raw_sys::general as g;

/// Nanoseconds in a second.
pub const NS_PER_SEC: u64 = 1_000_000_000;
/// The longest time Linux knows (`KTIME_MAX`), 292 years in nanoseconds.
const TIME_MAX: u64 = i64::MAX as u64;

/// `CLOCK_MONOTONIC`
pub const MONOTONIC: i32 = g::CLOCK_MONOTONIC as i32;
/// `CLOCK_REALTIME`
pub const REALTIME: i32 = g::CLOCK_REALTIME as i32;
/// User time of the calling host process, as `ITIMER_VIRTUAL` counts (`MAKE_PROCESS_CPUCLOCK(0, CPUCLOCK_VIRT)`).
pub const HOST_PROCESS_USER: i32 = !0 << 3 | 1;
/// User and system time of the calling host process, as `ITIMER_PROF` counts (`CPUCLOCK_PROF`).
pub const HOST_PROCESS_PROF: i32 = !0 << 3;
/// Exact processor time of the calling host process (`CPUCLOCK_SCHED`).
const HOST_PROCESS_SCHED: i32 = !0 << 3 | 2;

/// A clock a program may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The number the program used.
    pub id: i32,
    /// The same clock's number on the host, for the calling thread.
    pub host: i32,
    /// Nanoseconds that it had counted in earlier host processes of the calling process.
    pub earlier: u64,
}

impl Clock {
    /// The clock a program means. Threads have clocks for the members of their own process only.
    ///
    /// # Errors
    /// `EINVAL`.
    pub fn from_id(cur: &Current<'_>, id: i32) -> Result<Clock> {
        let host = match id as u32 {
            0..=9 | g::CLOCK_TAI => id,
            _ if id < 0 => cpu_clock(cur, id)?,
            _ => return Err(Errno::INVAL),
        };
        let own = matches!(host, HOST_PROCESS_USER | HOST_PROCESS_PROF | HOST_PROCESS_SCHED)
            || id == g::CLOCK_PROCESS_CPUTIME_ID as i32;
        let earlier = if own { cur.process().family.earlier_ns() } else { 0 };
        Ok(Clock { id, host, earlier })
    }

    /// Nanoseconds now.
    ///
    /// # Errors
    /// `EINVAL` when the host lacks the clock.
    pub fn now(self) -> Result<u64> {
        Ok(now(self.host)?.saturating_add(self.earlier))
    }

    /// Whether timers and sleeps may use it.
    ///
    /// # Errors
    /// `EOPNOTSUPP` for clocks that only tell the time, and for alarms, which need a real-time clock device.
    pub fn check_timer(self) -> Result<()> {
        match self.id as u32 {
            g::CLOCK_MONOTONIC_RAW
            | g::CLOCK_REALTIME_COARSE
            | g::CLOCK_MONOTONIC_COARSE
            | g::CLOCK_REALTIME_ALARM
            | g::CLOCK_BOOTTIME_ALARM => Err(Errno::OPNOTSUPP),
            _ => Ok(()),
        }
    }

    /// The host clock on which a relative time is counted: setting the real-time clock does not change it.
    pub fn relative_host(self) -> i32 {
        if self.id == REALTIME { MONOTONIC } else { self.host }
    }

    /// Whether it counts processor time.
    pub fn is_cpu(self) -> bool {
        self.id < 0 || matches!(self.id as u32, g::CLOCK_PROCESS_CPUTIME_ID | g::CLOCK_THREAD_CPUTIME_ID)
    }
}

/// `clock_getcpuclockid(3)` and `pthread_getcpuclockid(3)`: the complement of a number, and which clock of it.
fn cpu_clock(cur: &Current<'_>, id: i32) -> Result<i32> {
    const PER_THREAD: i32 = 4;
    let which = id & 3;
    // 3 is a clock behind a descriptor (PTP hardware), of which there are none here.
    if which == 3 {
        return Err(Errno::INVAL);
    }
    let number = !(id >> 3);
    if id & PER_THREAD == 0 {
        if number == 0 || number == cur.process().pid {
            return Ok(HOST_PROCESS_PROF | which);
        }
        let process = find_process(number).ok_or(Errno::INVAL)?;
        let tasks = process.tasks.lock();
        let host_pid = tasks.first().ok_or(Errno::INVAL)?.parker.host_pid();
        return Ok(!host_pid << 3 | which);
    }
    let host_tid = if number == 0 {
        cur.task.parker.host_tid()
    } else {
        cur.process().thread(number).ok_or(Errno::INVAL)?.parker.host_tid()
    };
    Ok(!host_tid << 3 | PER_THREAD | which)
}

/// The clock on which a timer on a thread's processor time is kept by the host: it names the thread.
pub(super) fn timer_host(cur: &Current<'_>, clock: Clock) -> i32 {
    match clock.id as u32 {
        g::CLOCK_PROCESS_CPUTIME_ID => HOST_PROCESS_SCHED,
        g::CLOCK_THREAD_CPUTIME_ID => !cur.task.parker.host_tid() << 3 | 4 | 2,
        _ => clock.host,
    }
}

/// Nanoseconds on a clock of the host.
///
/// # Errors
/// `EINVAL` when the host lacks it.
pub fn now(host: i32) -> Result<u64> {
    let (sec, nsec) = host::clock::gettime(host)?;
    Ok(to_ns(sec, nsec))
}

fn to_ns(sec: i64, nsec: i64) -> u64 {
    (sec.max(0) as u64).saturating_mul(NS_PER_SEC).saturating_add(nsec.max(0) as u64).min(TIME_MAX)
}

/// A `struct timespec` as nanoseconds; what is longer than 292 years becomes that.
///
/// # Errors
/// `EINVAL` for negative seconds or nanoseconds outside 0–999 999 999.
pub fn timespec_ns([sec, nsec]: [i64; 2]) -> Result<u64> {
    if sec < 0 || !(0..NS_PER_SEC as i64).contains(&nsec) {
        return Err(Errno::INVAL);
    }
    Ok(to_ns(sec, nsec))
}

/// A `struct timeval` as nanoseconds.
///
/// # Errors
/// `EINVAL` for negative seconds or microseconds outside 0–999 999.
pub fn timeval_ns([sec, usec]: [i64; 2]) -> Result<u64> {
    if sec < 0 || !(0..1_000_000).contains(&usec) {
        return Err(Errno::INVAL);
    }
    Ok(to_ns(sec, usec * 1000))
}

/// Nanoseconds as a `struct timespec`.
pub fn ns_timespec(ns: u64) -> [i64; 2] {
    [(ns / NS_PER_SEC) as i64, (ns % NS_PER_SEC) as i64]
}

/// Nanoseconds as a `struct timeval`.
pub fn ns_timeval(ns: u64) -> [i64; 2] {
    [(ns / NS_PER_SEC) as i64, (ns % NS_PER_SEC / 1000) as i64]
}

/// The point on the monotonic clock that lies as far ahead as `deadline` on the host clock `host`. A step of the
/// real-time clock in between is not noticed: sleepers look again when they wake.
///
/// # Errors
/// `EINVAL` when the host lacks the clock.
pub fn to_monotonic(host: i32, deadline: u64) -> Result<u64> {
    if host == MONOTONIC {
        return Ok(deadline);
    }
    let left = deadline.saturating_sub(now(host)?);
    Ok(now(MONOTONIC)?.saturating_add(left).min(TIME_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_outside_their_range_are_refused() {
        assert_eq!(timespec_ns([0, 999_999_999]), Ok(999_999_999));
        for bad in [[-1, 0], [0, -1], [0, 1_000_000_000]] {
            assert_eq!(timespec_ns(bad), Err(Errno::INVAL), "{bad:?}");
        }
        assert_eq!(timeval_ns([1, 999_999]), Ok(1_999_999_000));
        assert_eq!(timeval_ns([0, 1_000_000]), Err(Errno::INVAL));
        assert_eq!(timespec_ns([i64::MAX, 0]), Ok(i64::MAX as u64));
    }

    #[test]
    fn the_hosts_processor_clocks_can_be_read() {
        assert!(now(HOST_PROCESS_USER).is_ok() && now(HOST_PROCESS_PROF).is_ok());
        assert!(now(HOST_PROCESS_SCHED).is_ok_and(|ns| ns > 0));
    }
}
