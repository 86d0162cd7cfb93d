//! timerfd(2): a timer that is read like a file.
//!
//! Nothing runs when it expires: whether it has is calculated from the clock, and whoever waits for it sleeps until
//! its deadline. It works across processes that share it, without a timer of any of them.

use crate::sync::{WaitQueue, sleep_on};
use crate::time::Setting;
use crate::time::clock::{self, ns_timespec};
use crate::vfs::{FileOps, PollEvents, PollTable};
use crate::{Errno, Result};
use alloc::vec::Vec;
use host::io::IoDst;
use host::mutex::Mutex;

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// Next expiry that no read has counted, in nanoseconds on `host`.
    deadline: Option<u64>,
    /// 0: once.
    interval: u64,
    /// The host's clock the deadline is on.
    host: i32,
    /// The flags it was set with, for /proc.
    flags: u32,
}

impl State {
    /// How many expiries no read has counted.
    fn ticks(&self, now: u64) -> u64 {
        match self.deadline {
            Some(deadline) if deadline <= now => (now - deadline).checked_div(self.interval).unwrap_or(0) + 1,
            _ => 0,
        }
    }

    fn setting(&self, now: u64) -> Setting {
        let value = match self.deadline {
            None => 0,
            Some(deadline) if deadline > now => deadline - now,
            Some(deadline) => match (now - deadline).checked_rem(self.interval) {
                Some(into) => self.interval - into,
                // Once, and expired: off.
                None => 0,
            },
        };
        Setting { value, interval: self.interval }
    }
}

/// The timer.
#[derive(Debug)]
pub struct TimerFd {
    clock: i32,
    state: Mutex<State>,
    queue: WaitQueue,
}

impl TimerFd {
    /// A timer that is off. `clock` is real-time, monotonic or boot time, or an alarm of these, which is the same
    /// on a machine that does not sleep.
    pub fn new(clock: i32) -> TimerFd {
        TimerFd { clock, state: Mutex::default(), queue: WaitQueue::new() }
    }

    /// The host's clock behind the timer's.
    fn host_clock(&self) -> i32 {
        use linux_raw_sys::general as g;
        match self.clock as u32 {
            g::CLOCK_REALTIME_ALARM => g::CLOCK_REALTIME as i32,
            g::CLOCK_BOOTTIME_ALARM => g::CLOCK_BOOTTIME as i32,
            _ => self.clock,
        }
    }

    /// timerfd_settime(2); answers the old setting. `flags` are those of the call. A step of the host's real-time
    /// clock is not noticed, so `TFD_TIMER_CANCEL_ON_SET` never cancels.
    ///
    /// # Errors
    /// `EINVAL` when the host lacks the clock.
    pub fn set(&self, new: Setting, absolute: bool, flags: u32) -> Result<Setting> {
        // Setting the real-time clock does not change a relative time.
        let host = match self.host_clock() {
            clock::REALTIME if !absolute => clock::MONOTONIC,
            host => host,
        };
        let now = clock::now(host)?;
        let old = {
            let mut state = self.state.lock();
            let old = state.setting(clock::now(state.host)?);
            let deadline = match new.value {
                0 => None,
                at if absolute => Some(at),
                ns => Some(now.saturating_add(ns)),
            };
            *state = State { deadline, interval: new.interval, host, flags };
            old
        };
        // Those who wait sleep until the old deadline.
        self.queue.wake_all(PollEvents::empty());
        Ok(old)
    }

    /// timerfd_gettime(2).
    ///
    /// # Errors
    /// `EINVAL` when the host lacks the clock.
    pub fn get(&self) -> Result<Setting> {
        let state = *self.state.lock();
        Ok(state.setting(clock::now(state.host)?))
    }

    /// Takes the expiries so far.
    fn take(&self) -> Result<Option<u64>> {
        let (ticks, periodic) = {
            let mut state = self.state.lock();
            let ticks = state.ticks(clock::now(state.host)?);
            if ticks > 0 {
                let next = |at: u64| at.saturating_add(ticks.saturating_mul(state.interval));
                state.deadline = if state.interval == 0 { None } else { state.deadline.map(next) };
            }
            (ticks, state.deadline.is_some())
        };
        if ticks > 0 && periodic {
            // An epoll instance has to learn of the new deadline.
            self.queue.wake_all(PollEvents::empty());
        }
        Ok((ticks > 0).then_some(ticks))
    }

    /// The deadline on the monotonic clock, when it is still to come.
    fn sleep_until(&self) -> Option<u64> {
        let state = *self.state.lock();
        clock::to_monotonic(state.host, state.deadline?).ok()
    }

