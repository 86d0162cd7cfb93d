//! The timer queue of a process: deadlines in order, for each clock, over one host timer a clock.

use super::clock;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use host::signal::Alarm;

/// What is to be done at a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TimerId {
    /// An interval timer by its number of setitimer(2).
    Interval(u32),
    /// A POSIX timer by its number.
    Posix(i32),
    /// `RLIMIT_CPU`.
    CpuLimit,
}

#[derive(Debug)]
struct Base {
    /// The host's clock.
    clock: i32,
    /// Deadlines in nanoseconds on that clock.
    deadlines: BTreeSet<(u64, TimerId)>,
    alarm: Alarm,
    /// What the alarm is set to.
    set_to: Option<u64>,
}

/// All deadlines of a process.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// As many as clocks were ever used: three or four.
    bases: Vec<Base>,
}

impl Queue {
    /// Adds a deadline in nanoseconds on the host clock `clock`.
    pub fn add(&mut self, clock: i32, deadline: u64, id: TimerId) {
        let at = match self.bases.iter().position(|base| base.clock == clock) {
            Some(at) => at,
            None => {
                self.bases.push(Base {
                    clock,
                    deadlines: BTreeSet::new(),
                    alarm: Alarm::new(clock),
                    set_to: None,
                });
                self.bases.len() - 1
            }
        };
        let base = &mut self.bases[at];
        base.deadlines.insert((deadline, id));
        base.update();
    }

    /// Takes a deadline out.
    pub fn remove(&mut self, clock: i32, deadline: u64, id: TimerId) {
        if let Some(base) = self.bases.iter_mut().find(|base| base.clock == clock) {
            base.deadlines.remove(&(deadline, id));
            base.update();
        }
    }

    /// Takes one deadline that has come, with the time that it is now on its clock.
    pub fn take_expired(&mut self) -> Option<(TimerId, u64)> {
        for base in &mut self.bases {
            let Some(&(deadline, id)) = base.deadlines.first() else { continue };
            // A clock that has vanished (of a thread that ended) never gets there.
            let Ok(now) = clock::now(base.clock) else { continue };
            // An alarm goes off once, perhaps for a deadline that was taken out meanwhile.
            base.set_to = base.set_to.filter(|at| *at > now);
            if deadline <= now {
                base.deadlines.pop_first();
            }
            base.update();
            if deadline <= now {
                return Some((id, now));
            }
        }
        None
    }

    /// Sets all host timers anew, in a process whose program came from another host process (vfork(2) and exec).
    pub fn set_alarms(&mut self) {
        for base in &mut self.bases {
            base.set_to = None;
            base.update();
        }
    }

    /// Whether nothing is armed.
    pub fn is_empty(&self) -> bool {
        self.bases.iter().all(|base| base.deadlines.is_empty())
    }
}

impl Base {
    /// Sets the host timer to the earliest deadline. It is left alone when it goes off before that: a kick for
    /// nothing is cheaper than a host call for each change.
    fn update(&mut self) {
        let first = self.deadlines.first().map(|(deadline, _)| *deadline);
        let early = matches!((self.set_to, first), (Some(set), Some(first)) if set <= first);
        if early || self.set_to == first {
            return;
        }
        match self.alarm.set(first) {
            Ok(()) => self.set_to = first,
            Err(errno) => host::log!(Error, "timer_create on the host: {errno}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000_000_000;

    #[test]
    fn deadlines_come_in_order() {
        host::signal::ignore_kicks();
        let mut queue = Queue::default();
        for (deadline, id) in [(30, 3), (10, 1), (20, 2)] {
            queue.add(clock::MONOTONIC, deadline, TimerId::Posix(id));
        }
        let taken: Vec<_> = core::iter::from_fn(|| queue.take_expired()).map(|(id, _)| id).collect();
        assert_eq!(taken, [TimerId::Posix(1), TimerId::Posix(2), TimerId::Posix(3)]);
        assert!(queue.is_empty());
    }

    #[test]
    fn an_alarm_for_a_deadline_that_is_gone_does_not_lose_the_next_one() {
        host::signal::ignore_kicks();
        let mut queue = Queue::default();
        let far = host::clock::monotonic_ns() + HOUR;
        queue.add(clock::MONOTONIC, far, TimerId::Posix(1));
        queue.add(clock::MONOTONIC, 10, TimerId::Posix(2));
        queue.remove(clock::MONOTONIC, 10, TimerId::Posix(2));
        // The host timer is still set to the early one: it goes off for nothing.
        assert_eq!(queue.bases[0].set_to, Some(10));
        assert_eq!(queue.take_expired(), None);
        assert_eq!(queue.bases[0].set_to, Some(far));
    }
}
