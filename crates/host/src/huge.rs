//! The kernel on huge pages, for processes that fork.
//!
//! A fork of the host copies no page tables of file mappings and of shared memory: each child would fault the image and
//! the heap in again, a few pages at a time, and have them unmapped at its end, which costs as much as the fork itself. A
//! huge page of anonymous memory is one entry that is copied, a shared one is faulted in as one entry. So the second
//! fork of an instance, and whoever forks after it without such an image, moves there:
//!
//! ```text
//!                        before                          after
//!                        heap                            the same, its first MiBs on huge pages
//!     DATA_START         .data, .bss                     the same, with the beginning of the heap
//!                        nothing                         one anonymous mapping, read and execute
//!     KERNEL_START       .rodata, .text (of the file)
//! ```

use crate::layout::KERNEL_START;
use crate::mutex::Mutex;
use crate::{Errno, Result, check, syscall2, syscall3, syscall5, syscall6};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use linux_raw_sys::general as g;

/// Bytes of a huge page.
pub(crate) const HUGE: usize = 2 << 20;

/// So many forks are made with the image as it is: moving costs as much as some of them gain.
const FORKS_BEFORE: u32 = 1;

/// So much of the heap gets huge pages at most, in bytes: behind it lies what is large rather than often used.
const HEAP_MOST: usize = 8 * HUGE;

/// Forks of the instance so far.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// Called before a fork of the host.
pub(crate) fn before_fork() {
    if FORKS.load(Relaxed) < FORKS_BEFORE {
        FORKS.fetch_add(1, Relaxed);
        return;
    }
    if let Some(thread) = crate::user::current_thread()
        // Not again after a refusal, which would come each time: no permission, or another layout of the image.
        && !thread.image_is_huge.swap(true, Relaxed)
    {
        match move_image() {
            Ok(()) => crate::log!(Info, "the image is on huge pages now"),
            Err(errno) => crate::log!(Info, "the image stays on small pages: {errno}"),
        }
    }
    gather_heap();
}

/// How far the heap is on huge pages, in bytes, and how often the host was busy with some of the rest.
static GATHERED: Mutex<(usize, u32)> = Mutex::new((0, 0));

/// Puts what there is of the heap, and was not when this was called before, on huge pages, for all processes.
fn gather_heap() {
    /// So often a range is tried that the host has something else to do with at that moment.
    const PATIENCE: u32 = 8;
    let (start, end) = crate::arena::heap_range();
    let wanted = (end - start).min(HEAP_MOST);
    // Who finds it locked has another do it.
    let Some(mut gathered) = GATHERED.try_lock() else { return };
    let (done, tries) = *gathered;
    if done >= wanted {
        return;
    }
    let (at, len) = (start + done, wanted - done);
    // SAFETY: changes nothing but which pages hold the content. Hosts before Linux 6.1 do not know the advice.
    *gathered = match check(unsafe { syscall3(g::__NR_madvise, at, len, g::MADV_COLLAPSE as usize) }) {
        Err(Errno::AGAIN) if tries < PATIENCE => (done, tries + 1),
        Ok(_) => {
            crate::log!(Info, "the heap is on huge pages now, as far as {wanted:#x}");
            (wanted, 0)
        }
        Err(errno) => {
            crate::log!(Info, "the heap stays on small pages: {errno}");
            (wanted, 0)
        }
    };
}

/// Puts a copy of the image's code and constants in place of them, at once for all threads of the process.
fn move_image() -> Result<()> {
    let (text, text_len) = crate::arch::text_range();
    let len = (text + text_len).wrapping_sub(KERNEL_START);
    // The linker script keeps the arena away from them.
    let pages = len.next_multiple_of(HUGE);
    if text < KERNEL_START || crate::layout::ARENA_START < KERNEL_START + pages {
        return Err(Errno::NOEXEC);
    }
    let write = (g::PROT_READ | g::PROT_WRITE) as usize;
    let execute = (g::PROT_READ | g::PROT_EXEC) as usize;
    let private = (g::MAP_PRIVATE | g::MAP_ANONYMOUS) as usize;
    let fixed = (g::MREMAP_MAYMOVE | g::MREMAP_FIXED) as usize;
    // SAFETY: fresh memory, of which all but aligned huge pages is given back; they get the image's bytes, constants
    // included, and then take the image's place in one step. The place is the kernel's own and holds nothing else.
    unsafe {
        let room = check(syscall6(g::__NR_mmap, 0, pages + HUGE, write, private, usize::MAX, 0))?;
        let start = room.next_multiple_of(HUGE);
        if start > room {
            syscall2(g::__NR_munmap, room, start - room);
        }
        if room + HUGE > start {
            syscall2(g::__NR_munmap, start + pages, room + HUGE - start);
        }
        // A host that gives no huge pages copies the entries of small ones, which is still better than faults.
        syscall3(g::__NR_madvise, start, pages, g::MADV_HUGEPAGE as usize);
        core::ptr::copy_nonoverlapping(KERNEL_START as *const u8, start as *mut u8, len);
        check(syscall3(g::__NR_mprotect, start, pages, execute))
            .and_then(|_| check(syscall5(g::__NR_mremap, start, pages, pages, fixed, KERNEL_START)))
            .inspect_err(|_| {
                syscall2(g::__NR_munmap, start, pages);
            })?;
    }
    Ok(())
}
