//! /dev/pts: a node for the slave of each pseudo-terminal, and /dev/ptmx, which makes new ones (pty(7), devpts).

use super::tty::host::{HostTerminal, makedev};
use super::tty::{Master, Pair, open_slave};
use crate::task::{Cred, current_task};
use crate::vfs::{
    Dentry, FileOps, FileSystem, FileType, Inode, InodeRef, NewNode, OpenFlags, ReaddirSink, SetAttr, Stat,
    StatFs, TimeSpec,
};
use crate::{Errno, Result};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use host::mutex::{Mutex, OnceLock};

/// `DEVPTS_SUPER_MAGIC`
const MAGIC: u64 = 0x1cd1;
/// `st_dev`: an anonymous device number.
const DEV: u64 = makedev(0, 24);
/// Pseudo-terminals there may be (`kernel.pty.max`).
const MAX: u32 = 4096;
const ROOT_INO: u64 = 1;
const PTMX_INO: u64 = 2;
/// `st_ino` of slave 0.
const FIRST_INO: u64 = 3;

static DEVPTS: OnceLock<Arc<DevPts>> = OnceLock::new();

/// The file system; an instance has one.
pub struct DevPts {
    made: TimeSpec,
    ptmx: Mutex<Stat>,
    slaves: Mutex<BTreeMap<u32, Arc<Slave>>>,
}

/// The file system.
pub fn devpts() -> Arc<DevPts> {
    if let Some(fs) = DEVPTS.get() {
        return fs.clone();
    }
    let made = TimeSpec::now();
    let new = || DevPts {
        made,
        ptmx: Mutex::new(device(PTMX_INO, 0o666, makedev(5, 2)).at(made)),
        slaves: Mutex::default(),
    };
    // A lost race leaves the other's.
    let _ = DEVPTS.set(Arc::new(new()));
    DEVPTS.get().cloned().unwrap_or_else(|| Arc::new(new()))
}

/// Attributes of a terminal's node but for times; its owner is root.
fn device(ino: u64, mode: u32, rdev: u64) -> Stat {
    let mode = FileType::CharDevice.mode_bits() | mode;
    Stat { dev: DEV, ino, mode, nlink: 1, rdev, blksize: 1024, ..Stat::default() }
}

static MOUNTED: OnceLock<Arc<Dentry>> = OnceLock::new();

/// Where the file system is mounted.
pub fn mounted() -> Option<Arc<Dentry>> {
    MOUNTED.get().cloned()
}

/// Remembers where it is mounted.
pub fn set_mounted(root: Arc<Dentry>) {
    // Once, at boot.
    let _ = MOUNTED.set(root);
}

/// Opens /dev/ptmx: a new pseudo-terminal.
///
/// # Errors
/// `ENOSPC` when there are too many.
pub fn open_ptmx(flags: OpenFlags) -> Result<Box<dyn FileOps>> {
    let fs = devpts();
    let mut slaves = fs.slaves.lock();
    let index = (0..MAX).find(|index| !slaves.contains_key(index)).ok_or(Errno::NOSPC)?;
    let cred = current_task().map(|task| task.process.cred());
    let (uid, gid) = cred.map_or((0, 0), |cred| (cred.fsuid, cred.fsgid));
    let pair = Pair::new(index);
    let stat = device(FIRST_INO + u64::from(index), 0o620, pair.rdev()).at(TimeSpec::now());
    let slave = Slave::Pty(pair.clone(), Mutex::new(Stat { uid, gid, ..stat }));
    slaves.insert(index, Arc::new(slave));
    Ok(Box::new(Master::new(pair, flags, forget)))
}

/// A master is gone: so is the slave's node.
fn forget(index: u32) {
    let gone = devpts().slaves.lock().remove(&index);
    drop(gone);
}

/// Opens a slave by its number, wherever its device node lies.
///
/// # Errors
/// `EIO` when there is none; those of opening it.
pub fn open_number(index: u32, flags: OpenFlags) -> Result<Box<dyn FileOps>> {
    let slave = devpts().slaves.lock().get(&index).cloned().ok_or(Errno::IO)?;
    slave.open(flags)
}

/// Shows the host's terminal below its own name, when that lies in /dev/pts; answers the inode.
pub fn adopt(terminal: &Arc<HostTerminal>) -> Option<InodeRef> {
    let index: u32 = core::str::from_utf8(terminal.path().strip_prefix(b"/dev/pts/")?).ok()?.parse().ok()?;
    let fs = devpts();
    let mut slaves = fs.slaves.lock();
    let slave = slaves.entry(index).or_insert_with(|| Arc::new(Slave::Host(terminal.clone())));
    Some(slave.clone())
}

impl FileSystem for DevPts {
    fn name(&self) -> &'static str {
        "devpts"
    }
    fn statfs(&self) -> Result<StatFs> {
        Ok(StatFs { kind: MAGIC, bsize: 4096, frsize: 4096, namelen: 255, ..StatFs::default() })
    }
    fn options(&self) -> &'static str {
        "rw,nosuid,noexec,relatime,mode=620,ptmxmode=666"
    }
}

