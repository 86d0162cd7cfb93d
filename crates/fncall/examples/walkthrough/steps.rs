//! The round trip in steps: by which instruction each begins, and its title in both languages.

use iced_x86::{Instruction, Mnemonic, OpKind, Register};

use super::names::{Names, REGISTERS};
use super::trace::{Executed, Trace};

/// Each step begins at the first instruction, after the step before, whose text begins so.
const STEPS: [(&str, [&str; 2]); 15] = [
    ("lea rax, [back in run]", ["run: remember where to go back", "run：记下返回的地方"]),
    ("push rbp", ["enter: the kernel's frame", "进入：内核的栈帧"]),
    ("cmp gs:[fast_hosted], rdi", ["enter: is everything as last time?", "进入：一切还和上次一样吗？"]),
    ("mov rsi, [rdi.fsbase]", ["enter: the program's TLS base", "进入：换成程序的 TLS 基址"]),
    (
        "cmp byte ptr [rdi.x87_in_image]",
        ["enter: vector registers and control words", "进入：向量寄存器与控制字"],
    ),
    ("mov rcx, [rdi.rip]", ["enter: flags and general registers", "进入：标志位与通用寄存器"]),
    ("mov byte ptr gs:[mode], 1", ["enter: stack, rdi, and the jump", "进入：栈、rdi，然后跳转"]),
    ("mov eax, 0x27", ["the program makes a system call", "程序发起系统调用"]),
    ("pop ", ["leave: two registers to work with", "离开：腾出两个寄存器"]),
    ("mov [r11.rax], rax", ["leave: general registers to the context", "离开：通用寄存器存入上下文"]),
    ("mov [r11.rsp], rsp", ["leave: back on the kernel's stack", "离开：回到内核栈"]),
    ("cmp byte ptr gs:[vectors]", ["leave: vector registers and control words", "离开：向量寄存器与控制字"]),
    ("cmp byte ptr gs:[no_fsgsbase]", ["leave: the kernel's TLS base", "离开：换回内核的 TLS 基址"]),
    ("mov qword ptr [r11.trap_num]", ["leave: why it came back", "离开：写下返回的原因"]),
    ("mov byte ptr gs:[mode], 0", ["leave: back in run", "离开：回到 run"]),
];

/// One row of a table: an instruction or a group of them, and what it changes.
pub struct Row {
    pub text: [String; 2],
    pub effect: String,
}

pub struct Step<'a> {
    pub titles: [&'static str; 2],
    pub rows: Vec<Row>,
    /// The first and the last instruction.
    pub executed: &'a [Executed],
    /// Which of `REGISTERS` have been written since the beginning.
    pub written: [bool; REGISTERS.len()],
    /// Words the kernel's stack has had since the beginning.
    pub depth: usize,
    /// Whose the vector registers and the flags are.
    pub vectors: &'static str,
    pub flags: &'static str,
}

fn is_vector(instruction: &Instruction) -> bool {
    let vector = |register: Register| register.is_vector_register() || register.is_k();
    instruction.mnemonic() == Mnemonic::Vzeroupper
        || (0..instruction.op_count())
            .any(|n| instruction.op_kind(n) == OpKind::Register && vector(instruction.op_register(n)))
}

/// The instructions from the question for `vectors` on that depend on the processor: one row for all of them.
fn vector_group(executed: &[Executed]) -> usize {
    1 + executed[1..]
        .iter()
        .take_while(|one| {
            is_vector(&one.instruction)
                || one.instruction.is_jcc_short_or_near()
                || one.instruction.is_jmp_short_or_near()
        })
        .count()
}

const GROUP: [&str; 2] = [
    "as many xmm, ymm, or zmm and k registers as the processor has",
    "处理器有多少 xmm、ymm 或 zmm 与 k 寄存器，就处理多少",
];

/// Divides the trace. Fails when the code no longer has the steps, and then the prose has to change, too.
pub fn divide<'a>(trace: &'a Trace, names: &Names) -> Vec<Step<'a>> {
    let texts: Vec<String> = trace.executed.iter().map(|one| names.instruction(&one.instruction)).collect();
    let mut starts = vec![];
    for (n, text) in texts.iter().enumerate() {
        if STEPS.get(starts.len()).is_some_and(|(begin, _)| text.starts_with(begin)) {
            starts.push(n);
        }
    }
    if let Some((begin, titles)) = STEPS.get(starts.len()) {
        panic!("no {begin:?}, which begins {:?}, in:\n{}", titles[0], texts.join("\n"));
    }
    assert_eq!(starts[0], 0);
    starts.push(texts.len());

    let mut factory = iced_x86::InstructionInfoFactory::new();
    let (mut written, mut depth) = ([false; REGISTERS.len()], 0);
    let (mut vectors, mut flags) = (super::names::KERNELS, super::names::KERNELS);
    let mut steps = vec![];
    for (number, bounds) in starts.windows(2).enumerate() {
        let executed = &trace.executed[bounds[0]..bounds[1]];
        let mut rows = vec![];
        let mut n = 0;
        while n < executed.len() {
            let one = &executed[n];
            let text = texts[bounds[0] + n].clone();
            if text.starts_with("cmp byte ptr gs:[vectors]") {
                vectors = if number < 7 { "program's" } else { super::names::KERNELS };
                let effect =
                    if number < 7 { "vectors = the program's" } else { "context.vectors = the program's" };
                rows.push(Row { text: GROUP.map(str::to_owned), effect: effect.into() });
                n += vector_group(&executed[n..]);
                flags = super::names::KERNELS;
                continue;
            }
            for used in factory.info(&one.instruction).used_registers() {
                let register = used.register().full_register();
                if let Some(at) = REGISTERS.iter().position(|own| *own == register) {
                    written[at] |= value_changes(used.access());
                }
            }
            if one.instruction.mnemonic() == Mnemonic::Sahf {
                flags = "program's";
            } else if one.instruction.rflags_modified() != 0 {
                flags = super::names::KERNELS;
            }
            let below = trace.places.kernel_stack.wrapping_sub(one.after.regs.rsp);
            if below <= 64 {
                depth = depth.max(below as usize / 8);
            }
            rows.push(Row { text: [text.clone(), text], effect: names.effects(one) });
            n += 1;
        }
        steps.push(Step { titles: STEPS[number].1, rows, executed, written, depth, vectors, flags });
    }
    steps
}

fn value_changes(access: iced_x86::OpAccess) -> bool {
    use iced_x86::OpAccess::{CondWrite, ReadCondWrite, ReadWrite, Write};
    matches!(access, Write | ReadWrite | CondWrite | ReadCondWrite)
}
