//! The inode of a passed-through file.

use super::{Core, file};
use crate::fs::host_dir::{FdHolder, FdSlot, HostDir};
use crate::fs::host_stat::{self, BELIEVE_HOST_NS, Ident, Rest, Seen};
use crate::fs::special;
use crate::task::Cred;
use crate::vfs::{
    CachePolicy, FileOps, FileSystem, FileType, Inode, InodeRef, NewNode, OpenFlags, RenameFlags, SetAttr,
    SpecialSlot, Stat, XattrFlags, downcast_inode,
};
use crate::{Errno, Result};
use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use host::file::{self as host_file, HostFd, HostStat, name as host_name};
use host::mutex::{Mutex, OnceLock};
use linux_raw_sys::general as g;

/// A name of a file: the directory and the name in it.
type Place = (Arc<HostDir>, Box<[u8]>);

/// A file, directory or anything else of the host.
pub struct Node {
    core: Arc<Core>,
    kind: FileType,
    ident: Ident,
    /// The directory it is; `None` for anything else.
    pub(super) dir: Option<Arc<HostDir>>,
    /// Names of what is not a directory, the one found last at the end; some may be gone by now.
    places: Mutex<Vec<Place>>,
    /// Its open files.
    open: Mutex<Vec<Weak<HostFd>>>,
    /// The descriptor it was made with, for the open that follows.
    fresh: Mutex<Option<Arc<HostFd>>>,
    /// One open for reading, for all who only read: they share no position.
    reader: FdSlot,
    /// The descriptor of a file made without a name, which lives as long as this.
    unnamed: OnceLock<Arc<HostFd>>,
    seen: Mutex<Seen>,
    rest: Rest,
    special: SpecialSlot,
}

impl FdHolder for Node {
    fn slot(&self) -> &FdSlot {
        &self.reader
    }
}

impl Node {
    fn new(core: &Arc<Core>, stat: &HostStat, dir: Option<Arc<HostDir>>, places: Vec<Place>) -> Arc<Node> {
        Arc::new(Node {
            core: core.clone(),
            kind: host_stat::kind(stat),
            ident: host_stat::ident(stat),
            dir,
            places: Mutex::new(places),
            open: Mutex::default(),
            fresh: Mutex::default(),
            reader: FdSlot::default(),
            unnamed: OnceLock::new(),
            seen: Mutex::new(Seen::now(stat)),
            rest: Rest::of(stat),
            special: SpecialSlot::new(),
        })
    }

    pub(super) fn directory(core: &Arc<Core>, dir: Arc<HostDir>, stat: &HostStat) -> Arc<Node> {
        Self::new(core, stat, Some(dir), Vec::new())
    }

    pub(super) fn file(core: &Arc<Core>, dir: &Arc<HostDir>, name: &[u8], stat: &HostStat) -> Arc<Node> {
        Self::new(core, stat, None, alloc::vec![(dir.clone(), name.into())])
    }

    /// Whether it stands for that file.
    pub(super) fn is(&self, ident: Ident, kind: FileType) -> bool {
        self.ident == ident && self.kind == kind
    }

    /// The host has it at this place, with these attributes.
    ///
    /// # Errors
    /// `ENOENT` for a directory that would lie inside itself.
    pub(super) fn found_at(&self, dir: &Arc<HostDir>, name: &[u8], stat: &HostStat) -> Result<()> {
        *self.seen.lock() = Seen::now(stat);
        if let Some(own) = &self.dir {
            let there = own.is_at(dir, name) || !own.is_root() && own.set_place(dir, name);
            return if there { Ok(()) } else { Err(Errno::NOENT) };
        }
        let mut places = self.places.lock();
        let is_here = |place: &Place| Arc::ptr_eq(&place.0, dir) && *place.1 == *name;
        if !places.last().is_some_and(is_here) {
            let mut old: Vec<_> = places.extract_if(.., |place| is_here(place)).collect();
            places.push(old.pop().unwrap_or_else(|| (dir.clone(), name.into())));
        }
        Ok(())
    }

    fn check_writable(&self) -> Result<()> {
        if self.core.read_only { Err(Errno::ROFS) } else { Ok(()) }
    }

    fn host_dir(&self) -> Result<&Arc<HostDir>> {
        self.dir.as_ref().ok_or(Errno::NOTDIR)
    }

