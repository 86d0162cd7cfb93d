//! A system call is a function call: enter a user program in this process, come back when it calls.
//!
//! This crate switches between a *kernel* (your program) and a *user* (a program in the same process and at the
//! same privilege level), on top of a *host* (the real Linux). The user leaves by jumping to an entry where it
//! would have executed `syscall`; faults and interrupts come back the same way, as traps. It has no
//! dependencies and needs no `std`: it works in an ordinary program (`fs` belongs to the C library) and in a
//! freestanding one (nothing uses `fs`).
//!
//! What lives here: the register contexts, the way in and out, the signal handlers that turn host signals into
//! traps, the extended state (vector and x87 registers). What does not: loading programs, patching them,
//! answering system calls.
//!
//! | in a program with a C library | in a freestanding program |
//! |---|---|
//! | [`Context::run`], [`UserContext::run_fncall`] | [`Context::run_bare`] after [`install_thread`] |
//! | switches `fs`, all vector registers, MXCSR, x87 control word | leaves `fs` and all but 16 xmm alone |
//!
//! ```text
//!   kernel                                     user
//!   ctx.run() ── save own registers ──┐
//!                load the context ────┴──────► rip
//!                                              …
//!   run returns ◄── save to the context ─────── jmp entry     (trap_num 0x100)
//!   run returns ◄── signal handler ──────────── fault, kick   (trap_num 0, 1, 3, 6, 13, 14 …)
//! ```
//!
//! # Signals that this crate owns
//! After [`install_handlers`], SIGSYS, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP and the kick signal are the
//! crate's. `gs` is the crate's on every thread that runs a context; Linux user programs do not use it.
#![no_std]

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
compile_error!("fncall knows x86-64 Linux only");

#[path = "arch/x86_64/mod.rs"]
mod arch;

pub use arch::*;

/// The examples of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
