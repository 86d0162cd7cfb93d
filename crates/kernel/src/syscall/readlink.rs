//! readlink(2): readlink, readlinkat.

use super::at::{self, CWD};
use crate::task::Current;
use crate::uaccess::{Args, PathBuf, put_bytes};
use crate::vfs::{Fd, FileType};
use crate::{Errno, Result};
use linux_raw_sys::general::{AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW};

/// `readlink(path, buf, bufsiz)`
pub fn sys_readlink(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    readlink(cur, CWD, args.usize(0), args.usize(1), args.i32(2))
}

/// `readlinkat(dirfd, path, buf, bufsiz)`
pub fn sys_readlinkat(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    readlink(cur, args.i32(0), args.usize(1), args.usize(2), args.i32(3))
}

fn readlink(cur: &Current<'_>, dirfd: Fd, path: usize, buf: usize, size: i32) -> Result<usize> {
    if size <= 0 {
        return Err(Errno::INVAL);
    }
    let (empty, found) = PathBuf::with(path, |path| {
        let found = at::lookup(cur, dirfd, path, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)?;
        Ok((path.is_empty(), found))
    })?;
    let inode = found.inode();
    if inode.kind() != FileType::Symlink {
        return Err(if empty { Errno::NOENT } else { Errno::INVAL });
    }
    let target = inode.readlink()?;
    let len = target.len().min(size as usize);
    put_bytes(buf, &target[..len])?;
    Ok(len)
}
