//! Running a program: the kernel's safe view of the switch, and what each host thread carries.

use crate::park::Parker;
use crate::thread::SIGNAL_STACK_LEN;
use crate::{Errno, Result, arena};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use fncall::{Anchor, Context, FaultAction, GeneralRegs, HandlerConfig, KernelFault};

/// Signals from outside the instance, bit `signo - 1`.
#[derive(Debug, Default)]
pub(crate) struct Forwarded {
    /// From the host's kernel, for the whole process group: of the terminal.
    pub(crate) kernel: AtomicU64,
    /// From processes.
    pub(crate) user: AtomicU64,
}

/// What a host thread that runs programs carries, found through its anchor.
pub(crate) struct HostThread {
    anchor: Anchor,
    /// Its address space has the image on a huge page ([`crate::huge`]); its children's will.
    pub(crate) image_is_huge: AtomicBool,
    parker: Arc<Parker>,
    /// Signals that came from outside the instance.
    forwarded: Forwarded,
    /// 1 once the thread has nothing left to do.
    left: AtomicU8,
}

impl HostThread {
    pub(crate) fn new(parker: Arc<Parker>) -> HostThread {
        HostThread {
            anchor: Anchor::new(),
            image_is_huge: AtomicBool::new(false),
            parker,
            forwarded: Forwarded::default(),
            left: AtomicU8::new(0),
        }
    }

    pub(crate) fn parker(&self) -> &Arc<Parker> {
        &self.parker
    }

    pub(crate) fn has_left(&self) -> bool {
        self.left.load(Relaxed) != 0
    }

    pub(crate) fn anchor(&self) -> &Anchor {
        &self.anchor
    }
}

impl core::fmt::Debug for HostThread {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "HostThread({})", self.parker.host_tid())
    }
}

/// Whether the handlers of faults and kicks are installed: once for all processes of an instance.
static HANDLERS: AtomicBool = AtomicBool::new(false);

/// Read by the host on every system call outside the kernel image: 1 means "block, send SIGSYS".
static SELECTOR: AtomicU8 = AtomicU8::new(1);

/// Why user mode was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A system call; `via_trap` when it came by SIGSYS and not from a patched site.
    Syscall {
        /// By SIGSYS; `rip` is behind the instruction.
        via_trap: bool,
    },
    /// `int 0x80`: a system call of the 32-bit ABI.
    CompatSyscall,
    /// A processor exception.
    Fault(Fault),
    /// A kick: look at signals and timers.
    Kick,
}

/// A processor exception in the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The hardware's vector: 14 page fault, 13 general protection, 6, 0, 3, 1, 16, 17, 19.
    pub vector: usize,
    /// The hardware's error code.
    pub error_code: usize,
    /// The address of a page fault.
    pub addr: usize,
    /// The host's signal (SIGSEGV or SIGBUS tell apart a page outside a file).
    pub signo: i32,
    /// The host's `si_code`.
    pub code: i32,
}

/// The registers and extended state of one user thread.
pub struct UserThread {
    context: Box<Context>,
}

impl UserThread {
    /// A fresh thread: all registers zero, extended state as after reset.
    pub fn new() -> UserThread {
        UserThread { context: Box::new(Context::new()) }
    }

    /// General registers as they will be, or were, in user mode. After a system call `rip` is behind the call.
    #[inline]
    pub fn regs(&self) -> &GeneralRegs {
        &self.context.user.general
    }

    /// General registers, to change.
    #[inline]
    pub fn regs_mut(&mut self) -> &mut GeneralRegs {
        &mut self.context.user.general
    }

    /// A copy of registers and extended state, for a new thread or process; the TLS base is not part of it.
    pub fn duplicate(&self) -> UserThread {
        UserThread { context: self.context.clone() }
    }

    /// As for a new program: registers zero, extended state as after reset, TLS base 0.
    pub fn reset(&mut self) {
        *self.regs_mut() = GeneralRegs::default();
        self.context.reset_xstate();
        // A base of zero is always accepted.
        let _ = self.set_fsbase(0);
    }

