//! Passthrough of a directory of the host: every change really happens there (`--write DIR`), and descriptors the
//! instance was started with. Also read-only, for /sys.
//!
//! A node knows where its file lies: a directory of the host and a name in it. All calls go there by single
//! components, or to a descriptor that is open anyway. Names may be up to 20 ms old when others change them on
//! the host, and so may be which file an open for reading reaches; changes made through here are seen at once.
//!
//! Lock order: table of nodes; places of a node; open files of a node; then as in `super::host_dir`.

mod file;
mod inherited;
mod node;
#[cfg(test)]
mod tests;

pub use inherited::{Inherited, host_stream, inherited};

use super::host_dir::{FdCache, HostDir};
use super::host_stat::{self, Ident};
use crate::Result;
use crate::vfs::{FileSystem, FileType, InodeRef, StatFs};
use alloc::sync::{Arc, Weak};
use hashbrown::HashMap;
use host::file::{HostFd, HostStat};
use host::mutex::Mutex;
use node::Node;

/// `f_flags` of statfs(2) on what is mounted read-only.
const ST_RDONLY: u32 = 1;

/// Descriptors held open only to be quicker the next time.
const CACHED_FDS: usize = 1024;

/// Device and inode number, and for directories the mount.
type Key = (u64, u64, u64);

fn key(ident: Ident) -> Key {
    (ident.dev, ident.ino, ident.mount)
}

/// What all nodes of one passthrough share.
struct Core {
    table: Mutex<HashMap<Key, Weak<Node>>>,
    cache: Arc<FdCache>,
    top: Arc<HostDir>,
    /// Nothing can be changed: `EROFS`.
    read_only: bool,
}

/// A directory of the host.
pub struct HostFs {
    core: Arc<Core>,
    root: Arc<Node>,
}

impl HostFs {
    /// Passes the directory `dir` through (any descriptor of a directory, `O_PATH` too), to be changed for real.
    ///
    /// # Errors
    /// `ENOTDIR`; those of statx(2).
    pub fn new(dir: HostFd) -> Result<Arc<HostFs>> {
        Self::build(dir, false)
    }

    /// As [`new`](Self::new), but every change answers `EROFS`.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn new_read_only(dir: HostFd) -> Result<Arc<HostFs>> {
        Self::build(dir, true)
    }

    fn build(dir: HostFd, read_only: bool) -> Result<Arc<HostFs>> {
        let cache = FdCache::new(CACHED_FDS);
        let (top, stat) = HostDir::root(dir, cache.clone())?;
        let core = Arc::new(Core { table: Mutex::default(), cache, top: top.clone(), read_only });
        let root = Node::directory(&core, top, &stat);
        core.table.lock().insert(key(host_stat::ident(&stat)), Arc::downgrade(&root));
        Ok(Arc::new(HostFs { core, root }))
    }

    /// The root directory.
    pub fn root(&self) -> InodeRef {
        self.root.clone()
    }
}

impl Core {
    /// The node for the file `name` of `dir`, which the host has just described as `stat`.
    fn node(self: &Arc<Self>, dir: &Arc<HostDir>, name: &[u8], stat: &HostStat) -> Result<Arc<Node>> {
        let (ident, kind) = (host_stat::ident(stat), host_stat::kind(stat));
        // Declared before the lock, so dropped after it: dropping a node takes the lock.
        let mut _outdated = None;
        let mut table = self.table.lock();
        if let Some(node) = table.get(&key(ident)).and_then(Weak::upgrade) {
            if node.is(ident, kind) {
                drop(table);
                node.found_at(dir, name, stat)?;
                return Ok(node);
            }
            _outdated = Some(node);
        }
        let node = match kind {
            FileType::Directory => Node::directory(self, dir.child(name, ident), stat),
            _ => Node::file(self, dir, name, stat),
        };
        table.insert(key(ident), Arc::downgrade(&node));
        drop(table);
        Ok(node)
    }

    /// The node for a file, when there is one.
    fn known(&self, ident: Ident) -> Option<Arc<Node>> {
        self.table.lock().get(&key(ident))?.upgrade()
    }

    /// A node is being dropped.
    fn forget(&self, node: &Node, ident: Ident) {
        let mut table = self.table.lock();
        if table.get(&key(ident)).is_some_and(|weak| core::ptr::eq(Weak::as_ptr(weak), node)) {
            table.remove(&key(ident));
        }
    }
}

impl FileSystem for Core {
    fn name(&self) -> &'static str {
        "hostfs"
    }

    fn statfs(&self) -> Result<StatFs> {
        let mut stat = host_stat::convert_fs(&self.top.fd()?.statfs()?);
        stat.flags |= if self.read_only { u64::from(ST_RDONLY) } else { 0 };
        Ok(stat)
    }

    fn options(&self) -> &'static str {
        if self.read_only { "ro,relatime" } else { "rw,relatime" }
    }
}

impl FileSystem for HostFs {
    fn name(&self) -> &'static str {
        self.core.name()
    }

    fn statfs(&self) -> Result<StatFs> {
        self.core.statfs()
    }

    fn options(&self) -> &'static str {
        self.core.options()
    }
}
