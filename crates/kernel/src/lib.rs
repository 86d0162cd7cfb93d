//! The Linux kernel of fncall: what answers the system calls of the programs it runs.
//!
//! Safe code only, and nothing of a processor architecture: the switch is in `fncall`, host calls in `host`,
//! copies in `usercopy`. Inside, each layer sees only those to its right:
//! `syscall → procfs → task → {futex, ipc} → signal → {fs, net} → vfs → cred → mm → time → sync`.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod boot;
pub mod fs;
pub mod futex;
pub mod ipc;
pub mod mm;
pub mod net;
pub mod signal;
pub mod stats;
pub mod sync;
pub mod syscall;
pub mod sysctl;
pub mod task;
#[cfg(test)]
pub mod testing;
pub mod time;
pub mod uaccess;
pub mod vfs;

pub use host::{Errno, Result};

/// A blocking call was interrupted by a signal: becomes a restart or `EINTR` where signals are delivered
/// (`ERESTARTSYS` of Linux's `include/linux/errno.h`; never seen by programs).
pub const ERESTARTSYS: Errno = Errno::from_raw_os_error(512);
/// As [`ERESTARTSYS`], but restarted whatever `SA_RESTART` says (`ERESTARTNOINTR`).
pub const ERESTARTNOINTR: Errno = Errno::from_raw_os_error(513);
/// As [`ERESTARTSYS`], but a handler makes it `EINTR` whatever `SA_RESTART` says (`ERESTARTNOHAND`).
pub const ERESTARTNOHAND: Errno = Errno::from_raw_os_error(514);
/// As [`ERESTARTSYS`], restarted with the time that is left (`ERESTART_RESTARTBLOCK`).
pub const ERESTART_RESTARTBLOCK: Errno = Errno::from_raw_os_error(516);
