//! futex(2). Words are told apart by address: one address space a process, and shared words between processes are
//! not there yet.

use crate::sync::{Deadline, WaitQueue, wait_until};
use crate::task::Current;
use crate::uaccess::{Args, get};
use crate::vfs::PollEvents;
use crate::{ERESTARTSYS, Errno, Result};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};
use hashbrown::HashMap;
use host::mutex::{Mutex, OnceLock};

const WAIT: u32 = 0;
const WAKE: u32 = 1;
const REQUEUE: u32 = 3;
const CMP_REQUEUE: u32 = 4;
const WAKE_OP: u32 = 5;
const WAIT_BITSET: u32 = 9;
const WAKE_BITSET: u32 = 10;
const PRIVATE: u32 = 128;
const CLOCK_REALTIME: u32 = 256;

/// One who waits.
struct Waiter {
    bitset: u32,
    woken: AtomicBool,
    queue: WaitQueue,
}

type Words = HashMap<usize, Vec<Arc<Waiter>>>;

static WORDS: OnceLock<Mutex<Words>> = OnceLock::new();

fn words() -> &'static Mutex<Words> {
    if WORDS.get().is_none() {
        // Who loses the race uses the other's.
        let _ = WORDS.set(Mutex::new(HashMap::new()));
    }
    match WORDS.get() {
        Some(words) => words,
        None => words(),
    }
}

/// futex(2)
pub fn sys_futex(_cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (addr, op, value) = (args.usize(0), args.u32(1), args.u32(2));
    let command = op & !(PRIVATE | CLOCK_REALTIME);
    if op & CLOCK_REALTIME != 0 && !matches!(command, WAIT | WAIT_BITSET) {
        return Err(Errno::NOSYS);
    }
    if !addr.is_multiple_of(4) {
        return Err(Errno::INVAL);
    }
    if !usercopy::access_ok(addr, 4) {
        return Err(Errno::FAULT);
    }
    if op & PRIVATE == 0 && matches!(command, WAKE | WAKE_BITSET | REQUEUE) {
        // A shared word is known by the page behind it, so there must be one.
        usercopy::load_u32(addr).map_err(|_| Errno::FAULT)?;
    }
    match command {
        WAIT => wait(addr, value, deadline(args.usize(3), true, op)?, u32::MAX),
        WAIT_BITSET => wait(addr, value, deadline(args.usize(3), false, op)?, args.u32(5)),
        WAKE => wake(addr, value, u32::MAX),
        WAKE_BITSET => wake(addr, value, args.u32(5)),
        REQUEUE => requeue(addr, value, args.u32(3), args.usize(4), None),
        CMP_REQUEUE => requeue(addr, value, args.u32(3), args.usize(4), Some(args.u32(5))),
        WAKE_OP => wake_op(addr, value, args.u32(3), args.usize(4), args.u32(5)),
        _ => Err(Errno::NOSYS),
    }
}

/// The time-out argument as a point on the monotonic clock.
fn deadline(addr: usize, relative: bool, op: u32) -> Result<Deadline> {
    if addr == 0 {
        return Ok(None);
    }
    let [sec, nsec] = get::<[i64; 2]>(addr)?;
    if sec < 0 || !(0..1_000_000_000).contains(&nsec) {
        return Err(Errno::INVAL);
    }
    let ns = (sec as u64).saturating_mul(1_000_000_000).saturating_add(nsec as u64);
    let now = host::clock::monotonic_ns();
    Ok(Some(if relative {
        now.saturating_add(ns)
    } else if op & CLOCK_REALTIME != 0 {
        now.saturating_add(ns.saturating_sub(host::clock::realtime_ns()))
    } else {
        ns
    }))
}

fn wait(addr: usize, value: u32, deadline: Deadline, bitset: u32) -> Result<usize> {
    if bitset == 0 {
        return Err(Errno::INVAL);
    }
    let waiter = Arc::new(Waiter { bitset, woken: AtomicBool::new(false), queue: WaitQueue::new() });
    words().lock().entry(addr).or_default().push(waiter.clone());
    // Registered first, then compared: a wake in between finds the waiter.
    let seen = usercopy::load_u32(addr).map_err(|_| Errno::FAULT);
    if seen != Ok(value) {
        remove(addr, &waiter);
        return Err(seen.err().unwrap_or(Errno::AGAIN));
    }
    let result = wait_until(&waiter.queue, deadline, || waiter.woken.load(SeqCst).then_some(()));
    remove(addr, &waiter);
    match result {
        _ if waiter.woken.load(SeqCst) => Ok(0),
        Ok(()) => Ok(0),
        // A relative time-out would begin anew: Linux restarts with the rest; with none left it is an EINTR.
        Err(ERESTARTSYS) if deadline.is_some() => Err(Errno::INTR),
        Err(errno) => Err(errno),
    }
}