    /// Runs the program until it wants something of the kernel.
    // In the caller's own loop: returning through one more frame each time would cost several times the switch.
    #[inline(always)]
    pub fn enter(&mut self) -> Event {
        #[cfg(debug_assertions)]
        crate::lock_order::none_held("the program goes on");
        // SAFETY: `attach_thread` has installed the anchor and handlers on this thread (a thread that has not
        // cannot come here: `boot` calls it first); kernel code is built without AVX and uses no x87; the context
        // is boxed and stays on this thread; that the program leaves the kernel alone is the trust that one
        // instance is built on.
        unsafe { self.context.run_bare() };
        match self.context.user.trap_num {
            fncall::TRAP_SYSCALL => {
                let via_trap = self.context.via_trap;
                if via_trap && self.context.fault.arch != AUDIT_ARCH_X86_64 {
                    return Event::CompatSyscall;
                }
                Event::Syscall { via_trap }
            }
            fncall::TRAP_KICK => Event::Kick,
            vector => {
                let fault = &self.context.fault;
                Event::Fault(Fault {
                    vector,
                    error_code: self.context.user.error_code,
                    addr: fault.addr,
                    signo: fault.signo,
                    code: fault.code,
                })
            }
        }
    }

    /// Shows `put` the complete extended state as the XSAVE area of a signal frame, [`xstate_size`] bytes; if `put` takes
    /// it, the program goes on with that of a new one.
    ///
    /// # Errors
    /// Those of `put`. The state is as it was then.
    pub fn push_xstate(&mut self, put: impl FnOnce(&[u8]) -> Result<()>) -> Result<()> {
        self.context.push_xstate(put)
    }

    /// Takes the extended state from a signal frame: `get` fills what it is given and answers how many bytes there were.
    ///
    /// # Errors
    /// `EINVAL` when the processor would refuse it. The state is that of a new program then.
    pub fn pop_xstate(&mut self, get: impl FnOnce(&mut [u8]) -> usize) -> Result<()> {
        self.context.pop_xstate(get).map_err(|_| Errno::INVAL)
    }

    /// The complete extended state as the XSAVE area of a signal frame. It is no longer in the processor then: for who does
    /// not go on soon.
    pub fn xstate_frame(&mut self) -> Vec<u8> {
        let mut area = alloc::vec![0; xstate_size()];
        self.context.save_xstate(&mut area);
        area
    }

    /// Extended state as after reset (a signal frame without one).
    pub fn reset_xstate(&mut self) {
        self.context.reset_xstate();
    }

    /// The program's TLS base.
    pub fn fsbase(&self) -> usize {
        fncall::user_fsbase()
    }

    /// Sets the program's TLS base.
    ///
    /// # Errors
    /// `EPERM` for an address outside user space, as arch_prctl(2).
    pub fn set_fsbase(&mut self, base: usize) -> Result<()> {
        if base >= usercopy::TASK_SIZE {
            return Err(Errno::PERM);
        }
        // SAFETY: the kernel itself never uses fs.
        unsafe { fncall::set_user_fsbase(base) }.map_err(|()| Errno::PERM)
    }
}

impl Default for UserThread {
    fn default() -> Self {
        Self::new()
    }
}

/// `AUDIT_ARCH_X86_64` of linux/audit.h.
const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;

/// The components of extended state there are, as bits of XCR0.
pub fn xstate_features() -> u64 {
    fncall::xstate_features()
}

/// Where in the XSAVE area they are, but for the first two.
pub fn xstate_components() -> impl Iterator<Item = fncall::XstateComponent> {
    fncall::xstate_components()
}

/// Bytes of the XSAVE area in a signal frame.
pub fn xstate_size() -> usize {
    fncall::xstate_frame_size()
}

/// Where a patched site jumps to, with `rcx` = the address to go on at.
pub fn jump_entry() -> usize {
    fncall::jump_entry_addr_bare()
}

