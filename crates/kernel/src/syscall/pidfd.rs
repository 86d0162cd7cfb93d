//! pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2).

use super::kill::{by_user, check, find_by_tid, to_group};
use crate::fs::pidfd::{self, PIDFD_THREAD, Target};
use crate::signal::{self, SigInfo};
use crate::task::{Current, access};
use crate::uaccess::Args;
use crate::vfs::{Fd, File};
use crate::{Errno, Result};
use alloc::sync::Arc;
use host::mutex::OnceLock;
use linux_raw_sys::general as g;

/// The caller's thread and process instead of a descriptor (`linux/pidfd.h`).
const PIDFD_SELF_THREAD: Fd = -10000;
const PIDFD_SELF_PROCESS: Fd = -10001;

/// Whom pidfd_send_signal(2) reaches.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Thread,
    Process,
    Group,
}

const PIDFD_SIGNAL_THREAD: u32 = 1;
const PIDFD_SIGNAL_THREAD_GROUP: u32 = 2;
const PIDFD_SIGNAL_PROCESS_GROUP: u32 = 4;

/// A pidfd of something that is there, installed; always close-on-exec.
pub(super) fn install(cur: &Current<'_>, target: Target, flags: u32) -> Result<Fd> {
    let slot = Arc::new(OnceLock::new());
    // It is new: there is nothing in it.
    let _ = slot.set(target);
    cur.install(pidfd::file(slot, flags), true)
}

/// pidfd_open(pid, flags)
pub fn sys_pidfd_open(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (pid, flags) = (args.i32(0), args.u32(1));
    if flags & !(g::O_NONBLOCK | PIDFD_THREAD) != 0 || pid <= 0 {
        return Err(Errno::INVAL);
    }
    let process = find_by_tid(pid).ok_or(Errno::SRCH)?;
    if process.pid != pid && flags & PIDFD_THREAD == 0 {
        return Err(Errno::NOENT);
    }
    Ok(install(cur, Target::thread(process, pid), flags)? as usize)
}

/// Whom a pidfd or a directory of /proc stands for, and whether as a thread.
fn signal_target(cur: &Current<'_>, fd: Fd) -> Result<(Target, bool)> {
    let own = |tid| Target { process: cur.process().clone(), tid };
    match fd {
        PIDFD_SELF_THREAD => return Ok((own(cur.task.tid), true)),
        PIDFD_SELF_PROCESS => return Ok((own(cur.process().pid), false)),
        _ => {}
    }
    let file = cur.file(fd)?;
    match pidfd::target(&file) {
        Ok(target) => Ok((target, pidfd::is_of_thread(&file))),
        Err(errno) => {
            let process = crate::fs::procfs::process_of(&file.inode).ok_or(errno)?;
            Ok((Target::process(&process), false))
        }
    }
}

/// pidfd_send_signal(pidfd, signo, info, flags)
pub fn sys_pidfd_send_signal(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (fd, signo, info, flags) = (args.i32(0), args.i32(1), args.usize(2), args.u32(3));
    let scope = match flags {
        0 => None,
        PIDFD_SIGNAL_THREAD => Some(Scope::Thread),
        PIDFD_SIGNAL_THREAD_GROUP => Some(Scope::Process),
        PIDFD_SIGNAL_PROCESS_GROUP => Some(Scope::Group),
        _ => return Err(Errno::INVAL),
    };
    let (target, of_thread) = signal_target(cur, fd)?;
    let scope = scope.unwrap_or(if of_thread { Scope::Thread } else { Scope::Process });
    let info = if info != 0 {
        let info = SigInfo::get(info, None)?;
        let own = target.tid == cur.task.tid && scope != Scope::Group;
        if info.signo() != signo {
            return Err(Errno::INVAL);
        }
        if !own && (info.code() >= 0 || info.code() == g::SI_TKILL) {
            return Err(Errno::PERM);
        }
        info
    } else {
        let code = if scope == Scope::Thread { g::SI_TKILL } else { g::SI_USER as i32 };
        by_user(cur, signo, code)
    };
    match scope {
        Scope::Group => to_group(cur, target.tid, signo, info)?,
        _ if target.is_reaped() => return Err(Errno::SRCH),
        scope => {
            check(cur, &target.process, signo)?;
            // A zombie takes signals without a trace.
            if signo != 0 && !target.has_ended() {
                match target.task() {
                    Some(task) if scope == Scope::Thread => signal::to_task(&task, info)?,
                    _ => signal::to_process(&target.process, info)?,
                }
            }
        }
    }
    Ok(0)
}

/// pidfd_getfd(pidfd, fd, flags)
pub fn sys_pidfd_getfd(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    if args.u32(2) != 0 {
        return Err(Errno::INVAL);
    }
    let target = pidfd::target(&*cur.file(args.i32(0))?)?;
    if target.has_ended() {
        return Err(Errno::SRCH);
    }
    access::may_trace(&target.process)?;
    let files = target.task().map_or_else(|| target.process.files.lock().clone(), |task| task.files());
    let file: Arc<File> = files.get(args.i32(1))?;
    Ok(cur.install(file, true)? as usize)
}
