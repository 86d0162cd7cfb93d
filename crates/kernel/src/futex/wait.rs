//! Plain waits and wakes: `FUTEX_WAIT`, `FUTEX_WAKE`, `FUTEX_REQUEUE`, `FUTEX_WAKE_OP`, futex_waitv(2).

use super::{Key, Kind, Table, WAITING, Waiter, Woken, Word, exchange, load};
use crate::sync::{Deadline, sleep_on};
use crate::task::Task;
use crate::{Errno, Result};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A word, and the value that it must have for the wait to begin.
#[derive(Clone, Copy, Debug)]
pub struct Want {
    /// The word.
    pub word: Word,
    /// Its value.
    pub value: u32,
}

/// Sleeps while nothing has come for `waiter`.
///
/// # Errors
/// `ETIMEDOUT`; [`crate::ERESTARTSYS`].
pub(super) fn sleep(waiter: &Waiter, deadline: Deadline) -> Result<()> {
    while waiter.state() == WAITING {
        sleep_on(None, deadline)?;
    }
    Ok(())
}

/// Waits for a wake that shares a bit with `bitset`.
///
/// # Errors
/// `EAGAIN` when the word has another value; `EFAULT`, `EINVAL`; those of the sleep.
pub fn wait(tid: i32, want: &Want, bitset: u32, deadline: Deadline) -> Result<()> {
    if bitset == 0 {
        return Err(Errno::INVAL);
    }
    let waiter = Waiter::new(tid, want.word.key, bitset, Kind::Plain);
    {
        let mut table = Table::lock();
        if load(want.word.addr)? != want.value {
            return Err(Errno::AGAIN);
        }
        table.enter(&waiter);
    }
    match sleep(&waiter, deadline) {
        Ok(()) => Ok(()),
        // What was woken meanwhile is off the table, and the wake counts.
        Err(_) if !Table::lock().leave(&waiter) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Waits for a wake of any of the words; answers which (futex_waitv(2)).
///
/// # Errors
/// As [`wait`].
pub fn wait_any(tid: i32, wants: &[Want], deadline: Deadline) -> Result<usize> {
    let waiters: Vec<Arc<Waiter>> =
        wants.iter().map(|want| Waiter::new(tid, want.word.key, u32::MAX, Kind::Plain)).collect();
    {
        let mut table = Table::lock();
        for want in wants {
            if load(want.word.addr)? != want.value {
                return Err(Errno::AGAIN);
            }
        }
        waiters.iter().for_each(|waiter| table.enter(waiter));
    }
    let woken = || waiters.iter().rposition(|waiter| waiter.state() != WAITING);
    let slept = loop {
        if woken().is_some() {
            break Ok(());
        }
        if let Err(errno) = sleep_on(None, deadline) {
            break Err(errno);
        }
    };
    let mut table = Table::lock();
    for waiter in &waiters {
        table.leave(waiter);
    }
    drop(table);
    match (woken(), slept) {
        (Some(at), _) => Ok(at),
        (None, Err(errno)) => Err(errno),
        (None, Ok(())) => Err(Errno::AGAIN),
    }
}

/// Wakes up to `count` who share a bit with `bitset`; answers how many.
///
/// # Errors
/// `EINVAL` for an empty set, and when one waits for a lock with an owner.
pub fn wake(key: Key, count: usize, bitset: u32) -> Result<usize> {
    if bitset == 0 {
        return Err(Errno::INVAL);
    }
    let mut woken = Woken::default();
    Table::lock().take_plain(key, count, bitset, |waiter| woken.add(waiter))
}

/// Wakes `count` and moves up to `limit` others to another word; answers how many of each. `expected`: the value the
/// first word must have.
///
/// # Errors
/// `EAGAIN` for another value; `EFAULT`; as [`wake`].
pub fn requeue(
    from: &Word,
    to: &Word,
    count: usize,
    limit: usize,
    expected: Option<u32>,
) -> Result<(usize, usize)> {
    let mut to_wake = Woken::default();
    let mut table = Table::lock();
    if let Some(expected) = expected
        && load(from.addr)? != expected
    {
        return Err(Errno::AGAIN);
    }
    let woken = table.take_plain(from.key, count, u32::MAX, |waiter| to_wake.add(waiter))?;
    let mut moved = Vec::new();
    let result = table.take_plain(from.key, limit, u32::MAX, |waiter| moved.push(waiter));
    let len = moved.len();
    for waiter in moved {
        *waiter.key.lock() = to.key;
        table.enter(&waiter);
    }
    result.map(|_| (woken, len))
}

/// `FUTEX_WAKE_OP`: changes the second word, wakes on the first, and on the second when its old value compares.
///
/// # Errors
/// `ENOSYS` for an unknown operation or comparison; `EFAULT`; as [`wake`].
pub fn wake_op(first: &Word, second: &Word, count: usize, count2: usize, encoded: u32) -> Result<usize> {
    let sign_extend = |bits: u32| ((bits << 20) as i32 >> 20) as u32;
    let (op, cmp) = (encoded >> 28 & 7, encoded >> 24 & 15);
    let (mut oparg, cmparg) = (sign_extend(encoded >> 12 & 0xfff), sign_extend(encoded & 0xfff));
    if encoded >> 31 != 0 {
        // Out of range it is taken modulo 32, as Linux does.
        oparg = 1u32.wrapping_shl(oparg);
    }
    let mut to_wake = Woken::default();
    let mut table = Table::lock();
    let mut old = load(second.addr)?;
    loop {
        let new = match op {
            0 => oparg,
            1 => old.wrapping_add(oparg),
            2 => old | oparg,
            3 => old & !oparg,
            4 => old ^ oparg,
            _ => return Err(Errno::NOSYS),
        };
        let seen = exchange(second.addr, old, new)?;
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
    let mut woken = table.take_plain(first.key, count, u32::MAX, |waiter| to_wake.add(waiter))?;
    if also {
        woken += table.take_plain(second.key, count2, u32::MAX, |waiter| to_wake.add(waiter))?;
    }
    Ok(woken)
}

/// Wakes those that wait for the word at `addr` of the thread's process (`clear_child_tid`, robust locks).
pub fn wake_address(task: &Task, addr: usize, count: usize) {
    let mm = task.process.mm.lock().clone();
    let shared = Key::new(&mm, addr, false);
    let private = Key::new(&mm, addr, true);
    // Those that wait for a lock with an owner are not concerned.
    let _ = wake(shared, count, u32::MAX);
    if private != shared {
        let _ = wake(private, count, u32::MAX);
    }
}
