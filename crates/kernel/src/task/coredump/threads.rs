//! The threads of a process that dumps core: stopped where they are, with their registers taken (`coredump_wait`,
//! `coredump_task_exit`).

use super::arch;
use crate::signal;
use crate::sync::{WaitQueue, Waiter};
use crate::task::{Current, Task, Usage};
use crate::vfs::{PollEvents, PollTable};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use host::mutex::Mutex;

/// What is known of a thread.
#[derive(Debug)]
pub struct Snapshot {
    /// Its number.
    pub tid: i32,
    /// Signals sent to it.
    pub pending: u64,
    /// Its mask.
    pub blocked: u64,
    /// Its general registers.
    pub regs: arch::Regs,
    /// Its extended state, as a signal frame has it.
    pub xstate: Vec<u8>,
    /// Times and the like, in the form of `struct rusage`; for the first thread that of the process.
    pub usage: Usage,
}

impl Snapshot {
    /// The calling thread as it is.
    pub fn take(cur: &mut Current<'_>) -> Snapshot {
        let is_first = cur.task.tid == cur.process().pid;
        Snapshot {
            tid: cur.task.tid,
            pending: cur.task.signals.pending_set().0,
            blocked: cur.task.signals.blocked().0,
            regs: arch::regs(cur),
            xstate: cur.user.xstate_frame(),
            // The kind is always known.
            usage: host::clock::rusage(if is_first { 0 } else { 1 }).unwrap_or_default(),
        }
    }
}

/// The threads of a process come together for a core file.
#[derive(Debug)]
pub struct Gathering {
    dumper: i32,
    threads: Mutex<Vec<Snapshot>>,
    arrived: WaitQueue,
    finished: AtomicBool,
    left: WaitQueue,
}

impl Gathering {
    /// For a file that the thread `dumper` writes.
    pub fn begun_by(dumper: i32) -> Arc<Gathering> {
        Arc::new(Gathering {
            dumper,
            threads: Mutex::default(),
            arrived: WaitQueue::new(),
            finished: AtomicBool::new(false),
            left: WaitQueue::new(),
        })
    }

    /// Whether a thread still has to come.
    pub fn lacks(&self, tid: i32) -> bool {
        tid != self.dumper && !self.threads.lock().iter().any(|thread| thread.tid == tid)
    }

    pub(super) fn add(&self, thread: Snapshot) {
        self.threads.lock().push(thread);
    }

    /// All of them: the one that writes first, the others by their numbers.
    pub(super) fn take(&self) -> Vec<Snapshot> {
        let mut threads = core::mem::take(&mut *self.threads.lock());
        threads.sort_by_key(|thread| (thread.tid != self.dumper, thread.tid));
        threads
    }

    /// The file is written: everybody may go.
    pub(super) fn finish(&self) {
        self.finished.store(true, Relaxed);
        self.left.wake_all(PollEvents::empty());
    }
}

/// Sleeps until woken, or a little while.
fn pause() {
    /// Between two looks, in nanoseconds: a thread may have been made or have ended meanwhile.
    const PAUSE: u64 = 1_000_000;
    let parker = host::park::current();
    // A kick means other things, which have to wait.
    parker.clear_interrupt();
    // Whatever ends the sleep.
    let _ = parker.park(&mut [], Some(host::clock::monotonic_ns() + PAUSE));
}

/// Makes all other threads of the calling one's process come to `gathering`, and waits for them. `false`: SIGKILL came.
pub(super) fn stop_others(task: &Task, gathering: &Gathering) -> bool {
    let waiter = Waiter::current();
    let mut table = PollTable::register(&waiter);
    table.wait_on(&gathering.arrived);
    loop {
        let lacking: Vec<_> =
            task.process.tasks.lock().iter().filter(|each| gathering.lacks(each.tid)).cloned().collect();
        if lacking.is_empty() {
            return true;
        }
        if signal::pending_for(task).contains(linux_raw_sys::general::SIGKILL as i32) {
            return false;
        }
        signal::call_back(&task.process, &lacking);
        pause();
    }
}

/// The calling thread, which is not the one that writes, gives its registers and waits until the file is written.
pub fn take_part(cur: &mut Current<'_>, gathering: &Gathering) {
    let waiter = Waiter::current();
    let mut table = PollTable::register(&waiter);
    table.wait_on(&gathering.left);
    gathering.add(Snapshot::take(cur));
    gathering.arrived.wake_all(PollEvents::empty());
    while !gathering.finished.load(Relaxed) {
        let parker = host::park::current();
        parker.clear_interrupt();
        // Kicks mean nothing any more: the next thing is the end.
        let _ = parker.park(&mut [], None);
    }
}
