//! Signals (signal(7)): all virtual; the program's handlers and masks never reach the host.

/// Signal state shared by the threads of a process.
#[derive(Debug, Default)]
pub struct ProcessSignals {}

/// Signal state of one thread.
#[derive(Debug, Default)]
pub struct TaskSignals {}

/// Whether `task` has a signal that is neither blocked nor ignored.
pub fn has_deliverable(_task: &crate::task::Task) -> bool {
    false
}
