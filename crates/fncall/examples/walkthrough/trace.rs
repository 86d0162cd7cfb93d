//! One round trip of a child process, single-stepped. What is kept: before and after every instruction all registers,
//! the context, the anchor, and the top of both stacks. See ptrace(2).

use std::arch::global_asm;
use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;

use fncall::{ANCHOR_FIELDS, Context, GeneralRegs, UserContext};
use iced_x86::{Decoder, DecoderOptions, Instruction};
use libc::user_regs_struct as Regs;

global_asm!(
    ".globl walk_program, walk_program_after",
    // The program: one system call, for ever.
    "walk_program:",
    "mov eax, 39",
    "call syscall_fn_entry",
    "walk_program_after:",
    "jmp walk_program",
);

unsafe extern "C" {
    static walk_program: u8;
    static walk_program_after: u8;
    static fncall_enter_hosted: u8;
    static fncall_enter_hosted_end: u8;
    static fncall_call_entry_hosted: u8;
    static fncall_call_entry_hosted_end: u8;
}

pub const CONTEXT_WORDS: usize = size_of::<UserContext>() / 8;
/// Words of each stack that are looked at, from the top down.
pub const KERNEL_WORDS: usize = 4;
pub const USER_WORDS: usize = 2;

/// What the program starts with: values that are recognised wherever they turn up.
pub const START: GeneralRegs = GeneralRegs {
    rax: 0xa0a,
    rbx: 0xb0b,
    rcx: 0xc0c,
    rdx: 0xd0d,
    rsi: 0x510,
    rdi: 0xd10,
    rbp: 0xb9b,
    rsp: 0,
    r8: 0x808,
    r9: 0x909,
    r10: 0x1010,
    r11: 0x1111,
    r12: 0x1212,
    r13: 0x1313,
    r14: 0x1414,
    r15: 0x1515,
    rip: 0,
    rflags: 0x203,
    fsbase: 0,
    gsbase: 0,
};

/// Everything that the pictures show, at one moment.
#[derive(Clone)]
pub struct Moment {
    pub regs: Regs,
    pub context: [u64; CONTEXT_WORDS],
    pub anchor: [u64; ANCHOR_FIELDS.len()],
    pub kernel_stack: [u64; KERNEL_WORDS],
    pub user_stack: [u64; USER_WORDS],
}

pub struct Executed {
    pub instruction: Instruction,
    pub before: Moment,
    pub after: Moment,
}

/// Where things are in the child.
#[derive(Clone, Copy, Default)]
pub struct Places {
    pub context: u64,
    pub anchor: u64,
    /// The stack pointers before anything was pushed.
    pub kernel_stack: u64,
    pub user_stack: u64,
    pub kernel_tls: u64,
    pub user_tls: u64,
    pub program: u64,
    pub program_after: u64,
    /// Where the entry goes back to, in `run`.
    pub back: u64,
    pub enter: (u64, u64),
    pub call_entry: (u64, u64),
    pub syscall_fn_entry: u64,
}

pub struct Trace {
    pub places: Places,
    pub executed: Vec<Executed>,
}

/// The child: two runs to become fast, a stop, and the run that is looked at.
fn child(context: &mut Context, stack_top: usize) -> ! {
    let ready = |context: &mut Context| {
        context.user.general = GeneralRegs { fsbase: context.user.general.fsbase, ..START };
        context.user.set_ip(&raw const walk_program as usize);
        context.user.set_sp(stack_top);
    };
    // SAFETY: the program only makes its call. The tracer waits for the stop.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        for _ in 0..2 {
            ready(context);
            context.run();
        }
        ready(context);
        libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
        libc::raise(libc::SIGSTOP);
        context.run();
        libc::_exit(0)
    }
}

struct Tracee {
    pid: i32,
    memory: File,
    places: Places,
}

impl Tracee {
    /// Waits for a stop by `signal`.
    fn expect(&self, signal: i32) {
        let mut status = 0;
        // SAFETY: writes to `status`; the child is ours.
        assert_eq!(unsafe { libc::waitpid(self.pid, &mut status, 0) }, self.pid);
        assert!(libc::WIFSTOPPED(status) && libc::WSTOPSIG(status) == signal, "the child: {status:#x}");
    }

    fn request(&self, request: libc::c_uint, data: usize) {
        // SAFETY: the child is stopped and ours; `data` fits the request.
        let ret = unsafe { libc::ptrace(request, self.pid, 0, data) };
        assert_eq!(ret, 0, "ptrace: {}", std::io::Error::last_os_error());
    }

    fn regs(&self) -> Regs {
        // SAFETY: all zeros is a register set.
        let mut regs: Regs = unsafe { std::mem::zeroed() };
        self.request(libc::PTRACE_GETREGS, &raw mut regs as usize);
        regs
    }

    fn read(&self, at: u64, bytes: &mut [u8]) {
        self.memory.read_exact_at(bytes, at).unwrap();
    }

    fn word(&self, at: u64, len: usize) -> u64 {
        let mut bytes = [0; 8];
        self.read(at, &mut bytes[..len]);
        u64::from_le_bytes(bytes)
    }

    fn instruction(&self, at: u64) -> Instruction {
        let mut bytes = [0; 15];
        self.read(at, &mut bytes);
        Decoder::with_ip(64, &bytes, at, DecoderOptions::NONE).decode()
    }

