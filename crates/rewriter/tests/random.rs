//! Random bytes, which must never do harm, and random programs, which must go on meaning the same.

mod common;

use std::collections::BTreeSet;

use common::{BASE, ENTRY, Memory, TRAMPOLINE, island_bytes, jump_bytes, patch_and_compare};
use iced_x86::{FlowControl, OpKind};
use proptest::prelude::*;
use rewriter::{Code, Hints, instruction_starts, plan, plan_without_stop};

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// No bytes and no hints make the planner panic, or patch outside of what it was shown.
    #[test]
    fn any_bytes(
        mut bytes in proptest::collection::vec(any::<u8>(), 2..700),
        at in any::<prop::sample::Index>(),
        base in prop_oneof![Just(0u64), Just(BASE), Just(u64::MAX - 300), any::<u64>()],
        function in any::<Option<(i16, i16)>>(),
        fixed in proptest::collection::vec((any::<i8>(), any::<i8>()), 0..3),
        trampoline in prop_oneof![Just(TRAMPOLINE), any::<u64>()],
        rax in any::<u64>(),
    ) {
        let at = at.index(bytes.len() - 1);
        bytes[at..at + 2].copy_from_slice(&[0x0f, 0x05]);
        let site = base.wrapping_add(at as u64);
        let near = |offset: i64| site.wrapping_add_signed(offset);
        let fixed: Vec<_> = fixed.iter().map(|&(a, b)| (near(a.into()), near(b.into()))).collect();
        let function = function.map(|(a, b)| (near(a.into()), near(b.into())));
        let hints = Hints { function, rax, fixed: &fixed };
        let code = Code { base, bytes: &bytes };
        instruction_starts(&code, base, u64::MAX);
        rewriter::jump_target(&code, site);
        prop_assert!(plan_without_stop(&code, site, &hints, trampoline, ENTRY).is_ok_and(|patch| !patch.quiesce)
            || plan_without_stop(&code, site, &hints, trampoline, ENTRY).is_err());
        if let Ok(patch) = plan(&code, site, &hints, trampoline, ENTRY) {
            prop_assert!(patch.trampoline.len() <= rewriter::trampoline_max_len());
            for write in &patch.writes {
                let offset = (write.addr - base) as usize;
                prop_assert!(offset + write.bytes.len() <= bytes.len());
                for &(from, to) in &fixed {
                    let end = write.addr + write.bytes.len() as u64;
                    prop_assert!(from > to || to <= write.addr || from >= end);
                }
            }
            for offset in -8..patch.trampoline.len() as i64 + 8 {
                patch.origin(trampoline.wrapping_add_signed(offset));
            }
        }
    }
}

