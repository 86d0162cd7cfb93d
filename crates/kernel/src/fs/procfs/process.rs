//! The plain files of /proc/PID.

use super::usage::Whose;
use super::{mounts, status};
use crate::task::access::{self, Ids, may_access};
use crate::task::{Process, Task, coredump, current_task};
use crate::{Errno, Result};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Write;
use core::sync::atomic::Ordering::Relaxed;

/// Change others' scheduling (capabilities(7)).
const CAP_SYS_NICE: u32 = 23;
/// Override resource limits (capabilities(7)).
const CAP_SYS_RESOURCE: u32 = 24;

/// The one file that /proc/PID/task/TID has and /proc/PID has not.
pub const CHILDREN: &str = "children";

/// A file of /proc/PID and /proc/PID/task/TID: name and permission bits.
pub const FILES: [(&str, u32); 30] = [
    ("auxv", 0o400),
    ("cgroup", 0o444),
    (CHILDREN, 0o444),
    ("clear_refs", 0o200),
    ("cmdline", 0o444),
    ("comm", 0o644),
    ("coredump_filter", 0o644),
    ("cpuset", 0o444),
    ("environ", 0o400),
    ("io", 0o400),
    ("limits", 0o444),
    ("loginuid", 0o644),
    ("maps", 0o444),
    ("mountinfo", 0o444),
    ("mounts", 0o444),
    ("oom_adj", 0o644),
    ("oom_score", 0o444),
    ("oom_score_adj", 0o644),
    ("personality", 0o400),
    ("sched", 0o644),
    ("schedstat", 0o444),
    ("sessionid", 0o444),
    ("smaps", 0o444),
    ("smaps_rollup", 0o444),
    ("stat", 0o444),
    ("statm", 0o444),
    ("status", 0o444),
    ("syscall", 0o400),
    ("timerslack_ns", 0o666),
    ("wchan", 0o444),
];

/// Whether the calling thread may open a file of [`FILES`], beyond its permission bits.
///
/// # Errors
/// `EACCES`; `ESRCH` for what lies in memory that is gone.
pub fn may_open(name: &str, process: &Arc<Process>) -> Result<()> {
    if matches!(name, "auxv" | "environ") && access::host_home(process).is_none() {
        return Err(Errno::SRCH);
    }
    let private = matches!(name, "auxv" | "environ" | "maps" | "smaps" | "smaps_rollup");
    if private && !may_access(process, Ids::Fs) { Err(Errno::ACCESS) } else { Ok(()) }
}

/// Content of a file of [`FILES`].
///
/// # Errors
/// `ENOENT` for another name; `EACCES` or `EPERM` when the caller may not look into the process.
pub fn read(name: &str, process: &Arc<Process>, task: &Arc<Task>, whose: Whose) -> Result<Vec<u8>> {
    let mm = || process.mm.lock().clone();
    let root = || process.fs.lock().root.lock().clone();
    let host_pid = || access::host_home(process).unwrap_or_default();
    let ended = process.family.ended.lock().is_some();
    let without_memory = access::host_home(process).is_none();
    let closed = |errno| if may_access(process, Ids::Fs) { Ok(()) } else { Err(errno) };
    Ok(match name {
        "auxv" | "cmdline" | "environ" | "maps" | "smaps" | "smaps_rollup" if without_memory => Vec::new(),
        "mountinfo" | "mounts" if ended => return Err(Errno::INVAL),
        CHILDREN => children(process, task),
        "auxv" => process.exec.lock().auxv.clone(),
        "cgroup" => b"0::/\n".to_vec(),
        "cmdline" => {
            let (start, end) = process.exec.lock().arg;
            memory(process, start, end)
        }
        "environ" => {
            let (start, end) = process.exec.lock().env;
            memory(process, start, end)
        }
        "comm" => [&task.comm()[..], b"\n"].concat(),
        "coredump_filter" => coredump::filter_text(process).into_bytes(),
        "cpuset" => b"/\n".to_vec(),
        "io" => {
            closed(Errno::ACCESS)?;
            b"rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n".to_vec()
        }
        "limits" => limits(process).into_bytes(),
        "loginuid" | "sessionid" => b"4294967295".to_vec(),
        "maps" => mm().maps_text(&root()),
        "mountinfo" => mounts::mountinfo(process),
        "mounts" => mounts::mounts(process),
        "oom_score" => {
            // What Linux shows of a process that uses next to no memory: two thirds of the adjustment, from 0 to 1333.
            let adj = process.family.oom_score_adj.load(Relaxed);
            alloc::format!("{}\n", (1000 + adj) * 2 / 3).into_bytes()
        }
        "oom_score_adj" => alloc::format!("{}\n", process.family.oom_score_adj.load(Relaxed)).into_bytes(),
        "oom_adj" => {
            let adj = process.family.oom_score_adj.load(Relaxed);
            alloc::format!("{}\n", if adj == 1000 { 15 } else { adj * 17 / 1000 }).into_bytes()
        }
        "personality" => {
            closed(Errno::PERM)?;
            let personality = process.personality.load(Relaxed);
            alloc::format!("{personality:08x}\n").into_bytes()
        }
        "sched" => alloc::format!(
            "{} ({}, #threads: {})\n",
            String::from_utf8_lossy(&task.comm()),
            task.tid,
            process.tasks.lock().len().max(1)
        )
        .into_bytes(),
        "schedstat" => b"0 0 0\n".to_vec(),
        "smaps" => mm().smaps_text(&root(), host_pid()),
        "smaps_rollup" => mm().smaps_rollup_text(&root(), host_pid()),
        "stat" => status::stat(process, task, whose).into_bytes(),
        "statm" => status::statm(process).into_bytes(),
        "status" => status::status(process, task).into_bytes(),
        "syscall" => {
            closed(Errno::PERM)?;
            b"running\n".to_vec()
        }
        "timerslack_ns" => {
            may_change_slack(process)?;
            alloc::format!("{}\n", process.timer_slack_ns.load(Relaxed)).into_bytes()
        }
        "wchan" => b"0".to_vec(),
        _ => return Err(Errno::NOENT),
    })
}

