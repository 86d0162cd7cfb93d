//! Address spaces: which user memory is mapped, with what, and how (`struct mm_struct`).

pub mod code;

mod tree;
mod vma;

use alloc::sync::Arc;
pub use tree::{STACK_GUARD_GAP, Sizes, VmaTree};
pub use vma::{Backing, PAGE_SIZE, VmFlags, Vma, page_down, page_up};

/// The address space of a process.
#[derive(Debug, Default)]
pub struct AddressSpace {}

impl AddressSpace {
    /// The empty address space of the first process; what the host mapped (stack, vdso) is reserved.
    pub fn new_for_boot() -> Arc<AddressSpace> {
        Arc::default()
    }
}

/// A page fault that the kernel itself can mend (a stack that grows); `false`: the program gets its signal.
pub fn fault(_cur: &mut crate::task::Current<'_>, _fault: &host::user::Fault) -> bool {
    false
}
