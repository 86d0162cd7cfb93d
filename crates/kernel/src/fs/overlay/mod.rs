//! The program's view of the host's file tree: read from the host, written into memory (copy-on-write). The same
//! without a host tree below is tmpfs(5).
//!
//! ```text
//! Node (inode) ---- upper: attributes, content, entries in memory; only what was changed
//!      |
//!      '---------- lower: a file of the host, by directory and name; read afresh as long as nothing was changed
//! ```
//!
//! A node with a lower part is found by the host's device and inode number, so that hard links on the host lead to
//! one node. As long as it was never changed, it lives only while somebody holds it; after a change it is pinned in
//! the table of nodes, and what was changed is no longer looked up on the host. Names are remembered per directory:
//! an entry in memory hides the host's of the same name, a whiteout hides it and shows nothing.
//!
//! Coherence with changes others make on the host: attributes and content of unchanged files are read at each call.
//! Names may be up to 20 ms old (`BELIEVE_HOST_NS`). A file replaced on the host within that time answers `ESTALE` to
//! a change, and so does a directory. After the first write, a large file's untouched pages are still
//! read from the host. A shared read-only mapping of a host file does not follow a later copy-up.
//!
//! Lock order: `Overlay` rename lock; node state (directory before entry; of two directories the upper one first,
//! else by address); table of nodes; `FdSlot`; queue of the descriptor cache.

mod attr;
mod content;
mod dir;
mod file;
mod listing;
mod node;
mod pages;
mod quota;
mod rename;
mod table;
#[cfg(test)]
pub(super) mod tests;
mod xattr;

use super::host_dir::{FdCache, HostDir};
use super::host_stat;
use crate::Result;
use crate::vfs::{FileSystem, FileType, InodeRef, NewNode, StatFs};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use host::file::HostFd;
use host::layout::PAGE_SIZE;
use host::mutex::Mutex;
use node::Node;
use quota::Quota;

/// Numbers of new inodes over a host tree begin here, above those of usual host file systems.
const FIRST_INO: u64 = 1 << 40;

/// `f_type` of statfs(2).
const OVERLAYFS_SUPER_MAGIC: u64 = 0x794c_7630;
const TMPFS_MAGIC: u64 = 0x0102_1994;

/// What a file system in memory may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of content, names and extended attributes in memory; beyond, `ENOSPC`.
    pub bytes: u64,
    /// Inodes made; beyond, `ENOSPC`.
    pub inodes: u64,
    /// Host descriptors held open only to be quicker the next time.
    pub cached_fds: usize,
}

impl Default for Limits {
    /// Half of the machine's memory, as tmpfs(5) has it, and at most half of the kernel's heap; an inode a page of
    /// that; 2048 descriptors.
    fn default() -> Self {
        let bytes = (host::system::total_memory() / 2).min(host::layout::ARENA_LEN as u64 / 2);
        Limits { bytes, inodes: bytes / PAGE_SIZE as u64, cached_fds: 2048 }
    }
}

/// What all nodes of one file system share.
struct Core {
    /// `st_dev` of what has no lower part.
    dev: u64,
    next_ino: AtomicU64,
    quota: Quota,
    table: table::Table,
    cache: Arc<FdCache>,
    memfds: content::Memfds,
    lower_root: Option<Arc<HostDir>>,
    /// Held while an entry moves between directories, so that the shape of the tree stands still.
    rename: Mutex<()>,
}

/// A copy-on-write view of a host directory, or a tmpfs.
pub struct Overlay {
    core: Arc<Core>,
    root: Arc<Node>,
}

/// Minor numbers of tmpfs instances; the major is 0, as for all file systems without a device.
static NEXT_MINOR: AtomicU32 = AtomicU32::new(0x7000);

impl Overlay {
    /// A view of the directory `lower_root` (any descriptor of a directory, `O_PATH` too), or an empty file system
    /// in memory whose root anybody may write (mode 01777).
    ///
    /// # Errors
    /// `ENOTDIR`; those of statx(2).
    pub fn new(lower_root: Option<HostFd>, limits: Limits) -> Result<Arc<Overlay>> {
        let cache = FdCache::new(limits.cached_fds);
        let lower = lower_root.map(|fd| HostDir::root(fd, cache.clone())).transpose()?;
        let dev = match &lower {
            Some((_, stat)) => host_stat::ident(stat).dev,
            None => host_stat::encode_dev(0, NEXT_MINOR.fetch_add(1, Relaxed)),
        };
        let core = Arc::new(Core {
            dev,
            next_ino: AtomicU64::new(if lower.is_some() { FIRST_INO } else { 1 }),
            quota: Quota::new(limits.bytes, limits.inodes),
            table: table::Table::default(),
            cache,
            memfds: content::Memfds::default(),
            lower_root: lower.as_ref().map(|(dir, _)| dir.clone()),
            rename: Mutex::new(()),
        });
        let root = match lower {
            Some((dir, stat)) => core.table.root(&core, dir, &stat),
            None => {
                let dir =
                    NewNode { kind: FileType::Directory, mode: 0o1777, uid: 0, gid: 0, target: b"", rdev: 0 };
                let root = Node::create(&core, &dir, None)?;
                root.set_links(2);
                root
            }
        };
        Ok(Arc::new(Overlay { core, root }))
    }

    /// The root directory.
    pub fn root(&self) -> InodeRef {
        self.root.clone()
    }
}

impl FileSystem for Overlay {
    fn name(&self) -> &'static str {
        self.core.name()
    }

    fn statfs(&self) -> Result<StatFs> {
        self.core.statfs()
    }
}

impl FileSystem for Core {
    fn name(&self) -> &'static str {
        if self.lower_root.is_some() { "overlay" } else { "tmpfs" }
    }

    /// Over a host tree: the host's size, and as free what both the host and the limits of memory leave.
    fn statfs(&self) -> Result<StatFs> {
        let (max_bytes, used_bytes) = self.quota.bytes();
        let (max_inodes, used_inodes) = self.quota.inodes();
        let page = PAGE_SIZE as u64;
        let free = max_bytes.saturating_sub(used_bytes) / page;
        let mut stat = StatFs {
            kind: TMPFS_MAGIC,
            bsize: page,
            blocks: max_bytes / page,
            bfree: free,
            bavail: free,
            files: max_inodes,
            ffree: max_inodes.saturating_sub(used_inodes),
            fsid: [self.dev as i32, 0],
            namelen: 255,
            frsize: page,
            flags: 0,
        };
        if let Some(root) = &self.lower_root {
            let host = host_stat::convert_fs(&root.fd()?.statfs()?);
            let pages = |blocks: u64| (u128::from(blocks) * u128::from(host.bsize) / u128::from(page)) as u64;
            stat.kind = OVERLAYFS_SUPER_MAGIC;
            stat.blocks = pages(host.blocks);
            stat.bfree = free.min(stat.blocks);
            stat.bavail = stat.bfree;
            stat.files = host.files;
            stat.ffree = stat.ffree.min(host.files);
            stat.fsid = host.fsid;
            stat.namelen = host.namelen;
        }
        Ok(stat)
    }
}
