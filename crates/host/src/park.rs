//! Putting the calling host thread to sleep and waking it, and the place where a thread keeps what is its own.
//!
//! # States
//!
//! One word tells where the thread is. The thread itself and whoever wakes it change it, by exchanges only:
//!
//! ```text
//!                        the thread                                     who wakes it
//! RUNNING   awake, or watching the word (spinning)        -> NOTIFIED   and nothing else
//! ASLEEP    in futex(2), reachable from every process     -> NOTIFIED   and FUTEX_WAKE
//! INSIDE    in futex(2), reachable from its own process   -> NOTIFIED   and FUTEX_WAKE, from elsewhere a kick
//! POLLING   in ppoll(2)                                   -> NOTIFIED   and a kick
//! NOTIFIED  woken, and has not noticed yet                   stays
//! ```
//!
//! The thread goes from `RUNNING` to one of the three sleeps by compare-and-exchange, and from wherever it is back to
//! `RUNNING` by an exchange at the end of each [`Parker::park`]. No wake is lost:
//!
//! * It comes before the compare-and-exchange: that fails, and there is no sleep. While the thread spins: it sees the word
//!   change, or goes on to the compare-and-exchange.
//! * It comes between that and the host call: futex(2) finds another value and answers `EAGAIN`; the kick makes ppoll(2)
//!   answer `EINTR` or keeps it from beginning (`arch::syscall_blocking`).
//! * It comes during the call: the host ends it.
//! * It comes after the call, before the exchange: the exchange finds it. The host is asked to wake a word on which
//!   nobody sleeps, or a kick comes late: that is remembered in `Blocking::interrupt` until somebody has looked.
//! * It comes after the exchange: the next `park` finds it. So a wake may be about something that is over already, and who
//!   parks always looks again.
//!
//! Two who wake at once: the second finds `NOTIFIED`, and the first does the rest. When the first is killed by the host
//! between the exchange and the rest, it was at work in the kernel, and the instance ends (ARCHITECTURE.md, "Ends that
//! nobody asked for").
//!
//! # Spinning
//!
//! A sleep costs a host call, a wake another, and where the host takes an idle processor for the woken, it has to be
//! interrupted first, which in a virtual machine takes longer than all the rest. So a thread that expects to be woken soon
//! watches the word for a while before it sleeps, and then a wake is a store. It expects that by what happened before, as
//! KVM's halt polling does: a wake from *another* processor sooner than `LONGEST` after the thread parked doubles the
//! while, up to `LONGEST`; a longer sleep, one that a time-out ended, and a wake from the processor that the thread had
//! itself (where spinning would only keep the other from running) set it to zero. So there is nothing to lose for a
//! thread that always sleeps long, at most one `LONGEST` after each burst of short ones, and nothing on one processor.
//!
//! A thread that spins can be kicked, and killed by the host, as one that sleeps.

use crate::arch::{cpu, cycles, spin, syscall_blocking};
use crate::file::PollFd;
use crate::mutex::Mutex;
use crate::{Errno, Result, check, syscall3, syscall6};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::any::Any;
use core::sync::atomic::{AtomicI32, AtomicU8, AtomicU32, AtomicUsize, Ordering::*};
use linux_raw_sys::general as g;

/// What a blocking host call of a thread looks at and leaves behind; the assembly knows the layout.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Blocking {
    /// Nonzero: a blocking host call must not begin; set by kicks.
    pub(crate) interrupt: AtomicU32,
    /// The stack pointer while such a call is under way, else 0.
    pub(crate) sleeping_sp: AtomicUsize,
}

impl Blocking {
    /// Of a thread that does not block.
    const fn new() -> Blocking {
        Blocking { interrupt: AtomicU32::new(0), sleeping_sp: AtomicUsize::new(0) }
    }
}

// The states, in the lower byte of the word; above `NOTIFIED` the processor of who woke it.
const RUNNING: u32 = 0;
const NOTIFIED: u32 = 1;
const ASLEEP: u32 = 2;
const INSIDE: u32 = 3;
const POLLING: u32 = 4;
const STATE_MASK: u32 = 0xff;
const CPU_SHIFT: u32 = 8;

/// The first while that a thread spins, in cycles of the time stamp counter: 10 µs at 3 GHz.
const SHORTEST: u64 = 30_000;
/// The longest, and what counts as a short sleep: 80 µs at 3 GHz.
const LONGEST: u64 = 240_000;
/// After a wake from another process, so many sleeps can be woken from every process at once.
const FOREIGN_SLEEPS: u8 = 255;

