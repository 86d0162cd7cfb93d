//! The kernel's memory: one memfd, mapped shared at a fixed address, with the image's data and a heap in it.
//!
//! Shared from the start, so that a kernel pointer means the same in every process of the instance. The range is
//! reserved whole and committed page by page when touched.
//!
//! ```text
//! ARENA_START + ARENA_LEN
//!     further stacks, from the top down
//!     ...
//!     heap (talc), from the bottom
//!     .data, .bss
//! DATA_START
//!     stacks, from the top down
//! ARENA_START
//! ```

use crate::huge::HUGE;
use crate::layout::{ARENA_LEN, ARENA_START, DATA_START, PAGE_SIZE};
use crate::mutex::Mutex;
use crate::{Errno, Result, check, syscall2, syscall6};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use linux_raw_sys::general as g;
use talc::base::Talc;
use talc::base::binning::Binning;
use talc::base::binning::DefaultBinning;
use talc::source::Source;

/// Address space for further stacks, at the top of the arena.
const FAR_LEN: usize = 4 << 30;
/// The heap ends here at the latest.
const HEAP_END: usize = ARENA_START + ARENA_LEN - FAR_LEN;
/// First address of a stack is so aligned, in bytes: what the host maps at one fault.
const STACK_ALIGN: usize = 64 << 10;

/// Gives the heap a huge page at a time: it writes to its last bytes now and then, which shall not be far away.
#[derive(Debug)]
struct Growing {
    /// Where the heap ends now; 0 without memory.
    end: usize,
}

// SAFETY: extends the heap by memory that nobody else uses, and allocates nothing.
unsafe impl Source for Growing {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> core::result::Result<(), ()> {
        let old = NonNull::new(talc.source.end as *mut u8).ok_or(())?;
        let wanted =
            layout.size().checked_add(layout.align()).and_then(|len| len.checked_add(PAGE_SIZE)).ok_or(())?;
        let end = talc.source.end.checked_add(wanted).ok_or(())?.checked_next_multiple_of(HUGE).ok_or(())?;
        if end > HEAP_END {
            return Err(());
        }
        // SAFETY: that is where the heap ends, and the memory behind it, up to HEAP_END, is for nothing else.
        talc.source.end = unsafe { talc.extend(old, end as *mut u8) }.as_ptr() as usize;
        HEAP_REACHES.store(end, Relaxed);
        Ok(())
    }
}

/// Where the heap ends, as a multiple of the huge page.
static HEAP_REACHES: AtomicUsize = AtomicUsize::new(DATA_START);

/// The part of the arena that data and heap use now: whole huge pages.
pub(crate) fn heap_range() -> (usize, usize) {
    (DATA_START, HEAP_REACHES.load(Relaxed))
}

/// The heap, as the image's global allocator. Allocates nothing before `map`.
pub struct Heap(Mutex<Talc<Growing, DefaultBinning>>);

impl Heap {
    /// A heap without memory yet.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Heap {
        Heap(Mutex::new(Talc::new(Growing { end: 0 })))
    }
}

// SAFETY: talc's contract is `GlobalAlloc`'s, and the mutex gives it exclusive access.
unsafe impl GlobalAlloc for Heap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the layout is not zero-sized (contract of `alloc`).
        unsafe { self.0.lock().allocate(layout) }.map_or(null_mut(), NonNull::as_ptr)
    }

    #[inline]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: `ptr` came from `alloc` with this layout (contract of `dealloc`).
        unsafe { self.0.lock().deallocate(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as in `dealloc`; a block that cannot grow in place is moved.
        unsafe {
            if self.0.lock().try_realloc_in_place(ptr, layout, new_size) {
                return ptr;
            }
            let Ok(new_layout) = Layout::from_size_align(new_size, layout.align()) else { return null_mut() };
            let new = self.alloc(new_layout);
            if !new.is_null() {
                core::ptr::copy_nonoverlapping(ptr, new, layout.size().min(new_size));
                self.dealloc(ptr, layout);
            }
            new
        }
    }
}

