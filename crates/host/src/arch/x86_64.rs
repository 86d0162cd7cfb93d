//! Raw host system calls, x86-64: number in rax, arguments in rdi rsi rdx r10 r8 r9, result in rax; rcx and r11 lost.

use crate::park::Blocking;
use core::arch::{asm, global_asm};
use core::mem::offset_of;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

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

// fncall_host_blocking(rdi = number, rsi = args: *const [usize; 6], rdx = blocking: *mut Blocking) -> rax
//
// A host call that may block, made only when the flag is 0. A kick that arrives between the test and the `syscall`
// instruction would otherwise be lost and the thread sleep on; the kick hook sees a rip in that window and moves
// it to the label that answers -EINTR. Once `syscall` has begun, the host itself answers EINTR.
//
// While it blocks, what the caller is to find in its registers is on the stack, and the stack pointer in `blocking`: when
// the host kills the process, `fncall_host_resume` returns from here in another one. The stack then:
//
//     address to go back to
//     rbp r12 r13 r14 r15
// sp  rbx
global_asm!(
    r#"
    .pushsection .text.fncall_host,"ax",@progbits
    .p2align 4
    .global fncall_host_blocking
    .type fncall_host_blocking,@function
fncall_host_blocking:
    .cfi_startproc
    push rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbp, 0
    push r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r12, 0
    push r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r13, 0
    push r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r14, 0
    push r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r15, 0
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
    mov [rbx + {SLEEPING_SP}], rsp
    .global fncall_host_blocking_window
fncall_host_blocking_window:
    cmp dword ptr [rbx + {INTERRUPT}], 0
    jne fncall_host_blocking_interrupted
    .global fncall_host_blocking_syscall
fncall_host_blocking_syscall:
    syscall
1:  mov qword ptr [rbx + {SLEEPING_SP}], 0
    .cfi_remember_state
    pop rbx
    .cfi_adjust_cfa_offset -8
    pop r15
    .cfi_adjust_cfa_offset -8
    pop r14
    .cfi_adjust_cfa_offset -8
    pop r13
    .cfi_adjust_cfa_offset -8
    pop r12
    .cfi_adjust_cfa_offset -8
    pop rbp
    .cfi_adjust_cfa_offset -8
    ret
    .cfi_restore_state
    .global fncall_host_blocking_interrupted
fncall_host_blocking_interrupted:
    mov rax, -4
    jmp 1b
# fncall_host_resume(rdi = stack pointer of a sleep, rsi = its `blocking`): does not return to its caller.
    .global fncall_host_resume
fncall_host_resume:
    mov rsp, rdi
    mov rbx, rsi
    jmp fncall_host_blocking_interrupted
    .cfi_endproc
    .size fncall_host_blocking, . - fncall_host_blocking
    .popsection
"#,
    INTERRUPT = const offset_of!(Blocking, interrupt),
    SLEEPING_SP = const offset_of!(Blocking, sleeping_sp),
);

// fncall_host_spin(rdi = word, esi = value, rdx = blocking: *mut Blocking, rcx = limit) -> rax
//
// Watches a word until it has another value (0), a kick comes (-EINTR) or the time stamp counter has advanced by `limit`
// (-EAGAIN). To kicks and to the host's SIGKILL it is a blocking host call: all of it is the window in which the kick hook
// moves the rip, and the stack is the one of `fncall_host_blocking`, so `fncall_host_resume` returns from here, too.
global_asm!(
    r#"
    .pushsection .text.fncall_host,"ax",@progbits
    .p2align 4
    .global fncall_host_spin
    .type fncall_host_spin,@function
fncall_host_spin:
    .cfi_startproc
    push rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbp, 0
    push r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r12, 0
    push r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r13, 0
    push r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r14, 0
    push r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r15, 0
    push rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbx, 0
    mov rbx, rdx
    mov [rbx + {SLEEPING_SP}], rsp
    .global fncall_host_spin_window
fncall_host_spin_window:
    cmp dword ptr [rbx + {INTERRUPT}], 0
    jne fncall_host_blocking_interrupted
    rdtsc
    shl rdx, 32
    or rdx, rax
    mov r8, rdx                 # when it began
2:  cmp dword ptr [rdi], esi
    jne 3f
    pause
    rdtsc
    shl rdx, 32
    or rax, rdx
    sub rax, r8
    cmp rax, rcx
    jb 2b
    mov rax, -11
    jmp 4f
3:  xor eax, eax
    .global fncall_host_spin_end
fncall_host_spin_end:
4:  mov qword ptr [rbx + {SLEEPING_SP}], 0
    pop rbx
    .cfi_adjust_cfa_offset -8
    pop r15
    .cfi_adjust_cfa_offset -8
    pop r14
    .cfi_adjust_cfa_offset -8
    pop r13
    .cfi_adjust_cfa_offset -8
    pop r12
    .cfi_adjust_cfa_offset -8
    pop rbp
    .cfi_adjust_cfa_offset -8
    ret
    .cfi_endproc
    .size fncall_host_spin, . - fncall_host_spin
    .popsection
"#,
    INTERRUPT = const offset_of!(Blocking, interrupt),
    SLEEPING_SP = const offset_of!(Blocking, sleeping_sp),
);

