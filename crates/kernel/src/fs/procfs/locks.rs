//! /proc/locks, and the `lock:` lines of /proc/PID/fdinfo.

use crate::vfs::{File, Inode, lease, locks};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use locks::LockOwner;

/// One lock (`lock_get_status`), with its number before it.
fn line(n: usize, kind: &str, mode: &str, pid: i32, inode: &dyn Inode, range: (u64, u64)) -> String {
    let (dev, ino) = inode.stat().map_or((0, 0), |stat| (stat.dev, stat.ino));
    let (major, minor) = (dev >> 8 & 0xfff, dev & 0xff | dev >> 12 & 0xfff00);
    let end = if range.1 == i64::MAX as u64 { String::from("EOF") } else { format!("{}", range.1) };
    format!("{n}: {kind} {mode} {pid} {major:02x}:{minor:02x}:{ino} {} {end}\n", range.0)
}

fn mode(exclusive: bool) -> &'static str {
    if exclusive { "WRITE" } else { "READ " }
}

fn leased(lease: &lease::Told) -> (&'static str, &'static str) {
    let state = if lease.breaking { "LEASE  BREAKING " } else { "LEASE  ACTIVE   " };
    let kind = match lease.kind {
        Some(lease::Kind::Write) => "WRITE",
        Some(lease::Kind::Read) => "READ",
        None => "UNLCK",
    };
    (state, kind)
}

/// All locks and leases; of those of a file when `of` says which, and of the process with its descriptor table.
fn text(prefix: &str, of: Option<(&Arc<File>, usize)>) -> Vec<u8> {
    let mut out = String::new();
    let mut n = 0;
    let mut add = |kind: &str, mode: &str, pid: i32, inode: &dyn Inode, range: (u64, u64)| {
        n += 1;
        out += prefix;
        out += &line(n, kind, mode, pid, inode, range);
    };
    let address = |file: &Arc<File>| Arc::as_ptr(file).addr();
    locks::for_each(|inode, is_flock, record| {
        let kind = match (is_flock, record.owner) {
            (true, _) => "FLOCK  ADVISORY ",
            (false, LockOwner::Process(_)) => "POSIX  ADVISORY ",
            (false, LockOwner::File(_)) => "OFDLCK ADVISORY ",
        };
        let wanted = of.is_none_or(|(file, table)| match record.owner {
            LockOwner::File(id) => id == address(file),
            LockOwner::Process(owner) => owner == table && core::ptr::addr_eq(inode, &*file.inode),
        });
        if wanted {
            add(kind, mode(record.exclusive), record.pid, inode, (record.start, record.end));
        }
    });
    for each in lease::all() {
        if of.is_none_or(|(file, _)| each.file == address(file)) {
            let (state, kind) = leased(&each);
            add(state, kind, each.pid, &*each.inode, (0, i64::MAX as u64));
        }
    }
    out.into_bytes()
}

/// /proc/locks.
pub fn all() -> Vec<u8> {
    text("", None)
}

/// The lines of one open file in the descriptor table `table` ([`crate::vfs::FdTable::lock_owner`]).
pub fn of_file(file: &Arc<File>, table: usize) -> Vec<u8> {
    text("lock:\t", Some((file, table)))
}
