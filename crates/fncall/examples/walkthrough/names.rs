//! Names for values and instructions: addresses differ from run to run, what they mean does not.

use std::fmt::Write;

use fncall::ANCHOR_FIELDS;
use iced_x86::{
    Formatter, Instruction, InstructionInfoFactory, IntelFormatter, Mnemonic, OpAccess, OpKind, Register,
    UsedMemory,
};
use libc::user_regs_struct as Regs;

use super::trace::{Executed, Moment, Places};

/// The words of a `UserContext`, in order.
pub const CONTEXT_NAMES: [&str; 22] = [
    "rax",
    "rbx",
    "rcx",
    "rdx",
    "rsi",
    "rdi",
    "rbp",
    "rsp",
    "r8",
    "r9",
    "r10",
    "r11",
    "r12",
    "r13",
    "r14",
    "r15",
    "rip",
    "rflags",
    "fsbase",
    "gsbase",
    "trap_num",
    "error_code",
];

/// The registers of the pictures that hold one word.
pub const REGISTERS: [Register; 16] = [
    Register::RAX,
    Register::RBX,
    Register::RCX,
    Register::RDX,
    Register::RSI,
    Register::RDI,
    Register::RBP,
    Register::RSP,
    Register::R8,
    Register::R9,
    Register::R10,
    Register::R11,
    Register::R12,
    Register::R13,
    Register::R14,
    Register::R15,
];

pub fn register_name(register: Register) -> String {
    format!("{register:?}").to_lowercase()
}

pub fn value_of(regs: &Regs, register: Register) -> u64 {
    match register {
        Register::RAX => regs.rax,
        Register::RBX => regs.rbx,
        Register::RCX => regs.rcx,
        Register::RDX => regs.rdx,
        Register::RSI => regs.rsi,
        Register::RDI => regs.rdi,
        Register::RBP => regs.rbp,
        Register::RSP => regs.rsp,
        Register::R8 => regs.r8,
        Register::R9 => regs.r9,
        Register::R10 => regs.r10,
        Register::R11 => regs.r11,
        Register::R12 => regs.r12,
        Register::R13 => regs.r13,
        Register::R14 => regs.r14,
        Register::R15 => regs.r15,
        Register::FS => regs.fs_base,
        Register::GS => regs.gs_base,
        _ => 0,
    }
}

pub const KERNELS: &str = "kernel's";

pub struct Names {
    pub places: Places,
    /// The registers at the beginning.
    pub start: Regs,
}

impl Names {
    /// A word by what it means.
    pub fn value(&self, value: u64) -> String {
        let at = &self.places;
        let named = [
            (at.context, "context"),
            (at.anchor, "anchor"),
            (at.kernel_tls, "kernel TLS"),
            (at.user_tls, "user TLS"),
            (at.kernel_stack, "kernel stack"),
            (at.user_stack, "user stack"),
            (at.back, "back in run"),
            (at.program, "program"),
            (at.program_after, "program, after call"),
            (at.syscall_fn_entry, "syscall_fn_entry"),
            (at.call_entry.0, "call entry"),
            (at.enter.0, "enter_hosted"),
        ];
        if value < 0x10000 {
            return if value < 10 { value.to_string() } else { format!("{value:#x}") };
        }
        if let Some((_, name)) = named.iter().find(|(base, _)| *base == value) {
            return (*name).into();
        }
        let below = named.iter().find(|(base, _)| (1..=64).contains(&base.wrapping_sub(value)));
        below.map_or("…".into(), |(base, name)| format!("{name} − {}", base - value))
    }

    /// A register by what it means: as long as nobody has written it, it is the kernel's.
    pub fn register(&self, register: Register, regs: &Regs, written: bool) -> String {
        let value = value_of(regs, register);
        match register {
            Register::RBX | Register::RBP if written && value == value_of(&self.start, register) => {
                format!("{KERNELS} {}", register_name(register))
            }
            Register::RSP | Register::FS | Register::GS => self.value(value),
            _ if !written => KERNELS.into(),
            _ => self.value(value),
        }
    }

    /// Word `n` below the top of the kernel's stack.
    pub fn kernel_word(&self, moment: &Moment, n: usize) -> String {
        let value = moment.kernel_stack[n];
        match n {
            0 => self.value(value),
            1 if value == self.start.rbp => format!("{KERNELS} rbp"),
            2 if value == self.start.rbx => format!("{KERNELS} rbx"),
            3 if value == 0x203 => self.value(value),
            _ => "…".into(),
        }
    }

    /// Where the instruction pointer is.
    pub fn code(&self, rip: u64) -> String {
        let at = &self.places;
        let inside = |range: (u64, u64)| (range.0..range.1).contains(&rip);
        match rip {
            _ if inside(at.enter) => "enter_hosted".into(),
            _ if inside(at.call_entry) => "call entry".into(),
            _ if rip == at.syscall_fn_entry => "syscall_fn_entry".into(),
            _ if (at.program..=at.program_after).contains(&rip) => "program".into(),
            _ => "run".into(),
        }
    }

