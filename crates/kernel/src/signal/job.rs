//! Stopping and continuing processes (job control, signal(7)), and telling the parent.

use super::info::SigInfo;
use super::set::SigSet;
use super::{action, send};
use crate::task::{Process, Task, find_process};
use crate::vfs::PollEvents;
use alloc::sync::Arc;
use core::sync::atomic::Ordering::Relaxed;
use linux_raw_sys::general as g;

/// Whether a process is stopped, and what wait4(2) has not been told yet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Job {
    /// The signal that stopped it, while it is stopped.
    pub stopped: Option<i32>,
    /// It has stopped and no wait4 with `WUNTRACED` has asked.
    pub stop_unreported: bool,
    /// It has gone on and no wait4 with `WCONTINUED` has asked.
    pub continue_unreported: bool,
}

/// The stop that wait4(2) with `WUNTRACED` has not seen yet: the signal. `consume`: without `WNOWAIT`.
pub fn take_stop_report(process: &Process, consume: bool) -> Option<i32> {
    process.signals.with(|shared| {
        let job = &mut shared.job;
        let signo = job.stopped.filter(|_| job.stop_unreported)?;
        job.stop_unreported &= !consume;
        Some(signo)
    })
}

/// Whether wait4(2) with `WCONTINUED` has something to report. `consume`: without `WNOWAIT`.
pub fn take_continue_report(process: &Process, consume: bool) -> bool {
    process.signals.with(|shared| {
        let report = shared.job.continue_unreported;
        shared.job.continue_unreported &= !consume;
        report
    })
}

/// Stops the process of the calling thread because of `signo`, and tells the parent. Its threads sleep in
/// [`wait_while_stopped`].
pub(super) fn stop(task: &Task, signo: i32) {
    let process = &task.process;
    let first = process.signals.with(|shared| {
        // A SIGCONT or SIGKILL may have come since the stop signal was taken.
        if shared.exit.is_some() || shared.job.stopped.is_some() {
            return false;
        }
        shared.job = Job { stopped: Some(signo), stop_unreported: true, continue_unreported: false };
        true
    });
    if first {
        for other in process.tasks.lock().iter() {
            other.signals.set_pending_flag();
            send::kick_unless_current(other);
        }
        tell_parent(process, g::CLD_STOPPED as i32, signo);
        if is_first(process) {
            stop_on_host(process, signo);
        }
    }
}

/// The program itself, whose parent is outside: somebody on the host waits for the host process.
fn is_first(process: &Process) -> bool {
    process.ppid.load(Relaxed) <= 1
}

/// Stops the host process, too, so that the shell that started fncall gets its terminal back. The host knows
/// whether there is anybody to continue it; when not, it does not stop it, and the program goes on as well.
fn stop_on_host(process: &Arc<Process>, signo: i32) {
    host::signal::stop_by(signo);
    resume(process, true);
}

/// Continues a stopped process; called when SIGCONT or SIGKILL is sent to it. Whether it was stopped.
pub(super) fn resume(process: &Arc<Process>, report: bool) -> bool {
    let was_stopped = process.signals.with(|shared| {
        let was = shared.job.stopped.take().is_some();
        if was {
            shared.job.stop_unreported = false;
            shared.job.continue_unreported = report;
        }
        was
    });
    if was_stopped {
        process.signals.resumed.wake_all(PollEvents::empty());
        if report {
            tell_parent(process, g::CLD_CONTINUED as i32, g::SIGCONT as i32);
        }
    }
    was_stopped
}

/// Sleeps as long as the process is stopped.
pub(super) fn wait_while_stopped(task: &Task) {
    let signals = &task.process.signals;
    let waiter = crate::sync::Waiter::current();
    let mut table = crate::vfs::PollTable::register(&waiter);
    table.wait_on(&signals.resumed);
    loop {
        let parker = host::park::current();
        parker.clear_interrupt();
        let killed = pending_kill(task);
        let ending = |shared: &mut super::state::Shared| {
            shared.exit.is_some() || shared.survivor.is_some_and(|tid| tid != task.tid)
        };
        if killed || signals.with(|shared| shared.job.stopped.is_none() || ending(shared)) {
            return;
        }
        // Kicks mean other signals, which wait until the process goes on.
        let _ = parker.park(&mut [], None);
    }
}

