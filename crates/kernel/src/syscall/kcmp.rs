//! kcmp(2): whether two processes share something.

use crate::task::{Current, Process, access};
use crate::uaccess::Args;
use crate::{Errno, Result};
use alloc::sync::Arc;
use core::cmp::Ordering;

const KCMP_FILE: i32 = 0;
const KCMP_VM: i32 = 1;
const KCMP_FILES: i32 = 2;
const KCMP_FS: i32 = 3;
const KCMP_SIGHAND: i32 = 4;
const KCMP_IO: i32 = 5;
const KCMP_SYSVSEM: i32 = 6;
const KCMP_EPOLL_TFD: i32 = 7;

/// kcmp(pid1, pid2, type, idx1, idx2): 0 the same, 1 less, 2 greater, in an order that means nothing.
pub fn sys_kcmp(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let find = |pid: i32| match pid == cur.process().pid {
        true => Some(cur.process().clone()),
        false => super::kill::find_by_tid(pid),
    };
    let (a, b) = (find(args.i32(0)).ok_or(Errno::SRCH)?, find(args.i32(1)).ok_or(Errno::SRCH)?);
    access::may_trace(&a)?;
    access::may_trace(&b)?;
    let order = match args.i32(2) {
        KCMP_FILE => {
            let file = |process: &Process, fd: u32| {
                let files = process.files.lock().clone();
                files.get(fd as i32).map(|file| Arc::as_ptr(&file).addr())
            };
            file(&a, args.u32(3))?.cmp(&file(&b, args.u32(4))?)
        }
        KCMP_VM => by(&a, &b, |p| Arc::as_ptr(&*p.mm.lock()).addr()),
        KCMP_FILES => by(&a, &b, |p| Arc::as_ptr(&*p.files.lock()).addr()),
        KCMP_FS => by(&a, &b, |p| Arc::as_ptr(&*p.fs.lock()).addr()),
        // Handlers belong to a process; nobody has an I/O context or adjustments of System V semaphores to share.
        KCMP_SIGHAND => by(&a, &b, |p| core::ptr::from_ref(p).addr()),
        KCMP_IO | KCMP_SYSVSEM => Ordering::Equal,
        KCMP_EPOLL_TFD => return Err(Errno::OPNOTSUPP),
        _ => return Err(Errno::INVAL),
    };
    Ok(match order {
        Ordering::Equal => 0,
        Ordering::Less => 1,
        Ordering::Greater => 2,
    })
}

fn by(a: &Arc<Process>, b: &Arc<Process>, address: impl Fn(&Process) -> usize) -> Ordering {
    address(a).cmp(&address(b))
}