    fn of<'a>(&self, inode: &'a InodeRef) -> Result<&'a Node> {
        downcast_inode::<Node>(inode).filter(|node| Arc::ptr_eq(&node.core, &self.core)).ok_or(Errno::XDEV)
    }

    /// A descriptor of it that is open anyway.
    fn open_fd(&self) -> Option<Arc<HostFd>> {
        if let Some(fd) = self.unnamed.get() {
            return Some(fd.clone());
        }
        self.open.lock().iter().rev().find_map(Weak::upgrade)
    }

    /// Attributes by way of a descriptor of it.
    pub(super) fn stat_open(&self, fd: &HostFd) -> Result<Stat> {
        Ok(self.rest.with(&fd.fstat()?))
    }

    /// A descriptor open for reading, from a pool of one.
    ///
    /// # Errors
    /// Those of open(2).
    pub(super) fn shared_reader(self: &Arc<Self>) -> Result<Arc<HostFd>> {
        match self.reader.get() {
            Some(fd) => Ok(fd),
            None => {
                let fd = self.open_host(g::O_RDONLY | g::O_NONBLOCK | g::O_NOCTTY)?;
                Ok(self.core.cache.admit(self, fd))
            }
        }
    }

    /// Another open file of it.
    pub(super) fn add_open(&self, fd: &Arc<HostFd>) {
        let mut open = self.open.lock();
        open.retain(|weak| weak.strong_count() > 0);
        if !open.iter().any(|weak| Weak::as_ptr(weak) == Arc::as_ptr(fd)) {
            open.push(Arc::downgrade(fd));
        }
    }

    /// The node of what is called `name` in `dir`, when there is one: somebody may have it open, or hold it otherwise.
    fn named(&self, dir: &Arc<HostDir>, name: &[u8]) -> Option<Arc<Node>> {
        dir.stat_child(name).ok().and_then(|stat| self.core.known(host_stat::ident(&stat)))
    }

    /// It is not called `name` in `dir` any more, and whatever comes to be called so is another file.
    fn left(&self, dir: &Arc<HostDir>, name: &[u8]) {
        let mut places = self.places.lock();
        let gone: Vec<_> =
            places.extract_if(.., |place| Arc::ptr_eq(&place.0, dir) && *place.1 == *name).collect();
        drop(places);
        drop(gone);
    }

    /// Tries `then` with each name it may have, the latest first; names that turn out to be gone, or to belong to
    /// another file, are forgotten.
    fn by_name<T>(&self, then: impl Fn(&Arc<HostDir>, &[u8]) -> Result<T>) -> Result<T> {
        loop {
            let Some((dir, name)) = self.places.lock().last().cloned() else { return Err(Errno::NOENT) };
            match then(&dir, &name) {
                Err(Errno::NOENT | Errno::STALE | Errno::NOTDIR) => {
                    let mut places = self.places.lock();
                    let gone = places.pop_if(|place| Arc::ptr_eq(&place.0, &dir) && place.1 == name);
                    drop(places);
                    drop(gone);
                }
                other => return other,
            }
        }
    }

    /// The host's attributes; of what has replaced it under its last name, when it has none of its own any more.
    fn host_stat(&self) -> Result<HostStat> {
        if let Some(dir) = &self.dir {
            return dir.stat();
        }
        if let Some(fd) = self.open_fd() {
            return fd.stat();
        }
        let mut replaced = None;
        for (dir, name) in self.places.lock().iter().rev() {
            match dir.stat_child(name) {
                Ok(stat) if host_stat::ident(&stat) == self.ident => return Ok(stat),
                Ok(stat) if host_stat::kind(&stat) == self.kind => replaced = replaced.or(Some(stat)),
                Ok(_) | Err(Errno::NOENT | Errno::STALE | Errno::NOTDIR) => {}
                Err(errno) => return Err(errno),
            }
        }
        replaced.ok_or(Errno::NOENT)
    }

    /// Runs `then` with a descriptor and a name relative to it, empty when the descriptor is the file itself.
    fn at<T>(&self, then: impl Fn(&HostFd, &[u8]) -> Result<T>) -> Result<T> {
        if let Some(dir) = &self.dir {
            return then(&*dir.fd()?, b"");
        }
        if let Some(fd) = self.open_fd() {
            return then(&fd, b"");
        }
        self.by_name(|dir, name| then(&*dir.fd()?, name))
    }

    /// Runs `then` with a descriptor that stands for the file, opened for nothing.
    fn with_path_fd<T>(&self, then: impl Fn(&HostFd) -> Result<T>) -> Result<T> {
        self.at(|fd, name| match name {
            b"" => then(fd),
            _ => then(&host_file::open_name(fd, name)?),
        })
    }

    fn truncate(&self, size: u64) -> Result<()> {
        // Through a file open for writing, as ftruncate(2) needs no permission beyond that.
        let open: Vec<_> = self.open.lock().iter().filter_map(Weak::upgrade).collect();
        for fd in open.iter().chain(self.unnamed.get()) {
            if fd.truncate(size).is_ok() {
                return Ok(());
            }
        }
        self.open_host(g::O_WRONLY | g::O_NONBLOCK)?.truncate(size)
    }

    /// Opens the host's file.
    ///
    /// # Errors
    /// Those of open(2).
    pub(super) fn open_host(&self, flags: u32) -> Result<HostFd> {
        let result = self.by_name(|dir, name| dir.open_child(name, flags, 0));
        match (result, self.open_fd()) {
            // Without a name, but open elsewhere: again through that.
            (Err(Errno::NOENT), Some(fd)) => fd.reopen(flags),
            (result, _) => result,
        }
    }

    /// The descriptor it was made with, open for reading and writing, once.
    pub(super) fn take_fresh(&self) -> Option<Arc<HostFd>> {
        self.fresh.lock().take()
    }

    /// Gives a file just made the owner the program asked for, where the host's rules gave another.
    fn own(&self, dir_stat_gid: bool, new: &NewNode<'_>, stat: &HostStat) -> Result<()> {
        let uid = (stat.stx_uid != new.uid).then_some(new.uid);
        let gid = (stat.stx_gid != new.gid && !dir_stat_gid).then_some(new.gid);
        if uid.is_some() || gid.is_some() {
            self.at(|fd, name| host_file::chown(fd, name, uid, gid))?;
        }
        Ok(())
    }
}

