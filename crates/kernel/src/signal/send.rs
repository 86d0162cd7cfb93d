//! Sending signals: to a thread, to a process, to a thread that cannot refuse (kill(2), tgkill(2), faults).

use super::action::{SIG_DFL, SIG_IGN, SigAction};
use super::info::SigInfo;
use super::job;
use super::pending::Added;
use super::set::SigSet;
use crate::task::coredump::Gathering;
use crate::task::{KERNEL_PID, Process, Resource, Task};
use crate::vfs::PollEvents;
use crate::{Errno, Result};
use alloc::sync::Arc;
use core::sync::atomic::Ordering::Relaxed;
use linux_raw_sys::general as g;

/// Makes a thread look at its signals, wherever it is. The current one looks on its way to user mode anyway.
pub(super) fn kick_unless_current(task: &Task) {
    if !Arc::ptr_eq(&host::park::current(), &task.parker) {
        task.parker.kick();
    }
}

/// Wakes a thread that can take one of `signals`, which were sent to the process; `except` cannot.
pub(super) fn wake_for(process: &Process, signals: SigSet, except: Option<&Task>) {
    let tasks = process.tasks.lock();
    for task in tasks.iter() {
        // One that leaves has passed on what there was, or will: it does not look any more.
        let skip = except.is_some_and(|other| core::ptr::eq(other, &**task)) || task.leaving.load(Relaxed);
        if !skip && !signals.without(task.signals.blocked()).is_empty() {
            task.signals.set_pending_flag();
            kick_unless_current(task);
            return;
        }
    }
}

/// Does what sending alone does already: stop and continue signals cancel each other, and SIGCONT continues
/// (`prepare_signal`).
fn prepare(process: &Arc<Process>, signo: i32) {
    let cancelled = job::cancelled_by(signo);
    if !cancelled.is_empty() {
        let tasks = process.tasks.lock().clone();
        process.signals.with(|shared| shared.pending.flush(cancelled));
        for task in tasks {
            task.signals.with_pending(|pending| pending.flush(cancelled));
        }
    }
    if signo == g::SIGCONT as i32 {
        job::resume(process, true);
    }
}

/// Whether the process would only throw the signal away: ignored, and no mask keeps it for later.
fn is_ignored(process: &Process, kept: SigSet, signo: i32) -> bool {
    !kept.contains(signo) && process.signals.with(|shared| shared.actions.ignores(signo))
}

/// What became of a signal that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is pending, or taken already.
    Queued,
    /// One of its number was pending: it is one with that.
    Already,
    /// The process ignores it.
    Ignored,
}

/// Sends a signal to a process: any of its threads may take it. Permission was checked.
///
/// # Errors
/// `EAGAIN` when a queued signal has no room.
pub fn to_process(process: &Arc<Process>, info: SigInfo) -> Result<()> {
    queue_to_process(process, info).map(drop)
}

/// Sends a signal to one thread. Permission was checked.
///
/// # Errors
/// `EAGAIN` when a queued signal has no room.
pub fn to_task(task: &Task, info: SigInfo) -> Result<()> {
    queue_to_task(task, info).map(drop)
}

/// As [`to_process`]; says what became of it.
///
/// # Errors
/// As [`to_process`].
pub fn queue_to_process(process: &Arc<Process>, info: SigInfo) -> Result<Sent> {
    let signo = info.signo();
    if process.pid == KERNEL_PID {
        // It has no handlers and cannot be killed (`SIGNAL_UNKILLABLE`).
        return Ok(Sent::Ignored);
    }
    prepare(process, signo);
    let kept = process.tasks.lock().first().map(|leader| leader.signals.kept()).unwrap_or_default();
    if is_ignored(process, kept, signo) {
        return Ok(Sent::Ignored);
    }
    let limit = process.limit(Resource::Sigpending);
    match process.signals.with(|shared| shared.pending.add(info, limit)) {
        Added::Yes => {}
        Added::Already => return Ok(Sent::Already),
        Added::NoRoom => return Err(Errno::AGAIN),
    }
    wake_for(process, SigSet::of(signo), None);
    process.signals.arrived.wake_all(PollEvents::IN);
    Ok(Sent::Queued)
}

/// As [`to_task`]; says what became of it.
///
/// # Errors
/// As [`to_task`].
pub fn queue_to_task(task: &Task, info: SigInfo) -> Result<Sent> {
    let signo = info.signo();
    if task.process.pid == KERNEL_PID {
        return Ok(Sent::Ignored);
    }
    prepare(&task.process, signo);
    if is_ignored(&task.process, task.signals.kept(), signo) {
        return Ok(Sent::Ignored);
    }
    let limit = task.process.limit(Resource::Sigpending);
    match task.signals.add(info, limit) {
        Added::Yes => {}
        Added::Already => return Ok(Sent::Already),
        Added::NoRoom => return Err(Errno::AGAIN),
    }
    if !task.signals.blocked().contains(signo) {
        task.signals.set_pending_flag();
        kick_unless_current(task);
    }
    task.process.signals.arrived.wake_all(PollEvents::IN);
    Ok(Sent::Queued)
}

/// Sends a signal that the kernel itself has a reason for to the calling thread: SIGPIPE of a write without a
/// reader, SIGXFSZ beyond a limit.
pub fn to_current(task: &Task, signo: i32) {
    // A standard signal always has room.
    let _ = to_task(task, SigInfo::kernel(signo));
}

