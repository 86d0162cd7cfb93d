//! Host processes that end without having said so: SIGKILL from outside, the host's out-of-memory killer, a bug.
//!
//! Kernel stacks and kernel memory are shared, so the threads of such a process have left theirs behind, with all that
//! they held: open files, places in wait queues. A thread that was in user mode or asleep is *continued* in a new host
//! process without any user memory, as one that has got the signal: it finds it, lets go of everything and ends as usual.
//! One that was working in the kernel cannot be continued, and may have been in the middle of a change: then the
//! instance ends with a message.

use super::exit::first_host_pid;
use super::{Process, processes, share};
use crate::mm::AddressSpace;
use crate::signal;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use config::exit_code::FAILURE;
use core::any::Any;
use core::sync::atomic::Ordering::Relaxed;
use host::boot::die;
use host::park::Parker;
use host::thread::{Dead, Kind, Remains, Tie, die_with, spawn};

/// Ends a process whose host process is gone, as one that the signal has killed. Ends the instance when that is
/// impossible. Answers whether another host process stands in for it and will end, too.
pub fn bury(process: &Arc<Process>, dead: Dead) -> bool {
    let signo = dead.status & 0x7f;
    match (signo, dead.status >> 8 & 0xff) {
        (0, FAILURE) => host::boot::exit(FAILURE), // It has said why.
        (0, code) => die(format_args!("the host process of {} ended with status {code}", process.pid)),
        _ => {}
    }
    let lost = |what: &str| -> ! {
        let leader = process.tasks.lock().first().or(process.family.dead_leader.lock().as_ref()).cloned();
        let name = leader.map(|task| task.comm()).unwrap_or_default();
        let name = String::from_utf8_lossy(&name);
        die(format_args!(
            "the host process of {} ({name}) was killed by signal {signo} ({}) {what}: nothing can go on without it",
            process.pid,
            signal::name(signo)
        ))
    };
    // The host may give the numbers to others.
    let tasks = process.tasks.lock().clone();
    let (mut stacks, mut left) = (0, 0);
    process.family.with_resources(|resources| {
        stacks += usize::from(tasks.iter().any(|task| resources.is_of(&task.parker)));
        if !resources.has_left() {
            left += 1;
            resources.forget_numbers();
            if !resources.is_resumable() {
                lost("while it worked in the kernel");
            }
        }
    });
    if stacks != tasks.len() {
        lost("while it made a thread");
    }
    signal::exit_group(process, signo);
    // A child that has not executed a program yet runs on one of these threads (vfork(2)).
    for child in processes().iter().filter(|child| child.family.borrowed.load(Relaxed)) {
        let lent = child.tasks.lock().first().map(|task| task.parker.clone());
        let mut is_here = false;
        process.family.with_resources(|each| is_here |= lent.as_ref().is_some_and(|lent| each.is_of(lent)));
        if is_here {
            signal::exit_group(child, signo);
        }
    }
    if left == 0 {
        super::exit::process_gone(process, signo);
        return false;
    }
    // It has a copy of the first host process's memory: of that its list tells what to unmap.
    let Some(memory) = share::first_memory() else { lost("before the program had begun") };
    let made = memory.fork(|copy| {
        let data = Box::new(StandIn { process: process.clone(), memory: copy });
        spawn(Kind::Process { sibling: false }, Parker::unbound(), go_on, data)
    });
    match made {
        Ok(resources) => {
            process.family.host_pid.store(resources.host_tid(), Relaxed);
            process.family.threads.lock().push(resources);
            true
        }
        Err(errno) => lost(&alloc::format!("and there is no room for another ({errno})")),
    }
}

/// What the host process is told that stands in for one that is gone.
struct StandIn {
    process: Arc<Process>,
    /// What is mapped there.
    memory: Arc<AddressSpace>,
}

/// Its first kernel function.
fn go_on(data: Box<dyn Any + Send>) -> ! {
    let Ok(data) = data.downcast::<StandIn>() else { die(format_args!("nobody to stand in for")) };
    let StandIn { process, memory } = *data;
    die_with(first_host_pid(), Tie::Ask);
    memory.clear(memory.layout());
    drop(memory);
    let mut all: Vec<Remains> = Vec::new();
    process.family.with_resources(|resources| {
        if resources.is_resumable() && !resources.has_left() {
            all.push(resources.remains());
        }
    });
    // The last of them to end ends this host process, wherever its other threads are. So this one goes on as one of them
    // when it has done all else, and not before has the last ended.
    let tasks = process.tasks.lock().clone();
    let own = all.iter().position(|remains| tasks.iter().any(|task| remains.is_of(&task.parker)));
    let own = if all.is_empty() { None } else { Some(all.swap_remove(own.unwrap_or_default())) };
    for remains in all {
        match remains.go_on_in_thread() {
            Ok(thread) => process.family.threads.lock().push(thread),
            Err(errno) => die(format_args!("cannot end what the host has killed: {errno}")),
        }
    }
    drop(tasks);
    drop(process);
    match own {
        Some(remains) => remains.go_on(),
        None => die(format_args!("nobody to stand in for")),
    }
}
