//! mmap(2) and munmap(2): checks in Linux's order (`do_mmap`), the choice of an address, the host's mapping.

use super::layout::{TASK_SIZE, mmap_min_addr};
use super::space::{AddressSpace, Inner, MAX_MAP_COUNT, Rights};
use super::tree::Removed;
use super::vma::{Backing, PAGE_SIZE, VmFlags, Vma, page_up};
use crate::vfs::{File, FileType, MmapSource};
use crate::{Errno, Result};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use host::memory::Content;
use linux_raw_sys::general as g;

/// Bytes of a huge page: large mappings are aligned to it so that the host can use some.
const HUGE_PAGE: usize = 2 << 20;

/// Flags that `MAP_SHARED` and `MAP_PRIVATE` know; `MAP_SHARED_VALIDATE` refuses all others (`LEGACY_MAP_MASK`).
const LEGACY_MAP_MASK: u32 = g::MAP_SHARED
    | g::MAP_PRIVATE
    | g::MAP_FIXED
    | g::MAP_ANONYMOUS
    | g::MAP_DENYWRITE
    | g::MAP_EXECUTABLE
    | g::MAP_UNINITIALIZED
    | g::MAP_GROWSDOWN
    | g::MAP_LOCKED
    | g::MAP_NORESERVE
    | g::MAP_POPULATE
    | g::MAP_NONBLOCK
    | g::MAP_STACK
    | g::MAP_HUGETLB
    | g::MAP_32BIT
    | MAP_ABOVE4G
    | 0x3f << g::MAP_HUGE_SHIFT;

/// `MAP_ABOVE4G`: not in the low 4 GiB (x86).
const MAP_ABOVE4G: u32 = 0x80;

/// Number of the last shared anonymous mapping: its inode number in /proc/PID/maps.
static SHARED_ANONYMOUS: AtomicU64 = AtomicU64::new(1);

/// What a program asks of mmap(2).
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Address or hint.
    pub addr: usize,
    /// Bytes.
    pub len: usize,
    /// `PROT_*`
    pub prot: u32,
    /// `MAP_*`
    pub flags: u32,
    /// The file; `None` for `MAP_ANONYMOUS`.
    pub file: Option<&'a Arc<File>>,
    /// Offset in it in bytes, page aligned.
    pub offset: u64,
}

/// What the checks of a request came to.
struct Checked {
    flags: VmFlags,
    /// `MAP_*` bits for the host.
    host_flags: u32,
}

