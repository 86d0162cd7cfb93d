//! mkdir(2): mkdir, mkdirat.

use super::at::CWD;
use super::entry;
use crate::Result;
use crate::task::Current;
use crate::uaccess::Args;
use crate::vfs::{Fd, FileType};
use core::sync::atomic::Ordering::Relaxed;

/// `mkdir(path, mode)`
pub fn sys_mkdir(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    mkdir(cur, CWD, args.usize(0), args.u32(1))
}

/// `mkdirat(dirfd, path, mode)`
pub fn sys_mkdirat(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    mkdir(cur, args.i32(0), args.usize(1), args.u32(2))
}

fn mkdir(cur: &Current<'_>, dirfd: Fd, path: usize, mode: u32) -> Result<usize> {
    // Set-ID bits in the argument are dropped (`vfs_mkdir`); set-group-ID comes from the parent.
    let mode = mode & 0o1777 & !cur.fs.umask.load(Relaxed);
    entry::with_parent(cur, dirfd, path, |cred, parent| {
        entry::create(cred, parent, true, |entries, name| {
            entries.create(name, &entry::new_node(cred, &parent.dir, FileType::Directory, mode, b"", 0)?)
        })
    })?;
    Ok(0)
}
