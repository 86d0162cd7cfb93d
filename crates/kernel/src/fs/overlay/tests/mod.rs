//! Tests of the overlay against real directories of the host. `model` compares it with the host operation by
//! operation; the others pin single promises.

mod content;
mod dirs;
mod listing;
mod model;
mod threads;

extern crate std;

use super::{Limits, Overlay};
use crate::fs::hostfs::HostFs;
use crate::vfs::{
    FileOps, FileType, InodeRef, MmapSource, NewNode, OpenFlags, ReaddirSink, SetAttr, WriteAt,
};
use crate::{Errno, Result};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use host::file::HostFd;
use host::io::{IoDst, IoSrc};
use linux_raw_sys::general::{O_DIRECTORY, O_PATH};
use std::path::{Path, PathBuf};
use std::{format, fs};

/// A directory of the host, removed at the end.
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn new() -> TempDir {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("fncall-overlay-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        TempDir(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn fd(&self) -> HostFd {
        use std::os::unix::ffi::OsStrExt;
        host::file::open(None, self.0.as_os_str().as_bytes(), O_PATH | O_DIRECTORY, 0, 0).unwrap()
    }

    pub fn overlay(&self) -> Arc<Overlay> {
        Overlay::new(Some(self.fd()), Limits::default()).unwrap()
    }

    pub fn hostfs(&self) -> Arc<HostFs> {
        HostFs::new(self.fd()).unwrap()
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A file system in memory without a host directory.
pub fn tmpfs() -> Arc<Overlay> {
    Overlay::new(None, Limits::default()).unwrap()
}

pub fn new_node(kind: FileType, mode: u32) -> NewNode<'static> {
    // The owner the host gives to new files, so that both sides agree.
    let own = fs::metadata("/proc/self").unwrap();
    use std::os::unix::fs::MetadataExt;
    NewNode { kind, mode, uid: own.uid(), gid: own.gid(), target: b"", rdev: 0 }
}

/// Resolves a path of plain names.
pub fn walk(root: &InodeRef, path: &str) -> Result<InodeRef> {
    path.split('/')
        .filter(|name| !name.is_empty())
        .try_fold(root.clone(), |dir, name| dir.lookup(name.as_bytes()))
}

pub fn mkfile(dir: &InodeRef, name: &str) -> Result<InodeRef> {
    dir.create(name.as_bytes(), &new_node(FileType::Regular, 0o644))
}

pub fn mkdir(dir: &InodeRef, name: &str) -> Result<InodeRef> {
    dir.create(name.as_bytes(), &new_node(FileType::Directory, 0o755))
}

pub fn open(inode: &InodeRef) -> Box<dyn FileOps> {
    inode.clone().open(OpenFlags::RDWR).unwrap()
}

pub fn write(file: &dyn FileOps, offset: u64, bytes: &[u8]) -> Result<usize> {
    let (count, end) = file.write(&mut IoSrc::kernel(bytes), WriteAt::Offset(offset), false)?;
    assert_eq!(end, offset + count as u64);
    Ok(count)
}

pub fn read(file: &dyn FileOps, offset: u64, len: usize) -> Result<Vec<u8>> {
    let mut buf = alloc::vec![0xaa; len];
    let count = file.read(&mut IoDst::kernel(&mut buf), offset, false)?;
    buf.truncate(count);
    Ok(buf)
}

pub fn content(inode: &InodeRef) -> Vec<u8> {
    let file = inode.clone().open(OpenFlags::empty()).unwrap();
    let mut all = Vec::new();
    loop {
        let part = read(&*file, all.len() as u64, 100_000).unwrap();
        if part.is_empty() {
            return all;
        }
        all.extend(part);
    }
}

pub fn truncate(inode: &InodeRef, size: u64) -> Result<()> {
    inode.set_attr(&SetAttr { size: Some(size), ..SetAttr::default() })
}

pub fn chmod(inode: &InodeRef, mode: u32) -> Result<()> {
    inode.set_attr(&SetAttr { mode: Some(mode), ..SetAttr::default() })
}

/// One entry as a listing told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub ino: u64,
    pub next: u64,
    pub kind: FileType,
    pub name: String,
}

/// Takes so many entries.
pub struct Collect(pub Vec<Listed>, pub usize);

