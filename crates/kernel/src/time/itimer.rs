//! Interval timers (setitimer(2)).
//!
//! `ITIMER_VIRTUAL` counts the user time of the host process, in which the program's own time and that of the
//! kernel for it look the same; `ITIMER_PROF` counts user and system time.

use super::clock;
use super::queue::{Queue, TimerId};
use super::{Sent, send};
use crate::signal::SigInfo;
use crate::task::Process;
use crate::{Errno, Result};
use alloc::sync::Arc;
use linux_raw_sys::general as g;

/// Time to the next expiry and period, in nanoseconds; 0 for a timer that is off, and for one that does not
/// repeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IntervalTimer {
    /// `it_value`
    pub value: u64,
    /// `it_interval`
    pub interval: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    deadline: Option<u64>,
    interval: u64,
    /// When it last went off, while its signal waits to be taken.
    last: Option<u64>,
}

#[derive(Debug, Default)]
pub(super) struct Intervals([State; 3]);

/// The host's clock behind each.
fn host_clock(which: u32) -> i32 {
    match which {
        g::ITIMER_REAL => clock::MONOTONIC,
        g::ITIMER_VIRTUAL => clock::HOST_PROCESS_USER,
        _ => clock::HOST_PROCESS_PROF,
    }
}

fn signal_of(which: u32) -> i32 {
    (match which {
        g::ITIMER_REAL => g::SIGALRM,
        g::ITIMER_VIRTUAL => g::SIGVTALRM,
        _ => g::SIGPROF,
    }) as i32
}

impl State {
    fn show(&self, now: u64) -> IntervalTimer {
        // One that is due and not yet noticed has a microsecond left: 0 would say that it is off.
        let value = self.deadline.map_or(0, |deadline| deadline.saturating_sub(now).max(1000));
        IntervalTimer { value, interval: self.interval }
    }

    fn arm(&mut self, which: u32, deadline: u64, queue: &mut Queue) {
        self.deadline = Some(deadline);
        queue.add(host_clock(which), deadline, TimerId::Interval(which));
    }
}

impl super::ProcessTimers {
    /// getitimer(2).
    ///
    /// # Errors
    /// `EINVAL` for an unknown timer.
    pub fn interval_timer(&self, which: u32) -> Result<IntervalTimer> {
        if which > g::ITIMER_PROF {
            return Err(Errno::INVAL);
        }
        let now = clock::now(host_clock(which))?;
        Ok(self.with(|timers| timers.intervals.0[which as usize].show(now)))
    }

    /// setitimer(2); answers the old setting.
    ///
    /// # Errors
    /// `EINVAL` for an unknown timer.
    pub fn set_interval_timer(&self, which: u32, new: IntervalTimer) -> Result<IntervalTimer> {
        if which > g::ITIMER_PROF {
            return Err(Errno::INVAL);
        }
        let now = clock::now(host_clock(which))?;
        Ok(self.with(|timers| {
            let state = &mut timers.intervals.0[which as usize];
            let old = state.show(now);
            if let Some(deadline) = state.deadline.take() {
                timers.queue.remove(host_clock(which), deadline, TimerId::Interval(which));
            }
            *state = State { deadline: None, interval: new.interval, last: None };
            if new.value != 0 {
                state.arm(which, now.saturating_add(new.value), &mut timers.queue);
            }
            old
        }))
    }
}

/// The deadline of one has come.
pub(super) fn expired(process: &Arc<Process>, which: u32, now: u64) {
    process.timers.with(|timers| {
        let state = &mut timers.intervals.0[which as usize];
        state.last = state.deadline.take();
        // Those on processor time repeat by themselves: a program that does not look uses none.
        if which != g::ITIMER_REAL && state.interval != 0 {
            let next = next_after(state.last.unwrap_or(now), state.interval, now).0;
            state.arm(which, next, &mut timers.queue);
        }
    });
    let sent = send(process, None, SigInfo::kernel(signal_of(which)));
    // Coalesced with a SIGALRM of somebody else: that one's being taken arms the timer again, too.
    debug_assert!(matches!(sent, Sent::Queued | Sent::Already | Sent::Ignored));
}

/// SIGALRM was taken: a periodic real-time timer goes on.
pub(super) fn alarm_taken(process: &Process) {
    let Ok(now) = clock::now(clock::MONOTONIC) else { return };
    process.timers.with(|timers| {
        let state = &mut timers.intervals.0[g::ITIMER_REAL as usize];
        if let (Some(last), 1..) = (state.last.take(), state.interval) {
            let next = next_after(last, state.interval, now).0;
            state.arm(g::ITIMER_REAL, next, &mut timers.queue);
        }
    });
}

/// The first `last + n * interval` after `now`, and `n - 1`: how many were missed.
pub(super) fn next_after(last: u64, interval: u64, now: u64) -> (u64, u64) {
    let interval = interval.max(1);
    let missed = now.saturating_sub(last) / interval;
    (last.saturating_add(interval.saturating_mul(missed + 1)), missed)
}

#[cfg(test)]
mod tests {
    use super::super::ProcessTimers;
    use super::*;

    #[test]
    fn the_next_deadline_keeps_the_phase() {
        assert_eq!(next_after(100, 10, 100), (110, 0));
        assert_eq!(next_after(100, 10, 109), (110, 0));
        assert_eq!(next_after(100, 10, 135), (140, 3));
        assert_eq!(next_after(u64::MAX - 1, 10, u64::MAX), (u64::MAX, 0));
    }

    #[test]
    fn setting_answers_the_old_setting() {
        let timers = ProcessTimers::default();
        let hour = 3_600_000_000_000;
        let new = IntervalTimer { value: hour, interval: 5 };
        assert_eq!(timers.set_interval_timer(0, new), Ok(IntervalTimer::default()));
        let old = timers.set_interval_timer(0, IntervalTimer::default()).unwrap();
        assert!(old.value <= hour && old.value > hour / 2 && old.interval == 5);
        assert_eq!(timers.interval_timer(0), Ok(IntervalTimer::default()));
        assert_eq!(timers.interval_timer(3), Err(Errno::INVAL));
    }
}
