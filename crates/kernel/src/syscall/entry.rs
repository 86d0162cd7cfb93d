//! What the calls that make and remove names share: the last component, and who may change a directory.

use crate::task::{Cred, Current};
use crate::uaccess::PathBuf;
use crate::vfs::namei::{Last, Parent};
use crate::vfs::{Dentry, Entries, Fd, FileType, NewNode, note_setid_change};
use crate::{Errno, Result};
use alloc::sync::Arc;
use linux_raw_sys::general::{CAP_FOWNER, CAP_FSETID};

/// Resolves the path at user address `path` but for its last component and hands that to `then`.
pub(super) fn with_parent<T>(
    cur: &Current<'_>,
    dirfd: Fd,
    path: usize,
    then: impl FnOnce(&Cred, &Parent) -> Result<T>,
) -> Result<T> {
    PathBuf::with(path, |path| cur.walk(dirfd, path, |walk| then(walk.cred, &walk.parent(path)?)))
}

/// A place for a new name (`filename_create`); `then` makes the entry. `directory`: a slash may follow the name.
///
/// # Errors
/// `EEXIST` before anything else; `ENOENT` for a slash behind a name that is to be no directory; those of
/// [`may_create`].
pub(super) fn create<T>(
    cred: &Cred,
    parent: &Parent,
    directory: bool,
    then: impl FnOnce(&Entries<'_>, &[u8]) -> Result<T>,
) -> Result<T> {
    let Last::Normal(name) = &parent.last else { return Err(Errno::EXIST) };
    let entries = parent.dir.lock_entries();
    match entries.lookup(name) {
        Ok(_) => return Err(Errno::EXIST),
        Err(Errno::NOENT) => {}
        Err(errno) => return Err(errno),
    }
    if parent.trailing_slash && !directory {
        return Err(Errno::NOENT);
    }
    may_create(cred, &parent.dir)?;
    then(&entries, name)
}

/// Whether `cred` may add entries to `dir` (`may_create`).
///
/// # Errors
/// `EACCES`, `EROFS`; `ENOENT` for a removed directory.
pub(super) fn may_create(cred: &Cred, dir: &Arc<Dentry>) -> Result<()> {
    if dir.is_unlinked() {
        return Err(Errno::NOENT);
    }
    dir.inode().permission(cred, 3)
}

/// Whether `cred` may remove `victim` from `dir` (`may_delete`). `directory`: it is to be removed as one.
///
/// # Errors
/// `EACCES`, `EROFS`; `EPERM` by the sticky bit; `ENOTDIR`, `EISDIR`; `EBUSY` for a mount point.
pub(super) fn may_delete(
    cred: &Cred,
    dir: &Arc<Dentry>,
    victim: &Arc<Dentry>,
    directory: bool,
) -> Result<()> {
    dir.inode().permission(cred, 3)?;
    if !cred.capable(CAP_FOWNER) {
        let dir = dir.inode().stat()?;
        if dir.mode & 0o1000 != 0 && dir.uid != cred.fsuid && victim.inode().stat()?.uid != cred.fsuid {
            return Err(Errno::PERM);
        }
    }
    match (victim.inode().is_dir(), directory) {
        (false, true) => return Err(Errno::NOTDIR),
        (true, false) => return Err(Errno::ISDIR),
        _ => {}
    }
    if victim.is_mountpoint() { Err(Errno::BUSY) } else { Ok(()) }
}

/// Describes a new entry of `dir` that belongs to `cred`.
pub(super) fn new_node<'a>(
    cred: &Cred,
    dir: &Arc<Dentry>,
    kind: FileType,
    mut mode: u32,
    target: &'a [u8],
    rdev: u64,
) -> Result<NewNode<'a>> {
    // In a set-group-ID directory the file gets the directory's group; only who belongs to that may make a
    // set-group-ID program there (`mode_strip_sgid`).
    if mode & 0o2010 == 0o2010 && kind != FileType::Directory && !cred.capable(CAP_FSETID) {
        let dir = dir.inode().stat()?;
        if dir.mode & 0o2000 != 0 && !cred.in_group(dir.gid) {
            mode &= !0o2000;
        }
    }
    if mode & 0o6000 != 0 {
        note_setid_change();
    }
    Ok(NewNode { kind, mode, uid: cred.fsuid, gid: cred.fsgid, target, rdev })
}
