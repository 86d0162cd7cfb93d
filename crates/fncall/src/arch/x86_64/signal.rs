//! Host signals become traps. The handler runs on the thread's signal stack and decides by where it interrupted
//! the thread: in the user (a trap: fill the context, resume the kernel), in the kernel (a fixup, a bug, or a
//! kick to remember), or inside the entry assembly (undo it or let it finish). See sigaction(2), sigreturn(2) and
//! `struct sigcontext` in Linux's `asm/sigcontext.h`.

use core::sync::atomic::{AtomicI32, AtomicUsize, Ordering::Relaxed};

use super::anchor::{Anchor, IN_KERNEL, IN_USER, current_anchor, set_fsbase, user_fsbase};
use super::context::{Context, Fault};
use super::entry::{self, NT, Place, TF, fncall_exit_tail, fncall_restorer, fncall_signal_entry};
use super::linux::{self, KernelSigaction, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};
use super::regs::{TRAP_KICK, TRAP_SYSCALL};
use super::{park, xstate};

/// What [`install_handlers`] needs to know.
#[derive(Debug, Clone, Copy)]
pub struct HandlerConfig {
    /// The host's signal that means "come back to the kernel", for instance SIGURG (23) or a real-time signal.
    pub kick_signal: i32,
    /// Called on the signal stack when the kernel itself faults: the place for the fixups of user copies.
    pub kernel_fault: fn(&mut KernelFault<'_>) -> FaultAction,
    /// Called on the signal stack when a kick finds the kernel running, after the kick was remembered. It may
    /// change where the kernel goes on and its `rax`, so that a host call that is about to block returns EINTR
    /// instead. (A host call that already blocks is interrupted by the host.)
    pub kernel_kick: fn(rip: &mut usize, rax: &mut usize),
}

/// A fault in the kernel, and the registers it can be repaired with.
#[derive(Debug)]
#[allow(missing_docs)] // the registers are themselves
pub struct KernelFault<'a> {
    /// The host's signal.
    pub signo: i32,
    /// The host's `si_code`.
    pub code: i32,
    /// The faulting address of a SIGSEGV or SIGBUS.
    pub addr: usize,
    /// The processor's error code.
    pub error_code: usize,
    /// The stack pointer at the fault.
    pub rsp: usize,
    /// Where the kernel goes on.
    pub rip: &'a mut usize,
    pub rax: &'a mut usize,
    pub rcx: &'a mut usize,
    pub rdx: &'a mut usize,
    pub rdi: &'a mut usize,
    pub rsi: &'a mut usize,
}

/// What to do after a fault in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultAction {
    /// Go on with the registers as they are now.
    Resume,
    /// It is a bug: die of the signal as if there were no handler.
    Die,
}

static KICK_SIGNAL: AtomicI32 = AtomicI32::new(0);
static KERNEL_FAULT: AtomicUsize = AtomicUsize::new(0);
static KERNEL_KICK: AtomicUsize = AtomicUsize::new(0);

/// Installs the signal handlers of the process: SIGSYS, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP and the kick
/// signal. They are per process and inherited by forked children. `Err` holds the host's error number.
///
/// # Safety
/// Nobody else may handle these signals, and every thread that runs a context needs a signal stack
/// ([`crate::install_thread`]). The functions in `cfg` run in a signal handler: they must be async-signal-safe.
pub unsafe fn install_handlers(cfg: &HandlerConfig) -> Result<(), i32> {
    xstate::xstate_features(); // not for the first time in a handler
    KERNEL_FAULT.store(cfg.kernel_fault as usize, Relaxed);
    KERNEL_KICK.store(cfg.kernel_kick as usize, Relaxed);
    KICK_SIGNAL.store(cfg.kick_signal, Relaxed);
    for signo in [SIGSYS, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, cfg.kick_signal] {
        let action = KernelSigaction {
            handler: fncall_signal_entry as *const () as usize,
            flags: linux::SA_SIGINFO | linux::SA_ONSTACK | linux::SA_RESTORER,
            restorer: fncall_restorer as *const () as usize,
            mask: !0, // one handler at a time: the context is written by one only
        };
        // SAFETY: the handler decides by what it interrupts and keeps the rest.
        let ret = unsafe { linux::rt_sigaction(signo, &action) };
        if ret < 0 {
            return Err(-ret as i32);
        }
    }
    Ok(())
}

/// `siginfo_t` as far as it is read here. For SIGSYS `addr` is followed by the number and the architecture.
#[repr(C)]
pub(crate) struct SigInfo {
    signo: i32,
    errno: i32,
    code: i32,
    pad: i32,
    addr: usize,
    syscall: i32,
    arch: u32,
}

