//! What a process and a thread are made of.

use super::{Cred, Limits, Resource};
use crate::fs::tty::job::Controlling;
use crate::mm::AddressSpace;
use crate::signal::{ProcessSignals, TaskSignals};
use crate::time::ProcessTimers;
use crate::vfs::{Dentry, FdTable};
use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use host::mutex::Mutex;

/// The program's process number: pid 1 is the kernel's own.
pub const FIRST_PID: i32 = 2;

/// Root, working directory and umask (`struct fs_struct`).
#[derive(Debug)]
pub struct FsContext {
    /// `/` of the process.
    pub root: Mutex<Arc<Dentry>>,
    /// `.` of the process.
    pub cwd: Mutex<Arc<Dentry>>,
    /// Permission bits taken from new files.
    pub umask: AtomicU32,
}

impl FsContext {
    /// Made of its parts.
    pub fn new(root: Arc<Dentry>, cwd: Arc<Dentry>, umask: u32) -> Arc<FsContext> {
        Arc::new(FsContext { root: Mutex::new(root), cwd: Mutex::new(cwd), umask: AtomicU32::new(umask) })
    }

    /// A copy (fork(2) without `CLONE_FS`).
    pub fn duplicate(&self) -> Arc<FsContext> {
        Self::new(self.root.lock().clone(), self.cwd.lock().clone(), self.umask.load(Relaxed))
    }
}

/// What execve(2) left behind for /proc.
#[derive(Clone, Debug, Default)]
pub struct ExecInfo {
    /// The program file (/proc/PID/exe).
    pub exe: Option<Arc<Dentry>>,
    /// Where the argument strings lie on the stack, start and end address.
    pub arg: (usize, usize),
    /// Where the environment strings lie.
    pub env: (usize, usize),
    /// The auxiliary vector, as bytes (/proc/PID/auxv).
    pub auxv: Vec<u8>,
    /// Stack pointer at the start of the program.
    pub start_stack: usize,
    /// Start and end of the program's code, start and end of its data.
    pub code: (usize, usize),
    /// Start and end of initialised data.
    pub data: (usize, usize),
}

/// A process (thread group).
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// The parent's number; the program's own parent is pid 1, the kernel.
    pub ppid: AtomicI32,
    /// Process group and session.
    pub pgid: AtomicI32,
    /// Session.
    pub sid: AtomicI32,
    /// Controlling terminal. Taken after the terminal's own lock.
    pub tty: Mutex<Controlling>,
    /// Who it is.
    pub cred: Mutex<Arc<Cred>>,
    /// Its address space.
    pub mm: Mutex<Arc<AddressSpace>>,
    /// Its descriptors.
    pub files: Mutex<Arc<FdTable>>,
    /// Its directories and umask.
    pub fs: Mutex<Arc<FsContext>>,
    /// Resource limits.
    pub limits: Mutex<Limits>,
    /// `RLIMIT_NOFILE`'s soft limit again, read by every call that makes a descriptor.
    pub nofile: AtomicU64,
    /// What execve left for /proc.
    pub exec: Mutex<ExecInfo>,
    /// Signal handlers and pending signals of the whole process.
    pub signals: ProcessSignals,
    /// Interval timers and POSIX timers.
    pub timers: ProcessTimers,
    /// Monotonic time of its start, in nanoseconds.
    pub start_ns: u64,
    /// Its threads.
    pub tasks: Mutex<Vec<Arc<Task>>>,
    /// prctl(PR_SET_PDEATHSIG).
    pub death_signal: AtomicI32,
    /// prctl(PR_SET_DUMPABLE).
    pub dumpable: AtomicI32,
    /// What a core file of it holds (/proc/PID/coredump_filter).
    pub coredump_filter: AtomicU32,
    /// prctl(PR_SET_CHILD_SUBREAPER).
    pub subreaper: AtomicI32,
    /// prctl(PR_SET_THP_DISABLE).
    pub thp_disable: AtomicI32,
    /// prctl(PR_SET_TIMERSLACK), in nanoseconds.
    pub timer_slack_ns: AtomicU64,
    /// What 0 sets it to: the parent's when the process was made.
    pub default_timer_slack_ns: AtomicU64,
    /// personality(2).
    pub personality: AtomicU32,
    /// Parent, children, host process.
    pub family: super::family::Family,
}

