//! Files of memfd_create(2): each one a memfd of the host, so that seals, shared mappings and the `EBUSY` between them
//! are the host's to keep right.
//!
//! Owner and group are kept here, since the host knows nothing of the program's user ids. Caller:
//! `syscall::memfd_create`.

use super::host_stat;
use crate::vfs::{
    FileOps, FileSystem, FileType, Inode, MmapSource, OpenFlags, SetAttr, Stat, StatFs, WriteAt,
};
use crate::{Errno, Result};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use host::file::HostFd;
use host::io::{IoDst, IoSrc};
use host::mutex::{Mutex, OnceLock};
use linux_raw_sys::general as g;

/// `f_type` of the host's internal tmpfs.
const TMPFS_MAGIC: u64 = 0x0102_1994;

/// The file system all of them belong to, as the kernel's internal mount of tmpfs.
struct MemfdFs;

impl FileSystem for MemfdFs {
    fn name(&self) -> &'static str {
        "tmpfs"
    }

    fn statfs(&self) -> Result<StatFs> {
        let page = host::layout::PAGE_SIZE as u64;
        Ok(StatFs { kind: TMPFS_MAGIC, bsize: page, namelen: 255, frsize: page, ..StatFs::default() })
    }
}

static FILE_SYSTEM: OnceLock<Arc<MemfdFs>> = OnceLock::new();

fn file_system() -> Arc<MemfdFs> {
    if FILE_SYSTEM.get().is_none() {
        // Who comes second takes the first one's.
        let _ = FILE_SYSTEM.set(Arc::new(MemfdFs));
    }
    FILE_SYSTEM.get().cloned().unwrap_or_else(|| Arc::new(MemfdFs))
}

/// One file.
pub struct Memfd {
    fd: Arc<HostFd>,
    owner: Mutex<(u32, u32)>,
}

impl Memfd {
    /// A new file called `name`, with the flags of memfd_create(2), of `uid` and `gid`.
    ///
    /// # Errors
    /// Those of memfd_create(2).
    pub fn new(name: &[u8], flags: u32, uid: u32, gid: u32) -> Result<Arc<Memfd>> {
        let fd = host::file::memfd_create(name, flags)?;
        Ok(Arc::new(Memfd { fd: Arc::new(fd), owner: Mutex::new((uid, gid)) }))
    }
}

impl Inode for Memfd {
    fn kind(&self) -> FileType {
        FileType::Regular
    }

    fn stat(&self) -> Result<Stat> {
        let (uid, gid) = *self.owner.lock();
        Ok(Stat { uid, gid, ..host_stat::convert(&self.fd.stat()?) })
    }

    fn file_system(&self) -> Arc<dyn FileSystem> {
        file_system()
    }

    fn set_attr(&self, attr: &SetAttr) -> Result<()> {
        if let Some(size) = attr.size {
            self.fd.truncate(size)?;
        }
        if let Some(mode) = attr.mode {
            host::file::chmod(&self.fd, b"", mode)?;
        }
        if attr.atime.is_some() || attr.mtime.is_some() {
            let [atime, mtime] = super::host_stat::new_times(attr);
            host::file::set_times(&self.fd, b"", atime, mtime)?;
        }
        let mut owner = self.owner.lock();
        owner.0 = attr.uid.unwrap_or(owner.0);
        owner.1 = attr.gid.unwrap_or(owner.1);
        Ok(())
    }

    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Box<dyn FileOps>> {
        Ok(Box::new(OpenMemfd { file: self }))
    }

    fn get_xattr(&self, name: &[u8]) -> Result<Vec<u8>> {
        self.fd.get_xattr(name)
    }
}

/// So many bytes at once need no look at what the machine has.
const FREELY_ALLOCATED: u64 = 64 << 20;

/// Bytes that the machine can give without swapping (`MemAvailable` of proc_meminfo(5)); 0 when it does not say.
fn available_memory() -> u64 {
    let text = super::procfs::host_text(b"/proc/meminfo").unwrap_or_default();
    let line = text.split(|&b| b == b'\n').find_map(|line| line.strip_prefix(b"MemAvailable:"));
    let kilobytes = line.and_then(|line| core::str::from_utf8(line).ok());
    let kilobytes = kilobytes.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.map_or(0, |kilobytes| kilobytes << 10)
}

/// An open memfd.
struct OpenMemfd {
    file: Arc<Memfd>,
}

impl FileOps for OpenMemfd {
    fn read(&self, dst: &mut IoDst<'_>, offset: u64, _nonblock: bool) -> Result<usize> {
        self.file.fd.read_at(dst, offset, usize::MAX)
    }

    fn write(&self, src: &mut IoSrc<'_>, at: WriteAt, _nonblock: bool) -> Result<(usize, u64)> {
        match at {
            WriteAt::Offset(offset) => {
                let count = self.file.fd.write_at(src, offset)?;
                Ok((count, offset + count as u64))
            }
            WriteAt::End => {
                let count = self.file.fd.append(src)?;
                Ok((count, self.file.fd.stat()?.stx_size))
            }
        }
    }

    fn seek(&self, offset: i64, whence: u32, _current: u64) -> Option<Result<u64>> {
        // The position of the host's descriptor is nobody's: everything else goes by offsets.
        matches!(whence, g::SEEK_DATA | g::SEEK_HOLE).then(|| self.file.fd.seek(offset, whence))
    }

    /// The host refuses what the seals forbid.
    fn mmap(&self, offset: u64, _len: usize, _shared: bool, _write: bool) -> Result<MmapSource> {
        Ok(MmapSource::Host { fd: self.file.fd.clone(), offset })
    }

    fn fsync(&self, _data_only: bool) -> Result<()> {
        Ok(())
    }

    fn fallocate(&self, mode: u32, offset: u64, len: u64) -> Result<()> {
        // The host would go on until it has no memory left, for everybody on it.
        if mode & g::FALLOC_FL_PUNCH_HOLE == 0 && len > FREELY_ALLOCATED && len > available_memory() / 2 {
            return Err(Errno::NOSPC);
        }
        self.file.fd.fallocate(mode, offset, len)
    }

    fn seals(&self) -> Result<u32> {
        self.file.fd.seals()
    }

    fn add_seals(&self, seals: u32) -> Result<()> {
        self.file.fd.add_seals(seals)
    }

    fn host_fd(&self) -> Option<&Arc<HostFd>> {
        Some(&self.file.fd)
    }
}
