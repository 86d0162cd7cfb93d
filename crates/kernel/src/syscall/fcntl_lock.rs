//! Record locks of fcntl(2): F_GETLK, F_SETLK, F_SETLKW and their `OFD` variants. The locks themselves: `vfs::locks`.

use crate::task::Current;
use crate::uaccess::{get, put};
use crate::vfs::locks::{self, LockOwner, Record};
use crate::vfs::{Fd, File};
use crate::{Errno, Result};
use alloc::sync::Arc;
use linux_raw_sys::general::{F_RDLCK, F_UNLCK, F_WRLCK, SEEK_CUR, SEEK_END, SEEK_SET, flock};

/// What a `struct flock` asks for; the second part: unlock.
fn parse(cur: &Current<'_>, file: &Arc<File>, lock: &flock, ofd: bool) -> Result<(Record, bool)> {
    let start = match lock.l_whence as u32 {
        SEEK_SET => 0,
        SEEK_CUR => file.tell()? as i64,
        SEEK_END => file.inode.stat()?.size as i64,
        _ => return Err(Errno::INVAL),
    };
    let start = start.checked_add(lock.l_start).ok_or(Errno::OVERFLOW)?;
    if start < 0 {
        return Err(Errno::INVAL);
    }
    // A negative length means the bytes before the start (fcntl(2)).
    let (start, end) = match lock.l_len {
        0 => (start, i64::MAX),
        len if len > 0 => (start, start.checked_add(len - 1).ok_or(Errno::OVERFLOW)?),
        len => (start.checked_add(len).filter(|start| *start >= 0).ok_or(Errno::INVAL)?, start - 1),
    };
    let (exclusive, unlock) = match lock.l_type as u32 {
        F_RDLCK => (false, false),
        F_WRLCK => (true, false),
        F_UNLCK => (false, true),
        _ => return Err(Errno::INVAL),
    };
    let (owner, pid) = if ofd {
        (LockOwner::of_file(file), -1)
    } else {
        (LockOwner::Process(cur.files.lock_owner()), cur.process().pid)
    };
    Ok((Record { owner, pid, exclusive, start: start as u64, end: end as u64 }, unlock))
}

/// `F_GETLK`, `F_OFD_GETLK`
pub(super) fn get_lock(cur: &Current<'_>, file: &Arc<File>, arg: usize, ofd: bool) -> Result<usize> {
    let mut lock: flock = get(arg)?;
    if !ofd && lock.l_type as u32 == F_UNLCK {
        return Err(Errno::INVAL);
    }
    let (wanted, unlock) = parse(cur, file, &lock, ofd)?;
    if ofd && lock.l_pid != 0 {
        return Err(Errno::INVAL);
    }
    // Asked with F_UNLCK (for descriptions only): is there any lock of this description.
    let held = if unlock {
        locks::own_record(&file.inode, &wanted)
    } else {
        locks::get_record(&file.inode, &wanted)
    };
    match held {
        Some(held) => {
            lock.l_type = if held.exclusive { F_WRLCK } else { F_RDLCK } as i16;
            lock.l_whence = SEEK_SET as i16;
            lock.l_start = held.start as i64;
            lock.l_len = if held.end == i64::MAX as u64 { 0 } else { (held.end - held.start + 1) as i64 };
            lock.l_pid = held.pid;
        }
        None => lock.l_type = F_UNLCK as i16,
    }
    put(arg, &lock)?;
    Ok(0)
}

/// `F_SETLK`, `F_SETLKW`, `F_OFD_SETLK`, `F_OFD_SETLKW`
pub(super) fn set_lock(
    cur: &Current<'_>,
    fd: Fd,
    file: &Arc<File>,
    arg: usize,
    ofd: bool,
    wait: bool,
) -> Result<usize> {
    let lock: flock = get(arg)?;
    let (wanted, unlock) = parse(cur, file, &lock, ofd)?;
    let flags = file.flags();
    if !unlock && !(if wanted.exclusive { flags.writable() } else { flags.readable() }) {
        return Err(Errno::BADF);
    }
    if ofd {
        if lock.l_pid != 0 {
            return Err(Errno::INVAL);
        }
        locks::set_record_of_file(file, wanted, unlock, wait)?;
        return Ok(0);
    }
    locks::set_record(&file.inode, wanted, unlock, wait)?;
    // Another thread may have closed the descriptor meanwhile, and with it all locks; this one came after.
    if !unlock && !cur.files.get(fd).is_ok_and(|now| Arc::ptr_eq(&now, file)) {
        locks::set_record(&file.inode, wanted, true, false)?;
        return Err(Errno::BADF);
    }
    Ok(0)
}
