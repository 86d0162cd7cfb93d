//! clock_gettime(2), clock_getres(2), clock_settime(2), gettimeofday(2), settimeofday, time(2). Programs usually ask the
//! vdso and do not come here.

use crate::task::Current;
use crate::time::{Clock, clock};
use crate::uaccess::{self, Args};
use crate::{Errno, Result};
use linux_raw_sys::general as g;

/// clock_gettime(clock, time)
pub fn sys_clock_gettime(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let clock = Clock::from_id(cur, args.i32(0))?;
    let (sec, nsec) = host::clock::gettime(clock.host)?;
    let time = if clock.earlier == 0 { [sec, nsec] } else { clock::ns_timespec(clock.now()?) };
    uaccess::put(args.usize(1), &time)?;
    Ok(0)
}

/// clock_getres(clock, resolution)
pub fn sys_clock_getres(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let clock = Clock::from_id(cur, args.i32(0))?;
    let (sec, nsec) = host::clock::getres(clock.host)?;
    if args.usize(1) != 0 {
        uaccess::put(args.usize(1), &[sec, nsec])?;
    }
    Ok(0)
}

/// clock_settime(clock, time): the host's clock is not ours to set.
pub fn sys_clock_settime(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let clock = Clock::from_id(cur, args.i32(0))?;
    clock::timespec_ns(uaccess::get(args.usize(1))?)?;
    if clock.id == clock::REALTIME { Err(Errno::PERM) } else { Err(Errno::INVAL) }
}

/// gettimeofday(time, zone)
pub fn sys_gettimeofday(_cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (sec, nsec) = host::clock::gettime(clock::REALTIME)?;
    if args.usize(0) != 0 {
        uaccess::put(args.usize(0), &[sec, nsec / 1000])?;
    }
    if args.usize(1) != 0 {
        // The kernel's time zone has been zero on every system for decades.
        uaccess::put(args.usize(1), &[0u32; 2])?;
    }
    Ok(0)
}

/// settimeofday(time, zone): as clock_settime.
pub fn sys_settimeofday(_cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    if args.usize(0) != 0 {
        clock::timeval_ns(uaccess::get(args.usize(0))?)?;
    }
    if args.usize(1) != 0 {
        uaccess::get::<[u32; 2]>(args.usize(1))?;
    }
    Err(Errno::PERM)
}

/// time(tloc)
pub fn sys_time(_cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (sec, _) = host::clock::gettime(g::CLOCK_REALTIME_COARSE as i32)?;
    if args.usize(0) != 0 {
        uaccess::put(args.usize(0), &sec)?;
    }
    Ok(sec as usize)
}
