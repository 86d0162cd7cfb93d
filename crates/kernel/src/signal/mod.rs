//! Signals (signal(7)): all virtual; the program's handlers and masks never reach the host.

/// Signal state shared by the threads of a process.
#[derive(Debug, Default)]
pub struct ProcessSignals {}

/// Signal state of one thread.
#[derive(Debug, Default)]
pub struct TaskSignals {}

/// Whether `task` has a signal that is neither blocked nor ignored.
pub fn has_deliverable(_task: &crate::task::Task) -> bool {
    false
}

/// Forces a synchronous signal with `si_code` and `si_addr` on the calling thread.
pub fn force_fault(_cur: &mut crate::task::Current<'_>, _signo: i32, _code: i32, _addr: usize) {}
/// The signal of a processor exception.
pub fn from_trap(cur: &mut crate::task::Current<'_>, fault: &host::user::Fault) {
    host::log!(Error, "fault {fault:x?} at {:#x}", cur.user.regs().rip);
    cur.exit = Some(fault.signo);
}
/// Delivers what is deliverable; `interrupted` is the ERESTART code the call just made answered.
pub fn deliver(_cur: &mut crate::task::Current<'_>, _interrupted: Option<crate::Errno>) {}
/// Takes over signals that came from outside the instance (host::signal::take_forwarded).
pub fn take_forwarded(_task: &crate::task::Task) {}
/// The mask and the ignored signals (bit `signo - 1`) the program inherits from who started fncall.
pub fn inherit(_task: &crate::task::Task, _blocked: u64, _ignored: u64) {}
/// `SIGSEGV` for 11 …
pub fn name(_signo: i32) -> &'static str {
    ""
}
/// Handlers that the program has set go back to the default (execve(2)); the alternate stack goes.
pub fn reset_on_exec(_task: &crate::task::Task) {}
