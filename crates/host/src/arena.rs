//! The kernel's memory: one memfd, mapped shared at a fixed address, with a heap in it.
//!
//! Shared from the start, so that a kernel pointer means the same in every process of the instance. The range is
//! reserved whole and committed page by page when touched.
//!
//! ```text
//! ARENA_START + ARENA_LEN
//!     stacks and other page-sized things, taken from the top down
//!     ...
//!     heap (talc), from the bottom
//! ARENA_START
//! ```

use crate::layout::{ARENA_LEN, ARENA_START, PAGE_SIZE};
use crate::mutex::Mutex;
use crate::{Errno, Result, check, syscall2, syscall6};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use linux_raw_sys::general as g;
use talc::base::Talc;
use talc::base::binning::DefaultBinning;
use talc::source::Manual;

/// Address space for stacks and the like, at the top of the arena.
const PAGES_LEN: usize = 4 << 30;

/// The heap, as the image's global allocator. Allocates nothing before `map`.
pub struct Heap(Mutex<Talc<Manual, DefaultBinning>>);

impl Heap {
    /// A heap without memory yet.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Heap {
        Heap(Mutex::new(Talc::new(Manual)))
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

/// Next free address for [`stack`], going down.
static PAGES_TOP: AtomicUsize = AtomicUsize::new(ARENA_START + ARENA_LEN);

/// Maps the arena and gives `heap` its memory. Once, at boot, before the first allocation.
///
/// # Errors
/// Those of memfd_create(2), ftruncate(2) and mmap(2).
pub(crate) fn map(heap: &Heap) -> Result<()> {
    // SAFETY: the name is NUL-terminated.
    let fd = check(unsafe {
        syscall2(g::__NR_memfd_create, c"fncall-arena".as_ptr() as usize, g::MFD_CLOEXEC as usize)
    })?;
    // SAFETY: only changes the size of the file just made.
    check(unsafe { syscall2(g::__NR_ftruncate, fd, ARENA_LEN) })?;
    let prot = (g::PROT_READ | g::PROT_WRITE) as usize;
    let flags = (g::MAP_SHARED | g::MAP_FIXED_NOREPLACE | g::MAP_NORESERVE) as usize;
    // SAFETY: the range is the kernel's own by layout, and NOREPLACE keeps whatever else might be there.
    let at = check(unsafe { syscall6(g::__NR_mmap, ARENA_START, ARENA_LEN, prot, flags, fd, 0) })?;
    // SAFETY: nobody else uses the descriptor; the mapping keeps the memory.
    unsafe { crate::syscall1(g::__NR_close, fd) };
    if at != ARENA_START {
        return Err(Errno::EXIST);
    }
    // SAFETY: fresh memory, used by nobody else; the top part is left to `pages`.
    let claimed = unsafe { heap.0.lock().claim(ARENA_START as *mut u8, ARENA_LEN - PAGES_LEN) };
    if claimed.is_some() { Ok(()) } else { Err(Errno::NOMEM) }
}

/// Stacks given back, by length: address of the first byte.
static FREE_STACKS: Mutex<BTreeMap<usize, Vec<usize>>> = Mutex::new(BTreeMap::new());

/// Takes a stack back that [`stack`] gave; nobody runs on it any more.
pub(crate) fn free_stack(start: usize, len: usize) {
    FREE_STACKS.lock().entry(len).or_default().push(start);
}

/// Pages of the arena with nothing mapped right below them: a stack of `len` bytes.
///
/// # Errors
/// `ENOMEM` when the address space for such things is used up; those of munmap(2).
pub(crate) fn stack(len: usize) -> Result<usize> {
    if let Some(start) = FREE_STACKS.lock().get_mut(&len).and_then(Vec::pop) {
        return Ok(start);
    }
    let len = len.next_multiple_of(PAGE_SIZE) + PAGE_SIZE;
    let end = PAGES_TOP.fetch_sub(len, Relaxed);
    let start = end - len;
    if start < ARENA_START + ARENA_LEN - PAGES_LEN {
        return Err(Errno::NOMEM);
    }
    // A hole and not an inaccessible page: each fork of the host copies every mapping there is.
    // SAFETY: the page was just taken, so nobody relies on it.
    check(unsafe { syscall2(g::__NR_munmap, start, PAGE_SIZE) })?;
    Ok(start + PAGE_SIZE)
}
