//! /dev: the devices every program may expect, and links to the caller's descriptors.
//!
//! The tree is fixed but for `/dev/shm` and `/dev/pts`, on which other file systems are mounted.

mod device;

pub use device::open_device;

use crate::vfs::{
    FileOps, FileSystem, FileType, Inode, InodeRef, OpenFlags, ReaddirSink, SetAttr, Stat, StatFs, TimeSpec,
};
use crate::{Errno, Result};
use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use host::mutex::Mutex;

/// `makedev(major, minor)` in the encoding of `st_rdev`.
const fn makedev(major: u64, minor: u64) -> u64 {
    (minor & 0xff) | (major & 0xfff) << 8 | (minor & !0xff) << 12
}

enum Kind {
    Device(u64),
    Link(&'static str),
    Dir,
}

/// Name, mode, what it is.
const NODES: &[(&str, u32, Kind)] = &[
    ("console", 0o600, Kind::Device(makedev(5, 1))),
    ("fd", 0o777, Kind::Link("/proc/self/fd")),
    ("full", 0o666, Kind::Device(makedev(1, 7))),
    ("mqueue", 0o1777, Kind::Dir),
    ("null", 0o666, Kind::Device(makedev(1, 3))),
    ("ptmx", 0o666, Kind::Device(makedev(5, 2))),
    ("pts", 0o755, Kind::Dir),
    ("random", 0o666, Kind::Device(makedev(1, 8))),
    ("shm", 0o1777, Kind::Dir),
    ("stderr", 0o777, Kind::Link("/proc/self/fd/2")),
    ("stdin", 0o777, Kind::Link("/proc/self/fd/0")),
    ("stdout", 0o777, Kind::Link("/proc/self/fd/1")),
    ("tty", 0o666, Kind::Device(makedev(5, 0))),
    ("urandom", 0o666, Kind::Device(makedev(1, 9))),
    ("zero", 0o666, Kind::Device(makedev(1, 5))),
];

/// `st_dev` of the file system: an anonymous device number.
const DEV: u64 = makedev(0, 5);

/// The file system.
pub struct DevFs {
    nodes: Mutex<Vec<InodeRef>>,
    me: Weak<DevFs>,
    made: TimeSpec,
}

impl DevFs {
    /// Makes the tree.
    pub fn new() -> Arc<DevFs> {
        let made = TimeSpec::from_ns(host::clock::realtime_ns());
        let fs = Arc::new_cyclic(|me| DevFs { nodes: Mutex::new(Vec::new()), me: me.clone(), made });
        let nodes = NODES.iter().enumerate().map(|(n, (_, mode, kind))| {
            let stat = kind.stat(n as u64 + 2, *mode).at(made);
            let node: InodeRef = Arc::new(Node { fs: fs.clone(), kind, stat: Mutex::new(stat) });
            node
        });
        *fs.nodes.lock() = nodes.collect();
        fs
    }

    /// The root directory.
    pub fn root(&self) -> InodeRef {
        match self.me.upgrade() {
            Some(fs) => Arc::new(Root { fs }),
            // Not while `self` is borrowed from an `Arc`.
            None => Arc::new(Root { fs: DevFs::new() }),
        }
    }
}

impl FileSystem for DevFs {
    fn name(&self) -> &'static str {
        "devtmpfs"
    }
    fn statfs(&self) -> Result<StatFs> {
        Ok(StatFs {
            kind: 0x0102_1994,
            bsize: 4096,
            frsize: 4096,
            namelen: 255,
            files: NODES.len() as u64,
            ..StatFs::default()
        })
    }
    fn options(&self) -> &'static str {
        "rw,nosuid,relatime"
    }
}

struct Root {
    fs: Arc<DevFs>,
}

