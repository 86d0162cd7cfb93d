//! Futexes (futex(7)): words of user memory that threads wait on.
//!
//! What lives here: the table of who waits for which word, plain waits and wakes, locks with an owner (`pi`), and what
//! becomes of a thread's locks when it ends (`robust`). What does not: arguments (`syscall::{futex, futex2}`).
//!
//! A word is known by address space and address; in a shared mapping, by what lies behind it and where. One lock
//! guards the table. Words are read and changed under it, so that no wake falls between a look and the entry in the
//! table; a fault in such an access is answered by the host or ends it, and never comes back for the lock.

pub mod pi;
mod robust;
mod wait;

pub use robust::exit_robust_list;
pub use wait::{Want, requeue, wait, wait_any, wake, wake_address, wake_op};

use crate::mm::AddressSpace;
use crate::{Errno, Result};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering::SeqCst};
use hashbrown::HashMap;
use host::mutex::{Mutex, MutexGuard, OnceLock};
use host::park::Parker;

/// Somebody waits for the lock (`linux/futex.h`).
pub const FUTEX_WAITERS: u32 = 0x8000_0000;
/// Its owner has ended.
pub const FUTEX_OWNER_DIED: u32 = 0x4000_0000;
/// Its owner.
pub const FUTEX_TID_MASK: u32 = 0x3fff_ffff;

/// What word it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// Of one address space (its number) at an address.
    Private(usize, usize),
    /// Of an object behind shared mappings, at an offset.
    Shared(u64, u64),
}

/// A word of the calling thread's memory.
#[derive(Clone, Copy, Debug)]
pub struct Word {
    /// Which it is.
    pub key: Key,
    /// Where the caller sees it.
    pub addr: usize,
}

impl Word {
    /// The word at `addr`; `private`: no other address space is concerned.
    ///
    /// # Errors
    /// `EINVAL` when it is not aligned; `EFAULT`: a shared word is known by what lies behind it, so there must be
    /// something.
    pub fn new(mm: &Arc<AddressSpace>, addr: usize, private: bool) -> Result<Word> {
        if !addr.is_multiple_of(4) {
            return Err(Errno::INVAL);
        }
        if !usercopy::access_ok(addr, 4) {
            return Err(Errno::FAULT);
        }
        if !private {
            load(addr)?;
        }
        Ok(Word { key: Key::new(mm, addr, private), addr })
    }
}

impl Key {
    fn new(mm: &Arc<AddressSpace>, addr: usize, private: bool) -> Key {
        match if private { None } else { mm.shared_place(addr) } {
            Some((object, offset)) => Key::Shared(object, offset),
            None => Key::Private(Arc::as_ptr(mm) as usize, addr),
        }
    }
}

fn load(addr: usize) -> Result<u32> {
    usercopy::load_u32(addr).map_err(|_| Errno::FAULT)
}

/// Stores `new` where `old` stands; answers what stood there.
fn exchange(addr: usize, old: u32, new: u32) -> Result<u32> {
    usercopy::cmpxchg_u32(addr, old, new).map_err(|_| Errno::FAULT)
}

/// Nothing has come yet.
const WAITING: u32 = 0;
/// Woken.
const WOKEN: u32 = 1;
/// It owns the lock it waited for, and the word says so.
const OWNS: u32 = 2;
/// It owns the lock, whose owner has ended: it has to write that itself.
const INHERITS: u32 = 3;
/// It cannot get the lock that it was moved to: `EDEADLK`.
const DEADLOCK: u32 = 4;

/// One who waits for one word.
struct Waiter {
    tid: i32,
    /// Which wakes concern it.
    bitset: u32,
    kind: Kind,
    /// [`WAITING`] …
    state: AtomicU32,
    /// Where it is in the table; changed under the table's lock only.
    key: Mutex<Key>,
    parker: Arc<Parker>,
}

/// What a waiter waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A wake.
    Plain,
    /// A lock with an owner.
    Lock,
    /// To be moved to such a lock, this one.
    Move(Key),
}

