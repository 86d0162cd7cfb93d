//! /proc/PID/stat, statm and status.

use super::usage::{self, Whose};
use crate::task::access::{Ids, may_access};
use crate::task::{ExecInfo, Process, Resource, Task};
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt::Write;
use core::sync::atomic::Ordering::Relaxed;

/// /proc/PID/stat and /proc/PID/task/TID/stat: 52 numbers in a line (proc_pid_stat(5)). Addresses are shown to those who
/// may look into the process.
pub fn stat(process: &Arc<Process>, task: &Arc<Task>, whose: Whose) -> String {
    let vm = super::vm::of(process);
    let open = may_access(process, Ids::Fs);
    let ended = *process.family.ended.lock();
    let exec = if open && ended.is_none() { process.exec.lock().clone() } else { ExecInfo::default() };
    let activity = usage::of(process, task, whose);
    let [[minflt, majflt], [cminflt, cmajflt]] = [activity.faults, activity.children[0]];
    let [[utime, stime], [cutime, cstime]] = [activity.times, activity.children[1]];
    let sets = crate::signal::status_sets(task);
    let threads = process.tasks.lock().len().max(1);
    let start = process.start_ns / (1_000_000_000 / usage::USER_HZ as u64);
    let nice = host::sched::nice(task.parker.host_tid());
    let mut out = String::new();
    // A `String` never fails.
    let _ =
        write!(out, "{} ({}) {} ", task.tid, String::from_utf8_lossy(&task.comm()), activity.state as char);
    let (ppid, pgid, sid) =
        (process.ppid.load(Relaxed), process.pgid.load(Relaxed), process.sid.load(Relaxed));
    let (tty, foreground) = crate::fs::tty::job::numbers(process);
    let _ =
        write!(out, "{ppid} {pgid} {sid} {tty} {foreground} 4194304 {minflt} {cminflt} {majflt} {cmajflt} ");
    let _ = write!(out, "{utime} {stime} {cutime} {cstime} {} {nice} {threads} 0 {start} ", 20 + nice);
    let rsslim = process.limit(Resource::Rss);
    let _ = write!(out, "{} {} {rsslim} ", vm.size, vm.resident / 4096);
    // Without permission Linux shows 1 for the code of a process that has memory.
    let code = if !open && ended.is_none() { (1, 1) } else { exec.code };
    let _ = write!(out, "{} {} {} 0 0 ", code.0, code.1, exec.start_stack);
    let low = |set: u64| set & 0x7fff_ffff;
    let _ = write!(
        out,
        "{} {} {} {} ",
        low(sets.pending),
        low(sets.blocked),
        low(sets.ignored),
        low(sets.caught)
    );
    let exit_signal = if task.tid == process.pid { process.family.exit_signal.load(Relaxed) } else { -1 };
    let _ = write!(out, "0 0 0 {exit_signal} {} 0 0 0 0 0 ", activity.processor);
    let brk_start = if open { vm.brk_start } else { 0 };
    let exit_code = ended.filter(|_| open).map_or(0, |(status, _)| status);
    let _ = writeln!(
        out,
        "{} {} {brk_start} {} {} {} {} {exit_code}",
        exec.data.0, exec.data.1, exec.arg.0, exec.arg.1, exec.env.0, exec.env.1
    );
    out
}

/// /proc/PID/statm, in pages.
pub fn statm(process: &Arc<Process>) -> String {
    let vm = super::vm::of(process);
    let pages = |bytes: usize| bytes / 4096;
    alloc::format!(
        "{} {} {} {} 0 {} 0\n",
        pages(vm.size),
        pages(vm.resident),
        pages(vm.shared_resident),
        pages(vm.text),
        pages(vm.data + vm.stack)
    )
}