impl AddressSpace {
    /// mmap(2). Answers the address.
    ///
    /// # Errors
    /// Those of mmap(2).
    pub fn mmap(&self, rights: &Rights, request: &Request<'_>) -> Result<usize> {
        let mut request = *request;
        if request.len == 0 {
            return Err(Errno::INVAL);
        }
        if rights.read_implies_exec && request.prot & g::PROT_READ != 0 {
            request.prot |= g::PROT_EXEC;
        }
        let fixed = request.flags & (g::MAP_FIXED | g::MAP_FIXED_NOREPLACE) != 0;
        if !fixed {
            // `round_hint_to_min`
            request.addr &= !(PAGE_SIZE - 1);
            if request.addr != 0 && request.addr < mmap_min_addr() {
                request.addr = page_up(mmap_min_addr());
            }
        }
        request.len = page_up(request.len);
        if request.len == 0 {
            return Err(Errno::NOMEM);
        }
        let pages = (request.len / PAGE_SIZE) as u64;
        (request.offset / PAGE_SIZE as u64).checked_add(pages).ok_or(Errno::OVERFLOW)?;

        let mut inner = self.inner.lock();
        if inner.tree.count() > MAX_MAP_COUNT.size() {
            return Err(Errno::NOMEM);
        }
        let addr = inner.place(rights, &request, fixed)?;
        let end = addr + request.len;
        inner.sync_growth(addr, end);
        if request.flags & g::MAP_FIXED_NOREPLACE != 0
            && inner.tree.overlapping(addr, end).any(|vma| vma.is_visible())
        {
            return Err(Errno::EXIST);
        }
        if request.flags & g::MAP_LOCKED != 0 && rights.memlock == 0 && !rights.may_lock_any {
            return Err(Errno::PERM);
        }
        let mut checked = Checked {
            flags: VmFlags::from_prot(request.prot)
                | VmFlags::MAYREAD
                | VmFlags::MAYWRITE
                | VmFlags::MAYEXEC
                | inner.def_flags,
            host_flags: request.flags & (g::MAP_NORESERVE | g::MAP_POPULATE | g::MAP_NONBLOCK | g::MAP_STACK),
        };
        if request.flags & g::MAP_LOCKED != 0 {
            checked.flags |= VmFlags::LOCKED;
        }
        if checked.flags.contains(VmFlags::LOCKED) && !inner.may_lock(rights, request.len) {
            return Err(Errno::AGAIN);
        }
        if request.flags & g::MAP_GROWSDOWN != 0 {
            checked.flags |= VmFlags::GROWSDOWN;
            checked.host_flags |= g::MAP_GROWSDOWN;
        }
        if request.flags & g::MAP_NORESERVE != 0 {
            checked.flags |= VmFlags::NORESERVE;
        }
        if request.flags & g::MAP_STACK != 0 {
            checked.flags |= VmFlags::NOHUGEPAGE;
        }
        let (backing, source) = match request.file {
            Some(file) => check_file(file, &request, &mut checked)?,
            None => (check_anonymous(&request, &mut checked)?, MmapSource::Anonymous),
        };
        if fixed {
            if inner.meets_hidden_host(addr, end) {
                return Err(Errno::NOMEM);
            }
            if inner.is_sealed(addr, end) {
                return Err(Errno::PERM);
            }
        }
        let replaced: usize = if fixed {
            let clip = |vma: &Vma| vma.end.min(end) - vma.start.max(addr);
            inner.tree.overlapping(addr, end).filter(|vma| vma.is_visible()).map(clip).sum()
        } else {
            0
        };
        if !inner.may_expand(rights, checked.flags, request.len - replaced) {
            return Err(Errno::NOMEM);
        }
        let vma = Vma { start: addr, end, flags: checked.flags, backing };
        let removed = inner.install(vma, &source, checked.host_flags, fixed)?;
        drop(inner);
        drop(removed);
        Ok(addr)
    }

    /// munmap(2).
    ///
    /// # Errors
    /// `EINVAL`; `ENOMEM` when a mapping would have to be split and there are too many; `EPERM` for sealed ones.
    pub fn munmap(&self, addr: usize, len: usize) -> Result<()> {
        if !addr.is_multiple_of(PAGE_SIZE) || addr > TASK_SIZE || len > TASK_SIZE - addr || len == 0 {
            return Err(Errno::INVAL);
        }
        let end = addr + page_up(len);
        let mut inner = self.inner.lock();
        // The common case, a part of one plain mapping, is told by one look.
        let plain = inner.tree.is_inside_one(addr, end, VmFlags::SEALED | VmFlags::KERNEL | VmFlags::HOST);
        if !plain {
            inner.sync_growth(addr, end);
            if inner.is_sealed_by_program(addr, end) {
                return Err(Errno::PERM);
            }
            inner.hide_host(addr, end);
        }
        if inner.tree.count() >= MAX_MAP_COUNT.size() && inner.tree.splits_of(addr, end) > 0 {
            return Err(Errno::NOMEM);
        }
        let removed = if plain { inner.unmap_run(addr, end)? } else { inner.unmap_visible(addr, end)? };
        drop(inner);
        drop(removed);
        Ok(())
    }
}

