//! The smallest file system that can do everything: for tests of the system calls and the name tree alone.

use crate::task::Cred;
use crate::vfs::{
    CachePolicy, FileOps, FileSystem, FileType, Inode, InodeRef, NewNode, OpenFlags, ReaddirSink,
    RenameFlags, SetAttr, Stat, StatFs, TimeSpec, WriteAt, WriteCount, XattrFlags, downcast_inode,
};
use crate::{Errno, Result};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use host::io::{IoDst, IoSrc};
use host::mutex::Mutex;

static NEXT_INO: AtomicU64 = AtomicU64::new(2);

/// The file system.
pub struct MemFs;

impl FileSystem for MemFs {
    fn name(&self) -> &'static str {
        "memfs"
    }
    fn statfs(&self) -> Result<StatFs> {
        Ok(StatFs { kind: 0x0102_1994, bsize: 4096, namelen: 255, frsize: 4096, ..StatFs::default() })
    }
}

impl MemFs {
    /// The root directory of a new tree, mode 0755, of root.
    pub fn root() -> InodeRef {
        Arc::new_cyclic(|me: &Weak<Node>| {
            Node::build(me.clone(), &node(FileType::Directory, 0o755), FileType::Directory, Arc::new(MemFs))
        })
    }
}

fn node(kind: FileType, mode: u32) -> NewNode<'static> {
    NewNode { kind, mode, uid: 0, gid: 0, target: b"", rdev: 0 }
}

struct Node {
    me: Weak<Node>,
    fs: Arc<dyn FileSystem>,
    kind: FileType,
    state: Mutex<State>,
    writers: WriteCount,
}

struct State {
    stat: Stat,
    data: Vec<u8>,
    children: BTreeMap<Vec<u8>, Arc<Node>>,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    dead: bool,
}

impl Node {
    fn build(me: Weak<Node>, new: &NewNode<'_>, kind: FileType, fs: Arc<dyn FileSystem>) -> Node {
        let stat = Stat {
            dev: 0x2a,
            ino: NEXT_INO.fetch_add(1, Relaxed),
            mode: new.mode & 0o7777 | kind.mode_bits(),
            nlink: if kind == FileType::Directory { 2 } else { 1 },
            uid: new.uid,
            gid: new.gid,
            rdev: new.rdev,
            size: new.target.len() as u64,
            blksize: 4096,
            btime: Some(TimeSpec::now()),
            ..Stat::default()
        };
        let stat = stat.at(TimeSpec::now());
        let state = State {
            stat,
            data: new.target.to_vec(),
            children: BTreeMap::new(),
            xattrs: BTreeMap::new(),
            dead: false,
        };
        Node { me, fs, kind, state: Mutex::new(state), writers: WriteCount::default() }
    }

    fn child(&self, new: &NewNode<'_>) -> Arc<Node> {
        let dir = self.state.lock().stat;
        let mut new = new.clone();
        if dir.mode & 0o2000 != 0 {
            new.gid = dir.gid;
            if new.kind == FileType::Directory {
                new.mode |= 0o2000;
            }
        }
        Arc::new_cyclic(|me: &Weak<Node>| Node::build(me.clone(), &new, new.kind, self.fs.clone()))
    }

    fn remove(&self, name: &[u8], dir: bool) -> Result<()> {
        let mut state = self.state.lock();
        let child = state.children.get(name).cloned().ok_or(Errno::NOENT)?;
        match (child.kind == FileType::Directory, dir) {
            (true, false) => return Err(Errno::ISDIR),
            (false, true) => return Err(Errno::NOTDIR),
            _ => {}
        }
        child.leave(dir)?;
        state.children.remove(name);
        state.stat.mtime = TimeSpec::now();
        if dir {
            state.stat.nlink -= 1;
        }
        Ok(())
    }

    /// One name less.
    fn leave(&self, dir: bool) -> Result<()> {
        let mut state = self.state.lock();
        if dir {
            if !state.children.is_empty() {
                return Err(Errno::NOTEMPTY);
            }
            state.stat.nlink = 0;
            state.dead = true;
        } else {
            state.stat.nlink -= 1;
        }
        state.stat.ctime = TimeSpec::now();
        Ok(())
    }
}

