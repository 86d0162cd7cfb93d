//! Files over descriptors that the instance was started with: terminals, pipes, files. What sockets do is in
//! `net::inherited`; here they only have their inode.
//!
//! The open file is shared with processes outside, so its position and its `O_NONBLOCK` are the host's. What is special
//! about terminals is in `fs::tty::host`.

use crate::fs::host_stat;
use crate::fs::tty::host::terminal_behind;
use crate::fs::tty::{self, Terminal};
use crate::net::{self, HostSocket};
use crate::sync::{Waiter, interrupted, sleep_on};
use crate::vfs::{
    File, FileOps, FileSystem, FileType, HOST_POSITION, Inode, InodeRef, MmapSource, OpenFlags, PollEvents,
    PollTable, SetAttr, Stat, StatFs, WriteAt,
};
use crate::{Errno, Result};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use host::file::{HostFd, PollFd, poll_now};
use host::io::{IoDst, IoSrc};
use linux_raw_sys::general as g;

/// A file over the descriptor `fd`, for which the host process was started with.
///
/// # Errors
/// Those of statx(2) and fcntl(2).
pub fn inherited(fd: HostFd) -> Result<Arc<File>> {
    let fd = Arc::new(fd);
    if host_stat::kind(&fd.stat()?) == FileType::Socket {
        let flags = OpenFlags::from_bits_retain(fd.flags()?);
        let protocol = HostSocket::new(fd.clone())?;
        let inode = Arc::new(Inherited { fd, kind: FileType::Socket });
        return Ok(net::open_file(protocol, inode, flags));
    }
    let (ops, node) = OpenInherited::new(fd.clone())?;
    let flags = OpenFlags::from_bits_retain(fd.flags()?);
    // The terminal has a node in our own /dev/pts, so that ttyname(3) finds it.
    let inode = node.unwrap_or_else(|| Arc::new(Inherited { fd, kind: ops.kind }));
    Ok(File::new(Box::new(ops), inode, None, flags))
}

/// What an open file of the host does, for devices that stand for it (/dev/tty).
///
/// # Errors
/// Those of statx(2) and fcntl(2).
pub fn host_stream(fd: Arc<HostFd>) -> Result<Box<dyn FileOps>> {
    Ok(Box::new(OpenInherited::new(fd)?.0))
}

/// The inode behind an inherited descriptor.
pub struct Inherited {
    fd: Arc<HostFd>,
    kind: FileType,
}

impl Inherited {
    /// What the host's /proc tells as the target of the descriptor's link: a path or a word like `pipe:[123]`.
    ///
    /// # Errors
    /// Those of readlink(2).
    pub fn link_text(&self) -> Result<Vec<u8>> {
        self.fd.link_text()
    }
}

/// The file system inherited descriptors seem to be on.
struct HostFiles(Arc<HostFd>);

impl FileSystem for HostFiles {
    fn name(&self) -> &'static str {
        "hostfs"
    }

    fn statfs(&self) -> Result<StatFs> {
        Ok(host_stat::convert_fs(&self.0.statfs()?))
    }
}

impl Inode for Inherited {
    fn kind(&self) -> FileType {
        self.kind
    }

    fn stat(&self) -> Result<Stat> {
        Ok(host_stat::convert(&self.fd.stat()?))
    }

    fn file_system(&self) -> Arc<dyn FileSystem> {
        Arc::new(HostFiles(self.fd.clone()))
    }

    /// The owner of the instance has handed the open file in: its size may be set as far as it was opened for
    /// writing. Anything else would change the host.
    fn set_attr(&self, change: &SetAttr) -> Result<()> {
        match change {
            SetAttr {
                size: Some(size), mode: None, uid: None, gid: None, atime: None, mtime: None, ..
            } => self.fd.truncate(*size),
            _ => Err(Errno::PERM),
        }
    }

