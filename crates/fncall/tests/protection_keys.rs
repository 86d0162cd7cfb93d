//! Protection keys belong to the program. Where processor or host have none, the handler of the invalid opcode stands in
//! for the two instructions, so that the way they go is tested on every machine.

mod common;

use std::arch::global_asm;
use std::arch::x86_64::__cpuid_count;
use std::sync::atomic::Ordering::Relaxed;

use common::{PKRU, on_thread, program, protection_keys};
use fncall::{Context, TRAP_SYSCALL};

global_asm!(
    ".globl keys_bare, keys_hosted",
    "keys_bare:",
    "inc rax",
    "lea rcx, [rip + keys_bare]",
    "jmp fncall_jump_entry_bare",
    "keys_hosted:",
    "inc rax",
    "lea rcx, [rip + keys_hosted]",
    "jmp fncall_jump_entry_hosted",
);

unsafe extern "sysv64" {
    fn keys_bare();
    fn keys_hosted();
}

/// The component, and Linux's initial keys.
const KEYS: u64 = 1 << 9;
const INITIAL: u32 = 0x5555_5554;

/// Where the keys are in an image.
fn offset() -> usize {
    match __cpuid_count(0xd, 9).ebx {
        0 => fncall::xstate_size() - 8,
        offset => offset as usize,
    }
}

fn saved(cx: &mut Context) -> Vec<u8> {
    let mut image = vec![0; fncall::xstate_frame_size()];
    assert_eq!(cx.save_xstate(&mut image), image.len());
    image
}

/// The keys of an image, if it has any.
fn keys_of(image: &[u8]) -> Option<u32> {
    let in_use = u64::from_le_bytes(image[512..520].try_into().unwrap()) & KEYS != 0;
    in_use.then(|| u32::from_le_bytes(image[offset()..offset() + 4].try_into().unwrap()))
}

#[test]
fn keys_come_and_go_with_their_program() {
    let real = fncall::xstate_features() & KEYS != 0;
    fncall::keep_only(u64::MAX);
    for hosted in [false, true] {
        on_thread(move || {
            let call = |cx: &mut Context| {
                // SAFETY: the programs only count.
                unsafe { if hosted { cx.run() } else { cx.run_bare() } }
                assert_eq!(cx.user.trap_num, TRAP_SYSCALL);
            };
            let entry = if hosted { keys_hosted } else { keys_bare };
            let (mut a, mut b) = (program(entry), program(entry));
            // As after exec.
            a.reset_xstate();
            assert_eq!(keys_of(&saved(&mut a)), Some(INITIAL));
            // From a signal frame.
            let mut image = saved(&mut a);
            image[offset()..offset() + 4].copy_from_slice(&(INITIAL & !0xc).to_le_bytes());
            b.load_xstate(&image).unwrap();
            for _ in 0..3 {
                call(&mut a);
                assert_eq!(protection_keys(), INITIAL);
                call(&mut b);
                assert_eq!(protection_keys(), INITIAL & !0xc);
            }
            // The program changes them.
            if !real {
                PKRU.store(INITIAL & !0x30, Relaxed);
                assert_eq!(keys_of(&saved(&mut b.clone())), Some(INITIAL & !0x30));
                call(&mut a);
                assert_eq!(protection_keys(), INITIAL);
                assert_eq!(keys_of(&saved(&mut b)), Some(INITIAL & !0x30));
            }
            // A frame without them: the processor's initial ones, as rt_sigreturn has it.
            image[512..520].copy_from_slice(&3u64.to_le_bytes());
            b.load_xstate(&image).unwrap();
            call(&mut b);
            assert_eq!(protection_keys(), 0);
            assert_eq!(keys_of(&saved(&mut b)), None);
        });
    }
}
