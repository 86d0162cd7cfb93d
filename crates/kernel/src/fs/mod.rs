//! File systems, and files without a name. Which is mounted where is decided here.
//!
//! ```text
//! /            overlay    the host's tree, or --root DIR, copy-on-write
//! /proc        procfs     the kernel's own processes
//! /sys         sysfs      the host's, read-only
//! /dev         devfs      null, zero, full, random, urandom, tty, links to descriptors
//! /dev/pts     devpts     pseudo-terminals
//! /dev/shm     overlay    in memory
//! /dev/mqueue  mqueue     POSIX message queues
//! --write DIR  hostfs     the host's directory, changed for real
//! ```

pub mod aio;
pub mod anon;
pub mod devfs;
pub mod devpts;
pub mod epoll;
pub mod eventfd;
mod host_dir;
mod host_listing;
mod host_stat;
pub mod hostfs;
pub mod inotify;
pub mod memfd;
pub mod mqueue;
pub mod overlay;
pub mod pidfd;
pub mod pipe;
pub mod procfs;
pub mod signalfd;
pub mod special;
pub mod sysfs;
pub mod timerfd;
pub mod tty;

use crate::Errno;
use crate::vfs::namei::{Resolve, Walk};
use crate::vfs::{Dentry, FileSystem, InodeRef};
use alloc::sync::Arc;
use alloc::vec::Vec;
use config::BootConfig;
use host::file::HostFd;
use host::mutex::Mutex;

/// A mount, for /proc/mounts.
#[derive(Clone)]
pub struct Mount {
    /// Where.
    pub dentry: Arc<Dentry>,
    /// What.
    pub fs: Arc<dyn FileSystem>,
    /// The device column.
    pub source: Vec<u8>,
}

static MOUNTS: Mutex<Vec<Mount>> = Mutex::new(Vec::new());

/// All mounts, in the order they were made.
pub fn mounts() -> Vec<Mount> {
    MOUNTS.lock().clone()
}

/// Why the tree could not be built: what it was about, and the error.
type MountError = (Vec<u8>, Errno);

const O_PATH: u32 = 0o10000000;
const O_DIRECTORY: u32 = 0o200000;

/// Builds the tree of names of an instance; answers its root.
///
/// # Errors
/// The path that could not be opened or mounted on, and why.
pub fn mount_all(config: &BootConfig) -> Result<Arc<Dentry>, MountError> {
    let root_path = config.root.as_deref().unwrap_or(b"/");
    let about_root = |errno| (root_path.to_vec(), errno);
    let lower = open_dir(root_path).map_err(about_root)?;
    let mut limits = overlay::Limits::default();
    limits.bytes = config.upper_limit_bytes.unwrap_or(limits.bytes);
    let overlay = overlay::Overlay::new(Some(lower), limits).map_err(about_root)?;
    let root = Dentry::new_root(overlay.root(), None);
    record(&root, overlay.clone(), b"overlay");

    let proc = procfs::ProcFs::new();
    mount(&root, b"/proc", proc.root(), proc.clone(), b"proc")?;
    if let Ok(sys) = sysfs::SysFs::new() {
        // A host without /sys has programs that go without.
        mount(&root, b"/sys", sys.root(), sys.clone(), b"sysfs")?;
    }
    let dev = devfs::DevFs::new();
    let dev_root = mount(&root, b"/dev", dev.root(), dev.clone(), b"udev")?;
    if dev_root.is_some() {
        let pts = devpts::devpts();
        if let Some(root) = mount(&root, b"/dev/pts", pts.root(), pts.clone(), b"devpts")? {
            devpts::set_mounted(root);
        }
        let shm = overlay::Overlay::new(None, limits).map_err(|errno| (b"/dev/shm".to_vec(), errno))?;
        mount(&root, b"/dev/shm", shm.root(), shm.clone(), b"tmpfs")?;
        let queues = mqueue::MqueueFs::get();
        mount(&root, b"/dev/mqueue", queues.root(), queues.clone(), b"mqueue")?;
    }
    for path in &config.writable {
        let mut host_path = Vec::new();
        if let Some(root) = &config.root {
            host_path.extend_from_slice(root);
        }
        host_path.extend_from_slice(path);
        let about = |errno| (path.clone(), errno);
        let dir = hostfs::HostFs::new(open_dir(&host_path).map_err(about)?).map_err(about)?;
        if path == b"/" {
            return Err(about(Errno::INVAL));
        }
        mount(&root, path, dir.root(), dir.clone(), path)?.ok_or_else(|| about(Errno::NOENT))?;
    }
    Ok(root)
}

fn open_dir(path: &[u8]) -> crate::Result<HostFd> {
    host::file::open(None, path, O_PATH | O_DIRECTORY, 0, 0)
}

fn record(dentry: &Arc<Dentry>, fs: Arc<dyn FileSystem>, source: &[u8]) {
    MOUNTS.lock().push(Mount { dentry: dentry.clone(), fs, source: source.to_vec() });
}

/// Mounts on the directory at `path`; a tree without that directory goes without (`None`).
fn mount(
    root: &Arc<Dentry>,
    path: &[u8],
    inode: InodeRef,
    fs: Arc<dyn FileSystem>,
    source: &[u8],
) -> Result<Option<Arc<Dentry>>, MountError> {
    let cred = crate::boot::host_cred();
    let walk = Walk { cred: &cred, root, base: root, resolve: Resolve::empty() };
    let at = match walk.lookup(path, true) {
        Ok(at) => at,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        Err(errno) => return Err((path.to_vec(), errno)),
    };
    let mounted = at.mount(inode).map_err(|errno| (path.to_vec(), errno))?;
    record(&mounted, fs, source);
    Ok(Some(mounted))
}
