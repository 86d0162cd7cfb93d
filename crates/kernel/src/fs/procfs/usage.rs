//! What a process or thread does and has used: its state, times and faults, as /proc/PID/stat and status show them.
//!
//! The host counts: each of our threads is one of its own. What it does not know (stopped, ended) the kernel does.

use crate::task::{Process, Task, Usage, processes};
use alloc::sync::Arc;
use host::foreign::{Counts, counts, switches};

/// Clock ticks a second (`USER_HZ`).
pub const USER_HZ: i64 = 100;

/// Whose figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Of all threads together (/proc/PID).
    Process,
    /// Of one thread (/proc/PID/task/TID).
    Thread,
}

/// What /proc shows of a process or thread.
#[derive(Clone, Copy, Debug)]
pub struct Activity {
    /// `R`, `S`, `D`, `T` or `Z`.
    pub state: u8,
    /// Faults without and with reading from disk.
    pub faults: [u64; 2],
    /// User and system time in ticks.
    pub times: [u64; 2],
    /// The same of children that were waited for: faults, times.
    pub children: [[u64; 2]; 2],
    /// The processor it ran on last.
    pub processor: u32,
    /// Voluntary and other context switches.
    pub switches: [u64; 2],
}

/// Ticks of user and system time in a `struct rusage`.
fn ticks(usage: &Usage) -> [u64; 2] {
    [0, 2].map(|at| (usage[at] * USER_HZ + usage[at + 1] * USER_HZ / 1_000_000) as u64)
}

/// Minor and major faults in a `struct rusage`.
fn faults(usage: &Usage) -> [u64; 2] {
    [usage[8] as u64, usage[9] as u64]
}

fn add(sum: &mut [u64; 2], more: [u64; 2]) {
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum += more;
    }
}

/// Those of a process or one of its threads.
pub fn of(process: &Arc<Process>, task: &Arc<Task>, whose: Whose) -> Activity {
    let children = *process.family.children_usage.lock();
    let children = [faults(&children), ticks(&children)];
    let state = state(process, task);
    let ended = *process.family.ended.lock();
    if let Some((_, usage)) = ended {
        let switches = [usage[16] as u64, usage[17] as u64];
        return Activity {
            state,
            faults: faults(&usage),
            times: ticks(&usage),
            children,
            processor: 0,
            switches,
        };
    }
    let (pid, tid) = (task.parker.host_pid(), task.parker.host_tid());
    let counted = if whose == Whose::Process { counts(pid, None) } else { counts(pid, Some(tid)) };
    let Counts { mut faults, mut times, processor, .. } = counted.unwrap_or_default();
    if whose == Whose::Process {
        let earlier = *process.family.earlier_usage.lock();
        add(&mut times, ticks(&earlier));
        add(&mut faults, self::faults(&earlier));
    }
    Activity { state, faults, times, children, processor, switches: switches(pid, tid).unwrap_or_default() }
}

/// The letter of a thread's state.
pub fn state(process: &Process, task: &Arc<Task>) -> u8 {
    if process.family.ended.lock().is_some()
        || !process.tasks.lock().iter().any(|each| Arc::ptr_eq(each, task))
    {
        return b'Z';
    }
    if process.signals.with(|shared| shared.job.stopped.is_some()) {
        return b'T';
    }
    // Its host thread is a child's until that executes (vfork(2)).
    let lent = task.parker.slot().and_then(|slot| slot.downcast::<Task>().ok());
    if lent.is_some_and(|user| !Arc::ptr_eq(&user, task)) {
        return b'D';
    }
    let counted = counts(task.parker.host_pid(), Some(task.parker.host_tid()));
    if counted.is_some_and(|counts| matches!(counts.state, b'R' | b'D')) { b'R' } else { b'S' }
}

/// How many threads run or are ready to, and how many there are.
pub fn running() -> (usize, usize) {
    let all = processes();
    let tasks: alloc::vec::Vec<_> = all.iter().flat_map(|process| process.tasks.lock().clone()).collect();
    let running = tasks.iter().filter(|task| state(&task.process, task) == b'R').count();
    (running, tasks.len())
}
