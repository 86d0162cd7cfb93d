//! A kernel without `std`, a C library or `fs`: the smallest that `run_bare` is made for. It ends with status 0 when its
//! program's system calls by both entries, a fault and a kick came back as they should; see `tests/freestanding.rs`.
#![no_std]
#![no_main]

use core::arch::{asm, global_asm};

use fncall::{Anchor, Context, FaultAction, HandlerConfig, TRAP_KICK, TRAP_SYSCALL};

global_asm!(
    ".globl _start, program, memcpy, memset, memcmp, bcmp, rust_eh_personality",
    "_start:",
    "and rsp, -16",
    "call kernel",
    "ud2",
    "program:",
    "mov eax, 1",
    "lea rcx, [rip + 2f]",
    "jmp fncall_jump_entry_bare",
    "2: mov eax, 2",
    "call syscall_fn_entry",
    "mov rax, [0x18]",
    "3: jmp 3b",
    // What the precompiled `core` names; nothing unwinds here.
    "rust_eh_personality: ud2",
    // What the compiler calls for copies.
    "memcpy: mov rax, rdi",
    "mov rcx, rdx",
    "rep movsb",
    "ret",
    "memset: mov r8, rdi",
    "mov eax, esi",
    "mov rcx, rdx",
    "rep stosb",
    "mov rax, r8",
    "ret",
    "bcmp:",
    "memcmp: xor eax, eax",
    "2: test rdx, rdx",
    "jz 3f",
    "movzx eax, byte ptr [rdi]",
    "movzx ecx, byte ptr [rsi]",
    "inc rdi",
    "inc rsi",
    "dec rdx",
    "sub eax, ecx",
    "jz 2b",
    "3: ret",
);

unsafe extern "sysv64" {
    fn program();
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    exit(99)
}

/// A host call with two arguments.
fn host(number: usize, a: usize, b: usize) -> isize {
    let ret;
    // SAFETY: the calls below touch no memory.
    unsafe {
        asm!("syscall", inlateout("rax") number as isize => ret, in("rdi") a, in("rsi") b,
            lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    ret
}

fn exit(status: usize) -> ! {
    loop {
        host(231, status, 0);
    }
}

/// Ends with `status` unless it holds.
fn expect(holds: bool, status: usize) {
    if !holds {
        exit(status)
    }
}

const KICK: i32 = 23;

#[unsafe(no_mangle)]
extern "sysv64" fn kernel() -> ! {
    let (mut anchor, mut signal_stack, mut stack) = (Anchor::new(), [0u8; 32 << 10], [0u128; 256]);
    let mut context = Context::new();
    context.user.set_ip(program as *const () as usize);
    context.user.set_sp(stack.as_mut_ptr_range().end as usize);
    let handlers =
        HandlerConfig { kick_signal: KICK, kernel_fault: |_| FaultAction::Die, kernel_kick: |_, _| () };
    // SAFETY: all of it lives until the process ends; there is nobody else to use signals or gs.
    unsafe {
        expect(fncall::install_thread(&mut anchor, signal_stack.as_mut_ptr(), signal_stack.len()).is_ok(), 1);
        expect(fncall::install_handlers(&handlers).is_ok(), 2);
    }
    let mut run = || {
        // SAFETY: the program leaves everything alone; the context stays where it is.
        unsafe { context.run_bare() };
        (context.user.trap_num, context.user.general.rax)
    };
    expect(run() == (TRAP_SYSCALL, 1), 3);
    expect(run() == (TRAP_SYSCALL, 2), 4);
    expect(run() == (14, 2), 5);
    expect(run() == (14, 2), 6);
    // tkill(gettid(), KICK): it comes while the kernel runs.
    host(200, host(186, 0, 0) as usize, KICK as usize);
    expect(fncall::was_kicked(), 7);
    expect(run() == (TRAP_KICK, 2), 8);
    expect(run() == (14, 2), 9);
    context.detach();
    exit(0)
}
