//! One mapping (`struct vm_area_struct`): its range, what may be done with it, what lies behind it.
//!
//! Pure data; who maps is `space`, the sorted set of mappings is `tree`.

use crate::vfs::File;
use alloc::sync::Arc;
use linux_raw_sys::general as g;

/// Bytes per page.
pub const PAGE_SIZE: usize = host::layout::PAGE_SIZE;

/// Rounds down to a page boundary.
#[inline]
pub const fn page_down(addr: usize) -> usize {
    addr & !(PAGE_SIZE - 1)
}

/// Rounds up to a page boundary; wraps to 0 at the very end, as `PAGE_ALIGN` does.
#[inline]
pub const fn page_up(addr: usize) -> usize {
    page_down(addr.wrapping_add(PAGE_SIZE - 1))
}

bitflags::bitflags! {
    /// `VM_*` of Linux's `include/linux/mm.h`, with its values, and three of our own.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct VmFlags: u64 {
        /// Can be read.
        const READ = 0x1;
        /// Can be written.
        const WRITE = 0x2;
        /// Can be executed.
        const EXEC = 0x4;
        /// Writes reach the object behind it.
        const SHARED = 0x8;
        /// mprotect(2) may make it readable.
        const MAYREAD = 0x10;
        /// mprotect(2) may make it writable.
        const MAYWRITE = 0x20;
        /// mprotect(2) may make it executable.
        const MAYEXEC = 0x40;
        /// Mapped with `MAP_SHARED`, even when it may not be written.
        const MAYSHARE = 0x80;
        /// The host extends it downwards on a fault.
        const GROWSDOWN = 0x100;
        /// Locked in memory.
        const LOCKED = 0x2000;
        /// Expected to be read in sequence.
        const SEQ_READ = 0x8000;
        /// Expected to be read at random.
        const RAND_READ = 0x1_0000;
        /// Not copied by fork(2).
        const DONTCOPY = 0x2_0000;
        /// mremap(2) may not make it longer.
        const DONTEXPAND = 0x4_0000;
        /// Locked when touched.
        const LOCKONFAULT = 0x8_0000;
        /// `MAP_NORESERVE`
        const NORESERVE = 0x20_0000;
        /// The child of fork(2) finds zeroes.
        const WIPEONFORK = 0x200_0000;
        /// Left out of core dumps.
        const DONTDUMP = 0x400_0000;
        /// Huge pages wanted.
        const HUGEPAGE = 0x2000_0000;
        /// No huge pages wanted.
        const NOHUGEPAGE = 0x4000_0000;
        /// Same-page merging wanted.
        const MERGEABLE = 0x8000_0000;
        /// mseal(2)
        const SEALED = 1 << 63;
        /// A page area of the kernel in user space (trampolines). Programs do not see it, and get it out of the
        /// way by mapping over it.
        const KERNEL = 1 << 62;
        /// A private mapping of a file that could be written at some time: it may have pages of its own
        /// (`anon_vma`), so it stays apart from neighbours that have none.
        const OWN_PAGES = 1 << 60;
        /// Belongs to the host (its vdso, its stack): cannot be replaced.
        const HOST = 1 << 61;
    }
}

impl VmFlags {
    /// The `PROT_*` bits.
    #[inline]
    pub fn prot(self) -> u32 {
        // PROT_READ, PROT_WRITE, PROT_EXEC are VM_READ, VM_WRITE, VM_EXEC: 1, 2, 4.
        self.bits() as u32 & 7
    }

    /// From `PROT_*` bits; others are dropped.
    #[inline]
    pub fn from_prot(prot: u32) -> VmFlags {
        VmFlags::from_bits_retain(u64::from(prot & (g::PROT_READ | g::PROT_WRITE | g::PROT_EXEC)))
    }

    /// The access bits changed to `prot`.
    pub fn with_prot(self, prot: u32) -> VmFlags {
        (self - (VmFlags::READ | VmFlags::WRITE | VmFlags::EXEC)) | VmFlags::from_prot(prot)
    }

