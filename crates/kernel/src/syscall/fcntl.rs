//! fcntl(2), locks excepted: those are in `fcntl_lock.rs`.

use super::fcntl_lock;
use crate::task::{self, Current};
use crate::uaccess::{Args, get, put};
use crate::vfs::notify::Events;
use crate::vfs::{self, Fd, File, FileType, OpenFlags, Owner, OwnerKind, dnotify, lease};
use crate::{Errno, Result};
use alloc::sync::Arc;
use core::sync::atomic::Ordering::Relaxed;
use linux_raw_sys::general::{self as g, CAP_FOWNER};

/// The descriptor flag of `F_GETFD`.
const FD_CLOEXEC: usize = 1;

/// `fcntl(fd, cmd, arg)`
pub fn sys_fcntl(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (fd, command, arg) = (args.i32(0), args.u32(1), args.usize(2));
    let file = cur.file_or_path(fd)?;
    match command {
        g::F_DUPFD => return duplicate(cur, file, arg, false),
        g::F_DUPFD_CLOEXEC => return duplicate(cur, file, arg, true),
        g::F_GETFD => return Ok(usize::from(cur.files.cloexec(fd)?)),
        g::F_SETFD => {
            cur.files.set_cloexec(fd, arg & FD_CLOEXEC != 0)?;
            return Ok(0);
        }
        g::F_GETFL => return Ok(file.flags().bits() as usize),
        g::F_DUPFD_QUERY => {
            let other = cur.files.get(arg as i32)?;
            return Ok(usize::from(Arc::ptr_eq(&file, &other)));
        }
        g::F_CREATED_QUERY => return Ok(usize::from(file.was_created.load(Relaxed))),
        // A name only: nothing else is allowed (`check_fcntl_cmd`).
        _ if file.flags().contains(OpenFlags::PATH) => return Err(Errno::BADF),
        _ => {}
    }
    match command {
        g::F_SETFL => set_flags(cur, fd, &file, OpenFlags::from_bits_truncate(arg as u32)),
        g::F_GETLK => fcntl_lock::get_lock(cur, &file, arg, false),
        g::F_OFD_GETLK => fcntl_lock::get_lock(cur, &file, arg, true),
        g::F_SETLK | g::F_SETLKW => fcntl_lock::set_lock(cur, fd, &file, arg, false, command == g::F_SETLKW),
        g::F_OFD_SETLK | g::F_OFD_SETLKW => {
            fcntl_lock::set_lock(cur, fd, &file, arg, true, command == g::F_OFD_SETLKW)
        }
        g::F_GETOWN => Ok(get_owner(&file) as isize as usize),
        g::F_SETOWN => set_owner(cur, &file, arg as i32),
        g::F_GETOWN_EX => get_owner_ex(&file, arg),
        g::F_SETOWN_EX => set_owner_ex(cur, &file, arg),
        g::F_GETSIG => Ok(file.owner.lock().signal as usize),
        g::F_SETSIG => {
            if arg > 64 {
                return Err(Errno::INVAL);
            }
            file.owner.lock().signal = arg as u32;
            vfs::fasync::owner_changed(&file);
            Ok(0)
        }
        g::F_GETLEASE => Ok(match lease::get(&file) {
            Some(lease::Kind::Read) => g::F_RDLCK,
            Some(lease::Kind::Write) => g::F_WRLCK,
            None => g::F_UNLCK,
        } as usize),
        g::F_SETLEASE => set_lease(cur, fd, &file, arg as u32),
        g::F_NOTIFY => notify(cur, fd, &file, arg as u32),
        g::F_GETPIPE_SZ => file.ops.pipe_size(),
        g::F_SETPIPE_SZ => {
            let size = u32::try_from(arg).map_err(|_| Errno::INVAL)?;
            file.ops.set_pipe_size(size as usize)
        }
        g::F_GET_SEALS => Ok(file.ops.seals()? as usize),
        g::F_ADD_SEALS => add_seals(&file, arg),
        g::F_GET_RW_HINT => get_hint(&file, arg),
        g::F_SET_RW_HINT => set_hint(cur, &file, arg),
        _ => Err(Errno::INVAL),
    }
}

fn duplicate(cur: &Current<'_>, file: Arc<File>, least: usize, cloexec: bool) -> Result<usize> {
    let limit = cur.process().nofile.load(Relaxed);
    let least = least as u32 as usize;
    if least as u64 >= limit {
        return Err(Errno::INVAL);
    }
    Ok(cur.files.insert_from(least, file, cloexec, limit)? as usize)
}

fn set_flags(cur: &Current<'_>, fd: Fd, file: &Arc<File>, new: OpenFlags) -> Result<usize> {
    let old = file.flags();
    if new.contains(OpenFlags::NOATIME)
        && !old.contains(OpenFlags::NOATIME)
        && !cur.cred().owns(&*file.inode)?
    {
        return Err(Errno::PERM);
    }
    file.set_status_flags(new);
    vfs::fasync::flags_changed(file, fd);
    Ok(0)
}

/// 0 when the owner is gone.
fn get_owner(file: &File) -> i32 {
    let owner = *file.owner.lock();
    if owner.id == 0 || !exists(owner.kind, owner.id) {
        return 0;
    }
    if owner.kind == OwnerKind::Group { -owner.id } else { owner.id }
}

