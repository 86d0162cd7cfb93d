//! x86-64: the signal frame (`arch/x86/kernel/signal_64.c`, `arch/x86/include/uapi/asm/{ucontext,sigcontext}.h`).
//!
//! ```text
//!   interrupted rsp
//!   red zone, 128 bytes           (not on a fresh alternate stack)
//!   XSAVE image, 64-byte aligned  <- fpstate
//!   siginfo, 128 bytes            frame + 312, rsi
//!   ucontext, 304 bytes           frame + 8, rdx
//!   pretcode = sa_restorer        frame = rsp in the handler; rsp + 8 is 16-byte aligned, as after a call
//! ```

use super::super::action::{SaFlags, SigAction};
use super::super::altstack::AltStack;
use super::super::info::SigInfo;
use super::super::set::SigSet;
use crate::task::Current;
use crate::{Errno, Result, uaccess};
use host::user::Fault;
use linux_raw_sys::general as g;

const UC: usize = 8;
const UC_STACK: usize = UC + 16;
const SC: usize = UC + 40;
const UC_SIGMASK: usize = SC + 256;
const INFO: usize = UC_SIGMASK + 8;
const FRAME_LEN: usize = INFO + 128;
const _: () = assert!(INFO == 312 && FRAME_LEN == 440);

/// Words of `struct sigcontext`, after the 17 general registers.
const SC_FLAGS: usize = SC + 17 * 8;
const SC_SEGMENTS: usize = SC_FLAGS + 8;
const SC_FPSTATE: usize = SC_FLAGS + 48;

/// `UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS`
const UC_FLAGS: u64 = 7;
/// cs 0x33, gs 0, fs 0, ss 0x2b: what every 64-bit program has.
const SEGMENTS: u64 = 0x002b_0000_0000_0033;
const RED_ZONE: usize = 128;

const TF: usize = 0x100;
const DF: usize = 0x400;
const RF: usize = 0x1_0000;
/// What a program may set by sigreturn: AC RF OF DF TF SF ZF AF PF CF (`FIX_EFLAGS`).
const SETTABLE_FLAGS: usize = 0x4_0000 | RF | 0x800 | DF | TF | 0x80 | 0x40 | 0x10 | 4 | 1;

/// What a frame needs at most on this processor (`AT_MINSIGSTKSZ`, `get_sigframe_size`).
pub fn min_stack_size() -> usize {
    (FRAME_LEN + 15 + host::user::xstate_size() + 63).next_multiple_of(16)
}

/// Makes the program repeat the interrupted call, with `number` in place of its number.
pub fn restart(cur: &mut Current<'_>, number: usize) {
    let ip = cur.restart_ip();
    let regs = cur.user.regs_mut();
    regs.rax = number;
    regs.rip = ip;
}

/// Gives the interrupted call its answer.
pub fn set_result(cur: &mut Current<'_>, result: Result<usize>) {
    cur.user.regs_mut().rax = match result {
        Ok(value) => value,
        Err(errno) => -(errno.raw_os_error() as isize) as usize,
    };
}

/// The program's stack pointer.
pub fn stack_pointer(cur: &Current<'_>) -> usize {
    cur.user.regs().rsp
}

/// Whether a trap has an address in cr2.
pub fn is_page_fault(number: usize) -> bool {
    number == 14
}

/// Signal, code and address for a processor exception.
pub fn classify(cur: &Current<'_>, trap: &Fault) -> (i32, i32, usize) {
    let ip = cur.user.regs().rip;
    // Exceptions whose address is that of the instruction show the program's own code.
    let addr = if trap.addr == ip && !is_page_fault(trap.vector) { cur.original_ip(ip) } else { trap.addr };
    if trap.signo != 0 {
        return (trap.signo, trap.code, addr);
    }
    let ip = cur.original_ip(ip);
    let (signo, code, addr) = match trap.vector {
        0 => (g::SIGFPE, g::FPE_INTDIV, ip),
        1 => (g::SIGTRAP, g::TRAP_TRACE, ip),
        3 => (g::SIGTRAP, g::SI_KERNEL, 0),
        6 => (g::SIGILL, g::ILL_ILLOPN, ip),
        14 => (g::SIGSEGV, if trap.error_code & 1 != 0 { g::SEGV_ACCERR } else { g::SEGV_MAPERR }, trap.addr),
        16 | 19 => (g::SIGFPE, g::FPE_FLTUNK, ip),
        17 => (g::SIGBUS, g::BUS_ADRALN, 0),
        _ => (g::SIGSEGV, g::SI_KERNEL, 0),
    };
    (signo as i32, code as i32, addr)
}

