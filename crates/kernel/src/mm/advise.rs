//! madvise(2), msync(2), mincore(2), mseal(2): calls that go through a range mapping by mapping.

use super::layout::TASK_SIZE;
use super::space::{AddressSpace, Inner};
use super::vma::{Backing, PAGE_SIZE, VmFlags, Vma, page_up};
use crate::vfs::File;
use crate::{Errno, Result};
use alloc::sync::Arc;
use alloc::vec::Vec;
use linux_raw_sys::general as g;

/// Advice the kernel headers of older crates do not have: guard pages (Linux 6.13).
const MADV_GUARD_INSTALL: u32 = 102;
const MADV_GUARD_REMOVE: u32 = 103;

/// `FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE`
const PUNCH_HOLE: u32 = 3;

/// What a piece of advice means for the books.
enum Effect {
    /// Only the host does something.
    Host,
    /// Flags are set and cleared.
    Flags(VmFlags, VmFlags),
}

/// Whether the advice is known, and what it changes.
fn effect(advice: u32) -> Option<Effect> {
    let set = |flags| Some(Effect::Flags(flags, VmFlags::empty()));
    let clear = |flags| Some(Effect::Flags(VmFlags::empty(), flags));
    let (random, sequential) = (VmFlags::RAND_READ, VmFlags::SEQ_READ);
    match advice {
        g::MADV_NORMAL => clear(random | sequential),
        g::MADV_RANDOM => Some(Effect::Flags(random, sequential)),
        g::MADV_SEQUENTIAL => Some(Effect::Flags(sequential, random)),
        g::MADV_DONTFORK => set(VmFlags::DONTCOPY),
        g::MADV_DOFORK => clear(VmFlags::DONTCOPY),
        g::MADV_MERGEABLE => set(VmFlags::MERGEABLE),
        g::MADV_UNMERGEABLE => clear(VmFlags::MERGEABLE),
        g::MADV_HUGEPAGE => Some(Effect::Flags(VmFlags::HUGEPAGE, VmFlags::NOHUGEPAGE)),
        g::MADV_NOHUGEPAGE => Some(Effect::Flags(VmFlags::NOHUGEPAGE, VmFlags::HUGEPAGE)),
        g::MADV_DONTDUMP => set(VmFlags::DONTDUMP),
        g::MADV_DODUMP => clear(VmFlags::DONTDUMP),
        g::MADV_WIPEONFORK => set(VmFlags::WIPEONFORK),
        g::MADV_KEEPONFORK => clear(VmFlags::WIPEONFORK),
        g::MADV_WILLNEED
        | g::MADV_DONTNEED
        | g::MADV_FREE
        | g::MADV_REMOVE
        | g::MADV_COLD
        | g::MADV_PAGEOUT
        | g::MADV_POPULATE_READ
        | g::MADV_POPULATE_WRITE
        | g::MADV_DONTNEED_LOCKED
        | g::MADV_COLLAPSE
        | MADV_GUARD_INSTALL
        | MADV_GUARD_REMOVE => Some(Effect::Host),
        _ => None,
    }
}

/// Advice that throws pages away: not for sealed memory that may not be written (mseal(2)).
fn discards(advice: u32) -> bool {
    matches!(
        advice,
        g::MADV_DONTNEED
            | g::MADV_FREE
            | g::MADV_REMOVE
            | g::MADV_DONTFORK
            | g::MADV_WIPEONFORK
            | g::MADV_DONTNEED_LOCKED
            | MADV_GUARD_INSTALL
    )
}

