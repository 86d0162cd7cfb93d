//! Other host processes of the instance, seen from the calling one: their memory (process_vm_readv(2)) and what the
//! host counts for them (proc_pid_stat(5)). Called by the kernel for /proc/PID, process_vm_readv(2) and their like;
//! whether the program may look is decided there.

use crate::io::IoDst;
use crate::{Errno, Result, check, syscall5, syscall6};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use linux_raw_sys::general as g;

/// Lets the other host processes of the instance read this one's memory where the host lets only ancestors do so (the
/// Yama module's `ptrace_scope` 1). Elsewhere it changes nothing.
pub fn allow_access() {
    const PR_SET_PTRACER: usize = 0x5961_6d61;
    /// The host has no such module, and answers `EINVAL`.
    static NEEDLESS: AtomicBool = AtomicBool::new(false);
    if !NEEDLESS.load(Relaxed) {
        // SAFETY: no memory is involved.
        let raw = unsafe { syscall5(g::__NR_prctl, PR_SET_PTRACER, usize::MAX, 0, 0, 0) };
        NEEDLESS.store(check(raw) == Err(Errno::INVAL), Relaxed);
    }
}

/// Copies from the memory of the host process `pid`; answers how many bytes could be read, from the first on.
///
/// # Errors
/// `EFAULT` when not even the first byte, or when part of the range is the kernel's; those of process_vm_readv(2).
pub fn read_memory(pid: i32, addr: usize, buf: &mut [u8]) -> Result<usize> {
    transfer(g::__NR_process_vm_readv, pid, addr, buf.as_mut_ptr() as usize, buf.len())
}

/// Copies into the memory of the host process `pid`, where the program may write; answers how many bytes.
///
/// # Errors
/// As [`read_memory`].
pub fn write_memory(pid: i32, addr: usize, bytes: &[u8]) -> Result<usize> {
    transfer(g::__NR_process_vm_writev, pid, addr, bytes.as_ptr() as usize, bytes.len())
}

fn transfer(call: u32, pid: i32, addr: usize, local: usize, len: usize) -> Result<usize> {
    // The kernel lies at the same place in every process of the instance.
    if !usercopy::access_ok(addr, len) {
        return Err(Errno::FAULT);
    }
    let (here, there) = ([local, len], [addr, len]);
    // SAFETY: both `struct iovec` are live; the local one is a slice the callers hold, written to only when reading; the
    // remote one is memory of another process, outside the kernel's shared range.
    check(unsafe {
        syscall6(call, pid as usize, &raw const here as usize, 1, &raw const there as usize, 1, 0)
    })
}

/// What the host counts for a process or one of its threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The letter of its state: `R`, `S`, `D`, `Z`.
    pub state: u8,
    /// Page faults without and with reading from disk.
    pub faults: [u64; 2],
    /// User and system time in clock ticks of 10 ms.
    pub times: [u64; 2],
    /// The processor it ran on last.
    pub processor: u32,
}

/// Those of the host process `pid`, or of its thread `tid`. `None` without the host's /proc.
pub fn counts(pid: i32, tid: Option<i32>) -> Option<Counts> {
    let path = match tid {
        None => alloc::format!("/proc/{pid}/stat"),
        Some(tid) => alloc::format!("/proc/{pid}/task/{tid}/stat"),
    };
    parse(&read(path.as_bytes())?)
}

/// Voluntary and other context switches of a thread. `None` without the host's /proc.
pub fn switches(pid: i32, tid: i32) -> Option<[u64; 2]> {
    let text = read(alloc::format!("/proc/{pid}/task/{tid}/status").as_bytes())?;
    let text = core::str::from_utf8(&text).ok()?;
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok();
    Some([value("voluntary_ctxt_switches:")?, value("nonvoluntary_ctxt_switches:")?])
}

/// The text of a small file of the host.
fn read(path: &[u8]) -> Option<Vec<u8>> {
    let file = crate::file::open(None, path, g::O_RDONLY, 0, 0).ok()?;
    let mut text = alloc::vec![0; 4096];
    let len = file.read_at(&mut IoDst::kernel(&mut text), 0, usize::MAX).ok()?;
    text.truncate(len);
    Some(text)
}

/// The fields of a `stat` line behind the name, which may hold anything, brackets and blanks included.
fn parse(text: &[u8]) -> Option<Counts> {
    let rest = &text[text.iter().rposition(|&b| b == b')')? + 1..];
    let fields: Vec<&str> = core::str::from_utf8(rest).ok()?.split_ascii_whitespace().collect();
    // The state is field 3 of the manual page.
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Counts {
        state: *fields.first()?.as_bytes().first()?,
        faults: [number(10)?, number(12)?],
        times: [number(14)?, number(15)?],
        processor: number(39)? as u32,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_confuse() {
        let text = b"7 (a) R 1) S 1 7 7 0 -1 4194304 11 12 13 14 15 16 17 18 20 0 1 0 100 8192 2 9 1 1 0 0 0 0 0 0 0 0 0 0 17 3 0 0\n";
        let expected = Counts { state: b'S', faults: [11, 13], times: [15, 16], processor: 3 };
        assert_eq!(parse(text), Some(expected));
        assert_eq!(parse(b"7 (a"), None);
        assert_eq!(parse(b"7 (a) S 1 2"), None);
    }

    #[test]
    fn the_calling_process_has_counts() {
        let (pid, tid) = (crate::signal::host_pid(), crate::signal::host_tid());
        assert_eq!(counts(pid, Some(tid)).map(|counts| counts.state), Some(b'R'));
        assert!(switches(pid, tid).is_some());
    }

    #[test]
    fn own_memory_is_read_and_written() {
        let mut from = *b"abc";
        let mut to = [0; 3];
        let pid = crate::signal::host_pid();
        assert_eq!(read_memory(pid, (&raw const from).expose_provenance(), &mut to), Ok(3));
        assert_eq!(to, from);
        assert_eq!(write_memory(pid, (&raw mut from).expose_provenance(), b"xyz"), Ok(3));
        assert_eq!(from, *b"xyz");
        assert_eq!(read_memory(pid, 16, &mut to), Err(Errno::FAULT));
    }
}
