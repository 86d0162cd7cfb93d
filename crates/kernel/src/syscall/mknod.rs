//! mknod(2): mknod, mknodat.

use super::at::CWD;
use super::entry;
use crate::task::Current;
use crate::uaccess::Args;
use crate::vfs::{Fd, FileType};
use crate::{Errno, Result};
use core::sync::atomic::Ordering::Relaxed;
use linux_raw_sys::general::CAP_MKNOD;

/// `mknod(path, mode, dev)`
pub fn sys_mknod(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    mknod(cur, CWD, args.usize(0), args.u32(1), args.u32(2))
}

/// `mknodat(dirfd, path, mode, dev)`
pub fn sys_mknodat(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    mknod(cur, args.i32(0), args.usize(1), args.u32(2), args.u32(3))
}

fn mknod(cur: &Current<'_>, dirfd: Fd, path: usize, mode: u32, device: u32) -> Result<usize> {
    let kind = match mode & 0o170000 {
        0 => FileType::Regular,
        0o040000 => return Err(Errno::PERM),
        0o120000 => return Err(Errno::INVAL),
        known if FileType::from_mode(mode).mode_bits() == known => FileType::from_mode(mode),
        _ => return Err(Errno::INVAL),
    };
    let device = if matches!(kind, FileType::CharDevice | FileType::BlockDevice) { device.into() } else { 0 };
    let permissions = mode & 0o7777 & !cur.fs.umask.load(Relaxed);
    entry::with_parent(cur, dirfd, path, |cred, parent| {
        entry::create(cred, parent, false, |entries, name| {
            // 0/0 is overlayfs's whiteout, which anybody may make.
            let whiteout = kind == FileType::CharDevice && device == 0;
            if matches!(kind, FileType::CharDevice | FileType::BlockDevice)
                && !whiteout
                && !cred.capable(CAP_MKNOD)
            {
                return Err(Errno::PERM);
            }
            entries.create(name, &entry::new_node(cred, &parent.dir, kind, permissions, b"", device)?)
        })
    })?;
    Ok(0)
}