    /// Through `/proc/self/fd` and the like: the same open file again. Streams have no position to share; a regular
    /// file is opened anew by the host, by the host's permissions.
    fn open(self: Arc<Self>, flags: OpenFlags) -> Result<Box<dyn FileOps>> {
        let kept = OpenFlags::APPEND | OpenFlags::NONBLOCK | OpenFlags::SYNC | OpenFlags::DIRECT;
        let fd = match self.kind {
            FileType::Socket => return Err(Errno::NXIO),
            FileType::Directory => return Err(Errno::ACCESS),
            _ => {
                let flags = flags & (kept | OpenFlags::WRONLY | OpenFlags::RDWR);
                self.fd.reopen(flags.bits() | g::O_NOCTTY)?
            }
        };
        host_stream(Arc::new(fd))
    }
}

/// So much fits into a pipe that is ready for writing (`PIPE_BUF`).
const PIPE_BUF: usize = 4096;

struct OpenInherited {
    fd: Arc<HostFd>,
    kind: FileType,
    /// The controlling terminal of the host processes, when it is that; `is_terminal`: any at all.
    terminal: Option<Terminal>,
    is_terminal: bool,
    seekable: bool,
    /// `O_NONBLOCK` and `O_APPEND` of the host's open file.
    host_nonblock: bool,
    host_append: bool,
}

impl OpenInherited {
    /// With the node it is seen as, when that is not [`Inherited`].
    fn new(fd: Arc<HostFd>) -> Result<(OpenInherited, Option<InodeRef>)> {
        let kind = host_stat::kind(&fd.stat()?);
        let flags = OpenFlags::from_bits_retain(fd.flags()?);
        let is_terminal = kind == FileType::CharDevice && fd.is_terminal();
        let (terminal, node) = match is_terminal.then(|| terminal_behind(&fd)).flatten() {
            Some((terminal, node)) => (Some(terminal), node),
            None => (None, None),
        };
        let ops = OpenInherited {
            kind,
            terminal,
            is_terminal,
            seekable: !is_terminal && kind != FileType::Directory && fd.seek(0, g::SEEK_CUR).is_ok(),
            host_nonblock: flags.contains(OpenFlags::NONBLOCK),
            host_append: flags.contains(OpenFlags::APPEND),
            fd,
        };
        Ok((ops, node))
    }

    fn ready(&self, events: PollEvents) -> PollEvents {
        let mut fds = [PollFd::new(&self.fd, events.bits() as i16)];
        match poll_now(&mut fds) {
            Ok(_) => PollEvents::from_bits_retain(fds[0].revents() as u16 as u32),
            // Let the operation itself find out.
            Err(_) => events,
        }
    }

    /// The host may have interrupted the transfer because it has the instance in the background.
    fn check_host(&self, events: PollEvents) -> Result<()> {
        let signo = if events.contains(PollEvents::IN) { g::SIGTTIN } else { g::SIGTTOU };
        if self.terminal.is_some() { tty::host::check_host(&self.fd, signo) } else { Ok(()) }
    }

    /// Makes the transfer `io` wait, or not, as the program wants, whatever the host's open file is set to. `io` is told
    /// whether to transfer all, or only what surely does not wait.
    fn transfer(
        &self,
        events: PollEvents,
        nonblock: bool,
        mut io: impl FnMut(bool) -> Result<usize>,
    ) -> Result<usize> {
        if nonblock && !self.host_nonblock && self.kind != FileType::Regular && self.ready(events).is_empty()
        {
            return Err(Errno::AGAIN);
        }
        loop {
            match io(true) {
                Err(Errno::INTR) => match interrupted() {
                    // No signal interrupts the transfer of a regular file: it waits until that is done.
                    Err(_) if self.kind == FileType::Regular => {}
                    // It interrupts a wait, and where nothing has to be waited for there is none to interrupt; but the
                    // writing to a terminal, which looks for signals first (`n_tty_write`).
                    Err(signal)
                        if (!self.is_terminal || events.contains(PollEvents::IN))
                            && !self.ready(events).is_empty() =>
                    {
                        return io(false).map_err(|errno| if errno == Errno::INTR { signal } else { errno });
                    }
                    other => {
                        other?;
                        self.check_host(events)?;
                    }
                },
                Err(Errno::AGAIN) if !nonblock => {
                    let waiter = Waiter::current();
                    let mut table = PollTable::register(&waiter);
                    table.wait_on_host(&self.fd, events);
                    sleep_on(Some(&table), None)?;
                }
                other => return other,
            }
        }
    }
}

