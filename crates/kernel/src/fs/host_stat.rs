//! From the host's attributes to ours.

use crate::Result;
use crate::task::Cred;
use crate::vfs::{FileType, SetAttr, Stat, StatFs, TimeSpec};
use host::file::{HostFstat, HostStat, HostStatFs, NewTime};
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

/// What the host is to make of the times in a change of attributes: access, modification.
pub fn new_times(change: &SetAttr) -> [NewTime; 2] {
    let time = |time: Option<TimeSpec>, now| match time {
        None => NewTime::Same,
        Some(_) if now => NewTime::Now,
        Some(TimeSpec { sec, nsec }) => NewTime::At(sec, nsec),
    };
    [time(change.atime, change.now[0]), time(change.mtime, change.now[1])]
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

/// What an open file's fstat(2) does not tell.
#[derive(Clone, Copy, Debug)]
pub struct Rest {
    born: Option<TimeSpec>,
    attributes: u64,
    attributes_mask: u64,
}

impl Rest {
    /// As the host has told before.
    pub fn of(stat: &HostStat) -> Rest {
        Rest { born: born(stat), attributes: stat.stx_attributes, attributes_mask: stat.stx_attributes_mask }
    }

    /// All attributes, with what fstat(2) tells.
    #[inline]
    pub fn with(&self, stat: &HostFstat) -> Stat {
        let time = |sec: i64, nsec: u64| TimeSpec { sec, nsec: nsec as u32 };
        Stat {
            // In the encoding of `encode_dev` already.
            dev: stat.st_dev,
            ino: stat.st_ino,
            mode: stat.st_mode,
            nlink: stat.st_nlink as u32,
            uid: stat.st_uid,
            gid: stat.st_gid,
            rdev: stat.st_rdev,
            size: stat.st_size as u64,
            blksize: stat.st_blksize as u32,
            blocks: stat.st_blocks as u64,
            atime: time(stat.st_atime as i64, stat.st_atime_nsec),
            mtime: time(stat.st_mtime as i64, stat.st_mtime_nsec),
            ctime: time(stat.st_ctime as i64, stat.st_ctime_nsec),
            btime: self.born,
            attributes: self.attributes,
            attributes_mask: self.attributes_mask,
        }
    }
}

/// How long names and permission bits read from the host are believed, in nanoseconds: long enough that a program which
/// names the same files over and over asks the host for one in thousands, short enough that who changes a file on the
/// host and then tells a program finds it seen.
pub const BELIEVE_HOST_NS: u64 = 20_000_000;

/// What permission checks need, as of some moment on the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    at_ns: u64,
    mode: u32,
    uid: u32,
    gid: u32,
}

impl Seen {
    /// As the host tells just now.
    pub fn now(stat: &HostStat) -> Seen {
        let at_ns = host::clock::coarse_monotonic_ns();
        Seen { at_ns, mode: u32::from(stat.stx_mode), uid: stat.stx_uid, gid: stat.stx_gid }
    }

    /// Nothing was seen.
    pub const fn never() -> Seen {
        Seen { at_ns: 0, mode: 0, uid: 0, gid: 0 }
    }

    /// Whether it may still be believed.
    pub fn is_fresh(&self) -> bool {
        self.at_ns != 0 && host::clock::coarse_monotonic_ns().saturating_sub(self.at_ns) < BELIEVE_HOST_NS
    }

    /// No longer to be believed.
    pub fn forget(&mut self) {
        self.at_ns = 0;
    }

    /// Permission bits with their type.
    pub fn mode(&self) -> u32 {
        self.mode
    }

    /// Whether `cred` may do `mask` ([`Cred::check_bits`]).
    ///
    /// # Errors
    /// `EACCES`.
    pub fn check(&self, cred: &Cred, mask: u32) -> Result<()> {
        cred.check_bits(self.mode, self.uid, self.gid, mask)
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
