//! Each route on a small program made for it, and the programs made to mislead.

mod common;

use common::{BASE, Memory, patch_and_compare};
use iced_x86::code_asm::*;
use iced_x86::{Code as Opcode, Decoder, DecoderOptions};
use rewriter::{Hints, Refusal, Route, Store, plan};

/// Enough plain code for streams to meet when the function's start is not known. No instruction of it
/// is long enough for a jump.
fn filler(a: &mut CodeAssembler) {
    for i in 0..40 {
        a.mov(rbx, qword_ptr(rdi + i)).unwrap();
        a.add(rbx, rsi).unwrap();
    }
}

/// Moves the next instruction to an address whose last three bits are `offset`, with one-byte `nop`s
/// that are executed.
fn align_to(a: &mut CodeAssembler, len: usize, offset: usize) {
    for _ in 0..(offset + 8 - len % 8) % 8 {
        a.nop().unwrap();
    }
}

#[test]
fn island_behind_ret() {
    // xor eax, eax; syscall; ret; padding to 16
    let mut memory = Memory::new(BASE, &[0x31, 0xc0, 0x0f, 0x05, 0xc3]);
    memory.bytes.extend([0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0, 0x90]);
    memory.bytes.extend([0x55, 0xc3]);
    let patch = patch_and_compare(&mut memory, BASE + 2, Some((BASE, BASE + 5)), 0).unwrap();
    assert_eq!(patch.route, Route::Island);
    assert_eq!(patch.resume, BASE + 4);
    assert!(!patch.quiesce);
    assert_eq!(memory.bytes[2], 0xeb);
    // What is left of the cut nop is padding again.
    assert_eq!(memory.bytes[5..11], [0x90; 6]);
    assert_eq!(patch.writes.last().unwrap().store, Store::Word);
}

#[test]
fn two_sites_share_one_gap() {
    let mut bytes = vec![0x31, 0xc0, 0x0f, 0x05, 0x31, 0xc0, 0x0f, 0x05, 0xc3];
    bytes.resize(32, 0xcc);
    bytes.push(0xc3);
    let mut memory = Memory::new(BASE, &bytes);
    memory.bytes[16..21].copy_from_slice(&[0x55, 0x5d, 0x90, 0x90, 0xc3]);
    let function = Some((BASE, BASE + 9));
    let first = patch_and_compare(&mut memory, BASE + 2, function, 0).unwrap();
    let second = patch_and_compare(&mut memory, BASE + 6, function, 0).unwrap();
    assert_eq!((first.route, second.route), (Route::Island, Route::Island));
    assert_ne!(first.fixed[1], second.fixed[1]);
}

#[test]
fn nops_before_a_loop_are_executed() {
    // xor eax, eax; syscall; test eax, eax; nop (9 bytes, reached by falling through); loop: dec ecx …
    let mut bytes = vec![0x31, 0xc0, 0x0f, 0x05, 0x85, 0xc0];
    bytes.extend([0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0, 0x90]);
    bytes.extend([0xff, 0xc9, 0x75, 0xfc, 0xc3]);
    let mut memory = Memory::new(BASE, &bytes);
    let function = memory.function();
    let patch = patch_and_compare(&mut memory, BASE + 2, function, 0).unwrap();
    assert_ne!(patch.route, Route::Island);
}

#[test]
fn nops_that_begin_a_function_are_executed() {
    // A ret at the end of a 16-byte line, then a function that begins with five nops.
    let mut bytes = vec![0x90; 11];
    bytes.extend([0x31, 0xc0, 0x0f, 0x05, 0xc3]);
    bytes.extend([0x90; 5]);
    bytes.extend([0x55, 0x5d, 0xc3, 0xcc, 0xcc, 0xc3]);
    let memory = Memory::new(BASE, &bytes);
    let patch = memory.plan(BASE + 13, Some((BASE, BASE + 16)), 0);
    assert!(!matches!(patch, Ok(ref patch) if patch.route == Route::Island), "{patch:#x?}");
}

