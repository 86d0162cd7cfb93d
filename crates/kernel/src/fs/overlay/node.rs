//! The inode: what was changed in memory, over what the host has.

use super::content::Content;
use super::dir::Entries;
use super::xattr::Xattrs;
use super::{Core, attr, file, listing};
use crate::fs::host_dir::{FdHolder, FdSlot, HostDir};
use crate::fs::host_stat::{self, BELIEVE_HOST_NS, Ident, Rest, Seen};
use crate::fs::special;
use crate::task::Cred;
use crate::vfs::{
    CachePolicy, FileOps, FileSystem, FileType, Inode, InodeRef, NewNode, OpenFlags, RenameFlags, SetAttr,
    SpecialSlot, Stat, TimeSpec, WriteCount, XattrFlags, downcast_inode,
};
use crate::{Errno, Result};
use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use host::file::{HostFd, HostStat};
use host::mutex::Mutex;

/// A file of the host, by the directory it lies in and its name there.
pub(super) struct HostFile {
    ident: Ident,
    rest: Rest,
    place: Mutex<(Arc<HostDir>, Box<[u8]>)>,
}

impl HostFile {
    /// The host has it here, too.
    #[inline]
    pub fn set_place(&self, dir: &Arc<HostDir>, name: &[u8]) {
        let mut place = self.place.lock();
        if !Arc::ptr_eq(&place.0, dir) || *place.1 != *name {
            let old = core::mem::replace(&mut *place, (dir.clone(), name.into()));
            drop(place);
            drop(old);
        }
    }
}

/// The host's part of a node.
pub(super) enum Lower {
    None,
    Directory(Arc<HostDir>),
    File(HostFile),
}

impl Lower {
    pub fn file(stat: &HostStat, dir: &Arc<HostDir>, name: &[u8]) -> Lower {
        let place = Mutex::new((dir.clone(), name.into()));
        Lower::File(HostFile { ident: host_stat::ident(stat), rest: Rest::of(stat), place })
    }

    pub fn ident(&self) -> Option<Ident> {
        match self {
            Lower::None => None,
            Lower::Directory(dir) => Some(dir.ident()),
            Lower::File(file) => Some(file.ident),
        }
    }
}

/// What a node holds besides its attributes.
pub(super) enum Body {
    Directory(Entries),
    Regular(Content),
    /// The target; `None`: the host's.
    Symlink(Option<Box<[u8]>>),
    Special,
}

/// What changes in a node.
pub(super) struct State {
    /// `None`: unchanged, ask the host. Size and blocks of a regular file are those of its content.
    pub attr: Option<Stat>,
    pub xattrs: Xattrs,
    pub body: Body,
    /// Made without a name (`O_TMPFILE`) and may still get one.
    pub linkable: bool,
}

/// An inode of an overlay or tmpfs.
pub struct Node {
    pub(super) core: Arc<Core>,
    pub(super) kind: FileType,
    pub(super) ino: u64,
    pub(super) lower: Lower,
    pub(super) state: Mutex<State>,
    /// The content is no longer the host's.
    pub(super) copied_up: AtomicBool,
    /// The host's file, opened for reading.
    pub(super) fd: FdSlot,
    /// Permission bits of the host, while unchanged.
    seen: Mutex<Seen>,
    special: SpecialSlot,
    writers: WriteCount,
    this: Weak<Node>,
}

impl FdHolder for Node {
    fn slot(&self) -> &FdSlot {
        &self.fd
    }
}

impl Node {
    /// A node for something of the host, found in `parent`.
    pub(super) fn over(
        core: &Arc<Core>,
        kind: FileType,
        lower: Lower,
        stat: &HostStat,
        parent: Option<Arc<Node>>,
    ) -> Arc<Node> {
        let body = match kind {
            FileType::Directory => Body::Directory(Entries::found(parent)),
            FileType::Regular => Body::Regular(Content::Lower),
            FileType::Symlink => Body::Symlink(None),
            _ => Body::Special,
        };
        let ino = lower.ident().map_or(0, |ident| ident.ino);
        let state = State { attr: None, xattrs: Xattrs::default(), body, linkable: false };
        Self::new(core, kind, ino, lower, Seen::now(stat), state)
    }

    /// A new node in memory, with no name yet but counted as if it had one.
    ///
    /// # Errors
    /// `ENOSPC`.
    pub(super) fn create(core: &Arc<Core>, new: &NewNode<'_>, parent: Option<&Node>) -> Result<Arc<Node>> {
        core.quota.charge_inode()?;
        let body = match new.kind {
            FileType::Directory => Body::Directory(Entries::made(parent)),
            FileType::Regular => Body::Regular(Content::default()),
            FileType::Symlink => Body::Symlink(Some(new.target.into())),
            _ => Body::Special,
        };
        let ino = core.next_ino.fetch_add(1, Relaxed);
        let attr = Some(attr::fresh(core, ino, new));
        let state = State { attr, xattrs: Xattrs::default(), body, linkable: false };
        Ok(Self::new(core, new.kind, ino, Lower::None, Seen::never(), state))
    }

