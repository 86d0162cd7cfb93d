//! stat(2): stat, fstat, lstat, newfstatat.

use super::at::{self, CWD, check_flags};
use crate::Result;
use crate::task::Current;
use crate::uaccess::{Args, put};
use crate::vfs::Stat;
use linux_raw_sys::general::{
    self as g, AT_EMPTY_PATH, AT_NO_AUTOMOUNT, AT_STATX_SYNC_TYPE, AT_SYMLINK_NOFOLLOW,
};

/// `stat(path, statbuf)`
pub fn sys_stat(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let found = at::lookup_user(cur, CWD, args.usize(0), 0)?;
    tell(found.stat(), args.usize(1))
}

/// `lstat(path, statbuf)`
pub fn sys_lstat(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let found = at::lookup_user(cur, CWD, args.usize(0), AT_SYMLINK_NOFOLLOW)?;
    tell(found.stat(), args.usize(1))
}

/// `fstat(fd, statbuf)`
pub fn sys_fstat(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let file = cur.file_or_path(args.i32(0))?;
    tell(file.stat(), args.usize(1))
}

/// `newfstatat(dirfd, path, statbuf, flags)`
pub fn sys_newfstatat(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let flags = args.u32(3);
    check_flags(flags, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE)?;
    let found = at::lookup_user_or_null(cur, args.i32(0), args.usize(1), flags)?;
    tell(found.stat(), args.usize(2))
}

#[inline]
fn tell(stat: Result<Stat>, to: usize) -> Result<usize> {
    put(to, &to_user(&stat?))?;
    Ok(0)
}

/// `struct stat` of x86-64.
fn to_user(stat: &Stat) -> g::stat {
    g::stat {
        st_dev: stat.dev,
        st_ino: stat.ino,
        st_nlink: stat.nlink.into(),
        st_mode: stat.mode,
        st_uid: stat.uid,
        st_gid: stat.gid,
        __pad0: 0,
        st_rdev: stat.rdev,
        st_size: stat.size as i64,
        st_blksize: stat.blksize.into(),
        st_blocks: stat.blocks as i64,
        st_atime: stat.atime.sec as u64,
        st_atime_nsec: stat.atime.nsec.into(),
        st_mtime: stat.mtime.sec as u64,
        st_mtime_nsec: stat.mtime.nsec.into(),
        st_ctime: stat.ctime.sec as u64,
        st_ctime_nsec: stat.ctime.nsec.into(),
        __unused: [0; 3],
    }
}
