//! A user program with all its state: general registers, the last fault, extended state. What moves the extended
//! state between the context and the processor is in `xstate`; what enters it is in `run`.

use core::mem::offset_of;

use super::anchor::{Switching, current_anchor};
use super::regs::UserContext;
use super::xstate::Image;

/// What a trap says beyond its number: the interesting part of the host's `siginfo_t`.
#[repr(C)]
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Page fault: the address that was accessed. System call by SIGSYS: the address after the instruction.
    pub addr: usize,
    /// The host's signal, for instance SIGSEGV or SIGBUS; 0 after a system call by an entry.
    pub signo: i32,
    /// The host's `si_code`, for instance SEGV_ACCERR or BUS_ADRERR.
    pub code: i32,
    /// SIGSYS only: `si_arch`. Not `AUDIT_ARCH_X86_64` (0xc000003e) after `int 0x80`.
    pub arch: u32,
}

/// Where the extended state of a context is.
#[repr(u8)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// All of it in the image, in standard format; the protection keys in `pkru`.
    Image,
    /// All of it here: the vector registers in the form of `xstate::BLOCK`, in place of the image's extended part; x87
    /// and MXCSR in the image; the protection keys in `pkru`.
    Parked,
    /// After a bare run: 16 xmm in the image, the rest in the processor of the thread that ran it.
    Bare,
    /// After a hosted run: the vector registers as in `Parked`; MXCSR and the x87 control word in the image; the rest
    /// (protection keys) in the processor. The x87 registers are in the image if `x87_in_image`, else in the processor,
    /// and then their control word is the usual one.
    Hosted,
}

impl Place {
    pub(crate) fn is_live(self) -> bool {
        matches!(self, Place::Bare | Place::Hosted)
    }
}

/// A user program between two runs, with its extended state (vector, x87 and other XSAVE components).
///
/// After a run a part of the extended state may still be in the processor. [`Context::detach`] brings it home;
/// until then the context must stay at its address and on its thread. Cloning on that thread needs no detach.
///
/// ```text
///     0  UserContext: 20 general registers, trap_num, error_code
///   176  Fault, via_trap, where the extended state is, protection keys
///   256  XSAVE image, standard format: x87 and SSE at 0, header at 512, the rest from 576
///  3072
/// ```
#[repr(C, align(64))]
pub struct Context {
    /// General registers and the reason of the return.
    pub user: UserContext,
    /// More about the trap.
    pub fault: Fault,
    /// Whether the system call came by SIGSYS instead of an entry. `rip` is then after the instruction, and the
    /// site may be worth a patch.
    pub via_trap: bool,
    pub(crate) place: Place,
    /// See [`Place::Hosted`].
    pub(crate) x87_in_image: bool,
    /// The protection keys of a context that is not live.
    pub(crate) pkru: u32,
    pub(crate) image: Image,
}

const _: () = assert!(offset_of!(Context, user) == 0);
const _: () = assert!(offset_of!(Context, image) == 256);

impl Context {
    /// A fresh program: all registers zero, the extended state as the processor initialises it.
    pub const fn new() -> Self {
        Context {
            user: UserContext {
                general: super::regs::GeneralRegs {
                    rax: 0,
                    rbx: 0,
                    rcx: 0,
                    rdx: 0,
                    rsi: 0,
                    rdi: 0,
                    rbp: 0,
                    rsp: 0,
                    r8: 0,
                    r9: 0,
                    r10: 0,
                    r11: 0,
                    r12: 0,
                    r13: 0,
                    r14: 0,
                    r15: 0,
                    rip: 0,
                    rflags: 0,
                    fsbase: 0,
                    gsbase: 0,
                },
                trap_num: 0,
                error_code: 0,
            },
            fault: Fault { addr: 0, signo: 0, code: 0, arch: 0 },
            via_trap: false,
            place: Place::Image,
            x87_in_image: false,
            pkru: 0,
            image: Image::new(),
        }
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for Context {
    /// A self-contained copy, as `fork` needs it. The original stays as it is.
    ///
    /// # Panics
    /// If the extended state is in the processor of another thread.
    fn clone(&self) -> Self {
        let live_on = current_anchor().filter(|_| self.place.is_live());
        let _switching = live_on.map(Switching::on);
        if self.place.is_live() {
            self.assert_here();
        }
        let mut copy = Context { image: self.image.clone(), ..*self };
        copy.collect();
        copy
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // Else the next run of another context would save the live state to a context that is gone.
        if self.place.is_live()
            && let Some(anchor) = current_anchor()
        {
            anchor.forget(self);
        }
    }
}

impl core::fmt::Debug for Context {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Context")
            .field("user", &self.user)
            .field("fault", &self.fault)
            .field("via_trap", &self.via_trap)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}
