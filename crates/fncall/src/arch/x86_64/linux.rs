//! The few host calls this crate makes itself, without a C library. Numbers and structures are those of the
//! x86-64 Linux headers (`asm/unistd_64.h`, `asm/signal.h`, `asm/prctl.h`, `linux/prctl.h`).

use core::arch::asm;

pub(crate) const SIGILL: i32 = 4;
pub(crate) const SIGTRAP: i32 = 5;
pub(crate) const SIGBUS: i32 = 7;
pub(crate) const SIGFPE: i32 = 8;
pub(crate) const SIGSEGV: i32 = 11;
pub(crate) const SIGSYS: i32 = 31;

/// `si_code` of what the host itself sends.
pub(crate) const SI_KERNEL: i32 = 0x80;

const SYS_MMAP: usize = 9;
const SYS_RT_SIGACTION: usize = 13;
const SYS_GETPID: usize = 39;
const SYS_SIGALTSTACK: usize = 131;
const SYS_PRCTL: usize = 157;
const SYS_ARCH_PRCTL: usize = 158;
const SYS_GETTID: usize = 186;
const SYS_TGKILL: usize = 234;

pub(crate) const ARCH_SET_GS: usize = 0x1001;
pub(crate) const ARCH_SET_FS: usize = 0x1002;
pub(crate) const ARCH_GET_FS: usize = 0x1003;
pub(crate) const ARCH_GET_GS: usize = 0x1004;

pub(crate) const SA_SIGINFO: usize = 4;
pub(crate) const SA_RESTORER: usize = 0x0400_0000;
pub(crate) const SA_ONSTACK: usize = 0x0800_0000;

/// What the host's `rt_sigaction` takes (not the C library's `struct sigaction`).
#[repr(C)]
pub(crate) struct KernelSigaction {
    pub(crate) handler: usize,
    pub(crate) flags: usize,
    pub(crate) restorer: usize,
    pub(crate) mask: u64,
}

#[repr(C)]
struct StackT {
    sp: *mut u8,
    flags: i32,
    size: usize,
}

/// A host call; negative results are negated error numbers.
pub(crate) unsafe fn syscall6(nr: usize, a: [usize; 6]) -> isize {
    let ret;
    // SAFETY: the caller vouches for the call; the instruction itself loses rcx and r11 only.
    unsafe {
        asm!("syscall", inlateout("rax") nr as isize => ret, in("rdi") a[0], in("rsi") a[1], in("rdx") a[2],
            in("r10") a[3], in("r8") a[4], in("r9") a[5], lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    ret
}

pub(crate) unsafe fn rt_sigaction(signo: i32, action: &KernelSigaction) -> isize {
    // SAFETY: `action` lives through the call; the caller vouches for the handler.
    unsafe { syscall6(SYS_RT_SIGACTION, [signo as usize, &raw const *action as usize, 0, 8, 0, 0]) }
}

pub(crate) unsafe fn sigaltstack(sp: *mut u8, size: usize) -> isize {
    let stack = StackT { sp, flags: 0, size };
    // SAFETY: `stack` lives through the call; the caller gives memory that stays.
    unsafe { syscall6(SYS_SIGALTSTACK, [&raw const stack as usize, 0, 0, 0, 0, 0]) }
}

/// Address and length in bytes of the calling thread's signal stack; a length of 0 where it has none.
pub(crate) fn current_sigaltstack() -> (usize, usize) {
    const SS_DISABLE: i32 = 2;
    let mut stack = StackT { sp: core::ptr::null_mut(), flags: SS_DISABLE, size: 0 };
    // SAFETY: the call writes to `stack` only.
    unsafe { syscall6(SYS_SIGALTSTACK, [0, &raw mut stack as usize, 0, 0, 0, 0]) };
    if stack.flags & SS_DISABLE != 0 { (0, 0) } else { (stack.sp as usize, stack.size) }
}

pub(crate) unsafe fn prctl(a: [usize; 5]) -> isize {
    // SAFETY: passed on to the caller.
    unsafe { syscall6(SYS_PRCTL, [a[0], a[1], a[2], a[3], a[4], 0]) }
}

pub(crate) unsafe fn arch_prctl(code: usize, addr: usize) -> isize {
    // SAFETY: passed on to the caller.
    unsafe { syscall6(SYS_ARCH_PRCTL, [code, addr, 0, 0, 0, 0]) }
}

/// Fresh zeroed private memory, or `None`.
pub(crate) fn mmap_anonymous(len: usize) -> Option<*mut u8> {
    const PROT_READ_WRITE: usize = 3;
    const MAP_PRIVATE_ANONYMOUS: usize = 0x22;
    // SAFETY: a new mapping where the host likes; nothing that exists is touched.
    let ret = unsafe { syscall6(SYS_MMAP, [0, len, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, usize::MAX, 0]) };
    if ret < 0 { None } else { Some(ret as *mut u8) }
}

/// The calling thread's number.
pub(crate) fn gettid() -> i32 {
    // SAFETY: touches no memory.
    unsafe { syscall6(SYS_GETTID, [0; 6]) as i32 }
}

/// Sends `signo` to a thread of this process; 0 only asks whether it exists.
pub(crate) fn tgkill(tid: i32, signo: i32) -> isize {
    // SAFETY: these calls touch no memory.
    unsafe {
        let pid = syscall6(SYS_GETPID, [0; 6]) as usize;
        syscall6(SYS_TGKILL, [pid, tid as usize, signo as usize, 0, 0, 0])
    }
}

/// Whether the host lets programs use `wrfsbase` and friends: bit 1 of AT_HWCAP2.
/// The auxiliary vector comes from `prctl(PR_GET_AUXV)` (Linux 6.4), else from /proc/self/auxv.
pub(crate) fn fsgsbase_in_auxv() -> bool {
    const PR_GET_AUXV: usize = 0x4155_5856;
    const AT_HWCAP2: usize = 26;
    let mut auxv = [[0usize; 2]; 64];
    let len = size_of_val(&auxv);
    let buf = auxv.as_mut_ptr() as usize;
    // SAFETY: both calls write at most `len` bytes to `auxv`; the path is a C string.
    unsafe {
        if prctl([PR_GET_AUXV, buf, len, 0, 0]) < 0 {
            let fd = syscall6(2, [c"/proc/self/auxv".as_ptr() as usize, 0x80000, 0, 0, 0, 0]);
            if fd >= 0 {
                syscall6(0, [fd as usize, buf, len, 0, 0, 0]);
                syscall6(3, [fd as usize, 0, 0, 0, 0, 0]);
            }
        }
    }
    auxv.iter().any(|[key, value]| *key == AT_HWCAP2 && value & 2 != 0)
}
