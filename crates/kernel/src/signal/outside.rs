//! Signals and the world outside the instance: what the program inherits from who started fncall, and what people
//! and other processes of the host send it.

use super::action::{SIG_IGN, SigAction};
use super::info::SigInfo;
use super::send;
use super::set::SigSet;
use crate::fs::hostfs::foreground_group;
use crate::task::Task;
use core::sync::atomic::Ordering::Relaxed;
use linux_raw_sys::general as g;

/// What a terminal sends. All host processes of the instance are in the same group on the host, so all get it.
const FROM_TERMINAL: SigSet =
    SigSet::of(g::SIGINT as i32).with(g::SIGQUIT as i32).with(g::SIGTSTP as i32).with(g::SIGWINCH as i32);

/// Sends the program what its host process has been sent since the last call; what a terminal sends is for the
/// foreground group only. The sender is outside the instance's process numbers: 0, as for a sender outside a pid
/// namespace.
pub fn take_forwarded(task: &Task) {
    let mut set = host::signal::take_forwarded();
    if set == 0 {
        return;
    }
    let group = task.process.pgid.load(Relaxed);
    if foreground_group().is_some_and(|foreground| foreground != group) {
        set &= !FROM_TERMINAL.0;
    }
    while set != 0 {
        let signo = set.trailing_zeros() as i32 + 1;
        set &= set - 1;
        // A standard signal always has room.
        let _ = send::to_process(&task.process, SigInfo::user(signo, g::SI_USER as i32, 0, 0));
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