/// A negative number names a process group.
fn set_owner(cur: &Current<'_>, file: &File, who: i32) -> Result<usize> {
    let (kind, id) = if who < 0 {
        (OwnerKind::Group, who.checked_neg().ok_or(Errno::INVAL)?)
    } else {
        (OwnerKind::Process, who)
    };
    change_owner(cur, file, kind, id)
}

fn change_owner(cur: &Current<'_>, file: &File, kind: OwnerKind, id: i32) -> Result<usize> {
    if id != 0 && !exists(kind, id) {
        return Err(Errno::SRCH);
    }
    let cred = cur.cred();
    {
        let mut owner = file.owner.lock();
        *owner = Owner { kind, id, uid: cred.uid, euid: cred.euid, ..*owner };
    }
    vfs::fasync::owner_changed(file);
    Ok(0)
}

fn exists(kind: OwnerKind, id: i32) -> bool {
    match kind {
        OwnerKind::Process => task::find_process(id).is_some(),
        OwnerKind::Group => task::processes().iter().any(|process| process.pgid.load(Relaxed) == id),
        OwnerKind::Thread => task::find_thread(id).is_some(),
    }
}

fn get_owner_ex(file: &File, arg: usize) -> Result<usize> {
    let owner = *file.owner.lock();
    let type_ = match owner.kind {
        OwnerKind::Thread => g::F_OWNER_TID,
        OwnerKind::Process => g::F_OWNER_PID,
        OwnerKind::Group => g::F_OWNER_PGRP,
    };
    put(arg, &g::f_owner_ex { type_: type_ as i32, pid: get_owner(file).abs() })?;
    Ok(0)
}

fn set_owner_ex(cur: &Current<'_>, file: &File, arg: usize) -> Result<usize> {
    let wanted: g::f_owner_ex = get(arg)?;
    let kind = match wanted.type_ as u32 {
        g::F_OWNER_TID => OwnerKind::Thread,
        g::F_OWNER_PID => OwnerKind::Process,
        g::F_OWNER_PGRP => OwnerKind::Group,
        _ => return Err(Errno::INVAL),
    };
    change_owner(cur, file, kind, wanted.pid)
}

/// `fcntl_setlease`
fn set_lease(cur: &Current<'_>, fd: Fd, file: &Arc<File>, kind: u32) -> Result<usize> {
    let kind = match kind {
        g::F_RDLCK => Some(lease::Kind::Read),
        g::F_WRLCK => Some(lease::Kind::Write),
        g::F_UNLCK => None,
        _ => return Err(Errno::INVAL),
    };
    let cred = cur.cred();
    if file.inode.stat()?.uid != cred.fsuid && !cred.capable(g::CAP_LEASE) {
        return Err(Errno::ACCESS);
    }
    if file.kind() != FileType::Regular {
        return Err(Errno::INVAL);
    }
    match kind {
        Some(kind) => lease::set(file, fd, cur.process().pid, kind)?,
        None => lease::give_up(file)?,
    }
    Ok(0)
}

/// `fcntl_dirnotify`
fn notify(cur: &Current<'_>, fd: Fd, file: &Arc<File>, wanted: u32) -> Result<usize> {
    if dnotify::ENABLED.get() == 0 {
        return Err(Errno::INVAL);
    }
    let table = cur.files.lock_owner();
    let multishot = wanted & g::DN_MULTISHOT != 0;
    if wanted & !g::DN_MULTISHOT == 0 {
        dnotify::flush(file, table);
        return Ok(0);
    }
    if file.kind() != FileType::Directory {
        return Err(Errno::NOTDIR);
    }
    let events = [
        (g::DN_DELETE, Events::DELETE | Events::MOVED_FROM),
        (g::DN_MODIFY, Events::MODIFY),
        (g::DN_ACCESS, Events::ACCESS),
        (g::DN_ATTRIB, Events::ATTRIB),
        (g::DN_RENAME, Events::RENAME),
        (g::DN_CREATE, Events::CREATE | Events::MOVED_TO),
    ];
    let asked = events.iter().filter(|(bit, _)| wanted & bit != 0);
    let events = asked.fold(Events::empty(), |all, (_, events)| all | *events);
    dnotify::add(file, fd, table, events, multishot)?;
    Ok(0)
}

fn add_seals(file: &File, arg: usize) -> Result<usize> {
    let seals = u32::try_from(arg).map_err(|_| Errno::INVAL)?;
    let known = g::F_SEAL_SEAL
        | g::F_SEAL_SHRINK
        | g::F_SEAL_GROW
        | g::F_SEAL_WRITE
        | g::F_SEAL_FUTURE_WRITE
        | g::F_SEAL_EXEC;
    if !file.flags().writable() {
        return Err(Errno::PERM);
    }
    if seals & !known != 0 {
        return Err(Errno::INVAL);
    }
    file.ops.add_seals(seals)?;
    Ok(0)
}

/// Write lifetime hints steer a storage device; there is none behind these files, so the hint is only kept apart from
/// nonsense.
fn get_hint(file: &File, arg: usize) -> Result<usize> {
    put(arg, &u64::from(file.write_hint.load(Relaxed)))?;
    Ok(0)
}

fn set_hint(cur: &Current<'_>, file: &File, arg: usize) -> Result<usize> {
    let cred = cur.cred();
    if !cred.capable(CAP_FOWNER) && !cred.owns(&*file.inode)? {
        return Err(Errno::PERM);
    }
    let hint: u64 = get(arg)?;
    if hint > 5 {
        return Err(Errno::INVAL);
    }
    file.write_hint.store(hint as u32, Relaxed);
    Ok(0)
}
