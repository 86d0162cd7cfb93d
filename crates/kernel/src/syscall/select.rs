//! select(2) and pselect(2).

use super::poll::{Until, Watch, bitmap_words, finish, set_mask, wait};
use crate::task::Current;
use crate::time::clock::{NS_PER_SEC, ns_timespec, ns_timeval, timespec_ns};
use crate::uaccess::{self, Args};
use crate::vfs::{Fd, PollEvents};
use crate::{Errno, Result};
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

fn select(cur: &Current<'_>, count: i32, sets: [usize; 3], until: Until) -> Result<usize> {
    let count = usize::try_from(count).map_err(|_| Errno::INVAL)?;
    // What lies beyond the table of descriptors is not looked at, as in Linux.
    let count = count.min(cur.files.capacity());
    let mut wanted = [const { Vec::new() }; 3];
    for (words, addr) in wanted.iter_mut().zip(sets) {
        *words = bitmap_words(count);
        if addr != 0 {
            read_words(words, addr)?;
        }
    }
    let mut watches = Vec::new();
    for fd in 0..count {
        let bit = |words: &[u64]| words[fd / 64] >> (fd % 64) & 1 != 0;
        let events = (0..3).filter(|n| bit(&wanted[*n])).map(|n| SETS[n]).fold(0, |a, b| a | b);
        if events != 0 {
            cur.file(fd as Fd)?;
            watches.push(Watch::new(fd as Fd, events));
        }
    }
    wait(cur, &mut watches, until)?;
    let mut total = 0;
    for (n, addr) in sets.into_iter().enumerate() {
        let mut result = bitmap_words(count);
        for watch in &watches {
            let (word, bit) = (watch.fd as usize / 64, 1 << (watch.fd % 64));
            if wanted[n][word] & bit != 0 && watch.revents & SETS[n] != 0 {
                result[word] |= bit;
                total += 1;
            }
        }
        if addr != 0 {
            write_words(addr, &result)?;
        }
    }
    Ok(total)
}

fn read_words(words: &mut [u64], addr: usize) -> Result<()> {
    for (n, word) in words.iter_mut().enumerate() {
        *word = uaccess::get(addr.wrapping_add(n * 8))?;
    }
    Ok(())
}

fn write_words(addr: usize, words: &[u64]) -> Result<()> {
    for (n, word) in words.iter().enumerate() {
        uaccess::put(addr.wrapping_add(n * 8), word)?;
    }
    Ok(())
}
