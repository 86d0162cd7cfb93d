//! wait4(2), waitid(2).

use crate::fs::pidfd;
use crate::signal::{take_continue_report, take_stop_report};
use crate::sync::wait_until;
use crate::task::{Current, Process, Usage, add_usage, exit};
use crate::uaccess::{Args, put};
use crate::{Errno, Result};
use alloc::sync::Arc;
use core::sync::atomic::Ordering::Relaxed;
use linux_raw_sys::general as g;

/// Which children are meant.
#[derive(Clone, Copy)]
enum Which {
    Any,
    Pid(i32),
    Group(i32),
    /// The process behind a pidfd (its address).
    Process(usize),
}

/// What happened to a child.
#[derive(Clone, Copy)]
enum What {
    Ended(i32),
    Stopped(i32),
    Continued,
}

/// `P_PIDFD` of waitid(2).
const P_PIDFD: u32 = 3;

struct Report {
    child: Arc<Process>,
    what: What,
    usage: Usage,
}

/// Waits for a child; `Ok(None)`: there are some, and nothing to report with `WNOHANG`.
fn wait(cur: &Current<'_>, which: Which, options: u32) -> Result<Option<Report>> {
    let me = cur.process().clone();
    let own_only = options & g::__WNOTHREAD != 0;
    let tid = cur.task.tid;
    let matches = |child: &Arc<Process>| {
        if own_only && child.family.parent_tid.load(Relaxed) != tid {
            return false;
        }
        match which {
            Which::Any => true,
            Which::Pid(pid) => child.pid == pid,
            Which::Group(pgid) => child.pgid.load(Relaxed) == pgid,
            Which::Process(address) => Arc::as_ptr(child).addr() == address,
        }
    };
    // `__WCLONE`: only children without SIGCHLD; without `__WALL`: only those with it.
    let kind = |child: &Arc<Process>| {
        let clone_child = child.family.exit_signal.load(Relaxed) != g::SIGCHLD as i32;
        options & g::__WALL != 0 || clone_child == (options & g::__WCLONE != 0)
    };
    let look = || {
        let children = me.family.children.lock().clone();
        let mut any = false;
        for child in children.iter().filter(|child| matches(child) && kind(child)) {
            any = true;
            if options & g::WEXITED != 0
                && let Some((status, mut usage)) = *child.family.ended.lock()
            {
                // With what it has waited for itself (`RUSAGE_BOTH`).
                add_usage(&mut usage, &child.family.children_usage.lock());
                return Some(Ok(Some(Report { child: child.clone(), what: What::Ended(status), usage })));
            }
            let consume = options & g::WNOWAIT == 0;
            let what = if options & g::WUNTRACED != 0
                && let Some(signo) = take_stop_report(child, consume)
            {
                What::Stopped(signo)
            } else if options & g::WCONTINUED != 0 && take_continue_report(child, consume) {
                What::Continued
            } else {
                continue;
            };
            return Some(Ok(Some(Report { child: child.clone(), what, usage: Usage::default() })));
        }
        match any {
            false => Some(Err(Errno::CHILD)),
            true if options & g::WNOHANG != 0 => Some(Ok(None)),
            true => None,
        }
    };
    loop {
        let report = wait_until(&me.signals.child_events, None, look)??;
        if let Some(Report { child, what: What::Ended(_), usage }) = &report
            && options & g::WNOWAIT == 0
        {
            if !exit::forget(child) {
                // Another thread was first.
                continue;
            }
            add_usage(&mut me.family.children_usage.lock(), usage);
        }
        return Ok(report);
    }
}

/// wait4(2): pid, status, options, rusage.
pub fn sys_wait4(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (pid, options) = (args.i32(0), args.u32(2));
    if options & !(g::WNOHANG | g::WUNTRACED | g::WCONTINUED | g::__WNOTHREAD | g::__WCLONE | g::__WALL) != 0
    {
        return Err(Errno::INVAL);
    }
    let which = match pid {
        i32::MIN => return Err(Errno::SRCH),
        -1 => Which::Any,
        0 => Which::Group(cur.process().pgid.load(Relaxed)),
        1.. => Which::Pid(pid),
        _ => Which::Group(-pid),
    };
    let Some(report) = wait(cur, which, options | g::WEXITED)? else { return Ok(0) };
    let status = match report.what {
        What::Ended(status) => status,
        What::Stopped(signo) => signo << 8 | 0x7f,
        What::Continued => 0xffff,
    };
    if args.usize(1) != 0 {
        put(args.usize(1), &status)?;
    }
    if args.usize(3) != 0 {
        put(args.usize(3), &report.usage)?;
    }
    Ok(report.child.pid as usize)
}

/// waitid(2): type, id, siginfo, options, rusage.
pub fn sys_waitid(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (id, options) = (args.i32(1), args.u32(3));
    let kinds = g::WEXITED | g::WSTOPPED | g::WCONTINUED;
    let known = kinds | g::WNOHANG | g::WNOWAIT | g::__WNOTHREAD | g::__WCLONE | g::__WALL;
    if options & !known != 0 || options & kinds == 0 {
        return Err(Errno::INVAL);
    }
    let mut nonblock = false;
    let pidfd;
    let which = match args.u32(0) {
        0 => Which::Any,
        1 if id > 0 => Which::Pid(id),
        2 if id > 0 => Which::Group(id),
        2 if id == 0 => Which::Group(cur.process().pgid.load(Relaxed)),
        P_PIDFD if id >= 0 => {
            let file = cur.file(id)?;
            nonblock = file.nonblock();
            pidfd = pidfd::target(&file)?;
            Which::Process(Arc::as_ptr(&pidfd.process).addr())
        }
        _ => return Err(Errno::INVAL),
    };
    let report = match wait(cur, which, if nonblock { options | g::WNOHANG } else { options }) {
        Ok(None) if nonblock && options & g::WNOHANG == 0 => Err(Errno::AGAIN),
        report => report,
    };
    // The six members of struct siginfo that are written: signo, errno, code; pid, uid, status. Zeros when there is
    // nothing to report, also because of an error.
    let mut info = [[0i32; 3]; 2];
    if let Ok(Some(report)) = &report {
        let (code, status) = match report.what {
            What::Ended(status) if status & 0x7f == 0 => (g::CLD_EXITED, status >> 8 & 0xff),
            What::Ended(status) if status & 0x80 != 0 => (g::CLD_DUMPED, status & 0x7f),
            What::Ended(status) => (g::CLD_KILLED, status & 0x7f),
            What::Stopped(signo) => (g::CLD_STOPPED, signo),
            What::Continued => (g::CLD_CONTINUED, g::SIGCONT as i32),
        };
        let uid = report.child.cred().uid as i32;
        info = [[g::SIGCHLD as i32, 0, code as i32], [report.child.pid, uid, status]];
        if args.usize(4) != 0 {
            put(args.usize(4), &report.usage)?;
        }
    }
    if args.usize(2) != 0 {
        put(args.usize(2), &info[0])?;
        // Behind four bytes of padding.
        put(args.usize(2).wrapping_add(16), &info[1])?;
    }
    report.map(|_| 0)
}
