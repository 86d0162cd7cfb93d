//! statfs(2): statfs, fstatfs.

use super::at::{self, CWD};
use crate::Result;
use crate::task::Current;
use crate::uaccess::{Args, put};
use crate::vfs::InodeRef;
use linux_raw_sys::general::{__kernel_fsid_t, statfs64};

/// `f_flags` is filled in (`ST_VALID` of `linux/statfs.h`).
const ST_VALID: u64 = 0x20;

/// `statfs(path, buf)`
pub fn sys_statfs(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let found = at::lookup_user(cur, CWD, args.usize(0), 0)?;
    tell(found.inode(), args.usize(1))
}

/// `fstatfs(fd, buf)`
pub fn sys_fstatfs(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let file = cur.file_or_path(args.i32(0))?;
    tell(&file.inode, args.usize(1))
}

fn tell(inode: &InodeRef, to: usize) -> Result<usize> {
    let stat = inode.file_system().statfs()?;
    let out = statfs64 {
        f_type: stat.kind as i64,
        f_bsize: stat.bsize as i64,
        f_blocks: stat.blocks,
        f_bfree: stat.bfree,
        f_bavail: stat.bavail,
        f_files: stat.files,
        f_ffree: stat.ffree,
        f_fsid: __kernel_fsid_t { val: stat.fsid },
        f_namelen: stat.namelen as i64,
        f_frsize: stat.frsize as i64,
        f_flags: (stat.flags | ST_VALID) as i64,
        f_spare: [0; 4],
    };
    put(to, &out)?;
    Ok(0)
}
