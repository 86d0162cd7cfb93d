//! Making processes and threads (clone(2), fork(2), vfork(2)).
//!
//! ```text
//! fork    a new host process with a copy of the program's memory; it starts on a kernel stack of its own with a copy
//!         of the registers
//! vfork   no new host process yet: the calling host thread becomes the child, in the parent's memory, until the
//!         child exits or calls execve(2); execve forks the host process and goes on there
//! CLONE_VM  a new host process in the parent's memory (see `share`)
//! thread  a new host thread
//! ```

use super::exec::Image;
use super::{Current, Process, Task, exit, find_process, pid, register, share};
use crate::fs::pidfd;
use crate::mm::AddressSpace;
use crate::signal::TaskSignals;
use crate::uaccess::put;
use crate::vfs::Fd;
use crate::{Errno, Result};
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::any::Any;
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use host::mutex::Mutex;
use host::park::Parker;
use host::thread::{Kind, Tie, spawn};
use host::user::UserThread;
use linux_raw_sys::general as g;

/// What clone(2) and clone3(2) ask for.
#[derive(Clone, Debug, Default)]
pub struct CloneArgs {
    /// `CLONE_*` without the signal.
    pub flags: u64,
    /// The signal the parent gets when the child ends.
    pub exit_signal: u32,
    /// The child's stack pointer; 0: the parent's.
    pub stack: usize,
    /// Where `CLONE_PARENT_SETTID` writes.
    pub parent_tid: usize,
    /// Where `CLONE_CHILD_SETTID` and `CLONE_CHILD_CLEARTID` write.
    pub child_tid: usize,
    /// The child's TLS base with `CLONE_SETTLS`.
    pub tls: usize,
    /// Where `CLONE_PIDFD` writes.
    pub pidfd: usize,
    /// The number the child shall have; 0: any (`set_tid` of clone3(2)).
    pub set_tid: i32,
    /// The descriptor of the control group it shall be in (`CLONE_INTO_CGROUP` of clone3(2)).
    pub cgroup: Option<Fd>,
    /// The descriptor of `CLONE_PIDFD`, made before there is a process to stand for; `clone` fills it in.
    pub reserved: Option<Reserved>,
}

/// A pidfd that stands for nobody yet.
#[derive(Clone)]
pub struct Reserved {
    fd: Fd,
    slot: pidfd::Slot,
}

impl core::fmt::Debug for Reserved {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Reserved({})", self.fd)
    }
}

/// Namespaces: they belong to the host.
pub const NAMESPACES: u32 = g::CLONE_NEWNS
    | g::CLONE_NEWCGROUP
    | g::CLONE_NEWUTS
    | g::CLONE_NEWIPC
    | g::CLONE_NEWUSER
    | g::CLONE_NEWPID
    | g::CLONE_NEWNET
    | g::CLONE_NEWTIME;
/// Known, and either done here or without meaning here (`CLONE_IO`, `CLONE_UNTRACED`, `CLONE_DETACHED`).
const KNOWN: u64 = (g::CLONE_VM
    | g::CLONE_FS
    | g::CLONE_FILES
    | g::CLONE_SIGHAND
    | g::CLONE_VFORK
    | g::CLONE_PARENT
    | g::CLONE_THREAD
    | g::CLONE_SYSVSEM
    | g::CLONE_SETTLS
    | g::CLONE_PARENT_SETTID
    | g::CLONE_CHILD_CLEARTID
    | g::CLONE_DETACHED
    | g::CLONE_UNTRACED
    | g::CLONE_PIDFD
    | g::CLONE_PTRACE
    | g::CLONE_CHILD_SETTID
    | g::CLONE_IO) as u64
    | g::CLONE_CLEAR_SIGHAND;

/// What a new host thread is told.
struct Start {
    task: Arc<Task>,
    user: UserThread,
    tls: Option<usize>,
    set_child_tid: usize,
    /// The program to execute first.
    image: Option<Image>,
    /// How its host process, when it gets one, learns that the first one is gone.
    tie: Tie,
}