impl Inode for Root {
    fn kind(&self) -> FileType {
        FileType::Directory
    }
    fn stat(&self) -> Result<Stat> {
        // As many links as it has directories, and one for each of `.` and `..`.
        Ok(Stat { nlink: 4, ..Kind::Dir.stat(1, 0o755).at(self.fs.made) })
    }
    fn file_system(&self) -> Arc<dyn FileSystem> {
        self.fs.clone()
    }
    fn lookup(&self, name: &[u8]) -> Result<InodeRef> {
        let at = NODES.iter().position(|(known, ..)| known.as_bytes() == name).ok_or(Errno::NOENT)?;
        self.fs.nodes.lock().get(at).cloned().ok_or(Errno::NOENT)
    }
    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Box<dyn FileOps>> {
        Ok(Box::new(OpenRoot))
    }
}

struct OpenRoot;

impl FileOps for OpenRoot {
    fn readdir(&self, from: u64, sink: &mut dyn ReaddirSink) -> Result<()> {
        let dots = [(".", 1, FileType::Directory), ("..", 1, FileType::Directory)];
        let nodes =
            NODES.iter().enumerate().map(|(n, (name, _, kind))| (*name, n as u64 + 2, kind.file_type()));
        for (n, (name, ino, kind)) in dots.into_iter().chain(nodes).enumerate().skip(from as usize) {
            if !sink.entry(ino, n as u64 + 1, kind, name.as_bytes()) {
                break;
            }
        }
        Ok(())
    }
}

impl Kind {
    fn file_type(&self) -> FileType {
        match self {
            Kind::Device(_) => FileType::CharDevice,
            Kind::Link(_) => FileType::Symlink,
            Kind::Dir => FileType::Directory,
        }
    }

    /// Attributes but for times.
    fn stat(&self, ino: u64, mode: u32) -> Stat {
        let (rdev, size, nlink) = match self {
            Kind::Device(rdev) => (*rdev, 0, 1),
            Kind::Link(target) => (0, target.len() as u64, 1),
            Kind::Dir => (0, 0, 2),
        };
        let mode = self.file_type().mode_bits() | mode;
        Stat { dev: DEV, ino, mode, nlink, rdev, size, blksize: 4096, ..Stat::default() }
    }
}

struct Node {
    fs: Arc<DevFs>,
    kind: &'static Kind,
    stat: Mutex<Stat>,
}

impl Inode for Node {
    fn kind(&self) -> FileType {
        self.kind.file_type()
    }
    fn stat(&self) -> Result<Stat> {
        Ok(*self.stat.lock())
    }
    fn file_system(&self) -> Arc<dyn FileSystem> {
        self.fs.clone()
    }
    fn set_attr(&self, attr: &SetAttr) -> Result<()> {
        if attr.size.is_some_and(|_| self.kind() == FileType::Directory) {
            return Err(Errno::ISDIR);
        }
        self.stat.lock().change(attr, TimeSpec::now());
        Ok(())
    }
    fn lookup(&self, _name: &[u8]) -> Result<InodeRef> {
        Err(if self.kind() == FileType::Directory { Errno::NOENT } else { Errno::NOTDIR })
    }
    fn readlink(&self) -> Result<Vec<u8>> {
        match self.kind {
            Kind::Link(target) => Ok(target.as_bytes().to_vec()),
            _ => Err(Errno::INVAL),
        }
    }
    fn open(self: Arc<Self>, flags: OpenFlags) -> Result<Box<dyn FileOps>> {
        match self.kind {
            Kind::Device(rdev) => open_device(*rdev, flags),
            Kind::Link(_) => Err(Errno::LOOP),
            Kind::Dir => Ok(Box::new(EmptyDir { ino: self.stat.lock().ino })),
        }
    }
}

/// A directory on which something is mounted, seen without it.
struct EmptyDir {
    ino: u64,
}

impl FileOps for EmptyDir {
    fn readdir(&self, from: u64, sink: &mut dyn ReaddirSink) -> Result<()> {
        for (n, (name, ino)) in [(".", self.ino), ("..", 1)].into_iter().enumerate().skip(from as usize) {
            if !sink.entry(ino, n as u64 + 1, FileType::Directory, name.as_bytes()) {
                break;
            }
        }
        Ok(())
    }
}
