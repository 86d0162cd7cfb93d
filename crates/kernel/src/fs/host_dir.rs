//! Directories of the host, reached one component at a time, and the bound on how many of their descriptors are open.
//!
//! A [`HostDir`] knows its parent and its name there. Its descriptor (`O_PATH`) is opened when needed and may be
//! closed again when many others were used since; so a walk never makes the host resolve more than one component,
//! and never a symbolic link.

use super::host_stat::{self, Ident};
use crate::{Errno, Result};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use host::file::{self, HostFd, HostStat};
use host::mutex::Mutex;
use linux_raw_sys::general::{O_DIRECTORY, O_NOFOLLOW, O_PATH, O_RDWR, O_TMPFILE};

/// A descriptor that may be closed when others need the room.
#[derive(Debug, Default)]
pub struct FdSlot {
    fd: Mutex<Option<Arc<HostFd>>>,
    /// Used since the cache last looked.
    used: AtomicBool,
}

impl FdSlot {
    /// The descriptor, when it is open.
    #[inline]
    pub fn get(&self) -> Option<Arc<HostFd>> {
        let fd = self.fd.lock().clone();
        if fd.is_some() {
            self.used.store(true, Relaxed);
        }
        fd
    }

    /// Keeps `fd`, unless another thread was first; answers what is kept, and whether it is `fd`.
    fn fill(&self, fd: HostFd) -> (Arc<HostFd>, bool) {
        let mut slot = self.fd.lock();
        match &*slot {
            Some(there) => (there.clone(), false),
            None => (slot.insert(Arc::new(fd)).clone(), true),
        }
    }

    /// Empties it.
    pub fn take(&self) -> Option<Arc<HostFd>> {
        self.fd.lock().take()
    }
}

/// Something that holds a descriptor the cache may close.
pub trait FdHolder: Send + Sync {
    /// Where it is held.
    fn slot(&self) -> &FdSlot;
}

/// Bounds the host descriptors held open only to be quicker the next time.
#[derive(Default)]
pub struct FdCache {
    limit: usize,
    /// Who holds one, oldest first; those used since get another round (the clock algorithm). Rank: below all
    /// others of a file system.
    queue: Mutex<VecDeque<Weak<dyn FdHolder>>>,
}

impl FdCache {
    /// A cache that holds at most `limit` descriptors.
    pub fn new(limit: usize) -> Arc<FdCache> {
        Arc::new(FdCache { limit: limit.max(1), queue: Mutex::default() })
    }

    /// Puts `fd` into the slot of `holder`; answers what is in it afterwards.
    pub fn admit<T: FdHolder + 'static>(&self, holder: &Arc<T>, fd: HostFd) -> Arc<HostFd> {
        let (fd, new) = holder.slot().fill(fd);
        if new {
            let weak: Weak<dyn FdHolder> = Arc::<T>::downgrade(holder);
            let mut queue = self.queue.lock();
            queue.push_back(weak);
            let excess = queue.len() > self.limit;
            drop(queue);
            if excess {
                self.shrink(self.limit);
            }
        }
        fd
    }

    /// Closes descriptors until at most `limit` are held.
    fn shrink(&self, limit: usize) {
        // What is let go of is dropped without the lock: the last holder of an inode takes locks of its own.
        let mut closed = Vec::new();
        let mut holders = Vec::new();
        let mut queue = self.queue.lock();
        let mut chances = queue.len();
        while queue.len() > limit {
            let Some(weak) = queue.pop_front() else { break };
            let Some(holder) = weak.upgrade() else { continue };
            if holder.slot().used.swap(false, Relaxed) && chances > 0 {
                chances -= 1;
                queue.push_back(weak);
            } else {
                closed.push(holder.slot().take());
            }
            holders.push(holder);
        }
        drop(queue);
    }

    /// How many are held, at most.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.queue.lock().len()
    }

    /// Runs `open`; when the host has no descriptors left, closes all of the cache and tries once more.
    ///
    /// # Errors
    /// What `open` answers.
    pub fn retry(&self, mut open: impl FnMut() -> Result<HostFd>) -> Result<HostFd> {
        match open() {
            Err(Errno::MFILE | Errno::NFILE) => {
                self.shrink(0);
                open()
            }
            other => other,
        }
    }
}

/// Where a directory lies.
#[derive(Clone)]
struct Place {
    parent: Arc<HostDir>,
    name: Box<[u8]>,
}

/// A directory of the host.
pub struct HostDir {
    cache: Arc<FdCache>,
    ident: Ident,
    /// `None` for the root, whose descriptor stays open.
    place: Mutex<Option<Place>>,
    fd: FdSlot,
}

impl FdHolder for HostDir {
    fn slot(&self) -> &FdSlot {
        &self.fd
    }
}

impl HostDir {
    /// The directory `fd` stands for, as the top of a tree.
    ///
    /// # Errors
    /// `ENOTDIR`; those of statx(2).
    pub fn root(fd: HostFd, cache: Arc<FdCache>) -> Result<(Arc<HostDir>, HostStat)> {
        let stat = fd.stat()?;
        if host_stat::kind(&stat) != crate::vfs::FileType::Directory {
            return Err(Errno::NOTDIR);
        }
        let slot = FdSlot::default();
        slot.fill(fd);
        let ident = host_stat::ident(&stat);
        Ok((Arc::new(HostDir { cache, ident, place: Mutex::new(None), fd: slot }), stat))
    }