impl Inode for Node {
    fn kind(&self) -> FileType {
        self.kind
    }
    fn stat(&self) -> Result<Stat> {
        Ok(self.state.lock().stat)
    }
    fn file_system(&self) -> Arc<dyn FileSystem> {
        self.fs.clone()
    }
    fn set_attr(&self, attr: &SetAttr) -> Result<()> {
        let mut state = self.state.lock();
        if let Some(size) = attr.size {
            if size > 1 << 24 {
                return Err(Errno::FBIG);
            }
            state.data.resize(size as usize, 0);
            state.stat.size = size;
            state.stat.mtime = TimeSpec::now();
        }
        state.stat.change(attr, TimeSpec::now());
        Ok(())
    }
    fn permission(&self, cred: &Cred, mask: u32) -> Result<()> {
        cred.check_mode(&self.state.lock().stat, mask)
    }
    fn cache_policy(&self) -> CachePolicy {
        CachePolicy::Always
    }
    fn lookup(&self, name: &[u8]) -> Result<InodeRef> {
        Ok(self.state.lock().children.get(name).cloned().ok_or(Errno::NOENT)?)
    }
    fn create(&self, name: &[u8], new: &NewNode<'_>) -> Result<InodeRef> {
        let child = self.child(new);
        let mut state = self.state.lock();
        if state.dead {
            return Err(Errno::NOENT);
        }
        if state.children.contains_key(name) {
            return Err(Errno::EXIST);
        }
        state.children.insert(name.to_vec(), child.clone());
        if new.kind == FileType::Directory {
            state.stat.nlink += 1;
        }
        Ok(child)
    }
    fn create_unnamed(&self, new: &NewNode<'_>) -> Result<InodeRef> {
        let child = self.child(new);
        child.state.lock().stat.nlink = 0;
        Ok(child)
    }
    fn link(&self, name: &[u8], target: &InodeRef) -> Result<()> {
        let target = downcast_inode::<Node>(target).and_then(|node| node.me.upgrade()).ok_or(Errno::XDEV)?;
        let mut state = self.state.lock();
        if state.children.contains_key(name) {
            return Err(Errno::EXIST);
        }
        target.state.lock().stat.nlink += 1;
        state.children.insert(name.to_vec(), target);
        Ok(())
    }
    fn unlink(&self, name: &[u8]) -> Result<()> {
        self.remove(name, false)
    }
    fn rmdir(&self, name: &[u8]) -> Result<()> {
        self.remove(name, true)
    }
    fn rename(&self, name: &[u8], new_dir: &InodeRef, new_name: &[u8], flags: RenameFlags) -> Result<()> {
        let new_dir = downcast_inode::<Node>(new_dir).ok_or(Errno::XDEV)?;
        let moved = self.state.lock().children.get(name).cloned().ok_or(Errno::NOENT)?;
        let there = new_dir.state.lock().children.get(new_name).cloned();
        if flags.contains(RenameFlags::EXCHANGE) {
            let there = there.ok_or(Errno::NOENT)?;
            self.state.lock().children.insert(name.to_vec(), there);
            new_dir.state.lock().children.insert(new_name.to_vec(), moved);
            return Ok(());
        }
        if flags.contains(RenameFlags::WHITEOUT) {
            return Err(Errno::INVAL);
        }
        if let Some(there) = there {
            if flags.contains(RenameFlags::NOREPLACE) {
                return Err(Errno::EXIST);
            }
            there.leave(there.kind == FileType::Directory)?;
        }
        self.state.lock().children.remove(name);
        new_dir.state.lock().children.insert(new_name.to_vec(), moved);
        Ok(())
    }
    fn readlink(&self) -> Result<Vec<u8>> {
        Ok(self.state.lock().data.clone())
    }
    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Box<dyn FileOps>> {
        match self.kind {
            FileType::Regular | FileType::Directory => Ok(Box::new(Open(self))),
            _ => Err(Errno::NXIO),
        }
    }
    fn write_count(&self) -> Option<&WriteCount> {
        (self.kind == FileType::Regular).then_some(&self.writers)
    }
    fn get_xattr(&self, name: &[u8]) -> Result<Vec<u8>> {
        self.state.lock().xattrs.get(name).cloned().ok_or(Errno::NODATA)
    }
    fn set_xattr(&self, name: &[u8], value: &[u8], flags: XattrFlags) -> Result<()> {
        let mut state = self.state.lock();
        let there = state.xattrs.contains_key(name);
        if there && flags.contains(XattrFlags::CREATE) {
            return Err(Errno::EXIST);
        }
        if !there && flags.contains(XattrFlags::REPLACE) {
            return Err(Errno::NODATA);
        }
        state.xattrs.insert(name.to_vec(), value.to_vec());
        Ok(())
    }
    fn list_xattr(&self) -> Result<Vec<Vec<u8>>> {
        Ok(self.state.lock().xattrs.keys().cloned().collect())
    }
    fn remove_xattr(&self, name: &[u8]) -> Result<()> {
        self.state.lock().xattrs.remove(name).map(|_| ()).ok_or(Errno::NODATA)
    }
}

struct Open(Arc<Node>);

impl FileOps for Open {
    fn read(&self, dst: &mut IoDst<'_>, offset: u64, _nonblock: bool) -> Result<usize> {
        let data = self.0.state.lock().data.clone();
        dst.put(data.get(offset as usize..).unwrap_or_default())
    }
    fn write(&self, src: &mut IoSrc<'_>, at: WriteAt, _nonblock: bool) -> Result<(usize, u64)> {
        let mut bytes = alloc::vec![0; src.remaining()];
        let len = src.take(&mut bytes)?;
        let mut state = self.0.state.lock();
        let start = match at {
            WriteAt::Offset(offset) => offset as usize,
            WriteAt::End => state.data.len(),
        };
        if start > 1 << 24 {
            return Err(Errno::FBIG);
        }
        let end = start + len;
        if state.data.len() < end {
            state.data.resize(end, 0);
        }
        state.data[start..end].copy_from_slice(&bytes[..len]);
        state.stat.size = state.data.len() as u64;
        state.stat.mtime = TimeSpec::now();
        Ok((len, end as u64))
    }
    fn readdir(&self, from: u64, sink: &mut dyn ReaddirSink) -> Result<()> {
        let state = self.0.state.lock();
        if self.0.kind != FileType::Directory {
            return Err(Errno::NOTDIR);
        }
        let own = state.stat.ino;
        let dots = [(own, FileType::Directory, &b"."[..]), (own, FileType::Directory, &b".."[..])];
        let rest =
            state.children.iter().map(|(name, child)| (child.state.lock().stat.ino, child.kind, &name[..]));
        for (n, (ino, kind, name)) in dots.into_iter().chain(rest).enumerate().skip(from as usize) {
            if !sink.entry(ino, n as u64 + 1, kind, name) {
                break;
            }
        }
        Ok(())
    }
    fn fsync(&self, _data_only: bool) -> Result<()> {
        Ok(())
    }
}