#[test]
fn mov_before_keeps_the_syscall() {
    let mut memory = Memory::assemble(|a| {
        filler(a);
        a.mov(eax, 39).unwrap();
        a.mov(rdx, rbx).unwrap();
        a.mov(r10d, esi).unwrap();
        a.syscall().unwrap();
        a.ret().unwrap();
    });
    let site = memory.sites()[0];
    let patch = patch_and_compare(&mut memory, site, None, 39).unwrap();
    assert_eq!(patch.route, Route::MovBefore);
    assert_eq!(patch.resume, site + 2);
    assert!(!patch.quiesce);
    assert_eq!(memory.bytes[(site - BASE) as usize..][..2], [0x0f, 0x05]);
}

#[test]
fn mov_before_of_another_path_is_not_taken() {
    let memory = Memory::assemble(|a| {
        filler(a);
        a.mov(eax, 39).unwrap();
        a.syscall().unwrap();
        a.ret().unwrap();
    });
    let site = memory.sites()[0];
    assert_eq!(memory.plan(site, None, 39).unwrap().route, Route::MovBefore);
    let other = memory.plan(site, None, 40);
    assert!(!matches!(other, Ok(ref patch) if patch.route == Route::MovBefore), "{other:#x?}");
}

#[test]
fn an_immediate_that_looks_like_mov_is_not_touched() {
    // movabs rbx, 0x00000027b8…: its last five bytes read `mov eax, 39`.
    for function in [true, false] {
        let mut memory = Memory::assemble(|a| {
            filler(a);
            a.mov(eax, ecx).unwrap();
            a.mov(rbx, 0x0000_0027_b811_2233u64).unwrap();
            a.syscall().unwrap();
            a.ret().unwrap();
        });
        let site = memory.sites()[0];
        assert_eq!(memory.bytes[(site - BASE) as usize - 5..][..5], [0xb8, 0x27, 0, 0, 0]);
        let function = memory.function().filter(|_| function);
        let patch = patch_and_compare(&mut memory, site, function, 39).unwrap();
        assert_eq!(patch.route, Route::Preceding);
        assert_eq!(patch.fixed[0], (site - 10, site));
    }
}

#[test]
fn the_syscall_wrapper_of_glibc() {
    let mut memory = Memory::assemble(|a| {
        let mut error = a.create_label();
        a.mov(rax, rdi).unwrap();
        a.mov(rdi, rsi).unwrap();
        a.mov(rsi, rdx).unwrap();
        a.mov(rdx, rcx).unwrap();
        a.mov(r10, r8).unwrap();
        a.mov(r8, r9).unwrap();
        a.mov(r9, qword_ptr(rsp + 8)).unwrap();
        a.syscall().unwrap();
        a.cmp(rax, -4095).unwrap();
        a.jae(error).unwrap();
        a.ret().unwrap();
        a.set_label(&mut error).unwrap();
        a.neg(eax).unwrap();
        a.ret().unwrap();
    });
    let site = memory.sites()[0];
    let function = memory.function();
    let patch = patch_and_compare(&mut memory, site, function, 39).unwrap();
    // mov r9, [rsp + 8] is five bytes long.
    assert_eq!(patch.route, Route::Preceding);
    assert!(!patch.quiesce);
}

/// A function whose only room is behind the site.
fn following(a: &mut CodeAssembler, into: bool) {
    let mut error = a.create_label();
    let mut middle = a.create_label();
    a.mov(rbx, rsi).unwrap();
    if into {
        a.test(rbx, rbx).unwrap();
        a.je(middle).unwrap();
    }
    a.call(rbx).unwrap();
    a.syscall().unwrap();
    a.set_label(&mut middle).unwrap();
    if !into {
        a.zero_bytes().unwrap();
    }
    a.cmp(rax, -4095).unwrap();
    a.jae(error).unwrap();
    a.lea(rdx, ptr(error)).unwrap();
    a.ret().unwrap();
    a.set_label(&mut error).unwrap();
    a.neg(eax).unwrap();
    a.ret().unwrap();
}

