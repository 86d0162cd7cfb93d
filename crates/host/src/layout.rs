//! The fixed addresses of the kernel: one contiguous range that user mappings never touch.
//!
//! ```text
//! 0x4100_0000_0000  KERNEL_END
//!                   guard
//! 0x4020_0000_0000  ARENA_END
//!                   heap, kernel stacks, signal stacks, anchors: one shared memfd, committed on touch
//! 0x4010_0000_0000  ARENA_START
//!                   guard
//! 0x4000_0000_0000  KERNEL_START = the kernel image (linked here, see `fncall-image/build.rs`)
//! ```
//!
//! The range lies between the highest address the host gives to brk and non-PIE programs and the lowest it gives
//! to PIE programs and mmap on x86-64 (`ELF_ET_DYN_BASE` is 0x5555_5555_4aaa), so the host never puts anything
//! there by itself, and it is away from Go's arena hints (0xc0_0000_0000) and AddressSanitizer's shadow.

/// First address of the kernel.
pub const KERNEL_START: usize = 0x4000_0000_0000;
/// First address behind the kernel.
pub const KERNEL_END: usize = 0x4100_0000_0000;
/// First address of the arena.
pub const ARENA_START: usize = 0x4010_0000_0000;
/// Size of the arena's address range; memory is committed when touched.
pub const ARENA_LEN: usize = 64 << 30;
/// The host's page size; the only one on x86-64.
pub const PAGE_SIZE: usize = 4096;

/// Whether `start..start + len` lies in user space and outside the kernel.
#[inline]
pub fn is_user_range(start: usize, len: usize) -> bool {
    let Some(end) = start.checked_add(len) else { return false };
    end <= usercopy::TASK_SIZE && (end <= KERNEL_START || start >= KERNEL_END)
}
