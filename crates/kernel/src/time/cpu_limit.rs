//! `RLIMIT_CPU` (getrlimit(2)): SIGXCPU at the soft limit and every second after it, SIGKILL at the hard one
//! (`check_process_timers` of Linux's `kernel/time/posix-cpu-timers.c`).

use super::clock::{self, NS_PER_SEC};
use super::queue::TimerId;
use crate::signal::{self, SigInfo};
use crate::task::{Limits, Process, Resource};
use alloc::sync::Arc;
use core::sync::atomic::Ordering::*;
use linux_raw_sys::general as g;

/// User and system time, which is what the limit counts.
const CLOCK: i32 = clock::HOST_PROCESS_PROF;

fn ns(seconds: u64) -> u64 {
    seconds.saturating_mul(NS_PER_SEC)
}

/// What is to be done at a time `now` of the clock: a signal, and when to look again.
fn decide(limits: &Limits, now: u64) -> (Option<u32>, Option<u64>) {
    let (soft, hard) = (limits.soft(Resource::Cpu), limits.hard(Resource::Cpu));
    // No soft limit, no limit, whatever the hard one says.
    if soft == Limits::INFINITY {
        return (None, None);
    }
    // Zero would mean "no limit" to Linux, which makes it a second.
    let soft = soft.max(1);
    if hard != Limits::INFINITY && now >= ns(hard) {
        return (Some(g::SIGKILL), None);
    }
    if now < ns(soft) {
        return (None, Some(ns(soft.min(hard))));
    }
    (Some(g::SIGXCPU), Some(ns(soft.saturating_add(1).min(hard))))
}

/// Sets the timer for the limit as it is now.
pub(super) fn arm(process: &Process) {
    process.timers.limit_changed.store(false, Release);
    let limits = *process.limits.lock();
    let earlier = process.family.earlier_ns();
    let (_, next) = decide(&limits, 0);
    let next = next.map(|next| next.saturating_sub(earlier));
    process.timers.with(|timers| {
        if let Some(old) = timers.cpu_limit.take() {
            timers.queue.remove(CLOCK, old, TimerId::CpuLimit);
        }
        if let Some(next) = next {
            timers.queue.add(CLOCK, next, TimerId::CpuLimit);
        }
        timers.cpu_limit = next;
    });
}

/// The time has come.
pub(super) fn expired(process: &Arc<Process>, now: u64) {
    let earlier = process.family.earlier_ns();
    let now = now.saturating_add(earlier);
    let (signo, next) = {
        let mut limits = process.limits.lock();
        let (signo, next) = decide(&limits, now);
        if signo == Some(g::SIGXCPU) {
            // Linux moves the soft limit, and getrlimit(2) shows it.
            limits.0[Resource::Cpu as usize].0 = now / NS_PER_SEC + 1;
        }
        (signo, next.map(|next| next.saturating_sub(earlier)))
    };
    process.timers.with(|timers| {
        if let Some(next) = next {
            timers.queue.add(CLOCK, next, TimerId::CpuLimit);
        }
        timers.cpu_limit = next;
    });
    if let Some(signo) = signo {
        // A standard signal always has room.
        let _ = signal::to_process(process, SigInfo::kernel(signo as i32));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(soft: u64, hard: u64) -> Limits {
        let mut limits = Limits([(Limits::INFINITY, Limits::INFINITY); 16]);
        limits.0[Resource::Cpu as usize] = (soft, hard);
        limits
    }

    #[test]
    fn the_soft_limit_warns_and_the_hard_one_kills() {
        let second = NS_PER_SEC;
        assert_eq!(decide(&limits(Limits::INFINITY, 5), 9 * second), (None, None));
        assert_eq!(decide(&limits(2, 5), second), (None, Some(2 * second)));
        assert_eq!(decide(&limits(2, 5), 2 * second), (Some(g::SIGXCPU), Some(3 * second)));
        assert_eq!(decide(&limits(5, 5), 5 * second), (Some(g::SIGKILL), None));
        assert_eq!(decide(&limits(5, 2), second), (None, Some(2 * second)));
        assert_eq!(decide(&limits(0, Limits::INFINITY), 0), (None, Some(second)));
    }
}
