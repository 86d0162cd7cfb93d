//! set_tid_address(2), set_robust_list(2), get_robust_list(2), rseq(2).

use crate::task::{Current, access};
use crate::uaccess::{Args, put};
use crate::{Errno, Result};
use core::sync::atomic::Ordering::Relaxed;

/// `sizeof(struct robust_list_head)`
const ROBUST_LIST_HEAD_LEN: usize = 24;

/// set_tid_address(2)
pub fn sys_set_tid_address(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    cur.task.clear_child_tid.store(args.usize(0), Relaxed);
    Ok(cur.task.tid as usize)
}

/// set_robust_list(2)
pub fn sys_set_robust_list(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    if args.usize(1) != ROBUST_LIST_HEAD_LEN {
        return Err(Errno::INVAL);
    }
    *cur.task.robust_list.lock() = (args.usize(0), args.usize(1));
    Ok(0)
}

/// get_robust_list(2)
pub fn sys_get_robust_list(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let tid = args.i32(0);
    let task = if tid == 0 || tid == cur.task.tid {
        cur.task.clone()
    } else {
        let task = super::kill::find_thread(cur, None, tid)?;
        access::may_trace(&task.process)?;
        task
    };
    let (head, _) = *task.robust_list.lock();
    put(args.usize(2), &ROBUST_LIST_HEAD_LEN)?;
    put(args.usize(1), &head)?;
    Ok(0)
}

/// rseq(2): refused. A restartable sequence ends when the thread is moved to another processor, which only the
/// host sees; libcs do without.
pub fn sys_rseq(_cur: &mut Current<'_>, _args: &Args) -> Result<usize> {
    Err(Errno::NOSYS)
}
