//! futex(2).

use crate::futex::{self, Want, Word, pi};
use crate::signal::RestartBlock;
use crate::sync::Deadline;
use crate::task::Current;
use crate::time::clock;
use crate::uaccess::{Args, get};
use crate::{ERESTART_RESTARTBLOCK, ERESTARTSYS, Errno, Result};

const WAIT: u32 = 0;
const WAKE: u32 = 1;
const REQUEUE: u32 = 3;
const CMP_REQUEUE: u32 = 4;
const WAKE_OP: u32 = 5;
const LOCK_PI: u32 = 6;
const UNLOCK_PI: u32 = 7;
const TRYLOCK_PI: u32 = 8;
const WAIT_BITSET: u32 = 9;
const WAKE_BITSET: u32 = 10;
const WAIT_REQUEUE_PI: u32 = 11;
const CMP_REQUEUE_PI: u32 = 12;
const LOCK_PI2: u32 = 13;
const PRIVATE: u32 = 128;
const CLOCK_REALTIME: u32 = 256;

/// futex(2)
pub fn sys_futex(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (addr, op, value) = (args.usize(0), args.u32(1), args.u32(2));
    let command = op & !(PRIVATE | CLOCK_REALTIME);
    let realtime = op & CLOCK_REALTIME != 0;
    let deadline = match command {
        WAIT | LOCK_PI | LOCK_PI2 | WAIT_BITSET | WAIT_REQUEUE_PI if args.usize(3) != 0 => {
            let ns = clock::timespec_ns(get(args.usize(3))?)?;
            Some(deadline(ns, command == WAIT, realtime || command == LOCK_PI))
        }
        _ => None,
    };
    if realtime && !matches!(command, WAIT_BITSET | WAIT_REQUEUE_PI | LOCK_PI2) {
        return Err(Errno::NOSYS);
    }
    let private = op & PRIVATE != 0;
    let word = |addr: usize| Word::new(cur.mm, addr, private);
    let (second, third) = (args.usize(4), args.u32(5));
    let tid = cur.task.tid;
    match command {
        WAIT => wait(cur, addr, value, u32::MAX, private, deadline),
        WAIT_BITSET => wait(cur, addr, value, third, private, deadline),
        WAKE => futex::wake(word(addr)?.key, at_least_one(value), u32::MAX),
        WAKE_BITSET if third == 0 => Err(Errno::INVAL),
        WAKE_BITSET => futex::wake(word(addr)?.key, at_least_one(value), third),
        REQUEUE | CMP_REQUEUE => {
            let (count, limit) = (count(value)?, count(args.u32(3))?);
            let expected = (command == CMP_REQUEUE).then_some(third);
            let (woken, moved) = futex::requeue(&word(addr)?, &word(second)?, count, limit, expected)?;
            Ok(woken + if expected.is_some() { moved } else { 0 })
        }
        WAKE_OP => {
            let counts = (at_least_one(value), at_least_one(args.u32(3)));
            futex::wake_op(&word(addr)?, &word(second)?, counts.0, counts.1, third)
        }
        LOCK_PI | LOCK_PI2 => pi::lock(tid, &word(addr)?, false, deadline).map(|()| 0),
        TRYLOCK_PI => pi::lock(tid, &word(addr)?, true, None).map(|()| 0),
        UNLOCK_PI => pi::unlock(tid, &unlocked_word(cur, addr, private)?).map(|()| 0),
        WAIT_REQUEUE_PI => {
            if addr == second {
                return Err(Errno::INVAL);
            }
            let to = word(second)?;
            pi::wait_requeue(tid, (&word(addr)?, value), u32::MAX, &to, deadline).map(|()| 0)
        }
        CMP_REQUEUE_PI => {
            if addr == second || value != 1 {
                return Err(Errno::INVAL);
            }
            let limit = count(args.u32(3))?;
            pi::cmp_requeue(&word(addr)?, &word(second)?, limit, third)
        }
        _ => Err(Errno::NOSYS),
    }
}

/// The word of an unlock, which Linux reads before it asks what word it is.
fn unlocked_word(cur: &Current<'_>, addr: usize, private: bool) -> Result<Word> {
    let value: u32 = get(addr)?;
    if value & futex::FUTEX_TID_MASK != cur.task.tid as u32 {
        return Err(Errno::PERM);
    }
    Word::new(cur.mm, addr, private)
}

/// How many to wake: Linux wakes at least one, whatever the number.
fn at_least_one(count: u32) -> usize {
    if (count as i32) < 1 { 1 } else { count as usize }
}

/// How many to wake or move.
fn count(count: u32) -> Result<usize> {
    if (count as i32) < 0 { Err(Errno::INVAL) } else { Ok(count as usize) }
}

/// A time in nanoseconds, from now or on a clock, as a point on the monotonic clock.
pub(super) fn deadline(ns: u64, relative: bool, realtime: bool) -> u64 {
    let now = host::clock::monotonic_ns();
    match (relative, realtime) {
        (true, _) => now.saturating_add(ns),
        (false, true) => now.saturating_add(ns.saturating_sub(host::clock::realtime_ns())),
        (false, false) => ns,
    }
}

/// `FUTEX_WAIT` and `FUTEX_WAIT_BITSET`. With a time-out it goes on after a signal by restart_syscall(2), so that the
/// time does not begin anew.
fn wait(
    cur: &Current<'_>,
    addr: usize,
    value: u32,
    bitset: u32,
    private: bool,
    deadline: Deadline,
) -> Result<usize> {
    if bitset == 0 {
        return Err(Errno::INVAL);
    }
    let word = Word::new(cur.mm, addr, private)?;
    let result = futex::wait(cur.task.tid, &Want { word, value }, bitset, deadline);
    if let (Err(ERESTARTSYS), Some(at)) = (result, deadline) {
        *cur.task.signals.restart.lock() = Some(RestartBlock {
            run: |cur, [addr, value, bitset, private, at, _]| {
                wait(cur, addr, value as u32, bitset as u32, private != 0, Some(at as u64))
            },
            args: [addr, value as usize, bitset as usize, usize::from(private), at as usize, 0],
        });
        return Err(ERESTART_RESTARTBLOCK);
    }
    result.map(|()| 0)
}
