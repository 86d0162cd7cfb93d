//! link(2): link, linkat.

use super::at::{self, CWD, check_flags};
use super::entry;
use crate::task::{Cred, Current};
use crate::uaccess::{Args, PathBuf};
use crate::vfs::{Fd, FileType, Inode};
use crate::{Errno, Result};
use alloc::sync::Arc;
use linux_raw_sys::general::{AT_EMPTY_PATH, AT_SYMLINK_FOLLOW, AT_SYMLINK_NOFOLLOW, CAP_DAC_READ_SEARCH};

/// `link(oldpath, newpath)`
pub fn sys_link(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    link(cur, CWD, args.usize(0), CWD, args.usize(1), 0)
}

/// `linkat(olddirfd, oldpath, newdirfd, newpath, flags)`
pub fn sys_linkat(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    link(cur, args.i32(0), args.usize(1), args.i32(2), args.usize(3), args.u32(4))
}

fn link(
    cur: &Current<'_>,
    old_dirfd: Fd,
    old_path: usize,
    new_dirfd: Fd,
    new_path: usize,
    flags: u32,
) -> Result<usize> {
    check_flags(flags, AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)?;
    let follow = if flags & AT_SYMLINK_FOLLOW != 0 { 0 } else { AT_SYMLINK_NOFOLLOW };
    let old = PathBuf::with(old_path, |path| {
        // A descriptor may have come from somebody who could reach the file where we cannot; Linux demands a
        // capability, or the credentials the file was opened with, which here are always those of the instance.
        if path.is_empty() && flags & AT_EMPTY_PATH != 0 && !cur.cred().capable(CAP_DAC_READ_SEARCH) {
            return Err(Errno::NOENT);
        }
        at::lookup(cur, old_dirfd, path, follow | flags & AT_EMPTY_PATH)
    })?;
    let target = old.inode();
    entry::with_parent(cur, new_dirfd, new_path, |cred, parent| {
        entry::create(cred, parent, false, |entries, name| {
            let same = Arc::ptr_eq(&target.file_system(), &parent.dir.inode().file_system());
            if !same {
                return Err(Errno::XDEV);
            }
            if target.kind() == FileType::Directory {
                return Err(Errno::PERM);
            }
            may_link(cred, &**target)?;
            // A file whose last name was removed stays without.
            if target.stat()?.nlink == 0 && !old.dentry().is_some_and(|dentry| dentry.is_linkable()) {
                return Err(Errno::NOENT);
            }
            entries.link(name, target)
        })
    })?;
    Ok(0)
}

/// As with `/proc/sys/fs/protected_hardlinks` set, which is what nearly every system has: others' files get a further
/// name only from who could also write them, and no set-ID programs do (`may_linkat`).
///
/// # Errors
/// `EPERM`.
fn may_link(cred: &Cred, target: &dyn Inode) -> Result<()> {
    if cred.owns(target)? {
        return Ok(());
    }
    let mode = target.stat()?.mode;
    let harmless = target.kind() == FileType::Regular && mode & 0o4000 == 0 && mode & 0o2010 != 0o2010;
    if harmless && target.permission(cred, 6).is_ok() { Ok(()) } else { Err(Errno::PERM) }
}
