//! Sessions and jobs (credentials(7), tty_ioctl(4), drivers/tty/tty_jobctrl.c): which terminal controls a session, which
//! group is in its foreground, and what others get for using it.

use super::Terminal;
use crate::signal::{self, SigInfo};
use crate::task::{Process, Task, current_task, processes};
use crate::vfs::OpenFlags;
use crate::{ERESTARTSYS, Errno, Result, uaccess};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;
use linux_raw_sys::general::{CAP_SYS_ADMIN, SIGCONT, SIGHUP, SIGTTIN, SIGTTOU};
use linux_raw_sys::ioctl as i;

/// Whose terminal it is; 0: nobody's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Control {
    /// The session it controls.
    pub session: i32,
    /// The process group in its foreground.
    pub group: i32,
}

/// What a process knows of its controlling terminal.
#[derive(Clone, Debug, Default)]
pub struct Controlling {
    terminal: Option<Terminal>,
    /// Of a session leader whose terminal hung up: the group that was in the foreground then.
    old_group: i32,
}

impl Controlling {
    /// What a child begins with.
    pub fn inherit(&self) -> Controlling {
        Controlling { terminal: self.terminal.clone(), old_group: 0 }
    }

    /// The terminal.
    pub fn terminal(&self) -> Option<Terminal> {
        self.terminal.clone()
    }
}

/// The controlling terminal of a process.
pub fn terminal_of(process: &Process) -> Option<Terminal> {
    process.tty.lock().terminal()
}

/// Device number and foreground group of the controlling terminal (`tty_nr` and `tpgid` of /proc/PID/stat).
pub fn numbers(process: &Process) -> (u64, i32) {
    terminal_of(process).map_or((0, -1), |terminal| {
        let group = terminal.control().lock().group;
        (terminal.rdev(), if group == 0 { -1 } else { group })
    })
}

/// Sends a signal of the kernel's own to all processes of a group (`kill_pgrp`).
pub fn signal_group(group: i32, signo: i32) {
    if group != 0 {
        for process in processes().iter().filter(|process| process.pgid.load(Relaxed) == group) {
            // A standard signal always has room.
            let _ = signal::to_process(process, SigInfo::kernel(signo));
        }
    }
}

/// Sends a signal to the group in the foreground.
pub fn signal_foreground(terminal: &Terminal, signo: i32) {
    let group = terminal.control().lock().group;
    signal_group(group, signo);
}

fn controls(process: &Process, terminal: &Terminal) -> bool {
    process.tty.lock().terminal.as_ref().is_some_and(|own| own.is(terminal))
}

fn is_leader(process: &Process) -> bool {
    process.sid.load(Relaxed) == process.pid
}

/// Whether `task` neither lets `signo` through nor does anything about it.
pub(super) fn is_ignored(task: &Task, signo: i32) -> bool {
    task.signals.blocked().contains(signo) || signal::is_ignored(&task.process, signo)
}

/// Whether the calling process may use the terminal: it is in the foreground, or the terminal is not its own.
/// `signo` is `SIGTTIN` for reading and `SIGTTOU` for changing (`__tty_check_change`).
///
/// # Errors
/// [`ERESTARTSYS`] when its group was sent `signo`; `EIO` when that would be of no use.
pub fn check(terminal: &Terminal, signo: u32) -> Result<()> {
    let Some(task) = current_task() else { return Ok(()) };
    let process = &task.process;
    let group = process.pgid.load(Relaxed);
    let foreground = terminal.control().lock().group;
    if foreground == 0 || foreground == group || !controls(process, terminal) {
        return Ok(());
    }
    refuse(&task, signo)
}

/// Whether the calling process is in the background of its own terminal, which `terminal` is.
pub fn is_background(terminal: &Terminal) -> bool {
    current_task().is_some_and(|task| {
        let foreground = terminal.control().lock().group;
        foreground != 0 && foreground != task.process.pgid.load(Relaxed) && controls(&task.process, terminal)
    })
}

/// A process in the background uses its terminal: what it gets.
pub(super) fn refuse(task: &Task, signo: u32) -> Result<()> {
    if is_ignored(task, signo as i32) {
        return if signo == SIGTTIN { Err(Errno::IO) } else { Ok(()) };
    }
    if signal::is_orphaned(&task.process) {
        return Err(Errno::IO);
    }
    signal_group(task.process.pgid.load(Relaxed), signo as i32);
    Err(ERESTARTSYS)
}

/// A terminal was opened: it becomes the controlling terminal of a session leader that has none
/// (`tty_open_proc_set_tty`).
pub fn opened(terminal: &Terminal, flags: OpenFlags) {
    let Some(task) = current_task() else { return };
    let process = &task.process;
    if !flags.contains(OpenFlags::NOCTTY)
        && flags.readable()
        && is_leader(process)
        && terminal_of(process).is_none()
    {
        let mut control = terminal.control().lock();
        if control.session == 0 {
            take(process, terminal, &mut control);
        }
    }
}

fn take(process: &Process, terminal: &Terminal, control: &mut Control) {
    *control = Control { session: process.sid.load(Relaxed), group: process.pgid.load(Relaxed) };
    *process.tty.lock() = Controlling { terminal: Some(terminal.clone()), old_group: 0 };
}