/// Puts a frame on the program's stack and makes the handler its next instruction.
///
/// # Errors
/// `EFAULT`: the frame does not fit, or there is no restorer. Registers are unchanged then.
pub fn enter_handler(cur: &mut Current<'_>, info: SigInfo, action: &SigAction) -> Result<()> {
    // 64-bit programs need it: there is no other way back (`x64_setup_rt_frame`).
    if !action.flags.contains(SaFlags::RESTORER) {
        return Err(Errno::FAULT);
    }
    let rsp = cur.user.regs().rsp;
    let alt = *cur.task.signals.alt_stack.lock();
    let nested = alt.contains(rsp);
    let mut top = rsp.wrapping_sub(RED_ZONE);
    let entering = action.flags.contains(SaFlags::ONSTACK) && alt.state(top) == 0;
    if entering {
        top = alt.sp + alt.size;
    }
    let image_len = host::user::xstate_size();
    let image_addr = top.wrapping_sub(image_len) & !63;
    let frame_addr = (image_addr.wrapping_sub(FRAME_LEN) & !15).wrapping_sub(8);
    if (nested || entering) && !alt.holds(frame_addr) {
        return Err(Errno::FAULT);
    }

    // Without SA_SIGINFO Linux leaves the bytes of the `siginfo_t` alone.
    let frame = build_frame(cur, info, action.restorer, image_addr, &alt);
    let len = if action.flags.contains(SaFlags::SIGINFO) { FRAME_LEN } else { INFO };
    // The handler begins with fresh extended state (`fpu__clear_user_states`).
    cur.user.push_xstate(|image| {
        uaccess::put_bytes(image_addr, image)?;
        uaccess::put_bytes(frame_addr, &frame[..len])
    })?;
    if alt.flags & g::SS_AUTODISARM != 0 {
        *cur.task.signals.alt_stack.lock() = AltStack::default();
    }
    let regs = cur.user.regs_mut();
    regs.rdi = info.signo() as usize;
    regs.rsi = frame_addr + INFO;
    regs.rdx = frame_addr + UC;
    regs.rax = 0;
    regs.rip = action.handler;
    regs.rsp = frame_addr;
    regs.rflags &= !(DF | RF | TF);
    Ok(())
}

/// The bytes of `struct rt_sigframe`.
fn build_frame(
    cur: &Current<'_>,
    info: SigInfo,
    restorer: usize,
    image_addr: usize,
    alt: &AltStack,
) -> [u8; FRAME_LEN] {
    let mut frame = [0; FRAME_LEN];
    let mut put = |at: usize, value: u64| frame[at..at + 8].copy_from_slice(&value.to_le_bytes());
    let mask = cur.task.signals.mask_to_save();
    let trap = *cur.task.signals.last_trap.lock();
    let r = cur.user.regs();
    put(0, restorer as u64);
    put(UC, UC_FLAGS);
    for (n, word) in alt.to_words().into_iter().enumerate() {
        put(UC_STACK + n * 8, word as u64);
    }
    let general = [
        r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rdi, r.rsi, r.rbp, r.rbx, r.rdx, r.rax,
        r.rcx, r.rsp,
    ];
    for (n, value) in general.into_iter().enumerate() {
        put(SC + n * 8, value as u64);
    }
    put(SC + 16 * 8, cur.original_ip(r.rip) as u64);
    put(SC_FLAGS, r.rflags as u64);
    put(SC_SEGMENTS, SEGMENTS);
    put(SC_SEGMENTS + 8, trap.error_code as u64);
    put(SC_SEGMENTS + 16, trap.number as u64);
    put(SC_SEGMENTS + 24, mask.0);
    put(SC_SEGMENTS + 32, trap.address as u64);
    put(SC_FPSTATE, image_addr as u64);
    put(UC_SIGMASK, mask.0);
    info.write_to(&mut frame[INFO..]);
    frame
}

/// Undoes what `enter_handler` did: registers, extended state, mask and alternate stack as the frame says. The
/// frame begins 8 bytes below the stack pointer: the handler's return has popped its first word.
///
/// # Errors
/// `EFAULT` for a frame that cannot be read or that the processor would refuse: the caller forces SIGSEGV.
pub fn leave_handler(cur: &mut Current<'_>) -> Result<usize> {
    let frame_addr = cur.user.regs().rsp.wrapping_sub(8);
    let mut frame = [0; INFO];
    uaccess::get_bytes(&mut frame, frame_addr)?;
    let word = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&frame[at..at + 8]);
        usize::from_le_bytes(bytes)
    };
    super::super::set_blocked(cur.task, SigSet(word(UC_SIGMASK) as u64));

    let fpstate = word(SC_FPSTATE);
    if fpstate == 0 {
        cur.user.reset_xstate();
    } else {
        load_extended(cur, fpstate)?;
    }
    let ip = cur.current_ip(word(SC + 16 * 8));
    let regs = cur.user.regs_mut();
    let general = [
        &mut regs.r8,
        &mut regs.r9,
        &mut regs.r10,
        &mut regs.r11,
        &mut regs.r12,
        &mut regs.r13,
        &mut regs.r14,
        &mut regs.r15,
        &mut regs.rdi,
        &mut regs.rsi,
        &mut regs.rbp,
        &mut regs.rbx,
        &mut regs.rdx,
        &mut regs.rax,
        &mut regs.rcx,
        &mut regs.rsp,
    ];
    for (n, register) in general.into_iter().enumerate() {
        *register = word(SC + n * 8);
    }
    regs.rip = ip;
    regs.rflags = regs.rflags & !SETTABLE_FLAGS | word(SC_FLAGS) & SETTABLE_FLAGS;
    let (rsp, rax) = (regs.rsp, regs.rax);

    let stack = AltStack::from_words([word(UC_STACK), word(UC_STACK + 8), word(UC_STACK + 16)]);
    // Linux does not look at whether this works either (`restore_altstack`).
    let _ = cur.task.signals.alt_stack.lock().replace(stack, rsp);
    Ok(rax)
}

/// Loads the XSAVE image of a frame. The program may have made it itself, of any length.
fn load_extended(cur: &mut Current<'_>, addr: usize) -> Result<()> {
    // What cannot be read behind the first 512 bytes is not needed by an image without the extension.
    cur.user.pop_xstate(|image| image.len() - usercopy::copy_from_user(image, addr)).map_err(|_| Errno::FAULT)
}
