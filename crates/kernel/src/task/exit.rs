//! The end of threads and processes (exit(2), wait(2)), and of the host processes behind them.

use super::family::Usage;
use super::{FIRST_PID, KERNEL_PID, Process, Task, find_process, processes, share, unregister};
use crate::signal;
use crate::vfs::{FdTable, PollEvents};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicBool, AtomicI32, Ordering::Relaxed, Ordering::SeqCst};
use host::mutex::{Mutex, MutexGuard, OnceLock};
use host::park::Parker;
use host::thread::{Dead, exit_process, exit_thread, free_stacks, kill_process, wait_for_child};
use linux_raw_sys::general::{SI_USER, SIGCHLD};

static FIRST_HOST_PID: AtomicI32 = AtomicI32::new(0);
static REAPER: OnceLock<Arc<Parker>> = OnceLock::new();
/// Ends that are being worked off: the reaper and the last thread of a process may come at once.
static ENDING: Mutex<Ending> = Mutex::new(Ending);

/// A type of its own, by which the lock is known where locks are watched.
struct Ending;

/// Remembers the first host process.
pub fn set_first_host_pid(pid: i32) {
    FIRST_HOST_PID.store(pid, Relaxed);
}

/// The first host process: parent of all others on the host.
pub fn first_host_pid() -> i32 {
    FIRST_HOST_PID.load(Relaxed)
}

/// The reaper's parker.
pub fn reaper_parker() -> Arc<Parker> {
    if REAPER.get().is_none() {
        // Who loses the race uses the other's.
        let _ = REAPER.set(Parker::unbound());
    }
    REAPER.get().cloned().unwrap_or_else(Parker::unbound)
}

/// The reaper has found no child and sleeps until there is one.
static REAPER_IDLE: AtomicBool = AtomicBool::new(false);

/// Tells the reaper that there is a child.
pub fn child_made() {
    if REAPER_IDLE.load(SeqCst) && REAPER_IDLE.swap(false, SeqCst) {
        reaper_parker().unpark();
    }
}

/// The thread that waits for host processes, and ends processes whose host process was killed from outside.
///
/// Nobody waits for it when a process ends by itself, and it shares the address space of the first process, in which
/// each fork and each fault has to tell the processors that run it. So it takes many at once, some of them late.
pub fn reap(_: Box<dyn Any + Send>) -> ! {
    /// Between two looks, in nanoseconds.
    const PAUSE: u64 = 10_000_000;
    let sleep = |deadline| {
        // Whatever ends the sleep.
        let _ = reaper_parker().park(&mut [], deadline);
    };
    let take = |dead| {
        let _working = hold_reaper();
        host::thread::reap(dead, host_process_gone);
    };
    loop {
        match wait_for_child(true) {
            Ok(dead) => {
                let mut next = dead;
                while let Some(dead) = next {
                    take(dead);
                    next = wait_for_child(false).unwrap_or_default();
                }
                sleep(Some(host::clock::monotonic_ns() + PAUSE));
            }
            Err(_) => {
                REAPER_IDLE.store(true, SeqCst);
                // One that was made before that has told nobody.
                match wait_for_child(false) {
                    Ok(Some(dead)) => take(dead),
                    Ok(None) => {}
                    Err(_) => sleep(None),
                }
            }
        }
    }
}

/// Held by the reaper while it works.
static REAPING: Mutex<()> = Mutex::new(());

/// Keeps the reaper from beginning something as long as the answer is held: the host is about to stop its process, and
/// must not do so while it holds locks of the others.
pub fn hold_reaper() -> MutexGuard<'static, ()> {
    REAPING.lock()
}

/// The program has ended, and what it left is being killed: no end is a surprise any more.
static INSTANCE_ENDS: AtomicBool = AtomicBool::new(false);

fn host_process_gone(dead: Dead) {
    free_stacks(dead.host_pid);
    if INSTANCE_ENDS.load(SeqCst) {
        return;
    }
    let found = processes().into_iter().find(|process| {
        // The lock is held while the number is not known yet.
        let _leader = process.family.leader.lock();
        process.family.host_pid.load(Relaxed) == dead.host_pid
    });
    let zombie =
        || ORPHANED.lock().extract_if(.., |p| p.family.host_pid.load(Relaxed) == dead.host_pid).next();
    let Some(process) = found.or_else(zombie) else { return };
    let as_usual = dead.status == 0 && process.family.ended.lock().is_some();
    if !as_usual && super::death::bury(&process, dead) {
        // Its stand-in comes here, too.
        return;
    }
    let resources =
        (process.family.leader.lock().take(), core::mem::take(&mut *process.family.threads.lock()));
    drop(resources);
}

/// Processes that were waited for before their host process was gone.
static ORPHANED: Mutex<Vec<Arc<Process>>> = Mutex::new(Vec::new());

