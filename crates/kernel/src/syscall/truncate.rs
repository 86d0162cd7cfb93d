//! truncate(2): truncate, ftruncate.

use super::at::{self, CWD};
use super::rw::without_setid;
use crate::task::{Cred, Current, Resource};
use crate::uaccess::Args;
use crate::vfs::notify::{self, Events};
use crate::vfs::{FileType, InodeRef, SetAttr, Writing, lease};
use crate::{Errno, Result};
use linux_raw_sys::general::{CAP_FSETID, SIGXFSZ};

/// `truncate(path, length)`
pub fn sys_truncate(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let len = u64::try_from(args.i64(1)).map_err(|_| Errno::INVAL)?;
    let found = at::lookup_user(cur, CWD, args.usize(0), 0)?;
    let inode = found.inode();
    match inode.kind() {
        FileType::Regular => {}
        FileType::Directory => return Err(Errno::ISDIR),
        _ => return Err(Errno::INVAL),
    }
    let cred = cur.cred();
    inode.permission(&cred, 2)?;
    check_limit(cur, inode, len)?;
    let writing = Writing::begin(inode)?;
    lease::break_for(inode, true, false)?;
    set_size(&cred, inode, len)?;
    drop(writing);
    found.changed(Events::MODIFY);
    Ok(0)
}

/// `ftruncate(fd, length)`
pub fn sys_ftruncate(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let len = u64::try_from(args.i64(1)).map_err(|_| Errno::INVAL)?;
    let file = cur.file(args.i32(0))?;
    if file.kind() != FileType::Regular || !file.flags().writable() {
        return Err(Errno::INVAL);
    }
    check_limit(cur, &file.inode, len)?;
    set_size(&cur.cred(), &file.inode, len)?;
    notify::on_file(&file, Events::MODIFY);
    Ok(0)
}

/// # Errors
/// `EFBIG`, with SIGXFSZ, when the file would grow beyond `RLIMIT_FSIZE` (`inode_newsize_ok`).
pub(super) fn check_limit(cur: &Current<'_>, inode: &InodeRef, len: u64) -> Result<()> {
    if len > cur.process().limit(Resource::Fsize) && len > inode.stat()?.size {
        crate::signal::to_current(cur.task, SIGXFSZ as i32);
        return Err(Errno::FBIG);
    }
    Ok(())
}

/// Sets the length and takes set-ID bits away (`do_truncate`).
pub(super) fn set_size(cred: &Cred, inode: &InodeRef, len: u64) -> Result<()> {
    let mut attr = SetAttr { size: Some(len), ..SetAttr::default() };
    if !cred.capable(CAP_FSETID) {
        attr.mode = without_setid(cred, &inode.stat()?);
    }
    inode.set_attr(&attr)
}
