//! What an open file does (`struct file_operations`), and how it was opened (open(2)).

use super::{PollEvents, PollTable, Stat};
use crate::{Errno, Result};
use alloc::sync::Arc;
use core::any::Any;
use host::file::HostFd;
use host::io::{IoDst, IoSrc};

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
    /// Whether reading is allowed. The access mode 3 allows nothing but ioctl(2), as Linux has it.
    #[inline]
    pub fn readable(self) -> bool {
        matches!(self.bits() & 3, 0 | 2) && !self.contains(OpenFlags::PATH)
    }
    /// Whether writing is allowed.
    #[inline]
    pub fn writable(self) -> bool {
        matches!(self.bits() & 3, 1 | 2) && !self.contains(OpenFlags::PATH)
    }
}

/// As an offset: wherever the host's position stands ([`FileOps::keeps_position`]).
pub const HOST_POSITION: u64 = u64::MAX;

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

/// What an open file does. One object an open; the position and flags are kept in [`File`](crate::vfs::File).
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
    /// Whether the position is the host's to keep, because processes outside share the open file: reads and writes
    /// at the position are then asked for with [`HOST_POSITION`] as offset.
    fn keeps_position(&self) -> bool {
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
    /// Attributes, where the open file has them nearer at hand than its inode; `None`: ask that.
    ///
    /// # Errors
    /// Those of fstat(2).
    fn stat(&self) -> Option<Result<Stat>> {
        None
    }
    /// Whether SIGPIPE comes with `EPIPE` from [`write`](FileOps::write).
    fn sigpipe(&self) -> bool {
        true
    }
    /// Which events are ready; registers the waiter of `table`, when there is one, for those that are not.
    fn poll(&self, table: &mut PollTable<'_>) -> PollEvents {
        PollEvents::IN | PollEvents::OUT | PollEvents::RDNORM | PollEvents::WRNORM
    }
    /// Whether it has a readiness at all: epoll(7) refuses what is always ready. Regular files and directories are
    /// known by their type.
    fn can_poll(&self) -> bool {
        true
    }
    /// Whether it can be watched by epoll(7) though its type is that of a regular file, as /proc/mounts.
    fn can_poll_as_regular(&self) -> bool {
        false
    }
    /// Whether it can have `O_ASYNC` (`f_op->fasync`); others lose the flag.
    fn signals_readiness(&self) -> bool {
        false
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
    /// A mapping of it has gone, or moved.
    fn unmapped(&self) {}
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
    /// What a link of /proc/PID/fd to it says, when it has no name in the tree and is neither pipe nor socket.
    fn link_text(&self) -> Option<alloc::vec::Vec<u8>> {
        None
    }
    /// The host descriptor behind it, where reads and writes go straight to the host.
    fn host_fd(&self) -> Option<&Arc<HostFd>> {
        None
    }
    /// Capacity of a pipe in bytes (fcntl(F_GETPIPE_SZ)).
    ///
    /// # Errors
    /// `EBADF` for what is no pipe.
    fn pipe_size(&self) -> Result<usize> {
        Err(Errno::BADF)
    }
    /// Changes the capacity of a pipe (fcntl(F_SETPIPE_SZ)); answers the new one in bytes.
    ///
    /// # Errors
    /// `EBADF` for what is no pipe; `EBUSY`, `EPERM`, `EINVAL`.
    fn set_pipe_size(&self, size: usize) -> Result<usize> {
        Err(Errno::BADF)
    }
    /// The seals of a memfd (`F_SEAL_*`).
    ///
    /// # Errors
    /// `EINVAL` for what cannot be sealed.
    fn seals(&self) -> Result<u32> {
        Err(Errno::INVAL)
    }
    /// Adds seals; that the file is open for writing was checked.
    ///
    /// # Errors
    /// `EINVAL`; `EPERM` when sealed by `F_SEAL_SEAL`; `EBUSY` for `F_SEAL_WRITE` with writable mappings.
    fn add_seals(&self, seals: u32) -> Result<()> {
        Err(Errno::INVAL)
    }
    /// The last descriptor of one table was closed (close(2) flush; POSIX locks are handled by the caller).
    fn flush(&self) {}
}
