//! futex(2). A word is known by address space and address; in a shared mapping, by what lies behind it and where.

use crate::mm::AddressSpace;
use crate::sync::{Deadline, WaitQueue, wait_until};
use crate::task::{Current, Task};
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

/// What word it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// Of one address space (its number) at an address.
    Private(usize, usize),
    /// Of an object behind shared mappings, at an offset.
    Shared(u64, u64),
}

impl Key {
    fn new(mm: &Arc<AddressSpace>, addr: usize, private: bool) -> Key {
        match mm.shared_place(addr) {
            Some((object, offset)) if !private => Key::Shared(object, offset),
            _ => Key::Private(Arc::as_ptr(mm) as usize, addr),
        }
    }
}

type Words = HashMap<Key, Vec<Arc<Waiter>>>;

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
pub fn sys_futex(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
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
    let private = op & PRIVATE != 0;
    let key = |addr| Key::new(cur.mm, addr, private);
    let word = (key(addr), addr);
    let second = args.usize(4);
    match command {
        WAIT => wait(word, value, deadline(args.usize(3), true, op)?, u32::MAX),
        WAIT_BITSET => wait(word, value, deadline(args.usize(3), false, op)?, args.u32(5)),
        WAKE => wake(word.0, value, u32::MAX),
        WAKE_BITSET => wake(word.0, value, args.u32(5)),
        REQUEUE => requeue(word, value, args.u32(3), (key(second), second), None),
        CMP_REQUEUE => requeue(word, value, args.u32(3), (key(second), second), Some(args.u32(5))),
        WAKE_OP => wake_op(word, value, args.u32(3), (key(second), second), args.u32(5)),
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

fn wait((key, addr): (Key, usize), value: u32, deadline: Deadline, bitset: u32) -> Result<usize> {
    if bitset == 0 {
        return Err(Errno::INVAL);
    }
    let waiter = Arc::new(Waiter { bitset, woken: AtomicBool::new(false), queue: WaitQueue::new() });
    words().lock().entry(key).or_default().push(waiter.clone());
    // Registered first, then compared: a wake in between finds the waiter.
    let seen = usercopy::load_u32(addr).map_err(|_| Errno::FAULT);
    if seen != Ok(value) {
        remove(key, &waiter);
        return Err(seen.err().unwrap_or(Errno::AGAIN));
    }
    let result = wait_until(&waiter.queue, deadline, || waiter.woken.load(SeqCst).then_some(()));
    remove(key, &waiter);
    match result {
        _ if waiter.woken.load(SeqCst) => Ok(0),
        Ok(()) => Ok(0),
        // A relative time-out would begin anew: Linux restarts with the rest; with none left it is an EINTR.
        Err(ERESTARTSYS) if deadline.is_some() => Err(Errno::INTR),
        Err(errno) => Err(errno),
    }
}

/// Takes a waiter out, wherever it was requeued to.
fn remove(key: Key, waiter: &Arc<Waiter>) {
    let mut words = words().lock();
    let mut take = |key: Key| {
        let Some(list) = words.get_mut(&key) else { return false };
        let before = list.len();
        list.retain(|each| !Arc::ptr_eq(each, waiter));
        let found = list.len() != before;
        if list.is_empty() {
            words.remove(&key);
        }
        found
    };
    if !take(key) {
        let all: Vec<Key> = words.keys().copied().collect();
        for key in all {
            let Some(list) = words.get_mut(&key) else { continue };
            list.retain(|each| !Arc::ptr_eq(each, waiter));
            if list.is_empty() {
                words.remove(&key);
            }
        }
    }
}

/// Takes up to `count` waiters that share a bit with `bitset`, oldest first.
fn take(key: Key, count: u32, bitset: u32) -> Vec<Arc<Waiter>> {
    let mut words = words().lock();
    let Some(list) = words.get_mut(&key) else { return Vec::new() };
    let mut taken = Vec::new();
    list.retain(|waiter| {
        let chosen = taken.len() < count as usize && waiter.bitset & bitset != 0;
        if chosen {
            taken.push(waiter.clone());
        }
        !chosen
    });
    if list.is_empty() {
        words.remove(&key);
    }
    taken
}

fn wake(key: Key, count: u32, bitset: u32) -> Result<usize> {
    if bitset == 0 {
        return Err(Errno::INVAL);
    }
    // Linux wakes at least one, whatever the count.
    let woken = take(key, count.max(1), bitset);
    for waiter in &woken {
        waiter.woken.store(true, SeqCst);
        waiter.queue.wake_all(PollEvents::empty());
    }
    Ok(woken.len())
}

fn requeue(
    (key, addr): (Key, usize),
    count: u32,
    limit: u32,
    (to_key, to): (Key, usize),
    expected: Option<u32>,
) -> Result<usize> {
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
    let woken = if count == 0 { 0 } else { wake(key, count, u32::MAX)? };
    let moved = take(key, limit, u32::MAX);
    let moved_len = moved.len();
    if !moved.is_empty() {
        words().lock().entry(to_key).or_default().extend(moved);
    }
    Ok(if expected.is_some() { woken + moved_len } else { woken })
}

/// `FUTEX_WAKE_OP`: change the second word, wake on the first, and on the second when its old value compares.
fn wake_op(
    (key, _): (Key, usize),
    count: u32,
    count2: u32,
    (key2, addr2): (Key, usize),
    encoded: u32,
) -> Result<usize> {
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
    let mut woken = wake(key, count, u32::MAX)?;
    if also {
        woken += wake(key2, count2, u32::MAX)?;
    }
    Ok(woken)
}

/// Wakes those that wait for the word at `addr` of the thread's process (`clear_child_tid`).
pub fn wake_address(task: &Task, addr: usize, count: u32) {
    let mm = task.process.mm.lock().clone();
    let shared = Key::new(&mm, addr, false);
    let private = Key::new(&mm, addr, true);
    // A bitset of all ones is never refused.
    let _ = wake(shared, count, u32::MAX);
    if private != shared {
        let _ = wake(private, count, u32::MAX);
    }
}

/// So many locks of a list are looked at (`ROBUST_LIST_LIMIT`): a list may be a circle.
const ROBUST_LIST_LIMIT: usize = 2048;
const FUTEX_WAITERS: u32 = 0x8000_0000;
const FUTEX_OWNER_DIED: u32 = 0x4000_0000;
const FUTEX_TID_MASK: u32 = 0x3fff_ffff;

/// Marks the robust locks that a thread holds at its end as left (get_robust_list(2)).
pub fn exit_robust_list(task: &Task) {
    let (head, _) = core::mem::take(&mut *task.robust_list.lock());
    if head == 0 {
        return;
    }
    // struct robust_list_head: first entry, offset of the word from an entry, entry being worked on.
    let Ok([mut entry, offset, pending]) = get::<[usize; 3]>(head) else { return };
    let left = |entry: usize| {
        let addr = (entry & !1).wrapping_add(offset);
        let Ok(mut word) = usercopy::load_u32(addr) else { return };
        while word & FUTEX_TID_MASK == task.tid as u32 {
            let new = word & FUTEX_WAITERS | FUTEX_OWNER_DIED;
            match usercopy::cmpxchg_u32(addr, word, new) {
                Ok(seen) if seen == word => {
                    if word & FUTEX_WAITERS != 0 {
                        wake_address(task, addr, 1);
                    }
                    return;
                }
                Ok(seen) => word = seen,
                Err(_) => return,
            }
        }
    };
    for _ in 0..ROBUST_LIST_LIMIT {
        if entry & !1 == head {
            break;
        }
        let Ok(next) = get::<usize>(entry & !1) else { return };
        if entry & !1 != pending & !1 {
            left(entry);
        }
        entry = next;
    }
    if pending != 0 {
        left(pending);
    }
}