// fncall_host_clone(rdi = flags, rsi = child stack, rdx = child tid word) -> rax = tid, in the parent only
//
// The child finds on its stack the function to begin with and that function's argument, and never returns.
global_asm!(
    r#"
    .pushsection .text.fncall_host,"ax",@progbits
    .p2align 4
    .global fncall_host_clone
    .type fncall_host_clone,@function
fncall_host_clone:
    .cfi_startproc
    mov r10, rdx                # child tid
    xor edx, edx                # parent tid
    xor r8d, r8d                # tls
    mov eax, 56                 # clone
    syscall
    test rax, rax
    jz 1f
    ret
1:  .cfi_undefined rip          # the child: the outermost frame
    xor ebp, ebp
    pop rax                     # first function
    pop rdi                     # its argument
    call rax
    ud2
    .cfi_endproc
    .size fncall_host_clone, . - fncall_host_clone
    .popsection
"#
);

unsafe extern "sysv64" {
    fn fncall_host_clone(flags: usize, stack: usize, child_tid: usize) -> isize;
}

/// clone(2) with a child that starts with what is on its stack: a function, and above it the argument.
///
/// # Safety
/// The stack must be fresh, 16-aligned at the argument's end, and hold those two words; the function never returns.
pub unsafe fn clone(flags: usize, stack: usize, child_tid: usize) -> isize {
    // SAFETY: passed on to the caller.
    unsafe { fncall_host_clone(flags, stack, child_tid) }
}

/// Clears a word and ends the process with status 0, without another access to memory: who sees the word cleared may
/// take the stack.
///
/// # Safety
/// The word is live and aligned. No signal handler may run any more.
pub unsafe fn clear_and_exit(word: *mut u32) -> ! {
    // SAFETY: the caller's promise; exit_group (231) does not return.
    unsafe {
        asm!("mov dword ptr [{word}], 0", "xor edi, edi", "mov eax, 231", "syscall", "ud2", word = in(reg) word,
            options(noreturn, nostack));
    }
}

unsafe extern "sysv64" {
    fn fncall_host_blocking(number: usize, args: *const [usize; 6], blocking: *const Blocking) -> isize;
    fn fncall_host_resume(sp: usize, blocking: *const Blocking) -> !;
    fn fncall_host_blocking_window();
    fn fncall_host_blocking_syscall();
    fn fncall_host_blocking_interrupted();
    fn fncall_host_spin(word: *const u32, value: u32, blocking: *const Blocking, limit: u64) -> isize;
    fn fncall_host_spin_window();
    fn fncall_host_spin_end();
}

/// Waits, without the host, until `word` has another value than `value`: at most until [`cycles`] has advanced by `limit`.
///
/// # Errors
/// `EAGAIN` then; `EINTR` when somebody has interrupted `blocking`.
pub fn spin(word: &AtomicU32, value: u32, blocking: &Blocking, limit: u64) -> crate::Result<()> {
    // SAFETY: both are live references, of which only atomics change.
    crate::check(unsafe { fncall_host_spin(word.as_ptr(), value, blocking, limit) }).map(drop)
}

