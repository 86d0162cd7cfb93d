//! What a process and a thread are made of.

use super::{Cred, Limits, Resource};
use crate::mm::AddressSpace;
use crate::signal::{ProcessSignals, TaskSignals};
use crate::time::ProcessTimers;
use crate::vfs::{Dentry, FdTable};
use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use host::mutex::Mutex;

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
    /// A copy (fork(2) without `CLONE_FS`).
    pub fn duplicate(&self) -> Arc<FsContext> {
        Arc::new(FsContext {
            root: Mutex::new(self.root.lock().clone()),
            cwd: Mutex::new(self.cwd.lock().clone()),
            umask: AtomicU32::new(self.umask.load(Relaxed)),
        })
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
    /// prctl(PR_SET_CHILD_SUBREAPER).
    pub subreaper: AtomicI32,
    /// prctl(PR_SET_THP_DISABLE).
    pub thp_disable: AtomicI32,
    /// prctl(PR_SET_TIMERSLACK), in nanoseconds.
    pub timer_slack_ns: AtomicU64,
    /// personality(2).
    pub personality: AtomicU32,
    /// Nice value, -20 to 19.
    pub nice: AtomicI32,
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
}

impl Process {
    /// The credentials now.
    pub fn cred(&self) -> Arc<Cred> {
        self.cred.lock().clone()
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