/// The end of a host thread that `clone` made: of the thread, or, when it is the last, of the process. Nothing returns
/// from here, so whatever a caller still holds is never given back: it gives the task away, and with it what the
/// process had.
pub fn leave(task: Arc<Task>, status: i32) -> ! {
    let process = task.process.clone();
    if super::current_task().is_some_and(|now| now.moved.load(Relaxed)) {
        drop((task, process));
        host::park::current().set_slot(None);
        if host::signal::host_pid() == first_host_pid() {
            exit_thread();
        }
        exit_process(Vec::new());
    }
    let last = end_thread(&task, status);
    drop(task);
    host::park::current().set_slot(None);
    // The first host process ends with its first thread, which waits for the others in `leave_first`.
    if !last || host::signal::host_pid() == first_host_pid() {
        drop(process);
        exit_thread();
    }
    let status = final_status(&process);
    process_gone(&process, status);
    let mut resources = core::mem::take(&mut *process.family.threads.lock());
    resources.extend(process.family.leader.lock().take());
    drop(process);
    exit_process(resources)
}

/// [`thread_gone`] for the calling thread, whichever task it is by now: execve(2) may have made it the first one.
fn end_thread(task: &Arc<Task>, status: i32) -> bool {
    let now = super::current_task().filter(|now| Arc::ptr_eq(&now.process, &task.process));
    thread_gone(now.as_ref().unwrap_or(task), status)
}

/// The status of a process without threads. [`thread_gone`] has left it there.
fn final_status(process: &Process) -> i32 {
    process.signals.exit_status().unwrap_or_default()
}

/// Whether the calling host process ends when the first one is killed.
pub fn current_is_tied() -> bool {
    let pid = host::signal::host_pid();
    processes().iter().any(|p| p.family.host_pid.load(Relaxed) == pid && p.family.tied.load(Relaxed))
}

/// The end of the first host process's first thread: waits for the end of the program. Answers the wait status.
pub fn leave_first(task: &Arc<Task>, status: i32) -> i32 {
    let moved = super::current_task().is_some_and(|now| now.moved.load(Relaxed));
    if moved || !end_thread(task, status) {
        share::stay_behind(task);
    }
    final_status(&task.process)
}

/// Ends the instance: kills what the program has left running, and the calling host process exits.
pub fn end_instance(code: i32) -> ! {
    let all = processes();
    INSTANCE_ENDS.store(true, SeqCst);
    for other in &all {
        if other.pid != FIRST_PID {
            kill_process(other.family.host_pid.load(Relaxed));
        }
    }
    // One of those may hold any lock now, that of the heap, too.
    core::mem::forget(all);
    host::boot::exit(code)
}

/// A thread ends: its robust futexes, its `clear_child_tid`, its place in the process. Answers whether it was the last:
/// then its status is that of the process, unless exit_group(2) or a signal gave one (`synchronize_group_exit`, Linux
/// 6.0; the first thread's counted before).
pub fn thread_gone(task: &Arc<Task>, status: i32) -> bool {
    let tasks = task.process.tasks.lock();
    task.leaving.store(true, Relaxed);
    let all_leave = tasks.iter().all(|each| each.leaving.load(Relaxed));
    drop(tasks);
    if all_leave {
        // Before another thread learns of this one's end by its words, and ends too.
        task.process.signals.with(|shared| *shared.exit.get_or_insert(status));
    }
    release_words(task);
    signal::thread_exited(task);
    drop((task.unshared.files.lock().take(), task.unshared.fs.lock().take()));
    let mut tasks = task.process.tasks.lock();
    tasks.retain(|each| !Arc::ptr_eq(each, task));
    if task.tid == task.process.pid {
        *task.process.family.dead_leader.lock() = Some(task.clone());
    }
    let last = tasks.is_empty();
    let heir = tasks.iter().find(|task| task.tid == task.process.pid).or(tasks.first()).map(|task| task.tid);
    drop(tasks);
    task.process.family.note_end(task.tid, status);
    if let Some(heir) = heir {
        give_to_thread(task, heir);
    }
    task.process.family.pidfd_events.wake_all(PollEvents::IN);
    // `leave_first` and execve(2) wait for this.
    task.process.signals.child_events.wake_all(PollEvents::empty());
    last
}

/// A thread leaves its memory: its robust futexes, and, when somebody else lives in it, its `clear_child_tid`
/// (`mm_release`).
pub fn release_words(task: &Task) {
    crate::futex::exit_robust_list(task);
    let addr = task.clear_child_tid.swap(0, Relaxed);
    let alone = || task.process.tasks.lock().len() <= 1 && !share::is_shared(&task.process);
    if addr != 0 && !alone() && usercopy::put(addr, &0u32).is_ok() {
        crate::futex::wake_address(task, addr, 1);
    }
}

/// A thread ends before its process: its children count as those of another thread. To them it is an end of their parent
/// (prctl(PR_SET_PDEATHSIG)).
fn give_to_thread(task: &Task, heir: i32) {
    let children = task.process.family.children.lock().clone();
    for child in children.iter().filter(|child| child.family.parent_tid.load(Relaxed) == task.tid) {
        child.family.parent_tid.store(heir, Relaxed);
        tell_death(child);
    }
}

