//! POSIX message queues as files: what mq_open(3) answers, and /dev/mqueue (mq_overview(7)).

use crate::ipc::mqueue::{self, Queue};
use crate::task::{Resource, current_task};
use crate::vfs::{
    CachePolicy, File, FileOps, FileSystem, FileType, Inode, InodeRef, NewNode, OpenFlags, PollEvents,
    PollTable, ReaddirSink, SetAttr, Stat, StatFs, TimeSpec,
};
use crate::{Errno, Result};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;
use host::io::IoDst;
use host::mutex::{Mutex, OnceLock};

/// `MQUEUE_MAGIC`
const MAGIC: u64 = 0x1980_0202;
/// Device number, one of those for what has no device.
const DEV: u64 = 0x14;
/// Bytes of a queue's file (`FILENT_SIZE`).
const FILENT_SIZE: u64 = 80;

/// The file system.
pub struct MqueueFs {
    root: OnceLock<InodeRef>,
    made: TimeSpec,
}

static FILE_SYSTEM: OnceLock<Arc<MqueueFs>> = OnceLock::new();

impl MqueueFs {
    /// The one there is.
    pub fn get() -> Arc<MqueueFs> {
        if FILE_SYSTEM.get().is_none() {
            let made = TimeSpec::from_ns(host::clock::realtime_ns());
            // Who comes second takes the first one's.
            let _ = FILE_SYSTEM.set(Arc::new(MqueueFs { root: OnceLock::new(), made }));
        }
        match FILE_SYSTEM.get() {
            Some(fs) => fs.clone(),
            None => Self::get(),
        }
    }

    /// The root directory.
    pub fn root(&self) -> InodeRef {
        if self.root.get().is_none() {
            let _ = self.root.set(Arc::new(Root { attr: Mutex::new((0o1777, 0, 0)) }));
        }
        self.root.get().cloned().unwrap_or_else(|| self.root())
    }
}

impl FileSystem for MqueueFs {
    fn name(&self) -> &'static str {
        "mqueue"
    }
    fn statfs(&self) -> Result<StatFs> {
        Ok(StatFs { kind: MAGIC, bsize: 4096, namelen: 255, frsize: 4096, ..StatFs::default() })
    }
    fn options(&self) -> &'static str {
        "rw,nosuid,nodev,noexec,relatime"
    }
}

/// The directory of all queues.
struct Root {
    attr: Mutex<(u32, u32, u32)>,
}

impl Inode for Root {
    fn kind(&self) -> FileType {
        FileType::Directory
    }

    fn stat(&self) -> Result<Stat> {
        let ((mode, uid, gid), time) = (*self.attr.lock(), MqueueFs::get().made);
        let size = 20 * mqueue::all().len() as u64;
        Ok(stat(1, (FileType::Directory.mode_bits() | mode, uid, gid), 2, size, [time; 3]))
    }

    fn file_system(&self) -> Arc<dyn FileSystem> {
        MqueueFs::get()
    }

    fn set_attr(&self, attr: &SetAttr) -> Result<()> {
        let mut own = self.attr.lock();
        own.0 = attr.mode.map_or(own.0, |mode| mode & 0o7777);
        own.1 = attr.uid.unwrap_or(own.1);
        own.2 = attr.gid.unwrap_or(own.2);
        Ok(())
    }

    fn cache_policy(&self) -> CachePolicy {
        CachePolicy::Never
    }

    fn lookup(&self, name: &[u8]) -> Result<InodeRef> {
        Ok(Arc::new(Node(mqueue::find(name).ok_or(Errno::NOENT)?)))
    }

    fn create(&self, name: &[u8], node: &NewNode<'_>) -> Result<InodeRef> {
        if node.kind != FileType::Regular {
            return Err(Errno::PERM);
        }
        let task = current_task().ok_or(Errno::PERM)?;
        let (cred, limit) = (task.process.cred(), task.process.limit(Resource::Msgqueue));
        Ok(Arc::new(Node(mqueue::create(name, node.mode, None, &cred, limit)?)))
    }

    fn unlink(&self, name: &[u8]) -> Result<()> {
        mqueue::unlink(name)
    }

    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Box<dyn FileOps>> {
        Ok(Box::new(OpenRoot))
    }
}

struct OpenRoot;

impl FileOps for OpenRoot {
    fn readdir(&self, from: u64, sink: &mut dyn ReaddirSink) -> Result<()> {
        let dots = [(1, FileType::Directory, b".".to_vec()), (1, FileType::Directory, b"..".to_vec())];
        let queues =
            mqueue::all().into_iter().map(|queue| (queue.ino, FileType::Regular, queue.name.clone()));
        for (at, (ino, kind, name)) in (1..).zip(dots.into_iter().chain(queues)) {
            if at > from && !sink.entry(ino, at, kind, &name) {
                break;
            }
        }
        Ok(())
    }
}

fn stat(
    ino: u64,
    (mode, uid, gid): (u32, u32, u32),
    nlink: u32,
    size: u64,
    [atime, mtime, ctime]: [TimeSpec; 3],
) -> Stat {
    let dev = DEV;
    Stat { dev, ino, mode, nlink, uid, gid, size, blksize: 4096, atime, mtime, ctime, ..Stat::default() }
}

/// The file of a queue.
pub struct Node(pub Arc<Queue>);

impl Inode for Node {
    fn kind(&self) -> FileType {
        FileType::Regular
    }

    fn stat(&self) -> Result<Stat> {
        let attr = self.0.attr();
        let nlink = u32::from(!self.0.unlinked.load(Relaxed));
        let owner = (FileType::Regular.mode_bits() | attr.mode, attr.owner.0, attr.owner.1);
        Ok(stat(self.0.ino, owner, nlink, FILENT_SIZE, attr.times))
    }

    fn file_system(&self) -> Arc<dyn FileSystem> {
        MqueueFs::get()
    }

    fn set_attr(&self, set: &SetAttr) -> Result<()> {
        self.0.set_attr(|attr| {
            attr.mode = set.mode.map_or(attr.mode, |mode| mode & 0o7777);
            attr.owner = (set.uid.unwrap_or(attr.owner.0), set.gid.unwrap_or(attr.owner.1));
            attr.times[0] = set.atime.unwrap_or(attr.times[0]);
            attr.times[1] = set.mtime.unwrap_or(attr.times[1]);
        });
        Ok(())
    }

    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Box<dyn FileOps>> {
        Ok(Box::new(OpenQueue(self.0.clone())))
    }
}

/// Whether `file` is an open queue.
pub fn is_queue(file: &File) -> bool {
    file.ops_as::<OpenQueue>().is_some()
}

/// An open queue.
pub struct OpenQueue(pub Arc<Queue>);

impl FileOps for OpenQueue {
    fn read(&self, dst: &mut IoDst<'_>, offset: u64, _nonblock: bool) -> Result<usize> {
        let text = self.0.text();
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(text.len());
        dst.put(&text[from..text.len().min(from.saturating_add(dst.remaining()))])
    }

    fn poll(&self, table: &mut PollTable<'_>) -> PollEvents {
        self.0.poll(table)
    }

    fn link_text(&self) -> Option<Vec<u8>> {
        let mut text = [b"/", self.0.name.as_slice()].concat();
        if self.0.unlinked.load(Relaxed) {
            text.extend_from_slice(b" (deleted)");
        }
        Some(text)
    }

    fn flush(&self) {
        // The process that asked to be notified has closed it.
        if let Some(task) = current_task() {
            // Nobody else has asked, so there is nothing to refuse.
            let _ = self.0.notify(task.process.pid, None);
        }
    }
}