    /// The directory called `name` in this one.
    pub fn child(self: &Arc<Self>, name: &[u8], ident: Ident) -> Arc<HostDir> {
        let place = Place { parent: self.clone(), name: name.into() };
        Arc::new(HostDir {
            cache: self.cache.clone(),
            ident,
            place: Mutex::new(Some(place)),
            fd: FdSlot::default(),
        })
    }

    /// Tells that it was moved on the host. `false`, and nothing done, when it would lie inside itself.
    pub fn set_place(&self, parent: &Arc<HostDir>, name: &[u8]) -> bool {
        let mut above = Some(parent.clone());
        while let Some(dir) = above {
            if core::ptr::eq(self, &*dir) {
                return false;
            }
            above = dir.place.lock().as_ref().map(|place| place.parent.clone());
        }
        let new = Place { parent: parent.clone(), name: name.into() };
        let old = self.place.lock().replace(new);
        drop(old);
        true
    }

    /// Whether it is known as `name` in `parent`.
    #[inline]
    pub fn is_at(&self, parent: &Arc<HostDir>, name: &[u8]) -> bool {
        let place = self.place.lock();
        place.as_ref().is_some_and(|place| Arc::ptr_eq(&place.parent, parent) && *place.name == *name)
    }

    /// Whether it is the top of its tree.
    pub fn is_root(&self) -> bool {
        self.place.lock().is_none()
    }

    /// The inode it was when first seen.
    pub fn ident(&self) -> Ident {
        self.ident
    }

    /// An `O_PATH` descriptor of it.
    ///
    /// # Errors
    /// Those of open(2); `ESTALE` when something else has taken its place on the host.
    #[inline]
    pub fn fd(self: &Arc<Self>) -> Result<Arc<HostFd>> {
        match self.fd.get() {
            Some(fd) => Ok(fd),
            None => self.open(),
        }
    }

    /// Opens what is closed on the way down, nearest open ancestor first. With a list, not by recursion: trees may
    /// be deeper than the kernel stack.
    #[cold]
    fn open(self: &Arc<Self>) -> Result<Arc<HostFd>> {
        let mut way: Vec<(Arc<HostDir>, Box<[u8]>)> = Vec::new();
        let mut here = self.clone();
        let mut fd = loop {
            if let Some(fd) = here.fd.get() {
                break fd;
            }
            let place = here.place.lock().clone().ok_or(Errno::BADF)?;
            way.push((here, place.name));
            here = place.parent;
        };
        while let Some((dir, name)) = way.pop() {
            let new = self.cache.retry(|| file::openat(&fd, &name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0))?;
            if host_stat::ident(&new.stat()?) != dir.ident {
                return Err(Errno::STALE);
            }
            fd = self.cache.admit(&dir, new);
        }
        Ok(fd)
    }

    /// Attributes of `name` in it, not following a link.
    ///
    /// # Errors
    /// Those of statx(2).
    #[inline]
    pub fn stat_child(self: &Arc<Self>, name: &[u8]) -> Result<HostStat> {
        file::stat(Some(&*self.fd()?), name, file::AT_SYMLINK_NOFOLLOW)
    }

    /// Opens `name` in it with `flags` of open(2); a link there is not followed.
    ///
    /// # Errors
    /// Those of open(2).
    #[inline]
    pub fn open_child(self: &Arc<Self>, name: &[u8], flags: u32, mode: u32) -> Result<HostFd> {
        let fd = self.fd()?;
        self.cache.retry(|| file::openat(&fd, name, flags | O_NOFOLLOW, mode))
    }

    /// Attributes of itself.
    ///
    /// # Errors
    /// Those of statx(2); `ESTALE` when something else has taken its place on the host.
    pub fn stat(&self) -> Result<HostStat> {
        if let Some(fd) = self.fd.get() {
            return fd.stat();
        }
        let place = self.place.lock().clone().ok_or(Errno::BADF)?;
        let stat = place.parent.stat_child(&place.name)?;
        if host_stat::ident(&stat) == self.ident { Ok(stat) } else { Err(Errno::STALE) }
    }

    /// Opens it for reading its entries. Most directories are only listed: their own descriptor is not opened for
    /// that.
    ///
    /// # Errors
    /// Those of open(2); `ESTALE` when something else has taken its place on the host.
    pub fn open_self(&self) -> Result<HostFd> {
        if let Some(fd) = self.fd.get() {
            return self.cache.retry(|| file::openat(&fd, b".", O_DIRECTORY, 0));
        }
        let place = self.place.lock().clone().ok_or(Errno::BADF)?;
        let fd = place.parent.open_child(&place.name, O_DIRECTORY, 0)?;
        if host_stat::ident(&fd.stat()?) == self.ident { Ok(fd) } else { Err(Errno::STALE) }
    }

    /// Makes a file without a name in it (`O_TMPFILE`), open for reading and writing.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn open_unnamed(self: &Arc<Self>, mode: u32) -> Result<HostFd> {
        let fd = self.fd()?;
        self.cache.retry(|| file::openat(&fd, b".", O_TMPFILE | O_RDWR, mode))
    }
}

impl Drop for HostDir {
    /// One after the other up: a chain may be deeper than the kernel stack.
    fn drop(&mut self) {
        let mut next = self.place.get_mut().take();
        while let Some(place) = next {
            match Arc::try_unwrap(place.parent) {
                Ok(mut last) => next = last.place.get_mut().take(),
                Err(_) => break,
            }
        }
    }
}
