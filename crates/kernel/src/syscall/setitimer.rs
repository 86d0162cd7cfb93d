//! setitimer(2), getitimer(2), alarm(2).

use crate::Result;
use crate::task::Current;
use crate::time::clock::{NS_PER_SEC, ns_timeval, timeval_ns};
use crate::time::{IntervalTimer, run_expired};
use crate::uaccess::{self, Args};
use linux_raw_sys::general::ITIMER_REAL;

/// `struct itimerval`: interval, then value, in seconds and microseconds.
type Words = [[i64; 2]; 2];

fn show(timer: IntervalTimer) -> Words {
    [ns_timeval(timer.interval), ns_timeval(timer.value)]
}

/// getitimer(which, value)
pub fn sys_getitimer(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let timer = cur.process().timers.interval_timer(args.u32(0))?;
    uaccess::put(args.usize(1), &show(timer))?;
    Ok(0)
}

/// setitimer(which, new, old)
pub fn sys_setitimer(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    // No new setting means zero: an old misfeature that Linux keeps.
    let [interval, value]: Words = match args.usize(1) {
        0 => Words::default(),
        addr => uaccess::get(addr)?,
    };
    let new = IntervalTimer { value: timeval_ns(value)?, interval: timeval_ns(interval)? };
    let old = cur.process().timers.set_interval_timer(args.u32(0), new)?;
    if args.usize(2) != 0 {
        uaccess::put(args.usize(2), &show(old))?;
    }
    Ok(0)
}

/// alarm(seconds)
pub fn sys_alarm(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let process = cur.process();
    // An alarm that is due is sent, not answered as "0 seconds left".
    run_expired(process);
    let new = IntervalTimer { value: u64::from(args.u32(0)) * NS_PER_SEC, interval: 0 };
    let old = process.timers.set_interval_timer(ITIMER_REAL, new)?;
    // Rounded to the nearest second, but what runs has at least one left (`alarm_setitimer`).
    let mut seconds = old.value / NS_PER_SEC;
    let rest = old.value % NS_PER_SEC;
    if seconds == 0 && rest > 0 || rest >= NS_PER_SEC / 2 {
        seconds += 1;
    }
    Ok(seconds as usize)
}