    fn new(core: &Arc<Core>, kind: FileType, ino: u64, lower: Lower, seen: Seen, state: State) -> Arc<Node> {
        let copied_up = matches!(lower, Lower::None);
        Arc::new_cyclic(|this| Node {
            core: core.clone(),
            kind,
            ino,
            lower,
            state: Mutex::new(state),
            copied_up: AtomicBool::new(copied_up),
            fd: FdSlot::default(),
            seen: Mutex::new(seen),
            special: SpecialSlot::new(),
            writers: WriteCount::default(),
            this: this.clone(),
        })
    }

    /// Itself, counted.
    ///
    /// # Errors
    /// `ESTALE` while it is being dropped, when nobody can call.
    pub(super) fn this(&self) -> Result<Arc<Node>> {
        self.this.upgrade().ok_or(Errno::STALE)
    }

    pub(super) fn weak(&self) -> Weak<Node> {
        self.this.clone()
    }

    /// The node behind an inode of the same file system.
    ///
    /// # Errors
    /// `EXDEV`.
    pub(super) fn of<'a>(&self, inode: &'a InodeRef) -> Result<&'a Node> {
        downcast_inode::<Node>(inode).filter(|node| Arc::ptr_eq(&node.core, &self.core)).ok_or(Errno::XDEV)
    }

    /// The host's attributes.
    ///
    /// # Errors
    /// Those of statx(2); `ESTALE` when the host has something of another type there now.
    pub(super) fn lower_stat(&self) -> Result<HostStat> {
        let stat = match &self.lower {
            Lower::None => return Err(Errno::STALE),
            Lower::Directory(dir) => dir.stat()?,
            Lower::File(file) => match self.fd.get() {
                Some(fd) => fd.stat()?,
                None => {
                    let place = file.place.lock();
                    let (dir, name) = &*place;
                    dir.stat_child(name)?
                }
            },
        };
        if host_stat::kind(&stat) == self.kind { Ok(stat) } else { Err(Errno::STALE) }
    }

    /// The host told of it again.
    #[inline]
    pub(super) fn see(&self, stat: &HostStat) {
        *self.seen.lock() = Seen::now(stat);
    }

    /// All attributes as the host has them.
    ///
    /// # Errors
    /// As [`lower_stat`](Self::lower_stat).
    #[inline]
    pub(super) fn lower_attr(&self) -> Result<Stat> {
        if let Lower::File(file) = &self.lower
            && let Some(fd) = self.fd.get()
        {
            return Ok(file.rest.with(&fd.fstat()?));
        }
        Ok(host_stat::convert(&self.lower_stat()?))
    }

    /// Runs `then` with the host directory it lies in and its name there.
    ///
    /// # Errors
    /// `ESTALE` for what has no such place; what `then` answers.
    pub(super) fn at_place<T>(&self, then: impl FnOnce(&Arc<HostDir>, &[u8]) -> Result<T>) -> Result<T> {
        let Lower::File(file) = &self.lower else { return Err(Errno::STALE) };
        let place = file.place.lock();
        then(&place.0, &place.1)
    }

    /// Attributes to change: copied from the host the first time, from when on the node is kept.
    ///
    /// # Errors
    /// Those of statx(2); `ESTALE` when the host has another file there now.
    pub(super) fn attr<'a>(&self, state: &'a mut State) -> Result<&'a mut Stat> {
        if state.attr.is_none() {
            let stat = self.lower_stat()?;
            let ident = host_stat::ident(&stat);
            if self.lower.ident() != Some(ident) {
                return Err(Errno::STALE);
            }
            self.core.table.pin(&self.this()?, ident)?;
            state.attr = Some(host_stat::convert(&stat));
        }
        state.attr.as_mut().ok_or(Errno::STALE)
    }

    /// One name less. Answers what kept it alive, to be dropped when no lock is held.
    ///
    /// # Errors
    /// As [`attr`](Self::attr).
    pub(super) fn drop_link(&self) -> Result<Option<Arc<Node>>> {
        let mut state = self.state.lock();
        let attr = self.attr(&mut state)?;
        attr.ctime = TimeSpec::now();
        attr.nlink = if self.kind == FileType::Directory { 0 } else { attr.nlink.saturating_sub(1) };
        if attr.nlink > 0 {
            return Ok(None);
        }
        Ok(self.lower.ident().and_then(|ident| self.core.table.unpin(self, ident)))
    }

    /// Sets the number of names of a node just made.
    pub(super) fn set_links(&self, links: u32) {
        if let Some(attr) = &mut self.state.lock().attr {
            attr.nlink = links;
        }
    }

    /// The host's file, open for reading, to be read only with offsets.
    ///
    /// # Errors
    /// Those of open(2); `ESTALE` when the host has no regular file there any more.
    pub(super) fn lower_fd(&self) -> Result<Arc<HostFd>> {
        match self.fd.get() {
            Some(fd) => Ok(fd),
            None => file::open_lower(self),
        }
    }
}