    fn wait(&self) -> Result<u64> {
        let waiter = crate::sync::Waiter::current();
        let mut table = PollTable::register(&waiter);
        table.wait_on(&self.queue);
        loop {
            if let Some(ticks) = self.take()? {
                return Ok(ticks);
            }
            match sleep_on(None, self.sleep_until()) {
                Ok(()) | Err(Errno::TIMEDOUT) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}

impl FileOps for TimerFd {
    fn is_stream(&self) -> bool {
        true
    }

    fn read(&self, dst: &mut IoDst<'_>, _offset: u64, nonblock: bool) -> Result<usize> {
        if dst.remaining() < 8 {
            return Err(Errno::INVAL);
        }
        let ticks = match self.take()? {
            Some(ticks) => ticks,
            None if nonblock => return Err(Errno::AGAIN),
            None => self.wait()?,
        };
        match dst.put(&ticks.to_le_bytes())? {
            8 => Ok(8),
            _ => Err(Errno::FAULT),
        }
    }

    fn poll(&self, table: &mut PollTable<'_>) -> PollEvents {
        table.wait_on(&self.queue);
        let state = *self.state.lock();
        let Some(deadline) = state.deadline else { return PollEvents::empty() };
        if clock::now(state.host).is_ok_and(|now| state.ticks(now) > 0) {
            return PollEvents::IN;
        }
        if table.wants_deadline()
            && let Ok(at) = clock::to_monotonic(state.host, deadline)
        {
            table.wait_until(at);
        }
        PollEvents::empty()
    }

    fn seek(&self, _offset: i64, _whence: u32, current: u64) -> Option<Result<u64>> {
        Some(Ok(current))
    }

    fn link_text(&self) -> Option<Vec<u8>> {
        Some(b"anon_inode:[timerfd]".to_vec())
    }

    fn fdinfo(&self, out: &mut Vec<u8>) {
        let state = *self.state.lock();
        let now = clock::now(state.host).unwrap_or(0);
        let setting = state.setting(now);
        let ([sec, nsec], [every_sec, every_nsec]) =
            (ns_timespec(setting.value), ns_timespec(setting.interval));
        let text = alloc::format!(
            "clockid: {}\nticks: {}\nsettime flags: 0{:o}\nit_value: ({sec}, {nsec})\nit_interval: ({every_sec}, \
             {every_nsec})\n",
            self.clock,
            state.ticks(now),
            state.flags,
        );
        out.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600 * clock::NS_PER_SEC;

    fn state(deadline: Option<u64>, interval: u64) -> State {
        State { deadline, interval, host: clock::MONOTONIC, flags: 0 }
    }

    #[test]
    fn ticks_count_every_period_that_has_passed() {
        assert_eq!(state(Some(100), 0).ticks(99), 0);
        assert_eq!(state(Some(100), 0).ticks(500), 1);
        assert_eq!(state(Some(100), 10).ticks(100), 1);
        assert_eq!(state(Some(100), 10).ticks(135), 4);
        assert_eq!(state(None, 10).ticks(135), 0);
    }

    #[test]
    fn the_setting_shows_the_time_to_the_next_expiry() {
        assert_eq!(state(Some(100), 0).setting(40).value, 60);
        assert_eq!(state(Some(100), 0).setting(100).value, 0);
        assert_eq!(state(Some(100), 10).setting(135).value, 5);
    }

    #[test]
    fn an_expired_timer_is_read_once() {
        let timer = TimerFd::new(clock::MONOTONIC);
        let mut bytes = [0; 8];
        assert_eq!(timer.read(&mut IoDst::kernel(&mut bytes), 0, true), Err(Errno::AGAIN));
        // The first nanosecond after boot is long past.
        timer.set(Setting { value: 1, interval: 0 }, true, 1).unwrap();
        assert_eq!(timer.poll(&mut PollTable::ask()), PollEvents::IN);
        assert_eq!(timer.read(&mut IoDst::kernel(&mut bytes), 0, true), Ok(8));
        assert_eq!(bytes, 1u64.to_le_bytes());
        assert_eq!(timer.read(&mut IoDst::kernel(&mut bytes), 0, true), Err(Errno::AGAIN));
    }

    #[test]
    fn a_timer_that_is_still_to_come_tells_pollers_when() {
        let timer = TimerFd::new(clock::REALTIME);
        timer.set(Setting { value: HOUR, interval: 0 }, false, 0).unwrap();
        let mut table = PollTable::ask_time();
        assert_eq!(timer.poll(&mut table), PollEvents::empty());
        let left = table.deadline().unwrap() - host::clock::monotonic_ns();
        assert!(left <= HOUR && left > HOUR / 2);
    }
}
