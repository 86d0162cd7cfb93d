//! The loop that runs a thread: enter user mode, answer what it came back for, deliver signals, enter again.

use super::exec::Image;
use super::{Current, NO_CALL, Task};
use crate::syscall;
use crate::uaccess::Args;
use crate::{mm, signal, stats};
use alloc::sync::Arc;
use host::user::{Event, UserThread};

/// Runs the calling thread's program until it ends; answers the wait status.
pub fn run(task: &Arc<Task>, mut user: UserThread) -> i32 {
    crate::time::limit_changed(&task.process);
    crate::time::run_expired(&task.process);
    let mut now = task.clone();
    loop {
        let task = &now.clone();
        // Held for as long as the thread keeps them; execve and unshare ask for a new round.
        let files = task.files();
        let fs = task.fs();
        let mm = task.process.mm.lock().clone();
        let mut cur = Current::new(task, &files, &fs, &mm, &mut user);
        // Told to end before its first instruction.
        if task.signals.wants_attention() {
            signal::deliver(&mut cur, None);
        }
        while cur.exit.is_none() && !cur.reload {
            step(&mut cur);
        }
        if let Some(status) = cur.exit {
            return status;
        }
        // execve(2) by another thread than the first makes that the first one.
        now = super::current_task().unwrap_or(now);
    }
}

/// Runs a thread that begins with executing `image`.
pub fn run_image(task: &Arc<Task>, mut user: UserThread, image: Image) -> i32 {
    let files = task.files();
    let fs = task.fs();
    let mm = task.process.mm.lock().clone();
    let mut cur = Current::new(task, &files, &fs, &mm, &mut user);
    if super::exec::replace(&mut cur, image).is_err() {
        // The old program was its parent's: there is nothing to go back to.
        return KILLED_BY_SIGSEGV;
    }
    drop((files, fs, mm));
    run(task, user)
}

/// The wait status of a process that SIGSEGV killed.
const KILLED_BY_SIGSEGV: i32 = 11;

/// One stay in user mode and what follows from it.
#[inline]
fn step(cur: &mut Current<'_>) {
    match cur.user.enter() {
        Event::Syscall { via_trap: false } => answer(cur, false),
        Event::Syscall { via_trap: true } => {
            mm::code::on_trap(cur);
            answer(cur, true);
        }
        Event::CompatSyscall => {
            // A 32-bit system call from 64-bit code: as on a kernel without CONFIG_IA32_EMULATION.
            signal::force_fault(cur, 11, 128, 0);
            signal::deliver(cur, None);
        }
        Event::Fault(fault) => {
            cur.call_number = NO_CALL;
            if !mm::fault(cur, &fault) {
                signal::from_trap(cur, &fault);
            }
            if cur.task.signals.wants_attention() {
                signal::deliver(cur, None);
            }
        }
        Event::Kick => {
            cur.call_number = NO_CALL;
            signal::attend(cur.task);
            if cur.task.signals.wants_attention() {
                signal::deliver(cur, None);
            }
        }
    }
}

/// Answers a system call.
#[inline]
fn answer(cur: &mut Current<'_>, via_trap: bool) {
    let regs = cur.user.regs();
    // The number is a C int: the upper half of the register does not count (`do_syscall_64`).
    let number = regs.rax as u32 as usize;
    let args = Args([regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9]);
    cur.call_number = number;
    let result = if stats::enabled() {
        stats::measured(cur, number, &args, via_trap)
    } else {
        syscall::call(cur, number, &args)
    };
    let interrupted = match result {
        Ok(value) => {
            cur.user.regs_mut().rax = value;
            None
        }
        Err(errno) => {
            cur.user.regs_mut().rax = (-errno.raw_os_error()) as isize as usize;
            (errno.raw_os_error() >= 512).then_some(errno)
        }
    };
    if interrupted.is_some() || cur.task.signals.wants_attention() {
        signal::attend(cur.task);
        signal::deliver(cur, interrupted);
    }
}
