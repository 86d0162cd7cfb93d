//! POSIX timers (timer_create(2), timer_settime(2), timer_getoverrun(2)).

use super::clock::{self, Clock};
use super::itimer::next_after;
use super::queue::{Queue, TimerId};
use super::{Sent, send};
use crate::signal::{Pending, SigInfo};
use crate::task::{Current, Process, Resource};
use crate::{Errno, Result};
use alloc::sync::Arc;

/// How a timer tells that it expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notify {
    /// Not at all (`SIGEV_NONE`).
    None,
    /// By a signal to the process (`SIGEV_SIGNAL`).
    Process(i32),
    /// By a signal to a thread (`SIGEV_THREAD_ID`): signal, then thread.
    Thread(i32, i32),
}

/// Time to the next expiry and period in nanoseconds (`struct itimerspec`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// `it_value`; 0: off.
    pub value: u64,
    /// `it_interval`; 0: once.
    pub interval: u64,
}

#[derive(Debug)]
pub(super) struct PosixTimer {
    clock: Clock,
    /// The host clock its deadlines are on; the monotonic one for a relative real-time timer.
    host: i32,
    notify: Notify,
    value: u64,
    interval: u64,
    /// When it is due, or was last due. Meaningless while `state` is off.
    deadline: u64,
    state: State,
    /// Expiries that found the signal pending, not yet told.
    missed: u64,
    /// What timer_getoverrun(2) answers: those of the signal taken last.
    overrun: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Off,
    /// In the queue.
    Armed,
    /// Its signal waits to be taken.
    Queued,
    /// Its signal was ignored when it expired.
    Ignored,
}

impl PosixTimer {
    fn signo(&self) -> Option<i32> {
        match self.notify {
            Notify::None => None,
            Notify::Process(signo) | Notify::Thread(signo, _) => Some(signo),
        }
    }

    pub(super) fn disarm(&self, id: i32, queue: &mut Queue) {
        if self.state == State::Armed {
            queue.remove(self.host, self.deadline, TimerId::Posix(id));
        }
    }

    fn arm(&mut self, id: i32, deadline: u64, queue: &mut Queue) {
        self.deadline = deadline;
        self.state = State::Armed;
        // Without a signal nobody needs to be woken: gettime calculates.
        if self.notify != Notify::None {
            queue.add(self.host, deadline, TimerId::Posix(id));
        }
    }

    /// Goes on after an expiry whose signal is settled: armed again when periodic, else off.
    fn go_on(&mut self, id: i32, queue: &mut Queue) {
        self.state = State::Off;
        if self.interval != 0
            && let Ok(now) = clock::now(self.host)
        {
            let (next, missed) = next_after(self.deadline, self.interval, now);
            self.missed = self.missed.saturating_add(missed);
            self.arm(id, next, queue);
        }
    }

    fn show(&self, now: u64) -> Setting {
        let value = match self.state {
            State::Off => 0,
            // Waiting for its signal to be taken, a periodic one shows the expiry after that.
            State::Queued | State::Ignored if self.interval == 0 => 0,
            _ if self.deadline > now => self.deadline - now,
            _ if self.interval != 0 => next_after(self.deadline, self.interval, now).0 - now,
            _ if self.notify == Notify::None => 0,
            _ => 1,
        };
        Setting { value, interval: self.interval }
    }
}

/// timer_create(2): a timer that is off; answers its number. `value` is `sigev_value`; without a `sigevent`
/// (`None`) it is the number itself.
///
/// # Errors
/// `EAGAIN` beyond `RLIMIT_SIGPENDING`, which bounds timers as well; `EOPNOTSUPP` for clocks without timers.
pub fn create(cur: &Current<'_>, clock: Clock, notify: Notify, value: Option<u64>) -> Result<i32> {
    clock.check_timer()?;
    let host = clock::timer_host(cur, clock);
    let limit = cur.process().limit(Resource::Sigpending);
    cur.process().timers.with(|timers| {
        if timers.posix.len() as u64 >= limit.min(i32::MAX as u64 / 2) {
            return Err(Errno::AGAIN);
        }
        let mut id = timers.next_id;
        while timers.posix.contains_key(&id) {
            id = id.wrapping_add(1) & i32::MAX;
        }
        timers.next_id = id.wrapping_add(1) & i32::MAX;
        let value = value.unwrap_or(id as u64);
        timers.posix.insert(
            id,
            PosixTimer {
                clock,
                host,
                notify,
                value,
                interval: 0,
                deadline: 0,
                state: State::Off,
                missed: 0,
                overrun: 0,
            },
        );
        Ok(id)
    })
}

