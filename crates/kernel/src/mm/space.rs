//! An address space: the mappings, the lock around them, and what fork(2) and execve(2) do to it as a whole.

use super::code::Patches;
use super::layout::{Layout, host_vmas};
use super::tree::{STACK_GUARD_GAP, VmaTree};
use super::vma::{Backing, PAGE_SIZE, VmFlags, Vma};
use crate::Errno;
use crate::sysctl::{INT_MAX, Sysctl};
use crate::vfs::{File, FileType};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use host::mutex::Mutex;
use linux_raw_sys::general as g;

/// Most mappings of one address space (`vm.max_map_count`).
pub static MAX_MAP_COUNT: Sysctl = Sysctl::new(65530, 0, INT_MAX);

/// The address space of a process. Threads share it; so does a child of vfork(2) until it executes.
#[derive(Debug, Default)]
pub struct AddressSpace {
    pub(super) inner: Mutex<Inner>,
    /// Counts changes of patched code: a thread that comes back from a sleep looks whether its instruction pointer
    /// has moved only when this has.
    pub(super) code_epoch: AtomicU64,
    /// Another process has lived in it, and may still do so.
    lent: AtomicBool,
    /// What belongs to it but is no memory, by an address of its own: the contexts of io_setup(2)
    /// (`mm_struct.ioctx_table`). Not inherited by a fork.
    pub attached: Mutex<BTreeMap<usize, Arc<dyn Any + Send + Sync>>>,
}

/// What the lock guards.
#[derive(Debug, Default)]
pub(super) struct Inner {
    pub tree: VmaTree,
    pub layout: Layout,
    pub bounds: Bounds,
    /// Flags that every new mapping gets (mlockall(MCL_FUTURE)).
    pub def_flags: VmFlags,
    pub patches: Patches,
    /// Largest `total` there was, in bytes (`VmPeak`).
    pub peak: usize,
    /// What the program has registered for with membarrier(2), as commands.
    pub membarrier: u32,
    /// Bytes in memory and those of files among them, when somebody last looked.
    pub resident: (usize, usize),
    /// The host was told to leave the program's memory out of forks, and not yet to copy it again.
    pub withheld: bool,
}

/// Addresses that execve(2) has set, for brk(2) and /proc.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// First byte of the heap.
    pub start_brk: usize,
    /// End of the heap now.
    pub brk: usize,
    /// First and one past the last byte of code.
    pub code: (usize, usize),
    /// First and one past the last byte of initialised data.
    pub data: (usize, usize),
    /// Stack pointer at the start.
    pub start_stack: usize,
}

/// What limits a process's mappings: resource limits in bytes and capabilities.
#[derive(Clone, Copy, Debug)]
pub struct Rights {
    /// `RLIMIT_AS`
    pub address_space: u64,
    /// `RLIMIT_DATA`
    pub data: u64,
    /// `RLIMIT_MEMLOCK`
    pub memlock: u64,
    /// `CAP_IPC_LOCK`: no limit on locked memory.
    pub may_lock_any: bool,
    /// `CAP_SYS_RAWIO`: may map below `vm.mmap_min_addr`.
    pub raw_io: bool,
    /// `READ_IMPLIES_EXEC` of personality(2).
    pub read_implies_exec: bool,
}

impl Rights {
    /// Everything is allowed.
    pub const UNLIMITED: Rights = Rights {
        address_space: u64::MAX,
        data: u64::MAX,
        memlock: u64::MAX,
        may_lock_any: true,
        raw_io: false,
        read_implies_exec: false,
    };
}

impl AddressSpace {
    /// An address space with nothing in it but what is the host's.
    pub fn new(layout: Layout) -> Arc<AddressSpace> {
        let space = AddressSpace::default();
        space.inner.lock().reset(layout);
        Arc::new(space)
    }

    /// Runs `make`, which forks the host process, with the address space of the child: the same mappings, less those
    /// of `MADV_DONTFORK`, while no other thread changes them. The host copies the memory itself.
    pub fn fork<T>(&self, make: impl FnOnce(Arc<AddressSpace>) -> T) -> T {
        let mut inner = self.inner.lock();
        if inner.withheld {
            inner.advise_copied(g::MADV_DOFORK);
            inner.withheld = false;
        }
        make(self.copy(&mut inner))
    }

