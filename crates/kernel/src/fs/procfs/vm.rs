//! Sizes and mappings of an address space, as the files of /proc/PID show them.

use crate::mm::AddressSpace;
use crate::vfs::Dentry;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Sizes in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct VmStats {
    pub size: usize,
    pub peak: usize,
    pub resident: usize,
    pub shared_resident: usize,
    pub locked: usize,
    pub data: usize,
    pub stack: usize,
    pub text: usize,
    pub brk_start: usize,
}

pub fn stats(_mm: &Arc<AddressSpace>) -> VmStats {
    VmStats::default()
}

pub fn maps(_mm: &Arc<AddressSpace>, _root: &Arc<Dentry>) -> Vec<u8> {
    Vec::new()
}