impl FileOps for OpenInherited {
    fn is_stream(&self) -> bool {
        !self.seekable
    }

    /// The flag is kept, but the host's signals for it are not asked for.
    fn signals_readiness(&self) -> bool {
        !self.seekable
    }

    fn keeps_position(&self) -> bool {
        self.seekable
    }

    fn read(&self, dst: &mut IoDst<'_>, offset: u64, nonblock: bool) -> Result<usize> {
        if let Some(terminal) = &self.terminal {
            tty::job::check(terminal, g::SIGTTIN)?;
        }
        let offset = Some(offset).filter(|&offset| self.seekable && offset != HOST_POSITION);
        self.transfer(PollEvents::READABLE | PollEvents::HUP, nonblock, |_| self.fd.read(dst, offset))
    }

    fn write(&self, src: &mut IoSrc<'_>, at: WriteAt, nonblock: bool) -> Result<(usize, u64)> {
        if at == WriteAt::End && self.kind == FileType::Regular && !self.host_append {
            // The program set O_APPEND, which the host's open file does not have.
            let count = self.fd.append(src)?;
            return Ok((count, self.fd.seek(0, g::SEEK_END)?));
        }
        if let Some(terminal) = &self.terminal {
            tty::host::check_write(terminal, &self.fd)?;
        }
        let offset = match at {
            WriteAt::Offset(offset) if self.seekable && offset != HOST_POSITION => Some(offset),
            _ => None,
        };
        let count = self.transfer(PollEvents::WRITABLE | PollEvents::ERR, nonblock, |all| {
            if all || src.remaining() <= PIPE_BUF {
                return self.fd.write(src, offset);
            }
            let mut piece = [0; PIPE_BUF];
            let len = src.take(&mut piece)?;
            self.fd.write(&mut IoSrc::kernel(&piece[..len]), offset)
        })?;
        Ok((count, offset.map_or(0, |offset| offset + count as u64)))
    }

    fn poll(&self, table: &mut PollTable<'_>) -> PollEvents {
        let all = PollEvents::READABLE | PollEvents::WRITABLE | PollEvents::PRI | PollEvents::RDHUP;
        let ready = self.ready(all);
        // Only for what is not ready now, else the sleep would end at once.
        table.wait_on_host(&self.fd, all - ready);
        ready
    }

    fn seek(&self, offset: i64, whence: u32, _current: u64) -> Option<Result<u64>> {
        Some(self.fd.seek(offset, whence))
    }

    fn ioctl(&self, command: u32, arg: usize) -> Result<usize> {
        match self.is_terminal {
            true => tty::host::ioctl(self.terminal.as_ref(), &self.fd, command, arg),
            false => self.fd.ioctl(command, arg),
        }
    }

    fn mmap(&self, offset: u64, _len: usize, _shared: bool, _write: bool) -> Result<MmapSource> {
        match self.kind {
            FileType::Regular => Ok(MmapSource::Host { fd: self.fd.clone(), offset }),
            _ => Err(Errno::NODEV),
        }
    }

    fn fsync(&self, data_only: bool) -> Result<()> {
        self.fd.sync(data_only)
    }

    fn fallocate(&self, mode: u32, offset: u64, len: u64) -> Result<()> {
        self.fd.fallocate(mode, offset, len)
    }

    fn host_fd(&self) -> Option<&Arc<HostFd>> {
        Some(&self.fd)
    }
}
