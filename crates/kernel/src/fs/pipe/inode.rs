//! The nameless inode of a pipe (`pipefs`), and where a fifo's inode keeps its pipe.

use super::{End, PAGE, Pipe};
use crate::vfs::{
    File, FileOps, FileSystem, FileType, Inode, InodeRef, OpenFlags, SetAttr, Stat, StatFs, TimeSpec,
};
use crate::{Errno, Result};
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use host::mutex::Mutex;

/// `st_dev`: an anonymous device number of its own.
const DEV: u64 = 13;

static NEXT_INO: AtomicU64 = AtomicU64::new(4096);

/// The file system of pipes without a name.
struct PipeFs;

impl FileSystem for PipeFs {
    fn name(&self) -> &'static str {
        "pipefs"
    }
    fn statfs(&self) -> Result<StatFs> {
        Ok(StatFs {
            kind: u64::from(linux_raw_sys::general::PIPEFS_MAGIC),
            bsize: PAGE as u64,
            frsize: PAGE as u64,
            namelen: 255,
            ..StatFs::default()
        })
    }
}

/// The inode of a pipe made by pipe(2).
pub struct PipeInode {
    pipe: Arc<Pipe>,
    stat: Mutex<Stat>,
}

/// Makes a pipe for `uid` and `gid`: its reading and its writing end. Of `flags` count `O_NONBLOCK` and `O_DIRECT`.
///
/// # Errors
/// None: both sides are there.
pub fn new_pair(uid: u32, gid: u32, flags: OpenFlags) -> Result<(Arc<File>, Arc<File>)> {
    let pipe = Pipe::new();
    let stat = Stat {
        dev: DEV,
        ino: NEXT_INO.fetch_add(1, Relaxed),
        mode: FileType::Fifo.mode_bits() | 0o600,
        nlink: 1,
        uid,
        gid,
        blksize: PAGE as u32,
        ..Stat::default()
    };
    let stat = stat.at(TimeSpec::now());
    let inode: InodeRef = Arc::new(PipeInode { pipe: pipe.clone(), stat: Mutex::new(stat) });
    let nonblock = flags & OpenFlags::NONBLOCK;
    let end = |flags| -> Result<Arc<File>> {
        Ok(File::new(Box::new(End::open(&pipe, None, flags)?), inode.clone(), None, flags))
    };
    // Access mode 0 reads.
    let reader = end(nonblock)?;
    let writer = end(OpenFlags::WRONLY | nonblock | flags & OpenFlags::DIRECT)?;
    Ok((reader, writer))
}

impl Inode for PipeInode {
    fn kind(&self) -> FileType {
        FileType::Fifo
    }

    fn stat(&self) -> Result<Stat> {
        Ok(*self.stat.lock())
    }

    fn file_system(&self) -> Arc<dyn FileSystem> {
        Arc::new(PipeFs)
    }

    fn set_attr(&self, attr: &SetAttr) -> Result<()> {
        if attr.size.is_some() {
            return Err(Errno::INVAL);
        }
        self.stat.lock().change(attr, TimeSpec::now());
        Ok(())
    }

    /// Through /proc/PID/fd: a further end, which waits for nobody.
    fn open(self: Arc<Self>, flags: OpenFlags) -> Result<Box<dyn FileOps>> {
        Ok(Box::new(End::open(&self.pipe, None, flags)?))
    }
}

/// The pipe of a fifo: one for each inode, made by the first who opens it.
///
/// # Errors
/// `ENXIO` where the file system keeps none.
pub(super) fn pipe_of_fifo(inode: &InodeRef) -> Result<Arc<Pipe>> {
    let slot = inode.special_slot().ok_or(Errno::NXIO)?;
    if slot.get().is_none() {
        // Who loses the race uses the other's.
        let _ = slot.set(Pipe::new());
    }
    slot.get().and_then(|pipe| pipe.clone().downcast().ok()).ok_or(Errno::NXIO)
}
