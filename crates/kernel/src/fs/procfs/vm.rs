//! Sizes of an address space, as the files of /proc/PID show them.

use super::machine;
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
    // The host's statm: size, resident and shared pages. The kernel's arena counts as shared there, and the host
    // tells no better without reading every mapping, so what is resident is bounded by what is mapped.
    let pages = machine::read(b"self/statm").unwrap_or_default();
    let text = core::str::from_utf8(&pages).unwrap_or_default();
    let mut words = text.split(' ').map(|word| word.parse::<usize>().unwrap_or(0) * 4096);
    let (_, resident, shared) = (words.next(), words.next().unwrap_or(0), words.next().unwrap_or(0));
    VmStats {
        size: vm.sizes.total,
        peak: vm.peak,
        resident: resident.min(vm.sizes.total),
        shared_resident: shared.min(vm.sizes.total),
        locked: vm.sizes.locked,
        data: vm.sizes.data,
        stack: vm.sizes.stack,
        text: vm.sizes.exec,
        brk_start: vm.bounds.start_brk,
    }
}