/// One piece of a random program.
#[derive(Clone, Debug)]
enum Piece {
    /// These bytes, one instruction.
    Plain(&'static [u8]),
    /// A short branch (opcode) to the start of piece number …
    Branch(u8, prop::sample::Index),
    /// A `syscall`, after `mov eax, imm32` or not.
    Syscall(Option<u8>),
    /// Ends the flow; then padding to 16.
    Ret,
}

const PLAIN: [&[u8]; 24] = [
    &[0x90],
    &[0x50],
    &[0x5b],
    &[0x89, 0xd8],
    &[0x31, 0xc0],
    &[0x85, 0xc0],
    &[0xff, 0xc9],
    &[0x48, 0x89, 0xc7],
    &[0x4c, 0x89, 0xe8],
    &[0x0f, 0x1f, 0x00],
    &[0x0f, 0x94, 0xc0],
    &[0x8b, 0x44, 0x24, 0x08],
    &[0x48, 0x63, 0x7f, 0x0f],
    &[0xf3, 0x0f, 0x1e, 0xfa],
    &[0x4c, 0x8b, 0x4c, 0x24, 0x08],
    &[0xe8, 0x00, 0x10, 0x00, 0x00],
    &[0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff],
    &[0xbe, 0x0f, 0x05, 0x00, 0x00],
    &[0x48, 0x8d, 0x3d, 0x44, 0x33, 0x22, 0x00],
    &[0x83, 0x3d, 0x00, 0x20, 0x00, 0x00, 0x07],
    &[0x48, 0x8b, 0x84, 0x24, 0xc8, 0x00, 0x00, 0x00],
    &[0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
    &[0x48, 0xbb, 0x33, 0x22, 0x11, 0xb8, 0x27, 0x00, 0x00, 0x00],
    &[0x41, 0xff, 0xd1],
];

fn piece() -> impl Strategy<Value = Piece> {
    prop_oneof![
        12 => prop::sample::select(&PLAIN[..]).prop_map(Piece::Plain),
        3 => (prop::sample::select(&[0x74u8, 0x75, 0x78, 0xeb][..]), any::<prop::sample::Index>())
            .prop_map(|(opcode, to)| Piece::Branch(opcode, to)),
        3 => prop_oneof![Just(None), (0u8..4).prop_map(Some)].prop_map(Piece::Syscall),
        1 => Just(Piece::Ret),
    ]
}

/// The program's bytes. Branches whose target is too far to be short become `nop`s.
fn assemble(pieces: &[Piece]) -> Vec<u8> {
    let mut starts = Vec::new();
    let mut at = 0usize;
    for piece in pieces {
        starts.push(at);
        at += match piece {
            Piece::Plain(bytes) => bytes.len(),
            Piece::Branch(..) | Piece::Syscall(None) => 2,
            Piece::Syscall(Some(_)) => 7,
            Piece::Ret => (at + 1).next_multiple_of(16) - at,
        };
    }
    let mut bytes = Vec::new();
    for piece in pieces {
        match *piece {
            Piece::Plain(plain) => bytes.extend(plain),
            Piece::Branch(opcode, to) => {
                let distance = *to.get(&starts) as i64 - (bytes.len() as i64 + 2);
                match i8::try_from(distance) {
                    Ok(distance) => bytes.extend([opcode, distance as u8]),
                    Err(_) => bytes.extend([0x66, 0x90]),
                }
            }
            Piece::Syscall(None) => bytes.extend([0x0f, 0x05]),
            Piece::Syscall(Some(number)) => bytes.extend([0xb8, number, 0, 0, 0, 0x0f, 0x05]),
            Piece::Ret => {
                bytes.push(0xc3);
                let filler = if bytes.len() % 2 == 0 { 0xcc } else { 0x90 };
                bytes.resize(bytes.len().next_multiple_of(16), filler);
            }
        }
    }
    bytes.extend([0xc3, 0x55, 0x5d, 0xc3]);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    /// All sites of a random program are patched one after the other; each patch leaves the program's
    /// meaning, lies on true boundaries, and nothing in the original program jumps into it.
    #[test]
    fn any_program(pieces in proptest::collection::vec(piece(), 1..160), known in any::<bool>(), rax in 0u64..4) {
        let mut memory = Memory::new(BASE, &assemble(&pieces));
        let original = memory.clone();
        let boundaries: BTreeSet<_> =
            instruction_starts(&original.code(), BASE, u64::MAX).into_iter().collect();
        let targets: BTreeSet<_> = boundaries
            .iter()
            .map(|&at| original.at(at))
            .filter(|insn| insn.op0_kind() == OpKind::NearBranch64 && insn.flow_control() != FlowControl::Call)
            .map(|insn| insn.near_branch_target())
            .collect();
        let mut jumps = Vec::new();
        for site in original.sites() {
            let function = memory.function().filter(|_| known);
            let Ok(patch) = patch_and_compare(&mut memory, site, function, rax) else { continue };
            let (start, end) = jump_bytes(&patch);
            prop_assert!(boundaries.contains(&start), "{start:#x} is no boundary for {site:#x} {:02x?}", original.bytes);
            let entered = targets.range(start + 1..end).next();
            prop_assert_eq!(entered, None, "entered: {:#x?} {:02x?}", patch, original.bytes);
            if let Some((start, end)) = island_bytes(&patch) {
                let entered = targets.range(start..end).next();
                prop_assert_eq!(entered, None, "entered: {:#x?} {:02x?}", patch, original.bytes);
            }
            // Whatever any patch so far leads back to is still there.
            jumps.extend([(start, end)].into_iter().chain(island_bytes(&patch)));
            for &(at, _) in memory.fixed.iter().filter(|(start, end)| start == end) {
                let inside = |&&(start, end): &&(u64, u64)| start < at && at < end;
                prop_assert_eq!(jumps.iter().find(inside), None, "{:#x?}", patch);
            }
        }
    }
}
