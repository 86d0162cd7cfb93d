//! Host calls that change or read names: one component relative to a directory descriptor.
//!
//! Callers pass single components, so the host never resolves a path, let alone a symbolic link, on behalf of a
//! program. The calls are those of section 2 with the same names plus `at`.

use super::HostFd;
use crate::Result;
use alloc::vec::Vec;
use rustix::fs::{self, AtFlags, FileType, Mode, RenameFlags};

/// Target of the symbolic link `name` in `dir` (readlinkat(2)); the link `dir` itself stands for when `name` is empty.
///
/// # Errors
/// Those of readlinkat(2).
pub fn readlink(dir: &HostFd, name: &[u8]) -> Result<Vec<u8>> {
    Ok(fs::readlinkat(dir.borrow(), name, Vec::new())?.into_bytes())
}

/// mkdirat(2).
///
/// # Errors
/// Those of mkdirat(2).
pub fn mkdir(dir: &HostFd, name: &[u8], mode: u32) -> Result<()> {
    fs::mkdirat(dir.borrow(), name, Mode::from_bits_retain(mode))
}

/// unlinkat(2) without `AT_REMOVEDIR`.
///
/// # Errors
/// Those of unlink(2).
pub fn unlink(dir: &HostFd, name: &[u8]) -> Result<()> {
    fs::unlinkat(dir.borrow(), name, AtFlags::empty())
}

/// unlinkat(2) with `AT_REMOVEDIR`.
///
/// # Errors
/// Those of rmdir(2).
pub fn rmdir(dir: &HostFd, name: &[u8]) -> Result<()> {
    fs::unlinkat(dir.borrow(), name, AtFlags::REMOVEDIR)
}

/// renameat2(2) with its `RENAME_*` bits.
///
/// # Errors
/// Those of renameat2(2).
pub fn rename(dir: &HostFd, name: &[u8], new_dir: &HostFd, new_name: &[u8], flags: u32) -> Result<()> {
    let flags = RenameFlags::from_bits_retain(flags);
    fs::renameat_with(dir.borrow(), name, new_dir.borrow(), new_name, flags)
}

/// linkat(2), not following a symbolic link at `name`.
///
/// # Errors
/// Those of linkat(2).
pub fn link(dir: &HostFd, name: &[u8], new_dir: &HostFd, new_name: &[u8]) -> Result<()> {
    fs::linkat(dir.borrow(), name, new_dir.borrow(), new_name, AtFlags::empty())
}

/// Gives an open file without a name (`O_TMPFILE`) its first one, through `/proc/self/fd` as open(2) describes:
/// `AT_EMPTY_PATH` would need a capability.
///
/// # Errors
/// Those of linkat(2).
pub fn link_open(file: &HostFd, new_dir: &HostFd, new_name: &[u8]) -> Result<()> {
    let path = file.proc_path();
    fs::linkat(fs::CWD, path.as_slice(), new_dir.borrow(), new_name, AtFlags::SYMLINK_FOLLOW)
}

/// symlinkat(2).
///
/// # Errors
/// Those of symlinkat(2).
pub fn symlink(target: &[u8], dir: &HostFd, name: &[u8]) -> Result<()> {
    fs::symlinkat(target, dir.borrow(), name)
}

/// mknodat(2); `mode` with its type bits, `dev` in the encoding of `makedev`.
///
/// # Errors
/// Those of mknod(2).
pub fn mknod(dir: &HostFd, name: &[u8], mode: u32, dev: u64) -> Result<()> {
    let kind = FileType::from_raw_mode(mode);
    fs::mknodat(dir.borrow(), name, kind, Mode::from_raw_mode(mode), dev)
}
