//! `run`: enter a context and wait until it comes back. The fast part is one comparison and a jump to the
//! assembly; everything unusual (a kick that waits, another context's state in the processor, flags that only
//! `iretq` loads) is decided here, in `prepare`.

use core::arch::asm;
use core::ptr::null_mut;
use core::sync::atomic::{Ordering, Ordering::Relaxed, compiler_fence};

use super::anchor::{Anchor, IN_KERNEL, Switching, TASK_SIZE_MAX, has_fsgsbase, this_anchor, user_fsbase};
use super::context::{Context, Fault, Place};
use super::entry::{
    SLOW_FLAGS, fncall_call_entry_bare, fncall_call_entry_hosted, fncall_enter_bare, fncall_enter_bare_iret,
    fncall_enter_hosted, fncall_enter_hosted_iret, fncall_exit_tail,
};
use super::regs::{TRAP_KICK, TRAP_REENTRY};
use super::{hosted, linux, xstate};

/// Jumps to one of the routines of `enter.s` and comes back with its eax.
///
/// A jump, not a call: every `call` of the kernel still meets its own `ret` in the predictor's return stack.
macro_rules! enter {
    ($routine:path, $context:expr) => {{
        let came_back: u32;
        asm!(
            "lea rax, [rip + 2f]",
            "push rax",
            "jmp {routine}",
            "2:",
            routine = sym $routine,
            inout("rdi") $context => _,
            out("eax") came_back,
            out("r12") _, out("r13") _, out("r14") _, out("r15") _, // rbx and rbp are on the stack
            clobber_abi("sysv64"),
        );
        came_back != 0
    }};
}

/// Goes on in the kernel as a thread that the host ended while it was in user mode: there
/// [`run_bare`](Context::run_bare) returns with [`TRAP_KICK`], on that thread's kernel stack. For a kernel whose stacks
/// and contexts outlive its threads, because processes share them.
///
/// # Safety
/// - The thread is gone, and [`Anchor::is_in_user`] holds for its anchor, which is now the calling thread's.
/// - Its kernel stack and context are as it left them, and nobody else goes on there.
pub unsafe fn resume_gone() -> ! {
    // SAFETY: the caller's promises: the anchor and its context are valid; what lies at `kernel_rsp` are rbx, rbp and the
    // address behind the entry of `run_bare`, as the tail expects.
    unsafe {
        let anchor = this_anchor();
        let context = anchor.current.load(Relaxed);
        (*context).report(TRAP_KICK);
        anchor.mode.store(IN_KERNEL, Relaxed);
        asm!(
            "mov rsp, {sp}",
            "jmp {tail}",
            sp = in(reg) anchor.kernel_rsp.load(Relaxed),
            tail = sym fncall_exit_tail,
            options(noreturn),
        );
    }
}

/// What `prepare` decided.
enum How {
    /// There is something to report instead.
    NotNow,
    Fast,
    Iret,
}

impl Context {
    /// Runs the user program until it makes a system call, faults or is kicked; then `user.trap_num` says which.
    /// For a freestanding kernel: does not touch `fs` (it is the user's all the time) nor MXCSR and x87, which
    /// stay the user's while the kernel runs.
    ///
    /// | `trap_num` | meaning |
    /// |---|---|
    /// | 0x100 | system call; `via_trap` tells an entry from SIGSYS; `rip` is where to go on |
    /// | 0 1 3 6 13 14 16 17 19 | processor exception, with `error_code` and `fault` |
    /// | 0x20 | kick; nothing is lost, run again to go on |
    /// | 0x101 | refused, see [`crate::TRAP_REENTRY`] |
    ///
    /// Call it from the loop that also answers the system calls, `loop { run_bare(); dispatch(); }`: it is inlined
    /// there. A function around it that returns for every system call works too, but unbalances the return
    /// predictors of kernel and user and costs some 30 ns.
    ///
    /// # Panics
    /// If the context is live on another thread or was moved, see [`Context::detach`].
    ///
    /// # Safety
    /// - This thread has an anchor ([`crate::install_thread`]), and for traps to come back the handlers are
    ///   installed ([`crate::install_handlers`]).
    /// - The calling code, and all code until the next run, uses legacy SSE only, no AVX and no x87.
    /// - From the return until [`Context::detach`] (or drop) the context stays at its address and on this thread.
    /// - The user program leaves the kernel's memory, `gs` and the signal stack alone: both are in one address
    ///   space, and nothing but good behaviour separates them.
    /// - The thread's signal stack is the one it had when the anchor was installed.
    /// - A signal handler that is not on that stack and did not interrupt a run calls it only where no context of the
    ///   thread is in part in the processor, and detaches this one before it returns.
    #[inline(always)]
    pub unsafe fn run_bare(&mut self) {
        // SAFETY: the caller's promises; the assembly keeps what its contract says.
        unsafe {
            if this_anchor().is_busy() {
                self.report(TRAP_REENTRY);
                return;
            }
            if !enter!(fncall_enter_bare, &raw mut *self) {
                self.run_bare_slowly();
            }
        }
    }

