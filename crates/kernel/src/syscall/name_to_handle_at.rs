//! open_by_handle_at(2): name_to_handle_at, open_by_handle_at. No file system here has handles that outlive an open
//! file.

use super::at::{self, check_flags};
use crate::task::Current;
use crate::uaccess::{Args, get};
use crate::{Errno, Result};
use linux_raw_sys::general::{AT_EMPTY_PATH, AT_SYMLINK_FOLLOW, AT_SYMLINK_NOFOLLOW, CAP_DAC_READ_SEARCH};

/// `MAX_HANDLE_SZ`
const MAX_HANDLE: u32 = 128;

/// `AT_HANDLE_FID`, `AT_HANDLE_MNT_ID_UNIQUE`, `AT_HANDLE_CONNECTABLE`
const HANDLE_FLAGS: u32 = 0x203;

/// `name_to_handle_at(dirfd, path, handle, mount_id, flags)`
pub fn sys_name_to_handle_at(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let flags = args.u32(4);
    check_flags(flags, AT_SYMLINK_FOLLOW | AT_EMPTY_PATH | HANDLE_FLAGS)?;
    let follow = if flags & AT_SYMLINK_FOLLOW != 0 { 0 } else { AT_SYMLINK_NOFOLLOW };
    at::lookup_user(cur, args.i32(0), args.usize(1), follow | flags & AT_EMPTY_PATH)?;
    Err(Errno::OPNOTSUPP)
}

/// `open_by_handle_at(mount_fd, handle, flags)`
pub fn sys_open_by_handle_at(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    if !cur.cred().capable(CAP_DAC_READ_SEARCH) {
        return Err(Errno::PERM);
    }
    let bytes: u32 = get(args.usize(1))?;
    if bytes == 0 || bytes > MAX_HANDLE {
        return Err(Errno::INVAL);
    }
    cur.file_or_path(args.i32(0))?;
    Err(Errno::STALE)
}
