//! Files in host memory as programs ask for them: all flags of memfd_create(2), and seals.

use super::{HostFd, with_cstr};
use crate::{Result, check, syscall2, syscall3};
use linux_raw_sys::general::{__NR_fcntl, __NR_memfd_create, F_ADD_SEALS, F_GET_SEALS};

/// `MFD_CLOEXEC`; the kernel's descriptors all have it.
const MFD_CLOEXEC: u32 = 1;

/// memfd_create(2) with its `MFD_*` flags.
///
/// # Errors
/// Those of memfd_create(2).
pub fn memfd_create(name: &[u8], flags: u32) -> Result<HostFd> {
    with_cstr(name, |name| {
        // SAFETY: `name` is NUL-terminated.
        let raw = unsafe { syscall2(__NR_memfd_create, name as usize, (flags | MFD_CLOEXEC) as usize) };
        Ok(HostFd::adopt(check(raw)? as i32))
    })
}

impl HostFd {
    /// The seals of a memfd (`F_SEAL_*`).
    ///
    /// # Errors
    /// `EINVAL` for what cannot be sealed.
    pub fn seals(&self) -> Result<u32> {
        // SAFETY: no memory is involved.
        let raw = unsafe { syscall2(__NR_fcntl, self.raw() as usize, F_GET_SEALS as usize) };
        Ok(check(raw)? as u32)
    }

    /// Adds seals to a memfd.
    ///
    /// # Errors
    /// Those of fcntl(`F_ADD_SEALS`).
    pub fn add_seals(&self, seals: u32) -> Result<()> {
        // SAFETY: no memory is involved.
        check(unsafe { syscall3(__NR_fcntl, self.raw() as usize, F_ADD_SEALS as usize, seals as usize) })?;
        Ok(())
    }
}
