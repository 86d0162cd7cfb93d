//! Open file descriptions (`struct file`) and what they do.

use super::{Dentry, InodeRef, PollEvents, PollTable, TimeSpec};
use crate::{Errno, Result};
use alloc::{boxed::Box, sync::Arc};
use core::any::Any;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use host::file::HostFd;
use host::io::{IoDst, IoSrc};
use host::mutex::Mutex;

bitflags::bitflags! {
    /// The flags of open(2), with Linux's values on x86-64.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct OpenFlags: u32 {
        /// Write only. With neither this nor `RDWR`: read only.
        const WRONLY = 0o1;
        /// Read and write.
        const RDWR = 0o2;
        /// Create when missing.
        const CREAT = 0o100;
        /// With `CREAT`: fail when it exists.
        const EXCL = 0o200;
        /// Do not make a tty the controlling terminal.
        const NOCTTY = 0o400;
        /// Cut to length 0.
        const TRUNC = 0o1000;
        /// Write at the end.
        const APPEND = 0o2000;
        /// Never block.
        const NONBLOCK = 0o4000;
        /// Synchronous data.
        const DSYNC = 0o10000;
        /// Signal-driven I/O.
        const ASYNC = 0o20000;
        /// Unbuffered; packets on pipes.
        const DIRECT = 0o40000;
        /// Offsets beyond 2 GiB (always on).
        const LARGEFILE = 0o100000;
        /// Fail unless a directory.
        const DIRECTORY = 0o200000;
        /// Fail on a symbolic link.
        const NOFOLLOW = 0o400000;
        /// Leave the access time alone.
        const NOATIME = 0o1000000;
        /// Close on exec; a property of the descriptor, not of the file.
        const CLOEXEC = 0o2000000;
        /// Synchronous data and metadata (includes `DSYNC`).
        const SYNC = 0o4010000;
        /// A name only.
        const PATH = 0o10000000;
        /// An unnamed file (includes `DIRECTORY`).
        const TMPFILE = 0o20200000;
    }
}

impl OpenFlags {
    /// Whether reading is allowed.
    pub fn readable(self) -> bool {
        self.bits() & 3 != 1 && !self.contains(OpenFlags::PATH)
    }
    /// Whether writing is allowed.
    pub fn writable(self) -> bool {
        matches!(self.bits() & 3, 1 | 2) && !self.contains(OpenFlags::PATH)
    }
}

/// Where a write goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteAt {
    /// At this offset in bytes.
    Offset(u64),
    /// At the end of the file, found and extended in one step (`O_APPEND`).
    End,
}

/// What to map for mmap(2) of a file.
#[derive(Debug)]
pub enum MmapSource {
    /// Map this host descriptor at this offset; it stays open while mapped.
    Host {
        /// The descriptor.
        fd: Arc<HostFd>,
        /// Offset of the mapping's start in that descriptor's file.
        offset: u64,
    },
    /// Fresh zero pages (/dev/zero).
    Anonymous,
}

/// Receives directory entries from [`FileOps::readdir`].
pub trait ReaddirSink {
    /// One entry; `next` is the position behind it (`d_off`). `false`: no room, stop, this one was not taken.
    fn entry(&mut self, ino: u64, next: u64, kind: super::FileType, name: &[u8]) -> bool;
}

