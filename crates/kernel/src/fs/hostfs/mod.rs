//! Passthrough of host directories.
use super::host_stat;
use crate::vfs::{
    File, FileOps, FileSystem, FileType, Inode, InodeRef, MmapSource, OpenFlags, PollEvents, PollTable, Stat,
    StatFs, WriteAt,
};
use crate::{Errno, Result};
use alloc::boxed::Box;
use alloc::sync::Arc;
use host::file::{HostFd, PollFd, poll_now};
use host::io::{IoDst, IoSrc};
/// x
pub struct HostFs;
impl HostFs {
    /// x
    pub fn new(_dir: HostFd) -> Result<Arc<HostFs>> {
        Err(Errno::NOSYS)
    }
    /// x
    pub fn root(&self) -> InodeRef {
        Arc::new(InheritedInode { fd: Arc::new(HostFd::adopt(0)), kind: FileType::Directory })
    }
}
impl FileSystem for HostFs {
    fn name(&self) -> &'static str {
        "hostfs"
    }
    fn statfs(&self) -> Result<StatFs> {
        Ok(StatFs::default())
    }
}
struct InheritedInode {
    fd: Arc<HostFd>,
    kind: FileType,
}
impl Inode for InheritedInode {
    fn kind(&self) -> FileType {
        self.kind
    }
    fn stat(&self) -> Result<Stat> {
        Ok(host_stat::convert(&self.fd.stat()?))
    }
    fn file_system(&self) -> Arc<dyn FileSystem> {
        Arc::new(HostFs)
    }
    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Box<dyn FileOps>> {
        Ok(Box::new(Stream { fd: self.fd.clone(), stream: self.kind != FileType::Regular }))
    }
}
struct Stream {
    fd: Arc<HostFd>,
    stream: bool,
}
impl FileOps for Stream {
    fn is_stream(&self) -> bool {
        self.stream
    }
    fn read(&self, dst: &mut IoDst<'_>, _offset: u64, _nonblock: bool) -> Result<usize> {
        self.fd.read(dst, None)
    }
    fn write(&self, src: &mut IoSrc<'_>, at: WriteAt, _nonblock: bool) -> Result<(usize, u64)> {
        let from = if let WriteAt::Offset(offset) = at { offset } else { 0 };
        let count = self.fd.write(src, None)?;
        Ok((count, from + count as u64))
    }
    fn poll(&self, table: &mut PollTable<'_>) -> PollEvents {
        table.wait_on_host(&self.fd, PollEvents::READABLE | PollEvents::WRITABLE);
        let mut fds = [PollFd::new(&self.fd, 0x145)];
        let _ = poll_now(&mut fds);
        PollEvents::from_bits_truncate(fds[0].revents() as u16 as u32)
    }
    fn ioctl(&self, command: u32, arg: usize) -> Result<usize> {
        self.fd.ioctl(command, arg)
    }
    fn mmap(&self, offset: u64, _len: usize, _shared: bool, _write: bool) -> Result<MmapSource> {
        Ok(MmapSource::Host { fd: self.fd.clone(), offset })
    }
    fn host_fd(&self) -> Option<&Arc<HostFd>> {
        Some(&self.fd)
    }
}
/// x
pub fn host_stream(fd: Arc<HostFd>) -> Result<Box<dyn FileOps>> {
    Ok(Box::new(Stream { fd, stream: true }))
}
/// A file over a descriptor the host process was started with.
pub fn inherited(fd: HostFd) -> Result<Arc<File>> {
    let kind = host_stat::kind(&fd.stat()?);
    let fd = Arc::new(fd);
    let flags = OpenFlags::from_bits_truncate(fd.flags()?);
    Ok(File::new(
        Box::new(Stream { fd: fd.clone(), stream: kind != FileType::Regular }),
        Arc::new(InheritedInode { fd, kind }),
        None,
        flags,
    ))
}
