//! A socket as an open file, and its inode (`net/socket.c`, sockfs).

use super::{Incoming, Outgoing, Protocol, ProtocolRef, device};
use crate::vfs::{
    File, FileOps, FileSystem, FileType, Inode, InodeRef, OpenFlags, PollEvents, PollTable, SetAttr, Stat,
    StatFs, TimeSpec, WriteAt,
};
use crate::{Errno, Result};
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use host::io::{IoDst, IoSrc};
use host::mutex::Mutex;

/// `SOCKFS_MAGIC`
const MAGIC: u64 = 0x534f_434b;
/// `st_dev`: an anonymous device number of its own.
const DEV: u64 = 8;

static NEXT_INO: AtomicU64 = AtomicU64::new(8192);

/// An open socket.
pub struct Socket {
    protocol: ProtocolRef,
}

impl Socket {
    /// What it does.
    pub fn protocol(&self) -> &ProtocolRef {
        &self.protocol
    }
}

/// The file system of sockets; never mounted.
struct SockFs;

impl FileSystem for SockFs {
    fn name(&self) -> &'static str {
        "sockfs"
    }
    fn statfs(&self) -> Result<StatFs> {
        Ok(StatFs { kind: MAGIC, bsize: 4096, frsize: 4096, namelen: 255, ..StatFs::default() })
    }
}

/// The inode of a socket.
struct SocketInode {
    protocol: ProtocolRef,
    stat: Mutex<Stat>,
}

/// An open file for a socket, which belongs to `uid` and `gid`. Of `flags` counts `O_NONBLOCK`.
pub fn new_file(protocol: ProtocolRef, uid: u32, gid: u32, flags: OpenFlags) -> Arc<File> {
    let ino = NEXT_INO.fetch_add(1, Relaxed);
    protocol.sock().ino.store(ino, Relaxed);
    protocol.sock().uid.store(uid, Relaxed);
    let stat = Stat {
        dev: DEV,
        ino,
        mode: FileType::Socket.mode_bits(),
        nlink: 1,
        uid,
        gid,
        blksize: 4096,
        // No times, as Linux has it: sockfs sets none.
        ..Stat::default()
    };
    let inode: InodeRef = Arc::new(SocketInode { protocol: protocol.clone(), stat: Mutex::new(stat) });
    open_file(protocol, inode, flags)
}

/// An open file for a socket whose inode is there already. Of `flags` counts `O_NONBLOCK`.
pub fn open_file(protocol: ProtocolRef, inode: InodeRef, flags: OpenFlags) -> Arc<File> {
    let flags = OpenFlags::RDWR | flags & OpenFlags::NONBLOCK;
    let file = File::new(Box::new(Socket { protocol: protocol.clone() }), inode, None, flags);
    *protocol.sock().file.lock() = Arc::downgrade(&file);
    file
}

/// The socket behind an open file.
///
/// # Errors
/// `ENOTSOCK`.
pub fn of_file(file: &File) -> Result<&ProtocolRef> {
    file.ops_as::<Socket>().map(Socket::protocol).ok_or(Errno::NOTSOCK)
}

impl Inode for SocketInode {
    fn kind(&self) -> FileType {
        FileType::Socket
    }

    fn stat(&self) -> Result<Stat> {
        let mut stat = *self.stat.lock();
        stat.mode |= self.protocol.sock().mode.load(Relaxed);
        Ok(stat)
    }

    fn file_system(&self) -> Arc<dyn FileSystem> {
        Arc::new(SockFs)
    }

    fn set_attr(&self, attr: &SetAttr) -> Result<()> {
        if attr.size.is_some() {
            return Err(Errno::INVAL);
        }
        if let Some(mode) = attr.mode {
            self.protocol.sock().mode.store(mode & 0o7777, Relaxed);
        }
        if let Some(uid) = attr.uid {
            self.protocol.sock().uid.store(uid, Relaxed);
        }
        // The permission bits are the protocol's, as long as there is no name to have others.
        self.stat.lock().change(&SetAttr { mode: None, ..*attr }, TimeSpec::now());
        Ok(())
    }

    /// Through /proc/PID/fd: a socket is not opened (`sock_no_open`).
    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Box<dyn FileOps>> {
        Err(Errno::NXIO)
    }
}

impl FileOps for Socket {
    fn is_stream(&self) -> bool {
        true
    }

    fn read(&self, dst: &mut IoDst<'_>, _offset: u64, nonblock: bool) -> Result<usize> {
        if dst.is_empty() {
            return Ok(0);
        }
        self.protocol.receive(dst, &mut Incoming::plain(nonblock))
    }

    fn write(&self, src: &mut IoSrc<'_>, _at: WriteAt, nonblock: bool) -> Result<(usize, u64)> {
        self.protocol.send(src, Outgoing::plain(nonblock)).map(|count| (count, 0))
    }

    fn sigpipe(&self) -> bool {
        self.protocol.sigpipe()
    }

    fn poll(&self, table: &mut PollTable<'_>) -> PollEvents {
        self.protocol.poll(table)
    }

    fn signals_readiness(&self) -> bool {
        true
    }

    fn ioctl(&self, command: u32, arg: usize) -> Result<usize> {
        match self.protocol.ioctl(command, arg) {
            Err(Errno::NOTTY) => device::ioctl(self.protocol.sock().family, command, arg),
            result => result,
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.protocol.release();
    }
}

impl core::fmt::Debug for dyn Protocol {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Socket({}, {:?})", self.sock().family, self.sock().kind)
    }
}