/// timer_settime(2); answers the old setting.
///
/// # Errors
/// `EINVAL` for an unknown timer.
pub fn set(cur: &Current<'_>, id: i32, new: Setting, absolute: bool) -> Result<Setting> {
    let process = cur.process();
    let old = process.timers.with(|timers| {
        let timer = timers.posix.get_mut(&id).ok_or(Errno::INVAL)?;
        let old = timer.show(clock::now(timer.host)?);
        timer.disarm(id, &mut timers.queue);
        timer.state = State::Off;
        timer.interval = new.interval;
        (timer.missed, timer.overrun) = (0, 0);
        if new.value == 0 {
            return Ok(old);
        }
        let fixed = clock::timer_host(cur, timer.clock);
        let deadline = if absolute {
            timer.host = fixed;
            new.value
        } else {
            timer.host = if timer.clock.id == clock::REALTIME { timer.clock.relative_host() } else { fixed };
            clock::now(timer.host)?.saturating_add(new.value)
        };
        timer.arm(id, deadline, &mut timers.queue);
        Ok(old)
    })?;
    // A signal of the old setting that nobody has taken yet is void.
    flush(process, id);
    super::run_expired(process);
    Ok(old)
}

/// timer_gettime(2).
///
/// # Errors
/// `EINVAL` for an unknown timer.
pub fn get(process: &Process, id: i32) -> Result<Setting> {
    process.timers.with(|timers| {
        let timer = timers.posix.get(&id).ok_or(Errno::INVAL)?;
        Ok(timer.show(clock::now(timer.host)?))
    })
}

/// timer_getoverrun(2).
///
/// # Errors
/// `EINVAL` for an unknown timer.
pub fn overrun(process: &Process, id: i32) -> Result<i32> {
    process.timers.with(|timers| Ok(timers.posix.get(&id).ok_or(Errno::INVAL)?.overrun))
}

/// timer_delete(2).
///
/// # Errors
/// `EINVAL` for an unknown timer.
pub fn delete(process: &Process, id: i32) -> Result<()> {
    process.timers.with(|timers| {
        let timer = timers.posix.remove(&id).ok_or(Errno::INVAL)?;
        timer.disarm(id, &mut timers.queue);
        Ok(())
    })?;
    flush(process, id);
    Ok(())
}

/// Takes back what the timer has queued.
fn flush(process: &Process, id: i32) {
    let tasks = process.tasks.lock().clone();
    let flush = |pending: &mut Pending| pending.flush_timer(id);
    process.signals.with(|shared| flush(&mut shared.pending));
    for task in tasks {
        task.signals.with_pending(flush);
    }
}

/// The deadline of one has come.
pub(super) fn expired(process: &Arc<Process>, id: i32, _now: u64) {
    let signal = process.timers.with(|timers| {
        let timer = timers.posix.get_mut(&id)?;
        // Before the signal: it may be taken by another thread before this one goes on.
        timer.state = State::Queued;
        let (signo, thread) = match timer.notify {
            Notify::None => return None,
            Notify::Process(signo) => (signo, None),
            Notify::Thread(signo, tid) => (signo, Some(tid)),
        };
        Some((thread, SigInfo::timer(signo, id, 0, timer.value)))
    });
    let Some((thread, info)) = signal else { return };
    let sent = send(process, thread, info);
    if sent == Sent::Queued {
        return;
    }
    process.timers.with(|timers| {
        let Some(timer) = timers.posix.get_mut(&id).filter(|timer| timer.state == State::Queued) else {
            return;
        };
        if sent == Sent::Ignored {
            timer.state = State::Ignored;
        } else {
            timer.missed = timer.missed.saturating_add(1);
            timer.go_on(id, &mut timers.queue);
        }
    });
}

pub(super) fn signal_taken(process: &Process, info: &mut SigInfo) {
    let id = info.pid();
    process.timers.with(|timers| {
        // A program may send itself such a code; only a timer that waits for it is concerned.
        let Some(timer) = timers.posix.get_mut(&id).filter(|timer| timer.state == State::Queued) else {
            return;
        };
        timer.go_on(id, &mut timers.queue);
        timer.overrun = timer.missed.min(i32::MAX as u64) as i32;
        timer.missed = 0;
        info.set_overrun(timer.overrun);
    });
}

pub(super) fn unignored(process: &Process, signo: i32) {
    process.timers.with(|timers| {
        for (id, timer) in &mut timers.posix {
            if timer.state == State::Ignored && timer.signo() == Some(signo) {
                timer.go_on(*id, &mut timers.queue);
            }
        }
    });
}
