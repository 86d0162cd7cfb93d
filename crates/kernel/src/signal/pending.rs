//! Signals that were sent and not yet taken (`struct sigpending`). Each of 1–31 is remembered once, those from
//! `SIGRTMIN` on queue in the order they came.

use super::info::SigInfo;
use super::set::{SigSet, is_realtime, is_valid};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use linux_raw_sys::general as g;

/// Queued signals of the whole instance: it is one user as far as `RLIMIT_SIGPENDING` goes.
static QUEUED: AtomicUsize = AtomicUsize::new(0);

/// How many signals are queued (`SigQ` of /proc/PID/status).
pub fn queued() -> usize {
    QUEUED.load(Relaxed)
}

/// What [`Pending::add`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It will be delivered.
    Yes,
    /// A standard signal that was pending already: coalesced.
    Already,
    /// `RLIMIT_SIGPENDING` is reached: sigqueue(3) fails with `EAGAIN`.
    NoRoom,
}

/// The pending signals of a thread or a process.
#[derive(Debug, Default)]
pub struct Pending {
    set: SigSet,
    /// Made when the first standard signal arrives; most threads never get one.
    standard: Option<Box<[SigInfo; 31]>>,
    realtime: BTreeMap<i32, VecDeque<SigInfo>>,
}

impl Pending {
    /// The signals in it.
    #[inline]
    pub fn set(&self) -> SigSet {
        self.set
    }

    /// Adds one. `limit` is `RLIMIT_SIGPENDING`. Beyond it a standard signal is still remembered; a real-time one
    /// only when kill(2) sent it, and then what is known about it is lost (`__send_signal_locked` of Linux).
    pub fn add(&mut self, info: SigInfo, limit: u64) -> Added {
        let signo = info.signo();
        if !is_valid(signo) {
            return Added::Already;
        }
        if !is_realtime(signo) {
            if self.set.contains(signo) {
                return Added::Already;
            }
            let slots = self.standard.get_or_insert_with(|| Box::new([SigInfo::default(); 31]));
            slots[(signo - 1) as usize] = info;
            self.set = self.set.with(signo);
            return Added::Yes;
        }
        if QUEUED.load(Relaxed) as u64 >= limit {
            if info.code() != g::SI_USER as i32 {
                return Added::NoRoom;
            }
            self.set = self.set.with(signo);
            return Added::Yes;
        }
        QUEUED.fetch_add(1, Relaxed);
        self.realtime.entry(signo).or_default().push_back(info);
        self.set = self.set.with(signo);
        Added::Yes
    }

    /// Takes the first signal of `wanted`.
    pub fn take(&mut self, wanted: SigSet) -> Option<SigInfo> {
        let signo = SigSet(self.set.0 & wanted.0).first()?;
        // One whose details were lost looks as if nobody had sent it.
        let lost = SigInfo::user(signo, g::SI_USER as i32, 0, 0);
        if !is_realtime(signo) {
            self.set = self.set.without(SigSet::of(signo));
            return Some(self.standard.as_ref().map_or(lost, |slots| slots[(signo - 1) as usize]));
        }
        let info = self.realtime.get_mut(&signo).and_then(VecDeque::pop_front);
        if info.is_some() {
            QUEUED.fetch_sub(1, Relaxed);
        }
        if self.realtime.get(&signo).is_none_or(VecDeque::is_empty) {
            self.realtime.remove(&signo);
            self.set = self.set.without(SigSet::of(signo));
        }
        Some(info.unwrap_or(lost))
    }

    /// Takes a fault signal that the kernel itself made, before all others (`dequeue_synchronous_signal`).
    pub fn take_synchronous(&mut self, wanted: SigSet) -> Option<SigInfo> {
        let mut left = self.set.0 & wanted.0 & SigSet::SYNCHRONOUS.0;
        while left != 0 {
            let signo = left.trailing_zeros() as i32 + 1;
            left &= left - 1;
            let slots = self.standard.as_ref()?;
            if slots[(signo - 1) as usize].from_kernel() {
                return self.take(SigSet::of(signo));
            }
        }
        None
    }

