//! unshare(2): descriptors and directories of the thread's own. Namespaces are the host's.

use crate::task::{Current, NAMESPACES};
use crate::uaccess::Args;
use crate::{Errno, Result};
use linux_raw_sys::general as g;

/// What only a process with one thread may ask for, and has then already.
const ALONE: u32 = g::CLONE_THREAD | g::CLONE_SIGHAND | g::CLONE_VM;

/// unshare(flags)
pub fn sys_unshare(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let flags = args.u32(0);
    if flags & !(ALONE | NAMESPACES | g::CLONE_FS | g::CLONE_FILES | g::CLONE_SYSVSEM) != 0 {
        return Err(Errno::INVAL);
    }
    let alone = flags & ALONE != 0 || flags & g::CLONE_NEWUSER != 0;
    if alone && cur.process().tasks.lock().len() > 1 {
        return Err(Errno::INVAL);
    }
    if flags & NAMESPACES != 0 {
        return Err(Errno::PERM);
    }
    if flags & g::CLONE_FS != 0 {
        cur.task.set_fs(cur.fs.duplicate());
        cur.reload = true;
    }
    if flags & g::CLONE_FILES != 0 {
        cur.task.set_files(cur.files.duplicate());
        cur.reload = true;
    }
    if flags & g::CLONE_SYSVSEM != 0 {
        crate::ipc::sem::leave_undos(cur.process());
    }
    Ok(0)
}