/// Maps the arena, moves the image's data to it, and gives `heap` its memory. Once, at boot, before the first
/// allocation.
///
/// # Errors
/// Those of memfd_create(2), ftruncate(2) and mmap(2).
///
/// # Safety
/// No other thread runs, and the calling one is not on a stack in the image's data.
pub(crate) unsafe fn map(heap: &Heap) -> Result<()> {
    // SAFETY: the name is NUL-terminated.
    let fd = check(unsafe {
        syscall2(g::__NR_memfd_create, c"fncall-arena".as_ptr() as usize, g::MFD_CLOEXEC as usize)
    })?;
    // SAFETY: only changes the size of the file just made.
    check(unsafe { syscall2(g::__NR_ftruncate, fd, ARENA_LEN) })?;
    let (start, end) = crate::arch::data_range();
    if start != DATA_START || end <= start || end > DATA_START + HUGE {
        return Err(Errno::NOEXEC);
    }
    let map = |at: usize, len: usize, how: u32, from: usize| {
        let prot = (g::PROT_READ | g::PROT_WRITE) as usize;
        let flags = (g::MAP_SHARED | g::MAP_NORESERVE | how) as usize;
        let offset = from - ARENA_START;
        // SAFETY: a range that is the kernel's own by layout, with NOREPLACE or that of the data below; or any.
        let mapped = check(unsafe { syscall6(g::__NR_mmap, at, len, prot, flags, fd, offset) })?;
        if at != 0 && mapped != at { Err(Errno::EXIST) } else { Ok(mapped) }
    };
    map(ARENA_START, DATA_START - ARENA_START, g::MAP_FIXED_NOREPLACE, ARENA_START)?;
    map(end, ARENA_START + ARENA_LEN - end, g::MAP_FIXED_NOREPLACE, end)?;
    let copy = map(0, end - start, 0, start)?;
    // SAFETY: the same length in both; nothing is written there between the copy and the exchange, by the caller's
    // promise. What is mapped at `copy` is nobody else's.
    unsafe { core::ptr::copy_nonoverlapping(start as *const u8, copy as *mut u8, end - start) };
    map(start, end - start, g::MAP_FIXED, start)?;
    // SAFETY: as above; the mappings keep the memory of the file.
    unsafe {
        syscall2(g::__NR_munmap, copy, end - start);
        crate::syscall1(g::__NR_close, fd);
    }
    let mut talc = heap.0.lock();
    // SAFETY: fresh memory, used by nobody else.
    let claimed = unsafe { talc.claim(end as *mut u8, DATA_START + HUGE - end) };
    talc.source.end = claimed.ok_or(Errno::NOMEM)?.as_ptr() as usize;
    HEAP_REACHES.store(DATA_START + HUGE, Relaxed);
    Ok(())
}

/// Next free addresses for [`stack`], going down: near the data, and where there is more room.
static NEAR_TOP: AtomicUsize = AtomicUsize::new(DATA_START);
static FAR_TOP: AtomicUsize = AtomicUsize::new(ARENA_START + ARENA_LEN);

/// Stacks given back, by length: address of the first byte.
static FREE_STACKS: Mutex<BTreeMap<usize, Vec<usize>>> = Mutex::new(BTreeMap::new());

/// Takes a stack back that [`stack`] gave; nobody runs on it any more.
pub(crate) fn free_stack(start: usize, len: usize) {
    FREE_STACKS.lock().entry(len).or_default().push(start);
}

/// Pages of the arena with nothing mapped right below them: a stack of `len` bytes, whose end is aligned to
/// [`STACK_ALIGN`].
///
/// # Errors
/// `ENOMEM` when the address space for such things is used up; those of munmap(2).
pub(crate) fn stack(len: usize) -> Result<usize> {
    if let Some(start) = FREE_STACKS.lock().get_mut(&len).and_then(Vec::pop) {
        return Ok(start);
    }
    let len = len.next_multiple_of(PAGE_SIZE);
    let room = (len + PAGE_SIZE).next_multiple_of(STACK_ALIGN);
    let take = |top: &AtomicUsize, bottom: usize| {
        let lower = |top: usize| top.checked_sub(room).filter(|&start| start >= bottom);
        top.fetch_update(Relaxed, Relaxed, lower).ok()
    };
    let end = take(&NEAR_TOP, ARENA_START).or_else(|| take(&FAR_TOP, HEAP_END)).ok_or(Errno::NOMEM)?;
    // A hole and not an inaccessible page: each fork of the host copies every mapping there is.
    // SAFETY: the pages were just taken, so nobody relies on them.
    check(unsafe { syscall2(g::__NR_munmap, end - room, room - len) })?;
    Ok(end - len)
}
