//! Parents and children: the family of a process, and what the host keeps for it.

use super::Process;
use crate::sync::WaitQueue;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering::Relaxed};
use host::mutex::Mutex;
use host::thread::Resources;

/// The part of a process that its parent and the reaper look at.
#[derive(Default)]
pub struct Family {
    /// Children, zombies included, oldest first.
    pub children: Mutex<Vec<Arc<Process>>>,
    /// The wait status and `struct rusage`, once it has ended.
    pub ended: Mutex<Option<(i32, [u8; 144])>>,
    /// The signal its parent gets when it ends; 0 for none.
    pub exit_signal: AtomicI32,
    /// The host process it lives in; 0 while it borrows its parent's (vfork(2)).
    pub host_pid: AtomicI32,
    /// A vfork(2) child that has not called execve(2): it runs on its parent's host thread.
    pub borrowed: AtomicBool,
    /// Its host process is one that the host kills when the first one ends (`Tie::Kill`).
    pub tied: AtomicBool,
    /// Woken when the process or one of its threads has ended, and when it was waited for: pidfds look here.
    pub pidfd_events: WaitQueue,
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

    /// Gives back what threads that are gone have left.
    pub fn sweep(&self) {
        // Dropped outside the lock.
        let gone: Vec<Resources> = self.threads.lock().extract_if(.., |each| each.is_gone()).collect();
        drop(gone);
    }
}