/// `struct sigcontext`: the registers at the interruption.
#[repr(C)]
struct SigContext {
    r8: usize,
    r9: usize,
    r10: usize,
    r11: usize,
    r12: usize,
    r13: usize,
    r14: usize,
    r15: usize,
    rdi: usize,
    rsi: usize,
    rbp: usize,
    rbx: usize,
    rdx: usize,
    rax: usize,
    rcx: usize,
    rsp: usize,
    rip: usize,
    rflags: usize,
    /// cs, gs, fs, ss, 16 bits each.
    segments: u64,
    error_code: usize,
    trap_num: usize,
    old_mask: usize,
    cr2: usize,
    fpstate: *mut u8,
}

/// `struct ucontext`.
#[repr(C)]
pub(crate) struct UContext {
    flags: usize,
    link: usize,
    stack: [usize; 3],
    regs: SigContext,
}

const USER_CS: u64 = 0x33;

/// The handler. Called by `fncall_signal_entry` with the host's arguments.
pub(crate) unsafe extern "C" fn on_signal(signo: i32, info: *const SigInfo, uc: *mut UContext) {
    // SAFETY: the host gives both for the time of the handler.
    let (info, regs) = unsafe { (&*info, &mut (*uc).regs) };
    let kick = signo == KICK_SIGNAL.load(Relaxed);
    if !kick && info.code <= 0 {
        return sent_by_somebody(signo);
    }
    let Some(anchor) = current_anchor() else {
        if !kick {
            in_kernel(signo, info, regs);
        }
        return;
    };
    let interrupted_fsbase = to_kernel_fsbase(anchor);
    match entry::place_of(regs.rip) {
        Place::Entering if kick => undo_entry(anchor, regs, TRAP_KICK),
        Place::Entering if regs.rflags & NT != 0 => {
            regs.rflags &= !NT; // iretq refuses: once more without
            restore_fsbase(anchor, interrupted_fsbase);
        }
        // Only a bad rip makes these instructions fault, with all else undamaged.
        Place::Entering if signo == SIGSEGV || signo == SIGBUS => undo_entry(anchor, regs, 13),
        Place::Popped | Place::Leaving if kick => {
            remember_kick(anchor);
            restore_fsbase(anchor, interrupted_fsbase);
        }
        // A single step onto an entry: the user sees one instruction, its system call.
        Place::Popped if signo == SIGTRAP && regs.rflags & TF != 0 => {
            regs.rip = anchor.rip.load(Relaxed);
            trap(anchor, TRAP_SYSCALL, 0, Fault::default(), interrupted_fsbase, regs);
        }
        Place::JumpEntry if signo == SIGTRAP && regs.rflags & TF != 0 => {
            regs.rip = regs.rcx;
            regs.r11 = regs.rflags;
            trap(anchor, TRAP_SYSCALL, 0, Fault::default(), interrupted_fsbase, regs);
        }
        Place::Entering | Place::Popped | Place::Leaving => {
            in_kernel(signo, info, regs);
            restore_fsbase(anchor, interrupted_fsbase);
        }
        Place::JumpEntry | Place::Elsewhere if anchor.mode.load(Relaxed) == IN_USER => {
            let fault = Fault { addr: info.addr, signo, code: info.code, arch: 0 };
            let (trap_num, error_code, fault) = match signo {
                _ if kick => (TRAP_KICK, 0, Fault::default()),
                SIGSYS => (TRAP_SYSCALL, 0, Fault { arch: info.arch, ..fault }),
                _ => (regs.trap_num, regs.error_code, fault),
            };
            trap(anchor, trap_num, error_code, fault, interrupted_fsbase, regs);
        }
        Place::JumpEntry | Place::Elsewhere if kick => {
            remember_kick(anchor);
            let hook = KERNEL_KICK.load(Relaxed);
            // SAFETY: stored by `install_handlers` from a function of this type, before the handler existed.
            let hook: fn(&mut usize, &mut usize) = unsafe { core::mem::transmute(hook) };
            hook(&mut regs.rip, &mut regs.rax);
        }
        Place::JumpEntry | Place::Elsewhere => in_kernel(signo, info, regs),
    }
}

/// On a hosted thread: switches to the kernel's TLS, whatever was interrupted. Returns the base that was there.
fn to_kernel_fsbase(anchor: &Anchor) -> usize {
    if anchor.hosted.load(Relaxed) == 0 {
        return 0;
    }
    let interrupted = user_fsbase();
    restore_fsbase(anchor, anchor.kernel_fsbase.load(Relaxed));
    interrupted
}

/// On a hosted thread: sets the TLS base for what the frame returns to.
fn restore_fsbase(anchor: &Anchor, base: usize) {
    if anchor.hosted.load(Relaxed) != 0 && base != user_fsbase() {
        // SAFETY: the base was in the register before, so it is valid; nothing here uses TLS.
        unsafe { set_fsbase(base) };
    }
}

