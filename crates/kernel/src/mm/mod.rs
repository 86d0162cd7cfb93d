//! Address spaces: which user memory is mapped, with what, and how (`struct mm_struct`).
//!
//! The program's mappings are the host's: every call here ends in the same call of the host at an address chosen
//! here. What the host does not tell, or tells too slowly, is kept in books of our own:
//!
//! ```text
//! space   AddressSpace: the lock, fork, exec          map protect brk …  what the system calls do
//! layout  where things go, what the host has taken     code    patched system-call sites
//! tree    the set of mappings, pure bookkeeping        maps    /proc/PID/maps and sizes
//! vma     one mapping
//! ```

mod advise;
mod barrier;
mod brk;
pub mod code;
mod host_ranges;
mod image;
mod layout;
mod lock;
mod map;
mod maps;
mod protect;
mod remap;
mod smaps;
mod space;
mod tree;
mod vma;

pub use image::Placer;
pub use layout::{ELF_ET_DYN_BASE, HostLayout, HostRange, Layout, TASK_SIZE, set_host_layout};
pub use map::Request;
pub use maps::{Mapping, VmStats, major_minor};
pub use remap::Remap;
pub use space::{AddressSpace, Bounds, MAX_MAP_COUNT, Rights};
pub use tree::{STACK_GUARD_GAP, Sizes, VmaTree};
pub use vma::{Backing, PAGE_SIZE, VmFlags, Vma, page_down, page_up};

/// A fault that the kernel itself can mend; `false`: the program gets its signal. Stacks are extended by the host, so
/// what there is are breakpoints of the kernel's own making.
pub fn fault(cur: &mut crate::task::Current<'_>, fault: &host::user::Fault) -> bool {
    const BREAKPOINT: usize = 3;
    fault.vector == BREAKPOINT && code::on_breakpoint(cur)
}

#[cfg(test)]
mod tests;