/// Makes the calling host thread one that runs programs: anchor, signal stack, fault handlers, and Syscall User
/// Dispatch with the kernel image as the only place whose system calls go to the host.
///
/// # Errors
/// Those of the host calls made; `EINVAL` from prctl(2) on hosts before Linux 5.11.
pub fn attach_thread() -> Result<()> {
    let thread = Box::leak(Box::new(HostThread::new(Parker::of_this_thread())));
    let stack = match crate::boot::take_signal_stack() {
        Some(stack) => stack,
        None => arena::stack(SIGNAL_STACK_LEN)?,
    };
    attach(thread, stack, true)
}

/// As [`attach_thread`], with the thread's block and signal stack; `program`: it will run a program.
pub(crate) fn attach(thread: &HostThread, signal_stack: usize, program: bool) -> Result<()> {
    let errno = |raw: i32| Errno::from_raw_os_error(raw);
    // SAFETY: the block and the stack outlive the thread: they are leaked, or dropped by who knows that it is gone;
    // nobody else uses gs; the hooks only read tables and write atomics; the image's text holds every system call of
    // the kernel. The anchor is written through atomics only.
    unsafe {
        let anchor = (&raw const thread.anchor).cast_mut();
        fncall::install_thread(anchor, signal_stack as *mut u8, SIGNAL_STACK_LEN).map_err(errno)?;
        fncall::set_anchor_data(&raw const *thread as usize);
        // Threads share the handlers and forked processes inherit them.
        if !HANDLERS.load(Relaxed) {
            let config = HandlerConfig { kick_signal: crate::signal::KICK_SIGNAL, kernel_fault, kernel_kick };
            fncall::install_handlers(&config).map_err(errno)?;
            HANDLERS.store(true, Relaxed);
        }
        if program {
            let (start, len) = crate::arch::text_range();
            fncall::enable_sud(start, len, SELECTOR.as_ptr()).map_err(errno)?;
        }
    }
    debug_assert_eq!(SELECTOR.load(Relaxed), 1);
    Ok(())
}

/// The calling thread is about to end, or to go on as another one.
pub(crate) fn note_leaving() {
    if let Some(thread) = current_thread() {
        thread.left.store(1, Relaxed);
    }
}

/// Signals from outside that reached the calling thread.
pub(crate) fn forwarded() -> Option<&'static Forwarded> {
    current_thread().map(|thread| &thread.forwarded)
}

/// A fault in kernel mode: a user copy ends early, everything else is a bug of the kernel and says so.
fn kernel_fault(fault: &mut KernelFault<'_>) -> FaultAction {
    if let Some(to) = usercopy::fixup(*fault.rip) {
        *fault.rip = to;
        return FaultAction::Resume;
    }
    crate::log::message(format_args!(
        "kernel bug: signal {} code {} at ip {:#x}, address {:#x}, sp {:#x}",
        fault.signo, fault.code, *fault.rip, fault.addr, fault.rsp
    ));
    FaultAction::Die
}

/// A kick in kernel mode: what is about to block must not.
fn kernel_kick(rip: &mut usize, _rax: &mut usize) {
    if let Some(parker) = current_parker_ref() {
        parker.interrupt();
    }
    if let Some(to) = crate::arch::interrupt_blocking(*rip) {
        *rip = to;
    }
}

/// The calling thread's parker, when it is one that runs programs.
pub(crate) fn current_parker() -> Option<Arc<Parker>> {
    current_thread().map(|thread| thread.parker.clone())
}

/// As [`current_parker`], borrowed: a thread's parker outlives every call the thread makes.
pub(crate) fn current_parker_ref() -> Option<&'static Parker> {
    current_thread().map(|thread| &*thread.parker)
}

pub(crate) fn current_thread() -> Option<&'static HostThread> {
    fncall::current_anchor()?;
    // SAFETY: there is an anchor; its word is 0 or the leaked `HostThread` that `attach_thread` stored. A thread
    // of an ordinary program has an anchor of its own with the word 0.
    unsafe { (fncall::anchor_data() as *const HostThread).as_ref() }
}
