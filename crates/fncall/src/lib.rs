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
//!
//! # Contracts in brief
//! - *Foreign code.* [`Context::run`] executes whatever `rip` says, at your privilege and in your memory. It separates
//!   nothing; what the program may not touch is promised by the caller (see its Safety section).
//! - *Threads.* Any number, each with an anchor; any number of contexts per thread. A context moves to another thread
//!   after [`Context::detach`].
//! - *Signal handlers.* Handlers of other signals may interrupt the user and the entry code; on a hosted thread they
//!   then find the user's `fs`, so one that uses the C library must block or restore it. A handler that enters a context
//!   while a run of the same thread is under way, or on the signal stack (as the hooks of [`HandlerConfig`] are), is
//!   refused with [`TRAP_REENTRY`]. Elsewhere the crate cannot see that a handler asks: then all contexts of the
//!   thread must be detached, both when the handler comes and when it returns, because the host gives a handler an
//!   extended state of its own. So give handlers `SA_ONSTACK`.
//! - *Single steps.* With TF in `rflags`, `run` returns with trap 1 after every instruction of the user, as on
//!   hardware. A jump to an entry counts as the system call itself. Through `syscall_fn_entry` the steps after
//!   the `call` and after the jump behind it are seen, too, then the system call. TF stays set in the context.
//! - *Alignment.* With AC in `rflags` the user gets trap 17; the kernel never runs with AC, DF, NT, TF or ID.
#![no_std]
#![deny(missing_docs)]

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
compile_error!("fncall knows x86-64 Linux only");

#[path = "arch/x86_64/mod.rs"]
mod arch;

pub use arch::*;

/// The examples of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