#[test]
fn following_moves_what_is_behind() {
    let mut memory = Memory::assemble(|a| following(a, false));
    let site = memory.sites()[0];
    let function = memory.function();
    let patch = patch_and_compare(&mut memory, site, function, 1).unwrap();
    assert_eq!(patch.route, Route::Following);
    assert!(patch.quiesce);
    assert_eq!(patch.moved_to(site + 2), Some(patch.resume));
    assert_eq!(patch.origin(patch.resume), Some(site + 2));
}

#[test]
fn following_is_refused_if_something_jumps_there() {
    let memory = Memory::assemble(|a| following(a, true));
    let site = memory.sites()[0];
    assert_eq!(memory.plan(site, memory.function(), 1), Err(Refusal::BranchTarget));
}

#[test]
fn following_moves_branches_and_rip_relative_operands() {
    let mut memory = Memory::assemble(|a| {
        let mut out = a.create_label();
        a.call(rbx).unwrap();
        a.syscall().unwrap();
        a.test(eax, eax).unwrap();
        a.js(out).unwrap();
        a.mov(rdx, qword_ptr(out)).unwrap();
        a.ret().unwrap();
        a.set_label(&mut out).unwrap();
        a.ret().unwrap();
    });
    let site = memory.sites()[0];
    let function = memory.function();
    let patch = patch_and_compare(&mut memory, site, function, 1).unwrap();
    assert_eq!(patch.route, Route::Following);

    let mut memory = Memory::assemble(|a| {
        let mut data = a.create_label();
        a.call(rbx).unwrap();
        a.syscall().unwrap();
        a.cmp(dword_ptr(data), 7).unwrap();
        a.ret().unwrap();
        a.set_label(&mut data).unwrap();
        a.dd(&[7]).unwrap();
    });
    let site = memory.sites()[0];
    let function = memory.function();
    let patch = patch_and_compare(&mut memory, site, function, 1).unwrap();
    assert_eq!(patch.route, Route::Following);
}

#[test]
fn a_jump_table_forbids_several_instructions() {
    let table = |with_table: bool| {
        Memory::assemble(|a| {
            let mut other = a.create_label();
            a.test(edi, edi).unwrap();
            a.je(other).unwrap();
            if with_table {
                a.jmp(rax).unwrap();
            }
            a.set_label(&mut other).unwrap();
            a.mov(edx, esi).unwrap();
            a.mov(r10, rcx).unwrap();
            a.syscall().unwrap();
            a.ret().unwrap();
        })
    };
    let mut plain = table(false);
    let site = plain.sites()[0];
    let function = plain.function();
    let patch = patch_and_compare(&mut plain, site, function, 1).unwrap();
    assert!(patch.quiesce);
    let table = table(true);
    let site = table.sites()[0];
    assert_eq!(table.plan(site, table.function(), 1), Err(Refusal::IndirectBranch));
}

#[test]
fn bytes_that_straddle_a_word_are_guarded() {
    for offset in 0..8 {
        let mut memory = Memory::assemble(|a| {
            filler(a);
            let len = a.assemble(BASE).unwrap().len();
            align_to(a, len, offset);
            a.mov(eax, 39).unwrap();
            a.syscall().unwrap();
            a.ret().unwrap();
        });
        let site = memory.sites()[0];
        let patch = patch_and_compare(&mut memory, site, None, 39).unwrap();
        assert_eq!(patch.route, Route::MovBefore);
        assert_eq!((site - 5) % 8, offset as u64);
        if offset <= 3 {
            assert_eq!(patch.writes.len(), 1);
        } else {
            assert_eq!(patch.writes.len(), 3);
            assert_eq!(patch.writes[0].bytes, [0xcc]);
            assert_eq!(patch.writes[2].bytes, [0xe9]);
        }
    }
}