/// Makes a process or thread; answers its number.
///
/// # Errors
/// `EINVAL` for flags that contradict each other, `EAGAIN` at a limit, `EPERM` for namespaces, `ENOMEM`.
pub fn clone(cur: &mut Current<'_>, args: &CloneArgs) -> Result<usize> {
    check_flags(args)?;
    let has = |flag: u32| args.flags & u64::from(flag) != 0;
    pid::check_limits(cur)?;
    if has(NAMESPACES) || has(g::CLONE_SETTLS) && args.tls >= usercopy::TASK_SIZE {
        return Err(Errno::PERM);
    }
    if !has(g::CLONE_THREAD) {
        start_reaper()?;
    }
    let mut args = args.clone();
    if has(g::CLONE_PIDFD) {
        args.reserved = Some(reserve_pidfd(cur, &args)?);
    }
    let result = if let Err(errno) = args.cgroup.map_or(Ok(()), |fd| check_cgroup(cur, fd)) {
        Err(errno)
    } else if has(g::CLONE_VFORK)
        && has(g::CLONE_VM)
        && !has(g::CLONE_THREAD)
        && !cur.process().family.borrowed.load(Relaxed)
    {
        vfork(cur, &args)
    } else {
        let made = if has(g::CLONE_THREAD) { make_thread(cur, &args) } else { fork(cur, &args) };
        made.map(|task| {
            if has(g::CLONE_VFORK) {
                share::wait_for_release(cur, &task);
            }
            task.tid as usize
        })
    };
    pid::forget_claim(args.set_tid);
    if let (Err(_), Some(reserved)) = (&result, &args.reserved) {
        // Another thread may have closed it meanwhile.
        drop(cur.files.remove(reserved.fd));
    }
    result
}

/// The checks that `copy_process` begins with.
fn check_flags(args: &CloneArgs) -> Result<()> {
    let has = |flag: u32| args.flags & u64::from(flag) != 0;
    let thread = has(g::CLONE_THREAD);
    if args.flags & !(KNOWN | u64::from(NAMESPACES)) != 0
        || has(g::CLONE_FS) && (has(g::CLONE_NEWNS) || has(g::CLONE_NEWUSER))
        || thread && !has(g::CLONE_SIGHAND)
        || has(g::CLONE_SIGHAND) && !has(g::CLONE_VM)
        || thread && (has(g::CLONE_NEWUSER) || has(g::CLONE_NEWPID))
        || has(g::CLONE_PIDFD) && has(g::CLONE_DETACHED)
        || has(g::CLONE_PIDFD) && has(g::CLONE_PARENT_SETTID) && args.pidfd == args.parent_tid
    {
        return Err(Errno::INVAL);
    }
    Ok(())
}

/// Control groups are the host's, and nothing is moved between them from here.
///
/// # Errors
/// Always: `EBADF` for what is none, `EOPNOTSUPP`.
fn check_cgroup(cur: &Current<'_>, fd: Fd) -> Result<()> {
    /// `f_type` of the file system of control groups, version 2.
    const CGROUP2_SUPER_MAGIC: u64 = 0x6367_7270;
    let file = cur.file_or_path(fd)?;
    let is_group = file.inode.is_dir() && file.inode.file_system().statfs()?.kind == CGROUP2_SUPER_MAGIC;
    Err(if is_group { Errno::OPNOTSUPP } else { Errno::BADF })
}

/// Makes the descriptor of `CLONE_PIDFD` and tells the program its number.
fn reserve_pidfd(cur: &Current<'_>, args: &CloneArgs) -> Result<Reserved> {
    let thread = args.flags & u64::from(g::CLONE_THREAD) != 0;
    let slot = pidfd::Slot::default();
    let fd = cur.install(pidfd::file(slot.clone(), if thread { pidfd::PIDFD_THREAD } else { 0 }), true)?;
    if let Err(errno) = put(args.pidfd, &fd) {
        drop(cur.files.remove(fd));
        return Err(errno);
    }
    Ok(Reserved { fd, slot })
}

