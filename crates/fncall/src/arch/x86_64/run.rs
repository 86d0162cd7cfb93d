//! `run`: enter a context and wait until it comes back. The fast part is one comparison and a jump to the
//! assembly; everything unusual (a kick that waits, another context's state in the processor, flags that only
//! `iretq` loads) is decided here, in `prepare`.

use core::arch::asm;
use core::sync::atomic::{Ordering, Ordering::Relaxed, compiler_fence};

use super::anchor::{Anchor, this_anchor};
use super::context::{Context, Fault};
use super::entry::{SLOW_FLAGS, fncall_call_entry_bare, fncall_enter_bare, fncall_enter_bare_iret};
use super::regs::TRAP_KICK;

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

/// What `prepare` decided.
enum How {
    /// There is a kick to report instead.
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
    ///
    /// # Safety
    /// - This thread has an anchor ([`crate::install_thread`]), and for traps to come back the handlers are
    ///   installed ([`crate::install_handlers`]).
    /// - The calling code, and all code until the next run, uses legacy SSE only, no AVX and no x87.
    /// - From the return until [`Context::detach`] (or drop) the context stays at its address and on this thread.
    /// - The user program leaves the kernel's memory, `gs` and the signal stack alone: both are in one address
    ///   space, and nothing but good behaviour separates them.
    #[inline]
    pub unsafe fn run_bare(&mut self) {
        // SAFETY: the caller's promises; the assembly keeps what its contract says.
        unsafe {
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
                let anchor = this_anchor();
                anchor.call_entry.store(fncall_call_entry_bare as *const () as usize, Relaxed);
                let came_back = match self.prepare(anchor) {
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
    unsafe fn prepare(&mut self, anchor: &Anchor) -> How {
        // SAFETY: passed on.
        unsafe { self.attach(anchor) };
        anchor.current.store(self, Relaxed);
        anchor.fast.store(self, Relaxed);
        // A kick that comes before this store is seen below; one that comes later clears `fast` again.
        compiler_fence(Ordering::SeqCst);
        if anchor.kicked.load(Relaxed) != 0 {
            anchor.kicked.store(0, Relaxed);
            self.user.trap_num = TRAP_KICK;
            self.user.error_code = 0;
            self.fault = Fault::default();
            self.via_trap = false;
            return How::NotNow;
        }
        if self.user.general.rflags & SLOW_FLAGS != 0 { How::Iret } else { How::Fast }
    }
}
