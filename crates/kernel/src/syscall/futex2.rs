//! futex_waitv(2), and the calls of the second interface: futex_wake, futex_wait, futex_requeue.

use super::futex::deadline;
use crate::futex::{self, Want, Word};
use crate::sync::Deadline;
use crate::task::Current;
use crate::time::clock;
use crate::uaccess::{Args, get};
use crate::{Errno, Result};
use alloc::vec::Vec;
use linux_raw_sys::general::{CLOCK_MONOTONIC, CLOCK_REALTIME};

/// `FUTEX2_SIZE_MASK`: the only size there is, 32 bits.
const SIZE_MASK: u32 = 3;
const SIZE_U32: u32 = 2;
/// `FUTEX2_NUMA` and `FUTEX2_MPOL`: the word is followed by a node number.
const NUMA: u32 = 4;
const MPOL: u32 = 8;
const PRIVATE: u32 = 128;
/// `FUTEX_WAITV_MAX`
const WAITV_MAX: u32 = 128;

/// Checks the flags of one word, and a value of its size.
fn check(flags: u32, value: u64) -> Result<()> {
    if flags & !(SIZE_MASK | NUMA | MPOL | PRIVATE) != 0 || flags & SIZE_MASK != SIZE_U32 {
        return Err(Errno::INVAL);
    }
    // Words with a node number lie in tables of that node, of which there is one.
    if flags & (NUMA | MPOL) != 0 || value > u64::from(u32::MAX) {
        return Err(Errno::INVAL);
    }
    Ok(())
}

/// The time-out of a wait on a clock.
fn timeout(addr: usize, clock_id: i32) -> Result<Deadline> {
    if addr == 0 {
        return Ok(None);
    }
    if clock_id != CLOCK_REALTIME as i32 && clock_id != CLOCK_MONOTONIC as i32 {
        return Err(Errno::INVAL);
    }
    let ns = clock::timespec_ns(get(addr)?)?;
    Ok(Some(deadline(ns, false, clock_id == CLOCK_REALTIME as i32)))
}

/// Reads `count` of `struct futex_waitv`: value, address, flags, reserved.
fn read_waiters(cur: &Current<'_>, addr: usize, count: usize) -> Result<Vec<Want>> {
    let mut raw = Vec::with_capacity(count);
    for n in 0..count {
        let [value, word, flags] = get::<[u64; 3]>(addr.wrapping_add(n * 24))?;
        if flags >> 32 != 0 {
            return Err(Errno::INVAL);
        }
        check(flags as u32, value)?;
        raw.push((value as u32, word as usize, flags as u32));
    }
    let want = |(value, addr, flags): (u32, usize, u32)| {
        Ok(Want { word: Word::new(cur.mm, addr, flags & PRIVATE != 0)?, value })
    };
    raw.into_iter().map(want).collect()
}

/// futex_waitv(waiters, count, flags, timeout, clock)
pub fn sys_futex_waitv(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (addr, count) = (args.usize(0), args.u32(1));
    if args.u32(2) != 0 || count == 0 || count > WAITV_MAX || addr == 0 {
        return Err(Errno::INVAL);
    }
    let deadline = timeout(args.usize(3), args.i32(4))?;
    let wants = read_waiters(cur, addr, count as usize)?;
    futex::wait_any(cur.task.tid, &wants, deadline)
}

/// futex_wake(address, mask, count, flags)
pub fn sys_futex_wake(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (addr, mask, count, flags) = (args.usize(0), args.u64(1), args.i32(2), args.u32(3));
    check(flags, mask)?;
    if mask == 0 {
        return Err(Errno::INVAL);
    }
    let word = Word::new(cur.mm, addr, flags & PRIVATE != 0)?;
    if count == 0 {
        return Ok(0);
    }
    futex::wake(word.key, usize::try_from(count).unwrap_or(1), mask as u32)
}

/// futex_wait(address, value, mask, flags, timeout, clock)
pub fn sys_futex_wait(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (addr, value, mask, flags) = (args.usize(0), args.u64(1), args.u64(2), args.u32(3));
    check(flags, value)?;
    check(flags, mask)?;
    let deadline = timeout(args.usize(4), args.i32(5))?;
    if mask == 0 {
        return Err(Errno::INVAL);
    }
    let word = Word::new(cur.mm, addr, flags & PRIVATE != 0)?;
    futex::wait(cur.task.tid, &Want { word, value: value as u32 }, mask as u32, deadline).map(|()| 0)
}

/// futex_requeue(waiters, flags, wake, move)
pub fn sys_futex_requeue(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (addr, flags, wake, limit) = (args.usize(0), args.u32(1), args.i32(2), args.i32(3));
    if flags != 0 || addr == 0 {
        return Err(Errno::INVAL);
    }
    let wants = read_waiters(cur, addr, 2)?;
    let [from, to] = wants.as_slice() else { return Err(Errno::INVAL) };
    let count = |n: i32| usize::try_from(n).map_err(|_| Errno::INVAL);
    let (woken, moved) = futex::requeue(&from.word, &to.word, count(wake)?, count(limit)?, Some(from.value))?;
    Ok(woken + moved)
}
