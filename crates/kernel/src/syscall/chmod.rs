//! chmod(2): chmod, fchmod, fchmodat, fchmodat2.

use super::at::{self, CWD, Named, check_flags};
use crate::task::{Cred, Current};
use crate::uaccess::Args;
use crate::vfs::notify::Events;
use crate::vfs::{FileType, SetAttr, note_setid_change};
use crate::{Errno, Result};
use linux_raw_sys::general::{AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, CAP_FSETID};

/// `chmod(path, mode)`
pub fn sys_chmod(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let found = at::lookup_user(cur, CWD, args.usize(0), 0)?;
    chmod(&cur.cred(), &found, args.u32(1))
}

/// `fchmod(fd, mode)`
pub fn sys_fchmod(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let file = Named::File(cur.file(args.i32(0))?);
    chmod(&cur.cred(), &file, args.u32(1))
}

/// `fchmodat(dirfd, path, mode)`: this call has no flags.
pub fn sys_fchmodat(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let found = at::lookup_user(cur, args.i32(0), args.usize(1), 0)?;
    chmod(&cur.cred(), &found, args.u32(2))
}

/// `fchmodat2(dirfd, path, mode, flags)`
pub fn sys_fchmodat2(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let flags = args.u32(3);
    check_flags(flags, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
    let found = at::lookup_user(cur, args.i32(0), args.usize(1), flags)?;
    chmod(&cur.cred(), &found, args.u32(2))
}

fn chmod(cred: &Cred, found: &Named, mode: u32) -> Result<usize> {
    let inode = found.inode();
    if inode.kind() == FileType::Symlink {
        return Err(Errno::OPNOTSUPP);
    }
    if !cred.owns(&**inode)? {
        return Err(Errno::PERM);
    }
    let mut mode = mode & 0o7777;
    // Who is not of the file's group cannot make a program run with it (`setattr_prepare`).
    if mode & 0o2000 != 0 && !cred.capable(CAP_FSETID) && !cred.in_group(inode.stat()?.gid) {
        mode &= !0o2000;
    }
    inode.set_attr(&SetAttr { mode: Some(mode), ..SetAttr::default() })?;
    found.changed(Events::ATTRIB);
    if mode & 0o6000 != 0 {
        note_setid_change();
    }
    Ok(0)
}