    /// Throws away the signals of `which`.
    pub fn flush(&mut self, which: SigSet) {
        self.realtime.retain(|signo, queue| {
            let keep = !which.contains(*signo);
            if !keep {
                QUEUED.fetch_sub(queue.len(), Relaxed);
            }
            keep
        });
        self.set = self.set.without(which);
    }

    /// Throws away what a POSIX timer has queued (timer_delete(2)).
    pub fn flush_timer(&mut self, timer: i32) {
        let is_it = |info: &SigInfo| info.code() == g::SI_TIMER && info.pid() == timer;
        if let Some(slots) = &self.standard {
            for signo in 1..=31 {
                if self.set.contains(signo) && is_it(&slots[(signo - 1) as usize]) {
                    self.set = self.set.without(SigSet::of(signo));
                }
            }
        }
        let mut set = self.set;
        self.realtime.retain(|signo, queue| {
            let before = queue.len();
            queue.retain(|info| !is_it(info));
            QUEUED.fetch_sub(before - queue.len(), Relaxed);
            if queue.is_empty() {
                set = set.without(SigSet::of(*signo));
            }
            !queue.is_empty()
        });
        self.set = set;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.flush(SigSet(u64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(signo: i32, value: u64) -> SigInfo {
        SigInfo::timer(signo, 0, 0, value)
    }

    #[test]
    fn standard_signals_coalesce_and_keep_the_first_info() {
        let mut pending = Pending::default();
        assert_eq!(pending.add(SigInfo::user(10, 0, 1, 0), 100), Added::Yes);
        assert_eq!(pending.add(SigInfo::user(10, 0, 2, 0), 100), Added::Already);
        assert_eq!(pending.take(SigSet(u64::MAX)).map(|info| info.pid()), Some(1));
        assert_eq!(pending.take(SigSet(u64::MAX)), None);
    }

    #[test]
    fn realtime_signals_queue_lowest_number_first() {
        let mut pending = Pending::default();
        for (signo, value) in [(35, 1), (34, 2), (35, 3), (34, 4)] {
            assert_eq!(pending.add(queue(signo, value), 1000), Added::Yes);
        }
        let taken: alloc::vec::Vec<_> =
            core::iter::from_fn(|| pending.take(SigSet(u64::MAX))).map(|i| (i.signo(), i.value())).collect();
        assert_eq!(taken, [(34, 2), (34, 4), (35, 1), (35, 3)]);
        assert!(pending.set().is_empty());
    }

    #[test]
    fn beyond_the_limit_queued_signals_fail_and_killed_ones_lose_their_details() {
        let mut pending = Pending::default();
        assert_eq!(pending.add(queue(40, 1), 0), Added::NoRoom);
        assert_eq!(pending.add(SigInfo::user(40, 0, 77, 0), 0), Added::Yes);
        assert_eq!(pending.take(SigSet(u64::MAX)).map(|info| info.pid()), Some(0));
    }

    #[test]
    fn faults_come_before_lower_numbers() {
        let mut pending = Pending::default();
        pending.add(SigInfo::user(1, 0, 1, 0), 9);
        pending.add(SigInfo::fault(11, 1, 0x10), 9);
        assert_eq!(pending.take_synchronous(SigSet(u64::MAX)).map(|info| info.signo()), Some(11));
        assert_eq!(pending.take(SigSet(u64::MAX)).map(|info| info.signo()), Some(1));
    }

    #[test]
    fn a_deleted_timer_takes_its_signal_along() {
        let mut pending = Pending::default();
        pending.add(SigInfo::timer(14, 5, 0, 0), 9);
        pending.add(SigInfo::timer(34, 5, 0, 0), 9000);
        pending.add(SigInfo::timer(34, 6, 0, 0), 9000);
        pending.flush_timer(5);
        assert_eq!(pending.set(), SigSet::of(34));
        assert_eq!(pending.take(SigSet(u64::MAX)).map(|info| info.pid()), Some(6));
    }
}
