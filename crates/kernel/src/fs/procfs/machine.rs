//! Files about the machine: read from the host's /proc when they are read here, never written. What they say of processes
//! is the kernel's, and so are the numbers of /proc/sys that `sysctl` names.

use super::{sysctl, usage};
use crate::task;
use crate::vfs::FileType;
use crate::{Errno, Result};
use alloc::vec::Vec;
use host::file::HostFd;
use host::io::IoDst;

/// Files of the root directory that are the host's.
pub const ROOT: [&str; 20] = [
    "buddyinfo",
    "cgroups",
    "cmdline",
    "cpuinfo",
    "devices",
    "diskstats",
    "execdomains",
    "filesystems",
    "interrupts",
    "loadavg",
    "meminfo",
    "modules",
    "partitions",
    "softirqs",
    "stat",
    "swaps",
    "uptime",
    "version",
    "vmstat",
    "zoneinfo",
];

/// More than any file read here has.
const MAX: usize = 4 << 20;

/// Type of something below the host's /proc, not following a last link.
pub fn kind(path: &[u8]) -> Result<FileType> {
    let stat = host::file::stat(None, &full(path), host::file::AT_SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_mode(u32::from(stat.stx_mode)))
}

/// Permission bits of it.
pub fn mode(path: &[u8]) -> Result<u32> {
    let stat = host::file::stat(None, &full(path), host::file::AT_SYMLINK_NOFOLLOW)?;
    Ok(u32::from(stat.stx_mode) & 0o7777)
}

/// Content of a file below the host's /proc, with the kernel's own counts of processes in it.
pub fn read(path: &[u8]) -> Result<Vec<u8>> {
    if let Some(entry) = sysctl::find(path) {
        return Ok(sysctl::read(entry));
    }
    let text = read_file(&full(path))?;
    Ok(match path {
        b"loadavg" => with_own_tasks(&text),
        b"stat" => with_own_counts(&text),
        _ => text,
    })
}

/// /proc/loadavg: the averages are the host's; running threads, all threads and the last number are the kernel's.
fn with_own_tasks(text: &[u8]) -> Vec<u8> {
    let averages: Vec<&[u8]> = text.split(|&b| b == b' ').take(3).collect();
    let (running, all) = usage::running();
    [&averages.join(&b' ')[..], alloc::format!(" {running}/{all} {}\n", task::last_pid()).as_bytes()].concat()
}

/// /proc/stat: how many threads were made, run and wait for the disk.
fn with_own_counts(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|&b| b == b'\n') {
        match line.split(|&b| b == b' ').next() {
            Some(b"processes") => out.extend(alloc::format!("processes {}\n", task::made()).into_bytes()),
            Some(b"procs_running") => {
                out.extend(alloc::format!("procs_running {}\n", usage::running().0).into_bytes());
            }
            Some(b"procs_blocked") => out.extend_from_slice(b"procs_blocked 0\n"),
            _ => out.extend_from_slice(line),
        }
    }
    out
}

/// Content of a host file of moderate size.
pub fn read_file(path: &[u8]) -> Result<Vec<u8>> {
    let fd: HostFd = host::file::open(None, path, 0, 0, 0)?;
    let mut text = Vec::new();
    let mut buf = alloc::vec![0; 16 << 10];
    loop {
        let count = fd.read_at(&mut IoDst::kernel(&mut buf), text.len() as u64, usize::MAX)?;
        if count == 0 {
            return Ok(text);
        }
        if text.len() + count > MAX {
            return Err(Errno::FBIG);
        }
        text.extend_from_slice(&buf[..count]);
    }
}

/// Names and types in a directory below the host's /proc.
pub fn list(path: &[u8]) -> Result<Vec<(Vec<u8>, FileType)>> {
    host::file::list_directory(&full(path)).map(|entries| {
        let kinds = entries.into_iter();
        kinds.map(|(name, d_type)| (name, FileType::from_mode(u32::from(d_type) << 12))).collect()
    })
}

fn full(path: &[u8]) -> Vec<u8> {
    [b"/proc/", path].concat()
}