    /// As [`fork`](Self::fork), with an empty address space for a child that executes a program at once: the host is
    /// spared the copy, and this process the faults that follow when pages are shared. Who starts one program so often
    /// starts another: what the host was told holds until the next `fork`.
    pub fn fork_empty<T>(&self, make: impl FnOnce(Arc<AddressSpace>) -> T) -> T {
        let mut inner = self.inner.lock();
        // Again for what was mapped since.
        inner.advise_copied(g::MADV_DONTFORK);
        inner.withheld = true;
        make(AddressSpace::new(inner.layout))
    }

    fn copy(&self, inner: &mut Inner) -> Arc<AddressSpace> {
        let mut tree = inner.tree.clone();
        let dropped: Vec<_> = tree
            .iter()
            .filter(|vma| vma.flags.contains(VmFlags::DONTCOPY) && !vma.flags.contains(VmFlags::HOST))
            .map(|vma| (vma.start, vma.end))
            .collect();
        for (start, end) in dropped {
            // The parent's mapping is where it was.
            tree.remove(start, end).into_iter().for_each(drop);
        }
        // Locks are not inherited (mlock(2)).
        if tree.sizes().locked > 0 {
            tree.update(0, super::layout::TASK_SIZE, |vma| {
                vma.flags -= VmFlags::LOCKED | VmFlags::LOCKONFAULT
            });
        }
        let copy = Inner {
            tree,
            layout: inner.layout,
            bounds: inner.bounds,
            def_flags: VmFlags::empty(),
            patches: inner.patches.of_child(),
            peak: inner.peak,
            membarrier: inner.membarrier,
            resident: inner.resident,
            withheld: false,
        };
        Arc::new(AddressSpace {
            inner: Mutex::new(copy),
            code_epoch: AtomicU64::new(self.code_epoch.load(Relaxed)),
            attached: Mutex::default(),
            lent: AtomicBool::new(false),
        })
    }

    /// A second process is about to live in it (`CLONE_VM`).
    pub fn lend(&self) {
        self.lent.store(true, Relaxed);
    }

    /// Whether there was ever more than one process that lived in it.
    pub fn was_lent(&self) -> bool {
        self.lent.load(Relaxed)
    }

    /// Unmaps everything of the program and begins anew (execve(2), after the point of no return).
    pub fn clear(&self, layout: Layout) {
        let removed = {
            let mut inner = self.inner.lock();
            inner.sync_growth(0, super::layout::TASK_SIZE);
            let mut ranges: Vec<(usize, usize)> = Vec::new();
            for vma in inner.tree.iter().filter(|vma| !vma.flags.contains(VmFlags::HOST)) {
                match ranges.last_mut() {
                    Some(last) if last.1 == vma.start => last.1 = vma.end,
                    _ => ranges.push((vma.start, vma.end)),
                }
            }
            for (start, end) in ranges {
                if let Err(errno) = host::memory::unmap(start, end - start) {
                    host::log!(Error, "munmap {start:#x}-{end:#x}: {errno:?}");
                }
            }
            inner.reset(layout)
        };
        self.code_epoch.fetch_add(1, Relaxed);
        removed.iter().for_each(Vma::tell_unmapped);
        self.detach();
    }

    /// Lets go of what is attached.
    fn detach(&self) {
        let attached = core::mem::take(&mut *self.attached.lock());
        drop(attached);
    }

    /// The end of the last process that has it (`exit_mmap`): what was mapped is let go of in the books; the host
    /// process ends right after.
    pub fn release(&self) {
        let tree = core::mem::take(&mut self.inner.lock().tree);
        tree.iter().for_each(Vma::tell_unmapped);
        self.detach();
    }

    /// How many mappings there are of files that `is` picks.
    pub fn count_mappings_of(&self, is: impl Fn(&File) -> bool) -> usize {
        let inner = self.inner.lock();
        inner.tree.iter().filter(|vma| vma.file().is_some_and(|file| is(file))).count()
    }