/// The time stamp counter, which advances at a constant rate of one to five a nanosecond.
#[inline]
pub fn cycles() -> u64 {
    // SAFETY: Linux lets programs read the counter, unless they have asked for something else (prctl(2)), which nobody can
    // ask the host for.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// The processor that the calling thread runs on, in the next moment perhaps another one.
#[inline]
pub fn cpu() -> u32 {
    let node_and_cpu: u32;
    // SAFETY: reads the limit of the segment that Linux keeps for this (`__CPUNODE_SEG`), in which the lower 12 bits are the
    // number of the processor; without such a segment the register stays 0.
    unsafe {
        asm!("lsl {out:e}, {segment:e}", out = inout(reg) 0u32 => node_and_cpu, segment = in(reg) 0x7bu32,
            options(nomem, nostack));
    }
    node_and_cpu & 0xfff
}

/// A host system call that may block, made only when nobody has interrupted `blocking`; `-EINTR` otherwise. A kick during
/// it, or just before it, makes it return `-EINTR`.
///
/// # Safety
/// As [`syscall6`].
pub unsafe fn syscall_blocking(number: u32, args: &[usize; 6], blocking: &Blocking) -> isize {
    // SAFETY: passed on to the caller; `args` and `blocking` are live references, and of the latter only atomics change.
    unsafe { fncall_host_blocking(number as usize, args, blocking) }
}

/// Returns, with `-EINTR`, from the [`syscall_blocking`] in which a thread was when the host killed its process.
///
/// # Safety
/// That thread is gone, its stack intact; the calling thread has taken its place in everything else.
pub unsafe fn resume_blocking(blocking: &Blocking) -> ! {
    // SAFETY: the stack pointer was stored by `fncall_host_blocking`, whose frame is still there.
    unsafe { fncall_host_resume(blocking.sleeping_sp.load(Relaxed), blocking) }
}

/// The kick hook: when `rip` stands between the test and the call of [`syscall_blocking`], or in [`spin`], where to go
/// instead.
pub fn interrupt_blocking(rip: usize) -> Option<usize> {
    let addr = |label: unsafe extern "sysv64" fn()| label as *const () as usize;
    let call = addr(fncall_host_blocking_window)..=addr(fncall_host_blocking_syscall);
    let spin = addr(fncall_host_spin_window)..addr(fncall_host_spin_end);
    (call.contains(&rip) || spin.contains(&rip))
        .then_some(fncall_host_blocking_interrupted as *const () as usize)
}

unsafe extern "C" {
    static __ehdr_start: u8;
}

/// Start and end of the writable part of the kernel image, in whole pages; empty in an ordinary program.
pub fn data_range() -> (usize, usize) {
    image_range(6)
}

/// Start and length of the executable part of the kernel image, in whole pages.
pub fn text_range() -> (usize, usize) {
    let (start, end) = image_range(5);
    (start, end - start)
}

/// The union of the image's loadable segments with these `p_flags` (4 read, 2 write, 1 execute).
fn image_range(flags: u32) -> (usize, usize) {
    let header = &raw const __ehdr_start;
    let (mut start, mut end) = (usize::MAX, 0);
    // SAFETY: the linker puts `__ehdr_start` at the ELF header, which is mapped with the first segment together
    // with the program headers; field offsets are those of Elf64_Ehdr and Elf64_Phdr.
    unsafe {
        let phoff = *header.add(32).cast::<u64>() as usize;
        let phentsize = *header.add(54).cast::<u16>() as usize;
        let phnum = *header.add(56).cast::<u16>() as usize;
        for n in 0..phnum {
            let ph = header.add(phoff + n * phentsize);
            let (kind, p_flags) = (*ph.cast::<u32>(), *ph.add(4).cast::<u32>());
            if kind == 1 && p_flags & 7 == flags {
                let vaddr = *ph.add(16).cast::<u64>() as usize;
                let memsz = *ph.add(40).cast::<u64>() as usize;
                start = start.min(vaddr & !4095);
                end = end.max((vaddr + memsz).next_multiple_of(4096));
            }
        }
    }
    if start < crate::layout::KERNEL_START { (0, 0) } else { (start.min(end), end) }
}

/// Switches to the stack that ends at `top` and calls `main`.
///
/// # Safety
/// `top` is the 16-aligned end of a stack nobody uses.
pub unsafe fn call_on_stack(top: usize, main: extern "C" fn() -> !) -> ! {
    // SAFETY: the old stack is left for good; `main` finds the alignment that a call leaves.
    unsafe {
        asm!("mov rsp, {top}", "xor ebp, ebp", "call {main}", "ud2", top = in(reg) top, main = in(reg) main,
            options(noreturn));
    }
}

/// Goes to `entry` with the stack pointer `sp` and otherwise as the host starts a program.
///
/// # Safety
/// `sp` is 16-aligned and what the code at `entry` expects; nothing of the caller is used again.
pub unsafe fn jump_on_stack(sp: usize, entry: usize) -> ! {
    // SAFETY: the caller's promise. rdx is what a program would register with atexit(3): nothing.
    unsafe {
        asm!("mov rsp, {sp}", "xor ebp, ebp", "xor edx, edx", "jmp {entry}", sp = in(reg) sp, entry = in(reg) entry,
            options(noreturn));
    }
}

/// Address and length in bytes of the calling thread's rseq(2) area that libc registered, if this program has a libc
/// that tells (glibc 2.35: `__rseq_offset` from the thread pointer on, `__rseq_size`).
pub fn libc_rseq() -> Option<(usize, usize)> {
    let (offset, size): (*const isize, *const u32);
    // SAFETY: loads two addresses that the linker filled in; those of symbols nobody defines are zero.
    unsafe {
        asm!(".weak __rseq_offset", ".weak __rseq_size",
            "mov {offset}, qword ptr [rip + __rseq_offset@GOTPCREL]",
            "mov {size}, qword ptr [rip + __rseq_size@GOTPCREL]",
            offset = out(reg) offset, size = out(reg) size, options(pure, readonly, nostack));
    }
    if offset.is_null() || size.is_null() {
        return None;
    }
    const ARCH_GET_FS: usize = 0x1003;
    let mut thread_pointer = 0usize;
    // SAFETY: the call writes one word; both variables of libc live as long as the program.
    unsafe {
        syscall2(linux_raw_sys::general::__NR_arch_prctl, ARCH_GET_FS, &raw mut thread_pointer as usize);
        (*size > 0).then(|| (thread_pointer.wrapping_add_signed(*offset), *size as usize))
    }
}

/// The address of a function of the vdso at `base` (vdso(7)).
///
/// # Safety
/// `base` is the address of an ELF image that is mapped whole.
pub unsafe fn vdso_symbol(base: usize, name: &[u8]) -> Option<usize> {
    let at = |addr: usize| addr as *const u64;
    // SAFETY: all offsets come from the image's own headers: Elf64_Ehdr, Elf64_Phdr, Elf64_Dyn, Elf64_Sym.
    unsafe {
        let phoff = *at(base + 32) as usize;
        let phnum = *((base + 56) as *const u16) as usize;
        let (mut bias, mut dynamic) = (None, None);
        for n in 0..phnum {
            let ph = base + phoff + n * 56;
            let (offset, vaddr) = (*at(ph + 8) as usize, *at(ph + 16) as usize);
            match *(ph as *const u32) {
                1 if bias.is_none() => bias = Some(base.wrapping_add(offset).wrapping_sub(vaddr)),
                2 => dynamic = Some(base + offset),
                _ => {}
            }
        }
        let (bias, mut dynamic) = (bias?, dynamic?);
        let (mut strtab, mut symtab, mut hash, mut gnu_hash) = (0, 0, 0, 0);
        while *at(dynamic) != 0 {
            let value = bias.wrapping_add(*at(dynamic + 8) as usize);
            match *at(dynamic) {
                5 => strtab = value,
                6 => symtab = value,
                4 => hash = value,
                0x6fff_fef5 => gnu_hash = value,
                _ => {}
            }
            dynamic += 16;
        }
        // The number of symbols: the chain count of DT_HASH, or, with DT_GNU_HASH alone, everything below the
        // string table, which follows the symbols in every vdso.
        let count = if hash != 0 {
            *((hash + 4) as *const u32) as usize
        } else if gnu_hash != 0 && strtab > symtab {
            (strtab - symtab) / 24
        } else {
            return None;
        };
        for n in 0..count {
            let sym = symtab + n * 24;
            let text = (strtab + *(sym as *const u32) as usize) as *const core::ffi::c_char;
            let value = *at(sym + 8) as usize;
            if value != 0 && core::ffi::CStr::from_ptr(text).to_bytes() == name {
                return Some(bias.wrapping_add(value));
            }
        }
        None
    }
}

// fncall_forward_handler(edi = signal, rsi = siginfo_t): notes a signal from outside and kicks the thread. Runs on the signal
// stack wherever the thread was, so it must neither use `fs` nor assume anything of the kernel's state.
global_asm!(
    r#"
    .pushsection .text.fncall_host,"ax",@progbits
    .p2align 4
    .global fncall_forward_handler
    .type fncall_forward_handler,@function
fncall_forward_handler:
    .cfi_startproc
    sub rsp, 8
    .cfi_adjust_cfa_offset 8
    cld
    call {forward}
    add rsp, 8
    .cfi_adjust_cfa_offset -8
    ret
    .cfi_endproc
    .size fncall_forward_handler, . - fncall_forward_handler
    .p2align 4
    .global fncall_forward_restorer
fncall_forward_restorer:
    mov eax, 15                 # rt_sigreturn
    syscall
    ud2
    .popsection
"#,
    forward = sym crate::signal::on_forwarded,
);

unsafe extern "C" {
    fn fncall_forward_handler();
    fn fncall_forward_restorer();
}

/// Addresses of the handler for signals from outside and its restorer.
pub fn forward_handler() -> (usize, usize) {
    (fncall_forward_handler as *const () as usize, fncall_forward_restorer as *const () as usize)
}
