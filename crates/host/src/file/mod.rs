//! Host files: owned descriptors and the calls on them.
//!
//! Descriptors of the host are not those of the program: the kernel keeps its own table. All are opened with
//! `O_CLOEXEC`. Reads and writes take the program's memory directly ([`crate::io`]).

mod attr;
mod dir;
mod epoll;
mod ioctl;
mod memfd;
pub mod name;
mod rw;
mod socket;
mod xattr;

pub use attr::{
    AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, HostFstat, HostStat, HostStatFs, NewTime, chmod, chown, set_times,
    stat,
};
pub use dir::{HostDirent, parse_dirent};
pub use epoll::HostEpoll;
pub use ioctl::SETTINGS_LEN;
pub use memfd::memfd_create;
pub use rw::{PollFd, poll_now};
pub use socket::{HostAddress, Received};

use crate::{Errno, Result, check, syscall1, syscall3, syscall4};
use alloc::vec::Vec;
use core::mem::size_of;
use linux_raw_sys::general::{
    __NR_close, __NR_fcntl, __NR_getdents64, __NR_openat, __NR_openat2, AT_FDCWD, F_GETFD, O_CLOEXEC,
    O_DIRECTORY, O_NOFOLLOW, O_PATH, O_RDONLY, open_how,
};
use rustix::fd::{BorrowedFd, IntoRawFd};
use rustix::fs::MemfdFlags;

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

    /// As `rustix` wants it.
    #[inline]
    fn borrow(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor is open as long as `self` lives, and the number of an open one is never -1.
        unsafe { BorrowedFd::borrow_raw(self.0) }
    }

    /// The path of the magic link to it.
    fn proc_path(&self) -> Vec<u8> {
        alloc::format!("/proc/self/fd/{}", self.0).into_bytes()
    }

    /// A further open file of the same inode, with `flags` of open(2), even when it has no name any more.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn reopen(&self, flags: u32) -> Result<HostFd> {
        open(None, &self.proc_path(), flags, 0, 0)
    }

    /// What the host's `/proc/self/fd` tells about it: a path, or a word like `pipe:[123]`.
    ///
    /// # Errors
    /// Those of readlink(2).
    pub fn link_text(&self) -> Result<Vec<u8>> {
        Ok(rustix::fs::readlinkat(rustix::fs::CWD, self.proc_path().as_slice(), Vec::new())?.into_bytes())
    }

    /// `O_*` access mode and status flags (fcntl(2), `F_GETFL`).
    ///
    /// # Errors
    /// Those of fcntl(2).
    pub fn flags(&self) -> Result<u32> {
        Ok(rustix::fs::fcntl_getfl(self.borrow())?.bits())
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

/// A new file in host memory without a name (memfd_create(2)); `name` shows up in the host's /proc.
///
/// # Errors
/// Those of memfd_create(2).
pub fn memfd(name: &[u8]) -> Result<HostFd> {
    Ok(HostFd(rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC)?.into_raw_fd()))
}

/// A descriptor that names `name` in `dir` without opening it (`O_PATH | O_NOFOLLOW`).
///
/// # Errors
/// Those of open(2).
pub fn open_name(dir: &HostFd, name: &[u8]) -> Result<HostFd> {
    openat(dir, name, O_PATH | O_NOFOLLOW, 0)
}

/// openat(2) with `O_CLOEXEC`: what [`open`] does without restrictions, a little faster.
///
/// # Errors
/// Those of openat(2).
#[inline]
pub fn openat(dir: &HostFd, name: &[u8], flags: u32, mode: u32) -> Result<HostFd> {
    with_cstr(name, |name| {
        let flags = flags | O_CLOEXEC;
        // SAFETY: `name` is NUL-terminated.
        let raw = unsafe {
            syscall4(__NR_openat, dir_raw(Some(dir)), name as usize, flags as usize, mode as usize)
        };
        Ok(HostFd(check(raw)? as i32))
    })
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
        let raw =
            unsafe { syscall3(__NR_getdents64, dir.raw() as usize, buf.as_mut_ptr() as usize, buf.len()) };
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
