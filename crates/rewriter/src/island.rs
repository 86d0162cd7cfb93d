//! Bytes that nobody executes.
//!
//! Compilers and linkers fill the gap before an aligned address with `nop`s or `int3`. Those bytes are
//! free if control cannot fall into them and nobody jumps to them. The proof here:
//!
//! - the instruction before the run, at a certain boundary, never lets control go on behind it;
//! - the run ends at an aligned address and is shorter than that alignment, as only an assembler's
//!   padding is: a function that *begins* with `nop`s begins at an aligned address itself;
//! - no jump that is seen leads into it.
//!
//! `nop`s before a loop, reached by falling through, fail the first test. Padding after a call that
//! never returns fails it too, since the call might.
//!
//! Who calls it: `choose` for islands, `window` for widening a jump's room behind a `ret`.

use iced_x86::{Instruction, Mnemonic};

use crate::targets::{Targets, ends_flow};
use crate::{Hints, JUMP_LEN, SYSCALL_LEN};

/// Whether the gap between code may be filled with `insn`.
fn is_filler(insn: &Instruction) -> bool {
    matches!(insn.mnemonic(), Mnemonic::Nop | Mnemonic::Int3)
}

/// The padding directly behind the first of `insns`: how many instructions it has. The run's end has
/// to be visible.
pub(crate) fn padding(insns: &[Instruction]) -> &[Instruction] {
    let Some((last, rest)) = insns.split_first() else { return &[] };
    let len = rest.iter().take_while(|insn| is_filler(insn)).count();
    let (start, Some(end)) = (last.next_ip(), rest.get(len).map(Instruction::ip)) else { return &[] };
    let is_gap = |align: u64| end.is_multiple_of(align) && end - start < align;
    let entry_of_nops = start.is_multiple_of(16) && rest[0].mnemonic() == Mnemonic::Nop;
    if ends_flow(last) && !entry_of_nops && [8, 16, 32, 64].into_iter().any(is_gap) {
        &rest[..len]
    } else {
        &[]
    }
}

/// Where an island can be placed: five free bytes, and the end of the last instruction they cut.
pub(crate) struct Slot {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// The slot nearest to `site` that a short jump there can reach. `insns` are the certain
/// instructions around the site.
pub(crate) fn find(insns: &[Instruction], site: u64, hints: &Hints, targets: &Targets) -> Option<Slot> {
    let origin = site + SYSCALL_LEN;
    let mut best: Option<(u64, Slot)> = None;
    for i in 0..insns.len() {
        let run = padding(&insns[i..]);
        let Some(run_end) = run.last().map(Instruction::next_ip) else { continue };
        for filler in run {
            let start = filler.ip();
            if i8::try_from(start.wrapping_sub(origin).cast_signed()).is_err() || start + JUMP_LEN > run_end {
                continue;
            }
            let cut = run.iter().find(|insn| insn.next_ip() >= start + JUMP_LEN);
            let end = cut.map_or(run_end, Instruction::next_ip);
            if hints.is_fixed(start, end) || targets.any(start, end) {
                continue;
            }
            let distance = start.abs_diff(origin);
            if best.as_ref().is_none_or(|(nearest, _)| distance < *nearest) {
                best = Some((distance, Slot { start, end }));
            }
        }
    }
    best.map(|(_, slot)| slot)
}
