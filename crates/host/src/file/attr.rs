//! Attributes of host files.

use super::{HostFd, dir_raw, with_cstr};
use crate::{Result, check, syscall5};
use core::mem::MaybeUninit;
use linux_raw_sys::general::{__NR_statx, STATX_BASIC_STATS, STATX_BTIME, statx};

/// `AT_EMPTY_PATH`: an empty path means the descriptor itself.
pub const AT_EMPTY_PATH: u32 = 0x1000;
/// `AT_SYMLINK_NOFOLLOW`: a link, not its target.
pub const AT_SYMLINK_NOFOLLOW: u32 = 0x100;

/// What statx(2) fills in.
pub type HostStat = statx;

/// statx(2) with all basic fields and the birth time.
///
/// # Errors
/// Those of statx(2).
pub fn stat(dir: Option<&HostFd>, path: &[u8], flags: u32) -> Result<HostStat> {
    with_cstr(path, |path| {
        let mut out = MaybeUninit::<statx>::zeroed();
        let mask = STATX_BASIC_STATS | STATX_BTIME;
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

impl HostFd {
    /// statx(2) of the open file.
    ///
    /// # Errors
    /// Those of statx(2).
    pub fn stat(&self) -> Result<HostStat> {
        stat(Some(self), b"", AT_EMPTY_PATH)
    }
}
