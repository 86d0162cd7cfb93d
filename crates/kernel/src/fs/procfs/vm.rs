//! Sizes of an address space, as the files of /proc/PID show them.

use crate::task::Process;

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

/// Those of a process; nothing once it has ended.
pub fn of(process: &Process) -> VmStats {
    let Some(home) = crate::task::access::host_home(process) else { return VmStats::default() };
    // The lock is let go first: the address space looks at the caller's process again.
    let mm = process.mm.lock().clone();
    let vm = mm.vm_stats();
    let (resident, shared_resident) = mm.resident(home);
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
