//! Open file descriptions (`struct file`) and what they do.

use super::{Dentry, FileType, InodeRef, PollEvents, PollTable, Stat};
use crate::{Errno, Result};
use alloc::{boxed::Box, sync::Arc};
use core::any::Any;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use host::file::HostFd;
use host::io::{IoDst, IoSrc};
use host::mutex::Mutex;
use linux_raw_sys::general::{SEEK_CUR, SEEK_SET};

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

/// Whom `SIGIO` goes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OwnerKind {
    /// A thread (`F_OWNER_TID`).
    Thread,
    /// A process (`F_OWNER_PID`).
    #[default]
    Process,
    /// A process group (`F_OWNER_PGRP`).
    Group,
}

/// What `F_SETOWN`, `F_SETOWN_EX` and `F_SETSIG` set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// What `id` counts.
    pub kind: OwnerKind,
    /// Number of the thread, process or group; 0: nobody.
    pub id: i32,
    /// Signal instead of SIGIO; 0: SIGIO.
    pub signal: u32,
    /// Real user id of who set it.
    pub uid: u32,
    /// Effective user id of who set it.
    pub euid: u32,
}

/// How often a set-user-ID or set-group-ID bit was set on any file. A file remembers the count at which it was seen
/// without such bits, and so a write need not ask for the mode each time.
static SETID_CHANGES: AtomicU64 = AtomicU64::new(1);

/// Called by whoever gives a file a set-user-ID or set-group-ID bit.
pub fn note_setid_change() {
    SETID_CHANGES.fetch_add(1, Relaxed);
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
    /// Owner for SIGIO, and its signal.
    pub owner: Mutex<Owner>,
    /// Where SIGIO comes from, while `O_ASYNC` is set.
    pub(super) fasync: Mutex<Option<super::fasync::Fasync>>,
    /// Whether this open made the file (fcntl(F_CREATED_QUERY)).
    pub was_created: AtomicBool,
    /// Write lifetime hint (fcntl(F_SET_RW_HINT)), kept and told.
    pub write_hint: AtomicU32,
    kind: FileType,
    stream: bool,
    keeps_position: bool,
    /// [`SETID_CHANGES`] when the inode was last seen without set-ID bits.
    setid_seen: AtomicU64,
    /// What it holds of the inode's [`WriteCount`](super::WriteCount): see [`NOTHING`].
    counted: AtomicU32,
    /// Whether flock(2) or an open-file-description lock was ever taken through it.
    pub(super) has_locks: AtomicBool,
}

/// It is not counted.
const NOTHING: u32 = 0;
/// It is one who writes.
const WRITES: u32 = 1;
/// It is a program that runs.
const RUNS: u32 = 2;

impl File {
    /// A file just opened. `flags` may hold creation flags; they are dropped.
    pub fn new(
        ops: Box<dyn FileOps>,
        inode: InodeRef,
        dentry: Option<Arc<Dentry>>,
        flags: OpenFlags,
    ) -> Arc<File> {
        let creation = OpenFlags::CREAT | OpenFlags::EXCL | OpenFlags::NOCTTY | OpenFlags::TRUNC;
        Self::with_flags(ops, inode, dentry, flags - (creation | OpenFlags::CLOEXEC))
    }

