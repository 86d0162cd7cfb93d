//! /proc/PID/fd and /proc/PID/fdinfo.

use crate::task::Process;
use crate::vfs::{File, FileOps, FileType, InodeRef, MagicLink, PATH_MAX};
use crate::{Errno, Result};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// What readlink(2) of /proc/PID/fd/N answers: the path, or a name in brackets for files without one.
///
/// # Errors
/// `ENAMETOOLONG`.
pub fn link_text(process: &Arc<Process>, file: &File) -> Result<Vec<u8>> {
    if let Some(dentry) = &file.dentry {
        return dentry_text(process, dentry);
    }
    if let Some(text) = file.ops.link_text() {
        return Ok(text);
    }
    let ino = file.inode.stat().map_or(0, |stat| stat.ino);
    let text = match file.inode.kind() {
        FileType::Fifo => alloc::format!("pipe:[{ino}]"),
        FileType::Socket => alloc::format!("socket:[{ino}]"),
        _ => alloc::format!("anon_inode:[{ino}]"),
    };
    Ok(text.into_bytes())
}

/// The path of a name as this process sees it.
///
/// # Errors
/// `ENAMETOOLONG` when no call takes a path so long.
pub fn dentry_text(process: &Arc<Process>, dentry: &Arc<crate::vfs::Dentry>) -> Result<Vec<u8>> {
    let root = process.fs.lock().root.lock().clone();
    let mut path = dentry.path_from(&root).unwrap_or_else(|| b"(unreachable)/".to_vec());
    if dentry.is_unlinked() {
        path.extend_from_slice(b" (deleted)");
    }
    if path.len() < PATH_MAX { Ok(path) } else { Err(Errno::NAMETOOLONG) }
}

/// Where following the link leads.
pub fn target(file: &File) -> MagicLink {
    match &file.dentry {
        Some(dentry) => MagicLink::Dentry(dentry.clone()),
        None => {
            let inode: InodeRef = file.inode.clone();
            MagicLink::Inode(inode)
        }
    }
}

/// /proc/PID/fdinfo/N.
pub fn info(file: &File, cloexec: bool) -> Vec<u8> {
    let flags = file.flags().bits() | if cloexec { 0o2000000 } else { 0 };
    let position = file.position.peek();
    let ino = file.inode.stat().map_or(0, |stat| stat.ino);
    let mut out =
        alloc::format!("pos:\t{position}\nflags:\t0{flags:o}\nmnt_id:\t21\nino:\t{ino}\n").into_bytes();
    let ops: &dyn FileOps = &*file.ops;
    ops.fdinfo(&mut out);
    out
}
