//! The plain files of /proc/PID.

use super::{mounts, status};
use crate::task::{Process, Task};
use crate::{Errno, Result};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Write;
use core::sync::atomic::Ordering::Relaxed;

/// A file of /proc/PID and /proc/PID/task/TID: name and permission bits.
pub const FILES: [(&str, u32); 27] = [
    ("auxv", 0o400),
    ("cgroup", 0o444),
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
    ("wchan", 0o444),
];

/// Content of a file of [`FILES`].
///
/// # Errors
/// `ENOENT` for another name.
pub fn read(name: &str, process: &Arc<Process>, task: &Arc<Task>) -> Result<Vec<u8>> {
    let mm = || process.mm.lock().clone();
    let root = || process.fs.lock().root.lock().clone();
    let host_pid = || process.family.host_pid.load(Relaxed);
    Ok(match name {
        "auxv" => process.exec.lock().auxv.clone(),
        "cgroup" => b"0::/\n".to_vec(),
        "cmdline" => {
            let (start, end) = process.exec.lock().arg;
            memory(start, end)
        }
        "environ" => {
            let (start, end) = process.exec.lock().env;
            memory(start, end)
        }
        "comm" => [&task.comm()[..], b"\n"].concat(),
        "coredump_filter" => b"00000033\n".to_vec(),
        "cpuset" => b"/\n".to_vec(),
        "io" => b"rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n".to_vec(),
        "limits" => limits(process).into_bytes(),
        "loginuid" | "sessionid" => b"4294967295".to_vec(),
        "maps" => mm().maps_text(&root()),
        "mountinfo" => mounts::mountinfo(process),
        "mounts" => mounts::mounts(process),
        "oom_adj" | "oom_score" | "oom_score_adj" => b"0\n".to_vec(),
        "personality" => {
            let personality = process.personality.load(Relaxed);
            alloc::format!("{personality:08x}\n").into_bytes()
        }
        "sched" => alloc::format!("{} ({}, #threads: 1)\n", String::from_utf8_lossy(&task.comm()), task.tid).into_bytes(),
        "schedstat" => b"0 0 0\n".to_vec(),
        "smaps" => mm().smaps_text(&root(), host_pid()),
        "smaps_rollup" => mm().smaps_rollup_text(&root(), host_pid()),
        "stat" => status::stat(process, task).into_bytes(),
        "statm" => status::statm(process).into_bytes(),
        "status" => status::status(process, task).into_bytes(),
        "syscall" => b"running\n".to_vec(),
        "wchan" => b"0".to_vec(),
        _ => return Err(Errno::NOENT),
    })
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
        // Nothing to adjust: the host's out-of-memory killer sees the host's own value.
        "oom_adj" | "oom_score_adj" if number.is_some_and(|n| (-1000..=1000).contains(&n)) => {}
        "coredump_filter" | "loginuid" | "sched" if number.is_some() => {}
        "oom_adj" | "oom_score_adj" | "coredump_filter" | "loginuid" | "sched" => return Err(Errno::INVAL),
        _ => return Err(Errno::NOENT),
    }
    Ok(())
}

/// Bytes of the caller's own memory (arguments and environment lie on its stack, where it may have changed them).
fn memory(start: usize, end: usize) -> Vec<u8> {
    let mut bytes = alloc::vec![0; end.saturating_sub(start).min(8 << 20)];
    let left = usercopy::copy_from_user(&mut bytes, start);
    bytes.truncate(bytes.len() - left);
    bytes
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
