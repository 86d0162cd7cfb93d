//! Watches the order in which locks are taken (what Linux calls lockdep), so that a pair of locks that is taken both ways
//! round is found when it happens for the first time, not when two threads meet in it.
//!
//! Only with debug assertions; otherwise nothing of it is there. `kernel::sync::order` says how to switch it on. A
//! class of locks is the type of what they protect. Of two locks of one class it is only watched that they are not the
//! same one: which comes first is said where two are taken.

use core::panic::Location;
use core::sync::atomic::{AtomicI32, AtomicPtr, AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Types of protected values there may be.
const CLASSES: usize = 128;
/// Threads that may hold locks at one time.
const THREADS: usize = 512;
/// Locks that one thread may hold.
const DEPTH: usize = 16;

/// A class: the name of its type, known by its hash.
struct Class {
    hash: AtomicU64,
    name: AtomicPtr<u8>,
    len: AtomicUsize,
}

/// A lock that is held.
struct Held {
    class: AtomicUsize,
    lock: AtomicUsize,
    taken_at: AtomicPtr<Location<'static>>,
}

/// What a thread holds; one that holds nothing has no entry. Only the thread itself changes its own.
struct Holder {
    tid: AtomicI32,
    depth: AtomicUsize,
    held: [Held; DEPTH],
}

type Site = AtomicPtr<Location<'static>>;

static NAMES: [Class; CLASSES] = [const {
    Class { hash: AtomicU64::new(0), name: AtomicPtr::new(core::ptr::null_mut()), len: AtomicUsize::new(0) }
}; CLASSES];
/// Where a lock of the second class was taken first while one of the first class was held.
static AFTER: [[Site; CLASSES]; CLASSES] =
    [const { [const { AtomicPtr::new(core::ptr::null_mut()) }; CLASSES] }; CLASSES];
static HOLDERS: [Holder; THREADS] = [const {
    Holder {
        tid: AtomicI32::new(0),
        depth: AtomicUsize::new(0),
        held: [const {
            Held {
                class: AtomicUsize::new(0),
                lock: AtomicUsize::new(0),
                taken_at: AtomicPtr::new(core::ptr::null_mut()),
            }
        }; DEPTH],
    }
}; THREADS];

/// The class of locks around `T`; `None` when there are too many.
fn class_of<T: ?Sized>() -> Option<usize> {
    let name = core::any::type_name::<T>();
    // FNV-1a. Never 0, which means "free".
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    }) | 1;
    let first = (hash >> 1) as usize;
    (0..CLASSES).map(|n| (first.wrapping_add(n)) % CLASSES).find(|&at| {
        let class = &NAMES[at];
        match class.hash.compare_exchange(0, hash, Relaxed, Relaxed) {
            Ok(_) => {
                class.len.store(name.len(), Relaxed);
                class.name.store(name.as_ptr().cast_mut(), Relaxed);
                true
            }
            Err(other) => other == hash,
        }
    })
}

fn name(class: usize) -> &'static str {
    let (name, len) = (NAMES[class].name.load(Relaxed), NAMES[class].len.load(Relaxed));
    if name.is_null() {
        return "a new class";
    }
    // SAFETY: pointer and length are those of a type's name, which is constant; the length was stored first, and
    // another process has the same image at the same address.
    unsafe { core::str::from_utf8_unchecked(core::slice::from_raw_parts(name, len)) }
}

/// The calling thread's entry, made when `make` and there is none.
fn holder(make: bool) -> Option<&'static Holder> {
    // Asked of the host: a thread just made may still find its maker's number.
    let tid = crate::signal::ask_ids().1;
    let all = || (0..THREADS).map(|n| &HOLDERS[(tid as usize + n) % THREADS]);
    if let Some(found) = all().find(|holder| holder.tid.load(Relaxed) == tid) {
        return Some(found);
    }
    // Nobody else takes an entry for this thread meanwhile.
    all().filter(|_| make).find(|holder| holder.tid.compare_exchange(0, tid, Relaxed, Relaxed).is_ok())
}

/// A way from `from` to `to` along "is taken while it is held", as a set of the classes on it.
fn leads(from: usize, to: usize, seen: &mut [bool; CLASSES]) -> Option<&'static Location<'static>> {
    for next in 0..CLASSES {
        let site = AFTER[from][next].load(Relaxed);
        if site.is_null() || seen[next] {
            continue;
        }
        seen[next] = true;
        if next == to || leads(next, to, seen).is_some() {
            // SAFETY: a location is constant, and at the same address in every process of the instance.
            return Some(unsafe { &*site });
        }
    }
    None
}

/// A lock around a `T` is about to be taken (`waits`), or has been without waiting.
pub(crate) fn taken<T: ?Sized>(lock: usize, waits: bool, site: &'static Location<'static>) {
    let Some(class) = class_of::<T>() else { return };
    let Some(holder) = holder(true) else { return };
    let depth = holder.depth.load(Relaxed);
    let here = core::ptr::from_ref(site).cast_mut();
    for held in holder.held.iter().take(depth).filter(|_| waits) {
        let before = held.class.load(Relaxed);
        // SAFETY: as above.
        let taken_at = unsafe { &*held.taken_at.load(Relaxed) };
        if held.lock.load(Relaxed) == lock {
            panic!("lock order: {} is taken twice, at {taken_at} and at {site}", name(class));
        }
        if before == class || !AFTER[before][class].load(Relaxed).is_null() {
            continue;
        }
        // Entered first: of two threads that do this at the same time, one sees the other's.
        AFTER[before][class].store(here, Relaxed);
        if let Some(other) = leads(class, before, &mut [false; CLASSES]) {
            panic!(
                "lock order: {} is taken at {site} while {} is held since {taken_at}; the other way round at {other}",
                name(class),
                name(before),
            );
        }
    }
    if let Some(held) = holder.held.get(depth) {
        held.class.store(class, Relaxed);
        held.lock.store(lock, Relaxed);
        held.taken_at.store(here, Relaxed);
        holder.depth.store(depth + 1, Relaxed);
    }
}

/// A lock has been given back.
pub(crate) fn released(lock: usize) {
    let Some(holder) = holder(false) else { return };
    let depth = holder.depth.load(Relaxed).min(DEPTH);
    let Some(at) = (0..depth).rev().find(|&at| holder.held[at].lock.load(Relaxed) == lock) else { return };
    for n in at..depth - 1 {
        let (to, from) = (&holder.held[n], &holder.held[n + 1]);
        to.class.store(from.class.load(Relaxed), Relaxed);
        to.lock.store(from.lock.load(Relaxed), Relaxed);
        to.taken_at.store(from.taken_at.load(Relaxed), Relaxed);
    }
    holder.depth.store(depth - 1, Relaxed);
    if depth == 1 {
        holder.tid.store(0, Relaxed);
    }
}

/// The calling thread is about to leave the kernel for a long time: it must hold nothing.
pub(crate) fn none_held(what: &str) {
    let Some(holder) = holder(false) else { return };
    // An entry is there only while something is held.
    let held = &holder.held[0];
    // SAFETY: as above.
    let taken_at = unsafe { &*held.taken_at.load(Relaxed) };
    panic!("{what} with a lock: {}, taken at {taken_at}", name(held.class.load(Relaxed)));
}
