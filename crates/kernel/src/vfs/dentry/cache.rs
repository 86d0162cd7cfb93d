//! The names a directory keeps, so that a lookup need not ask the file system again (`struct dcache`).

use super::{Dentry, Place};
use crate::vfs::{CachePolicy, InodeRef};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// So many cached names are kept; past that, unused ones are dropped on the next insertion.
const CACHE_LIMIT: usize = 16_384;

static CACHED: AtomicUsize = AtomicUsize::new(0);

impl Dentry {
    /// The child called `name` with what is mounted on it, when the cache knows it.
    #[inline]
    pub fn lookup_cached(self: &Arc<Self>, name: &[u8]) -> Option<Arc<Dentry>> {
        self.cached(name, true)
    }

    /// The cached child, when it may be believed without asking the file system; with `enter`, what is mounted on it.
    #[inline]
    pub(super) fn cached(&self, name: &[u8], enter: bool) -> Option<Arc<Dentry>> {
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

    /// Enters a child just made or found.
    pub fn insert_child(self: &Arc<Self>, name: &[u8], inode: InodeRef) -> Arc<Dentry> {
        self.insert(name, inode, self.inode.cache_policy())
    }

    pub(super) fn insert(self: &Arc<Self>, name: &[u8], inode: InodeRef, policy: CachePolicy) -> Arc<Dentry> {
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
}
