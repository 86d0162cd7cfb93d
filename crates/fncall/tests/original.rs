//! The test of the original module, as its explanation prints it, on `run_fncall`; and what came to light since.

#![allow(bad_asm_style)] // the original names its syntax

use std::arch::global_asm;

use fncall::*;

// Mock user program to dump registers at stack.
global_asm!(
    r#"
.intel_syntax noprefix
.globl dump_registers
dump_registers:
    push r15
    push r14
    push r13
    push r12
    push r11
    push r10
    push r9
    push r8
    push rsp
    push rbp
    push rdi
    push rsi
    push rdx
    push rcx
    push rbx
    push rax
    add rax, 10
    add rbx, 10
    add rcx, 10
    add rdx, 10
    add rsi, 10
    add rdi, 10
    add rbp, 10
    add r8, 10
    add r9, 10
    add r10, 10
    add r11, 10
    add r12, 10
    add r13, 10
    add r14, 10
    add r15, 10
    call syscall_fn_entry
"#
);

#[test]
fn run_fncall() {
    unsafe extern "sysv64" {
        fn dump_registers();
    }
    let mut stack = [0u8; 0x1000];
    let mut cx = UserContext {
        general: GeneralRegs {
            rax: 0,
            rbx: 1,
            rcx: 2,
            rdx: 3,
            rsi: 4,
            rdi: 5,
            rbp: 6,
            rsp: stack.as_mut_ptr() as usize + 0x1000 - 32,
            r8: 8,
            r9: 9,
            r10: 10,
            r11: 11,
            r12: 12,
            r13: 13,
            r14: 14,
            r15: 15,
            rip: dump_registers as *const () as usize,
            rflags: 0,
            fsbase: 0, // don't set to non-zero garbage value
            gsbase: 0,
        },
        trap_num: 0,
        error_code: 0,
    };
    cx.run_fncall();
    // check restored registers
    // SAFETY: the program pushed 16 words there, and four more words of the stack lie above them.
    let general = unsafe { *(cx.general.rsp as *const GeneralRegs) };
    assert_eq!(
        general,
        GeneralRegs {
            rax: 0,
            rbx: 1,
            rcx: 2,
            rdx: 3,
            rsi: 4,
            rdi: 5,
            rbp: 6,
            // skip rsp
            r8: 8,
            r9: 9,
            r10: 10,
            r11: 11, // skipped in the original, which overwrites it
            r12: 12,
            r13: 13,
            r14: 14,
            r15: 15,
            ..general
        }
    );
    // check saved registers
    assert_eq!(
        cx.general,
        GeneralRegs {
            rax: 10,
            rbx: 11,
            rcx: 12,
            rdx: 13,
            rsi: 14,
            rdi: 15,
            rbp: 16,
            // skip rsp
            r8: 18,
            r9: 19,
            r10: 20,
            r11: 21,
            r12: 22,
            r13: 23,
            r14: 24,
            r15: 25,
            ..cx.general
        }
    );
    assert_eq!(cx.trap_num, 0x100);
    assert_eq!(cx.error_code, 0);
}

global_asm!(".globl original_count", "original_count:", "2: inc rax", "call syscall_fn_entry", "jmp 2b",);

#[test]
fn two_contexts_take_turns_on_one_thread() {
    unsafe extern "sysv64" {
        fn original_count();
    }
    let mut stacks = [[0u128; 64]; 2];
    let mut contexts = [UserContext::default(); 2];
    for (cx, stack) in contexts.iter_mut().zip(&mut stacks) {
        cx.set_ip(original_count as *const () as usize);
        cx.set_sp(stack.as_mut_ptr_range().end as usize);
    }
    for n in 1..=5 {
        for cx in &mut contexts {
            cx.run_fncall();
            assert_eq!((cx.trap_num, cx.get_syscall_num()), (0x100, n));
        }
    }
}
