//! A small program in a byte vector, patches applied to it, and a walk that shows what it would
//! execute. Used by the tests of the routes, of real binaries and of random ones.
#![allow(dead_code)] // each test uses its part

use iced_x86::code_asm::CodeAssembler;
use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, Register};
use rewriter::{Code, Hints, Patch, Refusal, Store, plan};

/// Where test programs are.
pub const BASE: u64 = 0x40_1000;
/// Where the first trampoline goes.
pub const TRAMPOLINE: u64 = 0x1000_0040;
/// Where trampolines jump to.
pub const ENTRY: u64 = 0x7fff_1234_5678;

/// A program's bytes at their address, with the trampolines of its patches.
#[derive(Clone)]
pub struct Memory {
    pub base: u64,
    pub bytes: Vec<u8>,
    pub trampolines: Vec<u8>,
    pub fixed: Vec<(u64, u64)>,
}

impl Memory {
    pub fn new(base: u64, bytes: &[u8]) -> Self {
        Memory { base, bytes: bytes.to_vec(), trampolines: Vec::new(), fixed: Vec::new() }
    }

    /// A program written with the assembler.
    pub fn assemble(write: impl FnOnce(&mut CodeAssembler)) -> Self {
        let mut asm = CodeAssembler::new(64).unwrap();
        write(&mut asm);
        Memory::new(BASE, &asm.assemble(BASE).unwrap())
    }

    pub fn code(&self) -> Code<'_> {
        Code { base: self.base, bytes: &self.bytes }
    }

    pub fn next_trampoline(&self) -> u64 {
        // Not aligned on purpose: the planner must not care.
        TRAMPOLINE + self.trampolines.len() as u64
    }

    /// The whole program is the function.
    pub fn function(&self) -> Option<(u64, u64)> {
        Some((self.base, self.base + self.bytes.len() as u64))
    }

    /// The addresses of all `syscall` instructions, decoding from the start.
    pub fn sites(&self) -> Vec<u64> {
        let starts = rewriter::instruction_starts(&self.code(), self.base, u64::MAX);
        starts.into_iter().filter(|&at| self.at(at).mnemonic() == Mnemonic::Syscall).collect()
    }

    pub fn plan(&self, site: u64, function: Option<(u64, u64)>, rax: u64) -> Result<Patch, Refusal> {
        let hints = Hints { function, rax, fixed: &self.fixed };
        plan(&self.code(), site, &hints, self.next_trampoline(), ENTRY)
    }

    /// Makes the stores of `patch` one by one, checking that each keeps the promises of `Store`.
    pub fn apply(&mut self, patch: &Patch) {
        assert_eq!(patch.trampoline_at, self.next_trampoline());
        self.trampolines.extend(&patch.trampoline);
        self.fixed.extend(&patch.fixed);
        for write in &patch.writes {
            assert!(!write.bytes.is_empty() && write.bytes.len() == write.old.len());
            if write.store == Store::Word {
                assert_eq!(write.addr / 8, (write.addr + write.bytes.len() as u64 - 1) / 8);
            }
            let at = (write.addr - self.base) as usize;
            let place = &mut self.bytes[at..at + write.old.len()];
            assert_eq!(place, write.old);
            place.copy_from_slice(&write.bytes);
        }
    }

    /// Takes `patch` back.
    pub fn undo(&mut self, patch: &Patch) {
        for write in patch.undo() {
            let at = (write.addr - self.base) as usize;
            let place = &mut self.bytes[at..at + write.old.len()];
            assert_eq!(place, write.old);
            place.copy_from_slice(&write.bytes);
        }
    }

    /// The instruction at `addr`, in the program or a trampoline.
    pub fn at(&self, addr: u64) -> Instruction {
        self.get(addr).unwrap_or_default()
    }

    /// The same, if there are bytes at all.
    fn get(&self, addr: u64) -> Option<Instruction> {
        let (base, bytes) =
            if addr >= TRAMPOLINE { (TRAMPOLINE, &self.trampolines) } else { (self.base, &self.bytes) };
        let bytes = bytes.get(addr.checked_sub(base)? as usize..)?;
        (!bytes.is_empty()).then(|| Decoder::with_ip(64, bytes, addr, DecoderOptions::NONE).decode())
    }

    /// The bytes around `site` as a program of their own, with the trampolines there are.
    pub fn around(&self, site: u64, function: Option<(u64, u64)>) -> Memory {
        let low = function.map_or(site, |f| f.0).min(site.saturating_sub(4096)).max(self.base);
        let high = function.map_or(site, |f| f.1).max(site + 4096).min(self.code().end());
        let near = |&&(start, end): &&(u64, u64)| start < high && end > low;
        Memory {
            base: low,
            bytes: self.bytes[(low - self.base) as usize..(high - self.base) as usize].to_vec(),
            trampolines: self.trampolines.clone(),
            fixed: self.fixed.iter().filter(near).copied().collect(),
        }
    }

    /// What is executed from `from` on, as the program means it, until an instruction at one of
    /// `ends`: jumps that lead on in a straight line are followed, entering the kernel counts as the
    /// `syscall` it stands for, and loads of the true return address into `rcx` are nothing.
    pub fn walk(&self, from: u64, ends: &[u64]) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut at = from;
        let mut rcx = None;
        let mut fuel = 1000; // for programs that jump in circles
        while !ends.contains(&at) && steps.len() < 64 && fuel > 0 {
            fuel -= 1;
            let Some(insn) = self.get(at) else {
                steps.push(Step::Out(at));
                break;
            };
            assert!(!insn.is_invalid(), "no instruction at {at:#x}");
            let in_trampoline = at >= TRAMPOLINE;
            at = insn.next_ip();
            match insn.flow_control() {
                FlowControl::UnconditionalBranch => at = insn.near_branch_target(),
                FlowControl::IndirectBranch if in_trampoline && insn.is_ip_rel_memory_operand() => {
                    let slot = (insn.ip_rel_memory_address() - TRAMPOLINE) as usize;
                    let entry = u64::from_le_bytes(self.trampolines[slot..slot + 8].try_into().unwrap());
                    assert_eq!(entry, ENTRY);
                    at = rcx.take().expect("rcx is loaded before the kernel is entered");
                    steps.push(Step::Syscall);
                }
                _ if in_trampoline
                    && insn.mnemonic() == Mnemonic::Lea
                    && insn.op0_register() == Register::RCX =>
                {
                    rcx = Some(insn.ip_rel_memory_address());
                }
                FlowControl::Call if insn.mnemonic() == Mnemonic::Syscall => steps.push(Step::Syscall),
                FlowControl::ConditionalBranch => {
                    steps.push(Step::Branch(insn.mnemonic(), insn.near_branch_target()));
                }
                FlowControl::Return | FlowControl::IndirectBranch | FlowControl::Exception => {
                    steps.push(Step::Other(insn));
                    break;
                }
                _ => steps.push(Step::Other(insn)),
            }
        }
        steps
    }
}