impl AddressSpace {
    /// madvise(2). What is mapped is done even when there are gaps, which answer `ENOMEM` at the end.
    ///
    /// # Errors
    /// Those of madvise(2).
    pub fn madvise(&self, addr: usize, len_in: usize, advice: u32) -> Result<()> {
        let effect = effect(advice).ok_or(Errno::INVAL)?;
        if !addr.is_multiple_of(PAGE_SIZE) {
            return Err(Errno::INVAL);
        }
        let len = page_up(len_in);
        if len_in != 0 && len == 0 {
            return Err(Errno::INVAL);
        }
        let end = addr.checked_add(len).ok_or(Errno::INVAL)?;
        if end == addr {
            return Ok(());
        }
        let mut inner = self.inner.lock();
        inner.sync_growth(addr, end);
        let (runs, whole) = inner.visible_runs(addr, end);
        let populate = matches!(advice, g::MADV_POPULATE_READ | g::MADV_POPULATE_WRITE);
        if populate && !whole {
            return Err(Errno::NOMEM);
        }
        if discards(advice) {
            let frozen = |vma: &Vma| {
                let writable = vma.flags.contains(VmFlags::WRITE | VmFlags::SHARED)
                    || vma.flags.contains(VmFlags::WRITE);
                let anonymous = vma.file().is_none() || !vma.flags.contains(VmFlags::SHARED);
                vma.is_visible() && vma.flags.contains(VmFlags::SEALED) && anonymous && !writable
            };
            if inner.tree.overlapping(addr, end).any(frozen) {
                return Err(Errno::PERM);
            }
        }
        if matches!(advice, g::MADV_DONTNEED | g::MADV_DONTNEED_LOCKED | g::MADV_FREE | MADV_GUARD_INSTALL) {
            // Private pages of files are read from the file again: without our jumps.
            inner.forget_code(addr, end);
        }
        if advice == g::MADV_REMOVE {
            return inner.punch(addr, end, whole);
        }
        for (from, to) in runs {
            host::memory::advise(from, to - from, advice)?;
            if let Effect::Flags(set, clear) = effect {
                inner.tree.update(from, to, |vma| vma.flags = (vma.flags - clear) | set);
            }
        }
        if whole { Ok(()) } else { Err(Errno::NOMEM) }
    }

    /// msync(2): the host writes the pages of its own files back; pages of files in memory are the file.
    ///
    /// # Errors
    /// `EINVAL`, `EBUSY`, `ENOMEM` at gaps after the rest was done, those of the host's msync(2).
    pub fn msync(&self, addr: usize, len: usize, flags: u32) -> Result<()> {
        let known = g::MS_ASYNC | g::MS_INVALIDATE | g::MS_SYNC;
        let both = g::MS_ASYNC | g::MS_SYNC;
        if flags & !known != 0 || !addr.is_multiple_of(PAGE_SIZE) || flags & both == both {
            return Err(Errno::INVAL);
        }
        let end = addr.checked_add(page_up(len)).filter(|_| page_up(len) >= len).ok_or(Errno::NOMEM)?;
        let mut inner = self.inner.lock();
        inner.sync_growth(addr, end);
        let (_, whole) = inner.visible_runs(addr, end);
        let mut todo: Vec<(usize, usize)> = Vec::new();
        for vma in inner.tree.overlapping(addr, end).filter(|vma| vma.is_visible()) {
            if flags & g::MS_INVALIDATE != 0 && vma.flags.contains(VmFlags::LOCKED) {
                return Err(Errno::BUSY);
            }
            if flags & g::MS_SYNC != 0 && vma.file().is_some() && vma.flags.contains(VmFlags::SHARED) {
                todo.push((vma.start.max(addr), vma.end.min(end)));
            }
        }
        // Writing back takes long, and needs nothing of ours.
        drop(inner);
        for (from, to) in todo {
            host::memory::sync(from, to - from, flags)?;
        }
        if whole || end == addr { Ok(()) } else { Err(Errno::NOMEM) }
    }

    /// mincore(2) for up to `pages.len()` pages from `addr` on.
    ///
    /// # Errors
    /// `ENOMEM` when not all of it is mapped.
    pub fn mincore(&self, addr: usize, pages: &mut [u8]) -> Result<()> {
        let end = addr.checked_add(pages.len() * PAGE_SIZE).ok_or(Errno::NOMEM)?;
        let mut inner = self.inner.lock();
        inner.sync_growth(addr, end);
        if !inner.visible_runs(addr, end).1 {
            return Err(Errno::NOMEM);
        }
        host::memory::resident(addr, pages)
    }

