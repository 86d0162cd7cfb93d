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
            if deadline <= now {
                base.deadlines.pop_first();
                // The alarm has gone off, or will for nothing.
                base.set_to = base.set_to.filter(|at| *at > now);
                base.update();
                return Some((id, now));
            }
        }
        None
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