/// The parent's state, as the child begins with it.
fn new_process(cur: &Current<'_>, args: &CloneArgs, pid: i32) -> Process {
    let has = |flag: u32| args.flags & u64::from(flag) != 0;
    let parent = cur.process();
    let ppid = if has(g::CLONE_PARENT) { parent.ppid.load(Relaxed) } else { parent.pid };
    let copy = |value: &AtomicI32| AtomicI32::new(value.load(Relaxed));
    let process = Process {
        ppid: AtomicI32::new(ppid),
        pgid: copy(&parent.pgid),
        sid: copy(&parent.sid),
        tty: Mutex::new(parent.tty.lock().inherit()),
        exec: Mutex::new(parent.exec.lock().clone()),
        signals: match has(g::CLONE_SIGHAND) {
            true => parent.signals.inherit_shared(),
            false => parent.signals.inherit(),
        },
        dumpable: copy(&parent.dumpable),
        coredump_filter: AtomicU32::new(parent.coredump_filter.load(Relaxed)),
        thp_disable: copy(&parent.thp_disable),
        timer_slack_ns: AtomicU64::new(parent.timer_slack_ns.load(Relaxed)),
        default_timer_slack_ns: AtomicU64::new(parent.timer_slack_ns.load(Relaxed)),
        personality: AtomicU32::new(parent.personality.load(Relaxed)),
        ..Process::new(
            pid,
            parent.cred(),
            cur.mm.clone(),
            if has(g::CLONE_FILES) { cur.files.clone() } else { cur.files.duplicate() },
            if has(g::CLONE_FS) { cur.fs.clone() } else { cur.fs.duplicate() },
            *parent.limits.lock(),
        )
    };
    let exit_signal = match has(g::CLONE_PARENT) {
        true => parent.family.exit_signal.load(Relaxed),
        false => args.exit_signal as i32,
    };
    process.family.exit_signal.store(exit_signal, Relaxed);
    if has(g::CLONE_SYSVSEM) {
        process.family.undos.share(&parent.family.undos);
    }
    let execs = if has(g::CLONE_PARENT) { &parent.family.parent_execs } else { &parent.family.execs };
    process.family.parent_execs.store(execs.load(Relaxed), Relaxed);
    if args.flags & g::CLONE_CLEAR_SIGHAND != 0 {
        process.signals.reset_for_exec();
    }
    if let Some(reserved) = &args.reserved
        && !has(g::CLONE_FILES)
    {
        // It was made for the parent alone.
        drop(process.files.lock().remove(reserved.fd));
    }
    let made_by = if has(g::CLONE_PARENT) { parent.family.parent_tid.load(Relaxed) } else { cur.task.tid };
    process.family.parent_tid.store(made_by, Relaxed);
    process.family.oom_score_adj.store(parent.family.oom_score_adj.load(Relaxed), Relaxed);
    process
}

fn new_task(
    cur: &Current<'_>,
    process: &Arc<Process>,
    tid: i32,
    parker: Arc<Parker>,
    args: &CloneArgs,
) -> Arc<Task> {
    let has = |flag: u32| args.flags & u64::from(flag) != 0;
    let task = Arc::new(Task {
        name: Mutex::new(*cur.task.name.lock()),
        signals: TaskSignals::inherit(&cur.task.signals, has(g::CLONE_VM) && !has(g::CLONE_VFORK)),
        clear_child_tid: AtomicUsize::new(if has(g::CLONE_CHILD_CLEARTID) { args.child_tid } else { 0 }),
        ..Task::new(tid, process, parker)
    });
    if has(g::CLONE_THREAD) {
        let share = |own: bool, flag: u32| (own && has(flag), !has(flag));
        *task.unshared.files.lock() = match share(cur.task.unshared.files.lock().is_some(), g::CLONE_FILES) {
            (true, _) => Some(cur.files.clone()),
            (_, true) => Some(cur.files.duplicate()),
            _ => None,
        };
        *task.unshared.fs.lock() = match share(cur.task.unshared.fs.lock().is_some(), g::CLONE_FS) {
            (true, _) => Some(cur.fs.clone()),
            (_, true) => Some(cur.fs.duplicate()),
            _ => None,
        };
    }
    if let Some(reserved) = &args.reserved {
        // It was empty.
        let _ = reserved.slot.set(pidfd::Target::thread(process.clone(), tid));
    }
    process.tasks.lock().push(task.clone());
    task
}

/// Registers of the child: the parent's, with 0 as the answer, on its own stack when it has one.
fn child_registers(cur: &Current<'_>, args: &CloneArgs) -> UserThread {
    let mut user = cur.user.duplicate();
    let regs = user.regs_mut();
    regs.rax = 0;
    if args.stack != 0 {
        regs.rsp = args.stack;
    }
    user
}

fn start_of(cur: &Current<'_>, args: &CloneArgs, task: &Arc<Task>) -> Start {
    let has = |flag: u32| args.flags & u64::from(flag) != 0;
    Start {
        task: task.clone(),
        user: child_registers(cur, args),
        tls: has(g::CLONE_SETTLS).then_some(args.tls),
        set_child_tid: if has(g::CLONE_CHILD_SETTID) { args.child_tid } else { 0 },
        image: None,
        tie: Tie::Ask,
    }
}

fn tell_parent_tid(args: &CloneArgs, tid: i32) {
    if args.flags & u64::from(g::CLONE_PARENT_SETTID) != 0 {
        // Linux ignores a bad address here too (`put_user` in `kernel_clone`).
        let _ = put(args.parent_tid, &tid);
    }
}

