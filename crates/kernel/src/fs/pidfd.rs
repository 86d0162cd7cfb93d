//! Descriptors that stand for a process or a thread (pidfd_open(2)), and the file system they belong to (pidfs).
//!
//! What lives here: the open file, its readiness, what fdinfo and stat(2) say. What does not: the system calls
//! (`syscall::pidfd`, `syscall::clone`, `syscall::wait4`).

use crate::task::{Process, Task, find_process};
use crate::vfs::{
    File, FileOps, FileSystem, FileType, Inode, InodeRef, OpenFlags, PollEvents, PollTable, SetAttr, Stat,
    StatFs,
};
use crate::{Errno, Result};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use host::mutex::OnceLock;
use linux_raw_sys::general::O_EXCL;

/// `PID_FS_MAGIC`
const MAGIC: u64 = 0x5049_4446;
/// The device number of pidfs, one of the first that Linux gives out to what has no device.
const DEV: u64 = 5;
/// `PIDFD_THREAD`: the descriptor stands for the thread alone.
pub const PIDFD_THREAD: u32 = O_EXCL;

/// Whom a pidfd stands for.
#[derive(Clone)]
pub struct Target {
    /// The process, or that of the thread.
    pub process: Arc<Process>,
    /// Number of the process or thread.
    pub tid: i32,
}

impl Target {
    /// The whole process.
    pub fn process(process: &Arc<Process>) -> Target {
        Target { process: process.clone(), tid: process.pid }
    }

    /// Whether it is a thread other than the first of its process.
    fn is_other_thread(&self) -> bool {
        self.tid != self.process.pid
    }

    /// The thread with this number, while it is there.
    pub fn task(&self) -> Option<Arc<Task>> {
        self.process.thread(self.tid)
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        match self.is_other_thread() {
            true => self.task().is_none(),
            false => self.process.family.ended.lock().is_some(),
        }
    }

    /// Whether it is gone for good: nobody can wait for it any more.
    pub fn is_reaped(&self) -> bool {
        match self.is_other_thread() {
            true => self.task().is_none(),
            false => find_process(self.tid).is_none_or(|found| !Arc::ptr_eq(&found, &self.process)),
        }
    }
}

/// Filled in when the process has been made: with `CLONE_PIDFD` the descriptor comes first.
pub type Slot = Arc<OnceLock<Target>>;

/// An open pidfd.
pub struct PidFd(Slot);

/// The inode: one for each process or thread.
struct PidInode(Slot);

struct PidFs;

static FILE_SYSTEM: OnceLock<Arc<PidFs>> = OnceLock::new();

impl FileSystem for PidFs {
    fn name(&self) -> &'static str {
        "pidfs"
    }
    fn statfs(&self) -> Result<StatFs> {
        Ok(StatFs { kind: MAGIC, bsize: 4096, namelen: 255, frsize: 4096, ..StatFs::default() })
    }
}

/// A pidfd for what will stand in `slot`. `flags`: `O_NONBLOCK` and `PIDFD_THREAD`.
pub fn file(slot: Slot, flags: u32) -> Arc<File> {
    let inode: InodeRef = Arc::new(PidInode(slot.clone()));
    let flags = OpenFlags::RDWR | OpenFlags::from_bits_retain(flags);
    File::with_flags(Box::new(PidFd(slot)), inode, None, flags)
}

/// Whom `file` stands for.
///
/// # Errors
/// `EBADF` when it is no pidfd.
pub fn target(file: &File) -> Result<Target> {
    file.ops_as::<PidFd>().and_then(|fd| fd.0.get().cloned()).ok_or(Errno::BADF)
}

/// Whether `file` was opened with `PIDFD_THREAD`.
pub fn is_of_thread(file: &File) -> bool {
    file.flags().bits() & PIDFD_THREAD != 0
}

impl Inode for PidInode {
    fn kind(&self) -> FileType {
        // The nearest there is: stat(2) shows a mode without a type.
        FileType::Regular
    }
    fn stat(&self) -> Result<Stat> {
        Ok(Stat {
            dev: DEV,
            ino: self.0.get().map_or(0, |target| target.process.family.pid_inode(target.tid)),
            mode: 0o700,
            nlink: 1,
            blksize: 4096,
            ..Stat::default()
        })
    }
    fn file_system(&self) -> Arc<dyn FileSystem> {
        if FILE_SYSTEM.get().is_none() {
            // Who comes second takes the first one's.
            let _ = FILE_SYSTEM.set(Arc::new(PidFs));
        }
        FILE_SYSTEM.get().cloned().unwrap_or_else(|| Arc::new(PidFs))
    }
    fn set_attr(&self, _attr: &SetAttr) -> Result<()> {
        Err(Errno::OPNOTSUPP)
    }
    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Box<dyn FileOps>> {
        Ok(Box::new(PidFd(self.0.clone())))
    }
}

impl FileOps for PidFd {
    fn is_stream(&self) -> bool {
        true
    }

    fn poll(&self, table: &mut PollTable<'_>) -> PollEvents {
        let Some(target) = self.0.get() else { return PollEvents::empty() };
        table.wait_on(&target.process.family.pidfd_events);
        if target.is_reaped() {
            PollEvents::READABLE | PollEvents::HUP
        } else if target.has_ended() {
            PollEvents::READABLE
        } else {
            PollEvents::empty()
        }
    }

    fn link_text(&self) -> Option<Vec<u8>> {
        Some(b"anon_inode:[pidfd]".to_vec())
    }

    fn fdinfo(&self, out: &mut Vec<u8>) {
        let pid = self.0.get().filter(|target| !target.is_reaped()).map_or(-1, |target| target.tid);
        out.extend_from_slice(alloc::format!("Pid:\t{pid}\nNSpid:\t{pid}\n").as_bytes());
    }
}