impl Inode for Node {
    fn kind(&self) -> FileType {
        self.kind
    }

    fn stat(&self) -> Result<Stat> {
        if self.dir.is_none()
            && let Some(fd) = self.open_fd()
        {
            return self.stat_open(&fd);
        }
        Ok(host_stat::convert(&self.host_stat()?))
    }

    fn file_system(&self) -> Arc<dyn FileSystem> {
        self.core.clone()
    }

    fn set_attr(&self, change: &SetAttr) -> Result<()> {
        self.check_writable()?;
        // Whatever comes of it, what was seen is seen anew.
        self.seen.lock().forget();
        if let Some(size) = change.size {
            match self.kind {
                FileType::Regular => self.truncate(size)?,
                FileType::Directory => return Err(Errno::ISDIR),
                _ => return Err(Errno::INVAL),
            }
        }
        // chown(2) of nothing changes the time of change all the same, and comes as a change of nothing.
        let nothing = [change.mode, change.uid, change.gid].iter().all(Option::is_none)
            && change.size.is_none()
            && change.atime.or(change.mtime).is_none();
        if change.uid.is_some() || change.gid.is_some() || nothing {
            self.at(|fd, name| host_file::chown(fd, name, change.uid, change.gid))?;
        }
        if let Some(mode) = change.mode {
            self.at(|fd, name| host_file::chmod(fd, name, mode & 0o7777))?;
        }
        if change.atime.is_some() || change.mtime.is_some() {
            let [atime, mtime] = host_stat::new_times(change);
            self.at(|fd, name| host_file::set_times(fd, name, atime, mtime))?;
        }
        Ok(())
    }

    fn permission(&self, cred: &Cred, mask: u32) -> Result<()> {
        // Devices and fifos may be written all the same (`sb_permission`).
        if mask & 2 != 0 && matches!(self.kind, FileType::Regular | FileType::Directory | FileType::Symlink) {
            self.check_writable()?;
        }
        let mut seen = *self.seen.lock();
        if !seen.is_fresh() {
            seen = Seen::now(&self.host_stat()?);
            *self.seen.lock() = seen;
        }
        seen.check(cred, mask)
    }

    fn cache_policy(&self) -> CachePolicy {
        CachePolicy::For(BELIEVE_HOST_NS)
    }

    fn lookup(&self, name: &[u8]) -> Result<InodeRef> {
        let dir = self.host_dir()?;
        let stat = dir.stat_child(name)?;
        Ok(self.core.node(dir, name, &stat)?)
    }

    fn create(&self, name: &[u8], new: &NewNode<'_>) -> Result<InodeRef> {
        self.check_writable()?;
        let dir = self.host_dir()?;
        let fd = dir.fd()?;
        let mut fresh = None;
        match new.kind {
            FileType::Directory => host_name::mkdir(&fd, name, new.mode)?,
            FileType::Symlink => host_name::symlink(new.target, &fd, name)?,
            FileType::Regular => {
                let flags = g::O_RDWR | g::O_CREAT | g::O_EXCL | g::O_NOCTTY;
                fresh = Some(dir.open_child(name, flags, new.mode)?);
            }
            kind => host_name::mknod(&fd, name, kind.mode_bits() | new.mode, new.rdev)?,
        }
        let stat = match &fresh {
            Some(fd) => fd.stat()?,
            None => dir.stat_child(name)?,
        };
        let node = self.core.node(dir, name, &stat)?;
        let by_directory = self.seen.lock().mode() & 0o2000 != 0;
        node.own(by_directory, new, &stat)?;
        if let Some(fd) = fresh {
            *node.fresh.lock() = Some(Arc::new(fd));
        }
        Ok(node)
    }