#[test]
fn fixed_ranges_are_left_alone() {
    let memory = Memory::assemble(|a| {
        filler(a);
        a.mov(eax, 39).unwrap();
        a.syscall().unwrap();
        a.ret().unwrap();
    });
    let site = memory.sites()[0];
    let plan_with = |fixed: &[(u64, u64)]| {
        plan(
            &memory.code(),
            site,
            &Hints { function: None, rax: 39, fixed },
            common::TRAMPOLINE,
            common::ENTRY,
        )
    };
    assert_eq!(plan_with(&[(site + 1, site + 2)]), Err(Refusal::Fixed));
    let patch = plan_with(&[(site - 1, site)]);
    assert!(!matches!(patch, Ok(ref patch) if patch.fixed[0].1 > site - 1 && patch.fixed[0].0 < site));
}

#[test]
fn what_is_no_site_is_refused() {
    let memory = Memory::new(BASE, &[0x90; 64]);
    assert_eq!(memory.plan(BASE + 8, None, 0), Err(Refusal::NotSyscall));
    assert_eq!(memory.plan(BASE + 63, None, 0), Err(Refusal::NotSyscall));
    assert_eq!(memory.plan(u64::MAX, None, 0), Err(Refusal::OutOfReach));
    let memory = Memory::new(BASE, &[0x0f, 0x05]);
    assert!(memory.plan(BASE, None, 0).is_err());
    let far = plan(&memory.code(), BASE, &Hints::default(), BASE + (3 << 30), common::ENTRY);
    assert_eq!(far, Err(Refusal::OutOfReach));
}

#[test]
fn a_patched_site_is_recognised() {
    let mut memory = Memory::assemble(|a| {
        filler(a);
        a.mov(eax, 39).unwrap();
        a.syscall().unwrap();
        a.ret().unwrap();
    });
    let site = memory.sites()[0];
    let patch = patch_and_compare(&mut memory, site, None, 39).unwrap();
    assert_eq!(rewriter::jump_target(&memory.code(), patch.fixed[0].0), Some(patch.trampoline_at));
    assert_eq!(rewriter::jump_target(&memory.code(), site), None);
}

fn filler_and_call(a: &mut CodeAssembler) {
    filler(a);
    a.mov(eax, 39).unwrap();
    a.syscall().unwrap();
    a.ret().unwrap();
}

#[test]
fn moved_patch_is_what_would_be_planned_there() {
    let here = Memory::assemble(filler_and_call);
    let site = here.sites()[0];
    let patch = here.plan(site, here.function(), 39).unwrap();
    let delta = 0x7000_0000_0000;
    let code = rewriter::Code { base: here.base + delta, bytes: &here.bytes };
    let function = here.function().map(|(start, end)| (start + delta, end + delta));
    let hints = Hints { function, rax: 39, fixed: &[] };
    let there = plan(&code, site + delta, &hints, here.next_trampoline() + delta, common::ENTRY).unwrap();
    assert_eq!(patch.moved_by(delta), there);
}

#[test]
fn the_entry_is_read_from_an_aligned_address() {
    // Else a program that runs with EFLAGS.AC gets an alignment check on its way into the kernel.
    let memory = Memory::assemble(filler_and_call);
    let site = memory.sites()[0];
    for offset in 0..16 {
        let hints = Hints { function: memory.function(), rax: 39, fixed: &[] };
        let at = memory.next_trampoline() + offset;
        let patch = plan(&memory.code(), site, &hints, at, common::ENTRY).unwrap();
        let entry = Decoder::with_ip(64, &patch.trampoline, at, DecoderOptions::NONE)
            .into_iter()
            .find(|insn| insn.code() == Opcode::Jmp_rm64)
            .unwrap()
            .ip_rel_memory_address();
        assert_eq!(entry % 8, 0, "at {at:#x}");
        let bytes = &patch.trampoline[(entry - at) as usize..][..8];
        assert_eq!(bytes, common::ENTRY.to_le_bytes());
    }
}
