//! Signals and the world outside the instance: what the program inherits from who started fncall, and what people
//! and other processes of the host send it.

use super::action::{SIG_IGN, SigAction};
use super::info::SigInfo;
use super::send;
use super::set::SigSet;
use crate::fs::tty::host::terminal;
use crate::fs::tty::job;
use crate::task::{FIRST_PID, Task, exit, find_process};
use core::sync::atomic::Ordering::Relaxed;
use linux_raw_sys::general as g;

/// What the terminal's characters and size send. All host processes of the instance are in one group on the host, so
/// all get it; the first one passes it on.
const FROM_TERMINAL: SigSet = SigSet::of(g::SIGINT as i32)
    .with(g::SIGQUIT as i32)
    .with(g::SIGWINCH as i32)
    .with(g::SIGTSTP as i32)
    .with(g::SIGTTIN as i32)
    .with(g::SIGTTOU as i32);
/// What shells of the host send to a whole group to stop or continue it, which is meant for the first group alone:
/// groups that were made later are other jobs.
const FOR_JOB: SigSet = SigSet::of(g::SIGTSTP as i32)
    .with(g::SIGCONT as i32)
    .with(g::SIGWINCH as i32)
    .with(g::SIGTTIN as i32)
    .with(g::SIGTTOU as i32);

/// Passes on what the host process has been sent since the last call: to the foreground what comes from the terminal,
/// to the process itself what comes from processes outside. The sender is outside the instance's process numbers: 0,
/// as for a sender outside a pid namespace.
pub fn take_forwarded(task: &Task) {
    let mut from = host::signal::take_forwarded();
    if from.kernel | from.user == 0 {
        return;
    }
    if let Some(terminal) = terminal() {
        if host::signal::host_pid() == exit::first_host_pid() {
            each(from.kernel & FROM_TERMINAL.0, |signo| job::signal_foreground(&terminal, signo));
        }
        from.kernel &= !FROM_TERMINAL.0;
    }
    // A vfork(2) child runs in its parent's host process; whoever sent the signal meant that.
    let mut process = task.process.clone();
    while process.family.borrowed.load(Relaxed)
        && let Some(parent) = find_process(process.ppid.load(Relaxed))
    {
        process = parent;
    }
    let mut set = from.kernel | from.user;
    if process.pgid.load(Relaxed) != FIRST_PID {
        set &= !FOR_JOB.0;
    }
    each(set, |signo| {
        // A standard signal always has room.
        let _ = send::to_process(&process, SigInfo::user(signo, g::SI_USER as i32, 0, 0));
    });
}

/// Calls `then` with the number of each signal in a set of bits.
fn each(mut set: u64, mut then: impl FnMut(i32)) {
    while set != 0 {
        then(set.trailing_zeros() as i32 + 1);
        set &= set - 1;
    }
}

/// The mask and the ignored signals (bit `signo - 1`) that the program inherits from who started fncall.
pub fn inherit(task: &Task, blocked: u64, ignored: u64) {
    super::set_blocked(task, SigSet(blocked));
    task.process.signals.with(|shared| {
        for signo in (1..=super::NSIG).filter(|signo| SigSet(ignored).contains(*signo)) {
            shared.actions.set(signo, SigAction { handler: SIG_IGN, ..SigAction::default() });
        }
    });
}

/// `SIGSEGV` for 11; "a real-time signal" from 32 on.
pub fn name(signo: i32) -> &'static str {
    const NAMES: [&str; 32] = [
        "signal 0",
        "SIGHUP",
        "SIGINT",
        "SIGQUIT",
        "SIGILL",
        "SIGTRAP",
        "SIGABRT",
        "SIGBUS",
        "SIGFPE",
        "SIGKILL",
        "SIGUSR1",
        "SIGSEGV",
        "SIGUSR2",
        "SIGPIPE",
        "SIGALRM",
        "SIGTERM",
        "SIGSTKFLT",
        "SIGCHLD",
        "SIGCONT",
        "SIGSTOP",
        "SIGTSTP",
        "SIGTTIN",
        "SIGTTOU",
        "SIGURG",
        "SIGXCPU",
        "SIGXFSZ",
        "SIGVTALRM",
        "SIGPROF",
        "SIGWINCH",
        "SIGIO",
        "SIGPWR",
        "SIGSYS",
    ];
    NAMES.get(signo as usize).copied().unwrap_or("a real-time signal")
}
