//! The tree of names. A dentry ties a name in a directory to an inode and remembers its parent, so that paths can
//! be told (getcwd, /proc/self/fd) and lookups be answered without asking the file system again.
//!
//! One instance has one tree and one set of mounts. A mount is a dentry whose `mounted` names the root dentry of
//! the other file system, whose `covers` leads back.

use super::{CachePolicy, FileType, Inode, InodeRef, NewNode, notify};
use crate::{Errno, Result};
use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use hashbrown::HashMap;
use host::mutex::{Mutex, MutexGuard, OnceLock};

/// So many cached names are kept; past that, unused ones are dropped on the next insertion.
const CACHE_LIMIT: usize = 16_384;

static CACHED: AtomicUsize = AtomicUsize::new(0);

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

    /// The child called `name` with what is mounted on it, when the cache knows it.
    #[inline]
    pub fn lookup_cached(self: &Arc<Self>, name: &[u8]) -> Option<Arc<Dentry>> {
        self.cached(name, true)
    }

    /// The cached child, when it may be believed without asking the file system; with `enter`, what is mounted on it.
    #[inline]
    fn cached(&self, name: &[u8], enter: bool) -> Option<Arc<Dentry>> {
        let policy = self.inode.cache_policy();
        let children = self.children.lock();
        let mut child = children.get(name)?;
        let fresh = match policy {
            CachePolicy::Always => true,
            CachePolicy::For(ns) => {
                host::clock::coarse_monotonic_ns().saturating_sub(child.validated_ns.load(Relaxed)) < ns
            }
            CachePolicy::Never => false,
        };
        if !fresh && !child.is_mountpoint() {
            return None;
        }
        while enter && let Some(mounted) = child.mounted.get() {
            child = mounted;
        }
        Some(child.clone())
    }

    /// Excludes others from changing the entries of this directory.
    pub fn lock_entries(self: &Arc<Self>) -> Entries<'_> {
        Entries { dir: self, _guard: self.entries.lock() }
    }

    /// As [`lock_entries`](Self::lock_entries) for two directories, which may be the same.
    pub fn lock_entries_of_two<'a>(
        first: &'a Arc<Dentry>,
        second: &'a Arc<Dentry>,
    ) -> (Entries<'a>, Option<Entries<'a>>) {
        if Arc::ptr_eq(first, second) {
            return (first.lock_entries(), None);
        }
        // By address, so that two renames in opposite directions do not wait for each other.
        if Arc::as_ptr(first) < Arc::as_ptr(second) {
            let one = first.lock_entries();
            (one, Some(second.lock_entries()))
        } else {
            let two = second.lock_entries();
            (first.lock_entries(), Some(two))
        }
    }

    /// Enters a child just made or found.
    pub fn insert_child(self: &Arc<Self>, name: &[u8], inode: InodeRef) -> Arc<Dentry> {
        self.insert(name, inode, self.inode.cache_policy())
    }

    fn insert(self: &Arc<Self>, name: &[u8], inode: InodeRef, policy: CachePolicy) -> Arc<Dentry> {
        let child = Self::new(name.into(), Some(self.clone()), inode, None);
        if policy == CachePolicy::Never {
            return child;
        }
        child.validated_ns.store(host::clock::coarse_monotonic_ns(), Relaxed);
        let mut children = self.children.lock();
        if let Some(there) = children.get(name)
            && Arc::ptr_eq(&there.inode, &child.inode)
        {
            return there.clone();
        }
        let old = children.insert(name.into(), child.clone());
        drop(children);
        if let Some(old) = old {
            old.set_unlinked();
            old.shed_children();
        } else if CACHED.fetch_add(1, Relaxed) > CACHE_LIMIT {
            self.root_of_all().prune();
        }
        child
    }

    /// Removes a name from the cache and marks it as gone.
    pub fn forget(self: &Arc<Self>, name: &[u8]) {
        let old = self.children.lock().remove(name);
        if let Some(old) = old {
            CACHED.fetch_sub(1, Relaxed);
            old.set_unlinked();
            old.shed_children();
        }
    }

    /// Forgets what is cached below: children know their parent and the parent knows them, so a directory that left
    /// the tree would keep itself alive.
    fn shed_children(self: &Arc<Self>) {
        let mut todo = alloc::vec![self.clone()];
        while let Some(dir) = todo.pop() {
            let children = core::mem::take(&mut *dir.children.lock());
            CACHED.fetch_sub(children.len(), Relaxed);
            todo.extend(children.into_values());
        }
    }

    /// After a rename in the file system: moves the cached name, so that open files and working directories tell
    /// their new path.
    pub fn rename_child(
        self: &Arc<Self>,
        name: &[u8],
        new_dir: &Arc<Dentry>,
        new_name: &[u8],
        exchange: bool,
    ) {
        let moved = self.children.lock().remove(name);
        let replaced = new_dir.children.lock().remove(new_name);
        for _ in moved.iter().chain(replaced.iter()) {
            CACHED.fetch_sub(1, Relaxed);
        }
        if let Some(replaced) = replaced {
            if exchange {
                replaced.settle(self, name);
            } else {
                replaced.set_unlinked();
                replaced.shed_children();
            }
        }
        if let Some(moved) = moved {
            moved.settle(new_dir, new_name);
        }
    }

    fn settle(self: Arc<Self>, dir: &Arc<Dentry>, name: &[u8]) {
        *self.place.lock() = Place { name: name.into(), parent: Some(dir.clone()) };
        if dir.children.lock().insert(name.into(), self).is_none() {
            CACHED.fetch_add(1, Relaxed);
        }
    }

    fn root_of_all(self: &Arc<Self>) -> Arc<Dentry> {
        let mut here = self.clone();
        while let Some(parent) = here.parent() {
            here = parent;
        }
        here
    }

    /// Drops cached names nobody uses, below here. Depth is bounded: a path is at most `PATH_MAX` / 2 deep by
    /// name, but directories can nest deeper by chdir, so this walks with a list instead of recursion.
    fn prune(self: &Arc<Self>) {
        let mut todo = alloc::vec![self.clone()];
        let mut seen = Vec::new();
        while let Some(dir) = todo.pop() {
            if let Some(mounted) = dir.mounted.get() {
                todo.push(mounted.clone());
            }
            todo.extend(dir.children.lock().values().cloned());
            seen.push(dir);
        }
        // Deepest last in `seen`: drop from the back, so that a directory is empty by the time it is looked at.
        while let Some(dir) = seen.pop() {
            let mut children = dir.children.lock();
            let before = children.len();
            // One count is the map's own; a child with children, a mount or a user has more, or is a parent of such.
            children.retain(|_, child| Arc::strong_count(child) > 1 || child.is_mountpoint());
            CACHED.fetch_sub(before - children.len(), Relaxed);
        }
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

/// The entries of a directory, locked.
#[derive(Debug)]
pub struct Entries<'a> {
    dir: &'a Arc<Dentry>,
    _guard: MutexGuard<'a, ()>,
}

