//! One instruction at another address.
//!
//! Most instructions are copied as they are. Relative branches get their long form, displacements
//! relative to `rip` are adjusted. What would mean something else elsewhere, or whose address is seen
//! by others (a call's return address, a fault that programs provoke on purpose), is refused.
//!
//! Who calls it: `trampoline`.

use alloc::vec::Vec;

use iced_x86::{FlowControl, Instruction, Mnemonic, Register};

use crate::{Code, Refusal, stream::Reader};

/// Appends to `out`, whose first byte will be at `start`, what does at that place what `insn` does
/// where it is.
pub(crate) fn relocate(
    code: &Code,
    insn: &Instruction,
    out: &mut Vec<u8>,
    start: u64,
) -> Result<(), Refusal> {
    match insn.flow_control() {
        FlowControl::Next => copy(code, insn, out, start),
        FlowControl::UnconditionalBranch => {
            out.push(0xe9);
            relative(insn.near_branch_target(), out, start)
        }
        FlowControl::ConditionalBranch if insn.is_jcc_short_or_near() => {
            // `ConditionCode` counts from 1 in the processor's own order; 0 is "none".
            let condition = (insn.condition_code() as u8).wrapping_sub(1);
            out.extend([0x0f, 0x80 | (condition & 0xf)]);
            relative(insn.near_branch_target(), out, start)
        }
        FlowControl::IndirectBranch => copy(code, insn, out, start),
        FlowControl::Return if insn.mnemonic() == Mnemonic::Ret => copy(code, insn, out, start),
        _ => Err(Refusal::NotPositionIndependent),
    }
}

/// Appends `target` as a 32-bit displacement that ends its instruction.
pub(crate) fn relative(target: u64, out: &mut Vec<u8>, start: u64) -> Result<(), Refusal> {
    let next = start.wrapping_add(out.len() as u64 + 4);
    out.extend(displacement(target, next)?.to_le_bytes());
    Ok(())
}

/// The distance from `next`, where the instruction ends, to `target`.
pub(crate) fn displacement(target: u64, next: u64) -> Result<i32, Refusal> {
    i32::try_from(target.wrapping_sub(next).cast_signed()).map_err(|_| Refusal::OutOfReach)
}

fn copy(code: &Code, insn: &Instruction, out: &mut Vec<u8>, start: u64) -> Result<(), Refusal> {
    // `endbr64` marks a place that is jumped to from afar; `hlt` faults on purpose.
    if matches!(insn.mnemonic(), Mnemonic::Endbr64 | Mnemonic::Endbr32 | Mnemonic::Hlt | Mnemonic::Int3) {
        return Err(Refusal::NotPositionIndependent);
    }
    let bytes = code.get(insn.ip(), insn.len()).ok_or(Refusal::Cut)?;
    let first = out.len();
    out.extend_from_slice(bytes);
    if insn.is_ip_rel_memory_operand() {
        if insn.memory_base() != Register::RIP {
            return Err(Refusal::NotPositionIndependent);
        }
        let mut reader = Reader::new(code);
        reader.at(insn.ip()).ok_or(Refusal::Cut)?;
        let offset = reader.displacement32(insn).ok_or(Refusal::NotPositionIndependent)?;
        let next = start.wrapping_add(out.len() as u64);
        let field = out.get_mut(first + offset..first + offset + 4).ok_or(Refusal::Undecodable)?;
        field.copy_from_slice(&displacement(insn.ip_rel_memory_address(), next)?.to_le_bytes());
    }
    Ok(())
}
