//! Host files: owned descriptors and the calls on them.
//!
//! Descriptors of the host are not those of the program: the kernel keeps its own table. All are opened with
//! `O_CLOEXEC`. Reads and writes take the program's memory directly ([`crate::io`]).

mod attr;
mod rw;

pub use attr::{AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, HostStat, stat};
pub use rw::{PollFd, poll_now};

use crate::{Errno, Result, check, syscall1, syscall3, syscall4};
use alloc::vec::Vec;
use core::mem::size_of;
use linux_raw_sys::general::{
    __NR_close, __NR_fcntl, __NR_getdents64, __NR_openat2, AT_FDCWD, F_GETFD, O_CLOEXEC, O_DIRECTORY,
    O_RDONLY, open_how,
};

/// An open descriptor of the host, closed when dropped.
#[derive(Debug, PartialEq, Eq)]
pub struct HostFd(i32);

impl HostFd {
    /// Takes over a descriptor that the process was started with.
    pub fn adopt(raw: i32) -> HostFd {
        HostFd(raw)
    }

    /// Its number.
    #[inline]
    pub fn raw(&self) -> i32 {
        self.0
    }
}

impl Drop for HostFd {
    fn drop(&mut self) {
        // SAFETY: nobody else uses the number: it is owned. A failed close has still closed (close(2)).
        unsafe { syscall1(__NR_close, self.0 as usize) };
    }
}

/// A path with its NUL, on the stack when short.
pub(crate) fn with_cstr<T>(path: &[u8], then: impl FnOnce(*const u8) -> Result<T>) -> Result<T> {
    if path.contains(&0) {
        return Err(Errno::INVAL);
    }
    let mut short = [0u8; 256];
    if path.len() < short.len() {
        short[..path.len()].copy_from_slice(path);
        return then(short.as_ptr());
    }
    let mut long = Vec::with_capacity(path.len() + 1);
    long.extend_from_slice(path);
    long.push(0);
    then(long.as_ptr())
}

pub(crate) fn dir_raw(dir: Option<&HostFd>) -> usize {
    dir.map_or(AT_FDCWD, HostFd::raw) as isize as usize
}

/// openat2(2) relative to `dir` (the working directory when `None`). `flags` and `mode` as in open(2), `resolve` its
/// `RESOLVE_*` bits; `O_CLOEXEC` is added.
///
/// # Errors
/// Those of openat2(2).
pub fn open(dir: Option<&HostFd>, path: &[u8], flags: u32, mode: u32, resolve: u64) -> Result<HostFd> {
    let how = open_how { flags: u64::from(flags | O_CLOEXEC), mode: u64::from(mode), resolve };
    with_cstr(path, |path| {
        // SAFETY: `path` is NUL-terminated and `how` a live struct of the size given.
        let raw = unsafe {
            syscall4(
                __NR_openat2,
                dir_raw(dir),
                path as usize,
                &raw const how as usize,
                size_of::<open_how>(),
            )
        };
        Ok(HostFd(check(raw)? as i32))
    })
}

/// Names and `d_type`s in a host directory, without `.` and `..`, in the host's order.
///
/// # Errors
/// Those of openat2(2) and getdents64(2).
pub fn list_directory(path: &[u8]) -> Result<Vec<(Vec<u8>, u8)>> {
    let dir = open(None, path, O_RDONLY | O_DIRECTORY, 0, 0)?;
    let mut found = Vec::new();
    let mut buf = alloc::vec![0u8; 8192];
    loop {
        // SAFETY: the buffer is live and of the length given.
        let raw = unsafe { syscall3(__NR_getdents64, dir.raw() as usize, buf.as_mut_ptr() as usize, buf.len()) };
        let len = check(raw)?;
        if len == 0 {
            return Ok(found);
        }
        let mut at = 0;
        while at + 19 <= len {
            // struct linux_dirent64: d_ino, d_off, d_reclen (16), d_type (18), d_name (19).
            let reclen = usize::from(u16::from_ne_bytes([buf[at + 16], buf[at + 17]])).max(19);
            let name = buf[at + 19..(at + reclen).min(len)].split(|&b| b == 0).next().unwrap_or(&[]);
            if name != b"." && name != b".." {
                found.push((name.to_vec(), buf[at + 18]));
            }
            at += reclen;
        }
    }
}

/// The descriptors of the host process that pass an exec, in order: those are the program's.
pub fn open_descriptors() -> Vec<i32> {
    let Ok(names) = list_directory(b"/proc/self/fd") else {
        // Without /proc: the first ones, one by one.
        return (0..1024).filter(|&fd| passes_exec(fd)).collect();
    };
    let numbers = names.iter().filter_map(|(name, _)| core::str::from_utf8(name).ok()?.parse().ok());
    let mut found: Vec<i32> = numbers.filter(|&fd| passes_exec(fd)).collect();
    found.sort_unstable();
    found
}

/// Whether a descriptor is open and not close-on-exec.
fn passes_exec(fd: i32) -> bool {
    // SAFETY: fcntl(F_GETFD) touches no memory.
    check(unsafe { syscall3(__NR_fcntl, fd as usize, F_GETFD as usize, 0) }).is_ok_and(|flags| flags & 1 == 0)
}
