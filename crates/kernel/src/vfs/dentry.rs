//! The tree of names. A dentry ties a name in a directory to an inode and remembers its parent, so that paths can
//! be told (getcwd, /proc/self/fd) and lookups be answered without asking the file system again.
//!
//! One instance has one tree and one set of mounts. A mount is a dentry whose `mounted` names the root dentry of
//! the other file system, whose `covers` leads back.
//!
//! `cache` is which names are kept and for how long, `entries` the changes of a directory, one at a time.

mod cache;
mod entries;

pub use entries::Entries;

use super::{CachePolicy, FileType, Inode, InodeRef, notify};
use crate::{Errno, Result};
use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use hashbrown::HashMap;
use host::mutex::{Mutex, OnceLock};

type Children = HashMap<Box<[u8]>, Arc<Dentry>>;

/// A name in the tree.
pub struct Dentry {
    place: Mutex<Place>,
    inode: InodeRef,
    /// Held while entries of this directory change, and while a lookup asks the file system, so that what a lookup
    /// found is not entered in the cache after it was removed (`i_rwsem`). Rank: see `sync::order`.
    entries: Mutex<()>,
    /// Cached children; rank: see `sync::order`.
    children: Mutex<Children>,
    mounted: OnceLock<Arc<Dentry>>,
    /// For the root of a mounted file system: the name it is mounted on.
    covers: Option<Arc<Dentry>>,
    unlinked: AtomicBool,
    /// An unnamed file that may get a name (`O_TMPFILE` without `O_EXCL`; `I_LINKABLE`).
    linkable: AtomicBool,
    /// Monotonic time of the last lookup that confirmed it.
    validated_ns: AtomicU64,
}

struct Place {
    name: Box<[u8]>,
    parent: Option<Arc<Dentry>>,
}

impl Dentry {
    /// The root of a file system that is mounted on `covers`, or the root of all.
    pub fn new_root(inode: InodeRef, covers: Option<Arc<Dentry>>) -> Arc<Dentry> {
        Self::new(Box::default(), None, inode, covers)
    }

    fn new(
        name: Box<[u8]>,
        parent: Option<Arc<Dentry>>,
        inode: InodeRef,
        covers: Option<Arc<Dentry>>,
    ) -> Arc<Dentry> {
        Arc::new(Dentry {
            place: Mutex::new(Place { name, parent }),
            inode,
            entries: Mutex::new(()),
            children: Mutex::new(HashMap::new()),
            mounted: OnceLock::new(),
            covers,
            unlinked: AtomicBool::new(false),
            linkable: AtomicBool::new(false),
            validated_ns: AtomicU64::new(0),
        })
    }

    /// A dentry outside the tree's cache: for files without a name of their own (`O_TMPFILE`) or /proc's.
    pub fn new_detached(name: &[u8], parent: &Arc<Dentry>, inode: InodeRef) -> Arc<Dentry> {
        Self::new(name.into(), Some(parent.clone()), inode, None)
    }

    /// The dentry of an unnamed file, called `name` where its path is told. `linkable`: it may get a name yet.
    pub fn new_unnamed(name: &[u8], parent: &Arc<Dentry>, inode: InodeRef, linkable: bool) -> Arc<Dentry> {
        let dentry = Self::new_detached(name, parent, inode);
        dentry.set_unlinked();
        dentry.linkable.store(linkable, Relaxed);
        dentry
    }

    /// Whether a file without a name may get one through this dentry.
    pub fn is_linkable(&self) -> bool {
        self.linkable.load(Relaxed)
    }

    /// The inode it stands for.
    #[inline]
    pub fn inode(&self) -> &InodeRef {
        &self.inode
    }

    /// Type of the inode.
    #[inline]
    pub fn kind(&self) -> FileType {
        self.inode.kind()
    }

    /// The last component.
    pub fn name(&self) -> Vec<u8> {
        self.place.lock().name.to_vec()
    }

    /// Whether the name was removed.
    pub fn is_unlinked(&self) -> bool {
        self.unlinked.load(Relaxed)
    }

    /// Marks the name as removed.
    pub fn set_unlinked(&self) {
        self.unlinked.store(true, Relaxed);
    }

    /// The directory above, crossing from the root of a mount to what it covers; `None` at the root of all.
    pub fn parent(&self) -> Option<Arc<Dentry>> {
        if let Some(covers) = &self.covers {
            return covers.parent();
        }
        self.place.lock().parent.clone()
    }

    /// The directory above in the same file system.
    pub fn parent_in_mount(&self) -> Option<Arc<Dentry>> {
        self.place.lock().parent.clone()
    }

    /// The name this file system's root is mounted on.
    pub fn covered(&self) -> Option<&Arc<Dentry>> {
        self.covers.as_ref()
    }

