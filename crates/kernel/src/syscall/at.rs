//! What the `*at` calls share: from a directory descriptor and a path to the file meant (openat(2), "Rationale for
//! openat() and other directory file descriptor APIs").

use crate::task::Current;
use crate::uaccess::{self, PathBuf};
use crate::vfs::namei::Walk;
use crate::vfs::notify::{self, Events};
use crate::vfs::{Dentry, Fd, File, InodeRef, Stat};
use crate::{Errno, Result};
use alloc::sync::Arc;
use linux_raw_sys::general::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW};

/// `AT_FDCWD` as a descriptor argument.
pub(super) const CWD: Fd = AT_FDCWD;

/// The file that a directory descriptor and a path mean.
pub(super) enum Named {
    /// Found by path.
    Dentry(Arc<Dentry>),
    /// The descriptor itself, by an empty path.
    File(Arc<File>),
}

impl Named {
    pub(super) fn inode(&self) -> &InodeRef {
        match self {
            Named::Dentry(dentry) => dentry.inode(),
            Named::File(file) => &file.inode,
        }
    }

    /// Its attributes.
    #[inline]
    pub(super) fn stat(&self) -> Result<Stat> {
        match self {
            Named::Dentry(dentry) => dentry.inode().stat(),
            Named::File(file) => file.stat(),
        }
    }

    /// Tells who watches it what was changed.
    #[inline]
    pub(super) fn changed(&self, events: Events) {
        if !notify::is_active() {
            return;
        }
        match self.dentry() {
            Some(dentry) => notify::on_dentry(dentry, events),
            None => notify::on_inode(self.inode(), events),
        }
    }

    /// Its name in the tree, when it has one.
    pub(super) fn dentry(&self) -> Option<&Arc<Dentry>> {
        match self {
            Named::Dentry(dentry) => Some(dentry),
            Named::File(file) => file.dentry.as_ref(),
        }
    }
}

/// Resolves `path`. Of `flags`, `AT_SYMLINK_NOFOLLOW` and `AT_EMPTY_PATH` are looked at.
pub(super) fn lookup(cur: &Current<'_>, dirfd: Fd, path: &[u8], flags: u32) -> Result<Named> {
    if path.is_empty() {
        return if flags & AT_EMPTY_PATH != 0 { descriptor(cur, dirfd) } else { Err(Errno::NOENT) };
    }
    let follow = flags & AT_SYMLINK_NOFOLLOW == 0;
    cur.walk(dirfd, path, |walk| walk.lookup(path, follow)).map(Named::Dentry)
}

/// As [`lookup`], with the path in user memory.
#[inline]
pub(super) fn lookup_user(cur: &Current<'_>, dirfd: Fd, path: usize, flags: u32) -> Result<Named> {
    // The usual call with an empty path: fstat(2) as C libraries make it.
    if flags & AT_EMPTY_PATH != 0 && uaccess::get::<u8>(path)? == 0 {
        return descriptor(cur, dirfd);
    }
    PathBuf::with(path, |path| lookup(cur, dirfd, path, flags))
}

fn descriptor(cur: &Current<'_>, dirfd: Fd) -> Result<Named> {
    if dirfd == CWD {
        return Ok(Named::Dentry(cur.base_dir(CWD)?));
    }
    cur.file_or_path(dirfd).map(Named::File)
}

/// Reads a path and resolves it with `then`.
pub(super) fn with_path<T>(
    cur: &Current<'_>,
    dirfd: Fd,
    path: usize,
    then: impl FnOnce(Walk<'_>, &[u8]) -> Result<T>,
) -> Result<T> {
    PathBuf::with(path, |path| cur.walk(dirfd, path, |walk| then(walk, path)))
}

/// `EINVAL` when `flags` has bits outside `known`.
#[inline]
pub(super) fn check_flags(flags: u32, known: u32) -> Result<()> {
    if flags & !known != 0 { Err(Errno::INVAL) } else { Ok(()) }
}

/// As [`lookup_user`]; a null pointer counts as an empty path with `AT_EMPTY_PATH` (`getname_maybe_null`).
#[inline]
pub(super) fn lookup_user_or_null(cur: &Current<'_>, dirfd: Fd, path: usize, flags: u32) -> Result<Named> {
    if path == 0 && flags & AT_EMPTY_PATH != 0 {
        return descriptor(cur, dirfd);
    }
    lookup_user(cur, dirfd, path, flags)
}
