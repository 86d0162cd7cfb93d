//! Descriptors that stand for a process or a thread (pidfd_open(2)), and the file system they belong to (pidfs).
//!
//! What lives here: the open file, its readiness, what fdinfo and stat(2) say. What does not: the system calls
//! (`syscall::pidfd`, `syscall::clone`, `syscall::wait4`).

use crate::task::{Process, Task, find_process};
use crate::uaccess::{get, put, put_bytes};
use crate::vfs::{
    File, FileOps, FileSystem, FileType, Inode, InodeRef, OpenFlags, PollEvents, PollTable, SetAttr, Stat,
    StatFs,
};
use crate::{Errno, Result};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;
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

    /// A process or thread by its number. How a thread has ended is remembered from now on.
    pub fn thread(process: Arc<Process>, tid: i32) -> Target {
        if tid != process.pid {
            process.family.remember_end(tid);
        }
        Target { process, tid }
    }

    /// The wait status of one that is gone for good.
    fn end(&self) -> Option<i32> {
        match self.is_other_thread() {
            true => self.process.family.end_of(self.tid),
            false => self.process.family.ended.lock().map(|(status, _)| status),
        }
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

/// `struct pidfd_info` as words of 32 bits, the mask and `cgroupid` two each. What is not there stays zero: there are no
/// control groups.
type Info = [u32; 18];

/// Bytes of the shortest one (`PIDFD_INFO_SIZE_VER0`).
const INFO_SIZE: usize = 64;
/// `PIDFD_GET_INFO` without the size.
const PIDFD_GET_INFO: u32 = 0xc000_ff0b;
const FS_IOC_GETVERSION: u32 = 0x8008_7601;
/// What is told.
const INFO_PID: u64 = 1;
const INFO_CREDS: u64 = 2;
const INFO_EXIT: u64 = 8;
const INFO_COREDUMP: u64 = 16;

impl PidFd {
    /// `PIDFD_GET_INFO`: numbers and ids of what lives, on request the status of what was waited for, and whether a core
    /// would be written.
    fn get_info(&self, arg: usize, size: usize) -> Result<usize> {
        if arg == 0 {
            return Err(Errno::INVAL);
        }
        let wanted: u64 = get(arg)?;
        let target = self.0.get().ok_or(Errno::SRCH)?;
        let mut info = Info::default();
        let mut told = wanted & INFO_COREDUMP;
        if target.is_reaped() {
            if wanted & INFO_EXIT == 0 {
                return Err(Errno::SRCH);
            }
            if let Some(status) = target.end() {
                told |= INFO_EXIT;
                info[15] = status as u32;
            }
        } else {
            let process = &target.process;
            told |= INFO_PID | INFO_CREDS;
            info[4] = target.tid as u32;
            info[5] = process.pid as u32;
            info[6] = process.ppid.load(Relaxed) as u32;
            let cred = process.cred();
            let ids =
                [cred.uid, cred.gid, cred.euid, cred.egid, cred.suid, cred.sgid, cred.fsuid, cred.fsgid];
            info[7..15].copy_from_slice(&ids);
            if wanted & INFO_COREDUMP != 0 && !target.has_ended() {
                // Skipped, as the user, as root.
                info[16] =
                    [2, 4, 8].get(process.dumpable.load(Relaxed) as usize).copied().unwrap_or_default();
            }
        }
        info[..2].copy_from_slice(&[told as u32, (told >> 32) as u32]);
        // What the caller knows, and zeros behind what is known here.
        let mut bytes = [0; size_of::<Info>()];
        for (to, word) in bytes.chunks_exact_mut(4).zip(info) {
            to.copy_from_slice(&word.to_ne_bytes());
        }
        let known = size.min(bytes.len());
        put_bytes(arg, &bytes[..known])?;
        if usercopy::clear_user(arg.wrapping_add(known), size - known) != 0 {
            return Err(Errno::FAULT);
        }
        Ok(0)
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

    fn ioctl(&self, command: u32, arg: usize) -> Result<usize> {
        let size = (command >> 16 & 0x3fff) as usize;
        match (command & !(0x3fff << 16), command) {
            (PIDFD_GET_INFO, _) if size >= INFO_SIZE => self.get_info(arg, size),
            // Namespaces, which there are none of.
            (_, 0xff01..=0xff0a) => Err(Errno::OPNOTSUPP),
            (_, FS_IOC_GETVERSION) => put(arg, &0u32).map(|()| 0),
            _ => Err(Errno::NOTTY),
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