impl State {
    pub(super) fn entries(&self) -> Result<&Entries> {
        match &self.body {
            Body::Directory(entries) => Ok(entries),
            _ => Err(Errno::NOTDIR),
        }
    }

    pub(super) fn entries_mut(&mut self) -> Result<&mut Entries> {
        match &mut self.body {
            Body::Directory(entries) => Ok(entries),
            _ => Err(Errno::NOTDIR),
        }
    }
}

impl Inode for Node {
    fn kind(&self) -> FileType {
        self.kind
    }

    fn stat(&self) -> Result<Stat> {
        self.read_attr()
    }

    fn file_system(&self) -> Arc<dyn FileSystem> {
        self.core.clone()
    }

    fn set_attr(&self, change: &SetAttr) -> Result<()> {
        self.change_attr(change)
    }

    fn permission(&self, cred: &Cred, mask: u32) -> Result<()> {
        if let Some(attr) = &self.state.lock().attr {
            return cred.check_mode(attr, mask);
        }
        let mut seen = *self.seen.lock();
        if !seen.is_fresh() {
            seen = Seen::now(&self.lower_stat()?);
            *self.seen.lock() = seen;
        }
        seen.check(cred, mask)
    }

    fn cache_policy(&self) -> CachePolicy {
        match self.lower {
            Lower::None => CachePolicy::Always,
            _ => CachePolicy::For(BELIEVE_HOST_NS),
        }
    }

    fn lookup(&self, name: &[u8]) -> Result<InodeRef> {
        Ok(self.lookup_node(name)?)
    }

    fn create(&self, name: &[u8], node: &NewNode<'_>) -> Result<InodeRef> {
        Ok(self.create_entry(name, node)?)
    }

    fn create_unnamed(&self, node: &NewNode<'_>) -> Result<InodeRef> {
        Ok(self.create_without_entry(node)?)
    }

    fn link(&self, name: &[u8], target: &InodeRef) -> Result<()> {
        self.link_entry(name, self.of(target)?)
    }

    fn unlink(&self, name: &[u8]) -> Result<()> {
        self.remove_entry(name, false)
    }

    fn rmdir(&self, name: &[u8]) -> Result<()> {
        self.remove_entry(name, true)
    }

    fn rename(&self, name: &[u8], new_dir: &InodeRef, new_name: &[u8], flags: RenameFlags) -> Result<()> {
        self.rename_entry(name, self.of(new_dir)?, new_name, flags)
    }

    fn readlink(&self) -> Result<Vec<u8>> {
        let state = self.state.lock();
        match &state.body {
            Body::Symlink(Some(target)) => Ok(target.to_vec()),
            Body::Symlink(None) => {
                drop(state);
                self.at_place(|dir, name| host::file::name::readlink(&*dir.fd()?, name))
            }
            _ => Err(Errno::INVAL),
        }
    }

    fn open(self: Arc<Self>, flags: OpenFlags) -> Result<Box<dyn FileOps>> {
        match self.kind {
            FileType::Regular => file::OpenFile::open(self, flags),
            FileType::Directory => Ok(Box::new(listing::OpenDir::new(self)?)),
            FileType::Symlink => Err(Errno::LOOP),
            _ => {
                let inode: InodeRef = self;
                special::open(&inode, flags)
            }
        }
    }

    fn write_count(&self) -> Option<&WriteCount> {
        (self.kind == FileType::Regular).then_some(&self.writers)
    }

    fn special_slot(&self) -> Option<&SpecialSlot> {
        matches!(self.kind, FileType::Fifo | FileType::Socket).then_some(&self.special)
    }

    fn get_xattr(&self, name: &[u8]) -> Result<Vec<u8>> {
        self.read_xattr(name)
    }

    fn set_xattr(&self, name: &[u8], value: &[u8], flags: XattrFlags) -> Result<()> {
        self.write_xattr(name, value, flags)
    }

    fn list_xattr(&self) -> Result<Vec<Vec<u8>>> {
        self.xattr_names()
    }

    fn remove_xattr(&self, name: &[u8]) -> Result<()> {
        self.delete_xattr(name)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        match self.lower.ident() {
            Some(ident) => self.core.table.forget(ident),
            None => self.core.quota.refund_inode(),
        }
        let state = self.state.get_mut();
        let quota = &self.core.quota;
        quota.refund(state.xattrs.memory());
        match &mut state.body {
            Body::Regular(content) => quota.refund(content.memory()),
            // One after the other, up and down: a tree may be deeper than the kernel stack.
            Body::Directory(entries) => {
                let mut above = entries.take_parent();
                while let Some(mut last) = above.and_then(Arc::into_inner) {
                    above = last.state.get_mut().entries_mut().ok().and_then(Entries::take_parent);
                }
                let mut todo = entries.take_nodes(quota);
                while let Some(node) = todo.pop() {
                    let Some(mut node) = Arc::into_inner(node) else { continue };
                    if let Body::Directory(entries) = &mut node.state.get_mut().body {
                        todo.extend(entries.take_nodes(quota));
                    }
                }
            }
            _ => {}
        }
    }
}