/// One thing a program does.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Syscall,
    Branch(Mnemonic, u64),
    /// Leaves the program for this address.
    Out(u64),
    /// Compared by operation and operands; addresses relative to `rip` by what they name.
    Other(Instruction),
}

/// The bytes of the jump that the program meets, with what fills up the last instruction.
pub fn jump_bytes(patch: &Patch) -> (u64, u64) {
    let start = patch.fixed[0].0;
    match patch.route {
        rewriter::Route::Island => (start, start + 2),
        _ => (start, patch.overwritten().map(|range| range.1).max().unwrap()),
    }
}

/// The bytes of the island.
pub fn island_bytes(patch: &Patch) -> Option<(u64, u64)> {
    (patch.route == rewriter::Route::Island).then(|| patch.fixed[1])
}

/// Plans a site, applies the patch, and checks that the program does the same as before from every
/// place it can come from. Returns the patch.
pub fn patch_and_compare(
    memory: &mut Memory,
    site: u64,
    function: Option<(u64, u64)>,
    rax: u64,
) -> Result<Patch, Refusal> {
    let before = memory.clone();
    let patch = memory.plan(site, function, rax)?;
    assert!(patch.trampoline.len() <= rewriter::trampoline_max_len());
    assert_eq!(patch.state(&before.code()), rewriter::State::Original);
    memory.apply(&patch);
    assert_eq!(patch.state(&memory.code()), rewriter::State::Patched);

    // Whatever precedes or is the first patched byte still means the same.
    let (start, end) = jump_bytes(&patch);
    let behind = (site + 2).max(end);
    assert_eq!(before.walk(start, &[behind]), memory.walk(start, &[behind]), "from {start:#x}: {patch:#x?}");
    // So does an interrupted context that is sent on through the map,
    assert!(patch.moved.iter().any(|&(old, _)| old == site));
    for &(old, new) in &patch.moved {
        assert_eq!(before.walk(old, &[behind]), memory.walk(new, &[behind]), "moved {old:#x}: {patch:#x?}");
        // and the map is true the other way round.
        assert_eq!(patch.origin(new), Some(old));
    }
    // Every instruction whose bytes changed is in the map.
    for at in rewriter::instruction_starts(&before.code(), start, end) {
        let is_padding = matches!(before.at(at).mnemonic(), Mnemonic::Nop | Mnemonic::Int3);
        let is_moved = patch.moved.iter().any(|&(old, _)| old == at);
        assert!(is_moved || is_padding && at >= site + 2, "{at:#x} not in {patch:#x?}");
        // Only a patch that says so has instructions others might be at.
        assert!(at == start || patch.quiesce || is_padding);
    }
    // The call is made again from two bytes before where it returns to.
    assert_eq!(before.walk(site, &[behind]), memory.walk(patch.resume - 2, &[behind]));

    let mut undone = memory.clone();
    undone.undo(&patch);
    assert!(undone.bytes == before.bytes, "undo leaves traces");
    Ok(patch)
}
