//! The assembly of the switch and what Rust knows about it: one block, so that all routines share macros and lie
//! next to each other. `enter.s` is the way in, `exit.s` the way out, `signal.s` the frame around the signal
//! handler. Called by `run`; `signal` compares addresses with the labels.

use core::arch::global_asm;
use core::mem::offset_of;

use super::anchor::{self, Anchor};
use super::context::Context;
use super::regs::{GeneralRegs, TRAP_SYSCALL, UserContext};
use super::signal::on_signal;
use super::xstate;

pub(crate) const TF: usize = 1 << 8;
pub(crate) const DF: usize = 1 << 10;
pub(crate) const NT: usize = 1 << 14;
pub(crate) const AC: usize = 1 << 18;
pub(crate) const ID: usize = 1 << 21;

/// Flags that only `iretq` loads.
pub(crate) const SLOW_FLAGS: usize = TF | DF | NT | AC | ID;
/// Flags the kernel must not run with.
pub(crate) const UNWANTED_FLAGS: usize = TF | DF | NT | AC | ID;
/// Flags a user may have: CF PF AF ZF SF TF DF OF NT RF AC ID.
pub(crate) const USER_FLAGS: usize = 0x0025_4dd5;

const _: () = assert!(size_of::<GeneralRegs>() == 160);
const _: () = assert!(size_of::<UserContext>() == 176);

global_asm!(
    ".pushsection .text.fncall, \"ax\", @progbits",
    include_str!("enter.s"),
    include_str!("exit.s"),
    include_str!("signal.s"),
    ".popsection",
    THIS = const offset_of!(Anchor, this),
    KERNEL_RSP = const offset_of!(Anchor, kernel_rsp),
    CURRENT = const offset_of!(Anchor, current),
    FAST_BARE = const offset_of!(Anchor, fast_bare),
    FAST_HOSTED = const offset_of!(Anchor, fast_hosted),
    VECTORS = const offset_of!(Anchor, vectors),
    NO_FSGSBASE = const offset_of!(Anchor, no_fsgsbase),
    KERNEL_FSBASE = const offset_of!(Anchor, kernel_fsbase),
    ANCHOR_RIP = const offset_of!(Anchor, rip),
    SCRATCH = const offset_of!(Anchor, scratch),
    MODE = const offset_of!(Anchor, mode),
    IN_KERNEL = const anchor::IN_KERNEL,
    IN_USER = const anchor::IN_USER,
    SWITCHING = const anchor::SWITCHING,
    CALL_ENTRY = const offset_of!(Anchor, call_entry),
    IRET = const offset_of!(Anchor, iret),
    RAX = const offset_of!(GeneralRegs, rax),
    RBX = const offset_of!(GeneralRegs, rbx),
    RCX = const offset_of!(GeneralRegs, rcx),
    RDX = const offset_of!(GeneralRegs, rdx),
    RSI = const offset_of!(GeneralRegs, rsi),
    RDI = const offset_of!(GeneralRegs, rdi),
    RBP = const offset_of!(GeneralRegs, rbp),
    RSP = const offset_of!(GeneralRegs, rsp),
    R8 = const offset_of!(GeneralRegs, r8),
    R9 = const offset_of!(GeneralRegs, r9),
    R10 = const offset_of!(GeneralRegs, r10),
    R11 = const offset_of!(GeneralRegs, r11),
    R12 = const offset_of!(GeneralRegs, r12),
    R13 = const offset_of!(GeneralRegs, r13),
    R14 = const offset_of!(GeneralRegs, r14),
    R15 = const offset_of!(GeneralRegs, r15),
    RIP = const offset_of!(GeneralRegs, rip),
    RFLAGS = const offset_of!(GeneralRegs, rflags),
    FSBASE = const offset_of!(GeneralRegs, fsbase),
    TRAP_NUM = const offset_of!(UserContext, trap_num),
    ERROR_CODE = const offset_of!(UserContext, error_code),
    VIA_TRAP = const offset_of!(Context, via_trap),
    X87_IN_IMAGE = const offset_of!(Context, x87_in_image),
    XMM = const offset_of!(Context, image) + xstate::XMM,
    IMAGE = const offset_of!(Context, image),
    FCW = const offset_of!(Context, image) + xstate::FCW,
    MXCSR = const offset_of!(Context, image) + xstate::MXCSR,
    BLOCK = const offset_of!(Context, image) + xstate::BLOCK,
    TRAP_SYSCALL = const TRAP_SYSCALL,
    SLOW_FLAGS = const SLOW_FLAGS,
    UNWANTED_FLAGS = const UNWANTED_FLAGS,
    USER_FLAGS = const USER_FLAGS,
    ON_SIGNAL = sym on_signal,
);