impl Waiter {
    fn new(tid: i32, key: Key, bitset: u32, kind: Kind) -> Arc<Waiter> {
        Arc::new(Waiter {
            tid,
            bitset,
            kind,
            state: AtomicU32::new(WAITING),
            key: Mutex::new(key),
            parker: host::park::current(),
        })
    }

    fn state(&self) -> u32 {
        self.state.load(SeqCst)
    }

    fn finish(&self, state: u32) {
        self.state.store(state, SeqCst);
        self.parker.unpark();
    }
}

/// So many are woken without an allocation.
const FEW: usize = 4;

/// Those taken off the table as woken, who are told at the end of it. Made before the table is locked: one who is told
/// under the lock wakes up only to wait for it (`wake_q` in Linux).
#[derive(Default)]
struct Woken {
    few: [Option<Arc<Waiter>>; FEW],
    len: usize,
    more: Vec<Arc<Waiter>>,
}

impl Woken {
    fn add(&mut self, waiter: Arc<Waiter>) {
        waiter.state.store(WOKEN, SeqCst);
        match self.few.get_mut(self.len) {
            Some(slot) => *slot = Some(waiter),
            None => self.more.push(waiter),
        }
        self.len += 1;
    }
}

impl Drop for Woken {
    fn drop(&mut self) {
        self.few.iter().flatten().chain(&self.more).for_each(|waiter| waiter.parker.unpark());
    }
}

/// Who waits, and who owns what somebody waits for.
#[derive(Default)]
struct Table {
    /// By word, oldest first.
    waiters: HashMap<Key, Vec<Arc<Waiter>>>,
    /// Owners of locks that somebody waits for (`struct futex_pi_state`); 0: the owner has ended and its successor
    /// has not written its number yet.
    owners: HashMap<Key, i32>,
}

impl Table {
    fn lock() -> MutexGuard<'static, Table> {
        static TABLE: OnceLock<Mutex<Table>> = OnceLock::new();
        loop {
            match TABLE.get() {
                Some(table) => return table.lock(),
                // Who loses the race uses the other's.
                None => drop(TABLE.set(Mutex::default())),
            }
        }
    }

    fn enter(&mut self, waiter: &Arc<Waiter>) {
        let key = *waiter.key.lock();
        self.waiters.entry(key).or_default().push(waiter.clone());
    }

    /// Takes a waiter out, wherever it was moved to; `false`: somebody else has done so.
    fn leave(&mut self, waiter: &Arc<Waiter>) -> bool {
        let key = *waiter.key.lock();
        let Some(list) = self.waiters.get_mut(&key) else { return false };
        let Some(at) = list.iter().position(|each| Arc::ptr_eq(each, waiter)) else { return false };
        list.remove(at);
        self.forget_empty(key);
        true
    }

    /// A word nobody waits for has no place in the table.
    fn forget_empty(&mut self, key: Key) {
        if self.waiters.get(&key).is_some_and(Vec::is_empty) {
            self.waiters.remove(&key);
            self.owners.remove(&key);
        }
    }

    /// Takes out up to `count` plain waiters that share a bit with `bitset`, oldest first, and hands each to `then`.
    ///
    /// # Errors
    /// `EINVAL` for one that waits for a lock with an owner; those before it stay taken.
    fn take_plain(
        &mut self,
        key: Key,
        count: usize,
        bitset: u32,
        mut then: impl FnMut(Arc<Waiter>),
    ) -> Result<usize> {
        let Some(list) = self.waiters.get_mut(&key) else { return Ok(0) };
        let (mut at, mut taken) = (0, 0);
        while taken < count
            && let Some(waiter) = list.get(at)
        {
            if waiter.kind != Kind::Plain {
                return Err(Errno::INVAL);
            }
            if waiter.bitset & bitset == 0 {
                at += 1;
                continue;
            }
            then(list.remove(at));
            taken += 1;
        }
        self.forget_empty(key);
        Ok(taken)
    }

    /// The oldest waiter for a word.
    fn first(&self, key: Key) -> Option<&Arc<Waiter>> {
        self.waiters.get(&key)?.first()
    }
}
