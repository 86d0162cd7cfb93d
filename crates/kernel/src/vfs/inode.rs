//! What a name stands for: the trait each file system implements.

use super::{Dentry, FileOps, FileType, SetAttr, Stat, StatFs};
use crate::task::Cred;
use crate::{Errno, Result};
use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::any::Any;
use core::sync::atomic::{AtomicI32, Ordering::Relaxed, Ordering::SeqCst};
use host::mutex::OnceLock;

/// A shared inode.
pub type InodeRef = Arc<dyn Inode>;

/// A new directory entry for [`Inode::create`].
#[derive(Clone, Debug)]
pub struct NewNode<'a> {
    /// Its type; with [`target`](Self::target) for a symbolic link and [`rdev`](Self::rdev) for a device.
    pub kind: FileType,
    /// Permission bits, the umask already applied.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group (the directory's when that is set-group-ID; the file system applies that rule).
    pub gid: u32,
    /// Target of a symbolic link.
    pub target: &'a [u8],
    /// Device number of a device node.
    pub rdev: u64,
}

bitflags::bitflags! {
    /// Flags of renameat2(2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct RenameFlags: u32 {
        /// Fail with `EEXIST` when the new name exists.
        const NOREPLACE = 1;
        /// Exchange the two names.
        const EXCHANGE = 2;
        /// Leave a whiteout at the old name.
        const WHITEOUT = 4;
    }
}

bitflags::bitflags! {
    /// Flags of setxattr(2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct XattrFlags: u32 {
        /// `XATTR_CREATE`
        const CREATE = 1;
        /// `XATTR_REPLACE`
        const REPLACE = 2;
    }
}

/// How long the dentry tree may believe what a lookup in a directory answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CachePolicy {
    /// Until this kernel changes it: nobody else can.
    Always,
    /// For so many nanoseconds; then the lookup is made again.
    For(u64),
    /// Not at all.
    Never,
}

/// Where a "magic link" of /proc leads: not a path, but the thing itself.
#[derive(Debug)]
pub enum MagicLink {
    /// A name in the tree.
    Dentry(Arc<Dentry>),
    /// An open file without a usable name (a pipe, a deleted file): opening it opens the inode anew.
    Inode(InodeRef),
}

/// A mounted file system.
pub trait FileSystem: Send + Sync {
    /// The type in /proc/mounts.
    fn name(&self) -> &'static str;
    /// Usage and limits (statfs(2)).
    ///
    /// # Errors
    /// What the host answers.
    fn statfs(&self) -> Result<StatFs>;
    /// Waits until everything written is on stable storage (sync(2)); memory has none.
    ///
    /// # Errors
    /// What the host answers.
    fn sync(&self) -> Result<()> {
        Ok(())
    }
    /// `ro`/`rw` and other options of /proc/mounts.
    fn options(&self) -> &'static str {
        "rw,relatime"
    }
}

/// Where a fifo keeps its pipe and a socket its listener: whoever opens the node first fills it in.
pub type SpecialSlot = OnceLock<Arc<dyn Any + Send + Sync>>;

