//! symlink(2): symlink, symlinkat.

use super::at::CWD;
use super::entry;
use crate::task::Current;
use crate::uaccess::{Args, PathBuf};
use crate::vfs::{Fd, FileType};
use crate::{Errno, Result};

/// `symlink(target, linkpath)`
pub fn sys_symlink(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    symlink(cur, args.usize(0), CWD, args.usize(1))
}

/// `symlinkat(target, newdirfd, linkpath)`
pub fn sys_symlinkat(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    symlink(cur, args.usize(0), args.i32(1), args.usize(2))
}

fn symlink(cur: &Current<'_>, target: usize, dirfd: Fd, path: usize) -> Result<usize> {
    PathBuf::with(target, |target| {
        if target.is_empty() {
            return Err(Errno::NOENT);
        }
        entry::with_parent(cur, dirfd, path, |cred, parent| {
            entry::create(cred, parent, false, |entries, name| {
                let node = entry::new_node(cred, &parent.dir, FileType::Symlink, 0o777, target, 0)?;
                entries.create(name, &node)
            })
        })
    })?;
    Ok(0)
}