/// A thread.
pub struct Task {
    /// Its number.
    pub tid: i32,
    /// The process it belongs to.
    pub process: Arc<Process>,
    /// `comm`: up to 15 bytes and a NUL (prctl(PR_SET_NAME)).
    pub name: Mutex<[u8; 16]>,
    /// Blocked and pending signals of this thread, alternate stack.
    pub signals: TaskSignals,
    /// The host thread's parker, to wake it.
    pub parker: Arc<host::park::Parker>,
    /// set_tid_address(2).
    pub clear_child_tid: AtomicUsize,
    /// set_robust_list(2): head and length.
    pub robust_list: Mutex<(usize, usize)>,
    /// What it does not share with the other threads of its process.
    pub unshared: Unshared,
    /// Its process goes on in another host process, where another task stands for it: the host thread only leaves.
    pub moved: AtomicBool,
    /// It is about to end. Set while `tasks` of its process is locked.
    pub leaving: AtomicBool,
}

/// What a thread has of its own, after unshare(2) or because it was made without `CLONE_FILES` or `CLONE_FS`; `None`
/// where it has its process's.
#[derive(Default)]
pub struct Unshared {
    /// Descriptors.
    pub files: Mutex<Option<Arc<FdTable>>>,
    /// Directories and umask.
    pub fs: Mutex<Option<Arc<FsContext>>>,
}

impl Process {
    /// A process as a system begins with one: leader of a group and a session of its own, child of process 1, everything
    /// that prctl(2) and personality(2) set at its default, and no thread yet.
    pub fn new(
        pid: i32,
        cred: Arc<Cred>,
        mm: Arc<AddressSpace>,
        files: Arc<FdTable>,
        fs: Arc<FsContext>,
        limits: Limits,
    ) -> Process {
        Process {
            pid,
            ppid: AtomicI32::new(1),
            pgid: AtomicI32::new(pid),
            sid: AtomicI32::new(pid),
            tty: Mutex::default(),
            cred: Mutex::new(cred),
            mm: Mutex::new(mm),
            files: Mutex::new(files),
            fs: Mutex::new(fs),
            limits: Mutex::new(limits),
            nofile: AtomicU64::new(limits.soft(Resource::Nofile)),
            exec: Mutex::default(),
            signals: ProcessSignals::default(),
            timers: ProcessTimers::default(),
            start_ns: host::clock::monotonic_ns(),
            tasks: Mutex::new(Vec::new()),
            death_signal: AtomicI32::new(0),
            dumpable: AtomicI32::new(1),
            coredump_filter: AtomicU32::new(super::coredump::DEFAULT_FILTER),
            subreaper: AtomicI32::new(0),
            thp_disable: AtomicI32::new(0),
            timer_slack_ns: AtomicU64::new(50_000),
            default_timer_slack_ns: AtomicU64::new(50_000),
            personality: AtomicU32::new(0),
            family: Default::default(),
        }
    }

    /// The credentials now.
    pub fn cred(&self) -> Arc<Cred> {
        self.cred.lock().clone()
    }

    /// Its thread with this number.
    pub fn thread(&self, tid: i32) -> Option<Arc<Task>> {
        self.tasks.lock().iter().find(|task| task.tid == tid).cloned()
    }

    /// What follows from a change of who it is: nobody may look into it any more, and its parent's death is no concern
    /// of it (`commit_creds`).
    pub fn note_new_cred(&self, old: &Cred, new: &Cred) {
        let ids = |cred: &Cred| [cred.euid, cred.egid, cred.fsuid, cred.fsgid];
        if ids(old) != ids(new) || new.cap_permitted & !old.cap_permitted != 0 {
            // `fs.suid_dumpable` is 0.
            self.dumpable.store(0, Relaxed);
            self.death_signal.store(0, Relaxed);
        }
    }

