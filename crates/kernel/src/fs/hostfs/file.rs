//! Open files and directories of the passthrough.

use super::node::Node;
use crate::fs::host_listing::HostListing;
use crate::vfs::{FileOps, MmapSource, OpenFlags, ReaddirSink, Stat, WriteAt};
use crate::{Errno, Result};
use alloc::boxed::Box;
use alloc::sync::Arc;
use host::file::HostFd;
use host::io::{IoDst, IoSrc};
use host::mutex::Mutex;
use linux_raw_sys::general as g;

/// An open regular file.
pub(super) struct OpenFile {
    /// Finds the descriptor for what asks the inode.
    node: Arc<Node>,
    fd: Arc<HostFd>,
}

impl OpenFile {
    pub fn open(node: Arc<Node>, flags: OpenFlags) -> Result<Box<dyn FileOps>> {
        // What the host must know at the time of opening. O_APPEND is not among it: pwrite(2) to such a file would
        // ignore its offset.
        let kept = OpenFlags::SYNC | OpenFlags::DSYNC | OpenFlags::DIRECT | OpenFlags::NOATIME;
        let access = flags.bits() & g::O_ACCMODE;
        // A file just made is open already, and may not be opened again by its mode (open(2), O_CREAT).
        let fd = match node.take_fresh() {
            Some(fd) if !flags.intersects(kept) => fd,
            _ if access == g::O_RDONLY && !flags.intersects(kept) => node.shared_reader()?,
            // Not to hang when the host has put a fifo there meanwhile.
            _ => Arc::new(node.open_host(access | (flags & kept).bits() | g::O_NONBLOCK | g::O_NOCTTY)?),
        };
        node.add_open(&fd);
        Ok(Box::new(OpenFile { node, fd }))
    }
}

impl FileOps for OpenFile {
    #[inline]
    fn read(&self, dst: &mut IoDst<'_>, offset: u64, _nonblock: bool) -> Result<usize> {
        self.fd.read_at(dst, offset, usize::MAX)
    }

    #[inline]
    fn write(&self, src: &mut IoSrc<'_>, at: WriteAt, _nonblock: bool) -> Result<(usize, u64)> {
        match at {
            WriteAt::Offset(offset) => {
                let count = self.fd.write_at(src, offset)?;
                Ok((count, offset + count as u64))
            }
            WriteAt::End => {
                let count = self.fd.append(src)?;
                Ok((count, self.fd.seek(0, g::SEEK_END)?))
            }
        }
    }

    #[inline]
    fn stat(&self) -> Option<Result<Stat>> {
        Some(self.node.stat_open(&self.fd))
    }

    /// The host's position is nobody's: everything else goes by offsets.
    fn seek(&self, offset: i64, whence: u32, _current: u64) -> Option<Result<u64>> {
        match whence {
            g::SEEK_END | g::SEEK_DATA | g::SEEK_HOLE => Some(self.fd.seek(offset, whence)),
            _ => None,
        }
    }

    fn mmap(&self, offset: u64, _len: usize, _shared: bool, _write: bool) -> Result<MmapSource> {
        Ok(MmapSource::Host { fd: self.fd.clone(), offset })
    }

    fn fsync(&self, data_only: bool) -> Result<()> {
        self.fd.sync(data_only)
    }

    fn fallocate(&self, mode: u32, offset: u64, len: u64) -> Result<()> {
        self.fd.fallocate(mode, offset, len)
    }
}

/// An open directory.
pub(super) struct OpenDir {
    node: Arc<Node>,
    listing: Mutex<HostListing>,
}

impl OpenDir {
    pub fn new(node: Arc<Node>) -> OpenDir {
        OpenDir { node, listing: Mutex::default() }
    }
}

impl FileOps for OpenDir {
    fn readdir(&self, from: u64, sink: &mut dyn ReaddirSink) -> Result<()> {
        let dir = self.node.dir.as_ref().ok_or(Errno::NOTDIR)?;
        self.listing.lock().list(dir, from, None, sink, |_| Ok(()))?;
        Ok(())
    }

    fn fsync(&self, data_only: bool) -> Result<()> {
        self.node.dir.as_ref().ok_or(Errno::NOTDIR)?.open_self()?.sync(data_only)
    }
}