/// Makes `terminal` the controlling terminal of the instance's first session.
pub fn begin_with(process: &Process, terminal: &Terminal) {
    take(process, terminal, &mut terminal.control().lock());
}

/// setsid(2): the new session has no terminal.
pub fn new_session(process: &Process) {
    *process.tty.lock() = Controlling::default();
}

fn members(session: i32) -> Vec<Arc<Process>> {
    processes().into_iter().filter(|process| process.sid.load(Relaxed) == session).collect()
}

/// Takes the terminal from all processes of a session (`session_clear_tty`).
fn clear_session(session: i32) {
    for process in members(session) {
        process.tty.lock().terminal = None;
    }
}

/// The leader of a session gives its terminal up, or ends (`disassociate_ctty`).
pub fn leave(process: &Process, at_exit: bool) {
    if !is_leader(process) {
        return;
    }
    let Controlling { terminal, old_group } = process.tty.lock().clone();
    let Some(terminal) = terminal else {
        if at_exit {
            process.tty.lock().old_group = 0;
            signal_group(old_group, SIGHUP as i32);
            signal_group(old_group, SIGCONT as i32);
        }
        return;
    };
    let group = terminal.control().lock().group;
    signal_group(group, SIGHUP as i32);
    if !at_exit {
        signal_group(group, SIGCONT as i32);
    }
    *terminal.control().lock() = Control::default();
    process.tty.lock().old_group = 0;
    clear_session(process.sid.load(Relaxed));
}

/// A terminal has hung up: its session loses it, and its leader is told (`tty_signal_session_leader`).
pub fn hung_up(terminal: &Terminal) {
    let Control { session, group } = core::mem::take(&mut *terminal.control().lock());
    if session == 0 {
        return;
    }
    for process in members(session) {
        let mut own = process.tty.lock();
        if own.terminal.as_ref().is_some_and(|own| own.is(terminal)) {
            own.terminal = None;
        }
        if !is_leader(&process) {
            continue;
        }
        own.old_group = group;
        drop(own);
        for signo in [SIGHUP, SIGCONT] {
            // A standard signal always has room.
            let _ = signal::to_process(&process, SigInfo::kernel(signo as i32));
        }
    }
}

/// The commands of ioctl_tty(2) about sessions and groups; `None` for others. `master`: they were given to the master
/// of `terminal` (`tty_jobctrl_ioctl`).
pub fn ioctl(
    terminal: &Terminal,
    master: bool,
    readable: bool,
    command: u32,
    arg: usize,
) -> Option<Result<usize>> {
    let task = current_task()?;
    let process = &task.process;
    Some(
        match command {
            i::TIOCNOTTY => not_tty(process, terminal, master),
            i::TIOCSCTTY => set_controlling(process, terminal, readable, arg),
            i::TIOCGPGRP => own_or_master(process, terminal, master).and_then(|()| {
                let group = terminal.control().lock().group;
                uaccess::put(arg, &group)
            }),
            i::TIOCGSID => own_or_master(process, terminal, master).and_then(|()| {
                let session = terminal.control().lock().session;
                if session == 0 { Err(Errno::NOTTY) } else { uaccess::put(arg, &session) }
            }),
            i::TIOCSPGRP => set_foreground(process, terminal, arg),
            _ => return None,
        }
        .map(|()| 0),
    )
}

fn own_or_master(process: &Process, terminal: &Terminal, master: bool) -> Result<()> {
    if master || controls(process, terminal) { Ok(()) } else { Err(Errno::NOTTY) }
}

fn not_tty(process: &Process, terminal: &Terminal, master: bool) -> Result<()> {
    if master || !controls(process, terminal) {
        return Err(Errno::NOTTY);
    }
    leave(process, false);
    process.tty.lock().terminal = None;
    Ok(())
}

fn set_controlling(process: &Process, terminal: &Terminal, readable: bool, arg: usize) -> Result<()> {
    let sid = process.sid.load(Relaxed);
    let session = terminal.control().lock().session;
    if is_leader(process) && session == sid {
        return Ok(());
    }
    if !is_leader(process) || terminal_of(process).is_some() {
        return Err(Errno::PERM);
    }
    let admin = process.cred().capable(CAP_SYS_ADMIN);
    if session != 0 {
        // Only by force, and not from the session of whoever started the instance.
        if arg != 1 || !admin || matches!(terminal, Terminal::Host(_)) {
            return Err(Errno::PERM);
        }
        clear_session(session);
    }
    if !readable && !admin {
        return Err(Errno::PERM);
    }
    take(process, terminal, &mut terminal.control().lock());
    Ok(())
}

fn set_foreground(process: &Process, terminal: &Terminal, arg: usize) -> Result<()> {
    match check(terminal, SIGTTOU) {
        Err(Errno::IO) => return Err(Errno::NOTTY),
        other => other?,
    }
    let group: i32 = uaccess::get(arg)?;
    if group < 0 {
        return Err(Errno::INVAL);
    }
    let sid = process.sid.load(Relaxed);
    if !controls(process, terminal) || terminal.control().lock().session != sid {
        return Err(Errno::NOTTY);
    }
    let all = processes();
    let mut members = all.iter().filter(|each| each.pgid.load(Relaxed) == group);
    let session = members.next().ok_or(Errno::SRCH)?.sid.load(Relaxed);
    if session != sid {
        return Err(Errno::PERM);
    }
    terminal.control().lock().group = group;
    Ok(())
}
