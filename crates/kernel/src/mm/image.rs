//! What execve(2) wants of an address space: addresses before the old program goes, mappings after.

use super::layout::{Layout, TASK_SIZE, host_vmas, mmap_min_addr};
use super::space::{AddressSpace, Inner};
use super::vma::{Backing, PAGE_SIZE, VmFlags, Vma};
use crate::vfs::MmapSource;
use crate::{Errno, Result};
use linux_raw_sys::general as g;

/// What every private mapping may become.
const MAY_ALL: VmFlags = VmFlags::MAYREAD.union(VmFlags::MAYWRITE).union(VmFlags::MAYEXEC);

/// Chooses addresses in an address space that is not there yet.
#[derive(Debug)]
pub struct Placer(Inner);

impl Placer {
    /// For a program with this layout: only what is the host's is taken.
    pub fn new(layout: Layout) -> Placer {
        let mut inner = Inner { layout, ..Inner::default() };
        for vma in host_vmas() {
            if inner.tree.is_free(vma.start, vma.end) {
                inner.tree.insert(vma);
            }
        }
        Placer(inner)
    }

    /// Whether `len` bytes at `start` are user addresses that nothing has taken.
    pub fn is_free(&self, start: usize, len: usize) -> bool {
        let end = start.checked_add(len).filter(|&end| end <= TASK_SIZE);
        end.is_some_and(|end| start >= mmap_min_addr() && self.0.tree.is_free(start, end))
    }

    /// The address that mmap(2) would choose.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn find(&mut self, len: usize) -> Result<usize> {
        self.0.find_free(len, PAGE_SIZE, false, false)
    }

    /// Takes a range that was found free.
    pub fn take(&mut self, start: usize, len: usize) {
        let flags = VmFlags::empty();
        self.0.tree.insert(Vma { start, end: start + len, flags, backing: Backing::Anonymous(None) });
    }
}

impl AddressSpace {
    /// Maps a piece of a program privately, over earlier pieces where they share a page. `access` holds the access
    /// bits.
    ///
    /// # Errors
    /// Those of the host's mmap(2); `ENOMEM` where something is that is not the program's.
    pub fn map_image(
        &self,
        start: usize,
        len: usize,
        access: VmFlags,
        backing: Backing,
        source: &MmapSource,
    ) -> Result<()> {
        let end = start.checked_add(len).filter(|&end| end <= TASK_SIZE).ok_or(Errno::NOMEM)?;
        let mut inner = self.inner.lock();
        if inner.tree.overlapping(start, end).any(|vma| vma.flags.contains(VmFlags::HOST)) {
            return Err(Errno::NOMEM);
        }
        let vma = Vma { start, end, flags: access | MAY_ALL, backing };
        let removed = inner.install(vma, source, g::MAP_PRIVATE, true)?;
        drop(inner);
        drop(removed);
        Ok(())
    }

    /// Maps the main stack; the host extends it downwards up to `RLIMIT_STACK`.
    ///
    /// # Errors
    /// Those of the host's mmap(2).
    pub fn map_stack(&self, start: usize, len: usize, access: VmFlags) -> Result<()> {
        let flags = access | VmFlags::GROWSDOWN | MAY_ALL;
        let vma = Vma { start, end: start + len, flags, backing: Backing::Anonymous(None) };
        let host_flags = g::MAP_PRIVATE | g::MAP_GROWSDOWN | g::MAP_NORESERVE;
        self.inner.lock().install(vma, &MmapSource::Anonymous, host_flags, false).map(drop)
    }
}
