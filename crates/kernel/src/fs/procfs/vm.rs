//! Sizes of an address space, as the files of /proc/PID show them.

use crate::mm::AddressSpace;

/// Sizes in bytes, and where the heap starts.
#[derive(Clone, Copy, Debug, Default)]
pub struct VmStats {
    /// All mappings.
    pub size: usize,
    /// The most there ever were.
    pub peak: usize,
    /// In memory now: the host process's, less the kernel's own.
    pub resident: usize,
    /// Of those, backed by files.
    pub shared_resident: usize,
    /// Locked.
    pub locked: usize,
    /// Private and writable, without stacks.
    pub data: usize,
    /// Stacks.
    pub stack: usize,
    /// Executable.
    pub text: usize,
    /// Address of the heap.
    pub brk_start: usize,
}

/// Those of the calling process.
pub fn stats(mm: &AddressSpace) -> VmStats {
    let vm = mm.vm_stats();
    let (resident, shared_resident) = mm.resident();
    VmStats {
        size: vm.sizes.total,
        peak: vm.peak,
        resident,
        shared_resident,
        locked: vm.sizes.locked,
        data: vm.sizes.data,
        stack: vm.sizes.stack,
        text: vm.sizes.exec,
        brk_start: vm.bounds.start_brk,
    }
}
