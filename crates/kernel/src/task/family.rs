//! Parents and children: the family of a process, and what the host keeps for it.

use super::{Process, Task};
use crate::ipc::sem::Undos;
use crate::sync::WaitQueue;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering::Relaxed};
use host::mutex::Mutex;
use host::thread::Resources;

/// `struct rusage` as words: user time, system time (seconds and microseconds each), then 14 counts.
pub type Usage = [i64; 18];

/// Adds `more` to `sum`, member by member; of the largest resident set (the fifth word) the larger one counts.
pub fn add_usage(sum: &mut Usage, more: &Usage) {
    for (n, (sum, more)) in sum.iter_mut().zip(more).enumerate() {
        *sum = if n == 4 { (*sum).max(*more) } else { sum.saturating_add(*more) };
    }
    for seconds in [0, 2] {
        sum[seconds] += sum[seconds + 1] / 1_000_000;
        sum[seconds + 1] %= 1_000_000;
    }
}

/// The part of a process that its parent and the reaper look at.
#[derive(Default)]
pub struct Family {
    /// Children, zombies included, oldest first.
    pub children: Mutex<Vec<Arc<Process>>>,
    /// The wait status and `struct rusage`, once it has ended.
    pub ended: Mutex<Option<(i32, Usage)>>,
    /// `struct rusage` of the children that were waited for, and of theirs (`RUSAGE_CHILDREN`).
    pub children_usage: Mutex<Usage>,
    /// Its first thread, once that has ended: /proc goes on to show it.
    pub dead_leader: Mutex<Option<Arc<Task>>>,
    /// /proc/PID/oom_score_adj.
    pub oom_score_adj: AtomicI32,
    /// It has become a user who has too many processes, and executed nothing since (`PF_NPROC_EXCEEDED`).
    pub over_limit: AtomicBool,
    /// The thread of the parent that made it (`__WNOTHREAD`), or the one that has taken its place.
    pub parent_tid: AtomicI32,
    /// The signal its parent gets when it ends; 0 for none.
    pub exit_signal: AtomicI32,
    /// Its undo list of semaphores.
    pub undos: Undos,
    /// How many programs it has executed (`self_exec_id`).
    pub execs: AtomicU32,
    /// How many its parent had when it was made (`parent_exec_id`): a new program in the parent gets no other signal than
    /// SIGCHLD from children of the old one.
    pub parent_execs: AtomicU32,
    /// The host process it lives in; 0 while it borrows its parent's (vfork(2)).
    pub host_pid: AtomicI32,
    /// A vfork(2) child that has not called execve(2): it runs on its parent's host thread.
    pub borrowed: AtomicBool,
    /// It has executed a program, or ended: nobody waits for its parent's memory any more (`CLONE_VFORK`).
    pub released: AtomicBool,
    /// What it had used in host processes before this one: it has left them to execute a program.
    pub earlier_usage: Mutex<Usage>,
    /// Its host process is one that the host kills when the first one ends (`Tie::Kill`).
    pub tied: AtomicBool,
    /// Woken when the process or one of its threads has ended, and when it was waited for: pidfds look here. Also when
    /// it executes its first program: then its maker goes on, if that waits (`CLONE_VFORK`).
    pub pidfd_events: WaitQueue,
    /// How threads that pidfds stand for have ended: number and wait status.
    thread_ends: Mutex<Vec<(i32, Option<i32>)>>,
    /// Inode numbers of pidfds, by thread.
    pid_inodes: Mutex<Vec<(i32, u64)>>,
    /// What its first host thread lives on; dropped when the host process is gone.
    pub leader: Mutex<Option<Resources>>,
    /// What its other host threads live on; swept when one is gone.
    pub threads: Mutex<Vec<Resources>>,
}

/// The last inode number given to a process or thread on pidfs.
static LAST_PID_INODE: AtomicU64 = AtomicU64::new(0);

impl Family {
    /// `struct rusage` of the process, `now` being that of its host process.
    pub fn total_usage(&self, mut now: Usage) -> Usage {
        add_usage(&mut now, &self.earlier_usage.lock());
        now
    }

    /// Nanoseconds of processor time it had used in earlier host processes.
    pub fn earlier_ns(&self) -> u64 {
        let usage = self.earlier_usage.lock();
        (usage[0] + usage[2]) as u64 * 1_000_000_000 + (usage[1] + usage[3]) as u64 * 1000
    }

    /// Asks for the end of a thread to be remembered.
    pub fn remember_end(&self, tid: i32) {
        let mut ends = self.thread_ends.lock();
        // An earlier thread may have had the number.
        ends.retain(|(each, _)| *each != tid);
        ends.push((tid, None));
    }

    /// A thread has ended.
    pub fn note_end(&self, tid: i32, status: i32) {
        if let Some((_, end)) = self.thread_ends.lock().iter_mut().find(|(each, _)| *each == tid) {
            *end = Some(status);
        }
    }

    /// How a thread has ended, when somebody has asked for it before.
    pub fn end_of(&self, tid: i32) -> Option<i32> {
        self.thread_ends.lock().iter().find(|(each, _)| *each == tid)?.1
    }

    /// The inode number of pidfds of the thread `tid`.
    pub fn pid_inode(&self, tid: i32) -> u64 {
        let mut inodes = self.pid_inodes.lock();
        if let Some((_, ino)) = inodes.iter().find(|(each, _)| *each == tid) {
            return *ino;
        }
        let ino = LAST_PID_INODE.fetch_add(1, Relaxed) + 1;
        inodes.push((tid, ino));
        ino
    }

    /// Looks at what each host thread lives on.
    pub fn with_resources(&self, mut look: impl FnMut(&Resources)) {
        if let Some(leader) = &*self.leader.lock() {
            look(leader);
        }
        for resources in self.threads.lock().iter() {
            look(resources);
        }
    }

    /// Gives back what threads that are gone have left.
    pub fn sweep(&self) {
        // Dropped outside the lock.
        let gone: Vec<Resources> = self.threads.lock().extract_if(.., |each| each.is_gone()).collect();
        drop(gone);
    }
}
