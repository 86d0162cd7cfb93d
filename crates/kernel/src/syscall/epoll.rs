//! epoll(7): epoll_create(2), epoll_ctl(2), epoll_wait(2) and their variants.

use super::poll::set_mask;
use crate::fs::anon;
use crate::fs::epoll::{Epoll, Interest};
use crate::signal;
use crate::sync::Deadline;
use crate::task::Current;
use crate::time::clock::timespec_ns;
use crate::uaccess::{self, Args};
use crate::vfs::OpenFlags;
use crate::{Errno, Result};
use alloc::boxed::Box;
use alloc::sync::Arc;
use linux_raw_sys::general as g;

/// `struct epoll_event` is packed on x86-64: events, then data.
const EVENT_LEN: usize = 12;
/// What may stand beside `EPOLLEXCLUSIVE` (`EPOLLEXCLUSIVE_OK_BITS`).
const EXCLUSIVE_OK: u32 =
    g::EPOLLIN | g::EPOLLOUT | g::EPOLLERR | g::EPOLLHUP | g::EPOLLWAKEUP | g::EPOLLET | g::EPOLLEXCLUSIVE;
/// Prevent the machine from sleeping (capabilities(7)).
const CAP_BLOCK_SUSPEND: u32 = 36;

/// epoll_create(size)
pub fn sys_epoll_create(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    if args.i32(0) <= 0 {
        return Err(Errno::INVAL);
    }
    create(cur, 0)
}

/// epoll_create1(flags)
pub fn sys_epoll_create1(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    create(cur, args.u32(0))
}

fn create(cur: &Current<'_>, flags: u32) -> Result<usize> {
    if flags & !g::EPOLL_CLOEXEC != 0 {
        return Err(Errno::INVAL);
    }
    let file = anon::file(Box::new(Epoll::new()), OpenFlags::RDWR);
    Ok(cur.install(file, flags & g::EPOLL_CLOEXEC != 0)? as usize)
}

/// epoll_ctl(epfd, op, fd, event)
pub fn sys_epoll_ctl(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (op, fd) = (args.u32(1), args.i32(2));
    let mut interest = Interest { events: 0, data: 0 };
    if op != g::EPOLL_CTL_DEL {
        let words: [u32; 3] = uaccess::get(args.usize(3))?;
        interest = Interest { events: words[0], data: u64::from(words[1]) | u64::from(words[2]) << 32 };
    }
    let file = cur.file(args.i32(0))?;
    let target = cur.file(fd)?;
    if !Epoll::can_watch(&target) {
        return Err(Errno::PERM);
    }
    if interest.events & g::EPOLLWAKEUP != 0 && !cur.cred().capable(CAP_BLOCK_SUSPEND) {
        interest.events &= !g::EPOLLWAKEUP;
    }
    let epoll = file.ops_as::<Epoll>().ok_or(Errno::INVAL)?;
    if Arc::ptr_eq(&file, &target) {
        return Err(Errno::INVAL);
    }
    if interest.events & g::EPOLLEXCLUSIVE != 0 {
        let nested = target.ops_as::<Epoll>().is_some();
        if op == g::EPOLL_CTL_MOD || nested || interest.events & !EXCLUSIVE_OK != 0 {
            return Err(Errno::INVAL);
        }
    }
    match op {
        g::EPOLL_CTL_ADD => epoll.add(fd, &target, interest),
        g::EPOLL_CTL_MOD => epoll.modify(fd, &target, interest),
        g::EPOLL_CTL_DEL => epoll.delete(fd, &target),
        _ => Err(Errno::INVAL),
    }?;
    Ok(0)
}

/// epoll_wait(epfd, events, maxevents, timeout_ms)
pub fn sys_epoll_wait(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    wait(cur, args, until_ms(args.i32(3)))
}

/// epoll_pwait(epfd, events, maxevents, timeout_ms, sigmask, sigsetsize)
pub fn sys_epoll_pwait(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    masked(cur, args, until_ms(args.i32(3)))
}

/// epoll_pwait2(epfd, events, maxevents, timeout, sigmask, sigsetsize)
pub fn sys_epoll_pwait2(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let timeout = match args.usize(3) {
        0 => None,
        addr => Some(timespec_ns(uaccess::get(addr)?)?),
    };
    masked(cur, args, until(timeout))
}

/// `None`: do not wait at all.
fn until_ms(timeout_ms: i32) -> Option<Deadline> {
    until(u64::try_from(timeout_ms).ok().map(|ms| ms * 1_000_000))
}

fn until(timeout_ns: Option<u64>) -> Option<Deadline> {
    match timeout_ns {
        None => Some(None),
        Some(0) => None,
        Some(ns) => Some(Some(host::clock::monotonic_ns().saturating_add(ns))),
    }
}

fn masked(cur: &Current<'_>, args: &Args, until: Option<Deadline>) -> Result<usize> {
    set_mask(cur, args.usize(4), args.usize(5))?;
    let result = wait(cur, args, until);
    // After EINTR the handler runs under the temporary mask first.
    if result != Err(Errno::INTR) {
        signal::restore_mask(cur.task);
    }
    result
}

fn wait(cur: &Current<'_>, args: &Args, until: Option<Deadline>) -> Result<usize> {
    let (addr, max) = (args.usize(1), args.i32(2));
    if max <= 0 || max as usize > i32::MAX as usize / EVENT_LEN {
        return Err(Errno::INVAL);
    }
    if !usercopy::access_ok(addr, max as usize * EVENT_LEN) {
        return Err(Errno::FAULT);
    }
    let file = cur.file(args.i32(0))?;
    let epoll = file.ops_as::<Epoll>().ok_or(Errno::INVAL)?;
    let mut next = addr;
    epoll.wait(max as usize, until, &mut |events, data| {
        let stored = uaccess::put(next, &[events, data as u32, (data >> 32) as u32]).is_ok();
        next += EVENT_LEN;
        stored
    })
}