/// # Errors
/// `EPERM` for another process of somebody without `CAP_SYS_NICE`.
fn may_change_slack(process: &Arc<Process>) -> Result<()> {
    let Some(task) = current_task() else { return Err(Errno::PERM) };
    let own = Arc::ptr_eq(&task.process, process);
    if own || task.process.cred().capable(CAP_SYS_NICE) { Ok(()) } else { Err(Errno::PERM) }
}

/// What was written to a file of [`FILES`] that can be written.
///
/// # Errors
/// `EINVAL` for what makes no sense there, `ENOENT` for another name.
pub fn write(name: &str, task: &Arc<Task>, bytes: &[u8]) -> Result<()> {
    let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let number = core::str::from_utf8(text).ok().and_then(|text| text.trim().parse::<i64>().ok());
    match name {
        "comm" => task.set_comm(text),
        // The host's out-of-memory killer sees the host's own value.
        "oom_score_adj" if number.is_some_and(|n| (-1000..=1000).contains(&n)) => {
            let adj = number.unwrap_or_default() as i32;
            let current = &task.process.family.oom_score_adj;
            let cred = current_task().map(|task| task.process.cred());
            if adj < current.load(Relaxed) && !cred.is_some_and(|cred| cred.capable(CAP_SYS_RESOURCE)) {
                return Err(Errno::ACCESS);
            }
            current.store(adj, Relaxed);
        }
        "oom_adj" if number.is_some_and(|n| (-17..=15).contains(&n)) => {
            let adj = number.unwrap_or_default() as i32;
            let adj = if adj == 15 { 1000 } else { adj * 1000 / 17 };
            task.process.family.oom_score_adj.store(adj, Relaxed);
        }
        "timerslack_ns" if number.is_some_and(|n| n >= 0) => {
            let process = &task.process;
            may_change_slack(process)?;
            let default = process.default_timer_slack_ns.load(Relaxed);
            let slack = number.and_then(|n| u64::try_from(n).ok()).filter(|n| *n != 0).unwrap_or(default);
            process.timer_slack_ns.store(slack, Relaxed);
        }
        // What the host counts of its process's pages: 1 to 4 clear their marks, 5 the highest use.
        "clear_refs" if number.is_some_and(|n| (1..=5).contains(&n)) => {
            if let Some(home) = access::host_home(&task.process) {
                let path = alloc::format!("/proc/{home}/clear_refs");
                let host = host::file::open(None, path.as_bytes(), 1, 0, 0)?;
                host.write(&mut host::io::IoSrc::kernel(bytes), None)?;
            }
        }
        "timerslack_ns" | "clear_refs" => return Err(Errno::INVAL),
        "coredump_filter" => {
            let text = core::str::from_utf8(text).map_err(|_| Errno::INVAL)?;
            coredump::set_filter(&task.process, text)?;
        }
        "loginuid" | "sched" if number.is_some() => {}
        "oom_adj" | "oom_score_adj" | "loginuid" | "sched" => return Err(Errno::INVAL),
        _ => return Err(Errno::NOENT),
    }
    Ok(())
}

/// Bytes of the process's memory (arguments and environment lie on its stack, where it may have changed them).
fn memory(process: &Process, start: usize, end: usize) -> Vec<u8> {
    let mut bytes = alloc::vec![0; end.saturating_sub(start).min(8 << 20)];
    // What cannot be read is left out, as Linux does.
    let count = access::read_memory(process, start, &mut bytes).unwrap_or_default();
    bytes.truncate(count);
    bytes
}

/// Numbers of the children. They belong to the process, and its first thread shows them.
fn children(process: &Process, task: &Task) -> Vec<u8> {
    if task.tid != process.pid {
        return Vec::new();
    }
    let children = process.family.children.lock().clone();
    children.iter().flat_map(|child| alloc::format!("{} ", child.pid).into_bytes()).collect()
}

/// /proc/PID/limits.
fn limits(process: &Arc<Process>) -> String {
    const NAMES: [(&str, &str); 16] = [
        ("Max cpu time", "seconds"),
        ("Max file size", "bytes"),
        ("Max data size", "bytes"),
        ("Max stack size", "bytes"),
        ("Max core file size", "bytes"),
        ("Max resident set", "bytes"),
        ("Max processes", "processes"),
        ("Max open files", "files"),
        ("Max locked memory", "bytes"),
        ("Max address space", "bytes"),
        ("Max file locks", "locks"),
        ("Max pending signals", "signals"),
        ("Max msgqueue size", "bytes"),
        ("Max nice priority", ""),
        ("Max realtime priority", ""),
        ("Max realtime timeout", "us"),
    ];
    let word =
        |value: u64| if value == u64::MAX { String::from("unlimited") } else { alloc::format!("{value}") };
    let mut out =
        alloc::format!("{:<25} {:<20} {:<20} {:<10}\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    let limits = *process.limits.lock();
    for ((name, unit), (soft, hard)) in NAMES.iter().zip(limits.0) {
        // A `String` never fails.
        let _ = write!(out, "{name:<25} {:<20} {:<20} ", word(soft), word(hard));
        let _ = if unit.is_empty() { writeln!(out) } else { writeln!(out, "{unit:<10}") };
    }
    out
}
