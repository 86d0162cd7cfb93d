//! timerfd_create(2): timerfd_create, timerfd_settime, timerfd_gettime.

use crate::fs::{anon, timerfd::TimerFd};
use crate::task::Current;
use crate::time::Setting;
use crate::time::clock::{ns_timespec, timespec_ns};
use crate::uaccess::{self, Args};
use crate::vfs::{File, OpenFlags};
use crate::{Errno, Result};
use alloc::boxed::Box;
use linux_raw_sys::general as g;

/// Wake the machine from sleep (capabilities(7)).
const CAP_WAKE_ALARM: u32 = 35;

/// `struct itimerspec`: interval, then value.
type Words = [[i64; 2]; 2];

fn show(setting: Setting) -> Words {
    [ns_timespec(setting.interval), ns_timespec(setting.value)]
}

/// timerfd_create(clock, flags)
pub fn sys_timerfd_create(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (clock, flags) = (args.i32(0), args.u32(1));
    if flags & !(g::TFD_CLOEXEC | g::TFD_NONBLOCK) != 0 {
        return Err(Errno::INVAL);
    }
    match clock as u32 {
        g::CLOCK_REALTIME | g::CLOCK_MONOTONIC | g::CLOCK_BOOTTIME => {}
        g::CLOCK_REALTIME_ALARM | g::CLOCK_BOOTTIME_ALARM => {
            if !cur.cred().capable(CAP_WAKE_ALARM) {
                return Err(Errno::PERM);
            }
        }
        _ => return Err(Errno::INVAL),
    }
    let status = OpenFlags::RDWR | OpenFlags::from_bits_retain(flags & g::TFD_NONBLOCK);
    let file = anon::file(Box::new(TimerFd::new(clock)), status);
    Ok(cur.install(file, flags & g::TFD_CLOEXEC != 0)? as usize)
}

fn timer(file: &File) -> Result<&TimerFd> {
    file.ops_as::<TimerFd>().ok_or(Errno::INVAL)
}

/// timerfd_settime(fd, flags, new, old)
pub fn sys_timerfd_settime(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let [interval, value]: Words = uaccess::get(args.usize(2))?;
    let flags = args.u32(1);
    if flags & !(g::TFD_TIMER_ABSTIME | g::TFD_TIMER_CANCEL_ON_SET) != 0 {
        return Err(Errno::INVAL);
    }
    let new = Setting { value: timespec_ns(value)?, interval: timespec_ns(interval)? };
    let file = cur.file(args.i32(0))?;
    let old = timer(&file)?.set(new, flags & g::TFD_TIMER_ABSTIME != 0, flags)?;
    if args.usize(3) != 0 {
        uaccess::put(args.usize(3), &show(old))?;
    }
    Ok(0)
}

/// timerfd_gettime(fd, current)
pub fn sys_timerfd_gettime(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let file = cur.file(args.i32(0))?;
    uaccess::put(args.usize(1), &show(timer(&file)?.get()?))?;
    Ok(0)
}
