//! getcwd(2).

use crate::task::Current;
use crate::uaccess::{Args, put_bytes};
use crate::vfs::PATH_MAX;
use crate::{Errno, Result};

/// `getcwd(buf, size)`: answers the length with the NUL.
pub fn sys_getcwd(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let root = cur.fs.root.lock().clone();
    let cwd = cur.fs.cwd.lock().clone();
    if cwd.is_unlinked() {
        return Err(Errno::NOENT);
    }
    let mut path = match cwd.path_from(&root) {
        Some(path) => path,
        // The working directory lies outside the root directory.
        None => {
            let mut top = cwd.clone();
            while let Some(parent) = top.parent() {
                top = parent;
            }
            let mut path = b"(unreachable)".to_vec();
            path.extend(cwd.path_from(&top).unwrap_or_default());
            path
        }
    };
    path.push(0);
    if path.len() > PATH_MAX {
        return Err(Errno::NAMETOOLONG);
    }
    if path.len() > args.usize(1) {
        return Err(Errno::RANGE);
    }
    put_bytes(args.usize(0), &path)?;
    Ok(path.len())
}