unsafe extern "C" {
    /// The call entry: what a program *calls* where it would have executed `syscall`. Keeps every register.
    /// Not to be called by the kernel.
    pub fn syscall_fn_entry();
    fn fncall_jump_entry_bare();
    fn fncall_jump_entry_hosted();

    pub(crate) fn fncall_enter_bare();
    pub(crate) fn fncall_enter_bare_iret();
    pub(crate) fn fncall_enter_hosted();
    pub(crate) fn fncall_enter_hosted_iret();
    pub(crate) fn fncall_call_entry_bare();
    pub(crate) fn fncall_call_entry_hosted();
    pub(crate) fn fncall_exit_tail();
    pub(crate) fn fncall_signal_entry();
    pub(crate) fn fncall_restorer();

    static fncall_enter_bare_check: u8;
    static fncall_enter_bare_end: u8;
    static fncall_enter_bare_iret_check: u8;
    static fncall_enter_bare_iret_end: u8;
    static fncall_enter_hosted_check: u8;
    static fncall_enter_hosted_end: u8;
    static fncall_enter_hosted_iret_check: u8;
    static fncall_enter_hosted_iret_end: u8;
    static fncall_jump_entry_bare_begin: u8;
    static fncall_jump_entry_bare_end: u8;
    static fncall_jump_entry_hosted_begin: u8;
    static fncall_jump_entry_hosted_end: u8;
    static fncall_call_entry_bare_begin: u8;
    static fncall_call_entry_bare_end: u8;
    static fncall_call_entry_hosted_begin: u8;
    static fncall_call_entry_hosted_end: u8;
    static fncall_text_start: u8;
    static fncall_text_end: u8;
}

/// The address of the jump entry for freestanding kernels ([`Context::run_bare`]). A program *jumps* there with
/// `rcx` = the address to go on at; `r11` is lost; nothing is read from or written to its stack.
pub fn jump_entry_addr_bare() -> usize {
    fncall_jump_entry_bare as *const () as usize
}

/// The address of the jump entry for programs with a C library ([`Context::run`]). The contract is that of
/// [`jump_entry_addr_bare`].
pub fn jump_entry_addr_hosted() -> usize {
    fncall_jump_entry_hosted as *const () as usize
}

/// Where in the assembly an instruction pointer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The user is about to be entered; nothing but the anchor has been written.
    Entering,
    /// The user has left by a call entry, and the return address is in the anchor. Nothing else has happened.
    Popped,
    /// The user has left and the context is half written.
    Leaving,
    /// At a jump entry: still the user, with all registers of a system call.
    JumpEntry,
    /// Anywhere else.
    Elsewhere,
}

/// Classifies `rip`.
pub(crate) fn place_of(rip: usize) -> Place {
    macro_rules! within {
        ($from:ident, $to:ident) => {
            (&raw const $from as usize..&raw const $to as usize).contains(&rip)
        };
    }
    if !within!(fncall_text_start, fncall_text_end) {
        return Place::Elsewhere;
    }
    if within!(fncall_enter_bare_check, fncall_enter_bare_end)
        || within!(fncall_enter_bare_iret_check, fncall_enter_bare_iret_end)
        || within!(fncall_enter_hosted_check, fncall_enter_hosted_end)
        || within!(fncall_enter_hosted_iret_check, fncall_enter_hosted_iret_end)
    {
        return Place::Entering;
    }
    if rip == jump_entry_addr_bare() || rip == jump_entry_addr_hosted() {
        return Place::JumpEntry;
    }
    if rip == &raw const fncall_call_entry_bare_begin as usize
        || rip == &raw const fncall_call_entry_hosted_begin as usize
    {
        return Place::Popped;
    }
    if within!(fncall_jump_entry_bare_begin, fncall_jump_entry_bare_end)
        || within!(fncall_jump_entry_hosted_begin, fncall_jump_entry_hosted_end)
        || within!(fncall_call_entry_bare_begin, fncall_call_entry_bare_end)
        || within!(fncall_call_entry_hosted_begin, fncall_call_entry_hosted_end)
    {
        return Place::Leaving;
    }
    Place::Elsewhere
}
