//! chroot(2).

use super::at::{self, CWD};
use super::chdir::searchable;
use crate::task::Current;
use crate::uaccess::Args;
use crate::{Errno, Result};
use linux_raw_sys::general::CAP_SYS_CHROOT;

/// `chroot(path)`
pub fn sys_chroot(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let dir = at::with_path(cur, CWD, args.usize(0), |walk, path| walk.lookup(path, true))?;
    searchable(cur, &dir)?;
    if !cur.cred().capable(CAP_SYS_CHROOT) {
        return Err(Errno::PERM);
    }
    let old = core::mem::replace(&mut *cur.fs.root.lock(), dir);
    drop(old);
    Ok(0)
}
