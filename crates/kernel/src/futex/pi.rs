//! Locks with an owner: `FUTEX_LOCK_PI`, `FUTEX_UNLOCK_PI`, `FUTEX_WAIT_REQUEUE_PI`, `FUTEX_CMP_REQUEUE_PI`.
//!
//! The word holds the owner's thread number. Who finds it taken enters the table, and the owner hands the lock over
//! to the one that has waited longest. The host schedules, so that no priority is inherited; ownership, its loss when
//! the owner ends, and the detection of deadlocks are Linux's.

use super::wait::sleep;
use super::{
    DEADLOCK, FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS, INHERITS, Key, Kind, OWNS, Table, WAITING,
    Waiter, Word, exchange, load,
};
use crate::sync::Deadline;
use crate::task::find_thread;
use crate::{ERESTARTNOINTR, ERESTARTSYS, Errno, Result};
use alloc::sync::Arc;

/// Chains of locks longer than this are not followed (`max_lock_depth`).
const MAX_LOCK_DEPTH: usize = 1024;

impl Table {
    /// The lock that a thread waits for.
    fn lock_awaited_by(&self, tid: i32) -> Option<Key> {
        let waits = |(key, list): (&Key, &alloc::vec::Vec<Arc<Waiter>>)| {
            let found = list.iter().any(|waiter| waiter.tid == tid && waiter.state() == WAITING);
            (found && self.owners.contains_key(key)).then_some(*key)
        };
        self.waiters.iter().find_map(waits)
    }

    /// Whether `tid` would wait for itself, were it to wait for a lock of `owner` (`rt_mutex_adjust_prio_chain`).
    fn is_deadlock(&self, tid: i32, mut owner: i32) -> bool {
        for _ in 0..MAX_LOCK_DEPTH {
            if owner == tid {
                return true;
            }
            let next = self.lock_awaited_by(owner).and_then(|key| self.owners.get(&key));
            match next {
                Some(next) => owner = *next,
                None => return false,
            }
        }
        true
    }

    /// Takes the lock at `addr` for the thread `tid`, or else notes its owner, after which `tid` may wait for it
    /// (`futex_lock_pi_atomic`). `waiters`: others wait, too.
    ///
    /// # Errors
    /// `EDEADLK`, `EINVAL`, `ESRCH`, `EFAULT`; `EAGAIN` when the word has changed: try again.
    fn lock_for(&mut self, addr: usize, key: Key, tid: i32, waiters: bool) -> Result<bool> {
        let word = load(addr)?;
        let holder = (word & FUTEX_TID_MASK) as i32;
        if holder == tid {
            return Err(Errno::DEADLK);
        }
        if let Some(first) = self.first(key) {
            let Some(owner) = self.owners.get(&key).filter(|_| first.kind != Kind::Plain) else {
                return Err(Errno::INVAL);
            };
            // `attach_to_pi_state`
            if word & FUTEX_OWNER_DIED != 0 {
                let fits = if *owner == 0 { holder == 0 } else { holder == 0 || holder == *owner };
                return if fits { Ok(false) } else { Err(Errno::INVAL) };
            }
            return if *owner != 0 && holder == *owner { Ok(false) } else { Err(Errno::INVAL) };
        }
        let write = |new: u32| match exchange(addr, word, new)? == word {
            true => Ok(()),
            false => Err(Errno::AGAIN),
        };
        if holder == 0 {
            let waiters = if waiters { FUTEX_WAITERS } else { 0 };
            write(word & FUTEX_OWNER_DIED | tid as u32 | waiters)?;
            return Ok(true);
        }
        write(word | FUTEX_WAITERS)?;
        if find_thread(holder).is_none() {
            return Err(Errno::SRCH);
        }
        self.owners.insert(key, holder);
        Ok(false)
    }

    /// As [`lock_for`](Self::lock_for), again while the word changes.
    fn lock_for_sure(&mut self, addr: usize, key: Key, tid: i32, waiters: bool) -> Result<bool> {
        loop {
            match self.lock_for(addr, key, tid, waiters) {
                Err(Errno::AGAIN) => {}
                result => {
                    if self.first(key).is_none() && result.is_err() {
                        self.owners.remove(&key);
                    }
                    return result;
                }
            }
        }
    }

    /// The owner of a lock that somebody waits for has ended: the one that has waited longest follows.
    fn owner_ended(&mut self, key: Key) {
        self.owners.insert(key, 0);
        if let Some(next) = self.first(key) {
            // It stays in the table until it has written its number: until then nobody else may take the lock.
            next.finish(INHERITS);
        }
    }
}

/// `FUTEX_LOCK_PI`, `FUTEX_LOCK_PI2`, and with `attempt` `FUTEX_TRYLOCK_PI`.
///
/// # Errors
/// `EDEADLK`, `ESRCH`, `EINVAL`, `EFAULT`; `EAGAIN` for an attempt that fails; `ETIMEDOUT`.
pub fn lock(tid: i32, word: &Word, attempt: bool, deadline: Deadline) -> Result<()> {
    let waiter = Waiter::new(tid, word.key, u32::MAX, Kind::Lock);
    {
        let mut table = Table::lock();
        if table.lock_for_sure(word.addr, word.key, tid, false)? {
            return Ok(());
        }
        let owner = table.owners.get(&word.key).copied().unwrap_or(0);
        let refused = match attempt {
            true => Some(Errno::AGAIN),
            false => table.is_deadlock(tid, owner).then_some(Errno::DEADLK),
        };
        if let Some(errno) = refused {
            if table.first(word.key).is_none() {
                table.owners.remove(&word.key);
            }
            return Err(errno);
        }
        table.enter(&waiter);
    }
    wait_for_lock(tid, &waiter, word, deadline).map_err(|errno| match errno {
        // An absolute time: the call is simply made again.
        ERESTARTSYS => ERESTARTNOINTR,
        errno => errno,
    })
}