    /// Changes limits and what is derived from them.
    pub fn set_limits(&self, limits: Limits) {
        self.nofile.store(limits.soft(Resource::Nofile), Relaxed);
        *self.limits.lock() = limits;
        crate::time::limit_changed(self);
    }

    /// The soft limit of one resource.
    pub fn limit(&self, resource: Resource) -> u64 {
        self.limits.lock().soft(resource)
    }
}

impl Task {
    /// A thread of `process`, not yet in its list: without a name, every signal unblocked.
    pub fn new(tid: i32, process: &Arc<Process>, parker: Arc<host::park::Parker>) -> Task {
        Task {
            tid,
            process: process.clone(),
            name: Mutex::new([0; 16]),
            signals: TaskSignals::default(),
            parker,
            clear_child_tid: AtomicUsize::new(0),
            robust_list: Mutex::new((0, 0)),
            unshared: Unshared::default(),
            moved: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
        }
    }

    /// Its descriptors.
    pub fn files(&self) -> Arc<FdTable> {
        let own = self.unshared.files.lock().clone();
        own.unwrap_or_else(|| self.process.files.lock().clone())
    }

    /// Its directories and umask.
    pub fn fs(&self) -> Arc<FsContext> {
        let own = self.unshared.fs.lock().clone();
        own.unwrap_or_else(|| self.process.fs.lock().clone())
    }

    /// Replaces its descriptors; those of its process, too, when it is the only thread.
    pub fn set_files(&self, files: Arc<FdTable>) {
        let alone = self.process.tasks.lock().len() <= 1;
        // Dropped without a lock: that may close files.
        let old = match alone {
            true => {
                let own = self.unshared.files.lock().take();
                (own, Some(core::mem::replace(&mut *self.process.files.lock(), files)))
            }
            false => (self.unshared.files.lock().replace(files), None),
        };
        drop(old);
    }

    /// Replaces its directories; those of its process, too, when it is the only thread.
    pub fn set_fs(&self, fs: Arc<FsContext>) {
        if self.process.tasks.lock().len() <= 1 {
            *self.unshared.fs.lock() = None;
            *self.process.fs.lock() = fs;
        } else {
            *self.unshared.fs.lock() = Some(fs);
        }
    }

    /// The name up to its NUL.
    pub fn comm(&self) -> Vec<u8> {
        let name = *self.name.lock();
        name.iter().copied().take_while(|&b| b != 0).collect()
    }

    /// Sets the name, cut to 15 bytes.
    pub fn set_comm(&self, name: &[u8]) {
        let mut bytes = [0; 16];
        let len = name.len().min(15);
        bytes[..len].copy_from_slice(&name[..len]);
        *self.name.lock() = bytes;
    }
}

impl core::fmt::Debug for Task {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Task({})", self.tid)
    }
}

static PROCESSES: Mutex<Vec<Arc<Process>>> = Mutex::new(Vec::new());

/// Enters a process into the table that /proc and kill(2) look at.
pub fn register(process: &Arc<Process>) {
    PROCESSES.lock().push(process.clone());
}

/// Takes a process out of the table.
pub fn unregister(process: &Arc<Process>) {
    PROCESSES.lock().retain(|each| !Arc::ptr_eq(each, process));
}

/// All processes of the instance.
pub fn processes() -> Vec<Arc<Process>> {
    PROCESSES.lock().clone()
}

/// The process with this number.
pub fn find_process(pid: i32) -> Option<Arc<Process>> {
    PROCESSES.lock().iter().find(|process| process.pid == pid).cloned()
}

/// The thread with this number, of whatever process.
pub fn find_thread(tid: i32) -> Option<Arc<Task>> {
    processes().iter().find_map(|process| process.thread(tid))
}
