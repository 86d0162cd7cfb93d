//! timer_create(2), timer_settime(2), timer_gettime(2), timer_getoverrun(2), timer_delete(2).

use crate::signal::set::is_valid;
use crate::task::Current;
use crate::time::clock::{ns_timespec, timespec_ns};
use crate::time::{self, Clock, Notify, Setting};
use crate::uaccess::{self, Args};
use crate::{Errno, Result};
use linux_raw_sys::general as g;

/// `struct itimerspec`: interval, then value, in seconds and nanoseconds.
type Words = [[i64; 2]; 2];

fn show(setting: Setting) -> Words {
    [ns_timespec(setting.interval), ns_timespec(setting.value)]
}

/// timer_create(clock, sigevent, timer)
pub fn sys_timer_create(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let event: Option<[u64; 8]> = match args.usize(1) {
        0 => None,
        addr => Some(uaccess::get(addr)?),
    };
    let clock = Clock::from_id(cur, args.i32(0))?;
    let notify = match event {
        None => Notify::Process(g::SIGALRM as i32),
        Some(event) => notification(cur, event)?,
    };
    let id = time::create(cur, clock, notify, event.map(|event| event[0]))?;
    if let Err(errno) = uaccess::put(args.usize(2), &id) {
        // Just made, so it is there.
        let _ = time::delete(cur.process(), id);
        return Err(errno);
    }
    Ok(0)
}

/// `struct sigevent`: value, signal, kind, thread (`good_sigevent`).
fn notification(cur: &Current<'_>, event: [u64; 8]) -> Result<Notify> {
    let (signo, kind, tid) = (event[1] as i32, (event[1] >> 32) as u32, event[2] as i32);
    if kind == g::SIGEV_NONE {
        return Ok(Notify::None);
    }
    if !is_valid(signo) {
        return Err(Errno::INVAL);
    }
    match kind {
        // The C library makes threads of SIGEV_THREAD by itself; to the kernel it is a signal.
        g::SIGEV_SIGNAL | g::SIGEV_THREAD => Ok(Notify::Process(signo)),
        g::SIGEV_THREAD_ID => {
            cur.process().thread(tid).ok_or(Errno::INVAL)?;
            Ok(Notify::Thread(signo, tid))
        }
        _ => Err(Errno::INVAL),
    }
}

/// timer_settime(timer, flags, new, old)
pub fn sys_timer_settime(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    if args.usize(2) == 0 {
        return Err(Errno::INVAL);
    }
    let [interval, value]: Words = uaccess::get(args.usize(2))?;
    let new = Setting { value: timespec_ns(value)?, interval: timespec_ns(interval)? };
    // Unknown flags are not looked at, as in Linux.
    let old = time::set(cur, args.i32(0), new, args.u32(1) & g::TIMER_ABSTIME != 0)?;
    if args.usize(3) != 0 {
        uaccess::put(args.usize(3), &show(old))?;
    }
    Ok(0)
}

/// timer_gettime(timer, current)
pub fn sys_timer_gettime(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let setting = time::get(cur.process(), args.i32(0))?;
    uaccess::put(args.usize(1), &show(setting))?;
    Ok(0)
}

/// timer_getoverrun(timer)
pub fn sys_timer_getoverrun(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    Ok(time::overrun(cur.process(), args.i32(0))? as usize)
}

/// timer_delete(timer)
pub fn sys_timer_delete(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    time::delete(cur.process(), args.i32(0))?;
    Ok(0)
}
