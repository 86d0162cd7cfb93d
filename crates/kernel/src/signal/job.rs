//! Stopping and continuing processes (job control, signal(7)), and telling the parent.

use super::info::SigInfo;
use super::set::SigSet;
use super::{action, send};
use crate::task::{FIRST_PID, Process, Task, exit, find_process, processes};
use crate::vfs::PollEvents;
use alloc::sync::Arc;
use alloc::vec::Vec;
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
    /// So many of its threads sleep because of it.
    sleepers: usize,
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
        shared.job =
            Job { stopped: Some(signo), stop_unreported: true, continue_unreported: false, ..shared.job };
        true
    });
    if first {
        for other in process.tasks.lock().iter() {
            other.signals.set_pending_flag();
            send::kick_unless_current(other);
        }
        tell_parent(process, g::CLD_STOPPED as i32, signo);
    }
}

/// The program itself, whose parent is outside: somebody on the host waits for the host process.
fn is_first(process: &Process) -> bool {
    process.pid == FIRST_PID
}

/// Stops the first host process, too, so that the shell that started fncall gets its terminal back. All its other
/// threads sleep already, and the reaper does nothing: none of them holds a lock that other processes wait for.
fn stop_on_host(process: &Arc<Process>, signo: i32) {
    let idle = exit::hold_reaper();
    let was_stopped = host::signal::stop_by(signo);
    drop(idle);
    resume(process, true);
    if !was_stopped {
        // The host knows that nobody could continue the group, and lets it run.
        let pgid = process.pgid.load(Relaxed);
        for member in processes().iter().filter(|member| member.pgid.load(Relaxed) == pgid) {
            resume(member, true);
        }
    }
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
pub(super) fn wait_while_stopped(task: &Arc<Task>) {
    let signals = &task.process.signals;
    let waiter = crate::sync::Waiter::current();
    let mut table = crate::vfs::PollTable::register(&waiter);
    table.wait_on(&signals.resumed);
    signals.with(|shared| shared.job.sleepers += 1);
    loop {
        // The host's SIGCONT is one of the things a kick may mean.
        super::attend(task);
        let parker = host::park::current();
        if is_ending(task) || signals.with(|shared| shared.job.stopped.is_none()) {
            break;
        }
        let threads = task.process.tasks.lock().len();
        let all_sleep = signals.with(|shared| shared.job.stopped.filter(|_| shared.job.sleepers >= threads));
        match all_sleep {
            Some(signo) if is_first(&task.process) && host::signal::host_pid() == exit::first_host_pid() => {
                stop_on_host(&task.process, signo)
            }
            // Kicks mean other signals, which wait until the process goes on.
            _ => drop(parker.park(&mut [], None)),
        }
    }
    signals.with(|shared| shared.job.sleepers -= 1);
}

/// Whether the calling thread has been told to end, or its process has.
fn is_ending(task: &Task) -> bool {
    super::pending_for(task).contains(g::SIGKILL as i32)
        || task
            .process
            .signals
            .with(|shared| shared.exit.is_some() || shared.survivor.is_some_and(|tid| tid != task.tid))
}

/// Whether the calling thread ends as soon as it looks at its signals (`fatal_signal_pending`).
pub fn is_dying(task: &Task) -> bool {
    let deliverable = super::pending_for(task).without(task.signals.blocked());
    let kills = |signo: &i32| {
        let default =
            task.process.signals.with(|shared| shared.actions.get(*signo)).handler == action::SIG_DFL;
        default && action::default_action(*signo) == action::DefaultAction::Terminate
    };
    is_ending(task)
        || (1..=super::NSIG).filter(|signo| deliverable.contains(*signo)).any(|signo| kills(&signo))
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

/// Whether nobody could continue the process's group after a stop from the terminal (`is_current_pgrp_orphaned`).
pub fn is_orphaned(process: &Process) -> bool {
    group_is_orphaned(process.pgid.load(Relaxed), process.sid.load(Relaxed), None)
}

/// Whether no member of a group, `except` one, has a parent in another group of the same session.
fn group_is_orphaned(pgid: i32, sid: i32, except: Option<&Process>) -> bool {
    let counts = |member: &Process| {
        member.pgid.load(Relaxed) == pgid
            && except.is_none_or(|except| except.pid != member.pid)
            && member.family.ended.lock().is_none()
    };
    !processes().iter().filter(|member| counts(member)).any(|member| {
        // Outside, the session of the first process has a leader of its own, unless the host process is that.
        is_first(member) && !host::system::is_session_leader()
            || find_process(member.ppid.load(Relaxed))
                .is_some_and(|parent| parent.pgid.load(Relaxed) != pgid && parent.sid.load(Relaxed) == sid)
    })
}

/// The groups that `process`, which is ending, may be the last to hold: its own, and those of its children.
pub fn groups_held(process: &Process) -> Vec<(i32, i32)> {
    let group = |process: &Process| (process.pgid.load(Relaxed), process.sid.load(Relaxed));
    let own = group(process);
    let mut groups: Vec<_> = process.family.children.lock().iter().map(|child| group(child)).collect();
    let outside = find_process(process.ppid.load(Relaxed)).map(|parent| group(&parent));
    groups.retain(|child| child.0 != own.0 && child.1 == own.1);
    if outside.is_some_and(|parent| parent.0 != own.0 && parent.1 == own.1) {
        groups.push(own);
    }
    groups.sort_unstable();
    groups.dedup();
    groups
}

/// Of these groups, those that nobody holds any more and that have stopped jobs are told to end, and go on to do so
/// (`kill_orphaned_pgrp`). `process` is ending.
pub fn end_orphaned_groups(process: &Process, groups: &[(i32, i32)]) {
    for &(pgid, sid) in groups {
        let stopped = |member: &Arc<Process>| {
            member.pgid.load(Relaxed) == pgid && member.signals.with(|shared| shared.job.stopped.is_some())
        };
        if processes().iter().any(stopped) && group_is_orphaned(pgid, sid, Some(process)) {
            for signo in [g::SIGHUP, g::SIGCONT] {
                crate::fs::tty::job::signal_group(pgid, signo as i32);
            }
        }
    }
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
