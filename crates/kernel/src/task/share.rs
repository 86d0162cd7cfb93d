//! Processes that share their memory: `CLONE_VM` without `CLONE_THREAD` (clone(2)), and who waits for memory that is lent
//! (`CLONE_VFORK`).
//!
//! Such a process is a host process of its own, made with the host's `CLONE_VM`: its processor time, its timers and its
//! death are its own, as the host sees them, and both have one [`AddressSpace`]. The host frees the memory when the last
//! one is gone. What it cannot do is to give one of several a memory of its own: so execve(2) of one that is not alone
//! makes a new host process, in which the process goes on, and the old one ends. The first host process is the exception:
//! it is the parent of all others, and stays behind without a program until the instance ends.
//!
//! What does not live here: the making of processes (`clone`), vfork(2) as long as the child runs on its parent's host
//! thread (`clone`, too).

use super::family::{Usage, add_usage};
use super::{Current, FIRST_PID, Process, Task, exit, find_process, processes};
use crate::mm::AddressSpace;
use crate::signal;
use crate::sync::Waiter;
use crate::vfs::{PollEvents, PollTable};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;
use host::mutex::OnceLock;
use host::thread::{Resources, abandon};

/// The memory of the first host process.
static FIRST_MEMORY: OnceLock<Arc<AddressSpace>> = OnceLock::new();

/// Remembers the memory of the first host process.
pub fn set_first_memory(mm: Arc<AddressSpace>) {
    // Set once, at boot.
    let _ = FIRST_MEMORY.set(mm);
}

/// The memory of the first host process, whoever lives in it.
pub fn first_memory() -> Option<&'static Arc<AddressSpace>> {
    FIRST_MEMORY.get()
}

/// Whether somebody other than `except` who has not ended lives in `mm`.
fn is_inhabited(mm: &Arc<AddressSpace>, except: Option<&Arc<Process>>) -> bool {
    processes().iter().any(|other| {
        except.is_none_or(|except| !Arc::ptr_eq(other, except))
            && Arc::ptr_eq(&other.mm.lock(), mm)
            && other.family.ended.lock().is_none()
    })
}

/// Whether another process lives in the memory of `process`.
pub fn is_shared(process: &Arc<Process>) -> bool {
    let mm = process.mm.lock().clone();
    mm.was_lent() && is_inhabited(&mm, Some(process))
}

/// A process that is about to have ended lets go of its memory, unless somebody else lives in it.
pub fn release_memory(process: &Arc<Process>) {
    if is_shared(process) {
        return;
    }
    let mm = process.mm.lock().clone();
    if FIRST_MEMORY.get().is_some_and(|first| Arc::ptr_eq(first, &mm)) {
        // The process it belonged to has moved out: `stay_behind` unmaps it.
        if let Some(first) = find_process(FIRST_PID) {
            first.signals.child_events.wake_all(PollEvents::empty());
        }
    } else {
        mm.release();
    }
}

/// `CLONE_VFORK`: sleeps until the new process has executed a program or ended, or until the new thread has ended. Only a
/// signal that ends the caller ends the wait before.
pub fn wait_for_release(cur: &Current<'_>, child: &Arc<Task>) {
    let process = &child.process;
    let is_thread = Arc::ptr_eq(process, cur.process());
    let released = || match is_thread {
        true => !process.tasks.lock().iter().any(|task| Arc::ptr_eq(task, child)),
        false => process.family.released.load(Relaxed),
    };
    let waiter = Waiter::current();
    let mut table = PollTable::register(&waiter);
    table.wait_on(&process.family.pidfd_events);
    loop {
        signal::attend(cur.task);
        if released() || signal::is_dying(cur.task) {
            return;
        }
        // Whatever ends the sleep: look again.
        let _ = host::park::current().park(&mut [], None);
    }
}

/// The process has its own memory from now on, or none: who waits for that goes on.
pub fn release(process: &Process) {
    if !process.family.released.swap(true, Relaxed) {
        process.family.pidfd_events.wake_all(PollEvents::empty());
    }
}

/// What a process leaves in its old host process when it goes on in another one.
pub struct LeftBehind {
    leader: Option<Resources>,
    threads: Vec<Resources>,
    earlier: Usage,
}

impl LeftBehind {
    /// Takes what the host threads of `process`, whose last the calling one is, live on. Nothing after vfork(2): the thread
    /// is the parent's.
    pub fn take(process: &Process) -> LeftBehind {
        let family = &process.family;
        let earlier = *family.earlier_usage.lock();
        if !family.borrowed.load(Relaxed) {
            // The kind is always known.
            let now = host::clock::rusage(0).unwrap_or_default();
            add_usage(&mut family.earlier_usage.lock(), &now);
        }
        LeftBehind {
            leader: family.leader.lock().take(),
            threads: core::mem::take(&mut *family.threads.lock()),
            earlier,
        }
    }

    /// The process has gone on; what is left of `task` is the calling host thread, which is about to leave.
    pub fn abandon(mut self, task: &Task) {
        task.moved.store(true, Relaxed);
        self.threads.extend(self.leader);
        abandon(self.threads);
    }

    /// The process stays after all.
    pub fn give_back(self, process: &Process) {
        *process.family.earlier_usage.lock() = self.earlier;
        *process.family.leader.lock() = self.leader;
        process.family.threads.lock().extend(self.threads);
    }
}

/// The first host process's first thread, when the program's first thread has ended or gone on elsewhere: waits for the
/// end of the program, and passes on what the host sends it.
pub fn stay_behind(task: &Arc<Task>) {
    let process = &task.process;
    let first = exit::first_host_pid();
    let waiter = Waiter::current();
    let mut table = PollTable::register(&waiter);
    table.wait_on(&process.signals.child_events);
    let mut memory = first_memory();
    loop {
        if process.family.host_pid.load(Relaxed) == first {
            signal::attend(task);
        } else {
            // Timers are for the host process it is in now.
            host::park::current().clear_interrupt();
            signal::take_forwarded(task);
            if let Some(mm) = memory.take_if(|mm| !is_inhabited(mm, None)) {
                mm.clear(mm.layout());
            }
        }
        if process.tasks.lock().is_empty() {
            return;
        }
        // Whatever ends the sleep: look again.
        let _ = host::park::current().park(&mut [], None);
    }
}
