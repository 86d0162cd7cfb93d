//! A kernel with three system calls and a program that makes them, then divides by zero.
//!
//! `cargo run -p fncall --example tiny_kernel`

use std::arch::global_asm;

use fncall::{Context, FaultAction, HandlerConfig, TRAP_SYSCALL};

global_asm!(
    ".globl program",
    "program:",
    "mov eax, 39", // getpid
    "lea rcx, [rip + 1f]",
    "jmp fncall_jump_entry_hosted",
    "1: add eax, '0'",
    "mov [rip + digit], al",
    "mov eax, 1", // write(1, text, len)
    "mov edi, 1",
    "lea rsi, [rip + text]",
    "lea rdx, [rip + text_end]",
    "sub rdx, rsi",
    "call syscall_fn_entry", // the other entry; either will do
    "xor ecx, ecx",
    "div ecx",
    ".pushsection .data",
    "text: .ascii \"hello from process \"",
    "digit: .ascii \"?\\n\"",
    "text_end:",
    ".popsection",
);

unsafe extern "sysv64" {
    fn program();
}

fn main() {
    let cfg = HandlerConfig {
        kick_signal: libc::SIGURG,
        kernel_fault: |_| FaultAction::Die,
        kernel_kick: |_, _| (),
    };
    // SAFETY: nobody else in this process handles these signals.
    unsafe { fncall::install_handlers(&cfg) }.expect("signal handlers");

    let mut stack = vec![0u128; 4096];
    let mut context = Context::new();
    context.user.set_ip(program as *const () as usize);
    context.user.set_sp(stack.as_mut_ptr_range().end as usize);
    loop {
        // SAFETY: the program above leaves the kernel's memory alone; the context stays where it is.
        unsafe { context.run() };
        if context.user.trap_num != TRAP_SYSCALL {
            println!("trap {} at {:#x}", context.user.trap_num, context.user.get_ip());
            return;
        }
        let [fd, buf, len, ..] = context.user.get_syscall_args();
        let ret = match context.user.get_syscall_num() {
            39 => 7,
            // SAFETY: the program gives its own text.
            1 if fd == 1 => unsafe { libc::write(1, buf as *const _, len) as usize },
            _ => -libc::ENOSYS as usize,
        };
        context.user.set_syscall_ret(ret);
    }
}
