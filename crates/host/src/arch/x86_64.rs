//! Raw host system calls, x86-64: number in rax, arguments in rdi rsi rdx r10 r8 r9, result in rax; rcx and r11 lost.

use core::arch::{asm, global_asm};

macro_rules! raw_syscall {
    ($(#[$doc:meta] $name:ident($($arg:ident: $reg:tt),*);)*) => { $(
        #[$doc]
        ///
        /// # Safety
        /// As the system call demands: pointers must be valid for what the host does with them, and the call
        /// must not pull memory or descriptors from under Rust objects.
        #[inline]
        pub unsafe fn $name(number: u32, $($arg: usize),*) -> isize {
            let result: isize;
            // SAFETY: passed on to the caller; the register contract is the host's own.
            unsafe {
                asm!("syscall", inlateout("rax") number as isize => result, $(in($reg) $arg,)*
                    lateout("rcx") _, lateout("r11") _, options(nostack));
            }
            result
        }
    )* };
}

raw_syscall! {
    /// A host system call with one argument.
    syscall1(a: "rdi");
    /// A host system call with two arguments.
    syscall2(a: "rdi", b: "rsi");
    /// A host system call with three arguments.
    syscall3(a: "rdi", b: "rsi", c: "rdx");
    /// A host system call with four arguments.
    syscall4(a: "rdi", b: "rsi", c: "rdx", d: "r10");
    /// A host system call with five arguments.
    syscall5(a: "rdi", b: "rsi", c: "rdx", d: "r10", e: "r8");
    /// A host system call with six arguments.
    syscall6(a: "rdi", b: "rsi", c: "rdx", d: "r10", e: "r8", f: "r9");
}

// fncall_host_blocking(rdi = number, rsi = args: *const [usize; 6], rdx = flag: *const u32) -> rax
//
// A host call that may block, made only when *flag is 0. A kick that arrives between the test and the `syscall`
// instruction would otherwise be lost and the thread sleep on; the kick hook sees a rip in that window and moves
// it to the label that answers -EINTR. Once `syscall` has begun, the host itself answers EINTR.
global_asm!(
    r#"
    .pushsection .text.fncall_host,"ax",@progbits
    .p2align 4
    .global fncall_host_blocking
    .type fncall_host_blocking,@function
fncall_host_blocking:
    .cfi_startproc
    push rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbx, 0
    mov rbx, rdx
    mov rax, rdi
    mov rcx, rsi
    mov rdi, [rcx]
    mov rsi, [rcx + 8]
    mov rdx, [rcx + 16]
    mov r10, [rcx + 24]
    mov r8, [rcx + 32]
    mov r9, [rcx + 40]
    .global fncall_host_blocking_window
fncall_host_blocking_window:
    cmp dword ptr [rbx], 0
    jne fncall_host_blocking_interrupted
    .global fncall_host_blocking_syscall
fncall_host_blocking_syscall:
    syscall
    pop rbx
    .cfi_adjust_cfa_offset -8
    ret
    .cfi_adjust_cfa_offset 8
    .global fncall_host_blocking_interrupted
fncall_host_blocking_interrupted:
    mov rax, -4
    pop rbx
    .cfi_adjust_cfa_offset -8
    ret
    .cfi_endproc
    .size fncall_host_blocking, . - fncall_host_blocking
    .popsection
"#
);

unsafe extern "sysv64" {
    fn fncall_host_blocking(number: usize, args: *const [usize; 6], flag: *const u32) -> isize;
    fn fncall_host_blocking_window();
    fn fncall_host_blocking_syscall();
    fn fncall_host_blocking_interrupted();
}

/// A host system call that may block, made only when `flag` is 0; `-EINTR` otherwise. A kick during it, or just
/// before it, makes it return `-EINTR`.
///
/// # Safety
/// As [`syscall6`].
pub unsafe fn syscall_blocking(
    number: u32,
    args: &[usize; 6],
    flag: &core::sync::atomic::AtomicU32,
) -> isize {
    // SAFETY: passed on to the caller; `args` and `flag` are live references.
    unsafe { fncall_host_blocking(number as usize, args, flag.as_ptr()) }
}

/// The kick hook: when `rip` stands between the test and the call of [`syscall_blocking`], where to go instead.
pub fn interrupt_blocking(rip: usize) -> Option<usize> {
    let window = fncall_host_blocking_window as *const () as usize
        ..=fncall_host_blocking_syscall as *const () as usize;
    window.contains(&rip).then_some(fncall_host_blocking_interrupted as *const () as usize)
}
