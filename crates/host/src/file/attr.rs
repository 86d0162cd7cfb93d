//! Attributes of host files: reading them with statx(2) and statfs(2), changing owner, mode, times and size.

use super::{HostFd, dir_raw, with_cstr};
use crate::{Errno, Result, check, syscall2, syscall4, syscall5};
use core::mem::MaybeUninit;
use linux_raw_sys::general as g;
use linux_raw_sys::general::{
    __NR_fchmodat2, __NR_fstatfs, __NR_statx, STATX_BASIC_STATS, STATX_BTIME, STATX_MNT_ID, UTIME_NOW,
    UTIME_OMIT, statfs64, statx,
};
use rustix::fs::{self, AtFlags, FallocateFlags, Gid, Mode, Timespec, Timestamps, Uid};

/// `AT_EMPTY_PATH`: an empty path means the descriptor itself.
pub const AT_EMPTY_PATH: u32 = 0x1000;
/// `AT_SYMLINK_NOFOLLOW`: a link, not its target.
pub const AT_SYMLINK_NOFOLLOW: u32 = 0x100;

/// What statx(2) fills in.
pub type HostStat = statx;

/// What fstat(2) fills in.
pub type HostFstat = g::stat;

/// What statfs(2) fills in.
pub type HostStatFs = statfs64;

/// statx(2) with all basic fields, the birth time and the mount.
///
/// # Errors
/// Those of statx(2).
#[inline]
pub fn stat(dir: Option<&HostFd>, path: &[u8], flags: u32) -> Result<HostStat> {
    with_cstr(path, |path| {
        let mut out = MaybeUninit::<statx>::zeroed();
        let mask = STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID;
        // SAFETY: `path` is NUL-terminated; `out` is writable and of the struct's size.
        let raw = unsafe {
            syscall5(
                __NR_statx,
                dir_raw(dir),
                path as usize,
                flags as usize,
                mask as usize,
                out.as_mut_ptr() as usize,
            )
        };
        check(raw)?;
        // SAFETY: zero is a valid `statx`, and the host has overwritten what it knows.
        Ok(unsafe { out.assume_init() })
    })
}

/// Owner and group of `name` in `dir` (fchownat(2), not following a link); of `dir` itself when `name` is empty.
///
/// # Errors
/// Those of chown(2).
pub fn chown(dir: &HostFd, name: &[u8], uid: Option<u32>, gid: Option<u32>) -> Result<()> {
    let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
    fs::chownat(dir.borrow(), name, uid, gid, AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH)
}

/// Permission bits of `name` in `dir`, not following a link; of `dir` itself when `name` is empty.
///
/// # Errors
/// Those of chmod(2); `EOPNOTSUPP` for a symbolic link.
pub fn chmod(dir: &HostFd, name: &[u8], mode: u32) -> Result<()> {
    let flags = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;
    let result = with_cstr(name, |name| {
        // SAFETY: `name` is NUL-terminated.
        check(unsafe {
            syscall4(__NR_fchmodat2, dir_raw(Some(dir)), name as usize, mode as usize, flags as usize)
        })
    });
    match result {
        Ok(_) => Ok(()),
        // Linux before 6.6: through a descriptor that names the file without opening it.
        Err(Errno::NOSYS) => {
            let path = match name {
                b"" => dir.proc_path(),
                _ => super::open_name(dir, name)?.proc_path(),
            };
            fs::chmodat(fs::CWD, path.as_slice(), Mode::from_raw_mode(mode), AtFlags::empty())
        }
        Err(errno) => Err(errno),
    }
}

/// What becomes of one time of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewTime {
    /// It stays.
    Same,
    /// The present, by the clock of the host's file system.
    Now,
    /// Seconds since 1970 and nanoseconds.
    At(i64, u32),
}

/// Access and modification time of `name` in `dir` (utimensat(2), not following a link); of `dir` itself when `name`
/// is empty.
///
/// # Errors
/// Those of utimensat(2).
pub fn set_times(dir: &HostFd, name: &[u8], atime: NewTime, mtime: NewTime) -> Result<()> {
    let time = |time| match time {
        NewTime::Same => Timespec { tv_sec: 0, tv_nsec: i64::from(UTIME_OMIT) },
        NewTime::Now => Timespec { tv_sec: 0, tv_nsec: i64::from(UTIME_NOW) },
        NewTime::At(sec, nsec) => Timespec { tv_sec: sec, tv_nsec: i64::from(nsec) },
    };
    let times = Timestamps { last_access: time(atime), last_modification: time(mtime) };
    fs::utimensat(dir.borrow(), name, &times, AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH)
}

impl HostFd {
    /// statx(2) of the open file.
    ///
    /// # Errors
    /// Those of statx(2).
    #[inline]
    pub fn stat(&self) -> Result<HostStat> {
        stat(Some(self), b"", AT_EMPTY_PATH)
    }

    /// fstat(2): what it lacks against [`stat`](Self::stat), birth time and `STATX_ATTR_*`, a caller who has seen
    /// the file before knows. Costs two thirds of it.
    ///
    /// # Errors
    /// Those of fstat(2).
    #[inline]
    pub fn fstat(&self) -> Result<HostFstat> {
        let mut out = MaybeUninit::<g::stat>::zeroed();
        // SAFETY: `out` is writable and of the struct's size.
        check(unsafe { syscall2(g::__NR_fstat, self.raw() as usize, out.as_mut_ptr() as usize) })?;
        // SAFETY: zero is a valid `stat`, and the host has filled it in.
        Ok(unsafe { out.assume_init() })
    }

    /// fstatfs(2).
    ///
    /// # Errors
    /// Those of statfs(2).
    pub fn statfs(&self) -> Result<HostStatFs> {
        let mut out = MaybeUninit::<statfs64>::zeroed();
        // SAFETY: `out` is writable and of the size the call fills in on 64-bit machines.
        check(unsafe { syscall2(__NR_fstatfs, self.raw() as usize, out.as_mut_ptr() as usize) })?;
        // SAFETY: zero is a valid `statfs64`, and the host has filled it in.
        Ok(unsafe { out.assume_init() })
    }

    /// ftruncate(2).
    ///
    /// # Errors
    /// Those of ftruncate(2).
    pub fn truncate(&self, len: u64) -> Result<()> {
        fs::ftruncate(self.borrow(), len)
    }

    /// fallocate(2) with its `FALLOC_FL_*` bits.
    ///
    /// # Errors
    /// Those of fallocate(2).
    pub fn fallocate(&self, mode: u32, offset: u64, len: u64) -> Result<()> {
        fs::fallocate(self.borrow(), FallocateFlags::from_bits_retain(mode), offset, len)
    }

    /// fsync(2), or fdatasync(2).
    ///
    /// # Errors
    /// Those of fsync(2).
    pub fn sync(&self, data_only: bool) -> Result<()> {
        if data_only { fs::fdatasync(self.borrow()) } else { fs::fsync(self.borrow()) }
    }
}