/// One host thread's sleep.
#[derive(Debug, Default)]
pub struct Parker {
    /// [`RUNNING`] …
    state: AtomicU32,
    /// So many cycles it spins before it sleeps.
    window: AtomicU32,
    /// So many sleeps of it are to be [`ASLEEP`], not [`INSIDE`].
    foreign: AtomicU8,
    blocking: Blocking,
    /// The host process and thread it belongs to.
    pid: AtomicI32,
    tid: AtomicI32,
    slot: Mutex<Option<Arc<dyn Any + Send + Sync>>>,
}

/// Parkers of threads that run no program, by the host's number of the thread.
static OTHERS: Mutex<BTreeMap<i32, Arc<Parker>>> = Mutex::new(BTreeMap::new());
static NEVER: Blocking = Blocking::new();

impl Parker {
    /// A parker of the calling thread.
    pub fn of_this_thread() -> Arc<Parker> {
        let parker = Parker::default();
        parker.pid.store(crate::signal::host_pid(), Relaxed);
        parker.tid.store(crate::signal::host_tid(), Relaxed);
        Arc::new(parker)
    }

    /// A parker of a thread that is about to be made.
    pub fn unbound() -> Arc<Parker> {
        Arc::new(Parker::default())
    }

    /// Says which thread it is.
    pub(crate) fn bind(&self, pid: i32, tid: i32) {
        self.pid.store(pid, Relaxed);
        self.tid.store(tid, Relaxed);
    }

    /// The host's number of the thread.
    pub fn host_tid(&self) -> i32 {
        self.tid.load(Relaxed)
    }

    /// The host's number of the thread's process.
    pub fn host_pid(&self) -> i32 {
        self.pid.load(Relaxed)
    }

    /// What the kernel keeps for this thread.
    pub fn slot(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.slot.lock().clone()
    }

    /// Sets what the kernel keeps for this thread.
    pub fn set_slot(&self, value: Option<Arc<dyn Any + Send + Sync>>) {
        *self.slot.lock() = value;
    }

    /// Forgets kicks so far: the caller is about to look at what they might have meant.
    pub fn clear_interrupt(&self) {
        self.blocking.interrupt.store(0, SeqCst);
    }

    /// Whether a kick has come that nobody has looked after.
    pub fn is_interrupted(&self) -> bool {
        self.blocking.interrupt.load(SeqCst) != 0
    }

    /// Whether the thread is in a blocking host call, or was when the host ended it.
    pub(crate) fn is_blocking(&self) -> bool {
        self.blocking.sleeping_sp.load(SeqCst) != 0
    }

    /// What the thread's blocking host calls look at.
    pub(crate) fn blocking(&self) -> &Blocking {
        &self.blocking
    }

    /// Called by the kick handler.
    pub(crate) fn interrupt(&self) {
        self.blocking.interrupt.store(1, SeqCst);
    }

    /// Wakes the thread, now or when it next parks.
    pub fn unpark(&self) {
        let here = crate::user::current_parker_ref().is_some_and(|own| own.host_pid() == self.host_pid());
        if !here {
            self.foreign.store(FOREIGN_SLEEPS, Relaxed);
        }
        match self.state.swap(NOTIFIED | cpu() << CPU_SHIFT, SeqCst) & STATE_MASK {
            ASLEEP => self.wake(g::FUTEX_WAKE),
            INSIDE if here => self.wake(g::FUTEX_WAKE_PRIVATE),
            INSIDE | POLLING => self.kick(),
            _ => {}
        }
    }

    fn wake(&self, op: u32) {
        // SAFETY: the word lives as long as `self`.
        unsafe { syscall6(g::__NR_futex, self.state.as_ptr() as usize, op as usize, 1, 0, 0, 0) };
    }

    /// Makes the thread look at its signals and timers: out of user mode, or out of its sleep.
    pub fn kick(&self) {
        // One that is not born yet looks at its signals when it starts.
        let (pid, tid) = (self.pid.load(Relaxed), self.tid.load(Relaxed));
        if tid > 0 {
            crate::signal::kick(pid, tid);
        }
    }

