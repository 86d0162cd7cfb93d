//! System V shared memory, semaphores and message queues (sysvipc(7)); POSIX message queues (mq_overview(7)).
//!
//! What lives here: the three tables with their limits, and what is done to their objects. What does not: system-call
//! arguments (`syscall::{shm, sem, msg}`). Callers besides those: `task::exit` for `SEM_UNDO`, procfs for
//! /proc/sysvipc and /proc/sys/kernel.

pub mod ids;
pub mod mqueue;
pub mod msg;
pub mod proc;
pub mod sem;
pub mod shm;

/// Seconds since the epoch.
fn now() -> i64 {
    (host::clock::realtime_ns() / 1_000_000_000) as i64
}
