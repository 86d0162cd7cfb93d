//! Signal state of threads and processes, and the flag that says whether there is anything to do.
//!
//! What is pending stands twice: in the queues, under their locks, and as bits in atomics. A sender adds to the
//! bits and then reads the mask; a thread that changes its mask stores it and then reads the bits. Both in
//! sequentially consistent order: at least one of them sees the other, so no signal sleeps unnoticed and
//! sigprocmask(2) takes no lock.

use super::action::Actions;
use super::altstack::AltStack;
use super::info::SigInfo;
use super::job::Job;
use super::pending::{Added, Pending};
use super::set::SigSet;
use crate::Result;
use crate::sync::WaitQueue;
use crate::task::coredump::Gathering;
use crate::task::{Current, Task};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};
use host::mutex::Mutex;

/// There may be a signal to deliver (`TIF_SIGPENDING`).
const PENDING: u32 = 1;
/// A mask is saved that must come back before user mode (`TIF_RESTORE_SIGMASK`).
const RESTORE_MASK: u32 = 2;

/// How restart_syscall(2) goes on with an interrupted call (`struct restart_block`).
#[derive(Clone, Copy, Debug)]
pub struct RestartBlock {
    /// The rest of the call.
    pub run: fn(&mut Current<'_>, [usize; 6]) -> Result<usize>,
    /// What it needs to know.
    pub args: [usize; 6],
}

/// The last fault of a thread, as signal frames show it (`thread.trap_nr`, `error_code`, `cr2`).
#[derive(Clone, Copy, Debug, Default)]
pub struct LastTrap {
    /// Number of the processor exception.
    pub number: usize,
    /// Its error code.
    pub error_code: usize,
    /// Address of the last page fault.
    pub address: usize,
}

/// Signal state of one thread.
#[derive(Debug, Default)]
pub struct TaskSignals {
    /// [`PENDING`], [`RESTORE_MASK`]; 0 on the way to user mode is all the fast path looks at.
    attention: AtomicU32,
    /// Written by the thread itself only.
    blocked: AtomicU64,
    /// What sigtimedwait(2) waits for: neither delivered nor thrown away meanwhile (`real_blocked`).
    waited_for: AtomicU64,
    /// The mask to come back, valid with [`RESTORE_MASK`].
    saved_mask: AtomicU64,
    /// The set of `pending`, to be read without the lock.
    pending_set: AtomicU64,
    /// Signals sent to this thread. Taken after the process's state, when both are.
    pending: Mutex<Pending>,
    /// sigaltstack(2).
    pub alt_stack: Mutex<AltStack>,
    /// What restart_syscall(2) does.
    pub restart: Mutex<Option<RestartBlock>>,
    /// For signal frames.
    pub last_trap: Mutex<LastTrap>,
}

/// What the threads of a process share, under one lock.
#[derive(Debug, Default)]
pub struct Shared {
    /// The handlers.
    pub actions: Actions,
    /// Signals sent to the process.
    pub pending: Pending,
    /// The process is ending with this wait status (`SIGNAL_GROUP_EXIT`).
    pub exit: Option<i32>,
    /// A core file is being written; `exit` is set, and the threads come here first.
    pub dump: Option<Arc<Gathering>>,
    /// The thread that is executing a new program: all others are to end (`de_thread`).
    pub survivor: Option<i32>,
    /// Whether it is stopped.
    pub job: Job,
}

/// Signal state shared by the threads of a process.
#[derive(Debug, Default)]
pub struct ProcessSignals {
    pending_set: AtomicU64,
    shared: Mutex<Shared>,
    /// Woken when a signal was queued: signalfd(2) waits here.
    pub arrived: WaitQueue,
    /// Woken when a child ended, stopped or went on: wait4(2) sleeps here.
    pub child_events: WaitQueue,
    /// Woken when a stopped process may look again.
    pub(super) resumed: WaitQueue,
}

impl TaskSignals {
    /// The mask.
    #[inline]
    pub fn blocked(&self) -> SigSet {
        SigSet(self.blocked.load(SeqCst))
    }

    /// Blocked, or waited for by sigtimedwait(2): not to be thrown away when ignored.
    pub(super) fn kept(&self) -> SigSet {
        SigSet(self.blocked.load(SeqCst) | self.waited_for.load(SeqCst))
    }

    /// Signals sent to this thread and not yet taken.
    pub fn pending_set(&self) -> SigSet {
        SigSet(self.pending_set.load(SeqCst))
    }

    /// Whether there may be a signal to deliver: one load, for the way to user mode and for sleepers.
    #[inline]
    pub fn has_deliverable(&self) -> bool {
        self.attention.load(Relaxed) & PENDING != 0
    }

    /// Whether [`deliver`](super::deliver()) has anything to do before user mode: one load.
    #[inline]
    pub fn wants_attention(&self) -> bool {
        self.attention.load(Relaxed) != 0
    }

    /// Says that there may be something to deliver. The caller kicks the thread when it is not the current one.
    pub(super) fn set_pending_flag(&self) {
        self.attention.fetch_or(PENDING, SeqCst);
    }

    /// Clears the flag; the caller looks at the queues afterwards, so that nothing is lost.
    pub(super) fn clear_pending_flag(&self) {
        self.attention.fetch_and(!PENDING, SeqCst);
    }

    /// The mask a handler's frame saves: the one put aside by sigsuspend(2) and the like, else the current one.
    pub(super) fn mask_to_save(&self) -> SigSet {
        if self.attention.load(Relaxed) & RESTORE_MASK != 0 {
            SigSet(self.saved_mask.load(Relaxed))
        } else {
            self.blocked()
        }
    }