    /// Sleeps until unparked, until one of `fds` is ready, or until `deadline_ns` on the monotonic clock.
    ///
    /// # Errors
    /// `EINTR` when kicked since [`clear_interrupt`](Self::clear_interrupt); `ETIMEDOUT`.
    pub fn park(&self, fds: &mut [PollFd<'_>], deadline_ns: Option<u64>) -> Result<()> {
        let result = if fds.is_empty() { self.sleep(deadline_ns) } else { self.poll(fds, deadline_ns) };
        if self.state.swap(RUNNING, SeqCst) & STATE_MASK == NOTIFIED { Ok(()) } else { result }
    }

    /// Goes to sleep; `false`: there is a wake.
    fn begin(&self, sleep: u32) -> bool {
        self.state.compare_exchange(RUNNING, sleep, SeqCst, SeqCst).is_ok()
    }

    fn sleep(&self, deadline_ns: Option<u64>) -> Result<()> {
        if self.state.load(SeqCst) != RUNNING {
            return Ok(());
        }
        let (started, own_cpu) = (cycles(), cpu());
        let window = self.window.load(Relaxed);
        if window > 0 {
            // A cycle is not longer than a nanosecond.
            let left = deadline_ns.map(|at| at.saturating_sub(crate::clock::monotonic_ns()));
            let limit = left.unwrap_or(u64::MAX).min(window.into());
            match spin(&self.state, RUNNING, &self.blocking, limit) {
                Ok(()) => {
                    // Much later than it was watched for: the processor was somebody else's meanwhile.
                    if cycles().wrapping_sub(started) > LONGEST {
                        self.window.store(0, Relaxed);
                    }
                    return Ok(());
                }
                Err(Errno::AGAIN) => {}
                Err(errno) => return Err(errno),
            }
        }
        let foreign = self.foreign.load(Relaxed);
        let inside = foreign == 0 && crate::user::current_parker_ref().is_some();
        self.foreign.store(foreign.saturating_sub(1), Relaxed);
        let (state, op) = match inside {
            true => (INSIDE, g::FUTEX_WAIT_BITSET_PRIVATE),
            false => (ASLEEP, g::FUTEX_WAIT_BITSET),
        };
        if !self.begin(state) {
            return Ok(());
        }
        let time = deadline_ns.map(timespec);
        let time_addr = time.as_ref().map_or(0, |t| &raw const *t as usize);
        let word = self.state.as_ptr() as usize;
        let args = [word, op as usize, state as usize, time_addr, 0, u32::MAX as usize];
        // SAFETY: the word and the time live across the call.
        let raw = unsafe { syscall_blocking(g::__NR_futex, &args, &self.blocking) };
        self.learn(started, own_cpu);
        match check(raw) {
            Ok(_) | Err(Errno::AGAIN) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// How long to spin the next time, after a sleep.
    fn learn(&self, started: u64, own_cpu: u32) {
        let word = self.state.load(Relaxed);
        let woken_elsewhere = word & STATE_MASK == NOTIFIED && word >> CPU_SHIFT != own_cpu;
        let short = cycles().wrapping_sub(started) <= LONGEST;
        let window = match woken_elsewhere && short {
            true => (u64::from(self.window.load(Relaxed)) * 2).clamp(SHORTEST, LONGEST),
            false => 0,
        };
        self.window.store(window as u32, Relaxed);
    }

    fn poll(&self, fds: &mut [PollFd<'_>], deadline_ns: Option<u64>) -> Result<()> {
        if !self.begin(POLLING) {
            return Ok(());
        }
        let left = deadline_ns.map(|at| timespec(at.saturating_sub(crate::clock::monotonic_ns())));
        let left_addr = left.as_ref().map_or(0, |t| &raw const *t as usize);
        let args = [fds.as_mut_ptr() as usize, fds.len(), left_addr, 0, 8, 0];
        // SAFETY: `fds` is a live array of `struct pollfd`, the time a live struct.
        let raw = unsafe { syscall_blocking(g::__NR_ppoll, &args, &self.blocking) };
        match check(raw)? {
            0 => Err(Errno::TIMEDOUT),
            _ => Ok(()),
        }
    }
}

fn timespec(ns: u64) -> g::__kernel_timespec {
    g::__kernel_timespec { tv_sec: (ns / 1_000_000_000) as i64, tv_nsec: (ns % 1_000_000_000) as i64 }
}

/// The calling thread's parker. A thread that runs no program (boot, unit tests) gets one by its number.
pub fn current() -> Arc<Parker> {
    if let Some(thread) = crate::user::current_parker() {
        return thread;
    }
    let tid = crate::signal::host_tid();
    OTHERS.lock().entry(tid).or_insert_with(Parker::of_this_thread).clone()
}

/// What blocking host calls of the calling thread look at.
pub(crate) fn interrupt_flag() -> &'static Blocking {
    crate::user::current_parker_ref().map_or(&NEVER, |parker| &parker.blocking)
}

/// Gives the rest of the time slice away (sched_yield(2)).
pub fn yield_now() {
    // SAFETY: no arguments.
    unsafe { syscall3(g::__NR_sched_yield, 0, 0, 0) };
}

#[cfg(test)]
mod tests;
