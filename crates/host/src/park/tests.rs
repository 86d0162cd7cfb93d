//! Parkers between threads and between processes: that no wake is lost, whatever comes at the same time.

use super::*;
use crate::file::HostFd;
use crate::user::HostThread;
use crate::{syscall1, syscall2, syscall4};
use core::sync::atomic::AtomicU64;
use std::boxed::Box;
use std::vec::Vec;

/// Bounds each sleep that a wake must end.
const PATIENCE_NS: u64 = 60_000_000_000;

fn patience() -> Option<u64> {
    Some(crate::clock::monotonic_ns() + PATIENCE_NS)
}

/// Makes the calling thread one of the kernel's, with `parker` as its own: kicks reach it.
fn attach(parker: &Arc<Parker>) {
    parker.bind(crate::signal::host_pid(), crate::signal::host_tid());
    let thread = Box::leak(Box::new(HostThread::new(parker.clone())));
    let stack = Box::leak(Box::new([0u8; crate::thread::SIGNAL_STACK_LEN]));
    crate::user::attach(thread, (&raw mut *stack).expose_provenance(), false).unwrap();
}

/// Numbers without a pattern (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    /// Lets some time go by: mostly none, sometimes about as long as somebody spins, sometimes longer.
    fn pause(&mut self) {
        let span = match self.below(16) {
            0..8 => 0,
            8..13 => self.below(2000),
            13..15 => self.below(LONGEST * 2),
            _ => return yield_now(),
        };
        let start = cycles();
        while cycles().wrapping_sub(start) < span {
            core::hint::spin_loop();
        }
    }
}

/// A host file that never has anything to read: an eventfd(2) that nobody writes to.
fn never_readable() -> HostFd {
    // SAFETY: no memory is involved.
    HostFd::adopt(check(unsafe { syscall2(g::__NR_eventfd2, 0, 0) }).unwrap() as i32)
}

/// Those who pass a number around, in memory that all of them share.
struct Ring<'a> {
    parkers: &'a [&'a Parker],
    /// How often it was passed on.
    turn: &'a AtomicU64,
    rounds: u64,
    /// Whether all but the first are [attached](attach), and can be kicked. The first is to the others then as one of
    /// another process.
    attached: bool,
}

impl Ring<'_> {
    fn run(&self, own: usize) {
        let len = self.parkers.len() as u64;
        let parker = self.parkers[own];
        let can_poll = self.attached && own > 0;
        let never = never_readable();
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ (own as u64 + 1));
        for round in 0..self.rounds {
            let turn = round * len + own as u64;
            while self.turn.load(SeqCst) != turn {
                let short = dice.below(8) == 0;
                let deadline = match short {
                    true => Some(crate::clock::monotonic_ns() + dice.below(100_000)),
                    false => patience(),
                };
                if dice.below(4) == 0 {
                    parker.foreign.store(0, SeqCst);
                }
                let mut watched = [PollFd::new(&never, g::POLLIN as i16)];
                let fds = if can_poll && dice.below(8) == 0 { &mut watched[..] } else { &mut [] };
                match parker.park(fds, deadline) {
                    Ok(()) => {}
                    Err(Errno::INTR) if can_poll => parker.clear_interrupt(),
                    Err(Errno::TIMEDOUT) if short => {}
                    Err(errno) => panic!("{own} in round {round}: {errno}, {parker:?}"),
                }
            }
            dice.pause();
            self.turn.store(turn + 1, SeqCst);
            self.parkers[(own + 1) % self.parkers.len()].unpark();
            dice.pause();
            let other = dice.below(len) as usize;
            match dice.below(16) {
                0 => self.parkers[other].unpark(),
                1 if self.attached && other > 0 => self.parkers[other].kick(),
                _ => {}
            }
        }
    }
}

#[test]
fn a_wake_before_the_sleep_is_kept_once() {
    let parker = Parker::of_this_thread();
    parker.unpark();
    parker.unpark();
    assert_eq!(parker.park(&mut [], None), Ok(()));
    let soon = Some(crate::clock::monotonic_ns() + 1000);
    assert_eq!(parker.park(&mut [], soon), Err(Errno::TIMEDOUT));
    assert_eq!(parker.state.load(SeqCst), RUNNING);
}

#[test]
fn a_time_out_ends_the_spinning_too() {
    let parker = Parker::of_this_thread();
    parker.window.store(u32::MAX, SeqCst);
    let at = crate::clock::monotonic_ns() + 1000;
    assert_eq!(parker.park(&mut [], Some(at)), Err(Errno::TIMEDOUT));
    assert!(crate::clock::monotonic_ns() >= at);
    assert_eq!(parker.window.load(SeqCst), 0);
}