    /// A handler's frame holds the saved mask now: nothing is to be restored any more.
    pub(super) fn forget_saved_mask(&self) {
        self.attention.fetch_and(!RESTORE_MASK, Relaxed);
    }

    /// Adds a signal to this thread's queue.
    pub(super) fn add(&self, info: SigInfo, limit: u64) -> Added {
        let mut pending = self.pending.lock();
        let added = pending.add(info, limit);
        self.pending_set.store(pending.set().0, SeqCst);
        added
    }

    /// Changes this thread's queue.
    pub(crate) fn with_pending<T>(&self, change: impl FnOnce(&mut Pending) -> T) -> T {
        let mut pending = self.pending.lock();
        let result = change(&mut pending);
        self.pending_set.store(pending.set().0, SeqCst);
        result
    }

    /// What a new thread or process begins with: its parent's mask; a new thread of the same process (or a vfork(2)
    /// child, for which `same_memory` holds, too) has no alternate stack.
    pub fn inherit(&self, same_memory: bool) -> TaskSignals {
        let child = TaskSignals::default();
        child.blocked.store(self.blocked().0, SeqCst);
        if !same_memory {
            *child.alt_stack.lock() = *self.alt_stack.lock();
        }
        child
    }

    /// execve(2): the alternate stack and the restart are gone; mask and pending signals stay.
    pub fn reset_for_exec(&self) {
        *self.alt_stack.lock() = AltStack::default();
        *self.restart.lock() = None;
        *self.last_trap.lock() = LastTrap::default();
    }
}

impl ProcessSignals {
    /// Signals sent to the process and not yet taken.
    pub fn pending_set(&self) -> SigSet {
        SigSet(self.pending_set.load(SeqCst))
    }

    /// Looks at the shared state or changes it. No other lock but a thread's queue may be taken inside.
    pub fn with<T>(&self, change: impl FnOnce(&mut Shared) -> T) -> T {
        let mut shared = self.shared.lock();
        let result = change(&mut shared);
        self.pending_set.store(shared.pending.set().0, SeqCst);
        result
    }

    /// What fork(2) gives the child: a copy of the actions, nothing pending.
    pub fn inherit(&self) -> ProcessSignals {
        let actions = self.shared.lock().actions.duplicate();
        Self::with_actions(actions)
    }

    /// What `CLONE_SIGHAND` gives the child: the same actions, nothing pending.
    pub fn inherit_shared(&self) -> ProcessSignals {
        let actions = self.shared.lock().actions.share();
        Self::with_actions(actions)
    }

    fn with_actions(actions: Actions) -> ProcessSignals {
        ProcessSignals { shared: Mutex::new(Shared { actions, ..Shared::default() }), ..Self::default() }
    }

    /// execve(2): handlers become the default.
    pub fn reset_for_exec(&self) {
        self.shared.lock().actions.flush_handlers();
    }

    /// Ignored and caught signals (/proc/PID/status).
    pub fn action_sets(&self) -> (SigSet, SigSet) {
        self.shared.lock().actions.sets()
    }

    /// The wait status with which the process is ending, when it is.
    pub fn exit_status(&self) -> Option<i32> {
        self.shared.lock().exit
    }
}

/// Everything pending for a thread: its own and its process's (sigpending(2), without the blocked filter).
pub fn pending_for(task: &Task) -> SigSet {
    SigSet(task.signals.pending_set().0 | task.process.signals.pending_set().0)
}

/// Sets the calling thread's mask. SIGKILL and SIGSTOP are taken out.
#[inline]
pub fn set_blocked(task: &Task, mask: SigSet) {
    let mask = mask.without(SigSet::UNBLOCKABLE);
    let old = SigSet(task.signals.blocked.swap(mask.0, SeqCst));
    let pending = pending_for(task);
    if !pending.is_empty() {
        mask_changed(task, old, mask, pending);
    }
}

#[cold]
fn mask_changed(task: &Task, old: SigSet, new: SigSet, pending: SigSet) {
    if !pending.without(new).is_empty() {
        task.signals.set_pending_flag();
    }
    // A signal for the process that this thread was to take and now blocks goes to another one.
    let orphaned = task.process.signals.pending_set().0 & new.without(old).0;
    if orphaned != 0 {
        super::send::wake_for(&task.process, SigSet(orphaned), Some(task));
    }
}

/// Sets a mask for the time of a call, as sigsuspend(2) and ppoll(2) do. The old one comes back with
/// [`restore_mask`], or on the way to user mode after a handler has run under the temporary one.
pub fn set_temporary_mask(task: &Task, mask: SigSet) {
    let signals = &task.signals;
    signals.saved_mask.store(signals.blocked().0, Relaxed);
    signals.attention.fetch_or(RESTORE_MASK, Relaxed);
    set_blocked(task, mask);
}

/// Puts the mask back that [`set_temporary_mask`] has saved, when there is one.
pub fn restore_mask(task: &Task) {
    if task.signals.attention.fetch_and(!RESTORE_MASK, Relaxed) & RESTORE_MASK != 0 {
        set_blocked(task, SigSet(task.signals.saved_mask.load(Relaxed)));
    }
}

/// Lets the signals of `set` through while sigtimedwait(2) sleeps; ends with [`stop_waiting_for`].
pub fn wait_for(task: &Task, set: SigSet) {
    let blocked = task.signals.blocked();
    task.signals.saved_mask.store(blocked.0, Relaxed);
    task.signals.waited_for.store(set.0 & blocked.0, SeqCst);
    set_blocked(task, blocked.without(set));
}

/// Undoes [`wait_for`].
pub fn stop_waiting_for(task: &Task) {
    set_blocked(task, SigSet(task.signals.saved_mask.load(Relaxed)));
    task.signals.waited_for.store(0, SeqCst);
}
