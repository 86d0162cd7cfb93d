//! open_by_handle_at(2): name_to_handle_at, open_by_handle_at.
//!
//! A handle is the device and the inode number of a file. What it leads to is noted here, the last so many that were
//! asked for: a handle older than that, of a file without a name, or of a name that the tree has let go of, is stale.
//! Linux notes nothing, because its file systems find a file by its number.

use super::at::{self, check_flags};
use super::open::{How, open_known};
use crate::task::Current;
use crate::uaccess::{Args, get, get_bytes, put, put_bytes};
use crate::vfs::Dentry;
use crate::{Errno, Result};
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use host::mutex::Mutex;
use linux_raw_sys::general::{
    AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_FOLLOW, AT_SYMLINK_NOFOLLOW, CAP_DAC_READ_SEARCH,
};

/// `MAX_HANDLE_SZ`
const MAX_HANDLE: u32 = 128;

/// `AT_HANDLE_FID`: only to be compared.
const HANDLE_FID: u32 = 0x200;
/// `AT_HANDLE_MNT_ID_UNIQUE`
const MNT_ID_UNIQUE: u32 = 1;
/// `AT_HANDLE_CONNECTABLE`
const CONNECTABLE: u32 = 2;

/// Bytes of our handles: device and inode number.
const HANDLE: usize = 16;
/// Their type: one that no file system of Linux uses.
const TYPE: i32 = 0x6e;
/// Handles that lead somewhere.
const KEPT: usize = 4096;

/// The mount that all files seem to be of, as in /proc/PID/fdinfo.
const MOUNT_ID: i32 = 21;

/// What handles lead to, the last asked for at the end.
static FILES: Mutex<VecDeque<([u8; HANDLE], Weak<Dentry>)>> = Mutex::new(VecDeque::new());

/// `name_to_handle_at(dirfd, path, handle, mount_id, flags)`
pub fn sys_name_to_handle_at(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let flags = args.u32(4);
    check_flags(flags, AT_SYMLINK_FOLLOW | AT_EMPTY_PATH | HANDLE_FID | MNT_ID_UNIQUE | CONNECTABLE)?;
    if flags & HANDLE_FID != 0 && flags & CONNECTABLE != 0 {
        return Err(Errno::INVAL);
    }
    let follow = if flags & AT_SYMLINK_FOLLOW != 0 { 0 } else { AT_SYMLINK_NOFOLLOW };
    let found = at::lookup_user(cur, args.i32(0), args.usize(1), follow | flags & AT_EMPTY_PATH)?;
    // Processes come and go: there are no handles of them, but numbers to compare.
    let exported = found.dentry().filter(|dentry| dentry.inode().file_system().name() != "proc");
    if exported.is_none() && flags & HANDLE_FID == 0 {
        return Err(Errno::OPNOTSUPP);
    }
    let (handle, mount_id) = (args.usize(2), args.usize(3));
    let room: u32 = get(handle)?;
    if room > MAX_HANDLE {
        return Err(Errno::INVAL);
    }
    let stat = found.stat()?;
    let mut bytes = [0; HANDLE];
    bytes[..8].copy_from_slice(&stat.ino.to_ne_bytes());
    bytes[8..].copy_from_slice(&stat.dev.to_ne_bytes());
    let fits = room as usize >= HANDLE;
    if flags & MNT_ID_UNIQUE != 0 {
        put(mount_id, &(MOUNT_ID as u64))?
    } else {
        put(mount_id, &MOUNT_ID)?
    }
    put(handle, &[HANDLE as i32, TYPE])?;
    if !fits {
        return Err(Errno::OVERFLOW);
    }
    put_bytes(handle.wrapping_add(8), &bytes)?;
    if let Some(dentry) = exported {
        keep(bytes, dentry);
    }
    Ok(0)
}

/// Not held: its end must not wait for somebody who asks.
fn keep(bytes: [u8; HANDLE], dentry: &Arc<Dentry>) {
    let mut files = FILES.lock();
    files.retain(|(known, _)| *known != bytes);
    files.push_back((bytes, Arc::downgrade(dentry)));
    if files.len() > KEPT {
        files.pop_front();
    }
}

/// `open_by_handle_at(mount_fd, handle, flags)`
pub fn sys_open_by_handle_at(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let [len, kind]: [u32; 2] = get(args.usize(1))?;
    if len == 0 || len > MAX_HANDLE {
        return Err(Errno::INVAL);
    }
    let anchor = match args.i32(0) {
        AT_FDCWD => cur.fs.cwd.lock().inode().file_system(),
        fd => cur.file_or_path(fd)?.inode.file_system(),
    };
    if !cur.cred().capable(CAP_DAC_READ_SEARCH) {
        return Err(Errno::PERM);
    }
    let mut bytes = [0; MAX_HANDLE as usize];
    get_bytes(&mut bytes[..len as usize], args.usize(1).wrapping_add(8))?;
    let dentry = {
        let files = FILES.lock();
        let of_ours = kind == TYPE as u32 && len as usize == HANDLE;
        files
            .iter()
            .find(|(known, _)| of_ours && *known == bytes[..HANDLE])
            .and_then(|(_, dentry)| dentry.upgrade())
    };
    let dentry = dentry.ok_or(Errno::STALE)?;
    // Of another file system, or without a name.
    let here = Arc::ptr_eq(&anchor, &dentry.inode().file_system());
    if !here || !dentry.inode().stat().is_ok_and(|stat| stat.nlink > 0) {
        return Err(Errno::STALE);
    }
    open_known(cur, dentry, &How::lenient(args.u32(2), 0)?)
}