/// `EAGAIN` where the host has no room for another.
fn no_room(errno: Errno) -> Errno {
    if errno == Errno::NOMEM { Errno::AGAIN } else { errno }
}

fn make_thread(cur: &mut Current<'_>, args: &CloneArgs) -> Result<Arc<Task>> {
    let process = cur.process().clone();
    if process.family.borrowed.load(Relaxed) {
        return Err(Errno::AGAIN);
    }
    process.family.sweep();
    if process.tasks.lock().len() == 1 {
        host::code::prepare_for_threads();
    }
    let tid = pid::new(cur, args.set_tid)?;
    let task = new_task(cur, &process, tid, Parker::unbound(), args);
    let start = start_of(cur, args, &task);
    tell_parent_tid(args, tid);
    match spawn(Kind::Thread, task.parker.clone(), begin, Box::new(start)) {
        Ok(resources) => {
            process.family.threads.lock().push(resources);
            // An exit_group(2) meanwhile did not see the new thread; an execve(2) looks again by itself.
            if process.signals.exit_status().is_some() {
                crate::signal::exit_group(&process, 0);
            }
            Ok(task)
        }
        Err(errno) => {
            process.tasks.lock().retain(|each| !Arc::ptr_eq(each, &task));
            Err(no_room(errno))
        }
    }
}

/// Enters a new process where everybody finds it.
pub fn enter(process: &Arc<Process>) {
    if let Some(parent) = find_process(process.ppid.load(Relaxed)) {
        parent.family.children.lock().push(process.clone());
    }
    register(process);
}

/// A process with a host process of its own, in a copy of its parent's memory or, with `CLONE_VM`, in that itself.
fn fork(cur: &mut Current<'_>, args: &CloneArgs) -> Result<Arc<Task>> {
    let memory = if args.flags & u64::from(g::CLONE_VM) != 0 { Memory::Same } else { Memory::Copy };
    if memory == Memory::Copy {
        crate::mm::code::before_fork(cur);
    }
    if memory == Memory::Same {
        // What one of them patches in its code the others may be executing.
        host::code::prepare_for_threads();
        cur.mm.lend();
    }
    let pid = pid::new(cur, args.set_tid)?;
    let process = Arc::new(new_process(cur, args, pid));
    let task = new_task(cur, &process, pid, Parker::unbound(), args);
    let start = start_of(cur, args, &task);
    enter(&process);
    tell_parent_tid(args, pid);
    match spawn_process(&process, &task, start, cur.mm, memory) {
        Ok(()) => Ok(task),
        Err(errno) => {
            exit::forget(&process);
            Err(no_room(errno))
        }
    }
}

/// What a new process's memory is, seen from its parent's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    Copy,
    Same,
    /// Nothing: it executes a program.
    Empty,
}

/// Makes the host process and the address space. Children of the first host process all of them: that is the one that
/// reaps.
fn spawn_process(
    process: &Arc<Process>,
    task: &Arc<Task>,
    mut start: Start,
    mm: &AddressSpace,
    memory: Memory,
) -> Result<()> {
    let first = exit::first_host_pid();
    let sibling = host::signal::host_pid() != first;
    // The host means the thread when it says "parent", and a sibling has the same parent as the caller. Only the
    // first process's first thread lasts as long as the process.
    let tied = if sibling { exit::current_is_tied() } else { host::signal::host_tid() == first };
    start.tie = if tied { Tie::Kill } else { Tie::Ask };
    process.family.tied.store(tied, Relaxed);
    // Held until the number is known: the reaper takes it before it looks for the process.
    let mut leader = process.family.leader.lock();
    let spawn = |kind| spawn(kind, task.parker.clone(), begin, Box::new(start));
    let make = |own: Option<Arc<AddressSpace>>| match own {
        Some(own) => {
            *process.mm.lock() = own;
            spawn(Kind::Process { sibling })
        }
        None => spawn(Kind::Sharer { sibling }),
    };
    let resources = match memory {
        Memory::Copy => mm.fork(|own| make(Some(own))),
        Memory::Empty => mm.fork_empty(|own| make(Some(own))),
        Memory::Same => make(None),
    }?;
    process.family.host_pid.store(resources.host_tid(), Relaxed);
    *leader = Some(resources);
    drop(leader);
    exit::child_made();
    Ok(())
}

