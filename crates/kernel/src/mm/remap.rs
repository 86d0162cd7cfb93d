//! mremap(2) and remap_file_pages(2).
//!
//! One call moves one mapping: what Linux 6.17 added, moving several at once, is not there.

use super::layout::TASK_SIZE;
use super::map::Request;
use super::space::{AddressSpace, Inner, MAX_MAP_COUNT, Rights};
use super::tree::Removed;
use super::vma::{Backing, PAGE_SIZE, VmFlags, Vma, page_up};
use crate::{Errno, Result};
use linux_raw_sys::general as g;

/// The arguments of mremap(2).
#[derive(Clone, Copy, Debug)]
pub struct Remap {
    /// Where it is.
    pub addr: usize,
    /// How much of it, in bytes.
    pub old_len: usize,
    /// How long it shall be.
    pub new_len: usize,
    /// `MREMAP_*`
    pub flags: u32,
    /// Where it shall be, with `MREMAP_FIXED`; a hint with `MREMAP_DONTUNMAP`.
    pub new_addr: usize,
}

impl AddressSpace {
    /// mremap(2). Answers the address.
    ///
    /// # Errors
    /// Those of mremap(2).
    pub fn mremap(&self, rights: &Rights, remap: &Remap) -> Result<usize> {
        let Remap { addr, flags, .. } = *remap;
        if flags & !(g::MREMAP_FIXED | g::MREMAP_MAYMOVE | g::MREMAP_DONTUNMAP) != 0 {
            return Err(Errno::INVAL);
        }
        // In the order of `check_mremap_params`.
        if !addr.is_multiple_of(PAGE_SIZE) {
            return Err(Errno::INVAL);
        }
        let mut remap = *remap;
        remap.old_len = page_up(remap.old_len);
        remap.new_len = page_up(remap.new_len);
        if remap.new_len == 0 || remap.new_len > TASK_SIZE {
            return Err(Errno::INVAL);
        }
        let Remap { old_len, new_len, new_addr, .. } = remap;
        let to = flags & (g::MREMAP_FIXED | g::MREMAP_DONTUNMAP) != 0;
        if to {
            let overlap = addr.saturating_add(old_len) > new_addr && new_addr.saturating_add(new_len) > addr;
            if new_addr > TASK_SIZE - new_len
                || !new_addr.is_multiple_of(PAGE_SIZE)
                || flags & g::MREMAP_MAYMOVE == 0
                || (flags & g::MREMAP_DONTUNMAP != 0 && old_len != new_len)
                || overlap
            {
                return Err(Errno::INVAL);
            }
        }
        let mut inner = self.inner.lock();
        if to && inner.tree.count() + 5 >= MAX_MAP_COUNT.size() {
            return Err(Errno::NOMEM);
        }
        inner.sync_growth(addr, addr.saturating_add(PAGE_SIZE));
        if inner.tree.find(addr).is_none_or(|vma| !vma.is_visible()) {
            return Err(Errno::FAULT);
        }
        if inner.is_sealed(addr, addr.saturating_add(remap.old_len.max(1))) {
            return Err(Errno::PERM);
        }
        let (at, removed) = inner.mremap(rights, &remap)?;
        drop(inner);
        drop(removed);
        Ok(at)
    }

