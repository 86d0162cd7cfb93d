//! Time: clocks, and the timers of a process, which send signals (setitimer(2), timer_create(2)).
//!
//! Each process has a queue of deadlines over one host timer a clock. The host's timer kicks a thread of the
//! process; whoever notices first runs the queue with [`run_expired`]. As in Linux, a periodic timer is armed again
//! when its signal is taken, so a short period can not bury a slow program in kicks.
//!
//! What does not live here: timerfd(2), whose waiters sleep until its deadline by themselves (`crate::fs`).

pub mod clock;
mod cpu_limit;
mod itimer;
mod posix;
mod queue;

pub use clock::Clock;
pub use itimer::IntervalTimer;
pub use posix::{Notify, Setting, create, delete, get, overrun, set};

use crate::signal::{self, SigInfo, send::Sent};
use crate::task::Process;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering::*};
use host::mutex::Mutex;
use itimer::Intervals;
use posix::PosixTimer;
use queue::{Queue, TimerId};

#[derive(Debug, Default)]
struct Timers {
    queue: Queue,
    /// When `RLIMIT_CPU` is to be looked at again.
    cpu_limit: Option<u64>,
    intervals: Intervals,
    posix: BTreeMap<i32, PosixTimer>,
    next_id: i32,
}

/// Interval timers and POSIX timers of a process. A new process begins without any (fork(2)).
#[derive(Debug, Default)]
pub struct ProcessTimers {
    /// Whether anything is armed: what [`run_expired`] looks at first.
    armed: AtomicBool,
    /// Whether `RLIMIT_CPU` was changed.
    limit_changed: AtomicBool,
    timers: Mutex<Timers>,
}

impl ProcessTimers {
    /// Changes the timers. No signal may be sent inside.
    fn with<T>(&self, change: impl FnOnce(&mut Timers) -> T) -> T {
        let mut timers = self.timers.lock();
        let result = change(&mut timers);
        self.armed.store(!timers.queue.is_empty(), Release);
        result
    }
}

/// POSIX timers do not survive execve(2); interval timers do.
pub fn clear_on_exec(process: &Process) {
    process.timers.with(|timers| {
        while let Some((id, timer)) = timers.posix.pop_first() {
            timer.disarm(id, &mut timers.queue);
        }
        timers.queue.set_alarms();
    });
}

/// `RLIMIT_CPU` of a process was set, by itself or by another one; also called when a process begins.
pub fn limit_changed(process: &Process) {
    process.timers.limit_changed.store(true, Release);
}

/// Sends the signals of all timers whose time has come.
pub fn run_expired(process: &Arc<Process>) {
    let timers = &process.timers;
    if timers.limit_changed.load(Acquire) {
        cpu_limit::arm(process);
    }
    if !timers.armed.load(Acquire) {
        return;
    }
    while let Some((id, now)) = timers.with(|timers| timers.queue.take_expired()) {
        match id {
            TimerId::Interval(which) => itimer::expired(process, which, now),
            TimerId::Posix(id) => posix::expired(process, id, now),
            TimerId::CpuLimit => cpu_limit::expired(process, now),
        }
    }
}

/// A signal with `SI_TIMER` was taken off its queue: fills in the overrun and arms the timer again.
pub fn signal_taken(process: &Process, info: &mut SigInfo) {
    posix::signal_taken(process, info);
}

/// SIGALRM was taken off its queue: a periodic `ITIMER_REAL` is armed again.
pub fn alarm_taken(process: &Process) {
    itimer::alarm_taken(process);
}

/// Signal `signo` is ignored no more: timers that found it ignored go on.
pub fn unignored(process: &Process, signo: i32) {
    posix::unignored(process, signo);
}

/// Sends a timer's signal to the process, or to one thread.
fn send(process: &Arc<Process>, thread: Option<i32>, info: SigInfo) -> Sent {
    let sent = match thread {
        None => signal::send::queue_to_process(process, info),
        Some(tid) => match process.thread(tid) {
            Some(task) => signal::send::queue_to_task(&task, info),
            None => return Sent::Ignored,
        },
    };
    // Without room in the queue it counts as one that found itself pending already: an overrun.
    sent.unwrap_or(Sent::Already)
}
