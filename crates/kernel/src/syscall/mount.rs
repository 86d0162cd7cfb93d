//! mount(2), umount(2), pivot_root(2) and the calls of the newer mount interface; swapon(2), acct(2).
//!
//! What is mounted where is decided when the instance starts; a program is refused as an ordinary user is, whoever it
//! takes itself for. Checks that Linux makes before that one are made too.

use super::at::{self, CWD, check_flags};
use super::open::{How, open_path};
use crate::task::Current;
use crate::uaccess::{Args, PathBuf, get_string};
use crate::vfs::OpenFlags;
use crate::{Errno, Result};
use linux_raw_sys::general::{AT_EMPTY_PATH, AT_NO_AUTOMOUNT, AT_SYMLINK_NOFOLLOW, O_CLOEXEC};

/// `OPEN_TREE_CLONE` of `linux/mount.h`.
const OPEN_TREE_CLONE: u32 = 1;
/// `AT_RECURSIVE` of `linux/fcntl.h`.
const AT_RECURSIVE: u32 = 0x8000;
/// `MNT_FORCE`, `MNT_DETACH`, `MNT_EXPIRE`, `UMOUNT_NOFOLLOW`.
const UMOUNT_FLAGS: u32 = 15;
const UMOUNT_NOFOLLOW: u32 = 8;

/// `mount(source, target, filesystemtype, mountflags, data)`
pub fn sys_mount(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    for string in [args.usize(2), args.usize(0)] {
        if string != 0 {
            get_string(string, 4095, Errno::INVAL)?;
        }
    }
    at::lookup_user(cur, CWD, args.usize(1), 0)?;
    Err(Errno::PERM)
}

/// `umount2(target, flags)`
pub fn sys_umount2(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let flags = args.u32(1);
    check_flags(flags, UMOUNT_FLAGS)?;
    let nofollow = if flags & UMOUNT_NOFOLLOW != 0 { AT_SYMLINK_NOFOLLOW } else { 0 };
    at::lookup_user(cur, CWD, args.usize(0), nofollow)?;
    Err(Errno::PERM)
}

/// pivot_root, move_mount, fsopen, fsmount, fspick, swapon, swapoff, acct: the privilege is asked for first.
pub fn sys_privileged(_cur: &mut Current<'_>, _args: &Args) -> Result<usize> {
    Err(Errno::PERM)
}

/// `open_tree(dirfd, path, flags)`: without a clone it is an open with `O_PATH`, which anybody may.
pub fn sys_open_tree(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let flags = args.u32(2);
    let known =
        AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW | OPEN_TREE_CLONE | O_CLOEXEC;
    check_flags(flags, known)?;
    if flags & (AT_RECURSIVE | OPEN_TREE_CLONE) == AT_RECURSIVE {
        return Err(Errno::INVAL);
    }
    if flags & OPEN_TREE_CLONE != 0 {
        return Err(Errno::PERM);
    }
    let nofollow = if flags & AT_SYMLINK_NOFOLLOW != 0 { OpenFlags::NOFOLLOW } else { OpenFlags::empty() };
    let how = How::lenient((OpenFlags::PATH | nofollow).bits(), 0)?;
    let file = PathBuf::with(args.usize(1), |path| {
        if path.is_empty() && flags & AT_EMPTY_PATH != 0 {
            return match args.i32(0) {
                CWD => open_path(cur, CWD, b".", &how),
                fd => cur.file_or_path(fd),
            };
        }
        open_path(cur, args.i32(0), path, &how)
    })?;
    Ok(cur.install(file, flags & O_CLOEXEC != 0)? as usize)
}