    /// Executes one instruction. `pushfq` would see the trap flag, so it runs to a breakpoint behind it.
    fn step(&self, instruction: &Instruction) {
        if instruction.mnemonic() != iced_x86::Mnemonic::Pushfq {
            self.request(libc::PTRACE_SINGLESTEP, 0);
            return self.expect(libc::SIGTRAP);
        }
        let next = instruction.next_ip();
        let mut byte = [0];
        self.read(next, &mut byte);
        self.memory.write_all_at(&[0xcc], next).unwrap();
        self.request(libc::PTRACE_CONT, 0);
        self.expect(libc::SIGTRAP);
        self.memory.write_all_at(&byte, next).unwrap();
        let mut regs = self.regs();
        regs.rip = next;
        self.request(libc::PTRACE_SETREGS, &raw mut regs as usize);
    }

    fn moment(&self) -> Moment {
        let at = &self.places;
        Moment {
            regs: self.regs(),
            context: std::array::from_fn(|n| self.word(at.context + 8 * n as u64, 8)),
            anchor: ANCHOR_FIELDS.map(|(_, offset, len)| self.word(at.anchor + offset as u64, len)),
            kernel_stack: std::array::from_fn(|n| self.word(at.kernel_stack - 8 * (n as u64 + 1), 8)),
            user_stack: std::array::from_fn(|n| self.word(at.user_stack - 8 * (n as u64 + 1), 8)),
        }
    }

    /// What earlier rounds left, so that the pictures show what this one writes.
    fn forget_earlier_rounds(&self) {
        for (name, offset, len) in ANCHOR_FIELDS {
            if ["rip", "scratch", "kernel_rsp"].contains(&name) {
                self.memory.write_all_at(&[0; 8][..len], self.places.anchor + offset as u64).unwrap();
            }
        }
        self.memory.write_all_at(&[0; 16], self.places.context + 8 * (CONTEXT_WORDS as u64 - 2)).unwrap();
        self.memory.write_all_at(&[0; 32], self.places.user_stack - 32).unwrap();
    }
}

/// Runs the child and watches it.
pub fn record() -> Trace {
    let mut context = Box::new(Context::new());
    let mut stack = vec![0u128; 256];
    let stack_top = stack.as_mut_ptr_range().end as usize - 64;
    // SAFETY: this process has one thread; the child ends by `_exit`.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        child(&mut context, stack_top);
    }
    assert!(pid > 0, "fork: {}", std::io::Error::last_os_error());
    let mut tracee = Tracee {
        pid,
        memory: File::options().read(true).write(true).open(format!("/proc/{pid}/mem")).unwrap(),
        places: Places {
            context: &raw const *context as u64,
            user_stack: stack_top as u64,
            program: &raw const walk_program as u64,
            program_after: &raw const walk_program_after as u64,
            enter: (&raw const fncall_enter_hosted as u64, &raw const fncall_enter_hosted_end as u64),
            call_entry: (
                &raw const fncall_call_entry_hosted as u64,
                &raw const fncall_call_entry_hosted_end as u64,
            ),
            syscall_fn_entry: fncall::syscall_fn_entry as *const () as u64,
            ..Places::default()
        },
    };
    tracee.expect(libc::SIGSTOP);
    let start = tracee.regs();
    tracee.places.anchor = start.gs_base;
    tracee.places.kernel_tls = start.fs_base;
    tracee.places.user_tls = tracee.word(tracee.places.context + 8 * 18, 8);
    tracee.forget_earlier_rounds();

    // The last three instructions before the routine are those of `run` that lead there.
    let mut last: VecDeque<Executed> = VecDeque::new();
    loop {
        let before_rsp = tracee.regs().rsp;
        tracee.places.kernel_stack = last.front().map_or(before_rsp, |first| first.before.regs.rsp);
        let executed = execute(&tracee);
        let arrived = executed.after.regs.rip == tracee.places.enter.0;
        last.push_back(executed);
        if last.len() > 3 {
            last.pop_front();
        }
        if arrived {
            break;
        }
    }
    tracee.places.kernel_stack = last[0].before.regs.rsp;
    tracee.places.back = last[0].after.regs.rax;
    let mut all: Vec<Executed> = last.into();
    // They were recorded with another idea of where the kernel's stack begins.
    let words = |rsp: u64| {
        std::array::from_fn(
            |n| if n == 0 && rsp < tracee.places.kernel_stack { tracee.places.back } else { 0 },
        )
    };
    for executed in &mut all {
        executed.before.kernel_stack = words(executed.before.regs.rsp);
        executed.after.kernel_stack = words(executed.after.regs.rsp);
    }
    while all.last().unwrap().after.regs.rip != tracee.places.back {
        all.push(execute(&tracee));
        assert!(all.len() < 1000, "the round trip does not end");
    }
    // SAFETY: the child is ours and ends now.
    unsafe {
        libc::kill(pid, libc::SIGKILL);
        libc::waitpid(pid, std::ptr::null_mut(), 0);
    }
    Trace { places: tracee.places, executed: all }
}

fn execute(tracee: &Tracee) -> Executed {
    let before = tracee.moment();
    let instruction = tracee.instruction(before.regs.rip);
    tracee.step(&instruction);
    Executed { instruction, before, after: tracee.moment() }
}
