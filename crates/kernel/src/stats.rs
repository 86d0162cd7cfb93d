//! Counters behind `fncall run --stats`: system calls by name, with time, and by the way they came in.

use crate::Result;
use crate::syscall::{self, table};
use crate::task::Current;
use crate::uaccess::Args;
use alloc::string::String;
use alloc::vec::Vec;
use config::{BootConfig, StatsTarget};
use core::fmt::Write;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use host::file::HostFd;
use host::io::IoSrc;

static ENABLED: AtomicBool = AtomicBool::new(false);

struct Counter {
    calls: AtomicU64,
    errors: AtomicU64,
    traps: AtomicU64,
    time_ns: AtomicU64,
}

static COUNTERS: [Counter; table::COUNT + 1] = [const {
    Counter {
        calls: AtomicU64::new(0),
        errors: AtomicU64::new(0),
        traps: AtomicU64::new(0),
        time_ns: AtomicU64::new(0),
    }
}; table::COUNT + 1];

static MISSING: [AtomicU64; table::COUNT + 1] = [const { AtomicU64::new(0) }; table::COUNT + 1];

/// Switches counting on.
pub fn enable(on: bool) {
    ENABLED.store(on, Relaxed);
}

/// Whether calls are counted.
#[inline]
pub fn enabled() -> bool {
    ENABLED.load(Relaxed)
}

/// Makes a system call and counts it.
#[cold]
pub fn measured(cur: &mut Current<'_>, number: usize, args: &Args, via_trap: bool) -> Result<usize> {
    let counter = &COUNTERS[number.min(table::COUNT)];
    // Counted before the call: exit does not come back.
    counter.calls.fetch_add(1, Relaxed);
    counter.traps.fetch_add(u64::from(via_trap), Relaxed);
    let start = host::clock::monotonic_ns();
    let result = syscall::call(cur, number, args);
    counter.time_ns.fetch_add(host::clock::monotonic_ns() - start, Relaxed);
    counter.errors.fetch_add(u64::from(result.is_err()), Relaxed);
    result
}

/// Counts a call that is not there; answers whether it is the first of its number.
pub fn missing_call(number: usize) -> bool {
    MISSING[number.min(table::COUNT)].fetch_add(1, Relaxed) == 0
}

/// At the end of the program: one line for each call that was missing (`FNCALL_LOG=warn`, or with the statistics),
/// and the statistics where they were asked for.
pub fn report(config: &BootConfig) {
    let mut text = String::new();
    if let Some(target) = config.stats {
        write_stats(&mut text);
        match target {
            StatsTarget::Stderr => host::log::raw(format_args!("{text}")),
            StatsTarget::Descriptor(fd) => write_all(&HostFd::adopt(fd), text.as_bytes()),
        }
    }
    for (number, count) in MISSING.iter().enumerate() {
        let count = count.load(Relaxed);
        if count > 0 && config.stats.is_none() {
            host::log!(Warn, "system call {} is not there: answered ENOSYS {count} times", name(number));
        }
    }
}

fn write_all(fd: &HostFd, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match fd.write(&mut IoSrc::kernel(bytes), None) {
            Ok(count @ 1..) => bytes = &bytes[count..],
            other => {
                host::log!(Error, "cannot write the statistics: {other:?}");
                return;
            }
        }
    }
}

/// Name of a call, or its number.
fn name(number: usize) -> String {
    match table::entry(number) {
        Some(entry) => entry.name.into(),
        None if number >= table::COUNT => "(unknown)".into(),
        None => alloc::format!("#{number}"),
    }
}

fn write_stats(out: &mut String) {
    let mut rows: Vec<_> = COUNTERS.iter().enumerate().filter(|(_, c)| c.calls.load(Relaxed) > 0).collect();
    rows.sort_by_key(|(_, c)| core::cmp::Reverse(c.time_ns.load(Relaxed)));
    let (mut calls, mut traps) = (0, 0);
    // A `String` never fails.
    let _ = writeln!(
        out,
        "{:<24} {:>10} {:>8} {:>8} {:>14}",
        "system call", "calls", "errors", "traps", "total ns"
    );
    for (number, c) in rows {
        let missing = if MISSING[number].load(Relaxed) > 0 { "  (not there: ENOSYS)" } else { "" };
        let row =
            (c.calls.load(Relaxed), c.errors.load(Relaxed), c.traps.load(Relaxed), c.time_ns.load(Relaxed));
        calls += row.0;
        traps += row.2;
        let _ = writeln!(
            out,
            "{:<24} {:>10} {:>8} {:>8} {:>14}{missing}",
            name(number),
            row.0,
            row.1,
            row.2,
            row.3
        );
    }
    let patched = calls - traps;
    let percent = if calls == 0 { 100.0 } else { patched as f64 * 100.0 / calls as f64 };
    let _ = writeln!(out, "{calls} calls, {patched} from patched sites ({percent:.2} %), {traps} by trap");
    crate::mm::code::write_stats(out);
}
