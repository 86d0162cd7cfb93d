//! Where things go in a new address space (`arch_pick_mmap_layout`, `randomize_stack_top`, `arch_randomize_brk`),
//! and what the host has put there already.
//!
//! ```text
//!   TASK_SIZE   ┌──────────────────┐
//!               │ random gap       │ up to 16 GiB
//!   stack_top   ├──────────────────┤
//!               │ stack ↓          │
//!               │ gap              │ RLIMIT_STACK, at least 128 MiB
//!   mmap_base   ├──────────────────┤
//!               │ mappings ↓       │ the host's vdso lies somewhere here
//!               │ …                │ the kernel's own range, see `host::layout`
//!   0x5555…     │ PIE, heap ↑      │
//!   0x40_0000   │ non-PIE, heap ↑  │
//!   min_addr    └──────────────────┘
//! ```

use super::vma::{PAGE_SIZE, page_down, page_up};
use super::{Backing, STACK_GUARD_GAP, VmFlags, Vma};
use alloc::vec::Vec;
use host::mutex::OnceLock;

/// One past the highest user address.
pub const TASK_SIZE: usize = usercopy::TASK_SIZE;
/// Lowest address of position-independent programs, before rounding (`ELF_ET_DYN_BASE`).
pub const ELF_ET_DYN_BASE: usize = TASK_SIZE / 3 * 2;
/// Pages by which mappings are moved at random, as a power of two (`vm.mmap_rnd_bits`).
const MMAP_RND_BITS: u32 = 28;
/// The same for the stack (`STACK_RND_MASK`).
const STACK_RND_BITS: u32 = 22;
/// Bytes by which the heap is moved at random.
const BRK_RANDOM: usize = 1 << 30;

/// What the host has in user space from the start, and the kernel does not own.
#[derive(Clone, Debug)]
pub struct HostRange {
    /// First address.
    pub start: usize,
    /// First address behind it.
    pub end: usize,
    /// Name and protection (`PROT_*`) in /proc/PID/maps (`[vdso]`); `None` hides it from programs.
    pub shown: Option<(&'static str, u32)>,
}

/// What is the same in all address spaces of an instance.
#[derive(Clone, Debug)]
pub struct HostLayout {
    /// Ranges that are taken.
    pub ranges: Vec<HostRange>,
    /// `vm.mmap_min_addr` in bytes: below this only `CAP_SYS_RAWIO` maps, if the host lets it.
    pub mmap_min_addr: usize,
    /// Processes have the page of vsyscalls.
    pub vsyscall: bool,
}

static HOST: OnceLock<HostLayout> = OnceLock::new();

/// Tells what the host has in user space. Called once at boot, before the first address space is made; without
/// it nothing is taken.
pub fn set_host_layout(layout: HostLayout) {
    // A second call changes nothing: address spaces made since then rely on the first.
    let _ = HOST.set(layout);
}

/// Whether processes have the page of vsyscalls.
pub(super) fn host_has_vsyscall() -> bool {
    HOST.get().is_some_and(|host| host.vsyscall)
}

/// `vm.mmap_min_addr`.
pub(super) fn mmap_min_addr() -> usize {
    HOST.get().map_or(65536, |host| host.mmap_min_addr)
}

/// The host's ranges and the kernel's own, as mappings.
pub(super) fn host_vmas() -> Vec<Vma> {
    let mut vmas = Vec::new();
    let kernel = HostRange { start: host::layout::KERNEL_START, end: host::layout::KERNEL_END, shown: None };
    let ranges = HOST.get().map_or(&[][..], |host| &host.ranges);
    for range in ranges.iter().chain([&kernel]) {
        let (flags, backing) = match range.shown {
            Some((name, prot)) => (
                VmFlags::from_prot(prot) | VmFlags::MAYREAD | VmFlags::MAYEXEC | VmFlags::DONTEXPAND,
                Backing::Special(name),
            ),
            None => (VmFlags::empty(), Backing::Anonymous(None)),
        };
        if range.start < range.end {
            let flags = flags | VmFlags::HOST | VmFlags::SEALED;
            vmas.push(Vma { start: range.start, end: range.end, flags, backing });
        }
    }
    vmas
}

/// Random bits; 0 when the host has none, as with randomisation off.
fn random_bits(bits: u32) -> usize {
    let mut bytes = [0; 8];
    match host::memory::random(&mut bytes) {
        Ok(()) => usize::from_le_bytes(bytes) & ((1 << bits) - 1),
        Err(_) => 0,
    }
}

/// The addresses chosen for one program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Addresses are chosen at random.
    pub aslr: bool,
    /// One past the stack.
    pub stack_top: usize,
    /// Mappings are placed downwards from here.
    pub mmap_base: usize,
    /// Where they go when there is no room left below `mmap_base`, upwards.
    pub legacy_base: usize,
}

impl Layout {
    /// Chooses for a program with this soft `RLIMIT_STACK` in bytes.
    pub fn choose(aslr: bool, stack_limit: u64) -> Layout {
        let random_pages = |bits| if aslr { random_bits(bits) * PAGE_SIZE } else { 0 };
        let stack_limit = usize::try_from(stack_limit).unwrap_or(usize::MAX);
        let pad = STACK_GUARD_GAP + if aslr { PAGE_SIZE << STACK_RND_BITS } else { 0 };
        let gap = stack_limit.saturating_add(pad).clamp(128 << 20, TASK_SIZE / 6 * 5);
        let stack_top = TASK_SIZE - random_pages(STACK_RND_BITS);
        let stack_top = avoid_host(stack_top, stack_limit.clamp(8 << 20, 1 << 30));
        let mmap_base = page_up(TASK_SIZE - gap - random_pages(MMAP_RND_BITS));
        Layout {
            aslr,
            stack_top,
            // A stack that had to move down, away from the host's, pushes the mappings down with it.
            mmap_base: mmap_base.min(stack_top.saturating_sub(gap.min(128 << 20))),
            legacy_base: page_up(TASK_SIZE / 3) + random_pages(MMAP_RND_BITS),
        }
    }

    /// Where a position-independent program with an interpreter goes.
    pub fn pie_base(&self) -> usize {
        page_down(ELF_ET_DYN_BASE) + if self.aslr { random_bits(MMAP_RND_BITS) * PAGE_SIZE } else { 0 }
    }

    /// Where the heap begins, when the program ends at `end`.
    pub fn brk_start(&self, end: usize) -> usize {
        let start = page_up(end);
        if self.aslr { page_up(start + random_bits(30) % BRK_RANDOM) } else { start }
    }
}

impl Default for Layout {
    /// Without randomisation, for the usual stack limit.
    fn default() -> Self {
        Layout::choose(false, 8 << 20)
    }
}

/// The highest stack top up to `top` below which `room` bytes are not the host's.
fn avoid_host(top: usize, room: usize) -> usize {
    let mut top = top;
    let mut ranges = HOST.get().map(|host| host.ranges.clone()).unwrap_or_default();
    ranges.sort_unstable_by_key(|range| core::cmp::Reverse(range.start));
    for range in ranges {
        if range.start < top && range.end.saturating_add(STACK_GUARD_GAP) > top.saturating_sub(room) {
            top = page_down(range.start.saturating_sub(STACK_GUARD_GAP));
        }
    }
    top
}
