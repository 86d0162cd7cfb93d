//! access(2): access, faccessat, faccessat2.

use super::at::{self, CWD, check_flags};
use crate::task::{Cred, Current};
use crate::uaccess::{Args, PathBuf};
use crate::vfs::namei::Walk;
use crate::vfs::{Fd, FileType};
use crate::{Errno, Result};
use linux_raw_sys::general::{AT_EACCESS, AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW};

/// `access(path, mode)`
pub fn sys_access(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    access(cur, CWD, args.usize(0), args.u32(1), 0)
}

/// `faccessat(dirfd, path, mode)`: this call has no flags.
pub fn sys_faccessat(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    access(cur, args.i32(0), args.usize(1), args.u32(2), 0)
}

/// `faccessat2(dirfd, path, mode, flags)`
pub fn sys_faccessat2(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    access(cur, args.i32(0), args.usize(1), args.u32(2), args.u32(3))
}

fn access(cur: &Current<'_>, dirfd: Fd, path: usize, mode: u32, flags: u32) -> Result<usize> {
    if mode & !7 != 0 {
        return Err(Errno::INVAL);
    }
    check_flags(flags, AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
    let cred = cur.cred();
    let changed = if flags & AT_EACCESS == 0 { with_real_ids(&cred) } else { None };
    let cred = changed.as_ref().unwrap_or(&cred);
    PathBuf::with(path, |path| {
        let found = if path.is_empty() {
            at::lookup(cur, dirfd, path, flags)?
        } else {
            // Searched with the ids that are asked about, too.
            let follow = flags & AT_SYMLINK_NOFOLLOW == 0;
            cur.walk(dirfd, path, |walk| Walk { cred, ..walk }.lookup(path, follow)).map(at::Named::Dentry)?
        };
        if mode == 0 {
            return Ok(0);
        }
        let inode = found.inode();
        match inode.permission(cred, mode) {
            // Devices, pipes and sockets can be written where nothing else can.
            Err(Errno::ROFS)
                if !matches!(inode.kind(), FileType::Regular | FileType::Directory | FileType::Symlink) =>
            {
                Ok(0)
            }
            other => other.map(|()| 0),
        }
    })
}

/// The credentials with the real ids in place of the effective ones; `None` when that changes nothing
/// (`access_override_creds`).
fn with_real_ids(cred: &Cred) -> Option<Cred> {
    // SECBIT_NO_SETUID_FIXUP keeps the capabilities apart from the user id.
    let effective = if cred.securebits & 4 != 0 {
        cred.cap_effective
    } else if cred.uid == 0 {
        cred.cap_permitted
    } else {
        0
    };
    if cred.fsuid == cred.uid && cred.fsgid == cred.gid && cred.cap_effective == effective {
        return None;
    }
    Some(Cred { fsuid: cred.uid, fsgid: cred.gid, cap_effective: effective, ..cred.clone() })
}
