//! Open file descriptions (`struct file`). What they do is in `file_ops`.

use super::{Dentry, FileOps, FileType, InodeRef, OpenFlags, Stat};
use crate::Result;
use alloc::{boxed::Box, sync::Arc};
use core::any::Any;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use host::mutex::{Mutex, MutexGuard};
use linux_raw_sys::general::{SEEK_CUR, SEEK_SET};

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

/// A position in an open file, in bytes: one at a time has it to move (`f_pos_lock`), everybody may look.
#[derive(Default)]
pub struct Position {
    turn: Mutex<Turn>,
    value: AtomicU64,
}

/// A type of its own, by which the lock is known where locks are watched.
#[derive(Default)]
struct Turn;

/// The position while nobody else moves it; what is left in it becomes the position.
pub struct Moving<'a> {
    of: &'a AtomicU64,
    value: u64,
    _turn: MutexGuard<'a, Turn>,
}

impl Position {
    /// Waits for who moves it now.
    #[inline]
    pub fn lock(&self) -> Moving<'_> {
        let turn = self.turn.lock();
        Moving { of: &self.value, value: self.value.load(Relaxed), _turn: turn }
    }

    /// Where it stands, without waiting: for those that only tell it. A read of /proc/PID/fdinfo/N holds a position of
    /// its own, which may be the very one it tells.
    pub fn peek(&self) -> u64 {
        self.value.load(Relaxed)
    }
}

impl Deref for Moving<'_> {
    type Target = u64;
    #[inline]
    fn deref(&self) -> &u64 {
        &self.value
    }
}

impl DerefMut for Moving<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut u64 {
        &mut self.value
    }
}

impl Drop for Moving<'_> {
    #[inline]
    fn drop(&mut self) {
        self.of.store(self.value, Relaxed);
    }
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
    pub position: Position,
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
    /// What it holds of the inode's [`WriteCount`](super::WriteCount): bits, see [`NOTHING`].
    counted: AtomicU32,
    /// Whether flock(2), an open-file-description lock or a lease was ever taken through it.
    pub(super) has_locks: AtomicBool,
}

/// It is not counted.
const NOTHING: u32 = 0;
/// It is one who writes.
const WRITES: u32 = 1;
/// It is a program that runs.
const RUNS: u32 = 2;
/// It is one who only reads.
const READS: u32 = 4;

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
            position: Position::default(),
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
        self.counted.fetch_or(WRITES, Relaxed);
    }

    /// From now on it counts as one who only reads; the caller has begun that with
    /// [`Reading`](super::Reading), and the end of the file ends it.
    pub fn set_reading(&self) {
        self.counted.fetch_or(READS, Relaxed);
    }

    /// Keeps others from writing to it, because a program runs from it, until [`allow_write`](Self::allow_write) or the
    /// end of the file.
    ///
    /// # Errors
    /// `ETXTBSY` while somebody has it open for writing.
    pub fn deny_write(&self) -> Result<()> {
        if let Some(count) = self.inode.write_count()
            && self.counted.load(Relaxed) & (WRITES | RUNS) == 0
        {
            count.deny_write()?;
            self.counted.fetch_or(RUNS, Relaxed);
        }
        Ok(())
    }

    /// Undoes [`deny_write`](Self::deny_write).
    pub fn allow_write(&self) {
        if self.counted.fetch_and(!RUNS, Relaxed) & RUNS != 0
            && let Some(count) = self.inode.write_count()
        {
            count.allow_write();
        }
    }

    /// Something was locked through it, which its end must give up.
    pub(super) fn set_has_locks(&self) {
        self.has_locks.store(true, Relaxed);
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
        super::dnotify::flush(self, owner);
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
        let counted = *self.counted.get_mut();
        if counted != NOTHING
            && let Some(count) = self.inode.write_count()
        {
            if counted & WRITES != 0 {
                count.end_write();
            }
            if counted & RUNS != 0 {
                count.allow_write();
            }
            if counted & READS != 0 {
                count.end_read();
            }
        }
        if *self.has_locks.get_mut() {
            super::locks::release_file(self);
            super::lease::release_file(self);
        }
    }
}

impl core::fmt::Debug for File {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "File({:?}, {:?})", self.inode, self.flags())
    }
}
