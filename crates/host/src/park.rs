//! Putting the calling host thread to sleep and waking it, and the place where a thread keeps what is its own.

use crate::arch::syscall_blocking;
use crate::file::PollFd;
use crate::mutex::Mutex;
use crate::{Errno, Result, check, syscall3, syscall6};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::any::Any;
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering::*};
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

/// One host thread's sleep.
#[derive(Debug, Default)]
pub struct Parker {
    /// 1: somebody has unparked it and it has not noticed yet.
    notified: AtomicU32,
    blocking: Blocking,
    /// 1 while it sleeps in ppoll, where the futex does not reach it.
    polling: AtomicU32,
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
        if self.notified.swap(1, SeqCst) == 0 {
            if self.polling.load(SeqCst) != 0 {
                self.kick();
            } else {
                // SAFETY: the word lives as long as `self`.
                unsafe {
                    syscall6(
                        g::__NR_futex,
                        self.notified.as_ptr() as usize,
                        g::FUTEX_WAKE as usize,
                        1,
                        0,
                        0,
                        0,
                    )
                };
            }
        }
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
        if !fds.is_empty() {
            self.polling.store(1, SeqCst);
        }
        let result = self.sleep(fds, deadline_ns);
        self.polling.store(0, SeqCst);
        if self.notified.swap(0, SeqCst) == 1 {
            return Ok(());
        }
        result
    }

    fn sleep(&self, fds: &mut [PollFd<'_>], deadline_ns: Option<u64>) -> Result<()> {
        if self.notified.load(SeqCst) == 1 {
            return Ok(());
        }
        let raw = if fds.is_empty() {
            let time = deadline_ns.map(timespec);
            let time_addr = time.as_ref().map_or(0, |t| &raw const *t as usize);
            let op = (g::FUTEX_WAIT_BITSET) as usize;
            let args = [self.notified.as_ptr() as usize, op, 0, time_addr, 0, u32::MAX as usize];
            // SAFETY: the word and the time live across the call.
            unsafe { syscall_blocking(g::__NR_futex, &args, &self.blocking) }
        } else {
            let left = deadline_ns.map(|at| timespec(at.saturating_sub(crate::clock::monotonic_ns())));
            let left_addr = left.as_ref().map_or(0, |t| &raw const *t as usize);
            let args = [fds.as_mut_ptr() as usize, fds.len(), left_addr, 0, 8, 0];
            // SAFETY: `fds` is a live array of `struct pollfd`, the time a live struct.
            unsafe { syscall_blocking(g::__NR_ppoll, &args, &self.blocking) }
        };
        match check(raw) {
            Ok(0) if !fds.is_empty() => Err(Errno::TIMEDOUT),
            Ok(_) | Err(Errno::AGAIN) => Ok(()),
            Err(errno) => Err(errno),
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
