//! Processor exceptions of the program become signals (`arch/x86/kernel/traps.c`, `arch/x86/mm/fault.c`).
//!
//! The host has classified the fault already: it sent a signal with a code and an address, which are those Linux
//! gives the program. What is corrected: an address inside code that the kernel has moved.

use super::info::SigInfo;
use super::send;
use super::state::LastTrap;
use crate::task::Current;
use host::user::Fault;

/// Turns a processor exception of the calling thread into a signal that it cannot refuse; [`deliver`] comes next.
///
/// [`deliver`]: super::deliver()
pub fn from_trap(cur: &mut Current<'_>, fault: &Fault) {
    let (signo, code, addr) = super::arch::classify(cur, fault);
    {
        let mut last = cur.task.signals.last_trap.lock();
        let address = if super::arch::is_page_fault(fault.vector) { fault.addr } else { last.address };
        *last = LastTrap { number: fault.vector, error_code: fault.error_code, address };
    }
    send::force(cur.task, SigInfo::fault(signo, code, addr));
}

/// A fault signal for a reason of the kernel's own, with `si_code` and `si_addr`; it cannot be refused.
pub fn force_fault(cur: &mut Current<'_>, signo: i32, code: i32, addr: usize) {
    send::force(cur.task, SigInfo::fault(signo, code, addr));
}