    #[cold]
    #[inline(never)]
    unsafe fn run_bare_slowly(&mut self) {
        // SAFETY: as in `run_bare`.
        unsafe {
            loop {
                let how = {
                    let _switching = Switching::on(this_anchor());
                    self.prepare_bare(this_anchor())
                };
                let came_back = match how {
                    How::NotNow => return,
                    How::Fast => enter!(fncall_enter_bare, &raw mut *self),
                    How::Iret => enter!(fncall_enter_bare_iret, &raw mut *self),
                };
                if came_back {
                    return;
                }
                // A kick came in between.
            }
        }
    }

    /// # Safety
    /// As [`Context::attach`].
    unsafe fn prepare_bare(&mut self, anchor: &Anchor) -> How {
        // SAFETY: passed on.
        unsafe { self.attach(anchor, Place::Bare) };
        anchor.hosted.store(0, Relaxed);
        anchor.call_entry.store(fncall_call_entry_bare as *const () as usize, Relaxed);
        anchor.current.store(self, Relaxed);
        anchor.fast_hosted.store(null_mut(), Relaxed);
        anchor.fast_bare.store(self, Relaxed);
        self.fast_or_not(anchor)
    }

    /// Runs the user program until it makes a system call, faults or is kicked, as [`Context::run_bare`] does, in
    /// a program with a C library: while the kernel runs, `fs`, MXCSR and the x87 control word are the kernel's,
    /// and it may use all vector registers. The thread gets its anchor and a signal stack at its first run.
    ///
    /// `general.fsbase` is the user's TLS base. 0 means the thread's initial TLS block: zeros from
    /// [`crate::INITIAL_TLS_BELOW`] bytes below the base to [`crate::INITIAL_TLS_ABOVE`] above, with the base itself
    /// in the first word; contexts that start with 0 on one thread share it. A base outside the user half of the
    /// address space returns at once with `trap_num` 13.
    ///
    /// # Panics
    /// If the context is live on another thread or was moved, see [`Context::detach`]. When the host refuses memory
    /// for the thread's first run.
    ///
    /// # Safety
    /// - For traps to come back the handlers are installed ([`crate::install_handlers`]).
    /// - From the return until [`Context::detach`] (or drop) the context stays at its address and on this thread.
    /// - The user program leaves the kernel's memory, `gs` and the signal stack alone: both are in one address
    ///   space, and nothing but good behaviour separates them.
    /// - The thread's signal stack is the one it had when the anchor was installed.
    #[inline(always)]
    pub unsafe fn run(&mut self) {
        // Before the assembly, which overwrites the stack pointer of the run that is under way.
        if hosted::anchor().is_busy() {
            self.report(TRAP_REENTRY);
            return;
        }
        // SAFETY: the thread has an anchor; the caller's promises; the assembly keeps what its contract says.
        unsafe {
            if !enter!(fncall_enter_hosted, &raw mut *self) {
                self.run_slowly();
            }
        }
    }

    #[cold]
    #[inline(never)]
    unsafe fn run_slowly(&mut self) {
        // SAFETY: as in `run`.
        unsafe {
            loop {
                let how = {
                    let _switching = Switching::on(this_anchor());
                    self.prepare_hosted(this_anchor())
                };
                let came_back = match how {
                    How::NotNow => return,
                    How::Fast => enter!(fncall_enter_hosted, &raw mut *self),
                    How::Iret => enter!(fncall_enter_hosted_iret, &raw mut *self),
                };
                if came_back {
                    return;
                }
            }
        }
    }

    /// # Safety
    /// As [`Context::attach`].
    unsafe fn prepare_hosted(&mut self, anchor: &Anchor) -> How {
        // SAFETY: passed on.
        unsafe { self.attach(anchor, Place::Hosted) };
        if self.user.general.fsbase == 0 {
            self.user.general.fsbase = hosted::initial_tls(anchor);
        }
        if self.user.general.fsbase >= TASK_SIZE_MAX {
            self.user.trap_num = 13;
            self.user.error_code = 0;
            self.fault = Fault { addr: 0, signo: linux::SIGSEGV, code: linux::SI_KERNEL, arch: 0 };
            self.via_trap = false;
            return How::NotNow;
        }
        anchor.kernel_fsbase.store(user_fsbase(), Relaxed);
        anchor.vectors.store(xstate::vector_level(), Relaxed);
        anchor.no_fsgsbase.store(u8::from(!has_fsgsbase()), Relaxed);
        anchor.hosted.store(1, Relaxed);
        anchor.call_entry.store(fncall_call_entry_hosted as *const () as usize, Relaxed);
        anchor.current.store(self, Relaxed);
        anchor.fast_bare.store(null_mut(), Relaxed);
        anchor.fast_hosted.store(self, Relaxed);
        self.fast_or_not(anchor)
    }

    /// The last look before an entry: is there a kick, and which routine can load the flags?
    fn fast_or_not(&mut self, anchor: &Anchor) -> How {
        // A kick that came before `fast` was stored is seen here; one that comes later clears it again.
        compiler_fence(Ordering::SeqCst);
        if anchor.kicked.load(Relaxed) != 0 {
            anchor.kicked.store(0, Relaxed);
            return self.report(TRAP_KICK);
        }
        if self.user.general.rflags & SLOW_FLAGS != 0 { How::Iret } else { How::Fast }
    }

    /// Comes back without having run.
    fn report(&mut self, trap_num: usize) -> How {
        self.user.trap_num = trap_num;
        self.user.error_code = 0;
        self.fault = Fault::default();
        self.via_trap = false;
        How::NotNow
    }
}