/// Sends a signal the calling thread cannot put off: when it is blocked or ignored, the default action is taken
/// (`force_sig_info`).
pub fn force(task: &Task, info: SigInfo) {
    force_with(task, info, false);
}

/// Ends the calling thread's process by `signo`, whatever its handlers say (`force_fatal_sig`).
pub fn force_fatal(task: &Task, signo: i32) {
    force_with(task, SigInfo::kernel(signo), true);
}

fn force_with(task: &Task, info: SigInfo, fatal: bool) {
    let signo = info.signo();
    let blocked = task.signals.blocked();
    let is_blocked = blocked.contains(signo);
    task.process.signals.with(|shared| {
        let action = shared.actions.get(signo);
        if is_blocked || fatal || action.handler == SIG_IGN {
            shared.actions.set(signo, SigAction { handler: SIG_DFL, ..action });
        }
    });
    if is_blocked {
        super::set_blocked(task, blocked.without(SigSet::of(signo)));
    }
    // One that is pending already does as well: the default action ends the process either way.
    task.signals.add(info, u64::MAX);
    task.signals.set_pending_flag();
}

/// Makes the whole process end with the wait status `status`, unless it is ending already; answers the status
/// that counts (`do_group_exit`). Its threads leave user mode or their sleep and find out in
/// [`deliver`](super::deliver()).
pub fn exit_group(process: &Process, status: i32) -> i32 {
    let status = process.signals.with(|shared| *shared.exit.get_or_insert(status));
    for task in process.tasks.lock().iter() {
        task.signals.set_pending_flag();
        kick_unless_current(task);
    }
    status
}

/// Makes the process end by `signo` as soon as [`end_dump`] has said how; until then its threads come to `gathering`.
/// `false`: it is ending already, or one of its threads executes a new program.
pub fn begin_dump(process: &Process, signo: i32, gathering: &Arc<Gathering>) -> bool {
    process.signals.with(|shared| {
        let free = shared.exit.is_none() && shared.survivor.is_none();
        if free {
            shared.exit = Some(signo);
            shared.dump = Some(gathering.clone());
        }
        free
    })
}

/// The core file is written, or is not to be: the process ends with the wait status `status`.
pub fn end_dump(process: &Process, status: i32) {
    process.signals.with(|shared| {
        shared.exit = Some(status);
        shared.dump = None;
    });
}

/// Makes threads of the process leave user mode or their sleep and look at what there is to do.
pub fn call_back(process: &Process, tasks: &[Arc<Task>]) {
    for task in tasks {
        task.signals.set_pending_flag();
        kick_unless_current(task);
    }
    process.signals.resumed.wake_all(PollEvents::empty());
}

/// Ends all other threads of the process and waits until they are gone (`de_thread`, for execve(2)).
///
/// # Errors
/// `EAGAIN` when the process is ending, or another of its threads is doing the same.
pub fn end_other_threads(task: &Task) -> crate::Result<()> {
    /// Between two looks, in nanoseconds: a thread may have been made while the others were told.
    const PAUSE: u64 = 200_000;
    let process = &task.process;
    let mine = process.signals.with(|shared| {
        let free = shared.exit.is_none() && shared.survivor.is_none();
        if free {
            shared.survivor = Some(task.tid);
        }
        free
    });
    if !mine {
        return Err(crate::Errno::AGAIN);
    }
    loop {
        let others: alloc::vec::Vec<_> =
            process.tasks.lock().iter().filter(|each| each.tid != task.tid).cloned().collect();
        if others.is_empty() {
            break;
        }
        call_back(process, &others);
        // Whatever ends the sleep: it is only a pause.
        let _ = host::park::current().park(&mut [], Some(host::clock::monotonic_ns() + PAUSE));
    }
    process.signals.with(|shared| shared.survivor = None);
    Ok(())
}

/// Gives the signals that wait for one thread to the one that takes its place.
pub fn move_pending(from: &Task, to: &Task) {
    let pending = from.signals.with_pending(core::mem::take);
    to.signals.with_pending(|own| *own = pending);
    to.signals.set_pending_flag();
}

/// A thread is gone: signals for the process that it was to take go to another one.
pub fn thread_exited(task: &Task) {
    let pending = task.process.signals.pending_set();
    if !pending.is_empty() {
        wake_for(&task.process, pending, Some(task));
    }
}

/// sigaction(2): replaces the action of a valid signal, answering the old one. What is pending and ignored from now
/// on is thrown away, blocked or not (POSIX); timers that found their signal ignored go on.
pub fn set_action(process: &Process, signo: i32, new: SigAction) -> SigAction {
    let (old, ignored, was_ignored) = process.signals.with(|shared| {
        let was_ignored = shared.actions.ignores(signo);
        let old = shared.actions.set(signo, new);
        let ignored = shared.actions.ignores(signo);
        if ignored {
            shared.pending.flush(SigSet::of(signo));
        }
        (old, ignored, was_ignored)
    });
    if ignored {
        let tasks = process.tasks.lock();
        for task in tasks.iter().filter(|task| task.signals.pending_set().contains(signo)) {
            task.signals.with_pending(|pending| pending.flush(SigSet::of(signo)));
        }
    } else if was_ignored {
        crate::time::unignored(process, signo);
    }
    old
}
