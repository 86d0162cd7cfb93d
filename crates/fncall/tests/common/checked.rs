//! User programs that check their own state: all registers, flags, the red zone and vector registers, before and
//! after every system call. They execute `ud2` when something was lost.

use std::arch::global_asm;

use fncall::Context;

use super::common::{AVX, has, program};

global_asm!(
    ".globl checked_jump_bare, checked_jump_hosted, checked_call, checked_bad",
    // rax counts. xmm n holds rax + n in its lower half and, with AVX (r9), rax in its upper one.
    ".macro CHECK flag",
    ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "movq rdx, xmm\\n",
    "sub rdx, \\n",
    "cmp rdx, rax",
    "jne checked_bad",
    ".endr",
    "test r9, r9",
    "jz 3f",
    ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "vextractf128 [rsp - 64], ymm\\n, 1",
    "cmp [rsp - 64], rax",
    "jne checked_bad",
    ".endr",
    "3:",
    ".endm",
    ".macro NEXT",
    "inc rax",
    ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "lea rdx, [rax + \\n]",
    "movq xmm\\n, rdx",
    ".endr",
    "test r9, r9",
    "jz 3f",
    "movq xmm0, rax",
    ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "vinsertf128 ymm\\n, ymm\\n, xmm0, 1",
    ".endr",
    "3:",
    "mov rdx, 0xdddd",
    "mov [rsp - 8], rax", // the red zone
    "push r8",            // the flags of this run
    "popfq",
    ".endm",
    ".macro AFTER",
    "jnc checked_bad",
    "pushfq",
    "pop rsi",
    "xor rsi, r8",
    "test rsi, 0xcd5", // CF PF AF ZF SF DF OF
    "jnz checked_bad",
    "mov rsi, 0x6666",
    "cld",
    "CHECK",
    ".endm",
    "checked_jump_bare:",
    "2: NEXT",
    "lea rcx, [rip + 7f]",
    "jmp fncall_jump_entry_bare",
    "7: AFTER",
    "jmp 2b",
    "checked_jump_hosted:",
    "2: NEXT",
    "lea rcx, [rip + 7f]",
    "jmp fncall_jump_entry_hosted",
    "7: AFTER",
    "jmp 2b",
    "checked_call:",
    "2: NEXT",
    "mov rcx, 0xcccc",
    "mov r11, 0x1111",
    "call syscall_fn_entry",
    "cmp rcx, 0xcccc",
    "jne checked_bad",
    "cmp r11, 0x1111",
    "jne checked_bad",
    "push r8",
    "popfq", // the comparisons are not what AFTER is about
    "AFTER",
    "jmp 2b",
    "checked_bad:",
    "ud2",
);

unsafe extern "sysv64" {
    pub fn checked_jump_bare();
    pub fn checked_jump_hosted();
    pub fn checked_call();
}

/// Flags of a program: CF, which it checks after every call, and IF.
pub const CF: usize = 0x203;
pub const DF: usize = 0x400;

const STACK_AT: usize = 0x5555;

/// A program that makes its system calls with these flags. It counts them in rax, from 0.
pub fn new(entry: unsafe extern "sysv64" fn(), flags: usize) -> Context {
    let mut cx = program(entry);
    let g = &mut cx.user.general;
    (g.rax, g.r8, g.rflags) = (usize::MAX, flags, 0x202);
    (g.rbx, g.rbp, g.rsi, g.rdi) = (0xbbbb, g.rsp ^ STACK_AT, 0x6666, 0x7777);
    (g.r10, g.r12, g.r13, g.r14, g.r15) = (10, 12, 13, 14, 15);
    g.r9 = usize::from(has(AVX));
    cx
}

/// Whether the context of system call number `round` is as it should be. Uses no vector registers.
pub fn is_right(cx: &Context, round: usize, flags: usize) -> bool {
    let g = &cx.user.general;
    g.rax == round
        && (g.rdx, g.rbx, g.rbp, g.rsi, g.rdi) == (0xdddd, 0xbbbb, g.rsp ^ STACK_AT, 0x6666, 0x7777)
        && (g.r10, g.r12, g.r13, g.r14, g.r15) == (10, 12, 13, 14, 15)
        && g.rflags & 0xcd5 == flags & 0xcd5
}
