//! What the command line tells the kernel at boot: one struct, and how it crosses the `exec` in between.
//!
//! The command line (`fncall run`, an ordinary program) writes an encoded [`BootConfig`] to a memfd and
//! executes the kernel image with the arguments `fncall` and the memfd's number in decimal. The kernel reads
//! the memfd from offset 0, decodes, and closes it. Option parsing, defaults and checks of what the user typed
//! are the command line's; nothing here touches a file.
//!
//! # Descriptors
//! Whatever is open and not close-on-exec when the kernel image starts belongs to the *program*, as after any
//! exec: 0, 1, 2 and all that the caller of `fncall` left open. Of the kernel's own there are two: the memfd of
//! this configuration and, with [`StatsTarget::Descriptor`], the file of the statistics. Neither may appear
//! in the program's table. The image's own file is close-on-exec: nothing is left of it.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod codec;
mod search;

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

pub use codec::{ConfigError, VERSION};

/// In place of the memfd's number: the kernel prints its system-call table on standard output and ends.
pub const LIST_SYSCALLS: &str = "syscalls";

/// Exit codes of `fncall run` that are not the program's own: those of env(1), and of shells.
pub mod exit_code {
    /// fncall itself failed: bad options, missing host features, a kernel bug.
    pub const FAILURE: i32 = 125;
    /// The program was found and cannot be executed.
    pub const CANNOT_EXECUTE: i32 = 126;
    /// The program was not found.
    pub const NOT_FOUND: i32 = 127;
    /// The program was killed by a signal: this plus its number.
    pub const SIGNAL_BASE: i32 = 128;
}

/// Everything the kernel has to know before it starts the program. Strings are bytes, as Linux has them,
/// without NULs. Paths are absolute except `program`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootConfig {
    /// The program as the user named it. Without a slash it is looked up along `PATH` of `envp`, in the
    /// program's own tree, by the kernel: see [`candidates`](BootConfig::candidates).
    pub program: Vec<u8>,
    /// Arguments, the zeroth included.
    pub argv: Vec<Vec<u8>>,
    /// Environment, `NAME=value` each.
    pub envp: Vec<Vec<u8>>,
    /// Host directory that is the program's `/`. `None`: the host's own.
    pub root: Option<Vec<u8>>,
    /// Directories whose changes reach the host, as paths in the program's tree; all else is copy-on-write.
    pub writable: Vec<Vec<u8>>,
    /// Directory to start in, as a path in the program's tree.
    pub workdir: Vec<u8>,
    /// Put program, heap, stack and mappings at random addresses.
    pub aslr: bool,
    /// Stop the program when a system-call site cannot be patched, instead of letting it stay a trap.
    pub strict: bool,
    /// Print statistics when the program has ended.
    pub stats: Option<StatsTarget>,
    /// How much the kernel says about itself on standard error.
    pub log: LogLevel,
    /// Bytes that the program's changes to files may take in memory; beyond that `ENOSPC`. `None`: no limit.
    pub upper_limit_bytes: Option<u64>,
}

/// Where statistics go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StatsTarget {
    /// The standard error that `fncall` was started with.
    Stderr,
    /// An open host descriptor, the kernel's own: the file was opened by the command line, so that a fence
    /// around the kernel need not allow it, and bad names are reported before anything runs.
    Descriptor(i32),
}

/// How much the kernel says; each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What went wrong in the kernel itself. The default.
    #[default]
    Error,
    /// What a program asked for and does not get as on Linux.
    Warn,
    /// Start and end of processes.
    Info,
    /// Decisions inside the kernel.
    Debug,
    /// Every system call.
    Trace,
}

impl LogLevel {
    /// Names and levels, as `FNCALL_LOG` takes them.
    pub const NAMES: [(&'static str, Self); 6] = [
        ("off", Self::Off),
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];

    /// The level of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, level)| *level)
    }
}
