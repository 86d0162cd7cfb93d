//! Processes and threads: what belongs to each, and the loop that runs a thread.

pub mod access;
mod clone;
pub mod coredump;
mod cred;
mod current;
mod death;
mod exec;
pub mod exit;
mod family;
mod init;
mod limits;
mod pid;
mod process;
mod run;
pub mod share;

pub use clone::{CloneArgs, NAMESPACES, Reserved, clone, enter, move_out};
pub use cred::Cred;
pub use current::{Current, NO_CALL, current_task, signal_pending};
pub use exec::{ExecError, Strings, execve, execveat};
pub use family::{Usage, add_usage};
pub use init::make_init;
pub use limits::{Limits, Resource};
pub use pid::{PID_MAX, last_pid, made, process_count, set_last_pid};
pub use process::{
    ExecInfo, FIRST_PID, FsContext, Process, Task, Unshared, find_process, find_thread, processes, register,
    unregister,
};
pub use run::{run, run_image};

/// The kernel's own process: parent of the program and of orphans.
pub const KERNEL_PID: i32 = 1;