    /// mseal(2).
    ///
    /// # Errors
    /// `EINVAL`; `ENOMEM` at a gap, with nothing sealed.
    pub fn mseal(&self, addr: usize, len: usize, flags: usize) -> Result<()> {
        if flags != 0 || !addr.is_multiple_of(PAGE_SIZE) {
            return Err(Errno::INVAL);
        }
        let rounded = page_up(len);
        if len != 0 && rounded == 0 {
            return Err(Errno::INVAL);
        }
        let end = addr.checked_add(rounded).ok_or(Errno::INVAL)?;
        if end == addr {
            return Ok(());
        }
        let mut inner = self.inner.lock();
        inner.sync_growth(addr, end);
        if !inner.visible_runs(addr, end).1 {
            return Err(Errno::NOMEM);
        }
        inner.tree.update(addr, end, |vma| vma.flags |= VmFlags::SEALED);
        Ok(())
    }

    /// prctl(PR_SET_VMA_ANON_NAME): names anonymous memory in /proc/PID/maps; `None` takes the name away.
    ///
    /// # Errors
    /// `EINVAL`; `ENOMEM` at gaps after the rest was done; `EBADF` for memory that is not anonymous.
    pub fn set_anon_name(&self, addr: usize, len: usize, name: Option<&[u8]>) -> Result<()> {
        if !addr.is_multiple_of(PAGE_SIZE) {
            return Err(Errno::INVAL);
        }
        let rounded = page_up(len);
        if len != 0 && rounded == 0 {
            return Err(Errno::INVAL);
        }
        let end = addr.checked_add(rounded).ok_or(Errno::INVAL)?;
        let name: Option<Arc<[u8]>> = name.map(Arc::from);
        let mut inner = self.inner.lock();
        inner.sync_growth(addr, end);
        let (runs, whole) = inner.visible_runs(addr, end);
        if inner.tree.overlapping(addr, end).any(|vma| vma.file().is_some()) {
            return Err(Errno::BADF);
        }
        for (from, to) in runs {
            inner.tree.update(from, to, |vma| {
                if let Backing::Anonymous(old) = &mut vma.backing {
                    *old = name.clone();
                }
            });
        }
        if whole || end == addr { Ok(()) } else { Err(Errno::NOMEM) }
    }
}

impl Inner {
    /// What programs see of `start..end` as runs without gaps, and whether that is all of it.
    pub fn visible_runs(&self, start: usize, end: usize) -> (Vec<(usize, usize)>, bool) {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for vma in self.tree.overlapping(start, end).filter(|vma| vma.is_visible()) {
            let (from, to) = (vma.start.max(start), vma.end.min(end));
            match runs.last_mut() {
                Some(last) if last.1 == from => last.1 = to,
                _ => runs.push((from, to)),
            }
        }
        let whole = start == end || runs.first() == Some(&(start, end));
        debug_assert!(end <= TASK_SIZE || !whole);
        (runs, whole)
    }

    /// `MADV_REMOVE`: holes in the files behind shared mappings (`madvise_remove`).
    fn punch(&mut self, start: usize, end: usize, whole: bool) -> Result<()> {
        let mut holes: Vec<(Option<Arc<File>>, u64, usize, usize)> = Vec::new();
        for vma in self.tree.overlapping(start, end).filter(|vma| vma.is_visible()) {
            if vma.flags.contains(VmFlags::LOCKED) {
                return Err(Errno::INVAL);
            }
            let (from, to) = (vma.start.max(start), vma.end.min(end));
            let within = (from - vma.start) as u64;
            let (file, offset) = match &vma.backing {
                Backing::File(file, offset) => (Some(file.clone()), offset + within),
                Backing::SharedAnonymous(_, offset) => (None, offset + within),
                _ => return Err(Errno::INVAL),
            };
            if !vma.flags.contains(VmFlags::SHARED | VmFlags::WRITE) {
                return Err(Errno::ACCESS);
            }
            holes.push((file, offset, from, to - from));
        }
        for (file, offset, at, len) in holes {
            match file {
                Some(file) => file.ops.fallocate(PUNCH_HOLE, offset, len as u64)?,
                None => host::memory::advise(at, len, g::MADV_REMOVE)?,
            }
        }
        if whole { Ok(()) } else { Err(Errno::NOMEM) }
    }
}
