//! Every `syscall` of real binaries: the C libraries that are there, busybox, and this test itself.
//!
//! The truth that plans are checked against comes from decoding whole sections, function by function,
//! with all tables of relative addresses that the functions name: more than a planner can see.

mod common;
#[path = "common/elf.rs"]
mod elf;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use common::{Memory, island_bytes, jump_bytes, patch_and_compare};
use iced_x86::{Decoder, DecoderOptions, Mnemonic, OpKind};
use object::{Object, ObjectSection, SectionKind};
use rewriter::Code;

const FILES: [&str; 5] = [
    "/proc/self/exe",
    "/lib/x86_64-linux-gnu/libc.so.6",
    "/lib64/ld-linux-x86-64.so.2",
    "/usr/lib/x86_64-linux-musl/libc.so",
    "/bin/busybox",
];

/// What is true of a section.
struct Truth {
    boundaries: BTreeSet<u64>,
    targets: BTreeSet<u64>,
}

fn truth(file: &object::File, code: &Code, functions: &BTreeMap<u64, u64>) -> Truth {
    let mut truth = Truth { boundaries: BTreeSet::new(), targets: BTreeSet::new() };
    let mut at = code.base;
    while at < code.end() {
        let next = functions.range(at + 1..).next().map_or(code.end(), |(&start, _)| start.min(code.end()));
        let bytes = &code.bytes[(at - code.base) as usize..(next - code.base) as usize];
        let function = functions.get(&at).map(|&end| at..end);
        let mut tables = Vec::new();
        for insn in &mut Decoder::with_ip(64, bytes, at, DecoderOptions::NONE) {
            truth.boundaries.insert(insn.ip());
            if insn.op0_kind() == OpKind::NearBranch64 {
                truth.targets.insert(insn.near_branch_target());
            } else if insn.mnemonic() == Mnemonic::Lea && insn.is_ip_rel_memory_operand() {
                truth.targets.insert(insn.ip_rel_memory_address());
                tables.push(insn.ip_rel_memory_address());
            }
        }
        // A table's entries are taken to end where one leads out of the function.
        for table in tables {
            let section = file.sections().find(|s| (s.address()..s.address() + s.size()).contains(&table));
            let Some(section) = section.filter(|s| s.kind() == SectionKind::ReadOnlyData) else { continue };
            let data = &section.data().unwrap()[(table - section.address()) as usize..];
            for entry in data.chunks_exact(4) {
                let entry = i32::from_le_bytes(entry.try_into().unwrap());
                let target = table.wrapping_add_signed(entry.into());
                if entry == 0 || !function.as_ref().is_some_and(|function| function.contains(&target)) {
                    break;
                }
                truth.targets.insert(target);
            }
        }
        at = next;
    }
    truth
}

fn check(path: &str, blind: bool) -> Option<(usize, usize)> {
    let data = fs::read(path).ok()?;
    let file = object::File::parse(&*data).unwrap();
    let functions = elf::functions(&file).unwrap();
    let (mut sites, mut patched) = (0, 0);
    for section in file.sections().filter(|section| section.kind() == SectionKind::Text) {
        let original = Code { base: section.address(), bytes: section.data().unwrap() };
        let all = elf::sites(&original, &functions);
        if all.is_empty() {
            continue;
        }
        let truth = truth(&file, &original, &functions);
        let mut memory = Memory::new(original.base, original.bytes);
        for site in all {
            let function = functions.range(..=site).next_back().map(|(&start, &end)| (start, end));
            let function = function.filter(|&(_, end)| site < end && !blind);
            let at = (site - original.base) as usize;
            let rax = match &original.bytes[at.saturating_sub(5)..at] {
                [0xb8, a, b, c, d] => u32::from_le_bytes([*a, *b, *c, *d]).into(),
                _ => 0x1234,
            };
            sites += 1;
            let mut view = memory.around(site, function);
            let Ok(patch) = patch_and_compare(&mut view, site, function, rax) else { continue };
            memory.apply(&patch);
            patched += 1;
            let (start, end) = jump_bytes(&patch);
            assert!(truth.boundaries.contains(&start), "{path}: {start:#x} is no boundary: {patch:#x?}");
            let entered = truth.targets.range(start + 1..end).next();
            assert_eq!(entered, None, "{path}: a jump lands inside: {patch:#x?}");
            if let Some((start, end)) = island_bytes(&patch) {
                let entered = truth.targets.range(start..end).next();
                assert_eq!(entered, None, "{path}: a jump leads to the island: {patch:#x?}");
            }
            for &(old, _) in &patch.moved {
                assert!(truth.boundaries.contains(&old), "{path}: {old:#x} is no boundary: {patch:#x?}");
            }
        }
    }
    Some((sites, patched))
}

fn check_all(blind: bool, percent: usize) {
    for path in FILES {
        // What is not installed is not there to be checked; this test's own file always is.
        let Some((sites, patched)) = check(path, blind) else { continue };
        println!("{path}: {patched} of {sites}");
        assert!(patched * 100 >= sites * percent, "{path}: only {patched} of {sites} sites");
    }
}

#[test]
fn nearly_every_site_becomes_a_jump() {
    check_all(false, 97);
}

#[test]
fn most_sites_become_a_jump_without_knowing_functions() {
    check_all(true, 95);
}
