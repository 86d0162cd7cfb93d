//! Address spaces: which user memory is mapped, with what, and how (`struct mm_struct`).

/// The address space of a process.
#[derive(Debug, Default)]
pub struct AddressSpace {}
