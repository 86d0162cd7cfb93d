//! Who jumps where: the addresses that are, or may be, entered other than by falling through.
//!
//! Three sources are joined:
//! - branches of the decoded instructions, short and long, and `lea reg, [rip + …]`, the way a
//!   computed `goto` gets its label;
//! - a scan of all visible bytes, at every offset, for the long forms of the same. A misread match is
//!   improbable (32 bits must agree) and harmless (a route is refused without need), while a long jump
//!   back from a part of the function that lives elsewhere (`.text.unlikely`) is found;
//! - whether there are jumps through registers or tables, whose targets are not known here.
//!
//! Who calls it: `choose`. The instructions come from `stream`.

use iced_x86::{FlowControl, Instruction, Mnemonic, OpKind};

use crate::{Code, List};

/// Addresses entered by jumps, sorted.
#[derive(Default)]
pub(crate) struct Targets {
    direct: List<u64>,
    /// A jump through a register or a table was seen.
    pub(crate) indirect: bool,
}

impl Targets {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds what `insns` jump to.
    pub(crate) fn add(&mut self, insns: &[Instruction]) {
        for insn in insns {
            if let Some(target) = target(insn) {
                self.direct.push(target);
            }
            self.indirect |= is_indirect(insn);
        }
    }

    /// Adds the targets within `[from, to)` of everything in `code` that reads as a long jump.
    pub(crate) fn scan(&mut self, code: &Code, from: u64, to: u64) {
        // How far the target of a displacement of 0 at the first byte is from `from`. Most matches end
        // at the one comparison: hardly any four bytes lead there.
        let first = code.base.wrapping_add(4).wrapping_sub(from);
        for (i, quad) in code.bytes.windows(4).enumerate().skip(2) {
            let rel = i64::from(i32::from_le_bytes([quad[0], quad[1], quad[2], quad[3]]));
            let offset = first.wrapping_add(i as u64).wrapping_add_signed(rel);
            if offset < to - from && is_long_jump(code.bytes[i - 2], code.bytes[i - 1]) {
                self.direct.push(from + offset);
            }
        }
    }

    /// Makes the list ready to be asked.
    pub(crate) fn finish(mut self) -> Self {
        self.direct.sort_unstable();
        self.direct.dedup();
        self
    }

    /// Whether something jumps to an address in `[from, to)`.
    pub(crate) fn any(&self, from: u64, to: u64) -> bool {
        let first = self.direct.partition_point(|&target| target < from);
        self.direct.get(first).is_some_and(|&target| target < to)
    }
}

/// Whether these two bytes may end the opcode of something that names a place by 32 bits.
fn is_long_jump(before: u8, last: u8) -> bool {
    match before {
        // 0f 8x rel32: jcc
        0x0f if last & 0xf0 == 0x80 => true,
        // 8d /r with mod 00, rm 101: lea reg, [rip + disp32]
        0x8d if last & 0xc7 == 0x05 => true,
        // e8 and e9 rel32: call, jmp
        _ => last & 0xfe == 0xe8,
    }
}

/// The address `insn` may jump to, or hands out as one.
pub(crate) fn target(insn: &Instruction) -> Option<u64> {
    match insn.op0_kind() {
        OpKind::NearBranch64 | OpKind::NearBranch32 | OpKind::NearBranch16 => Some(insn.near_branch_target()),
        _ if insn.mnemonic() == Mnemonic::Lea && insn.is_ip_rel_memory_operand() => {
            Some(insn.ip_rel_memory_address())
        }
        _ => None,
    }
}

/// Whether `insn` jumps to where a register or a table says. `jmp [rip + …]` is not meant: it leaves
/// through one fixed slot, as a call of another library's function does.
pub(crate) fn is_indirect(insn: &Instruction) -> bool {
    insn.flow_control() == FlowControl::IndirectBranch && !insn.is_ip_rel_memory_operand()
}

/// Whether control never goes on behind `insn`. A call is not counted, though some never return.
pub(crate) fn ends_flow(insn: &Instruction) -> bool {
    match insn.flow_control() {
        FlowControl::UnconditionalBranch | FlowControl::IndirectBranch | FlowControl::Return => true,
        _ => matches!(insn.mnemonic(), Mnemonic::Ud2 | Mnemonic::Hlt),
    }
}

/// Of `insns`, those that may belong to the function around `site`: functions begin where they are
/// called. One that is not called from here counts as part of the one before it.
pub(crate) fn function_around(insns: &[Instruction], site: u64) -> &[Instruction] {
    let is_start = |target: u64| {
        let at = insns.partition_point(|insn| insn.ip() < target);
        // A call to the next instruction, say to learn `rip`, is reached by falling through too.
        let falls_in = at > 0 && !ends_flow(&insns[at - 1]) && insns[at - 1].mnemonic() != Mnemonic::Nop;
        insns.get(at).is_some_and(|insn| insn.ip() == target) && !falls_in
    };
    let (mut from, mut to) = (0, u64::MAX);
    for insn in insns.iter().filter(|insn| insn.flow_control() == FlowControl::Call) {
        match target(insn) {
            Some(target) if target <= site && target > from && is_start(target) => from = target,
            Some(target) if target > site && target < to && is_start(target) => to = target,
            _ => {}
        }
    }
    let first = insns.partition_point(|insn| insn.ip() < from);
    let end = insns.partition_point(|insn| insn.ip() < to);
    &insns[first..end]
}
