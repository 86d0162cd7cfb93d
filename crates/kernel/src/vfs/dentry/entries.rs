//! Changes of the entries of a directory: made, linked and removed by one at a time (`i_rwsem`).

use super::Dentry;
use crate::vfs::{InodeRef, NewNode, notify};
use crate::{Errno, Result};
use alloc::sync::Arc;
use core::sync::atomic::Ordering::Relaxed;
use host::mutex::MutexGuard;

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
    /// Those of [`Inode::create`](crate::vfs::Inode::create).
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
    /// Those of [`Inode::link`](crate::vfs::Inode::link).
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
    /// Those of [`Inode::unlink`](crate::vfs::Inode::unlink).
    pub fn unlink(&self, name: &[u8], victim: &Arc<Dentry>) -> Result<()> {
        self.dir.inode.unlink(name)?;
        self.removed(name, victim);
        Ok(())
    }

    /// Removes the empty directory `victim`.
    ///
    /// # Errors
    /// Those of [`Inode::rmdir`](crate::vfs::Inode::rmdir).
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

impl Dentry {
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
}