    /// The instruction with names for offsets and targets.
    pub fn instruction(&self, instruction: &Instruction) -> String {
        let mut text = String::new();
        let mut formatter = IntelFormatter::new();
        formatter.options_mut().set_space_after_operand_separator(true);
        formatter.options_mut().set_hex_prefix("0x");
        formatter.options_mut().set_hex_suffix("");
        formatter.options_mut().set_uppercase_hex(false);
        formatter.options_mut().set_rip_relative_addresses(true);
        formatter.format(instruction, &mut text);
        if instruction.op0_kind() == OpKind::NearBranch64 {
            let target = instruction.near_branch_target();
            let at = &self.places;
            let name = match instruction.ip() {
                _ if target == at.enter.0 => "fncall_enter_hosted",
                _ if target == at.syscall_fn_entry => "syscall_fn_entry",
                ip if (at.enter.0..at.enter.1).contains(&ip)
                    && !(at.enter.0..at.enter.1).contains(&target) =>
                {
                    "fncall_enter_refused"
                }
                ip if (at.call_entry.0..at.call_entry.1).contains(&ip)
                    && !(at.call_entry.0..at.call_entry.1).contains(&target) =>
                {
                    "fncall_exit_clean_flags"
                }
                _ => "cold code",
            };
            let mnemonic = text.split(' ').next().unwrap_or_default();
            return format!("{mnemonic} {name}");
        }
        let (Some(open), Some(close)) = (text.find('['), text.find(']')) else { return text };
        let offset = instruction.memory_displacement64();
        let inner = match (instruction.memory_segment(), instruction.memory_base()) {
            (_, Register::RIP) => "back in run".into(),
            (Register::GS, _) => anchor_field(offset).to_owned(),
            (_, base @ (Register::RDI | Register::R11)) => {
                format!("{}.{}", register_name(base), context_field(offset))
            }
            _ => return text,
        };
        format!("{}{inner}{}", &text[..=open], &text[close..])
    }

    /// What an instruction changes, in the order registers, memory.
    pub fn effects(&self, executed: &Executed) -> String {
        let mut factory = InstructionInfoFactory::new();
        let info = factory.info(&executed.instruction);
        let writes = |access| {
            matches!(
                access,
                OpAccess::Write | OpAccess::ReadWrite | OpAccess::CondWrite | OpAccess::ReadCondWrite
            )
        };
        let mut all = vec![];
        for used in info.used_registers().iter().filter(|used| writes(used.access())) {
            let register = used.register().full_register();
            if REGISTERS.contains(&register) {
                let value = self.register(register, &executed.after.regs, true);
                let text = format!("{} = {value}", register_name(register));
                if !all.contains(&text) {
                    all.push(text);
                }
            }
        }
        match executed.instruction.mnemonic() {
            Mnemonic::Wrfsbase => all.push(format!("fs = {}", self.value(executed.after.regs.fs_base))),
            Mnemonic::Sahf => all.push("the flags are the program's".into()),
            Mnemonic::Jmp if executed.after.regs.rip == self.places.program => {
                all.push("the program runs".into())
            }
            Mnemonic::Jmp if executed.after.regs.rip == self.places.back => all.push("`run` goes on".into()),
            _ => (),
        }
        for used in info.used_memory().iter().filter(|used| writes(used.access())) {
            if let Some(text) = self.memory_effect(used, executed) {
                all.push(text);
            }
        }
        all.join("; ")
    }

    fn memory_effect(&self, used: &UsedMemory, executed: &Executed) -> Option<String> {
        let regs = &executed.before.regs;
        let address = used.virtual_address(0, |register, _, _| Some(value_of(regs, register)))?;
        let (at, after) = (&self.places, &executed.after);
        let below =
            |base: u64, words: usize| (1..=words).find(|n| address == base - 8 * *n as u64).map(|n| n - 1);
        if let Some(n) = below(at.kernel_stack, after.kernel_stack.len()) {
            return Some(format!("[kernel stack − {}] = {}", 8 * (n + 1), self.kernel_word(after, n)));
        }
        if let Some(n) = below(at.user_stack, after.user_stack.len()) {
            return Some(format!("[user stack − {}] = {}", 8 * (n + 1), self.value(after.user_stack[n])));
        }
        let offset = address.wrapping_sub(at.context);
        if let Some(value) = after.context.get(offset as usize / 8) {
            return Some(format!("context.{} = {}", context_field(offset), self.value(*value)));
        }
        match context_field(offset) {
            "?" => {}
            name @ ("via_trap" | "x87_in_image") => {
                return Some(format!("context.{name} = {}", executed.instruction.immediate(1)));
            }
            name => return Some(format!("context.{name} = the program's")),
        }
        let offset = address.wrapping_sub(at.anchor);
        let n = ANCHOR_FIELDS.iter().position(|(_, own, _)| *own as u64 == offset)?;
        let mut text = String::new();
        write!(text, "anchor.{} = {}", ANCHOR_FIELDS[n].0, self.value(after.anchor[n])).ok()?;
        Some(text)
    }
}

fn anchor_field(offset: u64) -> &'static str {
    ANCHOR_FIELDS.iter().find(|(_, own, _)| *own as u64 == offset).map_or("?", |(name, ..)| name)
}

/// A field of `Context` by its offset; the extended state begins at 256 (see the picture at `Context`).
pub fn context_field(offset: u64) -> &'static str {
    match offset {
        256 => "fcw",
        280 => "mxcsr",
        _ if offset < 176 => CONTEXT_NAMES[offset as usize / 8],
        200 => "via_trap",
        202 => "x87_in_image",
        _ => "?",
    }
}
