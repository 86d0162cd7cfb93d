//! Delivery: what happens to pending signals on the way to user mode (`get_signal` and `arch_do_signal_or_restart`
//! of Linux), and what becomes of the call they interrupted.
//!
//! The host's own signals never come here. A kick of the host makes the run loop or a sleeper look at the flags of
//! `state`; a host call it interrupted answers the host's `EINTR`, which `sync::interrupted` turns into
//! `ERESTARTSYS` or "try again". `ERESTARTSYS` and its like become `EINTR` or a restart here and nowhere else.

use super::action::{DefaultAction, SIG_DFL, SIG_IGN, SaFlags, SigAction, default_action};
use super::arch;
use super::info::SigInfo;
use super::set::SigSet;
use super::{job, restore_mask, send, set_blocked};
use crate::task::coredump::{self, Gathering};
use crate::task::{Current, Task};
use crate::{ERESTART_RESTARTBLOCK, ERESTARTNOHAND, ERESTARTNOINTR, ERESTARTSYS, Errno};
use alloc::sync::Arc;
use linux_raw_sys::general as g;

/// Whether an error is one of the kernel's own that mean "interrupted".
pub fn is_restart(errno: Errno) -> bool {
    matches!(errno, ERESTARTSYS | ERESTARTNOHAND | ERESTARTNOINTR | ERESTART_RESTARTBLOCK)
}

/// Delivers what is pending. Called before user mode when
/// [`wants_attention`](super::TaskSignals::wants_attention) or when a system call answered an error for which
/// [`is_restart`] holds; `interrupted` is that error. The registers are those of the program after the call; `rax`
/// is overwritten when `interrupted` is given. A signal that ends the process sets `cur.exit` to its wait status.
pub fn deliver(cur: &mut Current<'_>, interrupted: Option<Errno>) {
    if cur.exit.is_some() {
        // What is pending is not for this thread any more.
        return;
    }
    let mut interrupted = interrupted.filter(|errno| is_restart(*errno));
    loop {
        cur.task.signals.clear_pending_flag();
        match take_next(cur.task) {
            Next::Exit(status) => {
                cur.exit = Some(status);
                return;
            }
            Next::Stopped => job::wait_while_stopped(cur.task),
            Next::Dump(gathering) => coredump::take_part(cur, &gathering),
            Next::Signal(mut info, action) => {
                super::taken(&cur.task.process, &mut info);
                act(cur, info, action, &mut interrupted);
            }
            Next::None => {
                if let Some(errno) = interrupted.take() {
                    let number = if errno == ERESTART_RESTARTBLOCK {
                        g::__NR_restart_syscall as usize
                    } else {
                        cur.call_number
                    };
                    arch::restart(cur, number);
                }
                restore_mask(cur.task);
                if !cur.task.signals.has_deliverable() {
                    return;
                }
            }
        }
    }
}

enum Next {
    Exit(i32),
    Stopped,
    Dump(Arc<Gathering>),
    Signal(SigInfo, SigAction),
    None,
}

/// Takes the next signal that is not blocked, with its action.
fn take_next(task: &Task) -> Next {
    let wanted = SigSet(!task.signals.blocked().0);
    task.process.signals.with(|shared| {
        if let Some(status) = shared.exit {
            let dump = shared.dump.as_ref().filter(|gathering| gathering.lacks(task.tid));
            return dump.map_or(Next::Exit(status), |gathering| Next::Dump(gathering.clone()));
        }
        if shared.survivor.is_some_and(|tid| tid != task.tid) {
            return Next::Exit(0);
        }
        let kill = SigSet::of(g::SIGKILL as i32);
        let killed = task.signals.pending_set().0 | shared.pending.set().0;
        if shared.job.stopped.is_some() && killed & kill.0 == 0 {
            return Next::Stopped;
        }
        let own = task.signals.with_pending(|pending| match pending.take_synchronous(wanted) {
            Some(info) => Some(info),
            None => pending.take(wanted),
        });
        let Some(info) = own.or_else(|| shared.pending.take(wanted)) else { return Next::None };
        let signo = info.signo();
        let action = shared.actions.get(signo);
        if action.handler > SIG_IGN && action.flags.contains(SaFlags::RESETHAND) {
            shared.actions.set(signo, SigAction { handler: SIG_DFL, ..action });
        }
        Next::Signal(info, action)
    })
}

/// Does what the action says. A signal that ends the process leaves its status where `take_next` finds it.
fn act(cur: &mut Current<'_>, info: SigInfo, action: SigAction, interrupted: &mut Option<Errno>) {
    let signo = info.signo();
    match action.handler {
        SIG_IGN => {}
        SIG_DFL => match default_action(signo) {
            DefaultAction::Ignore | DefaultAction::Continue => {}
            DefaultAction::Stop => {
                if signo == g::SIGSTOP as i32 || !job::is_orphaned(&cur.task.process) {
                    job::stop(cur.task, signo);
                }
            }
            action @ (DefaultAction::Terminate | DefaultAction::Core) => {
                if action == DefaultAction::Core {
                    coredump::dump(cur, &info);
                }
                send::exit_group(&cur.task.process, signo);
            }
        },
        _ => handle(cur, info, action, interrupted.take()),
    }
}

/// Enters a handler: what was interrupted first gets its answer, then the frame is built.
fn handle(cur: &mut Current<'_>, info: SigInfo, action: SigAction, interrupted: Option<Errno>) {
    match interrupted {
        None => {}
        Some(ERESTARTNOINTR) => arch::restart(cur, cur.call_number),
        Some(ERESTARTSYS) if action.flags.contains(SaFlags::RESTART) => arch::restart(cur, cur.call_number),
        Some(_) => arch::set_result(cur, Err(Errno::INTR)),
    }
    let signo = info.signo();
    if arch::enter_handler(cur, info, &action).is_err() {
        // No room for the frame: SIGSEGV, and when that is the one without room, for good (`force_sigsegv`).
        if signo == g::SIGSEGV as i32 {
            send::force_fatal(cur.task, signo);
        } else {
            send::force(cur.task, SigInfo::kernel(g::SIGSEGV as i32));
        }
        return;
    }
    let signals = &cur.task.signals;
    signals.forget_saved_mask();
    let mut blocked = SigSet(signals.blocked().0 | action.mask.0);
    if !action.flags.contains(SaFlags::NODEFER) {
        blocked = blocked.with(signo);
    }
    set_blocked(cur.task, blocked);
}