/// A file, directory, link, device, fifo or socket of some file system.
///
/// Directory operations are called with names that were checked: not empty, no `/`, not `.` or `..`, at most
/// `NAME_MAX` bytes. Permission to search and write directories has been checked by `namei` through
/// [`permission`](Inode::permission). The defaults answer as Linux does for an inode without the operation.
#[allow(unused_variables)]
pub trait Inode: Any + Send + Sync {
    /// Its type; never changes.
    fn kind(&self) -> FileType;
    /// All attributes.
    ///
    /// # Errors
    /// What the host answers.
    fn stat(&self) -> Result<Stat>;
    /// The file system it belongs to: the same `Arc` for all inodes of one, because rename(2) and link(2) compare.
    fn file_system(&self) -> Arc<dyn FileSystem>;
    /// Changes attributes; also sets the change time. Permission was checked by the caller.
    ///
    /// # Errors
    /// `EPERM`, `EROFS`, `ENOSPC`, `EFBIG`, `EISDIR` for the size of a directory.
    fn set_attr(&self, attr: &SetAttr) -> Result<()> {
        Err(Errno::PERM)
    }
    /// Whether `cred` may do `mask` (4 read, 2 write, 1 execute or search).
    ///
    /// # Errors
    /// `EACCES`; `EROFS` for a write where nothing can be written.
    fn permission(&self, cred: &Cred, mask: u32) -> Result<()> {
        cred.check_mode(&self.stat()?, mask)
    }
    /// How long answers of [`lookup`](Self::lookup) hold.
    fn cache_policy(&self) -> CachePolicy {
        CachePolicy::Always
    }
    /// The inode called `name` in this directory. Must answer the same `Arc` for the same file while anybody
    /// holds it.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`.
    fn lookup(&self, name: &[u8]) -> Result<InodeRef> {
        Err(Errno::NOTDIR)
    }
    /// Makes a new entry.
    ///
    /// # Errors
    /// `EEXIST`, `ENOSPC`, `EROFS`, `EPERM`; `ENOENT` when this directory was removed.
    fn create(&self, name: &[u8], node: &NewNode<'_>) -> Result<InodeRef> {
        Err(Errno::PERM)
    }
    /// An unnamed regular file (`O_TMPFILE`).
    ///
    /// # Errors
    /// `EOPNOTSUPP` where there is none.
    fn create_unnamed(&self, node: &NewNode<'_>) -> Result<InodeRef> {
        Err(Errno::OPNOTSUPP)
    }
    /// A further name for `target`, which is of the same file system.
    ///
    /// # Errors
    /// `EEXIST`, `EMLINK`, `EPERM`, `EXDEV`.
    fn link(&self, name: &[u8], target: &InodeRef) -> Result<()> {
        Err(Errno::PERM)
    }
    /// Removes the entry of something that is not a directory.
    ///
    /// # Errors
    /// `ENOENT`, `EISDIR`, `EPERM`.
    fn unlink(&self, name: &[u8]) -> Result<()> {
        Err(Errno::PERM)
    }
    /// Removes an empty directory.
    ///
    /// # Errors
    /// `ENOTEMPTY`, `ENOTDIR`, `ENOENT`.
    fn rmdir(&self, name: &[u8]) -> Result<()> {
        Err(Errno::PERM)
    }
    /// Moves `name` of this directory to `new_name` of `new_dir` (same file system), replacing what is there.
    /// The caller has excluded moving a directory into itself.
    ///
    /// # Errors
    /// `ENOENT`, `EEXIST`, `ENOTEMPTY`, `EISDIR`, `ENOTDIR`, `EXDEV`, `EINVAL`.
    fn rename(&self, name: &[u8], new_dir: &InodeRef, new_name: &[u8], flags: RenameFlags) -> Result<()> {
        Err(Errno::PERM)
    }
    /// The target of a symbolic link.
    ///
    /// # Errors
    /// `EINVAL` when it is none.
    fn readlink(&self) -> Result<Vec<u8>> {
        Err(Errno::INVAL)
    }
    /// Where a magic link of /proc leads; `None` for ordinary links, which are followed by their text.
    fn magic_link(&self) -> Option<Result<MagicLink>> {
        None
    }
    /// Opens it: everything an open file does. `O_TRUNC` was done by the caller through `set_attr`; permission
    /// was checked. `flags` are the `O_*` bits of open(2).
    ///
    /// # Errors
    /// `ENXIO`, `ENODEV`, `EISDIR` …
    fn open(self: Arc<Self>, flags: super::OpenFlags) -> Result<Box<dyn FileOps>>;
    /// The slot for what stands behind a fifo or a socket; lives as long as the inode.
    fn special_slot(&self) -> Option<&SpecialSlot> {
        None
    }
    /// Where to count who writes, for `ETXTBSY`; `None` where programs may be written to while they run.
    fn write_count(&self) -> Option<&WriteCount> {
        None
    }
    /// Value of an extended attribute.
    ///
    /// # Errors
    /// `ENODATA`; `EOPNOTSUPP` where there are none.
    fn get_xattr(&self, name: &[u8]) -> Result<Vec<u8>> {
        Err(Errno::OPNOTSUPP)
    }
    /// Sets an extended attribute.
    ///
    /// # Errors
    /// `EEXIST` or `ENODATA` by the flags; `ENOSPC`; `EOPNOTSUPP`.
    fn set_xattr(&self, name: &[u8], value: &[u8], flags: XattrFlags) -> Result<()> {
        Err(Errno::OPNOTSUPP)
    }
    /// Names of all extended attributes.
    ///
    /// # Errors
    /// What the host answers.
    fn list_xattr(&self) -> Result<Vec<Vec<u8>>> {
        Ok(Vec::new())
    }
    /// Removes an extended attribute.
    ///
    /// # Errors
    /// `ENODATA`, `EOPNOTSUPP`.
    fn remove_xattr(&self, name: &[u8]) -> Result<()> {
        Err(Errno::OPNOTSUPP)
    }
}

