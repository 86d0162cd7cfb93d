//! System calls within a unit test: a process with a small tree of files, whose calls are made by number as a program
//! makes them.
//!
//! The test's own memory is the user memory: any pointer to a live object will do; its provenance is exposed, because
//! the kernel makes a pointer of the number again. One that must fail is [`BAD`]; one to an unmapped page would kill the test, because nothing here catches the fault.

pub mod memfs;

use crate::mm::{AddressSpace, Layout};
use crate::task::{Cred, Current, FsContext, Limits, Process, Resource, Task};
use crate::uaccess::Args;
use crate::vfs::{Dentry, FdTable};
use crate::{Result, syscall};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::sync::atomic::AtomicI32;
use host::user::UserThread;
use linux_raw_sys::general as g;

/// A user pointer that no copy accepts.
pub const BAD: usize = usize::MAX - 4095;
/// `AT_FDCWD` as an argument.
pub const CWD: usize = -100isize as usize;

/// Anything that can be an argument of a system call.
pub trait Argument {
    /// As a register holds it.
    fn raw(&self) -> usize;
}

macro_rules! numbers {
    ($($t:ty)*) => { $( impl Argument for $t { fn raw(&self) -> usize { *self as isize as usize } } )* };
}
numbers!(i32 u32 i64 u64 usize);

impl Argument for &CStr {
    fn raw(&self) -> usize {
        self.as_ptr().expose_provenance()
    }
}

impl<T> Argument for *const T {
    fn raw(&self) -> usize {
        self.expose_provenance()
    }
}

impl<T> Argument for *mut T {
    fn raw(&self) -> usize {
        self.expose_provenance()
    }
}

impl<T> Argument for &[T] {
    fn raw(&self) -> usize {
        self.as_ptr().expose_provenance()
    }
}

impl<T> Argument for &mut [T] {
    fn raw(&self) -> usize {
        self.as_ptr().expose_provenance()
    }
}

/// Makes a system call: `call!(thread, g::__NR_openat, CWD, c"/x", 0)`.
#[macro_export]
macro_rules! call {
    ($thread:expr, $number:expr $(, $arg:expr)*) => {
        // Objects made in the argument list live until the match ends, so until the call is done.
        match [$( $crate::testing::Argument::raw(&$arg) ),*] {
            args => $thread.call($number, $crate::testing::six(&args)),
        }
    };
}

/// The arguments as the registers hold them; those not given are 0.
pub fn six(given: &[usize]) -> [usize; 6] {
    let mut args = [0; 6];
    args[..given.len()].copy_from_slice(given);
    args
}

/// One thread of a process of its own.
pub struct Thread {
    /// The thread.
    pub task: Arc<Task>,
    user: UserThread,
}

/// Credentials: root has every capability, others have none.
pub fn cred(uid: u32, gid: u32, groups: &[u32]) -> Cred {
    let all = (1 << 41) - 1;
    let caps = if uid == 0 { all } else { 0 };
    Cred {
        uid,
        euid: uid,
        suid: uid,
        fsuid: uid,
        gid,
        egid: gid,
        sgid: gid,
        fsgid: gid,
        groups: groups.to_vec(),
        cap_effective: caps,
        cap_permitted: caps,
        cap_inheritable: 0,
        cap_bounding: all,
        cap_ambient: 0,
        securebits: 0,
        no_new_privs: false,
    }
}

static NEXT_PID: AtomicI32 = AtomicI32::new(1000);

impl Thread {
    /// A process of root in an empty tree of its own; umask 022.
    pub fn root() -> Thread {
        Self::in_tree(&Dentry::new_root(memfs::MemFs::root(), None), cred(0, 0, &[]))
    }

    /// A process of `cred` in the tree `root`.
    pub fn in_tree(root: &Arc<Dentry>, cred: Cred) -> Thread {
        host::signal::ignore_kicks();
        let pid = NEXT_PID.fetch_add(1, core::sync::atomic::Ordering::Relaxed);
        let mut limits = Limits([(u64::MAX, u64::MAX); 16]);
        limits.0[Resource::Nofile as usize] = (1024, 4096);
        // As in a login shell: what a signal kills leaves no file in the file system of the test.
        limits.0[Resource::Core as usize] = (0, u64::MAX);
        let process = Arc::new(Process::new(
            pid,
            Arc::new(cred),
            AddressSpace::new(Layout::default()),
            FdTable::new(),
            FsContext::new(root.clone(), root.clone(), 0o022),
            limits,
        ));
        // The test's own thread: nothing sent to it needs a kick, for which there would be no handler.
        let task = Arc::new(Task::new(pid, &process, host::park::current()));
        process.tasks.lock().push(task.clone());
        crate::task::register(&process);
        Thread { task, user: UserThread::new() }
    }

    /// Another process in the same tree, of `cred`.
    pub fn another(&self, cred: Cred) -> Thread {
        let root = self.task.process.fs.lock().root.lock().clone();
        Self::in_tree(&root, cred)
    }

    /// A process that shares nothing but inherited open files, as after fork(2).
    pub fn forked(&self) -> Thread {
        let child = self.another((*self.task.process.cred()).clone());
        let files = self.task.process.files.lock().duplicate();
        *child.task.process.files.lock() = files;
        child
    }

    /// Makes the system call `number`; see [`call!`](crate::call).
    ///
    /// # Errors
    /// What the call answers.
    pub fn call(&mut self, number: u32, args: [usize; 6]) -> Result<usize> {
        self.with_current(|cur| {
            cur.call_number = number as usize;
            syscall::call(cur, number as usize, &Args(args))
        })
    }

    /// Does what the run loop does between two stays in user mode.
    pub fn with_current<T>(&mut self, then: impl FnOnce(&mut Current<'_>) -> T) -> T {
        let files = self.task.process.files.lock().clone();
        let fs = self.task.process.fs.lock().clone();
        let mm = self.task.process.mm.lock().clone();
        let mut cur = Current::new(&self.task, &files, &fs, &mm, &mut self.user);
        then(&mut cur)
    }

    /// Ends the process as far as its files go.
    pub fn exit(self) {
        *self.task.process.files.lock() = FdTable::new();
    }

    /// Changes who the process is.
    pub fn become_user(&self, cred: Cred) {
        *self.task.process.cred.lock() = Arc::new(cred);
    }

    /// Makes a regular file with `content`.
    pub fn make_file(&mut self, path: &CStr, content: &[u8]) {
        let flags = g::O_CREAT | g::O_WRONLY | g::O_TRUNC;
        let fd = call!(self, g::__NR_open, path, flags, 0o644).expect("create");
        if !content.is_empty() {
            assert_eq!(call!(self, g::__NR_write, fd, content, content.len()), Ok(content.len()));
        }
        call!(self, g::__NR_close, fd).expect("close");
    }

    /// The content of a regular file.
    pub fn content(&mut self, path: &CStr) -> Vec<u8> {
        let fd = call!(self, g::__NR_open, path, 0).expect("open");
        let mut buf = [0u8; 8192];
        let len = call!(self, g::__NR_read, fd, &mut buf[..], buf.len()).expect("read");
        call!(self, g::__NR_close, fd).expect("close");
        buf[..len].to_vec()
    }

    /// stat(2) without following a link.
    ///
    /// # Errors
    /// Those of the call.
    pub fn lstat(&mut self, path: &CStr) -> Result<g::stat> {
        let mut out = core::mem::MaybeUninit::<[u64; size_of::<g::stat>() / 8]>::zeroed();
        call!(self, g::__NR_lstat, path, out.as_mut_ptr())?;
        crate::uaccess::get(out.as_ptr().expose_provenance())
    }
}