/// Takes a waiter out, wherever it was requeued to.
fn remove(addr: usize, waiter: &Arc<Waiter>) {
    let mut words = words().lock();
    let mut take = |addr: usize| {
        let Some(list) = words.get_mut(&addr) else { return false };
        let before = list.len();
        list.retain(|each| !Arc::ptr_eq(each, waiter));
        let found = list.len() != before;
        if list.is_empty() {
            words.remove(&addr);
        }
        found
    };
    if !take(addr) {
        let all: Vec<usize> = words.keys().copied().collect();
        for addr in all {
            let Some(list) = words.get_mut(&addr) else { continue };
            list.retain(|each| !Arc::ptr_eq(each, waiter));
            if list.is_empty() {
                words.remove(&addr);
            }
        }
    }
}

/// Takes up to `count` waiters that share a bit with `bitset`, oldest first.
fn take(addr: usize, count: u32, bitset: u32) -> Vec<Arc<Waiter>> {
    let mut words = words().lock();
    let Some(list) = words.get_mut(&addr) else { return Vec::new() };
    let mut taken = Vec::new();
    list.retain(|waiter| {
        let chosen = taken.len() < count as usize && waiter.bitset & bitset != 0;
        if chosen {
            taken.push(waiter.clone());
        }
        !chosen
    });
    if list.is_empty() {
        words.remove(&addr);
    }
    taken
}

fn wake(addr: usize, count: u32, bitset: u32) -> Result<usize> {
    if bitset == 0 {
        return Err(Errno::INVAL);
    }
    // Linux wakes at least one, whatever the count.
    let woken = take(addr, count.max(1), bitset);
    for waiter in &woken {
        waiter.woken.store(true, SeqCst);
        waiter.queue.wake_all(PollEvents::empty());
    }
    Ok(woken.len())
}

fn requeue(addr: usize, count: u32, limit: u32, to: usize, expected: Option<u32>) -> Result<usize> {
    if (count as i32) < 0 || (limit as i32) < 0 || !to.is_multiple_of(4) {
        return Err(Errno::INVAL);
    }
    if !usercopy::access_ok(to, 4) {
        return Err(Errno::FAULT);
    }
    if let Some(expected) = expected {
        let seen = usercopy::load_u32(addr).map_err(|_| Errno::FAULT)?;
        if seen != expected {
            return Err(Errno::AGAIN);
        }
    }
    let woken = if count == 0 { 0 } else { wake(addr, count, u32::MAX)? };
    let moved = take(addr, limit, u32::MAX);
    let moved_len = moved.len();
    if !moved.is_empty() {
        words().lock().entry(to).or_default().extend(moved);
    }
    Ok(if expected.is_some() { woken + moved_len } else { woken })
}

/// `FUTEX_WAKE_OP`: change the second word, wake on the first, and on the second when its old value compares.
fn wake_op(addr: usize, count: u32, count2: u32, addr2: usize, encoded: u32) -> Result<usize> {
    if !addr2.is_multiple_of(4) {
        return Err(Errno::INVAL);
    }
    let sign_extend = |bits: u32| ((bits << 20) as i32 >> 20) as u32;
    let (op, cmp) = (encoded >> 28 & 7, encoded >> 24 & 15);
    let (mut oparg, cmparg) = (sign_extend(encoded >> 12 & 0xfff), sign_extend(encoded & 0xfff));
    if encoded >> 31 != 0 {
        oparg = 1u32.wrapping_shl(oparg);
    }
    let mut old = usercopy::load_u32(addr2).map_err(|_| Errno::FAULT)?;
    loop {
        let new = match op {
            0 => oparg,
            1 => old.wrapping_add(oparg),
            2 => old | oparg,
            3 => old & !oparg,
            4 => old ^ oparg,
            _ => return Err(Errno::NOSYS),
        };
        let seen = usercopy::cmpxchg_u32(addr2, old, new).map_err(|_| Errno::FAULT)?;
        if seen == old {
            break;
        }
        old = seen;
    }
    let (old, arg) = (old as i32, cmparg as i32);
    let also = match cmp {
        0 => old == arg,
        1 => old != arg,
        2 => old < arg,
        3 => old <= arg,
        4 => old > arg,
        5 => old >= arg,
        _ => return Err(Errno::NOSYS),
    };
    let mut woken = wake(addr, count, u32::MAX)?;
    if also {
        woken += wake(addr2, count2, u32::MAX)?;
    }
    Ok(woken)
}
