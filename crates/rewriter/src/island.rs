//! Bytes that nobody executes.
//!
//! Compilers and linkers fill the gap before an aligned address with `nop`s or `int3`. Those bytes are
//! free if control cannot fall into them and nobody jumps to them. The proof here:
//!
//! - the instruction before the gap, at a certain boundary, never lets control go on behind it, and
//!   is the program's own: behind a jump that a patch left, `nop`s may well be alive;
//! - the gap ends at an aligned address and is shorter than that alignment, as only an assembler's
//!   padding is: a function that *begins* with `nop`s begins at an aligned address itself;
//! - no jump that is seen leads into it, nor any out of a trampoline.
//!
//! `nop`s before a loop, reached by falling through, fail the first test. Padding after a call that
//! never returns fails it too, since the call might.
//!
//! Islands are put at a gap's end, so that what is left of it begins behind the same instruction and
//! can be proved free once more.
//!
//! Who calls it: `choose` for islands, `window` for widening a jump's room behind a `ret`.

use iced_x86::{Code as Opcode, Instruction, Mnemonic};

use crate::targets::{Targets, ends_flow};
use crate::{Hints, JUMP_LEN, SYSCALL_LEN};

/// Whether gaps are filled with `insn`.
pub(crate) fn is_filler(insn: &Instruction) -> bool {
    matches!(insn.mnemonic(), Mnemonic::Nop | Mnemonic::Int3)
}

/// The free instructions directly behind the first of `insns`. The end of the gap has to be visible.
pub(crate) fn padding<'a>(insns: &'a [Instruction], hints: &Hints) -> &'a [Instruction] {
    let Some((last, rest)) = insns.split_first() else { return &[] };
    let is_fixed = |insn: &Instruction| hints.is_fixed(insn.ip(), insn.next_ip());
    if !ends_flow(last) || is_fixed(last) {
        return &[];
    }
    let is_island = |insn: &Instruction| insn.code() == Opcode::Jmp_rel32_64 && is_fixed(insn);
    let len = rest.iter().take_while(|insn| is_filler(insn) || is_island(insn)).count();
    let (start, Some(end)) = (last.next_ip(), rest.get(len).map(Instruction::ip)) else { return &[] };
    let is_gap = |align: u64| end.is_multiple_of(align) && end - start < align;
    let entry_of_nops = start.is_multiple_of(16) && rest[0].mnemonic() == Mnemonic::Nop;
    if entry_of_nops || ![8, 16, 32, 64].into_iter().any(is_gap) {
        return &[];
    }
    let free = rest[..len].iter().take_while(|insn| !is_fixed(insn)).count();
    &rest[..free]
}

/// Where an island can be placed.
pub(crate) struct Slot {
    /// The island's first byte.
    pub(crate) start: u64,
    /// The fillers it cuts: from the start of the first to the end of the last.
    pub(crate) cut: (u64, u64),
}

/// The slot nearest to `site` that a short jump there can reach. `insns` are the certain
/// instructions around the site.
pub(crate) fn find(insns: &[Instruction], site: u64, hints: &Hints, targets: &Targets) -> Option<Slot> {
    let origin = site + SYSCALL_LEN;
    let slot = |i: usize| {
        let free = padding(&insns[i..], hints);
        let (start, end) = (free.first()?.ip(), free.last()?.next_ip());
        if targets.any(start, end) || hints.is_led_to(start, end) {
            return None;
        }
        let island = end.checked_sub(JUMP_LEN)?.min(origin + 127);
        if island < start.max(origin.saturating_sub(128)) {
            return None;
        }
        let from = free.iter().rfind(|insn| insn.ip() <= island)?.ip();
        let to = free.iter().find(|insn| insn.next_ip() >= island + JUMP_LEN)?.next_ip();
        Some(Slot { start: island, cut: (from, to) })
    };
    (0..insns.len()).filter_map(slot).min_by_key(|slot| slot.start.abs_diff(origin))
}