    fn create_unnamed(&self, new: &NewNode<'_>) -> Result<InodeRef> {
        self.check_writable()?;
        let fd = self.host_dir()?.open_unnamed(new.mode)?;
        let stat = fd.stat()?;
        let node = Node::new(&self.core, &stat, None, Vec::new());
        // It is alone: nobody else has set it.
        let _ = node.unnamed.set(Arc::new(fd));
        self.core.table.lock().insert(super::key(node.ident), Arc::downgrade(&node));
        node.own(false, new, &stat)?;
        Ok(node)
    }

    fn link(&self, name: &[u8], target: &InodeRef) -> Result<()> {
        self.check_writable()?;
        let target = self.of(target)?;
        if target.kind == FileType::Directory {
            return Err(Errno::PERM);
        }
        let dir = self.host_dir()?;
        let fd = dir.fd()?;
        match target.unnamed.get() {
            Some(file) if target.places.lock().is_empty() => host_name::link_open(file, &fd, name)?,
            _ => target.by_name(|from, old| host_name::link(&*from.fd()?, old, &fd, name))?,
        }
        let place = (dir.clone(), name.into());
        target.places.lock().push(place);
        Ok(())
    }

    fn unlink(&self, name: &[u8]) -> Result<()> {
        self.check_writable()?;
        let dir = self.host_dir()?;
        let there = self.named(dir, name);
        host_name::unlink(&*dir.fd()?, name)?;
        if let Some(node) = there {
            node.left(dir, name);
        }
        Ok(())
    }

    fn rmdir(&self, name: &[u8]) -> Result<()> {
        self.check_writable()?;
        host_name::rmdir(&*self.host_dir()?.fd()?, name)
    }

    fn rename(&self, name: &[u8], new_dir: &InodeRef, new_name: &[u8], flags: RenameFlags) -> Result<()> {
        self.check_writable()?;
        let new_dir = self.of(new_dir)?.host_dir()?;
        let dir = self.host_dir()?;
        let replaced = self.named(new_dir, new_name);
        host_name::rename(&*dir.fd()?, name, &*new_dir.fd()?, new_name, flags.bits())?;
        if let Some(node) = replaced {
            node.left(new_dir, new_name);
        }
        // Those who hold the files find them at their new places. What vanished meanwhile is another's doing.
        let moved = [Some((new_dir, new_name)), flags.contains(RenameFlags::EXCHANGE).then_some((dir, name))];
        for (dir, name) in moved.into_iter().flatten() {
            if let Ok(stat) = dir.stat_child(name)
                && let Some(node) = self.core.known(host_stat::ident(&stat))
            {
                node.found_at(dir, name, &stat)?;
            }
        }
        Ok(())
    }

    fn readlink(&self) -> Result<Vec<u8>> {
        if self.kind != FileType::Symlink {
            return Err(Errno::INVAL);
        }
        self.by_name(|dir, name| host_name::readlink(&*dir.fd()?, name))
    }

    fn open(self: Arc<Self>, flags: OpenFlags) -> Result<Box<dyn FileOps>> {
        match self.kind {
            FileType::Regular => {
                if flags.writable() {
                    self.check_writable()?;
                }
                file::OpenFile::open(self, flags)
            }
            FileType::Directory => Ok(Box::new(file::OpenDir::new(self))),
            FileType::Symlink => Err(Errno::LOOP),
            _ => {
                let inode: InodeRef = self;
                special::open(&inode, flags)
            }
        }
    }

    fn special_slot(&self) -> Option<&SpecialSlot> {
        matches!(self.kind, FileType::Fifo | FileType::Socket).then_some(&self.special)
    }

    fn get_xattr(&self, name: &[u8]) -> Result<Vec<u8>> {
        self.with_path_fd(|fd| fd.get_xattr(name))
    }

    fn set_xattr(&self, name: &[u8], value: &[u8], flags: XattrFlags) -> Result<()> {
        self.check_writable()?;
        self.with_path_fd(|fd| fd.set_xattr(name, value, flags.bits()))
    }

    fn list_xattr(&self) -> Result<Vec<Vec<u8>>> {
        let list = self.with_path_fd(HostFd::list_xattr)?;
        Ok(list.split(|&byte| byte == 0).filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect())
    }

    fn remove_xattr(&self, name: &[u8]) -> Result<()> {
        self.check_writable()?;
        self.with_path_fd(|fd| fd.remove_xattr(name))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.core.forget(self, self.ident);
    }
}
