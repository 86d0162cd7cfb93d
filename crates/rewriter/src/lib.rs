//! Decides how a trapped `syscall` instruction becomes a jump: bytes in, patch out.
//!
//! This crate never reads or writes memory by itself. The caller hands in the bytes around a site
//! ([`Code`]) and what it knows of them ([`Hints`]); [`plan`] answers with the trampoline to place and
//! the stores to make ([`Patch`]), or says why the site has to stay a trap ([`Refusal`]). A refused
//! site is correct, only slower. Placing trampolines, making pages writable, stopping other threads
//! and the memory barriers are the caller's business.
//!
//! # What a patched site does
//!
//! ```text
//!   program                              trampoline
//!   …                                    [instructions moved from before the site]
//!   mov eax, 39     →  jmp ───────────►  lea rcx, [resume]
//!   syscall            (still there)     jmp  qword ptr [entry]        ──► kernel
//!   cmp rax, -4095  ◄────────────────────────────────────────────────────  jmp rcx
//! ```
//!
//! The kernel is entered by a jump with `rcx` = the address to go on at, `r11` free to be overwritten,
//! and every other register, the flags and the stack as the program had them at `syscall`. That is the
//! *jump entry*: `rcx` and `r11` are lost to the instruction itself anyway, and neither the stack nor
//! the red zone below it is touched.
//!
//! `rcx` is the address after the original instruction wherever that address still holds the original
//! code (routes [`Route::Island`], [`Route::MovBefore`], [`Route::Preceding`]). Where the code after the
//! site had to move ([`Route::Following`], [`Route::Around`]) it is the address of the moved copy, which
//! begins by loading the original address into `rcx`, so that the program sees what Linux would show.
//! **In every route the two bytes before `rcx` make the call again**, as on Linux: a kernel may restart
//! a call by resuming at `rcx - 2` with the old `rax`.
//!
//! # What is assumed, and what is proved
//!
//! The site is an instruction: the processor trapped there. Everything else is decoded, see `stream`
//! (where instructions before the site begin), `targets` (who jumps where) and `island` (which bytes
//! nobody executes). An instruction is overwritten only if it is certain where it begins; several
//! instructions are overwritten by one jump only if nothing jumps to the second or a later one.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod choose;
mod island;
mod patch;
mod relocate;
mod stream;
mod targets;
mod trampoline;
mod window;

use alloc::vec::Vec;
use core::fmt;

pub use choose::{plan, plan_without_stop};
pub use patch::{Patch, State, Store, Write, jump_target};
pub use stream::instruction_starts;
pub use trampoline::trampoline_max_len;

/// Bytes of a program as they are in memory now.
///
/// The more of the surroundings is visible, the more can be proved: give the whole function and some
/// 4 KiB on each side of the site where the mapping allows it. Less is safe, never wrong: a route whose
/// proof needs bytes that are not visible is refused.
#[derive(Clone, Copy, Debug)]
pub struct Code<'a> {
    /// Address of the first byte.
    pub base: u64,
    /// The bytes.
    pub bytes: &'a [u8],
}

impl<'a> Code<'a> {
    /// Address after the last byte.
    pub fn end(&self) -> u64 {
        self.base.saturating_add(self.bytes.len() as u64)
    }

    /// The bytes from `addr` on, if `addr` is visible.
    pub(crate) fn from(&self, addr: u64) -> Option<&'a [u8]> {
        let offset = usize::try_from(addr.checked_sub(self.base)?).ok()?;
        self.bytes.get(offset..)
    }

    /// The `len` bytes at `addr`, if all of them are visible.
    pub(crate) fn get(&self, addr: u64, len: usize) -> Option<&'a [u8]> {
        self.from(addr)?.get(..len)
    }
}

/// What the caller knows of the site and the function around it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hints<'a> {
    /// First byte and end (exclusive) of the function, from `.eh_frame` or a symbol table.
    pub function: Option<(u64, u64)>,
    /// `rax` at the trap.
    pub rax: u64,
    /// Ranges (start, end exclusive) never to touch: already patched, or known to be data. An empty
    /// range `(a, a)` says that something leads to `a` that cannot be seen in the code: a jump may be
    /// put at `a`, but not over it from before.
    pub fixed: &'a [(u64, u64)],
}

impl Hints<'_> {
    /// Whether `[start, end)` meets a range that must not be touched.
    pub(crate) fn is_fixed(&self, start: u64, end: u64) -> bool {
        self.fixed.iter().any(|&(from, to)| from < end && start < to)
    }

    /// Whether something unseen leads to an address in `[start, end)`.
    pub(crate) fn is_led_to(&self, start: u64, end: u64) -> bool {
        self.fixed.iter().any(|&(from, to)| from == to && (start..end).contains(&from))
    }
}

/// How the site was turned into a jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Route {
    /// The two bytes of `syscall` jump to unused bytes nearby, which jump to the trampoline.
    Island,
    /// A `mov eax, imm` before the site became the jump; `syscall` stays for whoever jumps to it.
    MovBefore,
    /// Other instructions before the site became the jump; `syscall` stays.
    Preceding,
    /// `syscall` and instructions after it became the jump.
    Following,
    /// Instructions on both sides of `syscall` and itself became the jump.
    Around,
}

/// Why a site has to stay a trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no `syscall` instruction at the site, or it has prefixes.
    NotSyscall,
    /// The site, or every place a jump could go, is in a range that must not be touched.
    Fixed,
    /// The trampoline, or what a moved instruction refers to, is more than 2 GiB away.
    OutOfReach,
    /// Too few bytes are visible.
    Cut,
    /// Bytes around the site are no instructions.
    Undecodable,
    /// It is not certain where the instructions before the site begin.
    NoBoundary,
    /// No five bytes could be found.
    NoRoom,
    /// An instruction that would have to move means something else at another address.
    NotPositionIndependent,
    /// Only with all other threads stopped ([`plan_without_stop`] says so).
    NeedsStop,
    /// A jump of the function lands inside the bytes.
    BranchTarget,
    /// The function has jumps whose targets are unknown; one might land inside the bytes.
    IndirectBranch,
    /// `rax` at the trap is not what the instructions before the site load: the program got to the
    /// site another way.
    OtherPath,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::NotSyscall => "no syscall instruction at the site",
            Refusal::Fixed => "bytes must not be touched",
            Refusal::OutOfReach => "trampoline or operand out of reach",
            Refusal::Cut => "too few bytes visible",
            Refusal::Undecodable => "neighbours cannot be decoded",
            Refusal::NoBoundary => "instruction boundaries before the site are uncertain",
            Refusal::NoRoom => "no room for a jump",
            Refusal::NotPositionIndependent => "neighbours cannot be moved",
            Refusal::NeedsStop => "other threads would have to be stopped",
            Refusal::BranchTarget => "a jump lands inside the bytes",
            Refusal::IndirectBranch => "a jump of unknown target might land inside the bytes",
            Refusal::OtherPath => "the program reached the site another way",
        })
    }
}

impl core::error::Error for Refusal {}

/// Old and new address of an instruction that was moved.
pub type Moved = (u64, u64);

/// A short list of addresses or ranges.
pub(crate) type List<T> = Vec<T>;

/// Length of the `syscall` instruction in bytes.
pub(crate) const SYSCALL_LEN: u64 = 2;

/// Length of `jmp rel32` in bytes.
pub(crate) const JUMP_LEN: u64 = 5;
