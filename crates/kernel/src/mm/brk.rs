//! brk(2): the heap.

use super::layout::TASK_SIZE;
use super::space::{AddressSpace, Inner, MAX_MAP_COUNT, Rights, in_guard_gap};
use super::vma::{Backing, PAGE_SIZE, VmFlags, Vma, page_up};
use crate::vfs::MmapSource;
use linux_raw_sys::general as g;

impl AddressSpace {
    /// brk(2): sets the end of the heap to `brk` if that can be done; answers the end then.
    pub fn brk(&self, rights: &Rights, brk: usize) -> usize {
        let mut inner = self.inner.lock();
        if inner.try_brk(rights, brk).is_some() {
            inner.bounds.brk = brk;
        }
        inner.bounds.brk
    }
}

impl Inner {
    fn try_brk(&mut self, rights: &Rights, brk: usize) -> Option<()> {
        let bounds = self.bounds;
        if brk < bounds.start_brk || brk > TASK_SIZE {
            return None;
        }
        // `check_data_rlimit`
        let data = (brk - bounds.start_brk) + (bounds.data.1 - bounds.data.0);
        if data as u64 > rights.data {
            return None;
        }
        let (old, new) = (page_up(bounds.brk), page_up(brk));
        if new <= old {
            if new < old {
                if self.is_sealed(new, old) {
                    return None;
                }
                // The pages of the heap are anonymous: nothing in them needs to be dropped outside the lock but
                // what the program has mapped over them, which is dropped here too.
                self.unmap_visible(new, old).ok()?;
            }
            return Some(());
        }
        self.sync_growth(old, new + PAGE_SIZE);
        if self.tree.find_next(old).is_some_and(|next| next.flags.contains(VmFlags::KERNEL)) {
            self.evict_code(old, new + PAGE_SIZE);
        }
        if let Some(next) = self.tree.find_next(old)
            && (new + PAGE_SIZE > next.start || in_guard_gap(next, new + PAGE_SIZE))
        {
            return None;
        }
        let flags = VmFlags::from_prot(g::PROT_READ | g::PROT_WRITE)
            | VmFlags::MAYREAD
            | VmFlags::MAYWRITE
            | VmFlags::MAYEXEC
            | self.def_flags;
        if flags.contains(VmFlags::LOCKED) && !self.may_lock(rights, new - old) {
            return None;
        }
        if self.tree.count() > MAX_MAP_COUNT.size() || !self.may_expand(rights, flags, new - old) {
            return None;
        }
        let heap = Vma { start: old, end: new, flags, backing: Backing::Anonymous(None) };
        self.install(heap, &MmapSource::Anonymous, g::MAP_PRIVATE, false).ok()?;
        Some(())
    }
}
