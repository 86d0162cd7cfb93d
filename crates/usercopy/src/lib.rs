//! Copies to and from user memory that may fault and say so.
//!
//! The program and the kernel share one address space, so a user pointer is an ordinary address that may point at
//! nothing, at read-only pages, or at the kernel itself. Every function here first refuses the kernel's own
//! range ([`access_ok`]) and then copies with instructions whose addresses stand in a table: when one of them
//! faults, the fault handler asks [`fixup`] where to go on, and the copy ends early instead of crashing.
//!
//! What does not live here: typed system-call arguments (`kernel::uaccess`) and the handler (`fncall`).
#![no_std]

#[cfg(target_arch = "x86_64")]
#[path = "arch/x86_64.rs"]
mod arch;
mod pod;

pub use arch::fixup;
pub use pod::Pod;

use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};

/// The first address above user space on x86-64 with four-level page tables, less the guard page
/// (`TASK_SIZE_MAX` in `arch/x86/include/asm/page_64_types.h`).
pub const TASK_SIZE: usize = 0x7fff_ffff_f000;

/// A user address range could not be read or written to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault;

static KERNEL_START: AtomicUsize = AtomicUsize::new(0);
static KERNEL_END: AtomicUsize = AtomicUsize::new(0);

/// Declares `start..end` as the kernel's own: no copy will touch it. Called once at boot.
pub fn set_kernel_range(start: usize, end: usize) {
    KERNEL_START.store(start, Relaxed);
    KERNEL_END.store(end, Relaxed);
}

/// Whether `addr..addr + len` lies in user space and outside the kernel. Says nothing about what is mapped.
#[inline]
pub fn access_ok(addr: usize, len: usize) -> bool {
    if len > TASK_SIZE || addr > TASK_SIZE - len {
        return false;
    }
    addr >= KERNEL_END.load(Relaxed) || addr + len <= KERNEL_START.load(Relaxed)
}

/// Copies `dst.len()` bytes from user address `src`; returns how many bytes at the end were *not* copied.
#[inline]
pub fn copy_from_user(dst: &mut [u8], src: usize) -> usize {
    if !access_ok(src, dst.len()) {
        return dst.len();
    }
    // SAFETY: `dst` is valid for writes of its length; `src` is outside the kernel and may fault, which the
    // routine survives by `fixup`.
    unsafe { arch::copy(dst.as_mut_ptr(), src as *const u8, dst.len()) }
}

/// Copies `src` to user address `dst`; returns how many bytes at the end were *not* copied.
#[inline]
pub fn copy_to_user(dst: usize, src: &[u8]) -> usize {
    if !access_ok(dst, src.len()) {
        return src.len();
    }
    // SAFETY: `src` is valid for reads of its length; `dst` is outside the kernel, so no Rust object is
    // overwritten, and may fault, which the routine survives by `fixup`.
    unsafe { arch::copy(dst as *mut u8, src.as_ptr(), src.len()) }
}

/// Writes `len` zero bytes at user address `dst`; returns how many bytes at the end were *not* written.
#[inline]
pub fn clear_user(dst: usize, len: usize) -> usize {
    if !access_ok(dst, len) {
        return len;
    }
    // SAFETY: as in `copy_to_user`.
    unsafe { arch::clear(dst as *mut u8, len) }
}

/// Reads one `T` at user address `src` (no alignment needed).
///
/// # Errors
/// [`Fault`] when any byte of it cannot be read.
#[inline]
pub fn get<T: Pod>(src: usize) -> Result<T, Fault> {
    let len = size_of::<T>();
    if !access_ok(src, len) {
        return Err(Fault);
    }
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: `value` is `len` bytes of writable memory; `src` is outside the kernel and may fault.
    let left = unsafe { arch::copy(value.as_mut_ptr().cast(), src as *const u8, len) };
    if left != 0 {
        return Err(Fault);
    }
    // SAFETY: all bytes were written, and any bit pattern is a valid `T` (`Pod`).
    Ok(unsafe { value.assume_init() })
}

/// Writes `value` at user address `dst` (no alignment needed).
///
/// # Errors
/// [`Fault`] when any byte of it cannot be written.
#[inline]
pub fn put<T: Pod>(dst: usize, value: &T) -> Result<(), Fault> {
    let len = size_of::<T>();
    if !access_ok(dst, len) {
        return Err(Fault);
    }
    // SAFETY: `value` is readable for `len` bytes; padding is only moved, never looked at, by the assembly. `dst`
    // is outside the kernel and may fault.
    let left = unsafe { arch::copy(dst as *mut u8, (value as *const T).cast(), len) };
    if left == 0 { Ok(()) } else { Err(Fault) }
}

/// Reads a NUL-terminated string at user address `src` into `buf`; returns its length without the NUL, or
/// `None` when there is no NUL within `buf.len()` bytes.
///
/// # Errors
/// [`Fault`] when a byte before the NUL cannot be read.
pub fn strncpy_from_user(buf: &mut [u8], src: usize) -> Result<Option<usize>, Fault> {
    let mut done = 0;
    while done < buf.len() {
        let from = src.wrapping_add(done);
        // A chunk never crosses a page, so a string that ends just before an unmapped page is read whole.
        let to_page_end = 4096 - from % 4096;
        let len = to_page_end.min(buf.len() - done).min(128);
        let chunk = &mut buf[done..done + len];
        if copy_from_user(chunk, from) != 0 {
            return Err(Fault);
        }
        if let Some(at) = chunk.iter().position(|&b| b == 0) {
            return Ok(Some(done + at));
        }
        done += len;
    }
    Ok(None)
}

/// Atomically compares the `u32` at user address `addr` with `old` and stores `new` when equal; returns what was
/// there.
///
/// # Errors
/// [`Fault`] when `addr` is misaligned or not writable.
pub fn cmpxchg_u32(addr: usize, old: u32, new: u32) -> Result<u32, Fault> {
    if !addr.is_multiple_of(4) || !access_ok(addr, 4) {
        return Err(Fault);
    }
    let mut seen = old;
    // SAFETY: `addr` is aligned and outside the kernel; a fault is survived by `fixup`.
    let left = unsafe { arch::cmpxchg_u32(addr as *mut u32, &mut seen, new) };
    if left == 0 { Ok(seen) } else { Err(Fault) }
}

/// Atomically loads the `u32` at user address `addr`.
///
/// # Errors
/// [`Fault`] when `addr` is misaligned or not readable.
pub fn load_u32(addr: usize) -> Result<u32, Fault> {
    if !addr.is_multiple_of(4) {
        return Err(Fault);
    }
    // An aligned 4-byte `mov` is what `get` does, and that is atomic on x86-64 (SDM vol. 3A, 9.1.1).
    let word: u32 = get(addr)?;
    Ok(AtomicU32::new(word).into_inner())
}