    /// Counts as data for `RLIMIT_DATA`: private, writable and no stack (`is_data_mapping`).
    pub fn is_data(self) -> bool {
        self.contains(VmFlags::WRITE) && !self.intersects(VmFlags::SHARED | VmFlags::GROWSDOWN)
    }
}

/// What lies behind a mapping.
#[derive(Clone, Debug)]
pub enum Backing {
    /// Private zero pages; the name is prctl(PR_SET_VMA_ANON_NAME)'s.
    Anonymous(Option<Arc<[u8]>>),
    /// Zero pages shared by `MAP_SHARED | MAP_ANONYMOUS`: a nameless shmem file of that number, from this offset on.
    SharedAnonymous(u64, u64),
    /// A file, from this offset in bytes on.
    File(Arc<File>, u64),
    /// Something of the kernel's, with its name in /proc/PID/maps.
    Special(&'static str),
}

impl Backing {
    /// What lies behind the address `by` bytes further on.
    fn advance(&mut self, by: usize) {
        match self {
            Backing::SharedAnonymous(_, offset) | Backing::File(_, offset) => {
                *offset = offset.wrapping_add(by as u64);
            }
            Backing::Anonymous(_) | Backing::Special(_) => {}
        }
    }

    /// Whether `next` goes on where this ends after `len` bytes.
    fn continues(&self, len: usize, next: &Backing) -> bool {
        match (self, next) {
            (Backing::Anonymous(a), Backing::Anonymous(b)) => a == b,
            (Backing::SharedAnonymous(a, at), Backing::SharedAnonymous(b, to)) => {
                a == b && at.wrapping_add(len as u64) == *to
            }
            (Backing::File(a, at), Backing::File(b, to)) => {
                Arc::ptr_eq(a, b) && at.wrapping_add(len as u64) == *to
            }
            _ => false,
        }
    }
}

/// A mapping: `start..end`, page aligned, never empty.
#[derive(Clone, Debug)]
pub struct Vma {
    /// First address.
    pub start: usize,
    /// First address behind it.
    pub end: usize,
    /// What may be done with it.
    pub flags: VmFlags,
    /// What lies behind it.
    pub backing: Backing,
}

impl Vma {
    /// Bytes; never 0.
    #[inline]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Cuts off and answers what lies from `at` on, which is inside.
    pub(super) fn split_off(&mut self, at: usize) -> Vma {
        let mut high = self.clone();
        high.backing.advance(at - self.start);
        high.start = at;
        self.end = at;
        high
    }

    /// Moves the start up to `at`, which is inside.
    pub(super) fn trim_start(&mut self, at: usize) {
        self.backing.advance(at - self.start);
        self.start = at;
    }

    /// Notes what being writable leaves behind, see [`VmFlags::OWN_PAGES`].
    pub(super) fn note_write(&mut self) {
        if self.flags.contains(VmFlags::WRITE)
            && !self.flags.contains(VmFlags::MAYSHARE)
            && self.file().is_some()
        {
            self.flags |= VmFlags::OWN_PAGES;
        }
    }

    /// Whether `next`, which begins where this ends, can become one mapping with it.
    pub(super) fn merges_with(&self, next: &Vma) -> bool {
        self.end == next.start
            && self.flags == next.flags
            && self.backing.continues(self.len(), &next.backing)
    }

    /// Tells the file behind it, if there is one, that it is no longer mapped.
    pub(super) fn tell_unmapped(&self) {
        if let Some(file) = self.file() {
            file.ops.unmapped();
        }
    }

    /// The file behind it.
    pub fn file(&self) -> Option<&Arc<File>> {
        match &self.backing {
            Backing::File(file, _) => Some(file),
            _ => None,
        }
    }

    /// Whether programs know of it.
    pub fn is_visible(&self) -> bool {
        let hidden_host = self.flags.contains(VmFlags::HOST) && matches!(self.backing, Backing::Anonymous(_));
        !(self.flags.contains(VmFlags::KERNEL) || hidden_host)
    }
}