    /// Mounts the file system with root `inode` here; answers its root dentry.
    ///
    /// # Errors
    /// `EBUSY` when something is mounted here already; `ENOTDIR` when only one of the two is a directory.
    pub fn mount(self: &Arc<Self>, inode: InodeRef) -> Result<Arc<Dentry>> {
        if (inode.kind() == FileType::Directory) != (self.kind() == FileType::Directory) {
            return Err(Errno::NOTDIR);
        }
        let root = Dentry::new_root(inode, Some(self.clone()));
        self.mounted.set(root.clone()).map_err(|_| Errno::BUSY)?;
        Ok(root)
    }

    /// What is mounted here, however deep, or itself.
    #[inline]
    pub fn top(self: Arc<Self>) -> Arc<Dentry> {
        let mut here = self;
        while let Some(mounted) = here.mounted.get() {
            here = mounted.clone();
        }
        here
    }

    /// Whether something is mounted on this very name.
    pub fn is_mountpoint(&self) -> bool {
        self.mounted.get().is_some()
    }

    /// The root of the file system it belongs to.
    pub fn mount_root(self: &Arc<Self>) -> Arc<Dentry> {
        let mut here = self.clone();
        loop {
            if here.covers.is_some() {
                return here;
            }
            let parent = here.place.lock().parent.clone();
            match parent {
                Some(parent) => here = parent,
                None => return here,
            }
        }
    }

    /// The child called `name`, from the cache or the file system, with what is mounted on it.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `EACCES` of the host, `EIO`.
    pub fn lookup(self: &Arc<Self>, name: &[u8]) -> Result<Arc<Dentry>> {
        if let Some(child) = self.lookup_cached(name) {
            return Ok(child);
        }
        Ok(self.lookup_slow(name)?.top())
    }

    /// As [`lookup`](Self::lookup), not entering what is mounted on it.
    ///
    /// # Errors
    /// As [`lookup`](Self::lookup).
    pub fn lookup_uncovered(self: &Arc<Self>, name: &[u8]) -> Result<Arc<Dentry>> {
        match self.cached(name, false) {
            Some(child) => Ok(child),
            None => self.lookup_slow(name),
        }
    }

    #[inline(never)]
    fn lookup_slow(self: &Arc<Self>, name: &[u8]) -> Result<Arc<Dentry>> {
        // What is never cached needs no protection of the cache: /proc may look itself up while it answers.
        if self.inode.cache_policy() == CachePolicy::Never {
            return Ok(Self::new(name.into(), Some(self.clone()), self.inode.lookup(name)?, None));
        }
        self.lock_entries().lookup(name)
    }

    fn root_of_all(self: &Arc<Self>) -> Arc<Dentry> {
        let mut here = self.clone();
        while let Some(parent) = here.parent() {
            here = parent;
        }
        here
    }

    /// Whether `self` is `other` or lies above it.
    pub fn is_ancestor_of(self: &Arc<Self>, other: &Arc<Dentry>) -> bool {
        let mut here = Some(other.clone());
        while let Some(dentry) = here {
            if Arc::ptr_eq(self, &dentry) {
                return true;
            }
            here = dentry.parent();
        }
        false
    }

    /// The absolute path as seen from `root`; `None` when it does not lie below `root`.
    pub fn path_from(self: &Arc<Self>, root: &Arc<Dentry>) -> Option<Vec<u8>> {
        let mut names: Vec<Box<[u8]>> = Vec::new();
        let mut here = self.clone();
        while !Arc::ptr_eq(&here, root) {
            let at = here.covers.clone().unwrap_or_else(|| here.clone());
            if let Some(covers) = &here.covers
                && Arc::ptr_eq(covers, root)
            {
                break;
            }
            let place = at.place.lock();
            let parent = place.parent.clone();
            names.push(place.name.clone());
            drop(place);
            here = parent?;
        }
        let mut path = Vec::new();
        for name in names.iter().rev() {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        if path.is_empty() {
            path.push(b'/');
        }
        Some(path)
    }
}

impl Drop for Dentry {
    /// Lets go of the parents one after the other: a chain of removed directories can be deeper than the kernel
    /// stack.
    fn drop(&mut self) {
        if *self.unlinked.get_mut() {
            notify::on_last_use(&self.inode);
        }
        let mut next = self.place.get_mut().parent.take();
        while let Some(parent) = next {
            match Arc::try_unwrap(parent) {
                Ok(mut last) => next = last.place.get_mut().parent.take(),
                Err(_) => break,
            }
        }
    }
}

impl core::fmt::Debug for Dentry {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Dentry({:?})", alloc::string::String::from_utf8_lossy(&self.place.lock().name))
    }
}

impl dyn Inode {
    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.kind() == FileType::Directory
    }
}