fn pending_kill(task: &Task) -> bool {
    super::pending_for(task).contains(g::SIGKILL as i32)
}

/// Tells the parent that `child` stopped or went on (`do_notify_parent_cldstop`).
fn tell_parent(child: &Arc<Process>, code: i32, status: i32) {
    let Some(parent) = find_process(child.ppid.load(Relaxed)) else { return };
    let action = parent.signals.with(|shared| shared.actions.get(g::SIGCHLD as i32));
    if action.handler != action::SIG_IGN && !action.flags.contains(action::SaFlags::NOCLDSTOP) {
        let info = SigInfo::child(code, child.pid, child.cred().uid, status, 0, 0);
        // A standard signal always has room.
        let _ = send::to_process(&parent, info);
    }
    parent.signals.child_events.wake_all(PollEvents::IN);
}

/// Whether children of `parent` leave no zombies: SIGCHLD ignored, or `SA_NOCLDWAIT` (`do_notify_parent`).
pub fn leaves_no_zombies(parent: &Process) -> bool {
    let action = parent.signals.with(|shared| shared.actions.get(g::SIGCHLD as i32));
    action.handler == action::SIG_IGN || action.flags.contains(action::SaFlags::NOCLDWAIT)
}

/// Tells the parent by `exit_signal` that `child` has ended with the wait status `status`, having used these clock
/// ticks of user and system time. The caller has made the end visible to wait4(2) before.
pub fn child_exited(child: &Arc<Process>, exit_signal: i32, status: i32, (utime, stime): (i64, i64)) {
    let Some(parent) = find_process(child.ppid.load(Relaxed)) else { return };
    let (code, status) = match (status & 0x7f, status & 0x80) {
        (0, _) => (g::CLD_EXITED, status >> 8 & 0xff),
        (signo, 0) => (g::CLD_KILLED, signo),
        (signo, _) => (g::CLD_DUMPED, signo),
    };
    let ignored = exit_signal == g::SIGCHLD as i32
        && parent.signals.with(|shared| shared.actions.get(exit_signal)).handler == action::SIG_IGN;
    if !ignored && super::set::is_valid(exit_signal) {
        let uid = child.cred().uid;
        let mut info = SigInfo::child(code as i32, child.pid, uid, status, utime, stime);
        info.set_signo(exit_signal);
        // Without room the parent still learns of it by wait4(2).
        let _ = send::to_process(&parent, info);
    }
    parent.signals.child_events.wake_all(PollEvents::IN);
}

/// Whether nobody could continue the process group after a stop from the terminal: no member has a parent in
/// another group of the same session (`is_current_pgrp_orphaned`).
pub(super) fn is_orphaned(process: &Process) -> bool {
    if is_first(process) {
        // The host decides that.
        return false;
    }
    let pgid = process.pgid.load(Relaxed);
    let sid = process.sid.load(Relaxed);
    !crate::task::processes().iter().filter(|member| member.pgid.load(Relaxed) == pgid).any(|member| {
        find_process(member.ppid.load(Relaxed))
            .is_some_and(|parent| parent.pgid.load(Relaxed) != pgid && parent.sid.load(Relaxed) == sid)
    })
}

/// Signals that cancel each other: which to throw away when `signo` is sent.
pub(super) fn cancelled_by(signo: i32) -> SigSet {
    if signo == g::SIGCONT as i32 {
        SigSet::STOP
    } else if SigSet::STOP.contains(signo) {
        SigSet::of(g::SIGCONT as i32)
    } else {
        SigSet::EMPTY
    }
}
