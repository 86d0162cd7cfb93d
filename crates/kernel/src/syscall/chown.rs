//! chown(2): chown, fchown, lchown, fchownat.

use super::at::{self, CWD, Named, check_flags};
use super::rw::without_setid;
use crate::task::{Cred, Current};
use crate::uaccess::Args;
use crate::vfs::SetAttr;
use crate::vfs::notify::Events;
use crate::{Errno, Result};
use linux_raw_sys::general::{AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, CAP_CHOWN};

/// `chown(path, owner, group)`
pub fn sys_chown(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let found = at::lookup_user(cur, CWD, args.usize(0), 0)?;
    chown(&cur.cred(), &found, args.u32(1), args.u32(2))
}

/// `lchown(path, owner, group)`
pub fn sys_lchown(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let found = at::lookup_user(cur, CWD, args.usize(0), AT_SYMLINK_NOFOLLOW)?;
    chown(&cur.cred(), &found, args.u32(1), args.u32(2))
}

/// `fchown(fd, owner, group)`
pub fn sys_fchown(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let file = Named::File(cur.file(args.i32(0))?);
    chown(&cur.cred(), &file, args.u32(1), args.u32(2))
}

/// `fchownat(dirfd, path, owner, group, flags)`
pub fn sys_fchownat(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let flags = args.u32(4);
    check_flags(flags, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
    let found = at::lookup_user(cur, args.i32(0), args.usize(1), flags)?;
    chown(&cur.cred(), &found, args.u32(2), args.u32(3))
}

/// `chown_common`; an id of -1 stays as it is.
fn chown(cred: &Cred, found: &Named, uid: u32, gid: u32) -> Result<usize> {
    let inode = found.inode();
    let stat = inode.stat()?;
    let uid = (uid != u32::MAX).then_some(uid);
    let gid = (gid != u32::MAX).then_some(gid);
    let owner = cred.fsuid == stat.uid;
    let uid_ok = uid.is_none_or(|uid| owner && uid == stat.uid);
    let gid_ok = gid.is_none_or(|gid| owner && (gid == stat.gid || cred.in_group(gid)));
    if !(uid_ok && gid_ok || cred.capable(CAP_CHOWN)) {
        return Err(Errno::PERM);
    }
    // Even for root: the new owner did not ask for a program that runs in his name.
    let mode = if inode.is_dir() { None } else { without_setid(cred, &stat) };
    inode.set_attr(&SetAttr { mode, uid, gid, ..SetAttr::default() })?;
    if mode.or(uid).or(gid).is_some() {
        found.changed(Events::ATTRIB);
    }
    Ok(0)
}
