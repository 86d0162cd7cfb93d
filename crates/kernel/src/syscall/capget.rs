//! capget(2), capset(2).

use crate::task::{Current, find_process};
use crate::uaccess::{Args, get, put};
use crate::{Errno, Result};
use alloc::sync::Arc;

/// `_LINUX_CAPABILITY_VERSION_1`, `_2` and `_3`, and how many 32-bit words each has.
const VERSIONS: [(u32, usize); 3] = [(0x1998_0330, 1), (0x2007_1026, 2), (0x2008_0522, 2)];
const CAP_SETPCAP: u32 = 8;
/// All there are, up to `CAP_CHECKPOINT_RESTORE`.
const CAP_VALID: u64 = (1 << 41) - 1;

/// Reads the header: number of words and pid. An unknown version is answered with the newest.
fn header(addr: usize, data: usize) -> Result<Option<(usize, i32)>> {
    let [version, pid] = get::<[u32; 2]>(addr)?;
    match VERSIONS.iter().find(|(known, _)| *known == version) {
        Some((_, words)) => Ok(Some((*words, pid as i32))),
        None => {
            put(addr, &VERSIONS[2].0)?;
            if data == 0 { Ok(None) } else { Err(Errno::INVAL) }
        }
    }
}

/// capget(2)
pub fn sys_capget(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let data = args.usize(1);
    let Some((words, pid)) = header(args.usize(0), data)? else { return Ok(0) };
    if pid < 0 {
        return Err(Errno::INVAL);
    }
    let process = if pid == 0 { cur.process().clone() } else { find_process(pid).ok_or(Errno::SRCH)? };
    if data == 0 {
        return Ok(0);
    }
    let cred = process.cred();
    for n in 0..words {
        let word = |set: u64| (set >> (32 * n)) as u32;
        put(
            data + 12 * n,
            &[word(cred.cap_effective), word(cred.cap_permitted), word(cred.cap_inheritable)],
        )?;
    }
    Ok(0)
}

/// capset(2)
pub fn sys_capset(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let Some((words, pid)) = header(args.usize(0), 1)? else { return Ok(0) };
    if pid != 0 && pid != cur.process().pid {
        return Err(Errno::PERM);
    }
    let [mut effective, mut permitted, mut inheritable] = [0u64; 3];
    for n in 0..words {
        let [e, p, i] = get::<[u32; 3]>(args.usize(1).wrapping_add(12 * n))?;
        effective |= u64::from(e) << (32 * n);
        permitted |= u64::from(p) << (32 * n);
        inheritable |= u64::from(i) << (32 * n);
    }
    let mut slot = cur.process().cred.lock();
    let mut new = (**slot).clone();
    // Bits of capabilities that do not exist are taken away (`CAP_VALID_MASK`).
    effective &= CAP_VALID;
    permitted &= CAP_VALID;
    inheritable &= CAP_VALID;
    let raise_inheritable = inheritable & !(new.cap_inheritable | new.cap_permitted);
    if raise_inheritable != 0 && !new.capable(CAP_SETPCAP)
        || inheritable & !(new.cap_inheritable | new.cap_bounding) != 0
        || permitted & !new.cap_permitted != 0
        || effective & !permitted != 0
    {
        return Err(Errno::PERM);
    }
    new.cap_effective = effective;
    new.cap_permitted = permitted;
    new.cap_inheritable = inheritable;
    new.cap_ambient &= permitted & inheritable;
    *slot = Arc::new(new);
    Ok(0)
}
