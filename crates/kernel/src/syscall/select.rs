//! select(2) and pselect(2).

use super::poll::{Until, Watch, finish, set_mask, wait};
use crate::task::Current;
use crate::time::clock::{NS_PER_SEC, ns_timespec, ns_timeval, timespec_ns};
use crate::uaccess::{self, Args};
use crate::vfs::{Fd, PollEvents};
use crate::{Errno, Result};
use alloc::vec;
use alloc::vec::Vec;

/// What makes a descriptor count in each of the three sets (`POLLIN_SET`, `POLLOUT_SET`, `POLLEX_SET`). The last bit
/// stands for EPOLLMSG, which nothing here raises.
const SETS: [u32; 3] = {
    use PollEvents as P;
    let always = P::ERR.bits() | P::NVAL.bits();
    [
        P::IN.bits() | P::RDNORM.bits() | P::RDBAND.bits() | P::HUP.bits() | always,
        P::OUT.bits() | P::WRNORM.bits() | P::WRBAND.bits() | always,
        P::PRI.bits() | P::NVAL.bits(),
    ]
};

/// select(nfds, readfds, writefds, exceptfds, timeout)
pub fn sys_select(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let time_addr = args.usize(4);
    let timeout = match time_addr {
        0 => None,
        addr => {
            // More than a second of microseconds is carried over, unlike anywhere else.
            let [sec, usec]: [i64; 2] = uaccess::get(addr)?;
            let sec = sec.checked_add(usec / 1_000_000).ok_or(Errno::INVAL)?;
            Some(timespec_ns([sec, usec % 1_000_000 * 1000])?)
        }
    };
    let until = Until::after(timeout);
    let result = select(cur, args.i32(0), [args.usize(1), args.usize(2), args.usize(3)], until);
    finish(cur, until, result, |left| {
        if time_addr == 0 {
            Ok(())
        } else {
            uaccess::put(time_addr, &ns_timeval(left.min(i64::MAX as u64 / NS_PER_SEC * NS_PER_SEC)))
        }
    })
}

/// pselect6(nfds, readfds, writefds, exceptfds, timeout, {sigmask, sigsetsize})
pub fn sys_pselect6(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let [mask, mask_len]: [usize; 2] = match args.usize(5) {
        0 => [0, 0],
        addr => uaccess::get(addr)?,
    };
    let time_addr = args.usize(4);
    let timeout = match time_addr {
        0 => None,
        addr => Some(timespec_ns(uaccess::get(addr)?)?),
    };
    let until = Until::after(timeout);
    set_mask(cur, mask, mask_len)?;
    let result = select(cur, args.i32(0), [args.usize(1), args.usize(2), args.usize(3)], until);
    finish(cur, until, result, |left| {
        if time_addr == 0 { Ok(()) } else { uaccess::put(time_addr, &ns_timespec(left)) }
    })
}

/// So many descriptors, and words of each set, need no allocation.
const FEW: usize = 8;
const FEW_WORDS: usize = 4;

fn select(cur: &Current<'_>, count: i32, sets: [usize; 3], until: Until) -> Result<usize> {
    let count = usize::try_from(count).map_err(|_| Errno::INVAL)?;
    // What lies beyond the table of descriptors is not looked at, as in Linux.
    let count = count.min(cur.files.capacity());
    let words = count.div_ceil(64);
    let (mut few, mut many) = ([0u64; 3 * FEW_WORDS], Vec::new());
    let all = if words <= FEW_WORDS {
        &mut few[..3 * words]
    } else {
        many.resize(3 * words, 0);
        &mut many[..]
    };
    for (n, addr) in sets.into_iter().enumerate().filter(|(_, addr)| *addr != 0) {
        for (at, word) in all[n * words..(n + 1) * words].iter_mut().enumerate() {
            *word = uaccess::get(addr.wrapping_add(at * 8))?;
        }
    }
    // Bits behind the last descriptor do not count.
    if count % 64 != 0 {
        for n in 1..=3 {
            all[n * words - 1] &= (1 << (count % 64)) - 1;
        }
    }
    let wanted = |word: usize| all[word] | all[words + word] | all[2 * words + word];
    let total: u32 = (0..words).map(|word| wanted(word).count_ones()).sum();
    let total = total as usize;
    if total <= FEW {
        let mut watches = [const { Watch::none() }; FEW];
        select_bits(cur, sets, all, words, &mut watches[..total], until)
    } else {
        select_bits(cur, sets, all, words, &mut vec![Watch::none(); total], until)
    }
}

/// `bits` holds the three sets, `words` each; `watches` has one place for each descriptor in any of them.
fn select_bits(
    cur: &Current<'_>,
    sets: [usize; 3],
    bits: &mut [u64],
    words: usize,
    watches: &mut [Watch],
    until: Until,
) -> Result<usize> {
    let has = |bits: &[u64], set: usize, fd: usize| bits[set * words + fd / 64] >> (fd % 64) & 1 != 0;
    let mut places = watches.iter_mut();
    for word in 0..words {
        let mut any = bits[word] | bits[words + word] | bits[2 * words + word];
        while any != 0 {
            let fd = word * 64 + any.trailing_zeros() as usize;
            any &= any - 1;
            cur.file(fd as Fd)?;
            let events = (0..3).filter(|set| has(bits, *set, fd)).fold(0, |events, set| events | SETS[set]);
            if let Some(place) = places.next() {
                *place = Watch::new(fd as Fd, events);
            }
        }
    }
    wait(cur, watches, until)?;
    let mut total = 0;
    for watch in watches {
        let fd = watch.fd as usize;
        for (set, events) in SETS.iter().enumerate() {
            if !has(bits, set, fd) {
                continue;
            }
            if watch.revents & events == 0 {
                bits[set * words + fd / 64] &= !(1 << (fd % 64));
            } else {
                total += 1;
            }
        }
    }
    for (n, addr) in sets.into_iter().enumerate().filter(|(_, addr)| *addr != 0) {
        for (at, word) in bits[n * words..(n + 1) * words].iter().enumerate() {
            uaccess::put(addr.wrapping_add(at * 8), word)?;
        }
    }
    Ok(total)
}
