//! The calling thread, as system calls see it.

use super::{Cred, FsContext, Process, Task};
use crate::mm::AddressSpace;
use crate::vfs::namei::{Resolve, Walk};
use crate::vfs::{Dentry, Fd, FdTable, File, OpenFlags};
use crate::{Errno, Result};
use alloc::sync::Arc;
use core::sync::atomic::Ordering::Relaxed;
use host::user::UserThread;
use linux_raw_sys::general::AT_FDCWD;

/// In place of a number: there is no system call.
pub const NO_CALL: usize = usize::MAX;

/// Handed to every system call: the thread that makes it, with direct handles to what nearly every call needs.
pub struct Current<'a> {
    /// The thread.
    pub task: &'a Arc<Task>,
    /// Its descriptors.
    pub files: &'a Arc<FdTable>,
    /// Its directories.
    pub fs: &'a Arc<FsContext>,
    /// Its address space.
    pub mm: &'a Arc<AddressSpace>,
    /// Its registers and extended state.
    pub user: &'a mut UserThread,
    /// Set by exit calls: leave user mode for good, with this wait status.
    pub exit: Option<i32>,
    /// Number of the call being made (`orig_rax`), [`NO_CALL`] when something else has left user mode; what a restart
    /// repeats.
    pub call_number: usize,
    /// Set by calls that replace files, directories or address space of the thread: fetch the handles anew.
    pub reload: bool,
}

impl<'a> Current<'a> {
    /// The thread, with handles fetched from its process.
    pub fn new(
        task: &'a Arc<Task>,
        files: &'a Arc<FdTable>,
        fs: &'a Arc<FsContext>,
        mm: &'a Arc<AddressSpace>,
        user: &'a mut UserThread,
    ) -> Self {
        Current { task, files, fs, mm, user, exit: None, call_number: NO_CALL, reload: false }
    }

    /// Where the program must go on to repeat the system call it has just made.
    pub fn restart_ip(&self) -> usize {
        // In code that was moved the call is not right before what follows it.
        self.mm.original_ip(self.user.regs().rip).wrapping_sub(2)
    }

    /// The program's own view of an address it executes: that of the original instruction where its code was
    /// patched.
    pub fn original_ip(&self, ip: usize) -> usize {
        self.mm.original_ip(ip)
    }

    /// The reverse of [`original_ip`](Self::original_ip): where execution that was interrupted there goes on.
    pub fn current_ip(&self, ip: usize) -> usize {
        self.mm.current_ip(ip)
    }

    /// The process.
    #[inline]
    pub fn process(&self) -> &Arc<Process> {
        &self.task.process
    }

    /// The credentials.
    #[inline]
    pub fn cred(&self) -> Arc<Cred> {
        self.task.process.cred()
    }

    /// The file behind a descriptor; `O_PATH` descriptors do not count.
    ///
    /// # Errors
    /// `EBADF`.
    #[inline]
    pub fn file(&self, fd: Fd) -> Result<Arc<File>> {
        let file = self.files.get(fd)?;
        if file.flags().contains(OpenFlags::PATH) { Err(Errno::BADF) } else { Ok(file) }
    }

    /// The file behind a descriptor, `O_PATH` included (fstat, fchdir, openat's directory …).
    ///
    /// # Errors
    /// `EBADF`.
    pub fn file_or_path(&self, fd: Fd) -> Result<Arc<File>> {
        self.files.get(fd)
    }

    /// A new descriptor for `file`.
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn install(&self, file: Arc<File>, cloexec: bool) -> Result<Fd> {
        self.files.insert(file, cloexec, self.task.process.nofile.load(Relaxed))
    }

    /// Resolves paths relative to `dirfd` (or `AT_FDCWD`) with `then`. A `dirfd` is looked at only when `path` is
    /// relative.
    ///
    /// # Errors
    /// `EBADF`, `ENOTDIR` for a bad `dirfd`; what `then` answers.
    pub fn walk<T>(&self, dirfd: Fd, path: &[u8], then: impl FnOnce(Walk<'_>) -> Result<T>) -> Result<T> {
        self.walk_with(dirfd, path, Resolve::empty(), then)
    }

    /// As [`walk`](Self::walk), with the restrictions of openat2(2).
    ///
    /// # Errors
    /// As [`walk`](Self::walk).
    pub fn walk_with<T>(
        &self,
        dirfd: Fd,
        path: &[u8],
        resolve: Resolve,
        then: impl FnOnce(Walk<'_>) -> Result<T>,
    ) -> Result<T> {
        let cred = self.cred();
        let root = self.fs.root.lock().clone();
        let scoped = resolve.intersects(Resolve::BENEATH | Resolve::IN_ROOT);
        let dir;
        let base = if path.first() == Some(&b'/') && !scoped {
            &root
        } else {
            dir = self.base_dir(dirfd)?;
            &dir
        };
        then(Walk { cred: &cred, root: &root, base, resolve })
    }

    /// The directory `dirfd` stands for.
    ///
    /// # Errors
    /// `EBADF`, `ENOTDIR`.
    pub fn base_dir(&self, dirfd: Fd) -> Result<Arc<Dentry>> {
        if dirfd == AT_FDCWD {
            return Ok(self.fs.cwd.lock().clone());
        }
        let file = self.files.get(dirfd)?;
        match &file.dentry {
            Some(dentry) if file.inode.is_dir() => Ok(dentry.clone()),
            _ => Err(Errno::NOTDIR),
        }
    }
}

/// The calling thread's task; `None` on a thread that runs no program (boot, unit tests).
pub fn current_task() -> Option<Arc<Task>> {
    host::park::current().slot()?.downcast::<Task>().ok()
}

/// Whether the calling thread has a signal to deliver.
pub fn signal_pending() -> bool {
    current_task().is_some_and(|task| crate::signal::has_deliverable(&task))
}