/// What an open file does. One object an open; the position and flags are kept in [`File`].
///
/// `offset` arguments are bytes from the start; streams (pipes, ttys) ignore them and answer
/// [`is_stream`](FileOps::is_stream). `nonblock` is the file's `O_NONBLOCK` or `RWF_NOWAIT`. A blocking
/// operation that is interrupted by a signal answers [`crate::ERESTARTSYS`]. The defaults answer as Linux does.
#[allow(unused_variables)]
pub trait FileOps: Any + Send + Sync {
    /// Whether it has no positions: lseek answers `ESPIPE`.
    fn is_stream(&self) -> bool {
        false
    }
    /// Reads up to `dst.remaining()` bytes; 0 at the end.
    ///
    /// # Errors
    /// `EAGAIN`, `EIO`, `EFAULT`, `EINVAL` …
    fn read(&self, dst: &mut IoDst<'_>, offset: u64, nonblock: bool) -> Result<usize> {
        Err(Errno::INVAL)
    }
    /// Writes; answers how many bytes, and the position behind them.
    ///
    /// # Errors
    /// `EAGAIN`, `ENOSPC`, `EFBIG`, `EPIPE` (the caller sends SIGPIPE) …
    fn write(&self, src: &mut IoSrc<'_>, at: WriteAt, nonblock: bool) -> Result<(usize, u64)> {
        Err(Errno::INVAL)
    }
    /// Which events are ready; registers the waiter of `table`, when there is one, for those that are not.
    fn poll(&self, table: &mut PollTable<'_>) -> PollEvents {
        PollEvents::IN | PollEvents::OUT | PollEvents::RDNORM | PollEvents::WRNORM
    }
    /// Directory entries from position `from` on (0 = start, else a `next` value given before), incl. `.` and `..`.
    ///
    /// # Errors
    /// `ENOTDIR`; `ENOENT` for a removed directory.
    fn readdir(&self, from: u64, sink: &mut dyn ReaddirSink) -> Result<()> {
        Err(Errno::NOTDIR)
    }
    /// A new position for `SEEK_SET`, `SEEK_CUR`, `SEEK_END`, `SEEK_DATA`, `SEEK_HOLE` (`whence` 0–4), `None` for
    /// the usual rules with the inode's size.
    ///
    /// # Errors
    /// `EINVAL`, `ENXIO`, `ESPIPE`.
    fn seek(&self, offset: i64, whence: u32, current: u64) -> Option<Result<u64>> {
        None
    }
    /// Device control. `arg` is the raw third argument.
    ///
    /// # Errors
    /// `ENOTTY` for commands it does not know.
    fn ioctl(&self, command: u32, arg: usize) -> Result<usize> {
        Err(Errno::NOTTY)
    }
    /// What to map; `len` in bytes; `shared` and `write` as asked for.
    ///
    /// # Errors
    /// `ENODEV` when it cannot be mapped.
    fn mmap(&self, offset: u64, len: usize, shared: bool, write: bool) -> Result<MmapSource> {
        Err(Errno::NODEV)
    }
    /// Waits until data is on stable storage.
    ///
    /// # Errors
    /// `EINVAL` for files without storage; `EIO`.
    fn fsync(&self, data_only: bool) -> Result<()> {
        Err(Errno::INVAL)
    }
    /// fallocate(2) with its mode bits.
    ///
    /// # Errors
    /// `EOPNOTSUPP`, `ENODEV`, `ENOSPC`, `EFBIG`.
    fn fallocate(&self, mode: u32, offset: u64, len: u64) -> Result<()> {
        Err(Errno::NODEV)
    }
    /// Flags were changed by fcntl(F_SETFL).
    fn set_flags(&self, flags: OpenFlags) {}
    /// A further line or more for /proc/PID/fdinfo.
    fn fdinfo(&self, out: &mut alloc::vec::Vec<u8>) {}
    /// The host descriptor behind it, where reads and writes go straight to the host.
    fn host_fd(&self) -> Option<&Arc<HostFd>> {
        None
    }
    /// The last descriptor of one table was closed (close(2) flush; POSIX locks are handled by the caller).
    fn flush(&self) {}
}

/// An open file description: what several descriptors may share after dup(2) or fork(2).
pub struct File {
    /// What it does.
    pub ops: Box<dyn FileOps>,
    /// The inode it stands for.
    pub inode: InodeRef,
    /// Its name in the tree, unless it has none (pipes, memfds).
    pub dentry: Option<Arc<Dentry>>,
    /// Position in bytes; the lock makes read-and-advance one step (POSIX).
    pub position: Mutex<u64>,
    flags: AtomicU32,
    /// Owner for SIGIO: as `F_SETOWN` sets it, and `F_SETSIG`'s signal.
    pub owner: Mutex<(i32, u32)>,
}

impl File {
    /// A file just opened. `flags` may hold creation flags; they are dropped.
    pub fn new(
        ops: Box<dyn FileOps>,
        inode: InodeRef,
        dentry: Option<Arc<Dentry>>,
        flags: OpenFlags,
    ) -> Arc<File> {
        let kept = flags
            - (OpenFlags::CREAT
                | OpenFlags::EXCL
                | OpenFlags::NOCTTY
                | OpenFlags::TRUNC
                | OpenFlags::CLOEXEC);
        Arc::new(File {
            ops,
            inode,
            dentry,
            position: Mutex::new(0),
            flags: AtomicU32::new(kept.bits()),
            owner: Mutex::new((0, 0)),
        })
    }

    /// Access mode and status flags.
    #[inline]
    pub fn flags(&self) -> OpenFlags {
        OpenFlags::from_bits_retain(self.flags.load(Relaxed))
    }

    /// Replaces the status flags that `F_SETFL` may change.
    pub fn set_status_flags(&self, new: OpenFlags) {
        let may = OpenFlags::APPEND
            | OpenFlags::NONBLOCK
            | OpenFlags::ASYNC
            | OpenFlags::DIRECT
            | OpenFlags::NOATIME;
        let flags = (self.flags() - may) | (new & may);
        self.flags.store(flags.bits(), Relaxed);
        self.ops.set_flags(flags);
    }

    /// Whether `O_NONBLOCK` is set.
    #[inline]
    pub fn nonblock(&self) -> bool {
        self.flags().contains(OpenFlags::NONBLOCK)
    }

    /// The operations as a concrete type.
    pub fn ops_as<T: FileOps>(&self) -> Option<&T> {
        let any: &dyn Any = &*self.ops;
        any.downcast_ref()
    }
}

impl core::fmt::Debug for File {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "File({:?}, {:?})", self.inode, self.flags())
    }
}

impl TimeSpec {
    /// From nanoseconds since the epoch.
    pub fn from_ns(ns: u64) -> TimeSpec {
        TimeSpec { sec: (ns / 1_000_000_000) as i64, nsec: (ns % 1_000_000_000) as u32 }
    }
}