impl ReaddirSink for Collect {
    fn entry(&mut self, ino: u64, next: u64, kind: FileType, name: &[u8]) -> bool {
        if self.1 == 0 {
            return false;
        }
        self.1 -= 1;
        self.0.push(Listed { ino, next, kind, name: String::from_utf8(name.to_vec()).unwrap() });
        true
    }
}

/// Lists an open directory from a position, `step` entries a call.
pub fn list_from(dir: &dyn FileOps, mut from: u64, step: usize) -> Vec<Listed> {
    let mut all = Vec::new();
    loop {
        let mut sink = Collect(Vec::new(), step);
        dir.readdir(from, &mut sink).unwrap();
        let Some(last) = sink.0.last() else { return all };
        from = last.next;
        all.extend(sink.0);
    }
}

pub fn names(dir: &InodeRef) -> Vec<String> {
    let open = dir.clone().open(OpenFlags::DIRECTORY).unwrap();
    let all = list_from(&*open, 0, usize::MAX).into_iter().map(|entry| entry.name);
    let mut all: Vec<_> = all.filter(|name| name != "." && name != "..").collect();
    all.sort();
    all
}

/// All that a program can see of a tree, except times and numbers: path to description.
pub fn describe(root: &InodeRef) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let mut todo = alloc::vec![(String::new(), root.clone())];
    while let Some((path, inode)) = todo.pop() {
        let stat = inode.stat().unwrap();
        assert_eq!(stat.kind(), inode.kind(), "{path}");
        let size = if inode.kind() == FileType::Directory { 0 } else { stat.size };
        let mut text =
            format!("{:o} links {} owner {}:{} size {size}", stat.mode, stat.nlink, stat.uid, stat.gid);
        match inode.kind() {
            FileType::Directory => {
                let open = inode.clone().open(OpenFlags::DIRECTORY).unwrap();
                for entry in list_from(&*open, 0, 3) {
                    if entry.name == "." {
                        assert_eq!(entry.ino, stat.ino, "{path}");
                    }
                    if matches!(&*entry.name, "." | "..") {
                        continue;
                    }
                    let child = inode.lookup(entry.name.as_bytes()).unwrap();
                    assert_eq!(child.kind(), entry.kind, "{path}/{}", entry.name);
                    assert_eq!(child.stat().unwrap().ino, entry.ino, "{path}/{}", entry.name);
                    todo.push((format!("{path}/{}", entry.name), child));
                }
            }
            FileType::Regular => text += &format!(" {}", summary(&content(&inode))),
            FileType::Symlink => text += &format!(" -> {:?}", inode.readlink()),
            _ => {}
        }
        let mut names = inode.list_xattr().unwrap();
        names.sort();
        for name in names.iter().filter(|name| name.starts_with(b"user.")) {
            text += &format!(" {name:?}={:?}", inode.get_xattr(name));
        }
        let old = out.insert(path.clone(), text);
        assert!(old.is_none(), "{path} listed twice");
    }
    out
}

/// Content in words: runs of equal bytes.
fn summary(bytes: &[u8]) -> String {
    let runs = bytes.chunk_by(|a, b| a == b).map(|run| format!("{}x{:02x}", run.len(), run[0]));
    runs.collect::<Vec<_>>().join(" ")
}

/// Names and content of a tree of the host, to see that nothing changed.
pub fn snapshot(path: &Path) -> BTreeMap<String, String> {
    use std::os::unix::ffi::OsStrExt;
    let fd = host::file::open(None, path.as_os_str().as_bytes(), O_PATH | O_DIRECTORY, 0, 0).unwrap();
    describe(&HostFs::new(fd).unwrap().root())
}

/// The bytes that a mapping of `source` at its offset would show.
pub fn mapped(source: &MmapSource, len: usize) -> Vec<u8> {
    let MmapSource::Host { fd, offset } = source else { panic!("not mapped from the host") };
    let mut buf = alloc::vec![0; len];
    let count = fd.read(&mut IoDst::kernel(&mut buf), Some(*offset)).unwrap();
    buf.truncate(count);
    buf
}

/// The error of a result that must be one.
pub fn error<T>(result: Result<T>) -> Errno {
    match result {
        Ok(_) => panic!("succeeded"),
        Err(errno) => errno,
    }
}