/// Checks a file mapping and asks the file what to map.
fn check_file(
    file: &Arc<File>,
    request: &Request<'_>,
    checked: &mut Checked,
) -> Result<(Backing, MmapSource)> {
    if request.flags & g::MAP_HUGETLB != 0 {
        // Only files of hugetlbfs may be mapped so, and there is none.
        return Err(Errno::INVAL);
    }
    // Regular files hold at most `s_maxbytes`, devices all of `loff_t` (`file_mmap_ok`).
    if request.offset.checked_add(request.len as u64).is_none_or(|end| end > i64::MAX as u64) {
        return Err(Errno::OVERFLOW);
    }
    let open = file.flags();
    let shared = match request.flags & g::MAP_TYPE {
        g::MAP_PRIVATE => false,
        kind @ (g::MAP_SHARED | g::MAP_SHARED_VALIDATE) => {
            if kind == g::MAP_SHARED_VALIDATE && request.flags & !(LEGACY_MAP_MASK | g::MAP_TYPE) != 0 {
                return Err(Errno::OPNOTSUPP);
            }
            if request.prot & g::PROT_WRITE != 0 && !open.writable() {
                return Err(Errno::ACCESS);
            }
            checked.flags |= VmFlags::SHARED | VmFlags::MAYSHARE;
            if !open.writable() {
                checked.flags -= VmFlags::MAYWRITE | VmFlags::SHARED;
            }
            true
        }
        _ => return Err(Errno::INVAL),
    };
    if !open.readable() {
        return Err(Errno::ACCESS);
    }
    if file.inode.kind() == FileType::Directory {
        return Err(Errno::NODEV);
    }
    if checked.flags.contains(VmFlags::GROWSDOWN) {
        return Err(Errno::INVAL);
    }
    // A shared mapping of a file open for writing can be made writable later: the host has to allow that too.
    let write = shared && open.writable();
    let source = file.ops.mmap(request.offset, request.len, shared, write)?;
    checked.host_flags |= if shared { g::MAP_SHARED } else { g::MAP_PRIVATE };
    let backing = match source {
        // A private mapping of /dev/zero is anonymous memory in all but name.
        MmapSource::Anonymous | MmapSource::Host { .. } => Backing::File(file.clone(), request.offset),
    };
    Ok((backing, source))
}

fn check_anonymous(request: &Request<'_>, checked: &mut Checked) -> Result<Backing> {
    if request.flags & g::MAP_HUGETLB != 0 {
        // There is no pool of huge pages: as on a host with none reserved.
        return match request.flags >> g::MAP_HUGE_SHIFT & 0x3f {
            0 | 21 | 30 => Err(Errno::NOMEM),
            _ => Err(Errno::INVAL),
        };
    }
    let grows = checked.flags.contains(VmFlags::GROWSDOWN);
    match request.flags & g::MAP_TYPE {
        g::MAP_PRIVATE => {
            checked.host_flags |= g::MAP_PRIVATE;
            Ok(Backing::Anonymous(None))
        }
        g::MAP_SHARED if !grows => {
            checked.flags |= VmFlags::SHARED | VmFlags::MAYSHARE;
            checked.host_flags |= g::MAP_SHARED;
            Ok(Backing::SharedAnonymous(SHARED_ANONYMOUS.fetch_add(1, Relaxed), 0))
        }
        g::MAP_DROPPABLE if !grows && request.flags & g::MAP_LOCKED == 0 => {
            checked.flags |= VmFlags::WIPEONFORK | VmFlags::DONTDUMP;
            checked.host_flags |= g::MAP_DROPPABLE;
            Ok(Backing::Anonymous(None))
        }
        _ => Err(Errno::INVAL),
    }
}

impl Inner {
    /// Where the mapping goes (`get_unmapped_area`).
    fn place(&mut self, rights: &Rights, request: &Request<'_>, fixed: bool) -> Result<usize> {
        let len = request.len;
        if len > TASK_SIZE {
            return Err(Errno::NOMEM);
        }
        if fixed {
            let addr = request.addr;
            if addr > TASK_SIZE - len {
                return Err(Errno::NOMEM);
            }
            if !addr.is_multiple_of(PAGE_SIZE) {
                return Err(Errno::INVAL);
            }
            return if addr < mmap_min_addr() && !rights.raw_io { Err(Errno::PERM) } else { Ok(addr) };
        }
        let low_only = request.flags & g::MAP_32BIT != 0;
        if request.addr != 0 && !low_only {
            let addr = request.addr;
            if addr <= TASK_SIZE - len {
                self.sync_growth(addr, addr + len);
                if self.tree.fits(addr, len) {
                    return Ok(addr);
                }
            }
        }
        let plain_anonymous = request.file.is_none() && request.addr == 0 && len.is_multiple_of(HUGE_PAGE);
        let align = if plain_anonymous && !low_only { HUGE_PAGE } else { PAGE_SIZE };
        self.find_free(len, align, low_only, request.flags & MAP_ABOVE4G != 0)
    }

