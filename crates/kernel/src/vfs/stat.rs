//! Attributes of a file, as statx(2) tells them.

/// The bits of a mode that chmod(2) sets.
pub const PERMISSIONS: u32 = 0o7777;

/// The type bits of a mode (inode(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileType {
    /// `S_IFREG`
    Regular,
    /// `S_IFDIR`
    Directory,
    /// `S_IFLNK`
    Symlink,
    /// `S_IFCHR`
    CharDevice,
    /// `S_IFBLK`
    BlockDevice,
    /// `S_IFIFO`
    Fifo,
    /// `S_IFSOCK`
    Socket,
}

impl FileType {
    /// The `S_IFMT` bits.
    pub const fn mode_bits(self) -> u32 {
        match self {
            FileType::Fifo => 0o010000,
            FileType::CharDevice => 0o020000,
            FileType::Directory => 0o040000,
            FileType::BlockDevice => 0o060000,
            FileType::Regular => 0o100000,
            FileType::Symlink => 0o120000,
            FileType::Socket => 0o140000,
        }
    }

    /// From a mode with `S_IFMT` bits; unknown bits count as a regular file.
    pub const fn from_mode(mode: u32) -> FileType {
        match mode & 0o170000 {
            0o010000 => FileType::Fifo,
            0o020000 => FileType::CharDevice,
            0o040000 => FileType::Directory,
            0o060000 => FileType::BlockDevice,
            0o120000 => FileType::Symlink,
            0o140000 => FileType::Socket,
            _ => FileType::Regular,
        }
    }

    /// The `d_type` of getdents64(2).
    pub const fn d_type(self) -> u8 {
        (self.mode_bits() >> 12) as u8
    }
}

/// A point in time: seconds since the epoch and nanoseconds within the second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeSpec {
    /// Seconds since 1970-01-01 UTC.
    pub sec: i64,
    /// 0..=999_999_999.
    pub nsec: u32,
}

impl TimeSpec {
    /// From nanoseconds since the epoch.
    pub fn from_ns(ns: u64) -> TimeSpec {
        TimeSpec { sec: (ns / 1_000_000_000) as i64, nsec: (ns % 1_000_000_000) as u32 }
    }

    /// The present as files are stamped with it: as of the last tick (`ktime_get_coarse_real_ts64`).
    #[inline]
    pub fn now() -> TimeSpec {
        Self::from_ns(host::clock::coarse_realtime_ns())
    }
}

/// All attributes (statx(2)). By default all is 0, and nothing is known about the birth.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stat {
    /// Device number of the file system, in the kernel's user encoding (`makedev`).
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Type and permission bits.
    pub mode: u32,
    /// Number of names.
    pub nlink: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Device a special file stands for.
    pub rdev: u64,
    /// Bytes.
    pub size: u64,
    /// Preferred I/O size in bytes.
    pub blksize: u32,
    /// 512-byte blocks.
    pub blocks: u64,
    /// Last access.
    pub atime: TimeSpec,
    /// Last change of content.
    pub mtime: TimeSpec,
    /// Last change of attributes.
    pub ctime: TimeSpec,
    /// Birth, where known.
    pub btime: Option<TimeSpec>,
    /// `STATX_ATTR_*`.
    pub attributes: u64,
    /// Which of them are supported.
    pub attributes_mask: u64,
}

impl Stat {
    /// The type part of the mode.
    pub fn kind(&self) -> FileType {
        FileType::from_mode(self.mode)
    }

    /// The same, with all three times at `time`.
    #[must_use]
    pub fn at(self, time: TimeSpec) -> Stat {
        Stat { atime: time, mtime: time, ctime: time, ..self }
    }

    /// Carries out a change at the time `now` (`setattr_copy`). The length is not changed: what that means, each file system knows.
    pub fn change(&mut self, change: &SetAttr, now: TimeSpec) {
        if let Some(mode) = change.mode {
            self.mode = self.mode & !PERMISSIONS | mode & PERMISSIONS;
        }
        self.uid = change.uid.unwrap_or(self.uid);
        self.gid = change.gid.unwrap_or(self.gid);
        self.atime = change.atime.unwrap_or(self.atime);
        self.mtime = change.mtime.unwrap_or(self.mtime);
        self.ctime = now;
    }
}

/// A change of attributes; `None` leaves one as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct SetAttr {
    /// Permission bits (07777).
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// New length in bytes.
    pub size: Option<u64>,
    /// Last access.
    pub atime: Option<TimeSpec>,
    /// Last change of content.
    pub mtime: Option<TimeSpec>,
    /// Which of the two times, access and modification, are the present. A file system whose stamps come from a
    /// finer clock takes its own: by the coarse one, a file would seem older than it was a moment ago.
    pub now: [bool; 2],
}

/// What statfs(2) tells.
#[derive(Clone, Copy, Debug, Default)]
pub struct StatFs {
    /// Magic number (`f_type`).
    pub kind: u64,
    /// Block size in bytes.
    pub bsize: u64,
    /// Blocks in all, free, and free to ordinary users.
    pub blocks: u64,
    /// Free blocks.
    pub bfree: u64,
    /// Blocks free to ordinary users.
    pub bavail: u64,
    /// Inodes in all.
    pub files: u64,
    /// Free inodes.
    pub ffree: u64,
    /// `f_fsid`.
    pub fsid: [i32; 2],
    /// Longest name.
    pub namelen: u64,
    /// Fragment size in bytes.
    pub frsize: u64,
    /// `ST_*` flags.
    pub flags: u64,
}
