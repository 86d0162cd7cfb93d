//! Process 1, the kernel's own: it is there for /proc and as the parent of the program and of orphans, runs nothing, takes
//! no signals and leaves no zombies (as a Linux init that ignores SIGCHLD).

use super::{Cred, FsContext, KERNEL_PID, Limits, Process, Task, register};
use crate::mm::{AddressSpace, Layout};
use crate::signal::action::{SIG_IGN, SigAction};
use crate::vfs::FdTable;
use alloc::sync::Arc;
use core::sync::atomic::Ordering::Relaxed;
use host::park::Parker;
use linux_raw_sys::general::SIGCHLD;

/// Makes it and enters it into the table.
pub fn make_init(cred: Arc<Cred>, fs: Arc<FsContext>, limits: Limits) {
    let mm = AddressSpace::new(Layout::default());
    let process = Arc::new(Process::new(KERNEL_PID, cred, mm, FdTable::new(), fs, limits));
    process.ppid.store(0, Relaxed);
    process.subreaper.store(1, Relaxed);
    process.dumpable.store(0, Relaxed);
    crate::signal::set_action(
        &process,
        SIGCHLD as i32,
        SigAction { handler: SIG_IGN, ..SigAction::default() },
    );
    let task = Arc::new(Task::new(KERNEL_PID, &process, Parker::unbound()));
    task.set_comm(b"fncall");
    process.tasks.lock().push(task);
    register(&process);
}
