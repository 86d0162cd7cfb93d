//! Directory listings of the host: getdents64(2) into a kernel buffer, and the entries in it.

use super::HostFd;
use crate::{Result, check, syscall3};
use linux_raw_sys::general::__NR_getdents64;

/// Offset of `d_name` in `struct linux_dirent64`; before it: `d_ino` (8 bytes), `d_off` (8), `d_reclen` (2), `d_type`.
const NAME: usize = 19;

/// One entry of `struct linux_dirent64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostDirent<'a> {
    /// Inode number.
    pub ino: u64,
    /// The host's position behind it (`d_off`).
    pub next: u64,
    /// `DT_*`; 0 when the file system does not tell.
    pub kind: u8,
    /// The name.
    pub name: &'a [u8],
    /// Its length in the buffer.
    pub reclen: usize,
}

/// The entry at the start of `bytes`; `None` when there is none, or not a whole one.
pub fn parse_dirent(bytes: &[u8]) -> Option<HostDirent<'_>> {
    let (ino, tail) = bytes.split_first_chunk()?;
    let (next, tail) = tail.split_first_chunk()?;
    let (reclen, tail) = tail.split_first_chunk()?;
    let kind = *tail.first()?;
    let reclen = usize::from(u16::from_ne_bytes(*reclen));
    let name = bytes.get(NAME..reclen)?;
    let len = name.iter().position(|&byte| byte == 0)?;
    let (ino, next) = (u64::from_ne_bytes(*ino), u64::from_ne_bytes(*next));
    Some(HostDirent { ino, next, kind, name: &name[..len], reclen })
}

impl HostFd {
    /// getdents64(2): fills `buf` with whole entries from the descriptor's position on; 0 at the end.
    ///
    /// # Errors
    /// Those of getdents64(2).
    pub fn getdents(&self, buf: &mut [u8]) -> Result<usize> {
        // SAFETY: the buffer is live, writable and of the length given.
        check(unsafe { syscall3(__NR_getdents64, self.raw() as usize, buf.as_mut_ptr() as usize, buf.len()) })
    }
}