    /// A free range of `len` bytes: top-down below the base, else bottom-up; `low_only` for `MAP_32BIT`.
    pub fn find_free(&mut self, len: usize, align: usize, low_only: bool, above_4g: bool) -> Result<usize> {
        if low_only {
            // `find_start_end`
            let found = self.tree.find_bottom_up(0x4000_0000, 0x8000_0000, len, align);
            return found.ok_or(Errno::NOMEM);
        }
        let low = if above_4g { 1 << 32 } else { page_up(mmap_min_addr().max(PAGE_SIZE)) };
        loop {
            let base = self.layout.mmap_base;
            let found = self
                .tree
                .find_top_down(low, base, len, align)
                .or_else(|| {
                    if align > PAGE_SIZE { self.tree.find_top_down(low, base, len, PAGE_SIZE) } else { None }
                })
                .or_else(|| self.tree.find_bottom_up(self.layout.legacy_base, TASK_SIZE, len, PAGE_SIZE));
            let Some(at) = found else { return Err(Errno::NOMEM) };
            // What grows down into the gap may have done so unseen.
            let before = self.tree.sizes().stack;
            self.sync_growth(at, at + len);
            if self.tree.sizes().stack == before {
                return Ok(at);
            }
        }
    }

    /// Maps `vma` on the host and enters it. With `replace`, what is there goes; answers that.
    pub fn install(
        &mut self,
        mut vma: Vma,
        source: &MmapSource,
        host_flags: u32,
        replace: bool,
    ) -> Result<Removed> {
        let (start, end) = (vma.start, vma.end);
        let content = match source {
            MmapSource::Host { fd, offset } => Content::File(fd, *offset),
            MmapSource::Anonymous => Content::Anonymous,
        };
        let mut removed = Removed::default();
        let mut host_flags = host_flags;
        if replace && !self.tree.is_free(start, end) {
            self.evict_code(start, end);
        } else {
            // The books say it is free; the host has the last word.
            host_flags |= g::MAP_FIXED_NOREPLACE;
        }
        host::memory::map(start, end - start, vma.flags.prot(), host_flags, content)?;
        if vma.flags.contains(VmFlags::LOCKED) {
            // The limit on locked memory is checked by our books; the host's own may be lower, and then the pages
            // are only brought in.
            let flags = if vma.flags.contains(VmFlags::LOCKONFAULT) { g::MLOCK_ONFAULT } else { 0 };
            if host::memory::lock(start, end - start, flags).is_err() && flags == 0 {
                let _ = host::memory::advise(start, end - start, g::MADV_POPULATE_READ);
            }
        }
        if replace {
            removed = self.tree.remove(start, end);
        }
        vma.note_write();
        self.tree.insert(vma);
        self.note_peak();
        Ok(removed)
    }

    /// Unmaps what programs see of `start..end`; what they do not see stays.
    pub fn unmap_visible(&mut self, start: usize, end: usize) -> Result<Removed> {
        let mut first = self.tree.overlapping(start, end);
        let Some(vma) = first.next() else { return Ok(Removed::default()) };
        if vma.end >= end && vma.is_visible() {
            drop(first);
            return self.unmap_run(start, end);
        }
        drop(first);
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for vma in self.tree.overlapping(start, end).filter(|vma| vma.is_visible()) {
            let (from, to) = (vma.start.max(start), vma.end.min(end));
            match runs.last_mut() {
                Some(last) if last.1 == from => last.1 = to,
                _ => runs.push((from, to)),
            }
        }
        let mut removed = Removed::default();
        for (from, to) in runs {
            removed.extend(self.unmap_run(from, to)?);
        }
        Ok(removed)
    }

    fn unmap_run(&mut self, start: usize, end: usize) -> Result<Removed> {
        self.forget_code(start, end);
        host::memory::unmap(start, end - start)?;
        Ok(self.tree.remove(start, end))
    }
}
