//! getrusage(2) and times(2): the host's figures, since our processes are processes of the host; those of children are
//! added up when they are waited for.

use crate::task::Current;
use crate::uaccess::{self, Args};
use crate::{Errno, Result};

/// `CLOCKS_PER_SEC` of times(2) as microseconds a tick (`USER_HZ` is 100).
const TICK_US: i64 = 10_000;
const RUSAGE_SELF: i32 = 0;
const RUSAGE_CHILDREN: i32 = -1;
const RUSAGE_THREAD: i32 = 1;

/// getrusage(who, usage)
pub fn sys_getrusage(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let who = args.i32(0);
    if !matches!(who, RUSAGE_SELF | RUSAGE_CHILDREN | RUSAGE_THREAD) {
        return Err(Errno::INVAL);
    }
    let usage = match who {
        RUSAGE_CHILDREN => *cur.process().family.children_usage.lock(),
        RUSAGE_SELF => cur.process().family.total_usage(host::clock::rusage(who)?),
        who => host::clock::rusage(who)?,
    };
    uaccess::put(args.usize(1), &usage)?;
    Ok(0)
}

/// times(buffer)
pub fn sys_times(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    if args.usize(0) != 0 {
        let family = &cur.process().family;
        let own = family.total_usage(host::clock::rusage(RUSAGE_SELF)?);
        let children = *family.children_usage.lock();
        let ticks = |sec: i64, usec: i64| sec * (1_000_000 / TICK_US) + usec / TICK_US;
        let times = [own, children].map(|usage| [ticks(usage[0], usage[1]), ticks(usage[2], usage[3])]);
        uaccess::put(args.usize(0), &times)?;
    }
    Ok((host::clock::monotonic_ns() / (TICK_US as u64 * 1000)) as usize)
}
