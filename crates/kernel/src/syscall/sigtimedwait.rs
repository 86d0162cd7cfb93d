//! sigtimedwait(2): rt_sigtimedwait, also behind sigwaitinfo(2) and sigwait(3).

use crate::signal::{self, SigSet};
use crate::sync::sleep_on;
use crate::task::Current;
use crate::time::clock;
use crate::uaccess::{self, Args};
use crate::{Errno, Result};

/// rt_sigtimedwait(set, info, timeout, sigsetsize)
pub fn sys_rt_sigtimedwait(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    if args.usize(3) != size_of::<SigSet>() {
        return Err(Errno::INVAL);
    }
    let set = SigSet(uaccess::get(args.usize(0))?).without(SigSet::UNBLOCKABLE);
    let timeout = match args.usize(2) {
        0 => None,
        addr => Some(clock::timespec_ns(uaccess::get(addr)?)?),
    };
    let info = match signal::take(cur.task, set) {
        Some(info) => info,
        None if timeout == Some(0) => return Err(Errno::AGAIN),
        None => sleep(cur, set, timeout)?,
    };
    if args.usize(1) != 0 {
        info.put(args.usize(1))?;
    }
    Ok(info.signo() as usize)
}

fn sleep(cur: &Current<'_>, set: SigSet, timeout: Option<u64>) -> Result<signal::SigInfo> {
    let deadline = timeout.map(|ns| host::clock::monotonic_ns().saturating_add(ns));
    signal::wait_for(cur.task, set);
    let slept = loop {
        // A signal of the set wakes like any other; only what is taken afterwards tells which it was.
        match sleep_on(None, deadline) {
            Ok(()) => {}
            Err(errno) => break errno,
        }
    };
    signal::stop_waiting_for(cur.task);
    match signal::take(cur.task, set) {
        Some(info) => Ok(info),
        None if slept == Errno::TIMEDOUT => Err(Errno::AGAIN),
        // Never restarted: signal(7) lists it among those that fail with EINTR whatever SA_RESTART says.
        None => Err(Errno::INTR),
    }
}
