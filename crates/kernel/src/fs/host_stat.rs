//! From the host's attributes to ours.

use crate::vfs::{FileType, Stat, StatFs, TimeSpec};
use host::file::{HostStat, HostStatFs};
use linux_raw_sys::general::{STATX_BTIME, statx_timestamp};

/// What tells one host file from all others: device, inode number and, where the host knows it, time of birth, so
/// that a number used again is not taken for the same file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ident {
    pub dev: u64,
    pub ino: u64,
    pub born: Option<TimeSpec>,
    /// Of a directory, the mount it is seen through: a directory mounted a second time inside itself would be its
    /// own ancestor otherwise. Of other files 0: they are the same through every mount.
    pub mount: u64,
}

/// Device number in the encoding of stat(2) (`new_encode_dev`).
pub const fn encode_dev(major: u32, minor: u32) -> u64 {
    let (major, minor) = (major as u64, minor as u64);
    (minor & 0xff) | (major & 0xfff) << 8 | (minor & !0xff) << 12 | (major & !0xfff) << 32
}

fn time(time: &statx_timestamp) -> TimeSpec {
    TimeSpec { sec: time.tv_sec, nsec: time.tv_nsec }
}

/// Which file it is.
#[inline]
pub fn ident(stat: &HostStat) -> Ident {
    Ident {
        dev: encode_dev(stat.stx_dev_major, stat.stx_dev_minor),
        ino: stat.stx_ino,
        born: born(stat),
        mount: if kind(stat) == FileType::Directory { stat.stx_mnt_id } else { 0 },
    }
}

fn born(stat: &HostStat) -> Option<TimeSpec> {
    (stat.stx_mask & STATX_BTIME != 0).then(|| time(&stat.stx_btime))
}

/// The type part of the mode.
#[inline]
pub fn kind(stat: &HostStat) -> FileType {
    FileType::from_mode(u32::from(stat.stx_mode))
}

/// All attributes.
#[inline]
pub fn convert(stat: &HostStat) -> Stat {
    Stat {
        dev: encode_dev(stat.stx_dev_major, stat.stx_dev_minor),
        ino: stat.stx_ino,
        mode: u32::from(stat.stx_mode),
        nlink: stat.stx_nlink,
        uid: stat.stx_uid,
        gid: stat.stx_gid,
        rdev: encode_dev(stat.stx_rdev_major, stat.stx_rdev_minor),
        size: stat.stx_size,
        blksize: stat.stx_blksize,
        blocks: stat.stx_blocks,
        atime: time(&stat.stx_atime),
        mtime: time(&stat.stx_mtime),
        ctime: time(&stat.stx_ctime),
        btime: born(stat),
        attributes: stat.stx_attributes,
        attributes_mask: stat.stx_attributes_mask,
    }
}

/// Usage and limits.
pub fn convert_fs(stat: &HostStatFs) -> StatFs {
    StatFs {
        kind: stat.f_type as u64,
        bsize: stat.f_bsize as u64,
        blocks: stat.f_blocks,
        bfree: stat.f_bfree,
        bavail: stat.f_bavail,
        files: stat.f_files,
        ffree: stat.f_ffree,
        fsid: stat.f_fsid.val,
        namelen: stat.f_namelen as u64,
        frsize: stat.f_frsize as u64,
        flags: stat.f_flags as u64,
    }
}
