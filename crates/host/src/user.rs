//! Running a program: the kernel's safe view of the switch, and what each host thread carries.

use crate::park::Parker;
use alloc::boxed::Box;
use alloc::sync::Arc;
use fncall::GeneralRegs;

/// The registers and extended state of one user thread.
pub struct UserThread {
    context: Box<fncall::Context>,
}

impl UserThread {
    /// A fresh thread: all registers zero, extended state as after reset.
    pub fn new() -> UserThread {
        UserThread { context: Box::new(fncall::Context::new()) }
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
}

impl Default for UserThread {
    fn default() -> Self {
        Self::new()
    }
}

/// The calling thread's parker, when it is one that runs programs.
pub(crate) fn current_parker() -> Option<Arc<Parker>> {
    None
}

/// As [`current_parker`], borrowed: a thread's parker outlives every call the thread makes.
pub(crate) fn current_parker_ref() -> Option<&'static Parker> {
    None
}
