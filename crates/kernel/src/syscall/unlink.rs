//! unlink(2), rmdir(2): unlink, unlinkat, rmdir.

use super::at::{CWD, check_flags};
use super::entry::{may_delete, with_parent};
use crate::task::{Cred, Current};
use crate::uaccess::Args;
use crate::vfs::namei::{Last, Parent};
use crate::vfs::{Dentry, Fd};
use crate::{Errno, Result};
use alloc::sync::Arc;
use linux_raw_sys::general::AT_REMOVEDIR;

/// `unlink(path)`
pub fn sys_unlink(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    unlink(cur, CWD, args.usize(0))
}

/// `rmdir(path)`
pub fn sys_rmdir(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    rmdir(cur, CWD, args.usize(0))
}

/// `unlinkat(dirfd, path, flags)`
pub fn sys_unlinkat(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    check_flags(args.u32(2), AT_REMOVEDIR)?;
    if args.u32(2) != 0 {
        rmdir(cur, args.i32(0), args.usize(1))
    } else {
        unlink(cur, args.i32(0), args.usize(1))
    }
}

fn unlink(cur: &Current<'_>, dirfd: Fd, path: usize) -> Result<usize> {
    let gone = with_parent(cur, dirfd, path, unlink_last)?;
    // The last use of the inode ends here, outside the directory's lock.
    drop(gone);
    Ok(0)
}

/// Takes the last name of a path away (`do_unlinkat`); answers what it was.
///
/// # Errors
/// Those of unlink(2).
pub fn unlink_last(cred: &Cred, parent: &Parent) -> Result<Arc<Dentry>> {
    let Last::Normal(name) = &parent.last else { return Err(Errno::ISDIR) };
    let entries = parent.dir.lock_entries();
    let victim = entries.lookup(name)?;
    if parent.trailing_slash {
        return Err(if victim.inode().is_dir() { Errno::ISDIR } else { Errno::NOTDIR });
    }
    may_delete(cred, &parent.dir, &victim, false)?;
    entries.unlink(name, &victim)?;
    Ok(victim)
}

fn rmdir(cur: &Current<'_>, dirfd: Fd, path: usize) -> Result<usize> {
    let gone = with_parent(cur, dirfd, path, |cred, parent| {
        let name = match &parent.last {
            Last::Normal(name) => name,
            Last::Special(b".") => return Err(Errno::INVAL),
            Last::Special(b"..") => return Err(Errno::NOTEMPTY),
            Last::Special(_) => return Err(Errno::BUSY),
        };
        let entries = parent.dir.lock_entries();
        let victim = entries.lookup(name)?;
        may_delete(cred, &parent.dir, &victim, true)?;
        // Nobody may enter anything while it goes.
        let within = victim.lock_entries();
        entries.rmdir(name, &victim)?;
        drop(within);
        Ok(victim)
    })?;
    drop(gone);
    Ok(0)
}