impl Entries<'_> {
    /// The child called `name`, from the cache or the file system, not entering what is mounted on it.
    ///
    /// # Errors
    /// As [`Dentry::lookup`].
    pub fn lookup(&self, name: &[u8]) -> Result<Arc<Dentry>> {
        let dir = self.dir;
        if let Some(child) = dir.cached(name, false) {
            return Ok(child);
        }
        let inode = match dir.inode.lookup(name) {
            Ok(inode) => inode,
            Err(errno) => {
                if errno == Errno::NOENT {
                    dir.forget(name);
                }
                return Err(errno);
            }
        };
        if let Some(child) = dir.children.lock().get(name)
            && Arc::ptr_eq(&child.inode, &inode)
        {
            child.validated_ns.store(host::clock::coarse_monotonic_ns(), Relaxed);
            return Ok(child.clone());
        }
        Ok(dir.insert(name, inode, dir.inode.cache_policy()))
    }

    /// Makes a new entry.
    ///
    /// # Errors
    /// Those of [`Inode::create`].
    pub fn create(&self, name: &[u8], node: &NewNode<'_>) -> Result<Arc<Dentry>> {
        if self.dir.is_unlinked() {
            return Err(Errno::NOENT);
        }
        let inode = self.dir.inode.create(name, node)?;
        let child = self.dir.insert(name, inode, self.dir.inode.cache_policy());
        notify::on_create(&self.dir.inode, name, node.kind);
        Ok(child)
    }

    /// A further name for `target`.
    ///
    /// # Errors
    /// Those of [`Inode::link`].
    pub fn link(&self, name: &[u8], target: &InodeRef) -> Result<()> {
        if self.dir.is_unlinked() {
            return Err(Errno::NOENT);
        }
        self.dir.inode.link(name, target)?;
        self.dir.insert(name, target.clone(), self.dir.inode.cache_policy());
        notify::on_link(&self.dir.inode, name, target);
        Ok(())
    }

    /// Removes the entry `victim`, which is not a directory.
    ///
    /// # Errors
    /// Those of [`Inode::unlink`].
    pub fn unlink(&self, name: &[u8], victim: &Arc<Dentry>) -> Result<()> {
        self.dir.inode.unlink(name)?;
        self.removed(name, victim);
        Ok(())
    }

    /// Removes the empty directory `victim`.
    ///
    /// # Errors
    /// Those of [`Inode::rmdir`].
    pub fn rmdir(&self, name: &[u8], victim: &Arc<Dentry>) -> Result<()> {
        self.dir.inode.rmdir(name)?;
        self.removed(name, victim);
        Ok(())
    }

    fn removed(&self, name: &[u8], victim: &Arc<Dentry>) {
        self.dir.forget(name);
        // Out of the cache, only the caller has it: nobody has it open.
        let last = Arc::strong_count(victim) == 1;
        notify::on_remove(&self.dir.inode, name, &victim.inode, last);
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