    /// remap_file_pages(2), as Linux has emulated it since 4.0: one more mapping of the same file.
    ///
    /// # Errors
    /// `EINVAL` unless the range lies in one shared mapping of a file.
    pub fn remap_file_pages(
        &self,
        rights: &Rights,
        addr: usize,
        len: usize,
        page: usize,
        flags: u32,
    ) -> Result<()> {
        let addr = addr & !(PAGE_SIZE - 1);
        let len = len & !(PAGE_SIZE - 1);
        let end = addr.checked_add(len).filter(|&end| end > addr).ok_or(Errno::INVAL)?;
        page.checked_add(len / PAGE_SIZE).ok_or(Errno::INVAL)?;
        let (file, prot, locked) = {
            let inner = self.inner.lock();
            let vma = inner.tree.find(addr).filter(|vma| vma.is_visible() && end <= vma.end);
            let vma = vma.filter(|vma| vma.flags.contains(VmFlags::SHARED)).ok_or(Errno::INVAL)?;
            let file = vma.file().cloned().ok_or(Errno::INVAL)?;
            (file, vma.flags.prot(), vma.flags.contains(VmFlags::LOCKED))
        };
        let mut flags = flags & g::MAP_NONBLOCK | g::MAP_SHARED | g::MAP_FIXED | g::MAP_POPULATE;
        if locked {
            flags |= g::MAP_LOCKED;
        }
        let offset = (page as u64).checked_mul(PAGE_SIZE as u64).ok_or(Errno::INVAL)?;
        self.mmap(rights, &Request { addr, len, prot, flags, file: Some(&file), offset }).map(drop)
    }
}

impl Inner {
    fn mremap(&mut self, rights: &Rights, remap: &Remap) -> Result<(usize, Removed)> {
        let Remap { addr, mut old_len, new_len, flags, new_addr } = *remap;
        let mut removed = Removed::default();
        let to = flags & (g::MREMAP_FIXED | g::MREMAP_DONTUNMAP) != 0;
        let fixed = flags & g::MREMAP_FIXED != 0;
        if fixed {
            let end = new_addr + new_len;
            self.sync_growth(new_addr, end);
            if self.is_sealed(new_addr, end) {
                return Err(Errno::PERM);
            }
            if self.meets_hidden_host(new_addr, end) {
                return Err(Errno::INVAL);
            }
            if new_addr < super::layout::mmap_min_addr() && !rights.raw_io {
                return Err(Errno::PERM);
            }
            removed.extend(self.unmap_visible(new_addr, end)?);
            self.evict_code(new_addr, end);
        }
        if old_len >= new_len {
            if old_len > new_len {
                let end = addr.checked_add(old_len).filter(|&end| end <= TASK_SIZE).ok_or(Errno::INVAL)?;
                removed.extend(self.unmap_visible(addr + new_len, end)?);
                old_len = new_len;
            }
            if !to {
                return Ok((addr, removed));
            }
        }
        let vma = self.resizable(rights, addr, old_len, new_len)?;
        let grown = new_len - old_len;
        if !to && addr + old_len == vma.end {
            let end = vma.end + grown;
            self.sync_growth(vma.end, end);
            let room = end <= TASK_SIZE && end > vma.end && self.tree.fits(vma.end, grown);
            if room && self.extend(&vma, vma.end, grown).is_ok() {
                return Ok((addr, removed));
            }
        }
        if flags & g::MREMAP_MAYMOVE == 0 {
            return Err(Errno::NOMEM);
        }
        let keep = flags & g::MREMAP_DONTUNMAP != 0;
        if keep && !self.may_expand(rights, vma.flags, old_len) {
            return Err(Errno::NOMEM);
        }
        let hint_fits = keep && new_addr != 0 && self.tree.fits(new_addr, new_len);
        let at = match fixed || hint_fits {
            true => new_addr,
            false => self.find_free(new_len, PAGE_SIZE, false, false)?,
        };
        removed.extend(self.move_mapping(&vma, addr, old_len, new_len, at, keep)?);
        Ok((at, removed))
    }

    /// The mapping at `addr`, if `old_len` bytes of it may become `new_len` (`vma_to_resize`).
    fn resizable(&self, rights: &Rights, addr: usize, old_len: usize, new_len: usize) -> Result<Vma> {
        let vma = self.tree.find(addr).cloned().ok_or(Errno::FAULT)?;
        if old_len == 0 && !vma.flags.intersects(VmFlags::SHARED | VmFlags::MAYSHARE) {
            return Err(Errno::INVAL);
        }
        if old_len > vma.end - addr {
            return Err(Errno::FAULT);
        }
        if new_len <= old_len {
            return Ok(vma);
        }
        if let Backing::File(_, offset) | Backing::SharedAnonymous(_, offset) = &vma.backing {
            let start = offset + (addr - vma.start) as u64;
            start.checked_add(new_len as u64).filter(|&end| end <= i64::MAX as u64).ok_or(Errno::INVAL)?;
        }
        if vma.flags.contains(VmFlags::DONTEXPAND) {
            return Err(Errno::FAULT);
        }
        let grown = new_len - old_len;
        if vma.flags.contains(VmFlags::LOCKED) && !self.may_lock(rights, grown) {
            return Err(Errno::AGAIN);
        }
        if !self.may_expand(rights, vma.flags, grown) {
            return Err(Errno::NOMEM);
        }
        Ok(vma)
    }

