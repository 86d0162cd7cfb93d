//! chdir(2): chdir, fchdir.

use super::at::{self, CWD};
use crate::task::Current;
use crate::uaccess::Args;
use crate::vfs::Dentry;
use crate::{Errno, Result};
use alloc::sync::Arc;

/// `chdir(path)`
pub fn sys_chdir(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let dir = at::with_path(cur, CWD, args.usize(0), |walk, path| walk.lookup(path, true))?;
    enter(cur, dir)
}

/// `fchdir(fd)`
pub fn sys_fchdir(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let file = cur.file_or_path(args.i32(0))?;
    match &file.dentry {
        Some(dentry) => enter(cur, dentry.clone()),
        None => Err(Errno::NOTDIR),
    }
}

fn enter(cur: &Current<'_>, dir: Arc<Dentry>) -> Result<usize> {
    searchable(cur, &dir)?;
    let old = core::mem::replace(&mut *cur.fs.cwd.lock(), dir);
    drop(old);
    Ok(0)
}

/// # Errors
/// `ENOTDIR`, `EACCES` without search permission.
pub(super) fn searchable(cur: &Current<'_>, dir: &Arc<Dentry>) -> Result<()> {
    if !dir.inode().is_dir() {
        return Err(Errno::NOTDIR);
    }
    dir.inode().permission(&cur.cred(), 1)
}
