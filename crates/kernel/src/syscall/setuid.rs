//! setuid(2), setreuid(2), setresuid(2), setfsuid(2), setgroups(2) and their like: changing credentials, with the
//! effect on capabilities that capabilities(7) describes.

use crate::task::{Cred, Current, Resource, process_count};
use crate::uaccess::{Args, get};
use crate::{Errno, Result};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;

const CAP_SETGID: u32 = 6;
const CAP_SETUID: u32 = 7;
/// `SECBIT_NO_SETUID_FIXUP`
const NO_SETUID_FIXUP: u32 = 1 << 2;
/// `SECBIT_KEEP_CAPS`
const KEEP_CAPS: u32 = 1 << 4;
/// The capabilities that go with the file-system user id 0 (capabilities(7)).
const FS_CAPS: u64 = 1 | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 9 | 1 << 27 | 1 << 32;
/// "Leave as it is".
const SAME: u32 = u32::MAX;
/// `NGROUPS_MAX`
const NGROUPS_MAX: usize = 65536;

/// Changes the credentials of the calling process with `change`.
fn change(cur: &Current<'_>, change: impl FnOnce(&mut Cred) -> Result<usize>) -> Result<usize> {
    let process = cur.process();
    let mut slot = process.cred.lock();
    let old = slot.clone();
    let mut new = (*old).clone();
    let value = change(&mut new)?;
    fix_capabilities(&old, &mut new);
    process.note_new_cred(&old, &new);
    let uid = new.uid;
    *slot = Arc::new(new);
    drop(slot);
    if uid != old.uid {
        // It was not one of the user's yet.
        let (others, limit) = (process_count(uid).saturating_sub(1), process.limit(Resource::Nproc));
        process.family.over_limit.store(uid != 0 && others as u64 > limit, Relaxed);
    }
    Ok(value)
}

/// What a change of user ids does to capabilities.
fn fix_capabilities(old: &Cred, new: &mut Cred) {
    if new.securebits & NO_SETUID_FIXUP != 0 {
        return;
    }
    let root = |cred: &Cred| cred.uid == 0 || cred.euid == 0 || cred.suid == 0;
    if root(old) && !root(new) {
        if new.securebits & KEEP_CAPS == 0 {
            new.cap_permitted = 0;
            new.cap_effective = 0;
        }
        new.cap_ambient = 0;
    }
    if old.euid == 0 && new.euid != 0 {
        new.cap_effective = 0;
    }
    if old.euid != 0 && new.euid == 0 {
        new.cap_effective = new.cap_permitted;
    }
    if old.fsuid == 0 && new.fsuid != 0 {
        new.cap_effective &= !FS_CAPS;
    }
    if old.fsuid != 0 && new.fsuid == 0 {
        new.cap_effective |= new.cap_permitted & FS_CAPS;
    }
}

/// setuid(2)
pub fn sys_setuid(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let uid = args.u32(0);
    if uid == SAME {
        return Err(Errno::INVAL);
    }
    change(cur, |cred| {
        if cred.capable(CAP_SETUID) {
            cred.uid = uid;
            cred.suid = uid;
        } else if uid != cred.uid && uid != cred.suid {
            return Err(Errno::PERM);
        }
        cred.euid = uid;
        cred.fsuid = uid;
        Ok(0)
    })
}

/// setgid(2)
pub fn sys_setgid(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let gid = args.u32(0);
    if gid == SAME {
        return Err(Errno::INVAL);
    }
    change(cur, |cred| {
        if cred.capable(CAP_SETGID) {
            cred.gid = gid;
            cred.sgid = gid;
        } else if gid != cred.gid && gid != cred.sgid {
            return Err(Errno::PERM);
        }
        cred.egid = gid;
        cred.fsgid = gid;
        Ok(0)
    })
}

/// The rule of setreuid(2) and setregid(2) on the triple (real, effective, saved); answers the new triple.
fn set_re(may: bool, [real, effective, saved]: [u32; 3], r: u32, e: u32) -> Result<[u32; 3]> {
    if r != SAME && !may && r != real && r != effective {
        return Err(Errno::PERM);
    }
    if e != SAME && !may && e != real && e != effective && e != saved {
        return Err(Errno::PERM);
    }
    let new_real = if r == SAME { real } else { r };
    let new_effective = if e == SAME { effective } else { e };
    let follows = r != SAME || e != SAME && e != real;
    Ok([new_real, new_effective, if follows { new_effective } else { saved }])
}

/// setreuid(2)
pub fn sys_setreuid(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    change(cur, |c| {
        [c.uid, c.euid, c.suid] =
            set_re(c.capable(CAP_SETUID), [c.uid, c.euid, c.suid], args.u32(0), args.u32(1))?;
        c.fsuid = c.euid;
        Ok(0)
    })
}

/// setregid(2)
pub fn sys_setregid(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    change(cur, |c| {
        [c.gid, c.egid, c.sgid] =
            set_re(c.capable(CAP_SETGID), [c.gid, c.egid, c.sgid], args.u32(0), args.u32(1))?;
        c.fsgid = c.egid;
        Ok(0)
    })
}

/// The rule of setresuid(2) and setresgid(2).
fn set_res(may: bool, old: [u32; 3], args: &Args) -> Result<[u32; 3]> {
    let mut new = old;
    for (n, slot) in new.iter_mut().enumerate() {
        let id = args.u32(n);
        if id == SAME {
            continue;
        }
        if !may && !old.contains(&id) {
            return Err(Errno::PERM);
        }
        *slot = id;
    }
    Ok(new)
}

/// setresuid(2)
pub fn sys_setresuid(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    change(cur, |c| {
        [c.uid, c.euid, c.suid] = set_res(c.capable(CAP_SETUID), [c.uid, c.euid, c.suid], args)?;
        c.fsuid = c.euid;
        Ok(0)
    })
}

/// setresgid(2)
pub fn sys_setresgid(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    change(cur, |c| {
        [c.gid, c.egid, c.sgid] = set_res(c.capable(CAP_SETGID), [c.gid, c.egid, c.sgid], args)?;
        c.fsgid = c.egid;
        Ok(0)
    })
}

/// setfsuid(2): always answers the old id.
pub fn sys_setfsuid(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let id = args.u32(0);
    change(cur, |c| {
        let old = c.fsuid;
        if id != SAME && (c.capable(CAP_SETUID) || [c.uid, c.euid, c.suid, c.fsuid].contains(&id)) {
            c.fsuid = id;
        }
        Ok(old as usize)
    })
}

/// setfsgid(2): always answers the old id.
pub fn sys_setfsgid(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let id = args.u32(0);
    change(cur, |c| {
        let old = c.fsgid;
        if id != SAME && (c.capable(CAP_SETGID) || [c.gid, c.egid, c.sgid, c.fsgid].contains(&id)) {
            c.fsgid = id;
        }
        Ok(old as usize)
    })
}

/// setgroups(2)
pub fn sys_setgroups(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    if !cur.cred().capable(CAP_SETGID) {
        return Err(Errno::PERM);
    }
    let count = args.u32(0) as usize;
    if count > NGROUPS_MAX {
        return Err(Errno::INVAL);
    }
    let mut groups = Vec::with_capacity(count);
    for n in 0..count {
        let gid: u32 = get(args.usize(1).wrapping_add(n * 4))?;
        if gid == SAME {
            return Err(Errno::INVAL);
        }
        groups.push(gid);
    }
    groups.sort_unstable();
    change(cur, |c| {
        c.groups = groups;
        Ok(0)
    })
}