    /// Whether programs see a mapping in `start..end`.
    pub fn has_mapping(&self, start: usize, end: usize) -> bool {
        let mut inner = self.inner.lock();
        inner.sync_growth(start, end);
        inner.tree.overlapping(start, end).any(Vma::is_visible)
    }

    /// What is left of the mapping of a file that began at `addr`: address and bytes of each piece. The first one of
    /// a file that `is` picks decides which file that is.
    pub fn pieces_of(&self, addr: usize, is: impl Fn(&File) -> bool) -> Vec<(usize, usize)> {
        let inner = self.inner.lock();
        let begins_there = |vma: &&Vma| match &vma.backing {
            Backing::File(_, offset) => (vma.start - addr) as u64 == *offset,
            _ => false,
        };
        let mut candidates =
            inner.tree.overlapping(addr, super::layout::TASK_SIZE).filter(|vma| vma.start >= addr);
        let mut first =
            candidates.by_ref().filter(begins_there).filter(|vma| vma.file().is_some_and(|file| is(file)));
        let Some(first) = first.next() else { return Vec::new() };
        let same = |vma: &&Vma| match (vma.file(), first.file()) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        };
        let rest =
            inner.tree.overlapping(first.end, super::layout::TASK_SIZE).filter(begins_there).filter(same);
        core::iter::once(first).chain(rest).map(|vma| (vma.start, vma.len())).collect()
    }

    /// The addresses that execve(2) chose.
    pub fn bounds(&self) -> Bounds {
        self.inner.lock().bounds
    }

    /// The layout in use.
    pub fn layout(&self) -> Layout {
        self.inner.lock().layout
    }

    /// Notes where the program's parts lie; the heap begins at `bounds.start_brk`.
    pub fn set_bounds(&self, bounds: Bounds) {
        self.inner.lock().bounds = bounds;
    }
}

impl Inner {
    /// Forgets everything; answers the old mappings, for the caller to drop outside the lock.
    fn reset(&mut self, layout: Layout) -> VmaTree {
        let old = core::mem::take(self);
        self.layout = layout;
        for vma in host_vmas() {
            if self.tree.is_free(vma.start, vma.end) {
                self.tree.insert(vma);
            }
        }
        old.tree
    }

    /// The ranges that the host's fork copies and need not, with gaps in them. Left out are the host's own mappings, what
    /// the program itself keeps from its children, and devices, which the host may not let be copied again.
    fn copied_runs(&self) -> Vec<(usize, usize)> {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        let (mut open, mut last) = (false, 0);
        for vma in self.tree.iter() {
            let device =
                matches!(&vma.backing, Backing::File(file, _) if file.inode.kind() != FileType::Regular);
            if device || vma.flags.intersects(VmFlags::HOST | VmFlags::DONTCOPY) {
                open = false;
            } else if open && let Some(run) = runs.last_mut() {
                run.1 = vma.end;
            } else {
                // The host may have extended it down to its neighbour.
                let grows = vma.flags.contains(VmFlags::GROWSDOWN);
                runs.push((if grows { last } else { vma.start }, vma.end));
                open = true;
            }
            last = vma.end;
        }
        runs
    }

    /// madvise(2) on all that the host's fork copies and need not.
    fn advise_copied(&self, advice: u32) {
        for (start, end) in self.copied_runs() {
            match host::memory::advise(start, end - start, advice) {
                // Gaps within are left out.
                Ok(()) | Err(Errno::NOMEM) => {}
                Err(errno) => host::log!(Error, "madvise {advice} {start:#x}-{end:#x}: {errno}"),
            }
        }
    }

