//! Single instructions that Rust has no words for. What is done with them is decided elsewhere.

use core::arch::asm;

use super::xstate::{BLOCK, HEADER, MIN_LEN, XMM};

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

/// The stack pointer.
#[inline(always)]
pub(crate) fn rsp() -> usize {
    let rsp;
    // SAFETY: only reads a register.
    unsafe { asm!("mov {}, rsp", out(reg) rsp, options(nomem, nostack, preserves_flags)) };
    rsp
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
    // SAFETY: the caller gives a valid image; what a function may change is named as lost: all that it holds.
    unsafe {
        asm!("xrstor64 [{}]", in(reg) image, in("eax") mask as u32, in("edx") (mask >> 32) as u32,
            clobber_abi("sysv64"),
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

/// The MXCSR that C and Rust expect.
pub(crate) const KERNEL_MXCSR: u32 = 0x1f80;

/// Gives the kernel its MXCSR.
pub(crate) fn default_mxcsr() {
    // SAFETY: this is the value every function may rely on.
    unsafe { ldmxcsr(KERNEL_MXCSR) };
}

/// ldmxcsr. Faults when reserved bits are set.
pub(crate) unsafe fn ldmxcsr(mxcsr: u32) {
    // SAFETY: the caller vouches for the value.
    unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const mxcsr, options(nostack, readonly, preserves_flags)) };
}

/// fxsave64 to a 16-byte aligned image: x87, MXCSR, xmm; 464 bytes.
pub(crate) unsafe fn fxsave(image: *mut u8) {
    // SAFETY: the caller gives an aligned image.
    unsafe { asm!("fxsave64 [{}]", in(reg) image, options(nostack, preserves_flags)) };
}

/// fxrstor64 from a 16-byte aligned, valid image.
pub(crate) unsafe fn fxrstor(image: *const u8) {
    // SAFETY: the caller gives a valid image; what a function may change is named as lost: all that it holds.
    unsafe {
        asm!("fxrstor64 [{}]", in(reg) image,
            clobber_abi("sysv64"),
            options(nostack, preserves_flags));
    }
}

/// rdpkru. Only where the host has enabled protection keys.
pub(crate) unsafe fn rdpkru() -> u32 {
    let pkru;
    // SAFETY: the caller knows that the instruction is enabled; it only reads a register.
    unsafe {
        asm!("rdpkru", in("ecx") 0, out("eax") pkru, out("edx") _, options(nomem, nostack, preserves_flags));
    }
    pkru
}

/// wrpkru. Only where the host has enabled protection keys.
pub(crate) unsafe fn wrpkru(pkru: u32) {
    // SAFETY: the caller knows that the instruction is enabled and what it takes the rights to.
    unsafe {
        asm!("wrpkru", in("ecx") 0, in("eax") pkru, in("edx") 0, options(nostack, preserves_flags));
    }
}

/// Assembles `$code` with the image's address in a register, and names what it may change: the upper halves of the
/// vector registers, zmm16–31 and k are the user's, so only xmm.
macro_rules! with_image {
    ($image:expr, $($code:literal),+) => {
        asm!($($code),+, image = in(reg) $image, xmm = const XMM, block = const BLOCK,
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _,
            out("xmm6") _, out("xmm7") _, out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
            options(nostack, preserves_flags))
    };
}

/// Writes the components in `mask` as a standard-format image, after the xmm of the image have been put where they were
/// when the user left. `mask` includes SSE.
///
/// # Safety
/// The image is a whole one, aligned to 64 bytes; the components in `mask` are enabled.
pub(crate) unsafe fn xsave_bare(image: *mut u8, mask: u64) {
    // SAFETY: the caller's promises; `xsave64` needs the rest of the header to be zero, and reads nothing else.
    unsafe {
        image.add(HEADER).write_bytes(0, MIN_LEN - HEADER);
        asm!(
            ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
            "movaps xmm\\n, [{image} + {xmm} + 16*\\n]", // leaves the upper parts
            ".endr",
            "xsave64 [{image}]",
            image = in(reg) image, xmm = const XMM, in("eax") mask as u32, in("edx") (mask >> 32) as u32,
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _,
            out("xmm6") _, out("xmm7") _, out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
            options(nostack, preserves_flags));
    }
}

/// Loads what of the vector registers a bare kernel does not keep in xmm 0–15, from components of a standard-format
/// image: the upper halves of the ymm from `ymm`, of the zmm from `zmm`, zmm 16–31 from `above` and k from `masks`. What
/// is null becomes zero.
///
/// # Safety
/// What is not null is readable for the length of its component. The processor has the registers of `level`.
pub(crate) unsafe fn load_uppers(
    level: u8,
    ymm: *const u8,
    zmm: *const u8,
    above: *const u8,
    masks: *const u8,
) {
    /// Assembles `$code`, if need be with an address in a register. It changes nothing that the compiler uses.
    macro_rules! uppers {
        ($($code:literal),+) => { asm!($($code),+, options(nostack, preserves_flags)) };
        ($from:ident: $($code:literal),+) => {
            asm!($($code),+, from = in(reg) $from, options(nostack, preserves_flags))
        };
    }
    if level == 0 {
        return;
    }
    // SAFETY: the caller's promises; the code changes upper halves, zmm 16–31 and k only, which the kernel never uses.
    unsafe {
        if ymm.is_null() {
            uppers!("vzeroupper"); // of the zmm, too
        } else {
            uppers!(ymm:
                ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
                "vinsertf128 ymm\\n, ymm\\n, [{from} + 16*\\n], 1", // zero above
                ".endr");
        }
        if level == 1 {
            return;
        }
        if !zmm.is_null() {
            uppers!(zmm:
                ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
                "vinsertf64x4 zmm\\n, zmm\\n, [{from} + 32*\\n], 1",
                ".endr");
        }
        if above.is_null() {
            uppers!(
                ".irp n, 16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
                "vpxord zmm\\n, zmm\\n, zmm\\n",
                ".endr"
            );
        } else {
            uppers!(above:
                ".irp n, 16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
                "vmovups zmm\\n, [{from} + 64*(\\n - 16)]",
                ".endr");
        }
        if masks.is_null() {
            uppers!(".irp n, 0,1,2,3,4,5,6,7", "kxorq k\\n, k\\n, k\\n", ".endr");
        } else {
            uppers!(masks: ".irp n, 0,1,2,3,4,5,6,7", "kmovq k\\n, [{from} + 8*\\n]", ".endr");
        }
    }
}

/// Completes the image of a context that is live after a bare run: the xmm of the image and what is in the processor
/// go to the block, x87 and MXCSR to the image's beginning. `level` as `Anchor::vectors`.
///
/// # Safety
/// The image is a whole one, aligned to 64 bytes, and the processor has the registers of `level`.
pub(crate) unsafe fn store_bare(image: *mut u8, level: u8) {
    // SAFETY: the caller's promises; `options` and operands name what changes.
    unsafe {
        match level {
            0 => with_image!(
                image,
                ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
                "movaps xmm\\n, [{image} + {xmm} + 16*\\n]",
                "movaps [{image} + {block} + 64*\\n], xmm\\n",
                ".endr",
                "fxsave64 [{image}]"
            ),
            1 => with_image!(
                image,
                ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
                "movaps xmm\\n, [{image} + {xmm} + 16*\\n]", // leaves the upper half
                "vmovaps [{image} + {block} + 64*\\n], ymm\\n",
                ".endr",
                "fxsave64 [{image}]"
            ),
            _ => with_image!(
                image,
                ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
                "movaps xmm\\n, [{image} + {xmm} + 16*\\n]",
                "vmovaps [{image} + {block} + 64*\\n], zmm\\n",
                ".endr",
                ".irp n, 16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
                "vmovaps [{image} + {block} + 64*\\n], zmm\\n",
                ".endr",
                ".irp n, 0,1,2,3,4,5,6,7",
                "kmovq [{image} + {block} + 2048 + 8*\\n], k\\n",
                ".endr",
                "fxsave64 [{image}]"
            ),
        }
    }
}

/// The reverse, but for x87 and MXCSR. The entry loads the xmm from the image, so they are put there, too.
///
/// # Safety
/// As [`store_bare`].
pub(crate) unsafe fn load_bare(image: *mut u8, level: u8) {
    // SAFETY: the caller's promises; `options` and operands name what changes.
    unsafe {
        match level {
            0 => with_image!(
                image,
                ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
                "movaps xmm\\n, [{image} + {block} + 64*\\n]",
                "movaps [{image} + {xmm} + 16*\\n], xmm\\n",
                ".endr"
            ),
            1 => with_image!(
                image,
                ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
                "vmovaps ymm\\n, [{image} + {block} + 64*\\n]",
                "movaps [{image} + {xmm} + 16*\\n], xmm\\n",
                ".endr"
            ),
            _ => with_image!(
                image,
                ".irp n, 0,1,2,3,4,5,6,7",
                "kmovq k\\n, [{image} + {block} + 2048 + 8*\\n]",
                ".endr",
                ".irp n, 16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
                "vmovaps zmm\\n, [{image} + {block} + 64*\\n]",
                ".endr",
                ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
                "vmovaps zmm\\n, [{image} + {block} + 64*\\n]",
                "movaps [{image} + {xmm} + 16*\\n], xmm\\n",
                ".endr"
            ),
        }
    }
}
