//! The general registers and the context of the original contract. The layout is public: assembly and other
//! crates rely on it. Vector registers are not here, see [`crate::Context`].

/// `trap_num` after a system call, by an entry or by SIGSYS.
pub const TRAP_SYSCALL: usize = 0x100;

/// `trap_num` after a kick: the first vector above the processor's own 32, as a timer interrupt would have.
pub const TRAP_KICK: usize = 0x20;

/// `trap_num` after a run that was refused: it was called from a signal handler that had interrupted another run on the
/// same thread (its user program, or the code that enters and leaves it), or that runs on the thread's signal stack,
/// which the next signal would overwrite. Nothing has run, and no register of the context has changed.
pub const TRAP_REENTRY: usize = 0x101;

/// The general registers of a user program, in the order of the original module. Each is 8 bytes.
///
/// | offset | | offset | | offset | | offset | |
/// |---|---|---|---|---|---|---|---|
/// | 0 | rax | 40 | rdi | 80 | r10 | 120 | r15 |
/// | 8 | rbx | 48 | rbp | 88 | r11 | 128 | rip |
/// | 16 | rcx | 56 | rsp | 96 | r12 | 136 | rflags |
/// | 24 | rdx | 64 | r8 | 104 | r13 | 144 | fsbase |
/// | 32 | rsi | 72 | r9 | 112 | r14 | 152 | gsbase (kept, never loaded: `gs` is the crate's) |
///
/// `rflags`: a run loads CF PF AF ZF SF TF DF OF NT RF AC ID and ignores the rest; IF is always set.
#[allow(missing_docs)] // the names are the registers
#[repr(C)]
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct GeneralRegs {
    pub rax: usize,
    pub rbx: usize,
    pub rcx: usize,
    pub rdx: usize,
    pub rsi: usize,
    pub rdi: usize,
    pub rbp: usize,
    pub rsp: usize,
    pub r8: usize,
    pub r9: usize,
    pub r10: usize,
    pub r11: usize,
    pub r12: usize,
    pub r13: usize,
    pub r14: usize,
    pub r15: usize,
    pub rip: usize,
    pub rflags: usize,
    pub fsbase: usize,
    pub gsbase: usize,
}

/// A user program between two runs: its general registers and why it came back.
#[repr(C)]
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct UserContext {
    /// The general registers.
    pub general: GeneralRegs,
    /// Why the program came back: [`TRAP_SYSCALL`], [`TRAP_KICK`] or the vector of a processor exception.
    pub trap_num: usize,
    /// The error code of the exception as the processor gives it (page fault: bit 0 present, 1 write, 2 user,
    /// 4 instruction fetch); 0 for system calls and kicks.
    pub error_code: usize,
}

impl UserContext {
    /// The number of the system call: `rax`.
    pub fn get_syscall_num(&self) -> usize {
        self.general.rax
    }

    /// The arguments of the system call: `rdi rsi rdx r10 r8 r9`.
    pub fn get_syscall_args(&self) -> [usize; 6] {
        let g = &self.general;
        [g.rdi, g.rsi, g.rdx, g.r10, g.r8, g.r9]
    }

    /// The value the system call returns: `rax`.
    pub fn get_syscall_ret(&self) -> usize {
        self.general.rax
    }

    /// Sets the value the system call returns.
    pub fn set_syscall_ret(&mut self, ret: usize) {
        self.general.rax = ret;
    }

    /// The address of the next instruction.
    pub fn get_ip(&self) -> usize {
        self.general.rip
    }

    /// Sets the address of the next instruction.
    pub fn set_ip(&mut self, ip: usize) {
        self.general.rip = ip;
    }

    /// The stack pointer.
    pub fn get_sp(&self) -> usize {
        self.general.rsp
    }

    /// Sets the stack pointer.
    pub fn set_sp(&mut self, sp: usize) {
        self.general.rsp = sp;
    }

    /// Sets the base of the thread's local storage. [`crate::Context::run_bare`] does not look at it.
    pub fn set_tls(&mut self, tls: usize) {
        self.general.fsbase = tls;
    }
}
