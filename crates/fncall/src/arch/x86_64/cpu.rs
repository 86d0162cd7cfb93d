//! Single instructions that Rust has no words for. What is done with them is decided elsewhere.

use core::arch::asm;

/// rdgsbase. Only where the host has enabled FSGSBASE.
#[inline(always)]
pub(crate) unsafe fn rdgsbase() -> usize {
    let base;
    // SAFETY: the caller knows that the instruction is enabled; it only reads a register.
    unsafe { asm!("rdgsbase {}", out(reg) base, options(nomem, nostack, preserves_flags)) };
    base
}

/// wrgsbase. Only where the host has enabled FSGSBASE.
#[inline(always)]
pub(crate) unsafe fn wrgsbase(base: usize) {
    // SAFETY: the caller knows that the instruction is enabled and that nobody else uses gs.
    unsafe { asm!("wrgsbase {}", in(reg) base, options(nostack, preserves_flags)) };
}

/// rdfsbase. Only where the host has enabled FSGSBASE.
#[inline(always)]
pub(crate) unsafe fn rdfsbase() -> usize {
    let base;
    // SAFETY: the caller knows that the instruction is enabled; it only reads a register.
    unsafe { asm!("rdfsbase {}", out(reg) base, options(nomem, nostack, preserves_flags)) };
    base
}

/// wrfsbase. Only where the host has enabled FSGSBASE; faults when `base` is not canonical.
#[inline(always)]
pub(crate) unsafe fn wrfsbase(base: usize) {
    // SAFETY: the caller knows that the instruction is enabled and whose TLS it switches to.
    unsafe { asm!("wrfsbase {}", in(reg) base, options(nostack, preserves_flags)) };
}

/// xgetbv(0): the components of extended state that the host has enabled. Slow in some virtual machines.
pub(crate) unsafe fn xcr0() -> u64 {
    let (lo, hi): (u32, u32);
    // SAFETY: the caller has seen OSXSAVE in CPUID.
    unsafe { asm!("xgetbv", in("ecx") 0, out("eax") lo, out("edx") hi, options(nomem, nostack)) };
    u64::from(hi) << 32 | u64::from(lo)
}

/// xsave64 of the components in `mask` to a 64-byte aligned image.
#[inline(always)]
pub(crate) unsafe fn xsave(image: *mut u8, mask: u64) {
    // SAFETY: the caller gives an aligned image that is large enough for `mask`.
    unsafe {
        asm!("xsave64 [{}]", in(reg) image, in("eax") mask as u32, in("edx") (mask >> 32) as u32,
            options(nostack, preserves_flags));
    }
}

/// xrstor64 of the components in `mask` from a 64-byte aligned, valid image.
#[inline(always)]
pub(crate) unsafe fn xrstor(image: *const u8, mask: u64) {
    // SAFETY: the caller gives a valid image; every register that may change is named as lost.
    unsafe {
        asm!("xrstor64 [{}]", in(reg) image, in("eax") mask as u32, in("edx") (mask >> 32) as u32,
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _,
            out("xmm6") _, out("xmm7") _, out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
            out("st(0)") _, out("st(1)") _, out("st(2)") _, out("st(3)") _, out("st(4)") _, out("st(5)") _,
            out("st(6)") _, out("st(7)") _,
            options(nostack, preserves_flags));
    }
}

/// An empty x87 stack and the control word that C and Rust expect. Never faults.
pub(crate) fn fninit() {
    // SAFETY: this is the state every function may rely on; what was there is named as lost.
    unsafe {
        asm!("fninit", out("st(0)") _, out("st(1)") _, out("st(2)") _, out("st(3)") _, out("st(4)") _,
            out("st(5)") _, out("st(6)") _, out("st(7)") _, options(nomem, nostack, preserves_flags));
    }
}

/// Gives the kernel the MXCSR that C and Rust expect.
pub(crate) fn default_mxcsr() {
    let mxcsr = 0x1f80u32;
    // SAFETY: this is the value every function may rely on.
    unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const mxcsr, options(nostack, readonly, preserves_flags)) };
}
