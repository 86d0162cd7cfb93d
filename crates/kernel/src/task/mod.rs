//! Processes and threads: what belongs to each, and the loop that runs a thread.

mod clone;
mod cred;
mod current;
mod exec;
pub mod exit;
mod family;
mod limits;
mod process;
mod run;

pub use clone::{CloneArgs, Reserved, clone, move_out};
pub use cred::Cred;
pub use current::{Current, current_task, signal_pending};
pub use exec::{ExecError, Strings, execve, execveat};
pub use limits::{Limits, Resource};
pub use process::{
    ExecInfo, FIRST_PID, FsContext, Process, Task, Unshared, find_process, may_trace, processes, register,
    unregister,
};
pub use run::{run, run_image};
