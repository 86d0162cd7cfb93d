//! The smallest kernel: two system calls, and a program of twenty lines that makes them.
//!
//! `cargo run -p fncall --example hello`

use std::arch::global_asm;

use fncall::{Context, TRAP_SYSCALL};

global_asm!(
    ".globl program",
    "program:",
    "mov eax, 39",         // getpid()
    "lea rcx, [rip + 2f]", // where to go on
    "jmp fncall_jump_entry_hosted",
    "2: add eax, '0'",
    "mov [rip + digit], al",
    "mov eax, 1", // write(1, text, len)
    "mov edi, 1",
    "lea rsi, [rip + text]",
    "lea rdx, [rip + text_end]",
    "sub rdx, rsi",
    "call syscall_fn_entry", // the other entry; either will do
    "xor edi, edi",
    "mov eax, 60", // exit(0)
    "call syscall_fn_entry",
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
    let mut stack = vec![0u128; 1024];
    let mut context = Context::new();
    context.user.set_ip(program as *const () as usize);
    context.user.set_sp(stack.as_mut_ptr_range().end as usize);
    loop {
        // SAFETY: the program above leaves the kernel's memory alone; the context stays where it is.
        unsafe { context.run() };
        assert_eq!(context.user.trap_num, TRAP_SYSCALL);
        let [a, b, c, ..] = context.user.get_syscall_args();
        let ret = match context.user.get_syscall_num() {
            39 => 7,
            // SAFETY: the program gives its own text.
            1 if a == 1 => unsafe { libc::write(1, b as *const _, c) as usize },
            60 => std::process::exit(a as i32),
            _ => -libc::ENOSYS as usize,
        };
        context.user.set_syscall_ret(ret);
    }
}
