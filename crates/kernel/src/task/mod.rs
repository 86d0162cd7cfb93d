//! Processes and threads: what belongs to each, and the loop that runs a thread.

mod cred;
mod current;
mod exec;
mod limits;
mod process;
mod run;

pub use cred::Cred;
pub use current::{Current, current_task, signal_pending};
pub use exec::{ExecError, execve, execveat};
pub use limits::{Limits, Resource};
pub use process::{ExecInfo, FsContext, Process, Task, find_process, processes, register};
pub use run::run;
