//! Extended attributes of host files (xattr(7)).
//!
//! The host has no `*at` form of these calls before Linux 6.13, and refuses them on `O_PATH` descriptors; so they
//! go through `/proc/self/fd`, whose links lead to exactly the file the descriptor names, symbolic links included.

use super::HostFd;
use crate::{Errno, Result};
use alloc::{vec, vec::Vec};
use rustix::fs::{self, XattrFlags};

/// Longest value, and longest list of names (`XATTR_SIZE_MAX`, `XATTR_LIST_MAX`).
const MAX: usize = 65536;

/// Runs `call` with a small buffer first, then with the largest there can be.
fn sized(mut call: impl FnMut(&mut [u8]) -> Result<usize>) -> Result<Vec<u8>> {
    let mut buf = vec![0; 256];
    let len = match call(&mut buf) {
        Err(Errno::RANGE) => {
            buf = vec![0; MAX];
            call(&mut buf)?
        }
        other => other?,
    };
    buf.truncate(len);
    Ok(buf)
}

impl HostFd {
    /// Value of the attribute `name`. Works for `O_PATH` descriptors.
    ///
    /// # Errors
    /// Those of getxattr(2).
    pub fn get_xattr(&self, name: &[u8]) -> Result<Vec<u8>> {
        let path = self.proc_path();
        sized(|buf| fs::getxattr(path.as_slice(), name, buf))
    }

    /// Names of all attributes, each ended by a NUL. Works for `O_PATH` descriptors.
    ///
    /// # Errors
    /// Those of listxattr(2).
    pub fn list_xattr(&self) -> Result<Vec<u8>> {
        let path = self.proc_path();
        sized(|buf| fs::listxattr(path.as_slice(), buf))
    }

    /// setxattr(2) with its `XATTR_*` bits. Works for `O_PATH` descriptors.
    ///
    /// # Errors
    /// Those of setxattr(2).
    pub fn set_xattr(&self, name: &[u8], value: &[u8], flags: u32) -> Result<()> {
        fs::setxattr(self.proc_path().as_slice(), name, value, XattrFlags::from_bits_retain(flags))
    }

    /// removexattr(2). Works for `O_PATH` descriptors.
    ///
    /// # Errors
    /// Those of removexattr(2).
    pub fn remove_xattr(&self, name: &[u8]) -> Result<()> {
        fs::removexattr(self.proc_path().as_slice(), name)
    }
}
