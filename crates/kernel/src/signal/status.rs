//! The signal sets that /proc/PID/stat and status show.

use super::queued;
use crate::task::Task;

/// Sets with bit `signo - 1` for each signal.
#[derive(Clone, Copy, Debug, Default)]
pub struct StatusSets {
    /// Pending for the thread.
    pub pending: u64,
    /// Pending for the process.
    pub shared_pending: u64,
    /// Blocked by the thread.
    pub blocked: u64,
    /// Ignored by the process.
    pub ignored: u64,
    /// With a handler.
    pub caught: u64,
    /// Signals queued.
    pub queued: usize,
}

/// Those of `task`.
pub fn status_sets(task: &Task) -> StatusSets {
    let (ignored, caught) = task.process.signals.action_sets();
    StatusSets {
        pending: task.signals.pending_set().0,
        shared_pending: task.process.signals.pending_set().0,
        blocked: task.signals.blocked().0,
        ignored: ignored.0,
        caught: caught.0,
        queued: queued(),
    }
}
