//! The freestanding kernel: first instruction, memory routines, heap, panic. All else is `kernel::boot`.
//!
//! Executed by the command line with the arguments `fncall` and the number of the memfd that holds the encoded
//! `config::BootConfig`.
#![no_std]
#![no_main]

#[cfg(target_arch = "x86_64")]
#[path = "arch/x86_64.rs"]
mod arch;

use core::panic::PanicInfo;
use host::arena::Heap;

#[global_allocator]
static HEAP: Heap = Heap::new();

/// Called by the first instructions with the stack pointer the host gave.
#[unsafe(no_mangle)]
extern "C" fn fncall_start(sp: *const usize) -> ! {
    // SAFETY: `_start` passes the initial stack pointer, once.
    unsafe { host::boot::start(sp, &HEAP, main) }
}

extern "C" fn main() -> ! {
    kernel::boot::main()
}

/// A panic is a bug of the kernel: it is reported, and the instance ends.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    host::boot::die(format_args!("kernel bug: {info}"))
}