    /// As [`new`](Self::new), with `flags` as they are: a pidfd gives `O_EXCL` a meaning of its own.
    pub fn with_flags(
        ops: Box<dyn FileOps>,
        inode: InodeRef,
        dentry: Option<Arc<Dentry>>,
        flags: OpenFlags,
    ) -> Arc<File> {
        Arc::new(File {
            kind: inode.kind(),
            stream: ops.is_stream(),
            keeps_position: ops.keeps_position(),
            setid_seen: AtomicU64::new(0),
            was_created: AtomicBool::new(false),
            write_hint: AtomicU32::new(0),
            counted: AtomicU32::new(NOTHING),
            has_locks: AtomicBool::new(false),
            ops,
            inode,
            dentry,
            position: Mutex::new(0),
            flags: AtomicU32::new(flags.bits()),
            owner: Mutex::new(Owner::default()),
            fasync: Mutex::new(None),
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
        let mut flags = (self.flags() - may) | (new & may);
        if !self.ops.signals_readiness() {
            flags -= OpenFlags::ASYNC;
        }
        self.flags.store(flags.bits(), Relaxed);
        self.ops.set_flags(flags);
    }

    /// From now on it counts as one who writes; the caller has begun that with
    /// [`begin_write`](super::WriteCount::begin_write), and the end of the file ends it.
    pub fn set_writing(&self) {
        self.counted.store(WRITES, Relaxed);
    }

    /// Keeps others from writing to it, because a program runs from it, until [`allow_write`](Self::allow_write) or the
    /// end of the file.
    ///
    /// # Errors
    /// `ETXTBSY` while somebody has it open for writing.
    pub fn deny_write(&self) -> Result<()> {
        if let Some(count) = self.inode.write_count()
            && self.counted.load(Relaxed) == NOTHING
        {
            count.deny_write()?;
            self.counted.store(RUNS, Relaxed);
        }
        Ok(())
    }

    /// Undoes [`deny_write`](Self::deny_write).
    pub fn allow_write(&self) {
        if self.counted.compare_exchange(RUNS, NOTHING, Relaxed, Relaxed).is_ok()
            && let Some(count) = self.inode.write_count()
        {
            count.allow_write();
        }
    }

    /// Type of the inode.
    #[inline]
    pub fn kind(&self) -> FileType {
        self.kind
    }

    /// Attributes (fstat(2)).
    ///
    /// # Errors
    /// Those of fstat(2).
    #[inline]
    pub fn stat(&self) -> Result<Stat> {
        self.ops.stat().unwrap_or_else(|| self.inode.stat())
    }

    /// Whether it has no positions.
    #[inline]
    pub fn is_stream(&self) -> bool {
        self.stream
    }

    /// Whether the host keeps the position ([`FileOps::keeps_position`]).
    #[inline]
    pub fn keeps_position(&self) -> bool {
        self.keeps_position
    }

    /// The position, whoever keeps it.
    ///
    /// # Errors
    /// Those of lseek(2).
    pub fn tell(&self) -> Result<u64> {
        let position = *self.position.lock();
        match self.keeps_position {
            true => self.ops.seek(0, SEEK_CUR, position).unwrap_or(Ok(position)),
            false => Ok(position),
        }
    }

    /// Sets the position, whoever keeps it.
    ///
    /// # Errors
    /// Those of lseek(2).
    pub fn move_to(&self, position: u64) -> Result<()> {
        if self.keeps_position
            && let Some(result) = self.ops.seek(position as i64, SEEK_SET, position)
        {
            result?;
        }
        *self.position.lock() = position;
        Ok(())
    }

    /// Whether a read or write holds [`position`](Self::position) from start to end. Only regular files and
    /// directories do (`FMODE_ATOMIC_POS`): elsewhere a read may block until somebody writes through the same file.
    #[inline]
    pub fn has_atomic_position(&self) -> bool {
        matches!(self.kind, FileType::Regular | FileType::Directory)
    }

    /// Whether the inode may have set-ID bits that a write must clear. Asks the inode only after such a bit was set
    /// somewhere.
    ///
    /// # Errors
    /// Those of [`Inode::stat`](super::Inode::stat).
    #[inline]
    pub fn may_have_setid(&self) -> Result<bool> {
        let now = SETID_CHANGES.load(Relaxed);
        if self.setid_seen.load(Relaxed) == now || self.kind != FileType::Regular {
            return Ok(false);
        }
        if self.inode.stat()?.mode & 0o6000 != 0 {
            return Ok(true);
        }
        self.setid_seen.store(now, Relaxed);
        Ok(false)
    }

    /// Whether `O_NONBLOCK` is set.
    #[inline]
    pub fn nonblock(&self) -> bool {
        self.flags().contains(OpenFlags::NONBLOCK)
    }

    /// A descriptor for it was closed (`filp_close`). `owner` is the table's
    /// [`lock_owner`](super::FdTable::lock_owner): closing any descriptor of a file gives up all POSIX locks that the
    /// process has on it (fcntl(2)).
    pub fn closed_in(&self, owner: usize) {
        if self.flags().contains(OpenFlags::PATH) {
            return;
        }
        self.ops.flush();
        super::locks::release_posix(&self.inode, owner);
    }

    /// The operations as a concrete type.
    pub fn ops_as<T: FileOps>(&self) -> Option<&T> {
        let any: &dyn Any = &*self.ops;
        any.downcast_ref()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        super::notify::on_close(self);
        match (*self.counted.get_mut(), self.inode.write_count()) {
            (NOTHING, _) | (_, None) => {}
            (WRITES, Some(count)) => count.end_write(),
            (_, Some(count)) => count.allow_write(),
        }
        if *self.has_locks.get_mut() {
            super::locks::release_file(self);
        }
    }
}

impl core::fmt::Debug for File {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "File({:?}, {:?})", self.inode, self.flags())
    }
}
