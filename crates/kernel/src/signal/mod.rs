//! Signals (signal(7)): all virtual. Handlers, masks and pending signals live here; the program never touches the
//! host's, and the host's never reach the program.
//!
//! What lives here: sets, actions, queues, sending, delivery with its frames, stops. What does not: system calls
//! (`crate::syscall`), timers that send signals (`crate::time`). Callers:
//!
//! | who | calls |
//! |---|---|
//! | the run loop, before user mode | [`attend`], [`TaskSignals::wants_attention`], [`deliver()`], [`from_trap`] |
//! | whatever sleeps | [`has_deliverable`] through `sync::sleep_on` |
//! | anybody with a reason to signal | [`to_process`], [`to_task`], [`to_current`], [`force`] |
//! | the end of a process | [`exit_group`], [`child_exited`], [`thread_exited`] |

pub mod action;
mod altstack;
mod arch;
mod deliver;
mod fault;
mod info;
mod job;
mod outside;
mod pending;
pub(crate) mod send;
pub mod set;
mod state;
mod status;

pub use altstack::{AltStack, USER_LEN as STACK_T_LEN};
pub use arch::{leave_handler, min_stack_size, stack_pointer};
pub use deliver::{deliver, is_restart};
pub use fault::{force_fault, from_trap};
pub use info::SigInfo;
pub use job::{
    Job, child_exited, end_orphaned_groups, groups_held, is_dying, is_orphaned, leaves_no_zombies,
    take_continue_report, take_stop_report,
};
pub use outside::{inherit, name, take_forwarded};
pub use pending::{Pending, queued};
pub use send::{
    begin_dump, call_back, end_dump, end_other_threads, exit_group, force, force_fatal, move_pending,
    set_action, thread_exited, to_current, to_process, to_task,
};
pub use set::{NSIG, SigSet};
pub use state::{
    LastTrap, ProcessSignals, RestartBlock, Shared, TaskSignals, pending_for, restore_mask, set_blocked,
    set_temporary_mask, stop_waiting_for, wait_for,
};
pub use status::{StatusSets, status_sets};

/// Whether `task` has a signal that is neither blocked nor ignored: one load.
#[inline]
pub fn has_deliverable(task: &crate::task::Task) -> bool {
    task.signals.has_deliverable()
}

/// Whether the process ignores a signal, by its action or by default.
pub fn is_ignored(process: &crate::task::Process, signo: i32) -> bool {
    process.signals.with(|shared| shared.actions.get(signo).handler == action::SIG_IGN)
}

/// Timers whose time has come and signals from outside the instance: what a kick may mean. Called before looking
/// at [`has_deliverable`].
pub fn attend(task: &alloc::sync::Arc<crate::task::Task>) {
    // Cleared before looking: a kick that comes after the look keeps the next sleep from beginning.
    host::park::current().clear_interrupt();
    crate::time::run_expired(&task.process);
    outside::take_forwarded(task);
}

/// A signal was taken off its queue, to be delivered or read: the timers that sent it go on.
pub fn taken(process: &crate::task::Process, info: &mut SigInfo) {
    if info.code() == linux_raw_sys::general::SI_TIMER {
        crate::time::signal_taken(process, info);
    } else if info.signo() == linux_raw_sys::general::SIGALRM as i32 {
        crate::time::alarm_taken(process);
    }
}

/// Takes the first pending signal of `wanted` for the calling thread, blocked or not (sigtimedwait(2), signalfd(2)).
pub fn take(task: &crate::task::Task, wanted: SigSet) -> Option<SigInfo> {
    if pending_for(task).0 & wanted.0 == 0 {
        return None;
    }
    let mut info = task
        .signals
        .with_pending(|pending| pending.take(wanted))
        .or_else(|| task.process.signals.with(|shared| shared.pending.take(wanted)))?;
    taken(&task.process, &mut info);
    Some(info)
}

/// execve(2): handlers become the default, the alternate stack and an interrupted call are gone; mask and pending
/// signals stay.
pub fn reset_on_exec(task: &crate::task::Task) {
    task.signals.reset_for_exec();
    task.process.signals.reset_for_exec();
}
