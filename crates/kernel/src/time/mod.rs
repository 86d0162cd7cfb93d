//! Timers: a queue of deadlines over the host's one timer.

/// Interval timers and POSIX timers of a process.
#[derive(Debug, Default)]
pub struct ProcessTimers {}

/// Runs every timer whose time has come. Called when the host's timer kicked, and before sleeping.
pub fn run_expired() {}

/// POSIX timers do not survive execve(2); interval timers do.
pub fn clear_on_exec(_process: &crate::task::Process) {}
