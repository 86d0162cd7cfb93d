//! The fixed addresses of the kernel: one contiguous range that user mappings never touch.
//!
//! ```text
//! 0x5540_0000_0000  KERNEL_END
//!                   guard
//! 0x5510_0400_0000  end of the arena: one shared memfd, committed on touch
//!                   further stacks, from the top down
//!                   heap, from the bottom up
//!                   `.data` and `.bss` of the image
//! 0x5500_2000_0000  DATA_START
//!                   kernel stacks, signal stacks, from the top down
//! 0x5500_0400_0000  ARENA_START
//!                   guard
//! 0x5500_0000_0000  KERNEL_START = the kernel image (linked here, see `fncall-image/image.ld`)
//! ```
//!
//! What each process touches in the first moments of its life lies within one GiB, which the host maps with one table
//! of its second level, and the written data with the beginning of the heap in one huge page (`host::huge`).
//!
//! The range lies between the highest address the host gives to brk and non-PIE programs and the lowest it gives
//! to PIE programs and mmap on x86-64 (`ELF_ET_DYN_BASE` is 0x5555_5555_4aaa), so the host never puts anything
//! there by itself. It is away from Go's arena hints (0xc0_0000_0000) and AddressSanitizer's shadow, and in the one
//! place below `ELF_ET_DYN_BASE` that ThreadSanitizer does not reserve (0x5500_0000_0000 to 0x5680_0000_0000 is
//! where it expects PIE programs; `tsan_platform.h`).

/// First address of the kernel.
pub const KERNEL_START: usize = 0x5500_0000_0000;
/// First address behind the kernel.
pub const KERNEL_END: usize = 0x5540_0000_0000;
/// First address of the arena.
pub const ARENA_START: usize = KERNEL_START + (64 << 20);
/// Where the image's data lie, in the arena; behind them begins the heap.
pub const DATA_START: usize = KERNEL_START + (512 << 20);
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
