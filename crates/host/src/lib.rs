//! The only crate that makes host system calls: memory, files, clock, parking, boot.
//!
//! Everything the kernel wants of the host goes through a safe function here. A function that takes a user
//! address refuses the kernel's own range first, so that no argument of a program can make the host write into
//! kernel memory on our behalf.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg(target_arch = "x86_64")]
#[path = "arch/x86_64.rs"]
mod arch;

pub mod arena;
pub mod boot;
pub mod clock;
pub mod code;
pub mod file;
pub mod foreign;
mod huge;
pub mod io;
pub mod launch;
pub mod layout;
#[cfg(debug_assertions)]
mod lock_order;
pub mod log;
pub mod memory;
pub mod mutex;
pub mod park;
pub mod sched;
pub mod signal;
pub mod system;
pub mod thread;
pub mod user;

/// A Linux error number: `rustix`'s type, whose range also holds the kernel-internal 512 and up.
pub use rustix::io::Errno;

/// What most functions here return.
pub type Result<T> = core::result::Result<T, Errno>;

pub use arch::{syscall1, syscall2, syscall3, syscall4, syscall5, syscall6};

/// Turns the raw value of a host system call into a `Result`.
#[inline]
pub(crate) fn check(raw: isize) -> Result<usize> {
    if (-4095..0).contains(&raw) { Err(Errno::from_raw_os_error(-raw as i32)) } else { Ok(raw as usize) }
}
