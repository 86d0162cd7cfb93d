//! getuid(2), getresuid(2), getgroups(2) and their like: reading credentials.

use crate::task::Current;
use crate::uaccess::{Args, put};
use crate::{Errno, Result};

/// getuid(2)
pub fn sys_getuid(cur: &mut Current<'_>, _args: &Args) -> Result<usize> {
    Ok(cur.cred().uid as usize)
}

/// geteuid(2)
pub fn sys_geteuid(cur: &mut Current<'_>, _args: &Args) -> Result<usize> {
    Ok(cur.cred().euid as usize)
}

/// getgid(2)
pub fn sys_getgid(cur: &mut Current<'_>, _args: &Args) -> Result<usize> {
    Ok(cur.cred().gid as usize)
}

/// getegid(2)
pub fn sys_getegid(cur: &mut Current<'_>, _args: &Args) -> Result<usize> {
    Ok(cur.cred().egid as usize)
}

fn put_three(args: &Args, ids: [u32; 3]) -> Result<usize> {
    for (n, id) in ids.iter().enumerate() {
        put(args.usize(n), id)?;
    }
    Ok(0)
}

/// getresuid(2)
pub fn sys_getresuid(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let cred = cur.cred();
    put_three(args, [cred.uid, cred.euid, cred.suid])
}

/// getresgid(2)
pub fn sys_getresgid(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let cred = cur.cred();
    put_three(args, [cred.gid, cred.egid, cred.sgid])
}

/// getgroups(2)
pub fn sys_getgroups(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let cred = cur.cred();
    let room = args.i32(0);
    if room < 0 {
        return Err(Errno::INVAL);
    }
    if room > 0 {
        if (room as usize) < cred.groups.len() {
            return Err(Errno::INVAL);
        }
        for (n, group) in cred.groups.iter().enumerate() {
            put(args.usize(1).wrapping_add(n * 4), group)?;
        }
    }
    Ok(cred.groups.len())
}
