//! Who may look into another process (ptrace(2), "Ptrace access mode checking"), and its memory.
//!
//! Called by /proc/PID, process_vm_readv(2), kcmp(2) and their like. The memory of another process is reached through
//! the host, which knows it as another host process of the same person.

use super::{Cred, Process, current_task, processes};
use crate::{Errno, Result};
use alloc::sync::Arc;
use core::sync::atomic::Ordering::Relaxed;

/// Trace any process (capabilities(7)).
const CAP_SYS_PTRACE: u32 = 19;

/// Which ids of the caller count (`PTRACE_MODE_FSCREDS`, `PTRACE_MODE_REALCREDS`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// Those for files: /proc.
    Fs,
    /// The real ones: system calls.
    Real,
}

/// Whether the calling thread may look into `target` (`__ptrace_may_access`). Always into its own process.
pub fn may_access(target: &Arc<Process>, ids: Ids) -> bool {
    let Some(task) = current_task() else { return true };
    Arc::ptr_eq(&task.process, target) || allowed(&task.process.cred(), target, ids)
}

/// As [`may_access`] with the real ids, for system calls that look into another process or change it.
///
/// # Errors
/// `EPERM`.
pub fn may_trace(target: &Arc<Process>) -> Result<()> {
    if may_access(target, Ids::Real) { Ok(()) } else { Err(Errno::PERM) }
}

fn allowed(cred: &Cred, target: &Process, ids: Ids) -> bool {
    if cred.capable(CAP_SYS_PTRACE) {
        return true;
    }
    let other = target.cred();
    let (uid, gid) = if ids == Ids::Fs { (cred.fsuid, cred.fsgid) } else { (cred.uid, cred.gid) };
    let same =
        [other.euid, other.suid, other.uid] == [uid; 3] && [other.egid, other.sgid, other.gid] == [gid; 3];
    // `cap_ptrace_access_check`: the target has no capability that the caller lacks.
    let own = if ids == Ids::Fs { cred.cap_effective } else { cred.cap_permitted };
    same && target.dumpable.load(Relaxed) == 1 && other.cap_permitted & !own == 0
}

/// The host process whose memory is the process's: its own, or its parent's while it borrows that (vfork(2)). `None`
/// once it has ended.
pub fn host_home(process: &Process) -> Option<i32> {
    if process.family.ended.lock().is_some() {
        return None;
    }
    let own = process.family.host_pid.load(Relaxed);
    if own != 0 {
        return Some(own);
    }
    let mm = process.mm.lock().clone();
    let lends = |other: &&Arc<Process>| {
        other.family.host_pid.load(Relaxed) != 0 && Arc::ptr_eq(&*other.mm.lock(), &mm)
    };
    processes().iter().find(lends).map(|other| other.family.host_pid.load(Relaxed))
}

/// Whether the calling thread runs in the address space of `process`.
fn is_here(process: &Process) -> bool {
    let mm = process.mm.lock().clone();
    current_task().is_some_and(|task| Arc::ptr_eq(&*task.process.mm.lock(), &mm))
}

/// Copies from the memory of a process; answers how many bytes could be read, from the first on.
///
/// # Errors
/// `ESRCH` when it has ended; `EFAULT` when not even the first byte can be read.
pub fn read_memory(process: &Process, addr: usize, buf: &mut [u8]) -> Result<usize> {
    if buf.is_empty() {
        return Ok(0);
    }
    if is_here(process) {
        let done = buf.len() - usercopy::copy_from_user(buf, addr);
        return if done == 0 { Err(Errno::FAULT) } else { Ok(done) };
    }
    host::foreign::read_memory(host_home(process).ok_or(Errno::SRCH)?, addr, buf)
}

/// Copies into the memory of a process, where it may write itself; answers how many bytes.
///
/// # Errors
/// As [`read_memory`].
pub fn write_memory(process: &Process, addr: usize, bytes: &[u8]) -> Result<usize> {
    if bytes.is_empty() {
        return Ok(0);
    }
    if is_here(process) {
        let done = bytes.len() - usercopy::copy_to_user(addr, bytes);
        return if done == 0 { Err(Errno::FAULT) } else { Ok(done) };
    }
    host::foreign::write_memory(host_home(process).ok_or(Errno::SRCH)?, addr, bytes)
}
