//! Which instructions make room for a five-byte jump.
//!
//! A jump may take the place of any instruction in the straight line that leads to the site, or of
//! the site itself. The trampoline then does everything from there up to the site. Only what the five
//! bytes touch is overwritten; what lies between them and the site stays as it is, for whoever jumps
//! there.
//!
//! Who calls it: `choose`, which rates the windows and proves that nobody jumps into them.

use alloc::vec::Vec;

use iced_x86::{Code as Opcode, Instruction, Mnemonic, Register};

use crate::island::{is_filler, padding};
use crate::targets::ends_flow;
use crate::{Hints, JUMP_LEN, List, Refusal, Route, SYSCALL_LEN};

/// How many bytes before the site a jump may be. Everything between is done by the trampoline, so
/// that this bounds its length.
const FARTHEST: u64 = 48;

/// One place for a jump.
pub(crate) struct Window<'a> {
    /// Instructions from the jump to the site: done by the trampoline before the call.
    pub(crate) before: &'a [Instruction],
    /// Instructions behind the site that are overwritten: done after it.
    pub(crate) behind: &'a [Instruction],
    /// Where the jump goes.
    pub(crate) start: u64,
    /// End of the overwritten instructions (and padding).
    pub(crate) end: u64,
    /// An overwritten instruction besides the first one.
    pub(crate) second: Option<u64>,
}

impl Window<'_> {
    pub(crate) fn route(&self, site: u64) -> Route {
        match self.before {
            _ if self.end > site && self.start == site => Route::Following,
            _ if self.end > site => Route::Around,
            [first, ..] if is_mov_eax(first) => Route::MovBefore,
            _ => Route::Preceding,
        }
    }

    /// Whether the trampoline would load something into `rax` that was not there at the trap. Then
    /// the program came another way, which this window would not catch.
    pub(crate) fn contradicts(&self, hints: &Hints) -> bool {
        let mut rax = None;
        for insn in self.before {
            if let Some(value) = loads_rax(insn) {
                rax = Some(value);
            } else if may_write_rax(insn) {
                rax = None;
            }
        }
        rax.is_some_and(|rax| rax != hints.rax)
    }
}

/// `mov eax, imm32` or `mov rax, simm32`.
fn is_mov_eax(insn: &Instruction) -> bool {
    matches!(insn.code(), Opcode::Mov_r32_imm32 | Opcode::Mov_rm64_imm32)
        && matches!(insn.op0_register(), Register::EAX | Register::RAX)
}

/// The constant that `insn` puts into `rax`.
fn loads_rax(insn: &Instruction) -> Option<u64> {
    let cleared = insn.mnemonic() == Mnemonic::Xor
        && insn.op0_register() == insn.op1_register()
        && matches!(insn.op0_register(), Register::EAX | Register::RAX);
    if is_mov_eax(insn) { Some(insn.immediate(1)) } else { cleared.then_some(0) }
}

/// Whether `insn` might change `rax`. Errs on that side: operations on one operand or none may have
/// `rax` as an implied one.
fn may_write_rax(insn: &Instruction) -> bool {
    let is_rax = |register: Register| register.full_register() == Register::RAX;
    insn.op_count() < 2
        || is_rax(insn.op0_register())
        || is_rax(insn.op1_register())
        || insn.mnemonic() == Mnemonic::Cmpxchg
}

/// All windows around `site`, given the certain instructions before it and those behind it; and why
/// the others are none.
pub(crate) fn windows<'a>(
    before: &'a [Instruction],
    behind: &'a [Instruction],
    site: u64,
    hints: &Hints,
) -> (List<Window<'a>>, Refusal) {
    let mut windows = Vec::new();
    let mut why = if before.is_empty() { Refusal::NoBoundary } else { Refusal::NoRoom };
    let flows = |insn: &&Instruction| !ends_flow(insn);
    let straight = before.len() - before.iter().rev().take_while(flows).count();
    // What fills the gap behind an earlier jump is not on the way to the site.
    let gap = before[straight..].iter().take_while(|insn| is_filler(insn)).count();
    let first = if straight > 0 { straight + gap } else { 0 };
    let in_reach = before[first..].iter().rev().take_while(|insn| site - insn.ip() <= FARTHEST);
    for count in 0..=in_reach.count() {
        match window(&before[before.len() - count..], behind, site, hints) {
            Ok(window) => windows.push(window),
            Err(refusal) => why = refusal,
        }
    }
    (windows, why)
}

/// The window that begins with the first of `before`, or with the site if there is none.
fn window<'a>(
    before: &'a [Instruction],
    behind: &'a [Instruction],
    site: u64,
    hints: &Hints,
) -> Result<Window<'a>, Refusal> {
    let start = before.first().map_or(site, Instruction::ip);
    let needed = start + JUMP_LEN;
    if needed <= site {
        let mut overwritten = before.iter().take_while(|insn| insn.ip() < needed);
        let first_end = overwritten.next().map_or(site, Instruction::next_ip);
        let end = overwritten.last().map_or(first_end, Instruction::next_ip);
        let second = (first_end < needed).then_some(first_end);
        return Ok(Window { before, behind: &[], start, end, second });
    }
    let second = Some(before.first().map_or(site + SYSCALL_LEN, Instruction::next_ip));
    let mut end = site + SYSCALL_LEN;
    let mut count = 0;
    while end < needed {
        let insn = behind.get(count).ok_or(Refusal::Undecodable)?;
        count += 1;
        end = insn.next_ip();
        if ends_flow(insn) {
            if end < needed {
                end = padding(&behind[count - 1..], hints).last().map_or(end, Instruction::next_ip);
            }
            break;
        }
    }
    if end < needed {
        return Err(Refusal::NoRoom);
    }
    Ok(Window { before, behind: &behind[..count], start, end, second })
}
