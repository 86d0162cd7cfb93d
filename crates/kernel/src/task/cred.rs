//! Who a task is: user and group ids, capabilities (credentials(7), capabilities(7)).

use crate::vfs::{FileType, Stat};
use crate::{Errno, Result};
use alloc::vec::Vec;

/// Override all permission bits of files, execute excepted where none is set.
pub const CAP_DAC_OVERRIDE: u32 = 1;
/// Override read and search permission.
pub const CAP_DAC_READ_SEARCH: u32 = 2;

/// Credentials of a task. Changed as a whole: a task holds an `Arc<Cred>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cred {
    /// Real, effective, saved and file-system user id.
    pub uid: u32,
    /// Effective user id.
    pub euid: u32,
    /// Saved user id.
    pub suid: u32,
    /// User id for file access.
    pub fsuid: u32,
    /// Real group id.
    pub gid: u32,
    /// Effective group id.
    pub egid: u32,
    /// Saved group id.
    pub sgid: u32,
    /// Group id for file access.
    pub fsgid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Effective capabilities, bit by number.
    pub cap_effective: u64,
    /// Permitted capabilities.
    pub cap_permitted: u64,
    /// Inheritable capabilities.
    pub cap_inheritable: u64,
    /// Bounding set.
    pub cap_bounding: u64,
    /// Ambient set.
    pub cap_ambient: u64,
    /// `SECBIT_*` of prctl(PR_SET_SECUREBITS).
    pub securebits: u32,
    /// prctl(PR_SET_NO_NEW_PRIVS).
    pub no_new_privs: bool,
}

impl Cred {
    /// Whether a capability is effective.
    #[inline]
    pub fn capable(&self, capability: u32) -> bool {
        self.cap_effective & (1 << capability) != 0
    }

    /// Whether search permission on directories is never refused.
    #[inline]
    pub fn may_search_anything(&self) -> bool {
        self.cap_effective & (1 << CAP_DAC_OVERRIDE | 1 << CAP_DAC_READ_SEARCH) != 0
    }

    /// Whether `gid` is the file-system group or a supplementary one.
    pub fn in_group(&self, gid: u32) -> bool {
        self.fsgid == gid || self.groups.contains(&gid)
    }

    /// The permission check by mode bits, owner and group (`generic_permission`): `mask` is 4 read, 2 write, 1
    /// execute or search.
    ///
    /// # Errors
    /// `EACCES`.
    pub fn check_mode(&self, stat: &Stat, mask: u32) -> Result<()> {
        self.check_bits(stat.mode, stat.uid, stat.gid, mask)
    }

    /// As [`check_mode`](Self::check_mode), with mode, owner and group by themselves.
    ///
    /// # Errors
    /// `EACCES`.
    pub fn check_bits(&self, mode: u32, uid: u32, gid: u32, mask: u32) -> Result<()> {
        let bits = if uid == self.fsuid {
            mode >> 6
        } else if self.in_group(gid) {
            mode >> 3
        } else {
            mode
        };
        if mask & !bits & 7 == 0 {
            return Ok(());
        }
        let dir = FileType::from_mode(mode) == FileType::Directory;
        if self.capable(CAP_DAC_OVERRIDE) && (mask & 1 == 0 || dir || mode & 0o111 != 0) {
            return Ok(());
        }
        if self.capable(CAP_DAC_READ_SEARCH) && (mask == 4 || dir && mask & 2 == 0) {
            return Ok(());
        }
        Err(Errno::ACCESS)
    }
}