/// /proc/PID/status.
pub fn status(process: &Arc<Process>, task: &Arc<Task>) -> String {
    let mut out = String::new();
    let vm = super::vm::of(process);
    let activity = usage::of(process, task, Whose::Thread);
    let ended = process.family.ended.lock().is_some();
    let cred = process.cred();
    let sets = crate::signal::status_sets(task);
    let kb = |bytes: usize| bytes / 1024;
    let umask = process.fs.lock().umask.load(Relaxed);
    let threads = process.tasks.lock().len().max(1);
    let fd_size = if ended { 0 } else { process.files.lock().capacity() };
    let groups: String = cred.groups.iter().map(|group| alloc::format!("{group} ")).collect();
    let _ = writeln!(out, "Name:\t{}", String::from_utf8_lossy(&task.comm()));
    if !ended {
        let _ = writeln!(out, "Umask:\t{umask:04o}");
    }
    let _ = writeln!(out, "State:\t{}", state_name(activity.state));
    let _ = writeln!(out, "Tgid:\t{}\nNgid:\t0\nPid:\t{}", process.pid, task.tid);
    let _ = writeln!(out, "PPid:\t{}\nTracerPid:\t0", process.ppid.load(Relaxed));
    let _ = writeln!(out, "Uid:\t{}\t{}\t{}\t{}", cred.uid, cred.euid, cred.suid, cred.fsuid);
    let _ = writeln!(out, "Gid:\t{}\t{}\t{}\t{}", cred.gid, cred.egid, cred.sgid, cred.fsgid);
    let _ = writeln!(out, "FDSize:\t{fd_size}\nGroups:\t{groups}");
    let (pgid, sid) = (process.pgid.load(Relaxed), process.sid.load(Relaxed));
    let _ = writeln!(out, "NStgid:\t{}\nNSpid:\t{}\nNSpgid:\t{pgid}\nNSsid:\t{sid}", process.pid, task.tid);
    if !ended {
        let _ = writeln!(out, "VmPeak:\t{:8} kB\nVmSize:\t{:8} kB", kb(vm.peak), kb(vm.size));
        let _ = writeln!(out, "VmLck:\t{:8} kB\nVmPin:\t{:8} kB", kb(vm.locked), 0);
        let _ = writeln!(out, "VmHWM:\t{:8} kB\nVmRSS:\t{:8} kB", kb(vm.resident), kb(vm.resident));
        let anonymous = vm.resident.saturating_sub(vm.shared_resident);
        let _ = writeln!(out, "RssAnon:\t{:8} kB\nRssFile:\t{:8} kB", kb(anonymous), kb(vm.shared_resident));
        let _ = writeln!(out, "RssShmem:\t{:8} kB\nVmData:\t{:8} kB", 0, kb(vm.data));
        let _ = writeln!(out, "VmStk:\t{:8} kB\nVmExe:\t{:8} kB", kb(vm.stack), kb(vm.text));
        let _ = writeln!(out, "VmLib:\t{:8} kB\nVmPTE:\t{:8} kB\nVmSwap:\t{:8} kB", 0, 0, 0);
        let _ = writeln!(out, "HugetlbPages:\t{:8} kB\nCoreDumping:\t0\nTHP_enabled:\t1", 0);
    }
    let limit = process.limit(Resource::Sigpending);
    let _ = writeln!(out, "Threads:\t{threads}\nSigQ:\t{}/{limit}", sets.queued);
    let _ = writeln!(out, "SigPnd:\t{:016x}\nShdPnd:\t{:016x}", sets.pending, sets.shared_pending);
    let _ = writeln!(out, "SigBlk:\t{:016x}\nSigIgn:\t{:016x}", sets.blocked, sets.ignored);
    let _ = writeln!(out, "SigCgt:\t{:016x}", sets.caught);
    let _ = writeln!(out, "CapInh:\t{:016x}\nCapPrm:\t{:016x}", cred.cap_inheritable, cred.cap_permitted);
    let _ = writeln!(out, "CapEff:\t{:016x}\nCapBnd:\t{:016x}", cred.cap_effective, cred.cap_bounding);
    let _ = writeln!(out, "CapAmb:\t{:016x}\nNoNewPrivs:\t{}", cred.cap_ambient, u8::from(cred.no_new_privs));
    let _ = writeln!(out, "Seccomp:\t0\nSeccomp_filters:\t0\nSpeculation_Store_Bypass:\tvulnerable");
    let mut mask = [0u8; 1024];
    let filled = host::sched::affinity(task.parker.host_tid(), &mut mask).unwrap_or(0);
    let (hex, list) = cpus(&mask[..filled]);
    let _ = writeln!(
        out,
        "SpeculationIndirectBranch:\tconditional enabled\nCpus_allowed:\t{hex}\nCpus_allowed_list:\t{list}"
    );
    let _ = writeln!(out, "Mems_allowed:\t1\nMems_allowed_list:\t0");
    let [voluntary, other] = activity.switches;
    let _ = writeln!(out, "voluntary_ctxt_switches:\t{voluntary}\nnonvoluntary_ctxt_switches:\t{other}");
    out
}

/// The state with its name (`task_state_array`).
fn state_name(state: u8) -> &'static str {
    match state {
        b'R' => "R (running)",
        b'D' => "D (disk sleep)",
        b'T' => "T (stopped)",
        b'Z' => "Z (zombie)",
        _ => "S (sleeping)",
    }
}

/// A processor mask as hexadecimal number and as list of ranges.
fn cpus(mask: &[u8]) -> (String, String) {
    let set: alloc::vec::Vec<usize> =
        (0..mask.len() * 8).filter(|n| mask[n / 8] >> (n % 8) & 1 != 0).collect();
    let mut list = String::new();
    let mut at = 0;
    while at < set.len() {
        let mut end = at;
        while end + 1 < set.len() && set[end + 1] == set[end] + 1 {
            end += 1;
        }
        let comma = if list.is_empty() { "" } else { "," };
        let _ = if end == at {
            write!(list, "{comma}{}", set[at])
        } else {
            write!(list, "{comma}{}-{}", set[at], set[end])
        };
        at = end + 1;
    }
    let top = set.last().map_or(0, |last| last / 4);
    let hex = (0..=top).rev().map(|digit| {
        let bits =
            (0..4).filter(|bit| set.contains(&(digit * 4 + bit))).fold(0u32, |value, bit| value | 1 << bit);
        char::from_digit(bits, 16).unwrap_or('0')
    });
    (hex.collect(), list)
}
