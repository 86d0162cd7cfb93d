//! inotify_init(2), inotify_add_watch(2), inotify_rm_watch(2).

use super::at;
use crate::fs::inotify::{self, Inotify};
use crate::task::Current;
use crate::uaccess::Args;
use crate::vfs::OpenFlags;
use crate::vfs::notify::{Events, Existing, Request};
use crate::{Errno, Result};
use linux_raw_sys::general::{
    AT_FDCWD, AT_SYMLINK_NOFOLLOW, IN_ALL_EVENTS, IN_CLOEXEC, IN_DONT_FOLLOW, IN_EXCL_UNLINK, IN_IGNORED,
    IN_ISDIR, IN_MASK_ADD, IN_MASK_CREATE, IN_NONBLOCK, IN_ONESHOT, IN_ONLYDIR, IN_Q_OVERFLOW, IN_UNMOUNT,
};

/// What a mask may hold (`ALL_INOTIFY_BITS`).
const KNOWN: u32 = IN_ALL_EVENTS
    | IN_UNMOUNT
    | IN_Q_OVERFLOW
    | IN_IGNORED
    | IN_ONLYDIR
    | IN_DONT_FOLLOW
    | IN_EXCL_UNLINK
    | IN_MASK_ADD
    | IN_MASK_CREATE
    | IN_ISDIR
    | IN_ONESHOT;

/// `inotify_init()`
pub fn sys_inotify_init(cur: &mut Current<'_>, _args: &Args) -> Result<usize> {
    make(cur, 0)
}

/// `inotify_init1(flags)`
pub fn sys_inotify_init1(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    make(cur, args.u32(0))
}

fn make(cur: &Current<'_>, flags: u32) -> Result<usize> {
    if flags & !(IN_CLOEXEC | IN_NONBLOCK) != 0 {
        return Err(Errno::INVAL);
    }
    let file = inotify::new(cur.cred().uid, OpenFlags::from_bits_retain(flags))?;
    Ok(cur.install(file, flags & IN_CLOEXEC != 0)? as usize)
}

/// `inotify_add_watch(fd, path, mask)`
pub fn sys_inotify_add_watch(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let mask = args.u32(2);
    if mask == 0 || mask & !KNOWN != 0 {
        return Err(Errno::INVAL);
    }
    let file = cur.file(args.i32(0))?;
    if mask & IN_MASK_ADD != 0 && mask & IN_MASK_CREATE != 0 {
        return Err(Errno::INVAL);
    }
    let inotify = file.ops_as::<Inotify>().ok_or(Errno::INVAL)?;
    let follow = if mask & IN_DONT_FOLLOW != 0 { AT_SYMLINK_NOFOLLOW } else { 0 };
    let found = at::lookup_user(cur, AT_FDCWD, args.usize(1), follow)?;
    let inode = found.inode();
    if mask & IN_ONLYDIR != 0 && !inode.is_dir() {
        return Err(Errno::NOTDIR);
    }
    inode.permission(&cur.cred(), 4)?;
    let existing = match mask & (IN_MASK_ADD | IN_MASK_CREATE) {
        0 => Existing::Replace,
        IN_MASK_ADD => Existing::Extend,
        _ => Existing::Refuse,
    };
    let request = Request {
        events: Events::from_bits_truncate(mask & IN_ALL_EVENTS),
        once: mask & IN_ONESHOT != 0,
        no_unlinked: mask & IN_EXCL_UNLINK != 0,
        existing,
    };
    Ok(inotify.add(inode, request)? as usize)
}

/// `inotify_rm_watch(fd, wd)`
pub fn sys_inotify_rm_watch(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let file = cur.file(args.i32(0))?;
    let inotify = file.ops_as::<Inotify>().ok_or(Errno::INVAL)?;
    inotify.remove(args.i32(1))?;
    Ok(0)
}