/// Sleeps until the lock is the caller's.
fn wait_for_lock(tid: i32, waiter: &Arc<Waiter>, word: &Word, deadline: Deadline) -> Result<()> {
    let slept = sleep(waiter, deadline);
    let mut table = Table::lock();
    match waiter.state() {
        OWNS => Ok(()),
        INHERITS => {
            let result = write_owner(word.addr, tid);
            table.leave(waiter);
            // Others that wait now wait for the caller.
            if table.first(word.key).is_some() {
                table.owners.insert(word.key, tid);
            }
            result
        }
        DEADLOCK => Err(Errno::DEADLK),
        _ => {
            table.leave(waiter);
            slept
        }
    }
}

/// The word of a lock whose owner has ended says who owns it now (`fixup_pi_state_owner`).
fn write_owner(addr: usize, tid: i32) -> Result<()> {
    let mut word = load(addr)?;
    loop {
        let seen = exchange(addr, word, FUTEX_WAITERS | FUTEX_OWNER_DIED | tid as u32)?;
        if seen == word {
            return Ok(());
        }
        word = seen;
    }
}

/// `FUTEX_UNLOCK_PI`: hands the lock over, or frees it.
///
/// # Errors
/// `EPERM` when it is not the caller's; `EINVAL` when the word and the table do not agree; `EFAULT`.
pub fn unlock(tid: i32, word: &Word) -> Result<()> {
    loop {
        let mut table = Table::lock();
        let value = load(word.addr)?;
        if value & FUTEX_TID_MASK != tid as u32 {
            return Err(Errno::PERM);
        }
        let Some(next) = table.first(word.key).cloned() else {
            if exchange(word.addr, value, 0)? == value {
                return Ok(());
            }
            continue;
        };
        if next.kind == Kind::Plain || table.owners.get(&word.key) != Some(&tid) {
            return Err(Errno::INVAL);
        }
        if exchange(word.addr, value, FUTEX_WAITERS | next.tid as u32)? != value {
            continue;
        }
        table.owners.insert(word.key, next.tid);
        table.leave(&next);
        next.finish(OWNS);
        return Ok(());
    }
}

/// `FUTEX_WAIT_REQUEUE_PI`: waits on `from` to be moved to the lock `to`, and then for that.
///
/// # Errors
/// `EAGAIN` when the word has another value, and when a signal comes after the move; `EINVAL`, `EFAULT`, `EDEADLK`,
/// `ETIMEDOUT`.
pub fn wait_requeue(
    tid: i32,
    (from, value): (&Word, u32),
    bitset: u32,
    to: &Word,
    deadline: Deadline,
) -> Result<()> {
    if from.key == to.key || bitset == 0 {
        return Err(Errno::INVAL);
    }
    let waiter = Waiter::new(tid, from.key, bitset, Kind::Move(to.key));
    {
        let mut table = Table::lock();
        if load(from.addr)? != value {
            return Err(Errno::AGAIN);
        }
        table.enter(&waiter);
    }
    let result = wait_for_lock(tid, &waiter, to, deadline);
    let moved = *waiter.key.lock() == to.key;
    match result {
        Err(ERESTARTSYS) if moved => Err(Errno::AGAIN),
        Err(ERESTARTSYS) => Err(ERESTARTNOINTR),
        result => result,
    }
}

/// `FUTEX_CMP_REQUEUE_PI`: gives the lock `to` to the first that waits on `from`, or makes it and up to `limit` others
/// wait for that; answers how many.
///
/// # Errors
/// `EAGAIN` when the word has another value; `EINVAL` when one waits for something else; those of [`lock`].
pub fn cmp_requeue(from: &Word, to: &Word, limit: usize, expected: u32) -> Result<usize> {
    if from.key == to.key {
        return Err(Errno::INVAL);
    }
    let mut table = Table::lock();
    if load(from.addr)? != expected {
        return Err(Errno::AGAIN);
    }
    let Some(first) = table.first(from.key).cloned() else { return Ok(0) };
    if first.kind != Kind::Move(to.key) {
        return Err(Errno::INVAL);
    }
    let mut done = 0;
    let got = table.lock_for_sure(to.addr, to.key, first.tid, limit > 0)?;
    if got {
        table.leave(&first);
        first.finish(OWNS);
        done = 1;
        if limit > 0 && table.first(from.key).is_some() {
            table.owners.insert(to.key, first.tid);
        }
    }
    // One that does not get the lock at once is moved in addition to the limit.
    let most = limit + 1 - done;
    let mut moved = 0;
    let mut result = Ok(());
    while moved < most
        && let Some(waiter) = table.first(from.key).cloned()
    {
        if waiter.kind != Kind::Move(to.key) {
            result = Err(Errno::INVAL);
            break;
        }
        table.leave(&waiter);
        *waiter.key.lock() = to.key;
        let owner = table.owners.get(&to.key).copied().unwrap_or(0);
        if table.is_deadlock(waiter.tid, owner) {
            waiter.finish(DEADLOCK);
            result = Err(Errno::DEADLK);
            break;
        }
        table.enter(&waiter);
        moved += 1;
    }
    if table.first(to.key).is_none() {
        table.owners.remove(&to.key);
    }
    result.map(|()| done + moved)
}

/// A thread has ended: locks of its that others wait for go to them (`exit_pi_state_list`).
pub fn exit_owner(tid: i32) {
    let mut table = Table::lock();
    while let Some(key) = table.owners.iter().find(|(_, owner)| **owner == tid).map(|(key, _)| *key) {
        table.owner_ended(key);
    }
}
