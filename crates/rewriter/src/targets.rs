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
/// called, or with `endbr64` behind a gap. One that does neither counts as part of the one before it.
pub(crate) fn function_around(insns: &[Instruction], site: u64) -> &[Instruction] {
    let index_of = |at: u64| insns.partition_point(|insn| insn.ip() < at);
    // A call to the next instruction, say to learn `rip`, is reached by falling through too.
    let falls_in = |i: usize| i > 0 && !ends_flow(&insns[i - 1]) && insns[i - 1].mnemonic() != Mnemonic::Nop;
    let start = |insn: &Instruction| match insn.flow_control() {
        FlowControl::Call => target(insn),
        _ if insn.mnemonic() == Mnemonic::Endbr64 && insn.ip().is_multiple_of(16) => Some(insn.ip()),
        _ => None,
    };
    let (mut from, mut to) = (0, u64::MAX);
    for start in insns.iter().filter_map(start) {
        let i = index_of(start);
        if insns.get(i).is_none_or(|insn| insn.ip() != start) || falls_in(i) {
            continue;
        }
        if start <= site {
            from = from.max(start);
        } else {
            to = to.min(start);
        }
    }
    &insns[index_of(from)..index_of(to)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream;

    #[test]
    fn functions_begin_where_they_are_called() {
        // 0x1000: call 0x1010; jmp rax; padding to 0x1010: xor eax, eax; ret; padding to 0x1020: endbr64;
        // jmp rax
        let mut bytes = alloc::vec![0xe8, 0x0b, 0, 0, 0, 0xff, 0xe0];
        bytes.resize(16, 0x90);
        bytes.extend([0x31, 0xc0, 0xc3]);
        bytes.resize(32, 0x90);
        bytes.extend([0xf3, 0x0f, 0x1e, 0xfa, 0xff, 0xe0]);
        let code = Code { base: 0x1000, bytes: &bytes };
        let insns = stream::after(&code, 0x1000, u64::MAX);
        let bounds = |site| {
            let function = function_around(&insns, site);
            (function.first().unwrap().ip(), function.iter().any(is_indirect))
        };
        assert_eq!(bounds(0x1005), (0x1000, true));
        assert_eq!(bounds(0x1012), (0x1010, false));
        assert_eq!(bounds(0x1024), (0x1020, true));
    }

    #[test]
    fn long_jumps_are_found_at_any_offset() {
        let mut bytes = alloc::vec![0x90; 64];
        // An immediate that holds a jump: code seldom does, a boundary that was missed might.
        bytes[7..12].copy_from_slice(&[0xe9, 0x14, 0, 0, 0]);
        bytes[40..46].copy_from_slice(&[0x0f, 0x85, 0xf6, 0xff, 0xff, 0xff]);
        let mut targets = Targets::new();
        targets.scan(&Code { base: 0x1000, bytes: &bytes }, 0x1010, 0x1030);
        let targets = targets.finish();
        assert!(targets.any(0x1020, 0x1021) && !targets.any(0x1021, 0x1024));
        assert_eq!(targets.direct, [0x1020, 0x1024]);
    }
}
