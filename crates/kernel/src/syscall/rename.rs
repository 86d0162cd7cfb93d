//! rename(2): rename, renameat, renameat2.

use super::at::CWD;
use super::entry::{may_create, may_delete};
use crate::task::{Cred, Current};
use crate::uaccess::{Args, PathBuf};
use crate::vfs::namei::{Last, Parent};
use crate::vfs::{Dentry, Fd, RenameFlags, notify};
use crate::{Errno, Result};
use alloc::sync::Arc;
use host::mutex::Mutex;

/// Only one directory at a time changes its parent (`s_vfs_rename_mutex`): two could each move below the other.
static DIRECTORY_MOVES: Mutex<()> = Mutex::new(());

/// `rename(oldpath, newpath)`
pub fn sys_rename(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    rename(cur, (CWD, args.usize(0)), (CWD, args.usize(1)), 0)
}

/// `renameat(olddirfd, oldpath, newdirfd, newpath)`
pub fn sys_renameat(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    rename(cur, (args.i32(0), args.usize(1)), (args.i32(2), args.usize(3)), 0)
}

/// `renameat2(olddirfd, oldpath, newdirfd, newpath, flags)`
pub fn sys_renameat2(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    rename(cur, (args.i32(0), args.usize(1)), (args.i32(2), args.usize(3)), args.u32(4))
}

fn rename(cur: &Current<'_>, old: (Fd, usize), new: (Fd, usize), flags: u32) -> Result<usize> {
    let flags = RenameFlags::from_bits(flags).ok_or(Errno::INVAL)?;
    if flags.contains(RenameFlags::EXCHANGE)
        && flags.intersects(RenameFlags::NOREPLACE | RenameFlags::WHITEOUT)
    {
        return Err(Errno::INVAL);
    }
    let gone = PathBuf::with(old.1, |old_path| {
        PathBuf::with(new.1, |new_path| {
            let from = cur.walk(old.0, old_path, |walk| walk.parent(old_path))?;
            let to = cur.walk(new.0, new_path, |walk| walk.parent(new_path))?;
            between(&cur.cred(), &from, &to, flags)
        })
    })?;
    // What was replaced is dropped outside the locks of the directories.
    drop(gone);
    Ok(0)
}

/// The rename itself (`do_renameat2`, `vfs_rename`); answers what was replaced.
fn between(cred: &Cred, from: &Parent, to: &Parent, flags: RenameFlags) -> Result<Option<Arc<Dentry>>> {
    if !Arc::ptr_eq(&from.dir.inode().file_system(), &to.dir.inode().file_system()) {
        return Err(Errno::XDEV);
    }
    let exchange = flags.contains(RenameFlags::EXCHANGE);
    let Last::Normal(old_name) = &from.last else { return Err(Errno::BUSY) };
    let Last::Normal(new_name) = &to.last else {
        return Err(if flags.contains(RenameFlags::NOREPLACE) { Errno::EXIST } else { Errno::BUSY });
    };
    let same_dir = Arc::ptr_eq(&from.dir, &to.dir);
    let _moves = (!same_dir).then(|| DIRECTORY_MOVES.lock());
    let (from_entries, to_entries) = Dentry::lock_entries_of_two(&from.dir, &to.dir);
    let old = from_entries.lookup(old_name)?;
    let new = match to_entries.as_ref().unwrap_or(&from_entries).lookup(new_name) {
        Ok(new) => Some(new),
        Err(Errno::NOENT) => None,
        Err(errno) => return Err(errno),
    };
    match &new {
        Some(_) if flags.contains(RenameFlags::NOREPLACE) => return Err(Errno::EXIST),
        None if exchange => return Err(Errno::NOENT),
        Some(new) if exchange && to.trailing_slash && !new.inode().is_dir() => return Err(Errno::NOTDIR),
        _ => {}
    }
    let old_is_dir = old.inode().is_dir();
    if !old_is_dir && (from.trailing_slash || !exchange && to.trailing_slash) {
        return Err(Errno::NOTDIR);
    }
    // Neither may lie within the other.
    if old_is_dir && old.is_ancestor_of(&to.dir) {
        return Err(Errno::INVAL);
    }
    if let Some(new) = &new
        && new.inode().is_dir()
        && new.is_ancestor_of(&from.dir)
    {
        return Err(if exchange { Errno::INVAL } else { Errno::NOTEMPTY });
    }
    if let Some(new) = &new
        && Arc::ptr_eq(old.inode(), new.inode())
    {
        // Two names of one file: nothing happens (rename(2)).
        return Ok(None);
    }
    may_delete(cred, &from.dir, &old, old_is_dir)?;
    match &new {
        None => may_create(cred, &to.dir)?,
        Some(new) => {
            may_delete(cred, &to.dir, new, if exchange { new.inode().is_dir() } else { old_is_dir })?;
        }
    }
    if !same_dir {
        // Its ".." changes.
        if old_is_dir {
            old.inode().permission(cred, 2)?;
        }
        if let Some(new) = &new
            && exchange
            && new.inode().is_dir()
        {
            new.inode().permission(cred, 2)?;
        }
    }
    from.dir.inode().rename(old_name, to.dir.inode(), new_name, flags)?;
    from.dir.rename_child(old_name, &to.dir, new_name, exchange);
    notify::on_rename(
        old.inode(),
        (from.dir.inode(), old_name),
        (to.dir.inode(), new_name),
        new.as_ref().map(|new| new.inode()),
        exchange,
    );
    Ok(if exchange { None } else { new })
}