    /// Learns how far the host has extended downward-growing mappings that may meet `start..end`: nobody tells
    /// when it happens. Must come before any look at mappings in that range.
    pub fn sync_growth(&mut self, start: usize, end: usize) {
        let mut at = start;
        while let Some(vma) = self.tree.find_next(at) {
            let (from, to, flags) = (vma.start, vma.end, vma.flags);
            if flags.contains(VmFlags::GROWSDOWN) && from > start {
                let floor = self.tree.find_prev(from).map_or(0, |prev| prev.end);
                let grown = grown_start(from, floor);
                if grown < from {
                    self.tree.grow_down(from, grown);
                }
            }
            if to >= end || from >= end {
                break;
            }
            at = to;
        }
        self.note_peak();
    }

    /// The lowest address that a mapping above `addr` may have been extended to is what counts there.
    pub fn note_peak(&mut self) {
        self.peak = self.peak.max(self.tree.sizes().total);
    }

    /// Whether `extra` bytes more of such mappings are within the limits (`may_expand_vm`).
    pub fn may_expand(&self, rights: &Rights, flags: VmFlags, extra: usize) -> bool {
        let sizes = self.tree.sizes();
        let within = |now: usize, limit: u64| (now as u64).saturating_add(extra as u64) <= limit;
        within(sizes.total, rights.address_space) && (!flags.is_data() || within(sizes.data, rights.data))
    }

    /// Whether `extra` bytes more may be locked (`mlock_future_ok`).
    pub fn may_lock(&self, rights: &Rights, extra: usize) -> bool {
        let total = (self.tree.sizes().locked as u64).saturating_add(extra as u64);
        rights.may_lock_any || total <= rights.memlock
    }

    /// Whether part of `start..end` must stay as it is (`EPERM`): sealed by mseal(2), or the host's and visible.
    pub fn is_sealed(&self, start: usize, end: usize) -> bool {
        self.tree.overlapping(start, end).any(|vma| vma.flags.contains(VmFlags::SEALED) && vma.is_visible())
    }

    /// Whether part of `start..end` was sealed by mseal(2).
    pub fn is_sealed_by_program(&self, start: usize, end: usize) -> bool {
        let sealed = |vma: &Vma| vma.flags & (VmFlags::SEALED | VmFlags::HOST) == VmFlags::SEALED;
        self.tree.overlapping(start, end).any(|vma| sealed(vma) && vma.is_visible())
    }

    /// What of the host's a program has unmapped (the vdso): it stays, because the host needs it, but is seen no more.
    pub fn hide_host(&mut self, start: usize, end: usize) {
        let seen = |vma: &Vma| vma.flags.contains(VmFlags::HOST) && vma.is_visible();
        if self.tree.overlapping(start, end).any(seen) {
            self.tree.update(start, end, |vma| {
                if seen(vma) {
                    vma.backing = Backing::Anonymous(None);
                }
            });
        }
    }

    /// Whether something of the host's that programs do not see lies there.
    pub fn meets_hidden_host(&self, start: usize, end: usize) -> bool {
        self.tree.overlapping(start, end).any(|vma| vma.flags.contains(VmFlags::HOST) && !vma.is_visible())
    }
}

/// How far down a mapping that begins at `start` by our books really reaches, not below `floor`.
fn grown_start(start: usize, floor: usize) -> usize {
    let mapped = |addr: usize| addr >= floor && host::memory::is_mapped(addr);
    let Some(first) = start.checked_sub(PAGE_SIZE).filter(|&addr| mapped(addr)) else { return start };
    // Doubling steps until one is not mapped, then halving: growth is one run of pages.
    let (mut known, mut step) = (first, PAGE_SIZE);
    while let Some(next) = known.checked_sub(step)
        && mapped(next)
    {
        known = next;
        step *= 2;
    }
    let mut unmapped = known.saturating_sub(step);
    while known - unmapped > PAGE_SIZE {
        let middle = super::vma::page_down(unmapped + (known - unmapped) / 2);
        if mapped(middle) {
            known = middle;
        } else {
            unmapped = middle;
        }
    }
    known
}

/// Whether a mapping may not begin in the gap below a growing one.
pub(super) fn in_guard_gap(vma: &Vma, end: usize) -> bool {
    vma.flags.contains(VmFlags::GROWSDOWN) && end > vma.start.saturating_sub(STACK_GUARD_GAP)
}