/// How many write to a regular file, or how many programs run from it, which excludes writing (`i_writecount`); and
/// how many have it open to read only (`i_readcount`), which leases want to know.
#[derive(Debug, Default)]
pub struct WriteCount {
    writers: AtomicI32,
    readers: AtomicI32,
}

impl WriteCount {
    /// One more who writes.
    ///
    /// # Errors
    /// `ETXTBSY` while a program runs from the file.
    pub fn begin_write(&self) -> Result<()> {
        let more = |count: i32| (count >= 0).then(|| count + 1);
        self.writers.fetch_update(Relaxed, Relaxed, more).map(drop).map_err(|_| Errno::TXTBSY)
    }

    /// One less who writes.
    pub fn end_write(&self) {
        self.writers.fetch_sub(1, Relaxed);
    }

    /// One more program that runs from the file.
    ///
    /// # Errors
    /// `ETXTBSY` while somebody has it open for writing.
    pub fn deny_write(&self) -> Result<()> {
        let more = |count: i32| (count <= 0).then(|| count - 1);
        self.writers.fetch_update(Relaxed, Relaxed, more).map(drop).map_err(|_| Errno::TXTBSY)
    }

    /// One program less.
    pub fn allow_write(&self) {
        self.writers.fetch_add(1, Relaxed);
    }

    /// One less who only reads.
    #[inline]
    pub fn end_read(&self) {
        self.readers.fetch_sub(1, Relaxed);
    }

    /// Those who write, negative for programs that run, and those who only read.
    pub fn users(&self) -> (i32, i32) {
        (self.writers.load(SeqCst), self.readers.load(SeqCst))
    }
}

/// Somebody who writes to an inode, counted until it is dropped.
#[derive(Debug)]
pub struct Writing<'a>(&'a WriteCount);

impl<'a> Writing<'a> {
    /// Begins; `None` where writers are not counted.
    ///
    /// # Errors
    /// `ETXTBSY` while a program runs from the file.
    #[inline]
    pub fn begin(inode: &'a InodeRef) -> Result<Option<Writing<'a>>> {
        let Some(count) = inode.write_count() else { return Ok(None) };
        count.begin_write()?;
        Ok(Some(Writing(count)))
    }

    /// Goes on counting: somebody else will end it.
    pub fn keep(self) {
        core::mem::forget(self);
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.end_write();
    }
}

/// Somebody who only reads an inode, counted until it is dropped.
#[derive(Debug)]
pub struct Reading<'a>(&'a WriteCount);

impl<'a> Reading<'a> {
    /// Begins; `None` where readers are not counted.
    #[inline]
    pub fn begin(inode: &'a InodeRef) -> Option<Reading<'a>> {
        let count = inode.write_count()?;
        count.readers.fetch_add(1, SeqCst);
        Some(Reading(count))
    }

    /// Goes on counting: somebody else will end it.
    pub fn keep(self) {
        core::mem::forget(self);
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.end_read();
    }
}

/// The concrete inode behind the trait object, when it is a `T`.
pub fn downcast_inode<T: Inode>(inode: &InodeRef) -> Option<&T> {
    let any: &dyn Any = &**inode;
    any.downcast_ref()
}

impl core::fmt::Debug for dyn Inode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Inode({:?})", self.kind())
    }
}