/// A fault signal that no fault caused: somebody on the host wants this process to end.
fn sent_by_somebody(signo: i32) {
    die(signo);
    linux::tgkill(linux::gettid(), signo);
}

/// Restores the signal's default action. The instruction runs again and ends the process.
fn die(signo: i32) {
    let default = KernelSigaction { handler: 0, flags: linux::SA_RESTORER, restorer: 0, mask: 0 };
    // SAFETY: the default action needs nothing from us.
    unsafe { linux::rt_sigaction(signo, &default) };
}

fn remember_kick(anchor: &Anchor) {
    anchor.kicked.store(1, Relaxed);
    anchor.refuse_fast();
}

/// The user has not been reached: resume the kernel as if it came straight back. The context is as it was, and
/// what was loaded of its extended state is a copy of what it holds.
fn undo_entry(anchor: &Anchor, regs: &mut SigContext, trap_num: usize) {
    // SAFETY: an entry is under way, so the context is there and nobody else looks at it.
    let context = unsafe { &mut *anchor.current.load(Relaxed) };
    context.user.trap_num = trap_num;
    context.user.error_code = 0;
    context.via_trap = false;
    context.fault = match trap_num {
        TRAP_KICK => Fault::default(),
        _ => Fault { addr: 0, signo: SIGSEGV, code: linux::SI_KERNEL, arch: 0 },
    };
    if anchor.hosted.load(Relaxed) != 0 {
        // SAFETY: `fpstate` is the host's.
        unsafe { park::clean_frame_control(regs.fpstate, context.x87_in_image) };
    }
    resume_kernel(anchor, regs);
}

/// The user was interrupted: fills the context from the signal frame and makes the frame resume the kernel.
fn trap(
    anchor: &Anchor,
    trap_num: usize,
    error_code: usize,
    fault: Fault,
    fsbase: usize,
    regs: &mut SigContext,
) {
    // SAFETY: the user runs, so `run` is waiting with this context and nobody else looks at it.
    let context: &mut Context = unsafe { &mut *anchor.current.load(Relaxed) };
    let general = &mut context.user.general;
    general.rax = regs.rax;
    general.rbx = regs.rbx;
    general.rcx = regs.rcx;
    general.rdx = regs.rdx;
    general.rsi = regs.rsi;
    general.rdi = regs.rdi;
    general.rbp = regs.rbp;
    general.rsp = regs.rsp;
    general.r8 = regs.r8;
    general.r9 = regs.r9;
    general.r10 = regs.r10;
    general.r11 = regs.r11;
    general.r12 = regs.r12;
    general.r13 = regs.r13;
    general.r14 = regs.r14;
    general.r15 = regs.r15;
    general.rip = regs.rip;
    general.rflags = regs.rflags;
    context.user.trap_num = trap_num;
    context.user.error_code = error_code;
    context.via_trap = fault.signo == SIGSYS;
    context.fault = fault;
    // SAFETY: `fpstate` is the host's: an image that begins with 512 bytes of fxsave format (sigcontext.h).
    unsafe {
        if anchor.hosted.load(Relaxed) != 0 {
            context.user.general.fsbase = fsbase;
            context.take_frame(regs.fpstate);
        } else {
            // The rest goes back to the processor with the frame, where the context's place says it is.
            context.image.take_xmm(regs.fpstate);
        }
    }
    resume_kernel(anchor, regs);
}

/// Makes the signal frame return to the kernel, right behind `run`.
fn resume_kernel(anchor: &Anchor, regs: &mut SigContext) {
    anchor.mode.store(IN_KERNEL, Relaxed);
    regs.rip = fncall_exit_tail as *const () as usize;
    regs.rsp = anchor.kernel_rsp.load(Relaxed);
    regs.rflags = 0x202;
    regs.segments = regs.segments & !0xffff | USER_CS;
}

/// A fault of the kernel's own.
fn in_kernel(signo: i32, info: &SigInfo, regs: &mut SigContext) {
    if regs.rflags & entry::AC != 0 {
        // The kernel never sets it: it leaked from the user, and the access was merely misaligned.
        regs.rflags &= !entry::AC;
        return;
    }
    let hook = KERNEL_FAULT.load(Relaxed);
    // SAFETY: stored by `install_handlers` from a function of this type, before the handler existed.
    let hook: fn(&mut KernelFault<'_>) -> FaultAction = unsafe { core::mem::transmute(hook) };
    let action = hook(&mut KernelFault {
        signo,
        code: info.code,
        addr: info.addr,
        error_code: regs.error_code,
        rsp: regs.rsp,
        rip: &mut regs.rip,
        rax: &mut regs.rax,
        rcx: &mut regs.rcx,
        rdx: &mut regs.rdx,
        rdi: &mut regs.rdi,
        rsi: &mut regs.rsi,
    });
    if action == FaultAction::Die {
        die(signo);
    }
}
