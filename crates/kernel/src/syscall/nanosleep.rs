//! nanosleep(2) and clock_nanosleep(2).

use crate::signal::RestartBlock;
use crate::sync::sleep_on;
use crate::task::Current;
use crate::time::{Clock, clock};
use crate::uaccess::{self, Args};
use crate::{ERESTART_RESTARTBLOCK, ERESTARTNOHAND, Errno, Result};
use linux_raw_sys::general as g;

/// nanosleep(request, remain)
pub fn sys_nanosleep(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let ns = clock::timespec_ns(uaccess::get(args.usize(0))?)?;
    let deadline = clock::now(clock::MONOTONIC)?.saturating_add(ns);
    sleep_relative(cur, clock::MONOTONIC, deadline, args.usize(1))
}

/// clock_nanosleep(clock, flags, request, remain)
pub fn sys_clock_nanosleep(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (flags, remain) = (args.u32(1), args.usize(3));
    let clock = Clock::from_id(cur, args.i32(0))?;
    clock.check_timer()?;
    if clock.id == g::CLOCK_THREAD_CPUTIME_ID as i32 {
        return Err(Errno::OPNOTSUPP);
    }
    let ns = clock::timespec_ns(uaccess::get(args.usize(2))?)?;
    if clock.is_cpu() {
        return sleep_on_cpu_clock(cur, clock, ns, flags & g::TIMER_ABSTIME != 0, remain);
    }
    // As in Linux, other flags are not looked at.
    if flags & g::TIMER_ABSTIME != 0 {
        return sleep_until(clock.host, ns).map_err(|_| ERESTARTNOHAND);
    }
    let host = clock.relative_host();
    sleep_relative(cur, host, clock::now(host)?.saturating_add(ns), remain)
}

/// Sleeps until `deadline` on the host clock `host`. The only error is that of a signal.
fn sleep_until(host: i32, deadline: u64) -> Result<usize> {
    loop {
        match sleep_on(None, Some(clock::to_monotonic(host, deadline)?)) {
            Err(Errno::TIMEDOUT) | Ok(()) => {
                if clock::now(host)? >= deadline {
                    return Ok(0);
                }
            }
            Err(errno) => return Err(errno),
        }
    }
}

/// Sleeps, and when a signal comes tells how much is left and prepares for going on after it.
fn sleep_relative(cur: &Current<'_>, host: i32, deadline: u64, remain: usize) -> Result<usize> {
    if sleep_until(host, deadline).is_ok() {
        return Ok(0);
    }
    let left = deadline.saturating_sub(clock::now(host)?);
    if left == 0 {
        return Ok(0);
    }
    interrupted(
        cur,
        left,
        remain,
        RestartBlock {
            run: |cur, args| sleep_relative(cur, args[0] as i32, args[1] as u64, args[2]),
            args: [host as usize, deadline as usize, remain, 0, 0, 0],
        },
    )
}

fn interrupted(cur: &Current<'_>, left: u64, remain: usize, restart: RestartBlock) -> Result<usize> {
    if remain != 0 {
        uaccess::put(remain, &clock::ns_timespec(left))?;
    }
    *cur.task.signals.restart.lock() = Some(restart);
    Err(ERESTART_RESTARTBLOCK)
}

/// Sleeps on processor time, which other threads of the process use up meanwhile. Nothing wakes at such a deadline,
/// so the clock is read again after the least real time it can take.
fn sleep_on_cpu_clock(
    cur: &Current<'_>,
    clock: Clock,
    ns: u64,
    absolute: bool,
    remain: usize,
) -> Result<usize> {
    let deadline = if absolute { ns } else { clock.now()?.saturating_add(ns) };
    loop {
        let left = deadline.saturating_sub(clock.now()?);
        if left == 0 {
            return Ok(0);
        }
        let threads = cur.process().tasks.lock().len().max(1) as u64;
        let at = host::clock::monotonic_ns().saturating_add((left / threads).max(1_000_000));
        match sleep_on(None, Some(at)) {
            Ok(()) | Err(Errno::TIMEDOUT) => {}
            Err(_) if absolute => return Err(ERESTARTNOHAND),
            Err(_) => {
                return interrupted(
                    cur,
                    left,
                    remain,
                    RestartBlock {
                        run: |cur, args| {
                            let clock =
                                Clock { id: args[0] as i32, host: args[1] as i32, earlier: args[4] as u64 };
                            let left = (args[2] as u64).saturating_sub(clock.now()?);
                            sleep_on_cpu_clock(cur, clock, left, false, args[3])
                        },
                        args: [
                            clock.id as usize,
                            clock.host as usize,
                            deadline as usize,
                            remain,
                            clock.earlier as usize,
                            0,
                        ],
                    },
                );
            }
        }
    }
}