/// Sends the signal a process wants when its parent ends.
fn tell_death(child: &Arc<Process>) {
    let signo = child.death_signal.load(Relaxed);
    if signo != 0 {
        // A standard signal always has room.
        let _ = signal::to_process(child, signal::SigInfo::user(signo, SI_USER as i32, 0, 0));
    }
}

/// A process ends with this wait status: closes its files, gives its children away, becomes a zombie and tells its
/// parent. Does nothing the second time.
pub fn process_gone(process: &Arc<Process>, status: i32) {
    let guard = ENDING.lock();
    if process.family.ended.lock().is_some() {
        return;
    }
    let own = process.family.host_pid.load(Relaxed) == host::signal::host_pid();
    // The kind is always known.
    let usage = if own { host::clock::rusage(0).unwrap_or_default() } else { Usage::default() };
    let usage = process.family.total_usage(usage);
    let files = core::mem::replace(&mut *process.files.lock(), FdTable::new());
    close_all(files);
    share::release_memory(process);
    share::release(process);
    crate::ipc::sem::leave_undos(process);
    crate::fs::tty::job::leave(process, true);
    let groups = signal::groups_held(process);
    give_children_away(process);
    signal::end_orphaned_groups(process, &groups);
    let parent = find_process(process.ppid.load(Relaxed));
    let execs = parent.as_ref().map_or(0, |parent| parent.family.execs.load(Relaxed));
    let exit_signal = match process.family.parent_execs.load(Relaxed) == execs {
        true => process.family.exit_signal.load(Relaxed),
        false => SIGCHLD as i32,
    };
    let unwanted = |parent: &Arc<Process>| exit_signal == SIGCHLD as i32 && signal::leaves_no_zombies(parent);
    if parent.as_ref().is_none_or(unwanted) {
        // Before the end shows, so that nobody waits for it successfully.
        forget(process);
    }
    *process.family.ended.lock() = Some((status, usage));
    if exit_signal != 0 {
        signal::child_exited(process, exit_signal, status, (ticks_at(&usage, 0), ticks_at(&usage, 2)));
    }
    drop(guard);
    process.family.pidfd_events.wake_all(PollEvents::IN);
    if let Some(parent) = parent {
        parent.signals.child_events.wake_all(PollEvents::IN);
    }
}

/// Clock ticks of the `struct timeval` at a word of a `struct rusage`.
fn ticks_at(usage: &Usage, at: usize) -> i64 {
    usage[at] * 100 + usage[at + 1] / 10_000
}

fn close_all(files: Arc<FdTable>) {
    if Arc::strong_count(&files) > 1 {
        return;
    }
    let owner = files.lock_owner();
    for file in files.drain(|_, _| true) {
        file.closed_in(owner);
    }
}

/// Children go to the nearest ancestor that asked for them (prctl(PR_SET_CHILD_SUBREAPER)), or to the kernel.
fn give_children_away(process: &Arc<Process>) {
    let children = core::mem::take(&mut *process.family.children.lock());
    if children.is_empty() {
        return;
    }
    let mut heir = find_process(process.ppid.load(Relaxed));
    while let Some(each) = &heir {
        if each.subreaper.load(Relaxed) != 0 && each.family.ended.lock().is_none() {
            break;
        }
        heir = find_process(each.ppid.load(Relaxed));
    }
    for child in children {
        child.ppid.store(heir.as_ref().map_or(KERNEL_PID, |heir| heir.pid), SeqCst);
        if let Some(heir) = &heir {
            child.family.parent_tid.store(heir.pid, Relaxed);
        }
        // Nobody is to get a signal it has not asked for (`reparent_leader`).
        child.family.exit_signal.store(SIGCHLD as i32, Relaxed);
        tell_death(&child);
        let ended = child.family.ended.lock().is_some();
        match &heir {
            Some(heir) if ended && signal::leaves_no_zombies(heir) => {
                heir.family.children.lock().push(child.clone());
                forget(&child);
                continue;
            }
            Some(heir) => {
                heir.family.children.lock().push(child);
                if ended {
                    heir.signals.child_events.wake_all(PollEvents::IN);
                }
            }
            None if ended => drop(forget(&child)),
            None => {}
        }
    }
}

/// Takes a process out of all tables: it was waited for, or nobody will. `false`: another thread has done so.
pub fn forget(process: &Arc<Process>) -> bool {
    let mut found = true;
    if let Some(parent) = find_process(process.ppid.load(Relaxed)) {
        let mut children = parent.family.children.lock();
        let before = children.len();
        children.retain(|child| !Arc::ptr_eq(child, process));
        found = children.len() < before;
    }
    if !found {
        return false;
    }
    unregister(process);
    process.family.pidfd_events.wake_all(PollEvents::IN | PollEvents::HUP);
    let leader = process.family.dead_leader.lock().take();
    drop(leader);
    if process.family.leader.lock().is_some() {
        // Its host process may still be on its stack: the reaper lets go of that.
        ORPHANED.lock().push(process.clone());
    }
    true
}
