//! Files that never had a name: eventfd(2), timerfd(2), signalfd(2), epoll(7). As in Linux they share one inode
//! (`fs/anon_inodes.c`), whose mode has no type.

use crate::vfs::{File, FileOps, FileSystem, FileType, Inode, InodeRef, OpenFlags, SetAttr, Stat, StatFs};
use crate::{Errno, Result};
use alloc::boxed::Box;
use alloc::sync::Arc;
use host::mutex::OnceLock;

/// `ANON_INODE_FS_MAGIC`
const MAGIC: u64 = 0x0904_1934;
/// Device number as the first anonymous block devices of Linux have it.
const DEV: u64 = 14;
/// The one inode's number.
const INO: u64 = 1;

/// The one inode.
struct AnonInode;

/// The file system it belongs to; never mounted.
struct AnonFs;

impl FileSystem for AnonFs {
    fn name(&self) -> &'static str {
        "anon_inodefs"
    }
    fn statfs(&self) -> Result<StatFs> {
        Ok(StatFs { kind: MAGIC, bsize: 4096, namelen: 255, frsize: 4096, ..StatFs::default() })
    }
}

impl Inode for AnonInode {
    fn kind(&self) -> FileType {
        // The nearest there is: stat(2) shows a mode without a type.
        FileType::Regular
    }
    fn stat(&self) -> Result<Stat> {
        Ok(Stat { dev: DEV, ino: INO, mode: 0o600, nlink: 1, blksize: 4096, ..Stat::default() })
    }
    fn file_system(&self) -> Arc<dyn FileSystem> {
        Arc::new(AnonFs)
    }
    fn set_attr(&self, attr: &SetAttr) -> Result<()> {
        // As for what is no regular file, which it is not (ftruncate(2)); nothing else of it changes either.
        if attr.size.is_some() { Err(Errno::INVAL) } else { Err(Errno::OPNOTSUPP) }
    }
    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Box<dyn FileOps>> {
        // Through /proc/PID/fd: there is nothing to open anew.
        Err(Errno::NXIO)
    }
}

static INODE: OnceLock<InodeRef> = OnceLock::new();

fn inode() -> InodeRef {
    if let Some(inode) = INODE.get() {
        return inode.clone();
    }
    // A lost race leaves the other's, which is as good.
    let _ = INODE.set(Arc::new(AnonInode));
    INODE.get().cloned().unwrap_or_else(|| Arc::new(AnonInode))
}

/// A file without a name that does what `ops` do.
pub fn file(ops: Box<dyn FileOps>, flags: OpenFlags) -> Arc<File> {
    File::new(ops, inode(), None, flags)
}

/// Whether a file is one of these, or a pidfd or message queue, which have inodes of their own but are no files with
/// content either.
pub fn is_anon(file: &File) -> bool {
    Arc::ptr_eq(&file.inode, &inode()) || super::pidfd::target(file).is_ok() || super::mqueue::is_queue(file)
}
