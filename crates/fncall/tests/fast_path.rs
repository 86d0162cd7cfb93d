//! The machine code of the fast path keeps what the design says about it.

#[path = "common/text.rs"]
mod text;

use iced_x86::{Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register};

/// Position of the one instruction that switches stacks: `mov rsp, memory`.
fn stack_switch(code: &[Instruction]) -> usize {
    let is_switch = |i: &Instruction| {
        i.mnemonic() == Mnemonic::Mov && i.op0_register() == Register::RSP && i.op1_kind() == OpKind::Memory
    };
    let all: Vec<usize> = (0..code.len()).filter(|n| is_switch(&code[*n])).collect();
    assert_eq!(all.len(), 1);
    all[0]
}

fn touches_the_stack(instruction: &Instruction) -> bool {
    instruction.is_stack_instruction()
        || (0..instruction.op_count()).any(|op| instruction.op_kind(op) == OpKind::Memory)
            && (instruction.memory_base() == Register::RSP || instruction.memory_index() == Register::RSP)
}

const ENTERS: [&str; 2] = ["fncall_enter_bare", "fncall_enter_hosted"];
const JUMPS: [&str; 2] = ["fncall_jump_entry_bare", "fncall_jump_entry_hosted"];
const CALLS: [&str; 2] = ["fncall_call_entry_bare", "fncall_call_entry_hosted"];

#[test]
fn the_way_in_does_not_touch_the_users_stack() {
    for name in ENTERS {
        let code = text::routine(name);
        let switch = stack_switch(&code);
        let jump = code[switch..].iter().position(|i| i.mnemonic() == Mnemonic::Jmp).unwrap() + switch;
        assert!(code[switch..=jump].iter().all(|i| !touches_the_stack(i)), "{name}");
        let jump = &code[jump];
        assert_eq!((jump.op0_kind(), jump.segment_prefix()), (OpKind::Memory, Register::GS), "{name}");
    }
}

#[test]
fn the_jump_entries_do_not_touch_the_users_stack_and_lose_only_r11() {
    for name in JUMPS {
        let code = text::routine(name);
        let before = &code[..stack_switch(&code)];
        assert!(before.len() > 14, "{name} stores registers before it switches");
        let mut factory = InstructionInfoFactory::new();
        for instruction in before {
            assert!(!touches_the_stack(instruction), "{name}: {:#x}", instruction.ip());
            assert_eq!(instruction.rflags_modified(), 0, "{name}: {:#x}", instruction.ip());
            for register in factory.info(instruction).used_registers() {
                let written = !matches!(register.access(), OpAccess::Read | OpAccess::CondRead);
                assert!(
                    !written || register.register() == Register::R11,
                    "{name} writes {:?}",
                    register.register()
                );
            }
        }
    }
}

#[test]
fn the_call_entries_pop_the_return_address_and_nothing_else() {
    for name in CALLS {
        let code = text::routine(name);
        let switch = stack_switch(&code);
        assert_eq!((code[0].mnemonic(), code[0].segment_prefix()), (Mnemonic::Pop, Register::GS));
        assert!(code[1..switch].iter().all(|i| !touches_the_stack(i)), "{name}");
    }
}

#[test]
fn the_return_predictor_stays_balanced() {
    for name in ENTERS.iter().chain(&JUMPS).chain(&CALLS) {
        for instruction in text::routine(name) {
            let unbalanced = matches!(instruction.mnemonic(), Mnemonic::Call | Mnemonic::Ret);
            assert!(!unbalanced, "{name}: {:#x}", instruction.ip());
        }
    }
}

#[test]
fn the_bare_fast_path_makes_no_host_call_and_nothing_slow() {
    use Mnemonic::*;
    for name in ["fncall_enter_bare", "fncall_jump_entry_bare", "fncall_call_entry_bare"] {
        for instruction in text::routine(name) {
            let slow = matches!(
                instruction.mnemonic(),
                Syscall
                    | Wrfsbase
                    | Rdfsbase
                    | Popfq
                    | Iretq
                    | Xsave
                    | Xsave64
                    | Xrstor
                    | Xrstor64
                    | Fxsave
                    | Fxrstor
                    | Stmxcsr
                    | Ldmxcsr
                    | Fnstcw
                    | Fldcw
                    | Cpuid
                    | Cld
            );
            assert!(!slow, "{name}: {:?}", instruction.mnemonic());
            // The upper halves are live: a VEX instruction could clear them.
            let vex = instruction.encoding() != iced_x86::EncodingKind::Legacy;
            assert!(!vex, "{name}: {:?}", instruction.mnemonic());
        }
    }
}

#[test]
fn debuggers_know_the_restorer() {
    let restorer = text::label("fncall_restorer");
    // SAFETY: text of the crate. gdb and libgcc look for these bytes: mov rax, 15; syscall.
    let bytes = unsafe { *(restorer as *const [u8; 9]) };
    assert_eq!(bytes, [0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05]);
}