impl DevPts {
    /// The root directory.
    pub fn root(self: &Arc<Self>) -> InodeRef {
        Arc::new(Root)
    }
}

struct Root;

impl Inode for Root {
    fn kind(&self) -> FileType {
        FileType::Directory
    }
    fn stat(&self) -> Result<Stat> {
        let mode = FileType::Directory.mode_bits() | 0o755;
        let stat = Stat { dev: DEV, ino: ROOT_INO, mode, nlink: 2, blksize: 1024, ..Stat::default() };
        Ok(stat.at(devpts().made))
    }
    fn file_system(&self) -> Arc<dyn FileSystem> {
        devpts()
    }
    /// Names come and go with terminals, not with directory operations.
    fn cache_policy(&self) -> crate::vfs::CachePolicy {
        crate::vfs::CachePolicy::Never
    }
    fn lookup(&self, name: &[u8]) -> Result<InodeRef> {
        if name == b"ptmx" {
            return Ok(Arc::new(Ptmx));
        }
        let text = core::str::from_utf8(name).map_err(|_| Errno::NOENT)?;
        let index: u32 = text.parse().map_err(|_| Errno::NOENT)?;
        if index.to_string() != text {
            return Err(Errno::NOENT);
        }
        let slave: InodeRef = devpts().slaves.lock().get(&index).cloned().ok_or(Errno::NOENT)?;
        Ok(slave)
    }
    /// Nothing is made here (`vfs_create` and its like without the operation).
    fn create(&self, _name: &[u8], node: &NewNode<'_>) -> Result<InodeRef> {
        Err(if node.kind == FileType::Regular { Errno::ACCESS } else { Errno::PERM })
    }
    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Box<dyn FileOps>> {
        Ok(Box::new(OpenRoot))
    }
}

struct OpenRoot;

impl FileOps for OpenRoot {
    fn readdir(&self, from: u64, sink: &mut dyn ReaddirSink) -> Result<()> {
        let fixed: [(&[u8], u64, FileType); 3] = [
            (b".", ROOT_INO, FileType::Directory),
            (b"..", ROOT_INO, FileType::Directory),
            (b"ptmx", PTMX_INO, FileType::CharDevice),
        ];
        for (n, (name, ino, kind)) in fixed.into_iter().enumerate().skip(from as usize) {
            if !sink.entry(ino, n as u64 + 1, kind, name) {
                return Ok(());
            }
        }
        // Behind those, the position is the number of the terminal.
        let first = from.saturating_sub(fixed.len() as u64);
        let first = u32::try_from(first).unwrap_or(u32::MAX);
        let indices: Vec<u32> = devpts().slaves.lock().range(first..).map(|(index, _)| *index).collect();
        for index in indices {
            let next = u64::from(index) + 1 + fixed.len() as u64;
            let ino = FIRST_INO + u64::from(index);
            if !sink.entry(ino, next, FileType::CharDevice, index.to_string().as_bytes()) {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// /dev/pts/ptmx.
struct Ptmx;

impl Inode for Ptmx {
    fn kind(&self) -> FileType {
        FileType::CharDevice
    }
    fn stat(&self) -> Result<Stat> {
        Ok(*devpts().ptmx.lock())
    }
    fn file_system(&self) -> Arc<dyn FileSystem> {
        devpts()
    }
    fn set_attr(&self, attr: &SetAttr) -> Result<()> {
        devpts().ptmx.lock().change(attr, TimeSpec::now());
        Ok(())
    }
    fn open(self: Arc<Self>, flags: OpenFlags) -> Result<Box<dyn FileOps>> {
        open_ptmx(flags)
    }
}

/// /dev/pts/N.
enum Slave {
    Pty(Arc<Pair>, Mutex<Stat>),
    /// The host's, whose attributes are those on the host.
    Host(Arc<HostTerminal>),
}

impl Inode for Slave {
    fn kind(&self) -> FileType {
        FileType::CharDevice
    }
    fn stat(&self) -> Result<Stat> {
        match self {
            Slave::Pty(_, stat) => Ok(*stat.lock()),
            Slave::Host(terminal) => terminal.stat(),
        }
    }
    fn file_system(&self) -> Arc<dyn FileSystem> {
        devpts()
    }
    fn set_attr(&self, attr: &SetAttr) -> Result<()> {
        match self {
            Slave::Pty(_, stat) => stat.lock().change(attr, TimeSpec::now()),
            // Anything else would change the host; to set a terminal's length means nothing.
            Slave::Host(_) if attr.size.is_some() => {}
            Slave::Host(_) => return Err(Errno::PERM),
        }
        Ok(())
    }
    fn permission(&self, cred: &Cred, mask: u32) -> Result<()> {
        cred.check_mode(&self.stat()?, mask)
    }
    fn open(self: Arc<Self>, flags: OpenFlags) -> Result<Box<dyn FileOps>> {
        match &*self {
            Slave::Pty(pair, _) => open_slave(pair, flags),
            Slave::Host(terminal) => terminal.open(flags),
        }
    }
}