    /// Maps what follows the end of `vma` in its object at `at`, `len` bytes.
    fn extend(&mut self, vma: &Vma, at: usize, len: usize) -> Result<()> {
        let mut tail = vma.clone();
        tail.start = at;
        tail.end = at + len;
        let (private, shared) = (g::MAP_PRIVATE, g::MAP_SHARED);
        match &mut tail.backing {
            Backing::File(file, offset) => {
                *offset += vma.len() as u64;
                let is_shared = vma.flags.contains(VmFlags::MAYSHARE);
                let write = vma.flags.contains(VmFlags::SHARED);
                // Asked anew: what lies behind the old part on the host may belong to another file.
                let source = file.ops.mmap(*offset, len, is_shared, write)?;
                self.install(tail, &source, if is_shared { shared } else { private }, false).map(drop)
            }
            Backing::SharedAnonymous(..) => {
                // The host's object grows with its mapping.
                host::memory::remap(vma.start, vma.len(), vma.len() + len, 0, None)?;
                let Backing::SharedAnonymous(_, offset) = &mut tail.backing else { return Err(Errno::INVAL) };
                *offset += vma.len() as u64;
                self.tree.insert(tail);
                self.note_peak();
                Ok(())
            }
            _ => {
                // By the last page of it, the host's mapping grows with all it was told (madvise), and stays one.
                host::memory::remap(at - PAGE_SIZE, PAGE_SIZE, PAGE_SIZE + len, 0, None)?;
                self.tree.insert(tail);
                self.note_peak();
                Ok(())
            }
        }
    }

    /// Moves `old_len` bytes at `addr` in `vma` to `at`, where they become `new_len`.
    fn move_mapping(
        &mut self,
        vma: &Vma,
        addr: usize,
        old_len: usize,
        new_len: usize,
        at: usize,
        keep: bool,
    ) -> Result<Removed> {
        self.restore_code(addr, addr + old_len);
        let mut moved = vma.clone();
        if addr > moved.start {
            moved.trim_start(addr);
        }
        let host_flags = if keep { g::MREMAP_DONTUNMAP } else { 0 };
        // A file's further pages are asked of the file; everything else the host makes longer as it moves.
        let of_file = matches!(vma.backing, Backing::File(..)) && old_len > 0;
        let host_len = if of_file { old_len } else { new_len };
        host::memory::remap(addr, old_len, host_len, host_flags, Some(at))?;
        (moved.start, moved.end) = (at, at + host_len);
        let mut removed = Removed::default();
        if old_len > 0 && !keep {
            removed = self.tree.remove(addr, addr + old_len);
        } else if keep {
            self.tree.update(addr, addr + old_len, |vma| vma.flags -= VmFlags::LOCKED | VmFlags::LOCKONFAULT);
        }
        self.tree.insert(moved.clone());
        self.note_peak();
        if host_len < new_len
            && let Err(errno) = self.extend(&moved, at + host_len, new_len - host_len)
        {
            // Back to where it was: a failed call changes nothing.
            if !keep && host::memory::remap(at, host_len, host_len, 0, Some(addr)).is_ok() {
                for mut piece in self.tree.remove(at, at + host_len) {
                    (piece.start, piece.end) = (piece.start - at + addr, piece.end - at + addr);
                    self.tree.insert(piece);
                }
            }
            return Err(errno);
        }
        Ok(removed)
    }
}
