//! mlock(2) and its relatives. The books decide by the program's limits; the host's own limit may be lower, and then
//! pages are only brought into memory, not pinned.

use super::layout::TASK_SIZE;
use super::space::{AddressSpace, Inner, Rights};
use super::vma::{PAGE_SIZE, VmFlags, Vma, page_up};
use crate::{Errno, Result};
use linux_raw_sys::general as g;

/// Both flags of locked memory.
const LOCK_FLAGS: VmFlags = VmFlags::LOCKED.union(VmFlags::LOCKONFAULT);

fn may_lock_at_all(rights: &Rights) -> Result<()> {
    if rights.memlock == 0 && !rights.may_lock_any { Err(Errno::PERM) } else { Ok(()) }
}

impl AddressSpace {
    /// mlock2(2); `on_fault` is `MLOCK_ONFAULT`.
    ///
    /// # Errors
    /// Those of mlock(2).
    pub fn mlock(&self, rights: &Rights, addr: usize, len: usize, on_fault: bool) -> Result<()> {
        may_lock_at_all(rights)?;
        let (start, end) = range(addr, len)?;
        let mut inner = self.inner.lock();
        inner.sync_growth(start, end);
        let clip = |vma: &Vma| vma.end.min(end) - vma.start.max(start);
        let overlapping = inner.tree.overlapping(start, end);
        let already: usize = overlapping.filter(|vma| vma.flags.contains(VmFlags::LOCKED)).map(clip).sum();
        if !inner.may_lock(rights, (end - start) - already) {
            return Err(Errno::NOMEM);
        }
        let flags = if on_fault { LOCK_FLAGS } else { VmFlags::LOCKED };
        inner.apply(start, end, flags)
    }

    /// munlock(2).
    ///
    /// # Errors
    /// `ENOMEM` at a gap, `EINVAL`.
    pub fn munlock(&self, addr: usize, len: usize) -> Result<()> {
        let (start, end) = range(addr, len)?;
        let mut inner = self.inner.lock();
        inner.sync_growth(start, end);
        inner.apply(start, end, VmFlags::empty())
    }

    /// mlockall(2).
    ///
    /// # Errors
    /// `EINVAL`, `EPERM`, `ENOMEM` over the limit.
    pub fn mlockall(&self, rights: &Rights, flags: u32) -> Result<()> {
        let known = g::MCL_CURRENT | g::MCL_FUTURE | g::MCL_ONFAULT;
        if flags == 0 || flags & !known != 0 || flags == g::MCL_ONFAULT {
            return Err(Errno::INVAL);
        }
        may_lock_at_all(rights)?;
        let mut inner = self.inner.lock();
        let total = inner.tree.sizes().total as u64;
        if flags & g::MCL_CURRENT != 0 && total > rights.memlock && !rights.may_lock_any {
            return Err(Errno::NOMEM);
        }
        let how = if flags & g::MCL_ONFAULT != 0 { LOCK_FLAGS } else { VmFlags::LOCKED };
        inner.def_flags = if flags & g::MCL_FUTURE != 0 { how } else { VmFlags::empty() };
        if flags & g::MCL_CURRENT != 0 {
            inner.apply_all(how);
        }
        Ok(())
    }

    /// munlockall(2).
    pub fn munlockall(&self) {
        let mut inner = self.inner.lock();
        inner.def_flags = VmFlags::empty();
        inner.apply_all(VmFlags::empty());
    }
}

/// The pages around a range.
fn range(addr: usize, len: usize) -> Result<(usize, usize)> {
    let start = addr & !(PAGE_SIZE - 1);
    let len = page_up(len.wrapping_add(addr - start));
    let end = start.checked_add(len).ok_or(Errno::INVAL)?;
    Ok((start, end))
}

impl Inner {
    /// Gives everything up to the first gap these lock flags; a gap answers `ENOMEM`.
    fn apply(&mut self, start: usize, end: usize, flags: VmFlags) -> Result<()> {
        if start == end {
            return Ok(());
        }
        let (runs, whole) = self.visible_runs(start, end);
        let Some(&(from, to)) = runs.first().filter(|(from, _)| *from == start) else {
            return Err(Errno::NOMEM);
        };
        self.apply_run(from, to, flags);
        if whole { Ok(()) } else { Err(Errno::NOMEM) }
    }

    fn apply_all(&mut self, flags: VmFlags) {
        self.sync_growth(0, TASK_SIZE);
        for (from, to) in self.visible_runs(0, TASK_SIZE).0 {
            self.apply_run(from, to, flags);
        }
    }

    fn apply_run(&mut self, from: usize, to: usize, flags: VmFlags) {
        let on_fault = flags.contains(VmFlags::LOCKONFAULT);
        let host = if flags.contains(VmFlags::LOCKED) {
            host::memory::lock(from, to - from, if on_fault { g::MLOCK_ONFAULT } else { 0 })
        } else {
            host::memory::unlock(from, to - from)
        };
        if host.is_err() && flags == VmFlags::LOCKED {
            // Not pinned, but there: what a later touch costs is what most programs lock memory for.
            let _ = host::memory::advise(from, to - from, g::MADV_POPULATE_READ);
        }
        self.tree.update(from, to, |vma| {
            if !vma.flags.contains(VmFlags::HOST) {
                vma.flags = (vma.flags - LOCK_FLAGS) | flags;
            }
        });
    }
}