/// The first kernel function of a new host thread.
fn begin(data: Box<dyn Any + Send>) -> ! {
    // In a block of its own, at whose end the box is freed: this function has no end.
    let Start { task, mut user, tls, set_child_tid, image, tie } = {
        let Ok(start) = data.downcast::<Start>() else {
            host::boot::die(format_args!("a thread without a start"))
        };
        *start
    };
    host::thread::die_with(exit::first_host_pid(), tie);
    host::park::current().set_slot(Some(task.clone()));
    if let Some(tls) = tls {
        // Checked by `clone`.
        let _ = user.set_fsbase(tls);
    }
    if set_child_tid != 0 {
        // Linux ignores a bad address here too (`schedule_tail`).
        let _ = put(set_child_tid, &task.tid);
    }
    let status = match image {
        Some(image) => super::run_image(&task, user, image),
        None => super::run(&task, user),
    };
    exit::leave(task, status)
}

/// The calling host thread becomes the child until that exits or calls execve(2).
fn vfork(cur: &mut Current<'_>, args: &CloneArgs) -> Result<usize> {
    let pid = pid::new(cur, args.set_tid)?;
    let process = Arc::new(new_process(cur, args, pid));
    process.family.borrowed.store(true, Relaxed);
    cur.mm.lend();
    let task = new_task(cur, &process, pid, cur.task.parker.clone(), args);
    let mut user = child_registers(cur, args);
    enter(&process);
    tell_parent_tid(args, pid);
    let tls = cur.user.fsbase();
    if args.flags & u64::from(g::CLONE_SETTLS) != 0 {
        user.set_fsbase(args.tls)?;
    }
    if args.flags & u64::from(g::CLONE_CHILD_SETTID) != 0 {
        let _ = put(args.child_tid, &pid);
    }
    let parker = cur.task.parker.clone();
    parker.set_slot(Some(task.clone()));
    let status = super::run(&task, user);
    parker.set_slot(Some(cur.task.clone()));
    // It was accepted when it was set.
    let _ = cur.user.set_fsbase(tls);
    if process.family.borrowed.load(Relaxed) {
        exit::thread_gone(&task, status);
        exit::process_gone(&process, status);
    }
    // Signals for the parent that came meanwhile.
    crate::signal::attend(cur.task);
    Ok(pid as usize)
}

/// execve(2) of a process, with one thread, that others share their memory with: gives it a host process of its own,
/// which executes `image`. The calling thread is the parent's again, after vfork(2), or ends as one that has moved.
///
/// # Errors
/// `EAGAIN` when no host process can be made; all is as it was then.
pub fn move_out(cur: &mut Current<'_>, image: Image) -> Result<()> {
    let process = cur.process().clone();
    let args = CloneArgs::default();
    let task = Arc::new(Task {
        name: Mutex::new(*cur.task.name.lock()),
        signals: TaskSignals::inherit(&cur.task.signals, true),
        ..Task::new(process.pid, &process, Parker::unbound())
    });
    let start = Start { image: Some(image), ..start_of(cur, &args, &task) };
    let left = share::LeftBehind::take(&process);
    let old = core::mem::replace(&mut *process.tasks.lock(), alloc::vec![task.clone()]);
    // After the exchange: what is sent from now on reaches the new one.
    crate::signal::move_pending(cur.task, &task);
    // Before it runs: a program that makes a thread at once is refused while it borrows.
    let borrowed = process.family.borrowed.swap(false, Relaxed);
    match spawn_process(&process, &task, start, cur.mm, Memory::Empty) {
        Ok(()) => {
            cur.exit = Some(0);
            if !borrowed {
                left.abandon(cur.task);
            }
            Ok(())
        }
        Err(errno) => {
            process.family.borrowed.store(borrowed, Relaxed);
            *process.tasks.lock() = old;
            *process.mm.lock() = cur.mm.clone();
            left.give_back(&process);
            crate::signal::move_pending(&task, cur.task);
            Err(no_room(errno))
        }
    }
}

/// The thread that waits for host processes, started with the first child.
fn start_reaper() -> Result<()> {
    static STARTED: Mutex<bool> = Mutex::new(false);
    let mut started = STARTED.lock();
    if !*started {
        // It is a thread, too: from here on the first process would have to wait for what its threads need.
        host::code::prepare_for_threads();
        let parker = exit::reaper_parker();
        let resources = spawn(Kind::Kernel, parker, exit::reap, Box::new(()))?;
        // It lives as long as the instance.
        core::mem::forget(resources);
        *started = true;
    }
    Ok(())
}
