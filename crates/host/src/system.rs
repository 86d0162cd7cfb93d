//! What the host says about itself and its machine.

use crate::{Result, check, syscall1, syscall2, syscall3};
use linux_raw_sys::general as g;

/// `struct new_utsname`: six fields of 65 bytes.
pub fn uname() -> [u8; 390] {
    let mut out = [0u8; 390];
    // SAFETY: the struct is of this size.
    unsafe { syscall1(g::__NR_uname, out.as_mut_ptr() as usize) };
    out
}

/// The host's process group of the calling process.
pub fn process_group() -> i32 {
    // SAFETY: no memory is involved.
    unsafe { syscall1(g::__NR_getpgid, 0) as i32 }
}

/// Whether the calling process leads a session of the host.
pub fn is_session_leader() -> bool {
    // SAFETY: no memory is involved.
    unsafe { syscall1(g::__NR_getsid, 0) == syscall1(g::__NR_getpid, 0) }
}

/// Bytes of memory the host has.
pub fn total_memory() -> u64 {
    let info = sysinfo();
    // `totalram`, an `unsigned long`, in units of `mem_unit`, an `unsigned int`.
    let total = info[32..].first_chunk().map_or(0, |bytes| u64::from_ne_bytes(*bytes));
    let unit = info[104..].first_chunk().map_or(1, |bytes| u32::from_ne_bytes(*bytes));
    total.saturating_mul(u64::from(unit.max(1)))
}

/// `struct sysinfo` of the host.
pub fn sysinfo() -> [u8; 112] {
    let mut out = [0u8; 112];
    // SAFETY: the struct is of this size on x86-64.
    unsafe { syscall1(g::__NR_sysinfo, out.as_mut_ptr() as usize) };
    out
}

/// Fills `buf` with random bytes, as getrandom(2) with `flags`.
///
/// # Errors
/// Those of getrandom(2).
pub fn random(buf: &mut [u8], flags: u32) -> Result<usize> {
    // SAFETY: the buffer is live and of that length.
    check(unsafe { syscall3(g::__NR_getrandom, buf.as_mut_ptr() as usize, buf.len(), flags as usize) })
}

/// Processor and node the calling thread runs on (getcpu(2)).
pub fn cpu() -> (u32, u32) {
    let (mut cpu, mut node) = (0u32, 0u32);
    // SAFETY: both words are live.
    unsafe { syscall3(g::__NR_getcpu, &raw mut cpu as usize, &raw mut node as usize, 0) };
    (cpu, node)
}

/// `struct rusage` of the host process (`RUSAGE_SELF` 0) or the calling thread (`RUSAGE_THREAD` 1).
pub fn rusage(who: i32) -> [u8; 144] {
    let mut out = [0u8; 144];
    // SAFETY: the struct is of this size on x86-64.
    unsafe { syscall2(g::__NR_getrusage, who as usize, out.as_mut_ptr() as usize) };
    out
}
