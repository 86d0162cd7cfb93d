//! prctl(2).

use crate::task::Current;
use crate::uaccess::{Args, get_string, put, put_bytes};
use crate::{Errno, Result};
use alloc::sync::Arc;
use core::sync::atomic::Ordering::Relaxed;

/// Highest capability known.
const CAP_LAST: usize = 40;
const CAP_SETPCAP: u32 = 8;
const PR_SET_VMA: i32 = 0x5356_4d41;
/// Longest name of anonymous memory, without its NUL (`ANON_VMA_NAME_MAX_LEN`).
const ANON_VMA_NAME_MAX: usize = 79;

/// prctl(2)
pub fn sys_prctl(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let [_, a, b, c, d, _] = args.0;
    let rest_is_zero = b == 0 && c == 0 && d == 0;
    let process = cur.process();
    match args.i32(0) {
        // PR_SET_PDEATHSIG, PR_GET_PDEATHSIG
        1 if a > 64 => Err(Errno::INVAL),
        1 => {
            process.death_signal.store(a as i32, Relaxed);
            Ok(0)
        }
        2 => put(a, &process.death_signal.load(Relaxed)).map(|()| 0),
        // PR_GET_DUMPABLE, PR_SET_DUMPABLE
        3 => Ok(process.dumpable.load(Relaxed) as usize),
        4 if a > 1 => Err(Errno::INVAL),
        4 => {
            process.dumpable.store(a as i32, Relaxed);
            Ok(0)
        }
        // PR_GET_KEEPCAPS, PR_SET_KEEPCAPS: SECBIT_KEEP_CAPS
        7 => Ok((cur.cred().securebits >> 4 & 1) as usize),
        8 if a > 1 => Err(Errno::INVAL),
        8 => change_cred(cur, |cred| cred.securebits = cred.securebits & !(1 << 4) | (a as u32) << 4),
        // PR_GET_TIMING, PR_SET_TIMING: PR_TIMING_STATISTICAL only
        13 => Ok(0),
        14 if a != 0 => Err(Errno::INVAL),
        14 => Ok(0),
        // PR_SET_NAME, PR_GET_NAME
        15 => {
            let mut name = [0u8; 16];
            let len = match usercopy::strncpy_from_user(&mut name[..15], a) {
                Ok(len) => len.unwrap_or(15),
                Err(_) => return Err(Errno::FAULT),
            };
            cur.task.set_comm(&name[..len]);
            Ok(0)
        }
        16 => {
            let name = *cur.task.name.lock();
            put_bytes(a, &name).map(|()| 0)
        }
        // PR_GET_SECCOMP
        21 => Ok(0),
        // PR_CAPBSET_READ, PR_CAPBSET_DROP
        23 if a > CAP_LAST => Err(Errno::INVAL),
        23 => Ok((cur.cred().cap_bounding >> a & 1) as usize),
        24 if !cur.cred().capable(CAP_SETPCAP) => Err(Errno::PERM),
        24 if a > CAP_LAST => Err(Errno::INVAL),
        24 => change_cred(cur, |cred| cred.cap_bounding &= !(1 << a)),
        // PR_GET_TSC, PR_SET_TSC: reading the counter is allowed, and stays so
        25 => put(a, &1u32).map(|()| 0),
        26 if a == 1 => Ok(0),
        26 => Err(Errno::INVAL),
        // PR_GET_SECUREBITS
        27 => Ok(cur.cred().securebits as usize),
        28 if !cur.cred().capable(CAP_SETPCAP) => Err(Errno::PERM),
        28 if a & !0xff != 0 => Err(Errno::PERM),
        28 => change_cred(cur, |cred| cred.securebits = a as u32),
        // PR_SET_TIMERSLACK, PR_GET_TIMERSLACK
        29 => {
            let default = process.default_timer_slack_ns.load(Relaxed);
            process.timer_slack_ns.store(if a as isize <= 0 { default } else { a as u64 }, Relaxed);
            Ok(0)
        }
        30 => Ok(process.timer_slack_ns.load(Relaxed) as usize),
        // PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER
        36 => {
            process.subreaper.store((a != 0) as i32, Relaxed);
            Ok(0)
        }
        37 => put(a, &process.subreaper.load(Relaxed)).map(|()| 0),
        // PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS
        38 if a != 1 || !rest_is_zero => Err(Errno::INVAL),
        38 => change_cred(cur, |cred| cred.no_new_privs = true),
        39 if a != 0 || !rest_is_zero => Err(Errno::INVAL),
        39 => Ok(usize::from(cur.cred().no_new_privs)),
        // PR_GET_TID_ADDRESS
        40 => put(a, &cur.task.clear_child_tid.load(Relaxed)).map(|()| 0),
        // PR_SET_THP_DISABLE, PR_GET_THP_DISABLE
        41 if !rest_is_zero => Err(Errno::INVAL),
        41 => {
            process.thp_disable.store((a != 0) as i32, Relaxed);
            Ok(0)
        }
        42 if a != 0 || !rest_is_zero => Err(Errno::INVAL),
        42 => Ok(process.thp_disable.load(Relaxed) as usize),
        // PR_CAP_AMBIENT
        47 => cap_ambient(cur, a, b, c == 0 && d == 0),
        // PR_SET_VMA: PR_SET_VMA_ANON_NAME only
        PR_SET_VMA if a != 0 => Err(Errno::INVAL),
        PR_SET_VMA => {
            let name = if d == 0 { None } else { Some(get_string(d, ANON_VMA_NAME_MAX, Errno::INVAL)?) };
            if name.iter().flatten().any(|&byte| !(b' '..0x7f).contains(&byte) || b"\\`$[]".contains(&byte)) {
                return Err(Errno::INVAL);
            }
            cur.mm.set_anon_name(b, c, name.as_deref()).map(|()| 0)
        }
        _ => Err(Errno::INVAL),
    }
}

fn change_cred(cur: &Current<'_>, change: impl FnOnce(&mut crate::task::Cred)) -> Result<usize> {
    let mut slot = cur.process().cred.lock();
    let mut new = (**slot).clone();
    change(&mut new);
    *slot = Arc::new(new);
    Ok(0)
}

/// A bit of `PR_SET_SECUREBITS`.
const SECBIT_NO_CAP_AMBIENT_RAISE: u32 = 1 << 6;

/// `PR_CAP_AMBIENT_IS_SET` 1, `_RAISE` 2, `_LOWER` 3, `_CLEAR_ALL` 4.
fn cap_ambient(cur: &Current<'_>, what: usize, cap: usize, rest_is_zero: bool) -> Result<usize> {
    if !rest_is_zero {
        return Err(Errno::INVAL);
    }
    if what == 4 {
        return if cap == 0 { change_cred(cur, |cred| cred.cap_ambient = 0) } else { Err(Errno::INVAL) };
    }
    if !(1..=3).contains(&what) || cap > CAP_LAST {
        return Err(Errno::INVAL);
    }
    let cred = cur.cred();
    let bit = 1u64 << cap;
    match what {
        1 => Ok(usize::from(cred.cap_ambient & bit != 0)),
        2 if cred.cap_permitted & cred.cap_inheritable & bit == 0 => Err(Errno::PERM),
        2 if cred.securebits & SECBIT_NO_CAP_AMBIENT_RAISE != 0 => Err(Errno::PERM),
        2 => change_cred(cur, |cred| cred.cap_ambient |= bit),
        _ => change_cred(cur, |cred| cred.cap_ambient &= !bit),
    }
}