#[test]
fn spinning_ends_with_a_change_an_interrupt_or_the_time() {
    let (word, blocking) = (AtomicU32::new(5), Blocking::new());
    assert_eq!(spin(&word, 4, &blocking, u64::MAX), Ok(()));
    assert_eq!(spin(&word, 5, &blocking, 1000), Err(Errno::AGAIN));
    blocking.interrupt.store(1, SeqCst);
    assert_eq!(spin(&word, 5, &blocking, u64::MAX), Err(Errno::INTR));
    assert_eq!(blocking.sleeping_sp.load(SeqCst), 0);
}

#[test]
fn only_soon_and_from_elsewhere_makes_spin() {
    let parker = Parker::of_this_thread();
    let window = || u64::from(parker.window.load(SeqCst));
    let woken_by = |cpu: u32| parker.state.store(NOTIFIED | cpu << CPU_SHIFT, SeqCst);
    woken_by(3);
    parker.learn(cycles(), 2);
    assert_eq!(window(), SHORTEST);
    for _ in 0..9 {
        parker.learn(cycles(), 2);
    }
    assert_eq!(window(), LONGEST);
    parker.learn(cycles(), 3);
    assert_eq!(window(), 0, "from the same processor");
    parker.learn(cycles(), 2);
    parker.learn(cycles().wrapping_sub(2 * LONGEST), 2);
    assert_eq!(window(), 0, "late");
    parker.learn(cycles(), 2);
    parker.state.store(ASLEEP, SeqCst);
    parker.learn(cycles(), 2);
    assert_eq!(window(), 0, "not woken at all");
}

#[test]
fn a_kick_ends_spinning_and_sleep() {
    let parker = Parker::unbound();
    let (ready, done) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            attach(&parker);
            for round in 0..100 {
                parker.window.store(if round % 2 == 0 { u32::MAX } else { 0 }, SeqCst);
                parker.clear_interrupt();
                ready.store(round + 1, SeqCst);
                assert_eq!(parker.park(&mut [], patience()), Err(Errno::INTR), "round {round}");
                done.store(round + 1, SeqCst);
            }
        });
        for round in 0..100 {
            while ready.load(SeqCst) != round + 1 {
                yield_now();
            }
            Dice(u64::from(round) + 1).pause();
            parker.kick();
            while done.load(SeqCst) != round + 1 {
                yield_now();
            }
        }
    });
}

#[test]
fn threads_lose_no_wake() {
    const ROUNDS: u64 = 3000;
    for len in 2..5 {
        let parkers: Vec<_> = (0..len).map(|_| Parker::unbound()).collect();
        let all: Vec<&Parker> = parkers.iter().map(|each| &**each).collect();
        let (turn, there) = (AtomicU64::new(0), AtomicU32::new(0));
        let ring = Ring { parkers: &all, turn: &turn, rounds: ROUNDS, attached: true };
        let meet = |count: usize| {
            there.fetch_add(1, SeqCst);
            while (there.load(SeqCst) as usize) < count {
                yield_now();
            }
        };
        std::thread::scope(|scope| {
            for (own, parker) in parkers.iter().enumerate() {
                let (ring, meet) = (&ring, &meet);
                scope.spawn(move || {
                    if own > 0 {
                        attach(parker);
                    }
                    // Nobody is kicked before it can be, nor when it is gone.
                    meet(len);
                    ring.run(own);
                    meet(2 * len);
                });
            }
        });
        assert_eq!(turn.load(SeqCst), ROUNDS * len as u64);
    }
}

#[test]
fn processes_lose_no_wake() {
    const ROUNDS: u64 = 3000;
    #[derive(Default)]
    struct Common {
        turn: AtomicU64,
        parkers: [Parker; 3],
    }
    let flags = (g::MAP_SHARED | g::MAP_ANONYMOUS) as usize;
    // SAFETY: fresh memory, of whole pages, at an address of the host's choice; never unmapped.
    let common = unsafe {
        let addr = check(syscall6(g::__NR_mmap, 0, size_of::<Common>(), 3, flags, usize::MAX, 0)).unwrap();
        let common = core::ptr::with_exposed_provenance_mut::<Common>(addr);
        common.write(Common::default());
        &*common
    };
    let all: Vec<&Parker> = common.parkers.iter().collect();
    let ring = Ring { parkers: &all, turn: &common.turn, rounds: ROUNDS, attached: false };
    let mut children = Vec::new();
    for own in 1..all.len() {
        // SAFETY: the child calls what needs no lock that another thread of this process may hold (the pauses, the
        // parkers), and ends without returning.
        match unsafe { syscall1(g::__NR_fork, 0) } {
            0 => {
                ring.run(own);
                // SAFETY: does not return.
                unsafe { syscall1(g::__NR_exit_group, 0) };
            }
            pid => children.push(pid),
        }
    }
    ring.run(0);
    for pid in children {
        let mut status = 0i32;
        // SAFETY: the status word is live.
        let waited = unsafe { syscall4(g::__NR_wait4, pid as usize, &raw mut status as usize, 0, 0) };
        assert_eq!((waited, status), (pid, 0));
    }
    assert_eq!(common.turn.load(SeqCst), ROUNDS * all.len() as u64);
}
