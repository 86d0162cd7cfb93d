//! What every socket has, whatever its family (`struct sock`): its type, options, pending error, shutdown state, the
//! room for what it sends, and who waits for it.

use super::options::Options;
use crate::sync::{Deadline, WaitQueue, wait_until};
use crate::uaccess::put;
use crate::vfs::{File, PollEvents};
use crate::{ERESTARTSYS, Errno, Result};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::ops::Deref;
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering::*};
use host::mutex::Mutex;
use linux_raw_sys::ioctl::{FIONREAD, TIOCOUTQ};

/// The types of sockets (`SOCK_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `SOCK_STREAM`
    Stream = 1,
    /// `SOCK_DGRAM`
    Dgram = 2,
    /// `SOCK_RAW`
    Raw = 3,
    /// `SOCK_SEQPACKET`
    SeqPacket = 5,
}

/// Where a socket of connections is in its life (`sk_state`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not connected.
    Closed,
    /// listen(2)
    Listening,
    /// Connected.
    Established,
}

bitflags::bitflags! {
    /// Directions that are shut down (`RCV_SHUTDOWN`, `SEND_SHUTDOWN`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Shutdown: u32 {
        /// Nothing is received any more.
        const RECEIVE = 1;
        /// Nothing is sent any more.
        const SEND = 2;
    }
}

impl Shutdown {
    /// The same as the other side sees it.
    pub fn mirrored(self) -> Shutdown {
        let mut other = Shutdown::empty();
        other.set(Shutdown::SEND, self.contains(Shutdown::RECEIVE));
        other.set(Shutdown::RECEIVE, self.contains(Shutdown::SEND));
        other
    }
}

/// What every socket has.
pub struct Sock {
    /// The address family (`SO_DOMAIN`).
    pub family: u16,
    /// The type (`SO_TYPE`).
    pub kind: Kind,
    /// The protocol (`SO_PROTOCOL`).
    pub protocol: i32,
    /// Options of level `SOL_SOCKET`.
    pub options: Options,
    /// Who waits to receive, to accept, or for a change of state.
    pub readers: WaitQueue,
    /// Room for what is sent and not yet received.
    pub space: Arc<SendSpace>,
    /// Number of the inode of the open file; 0 before there is one.
    pub ino: AtomicU64,
    /// Owner of that inode.
    pub uid: AtomicU32,
    /// Permission bits of that inode, which a name made by bind(2) gets (`SOCK_INODE(sock)->i_mode`).
    pub mode: AtomicU32,
    /// The open file, whose owner hears of urgent bytes.
    pub file: Mutex<Weak<File>>,
    error: AtomicI32,
    shutdown: AtomicU32,
}

impl Sock {
    /// A new socket.
    pub fn new(family: u16, kind: Kind, protocol: i32) -> Sock {
        Sock {
            family,
            kind,
            protocol,
            options: Options::default(),
            readers: WaitQueue::new(),
            space: Arc::default(),
            ino: AtomicU64::new(0),
            uid: AtomicU32::new(0),
            mode: AtomicU32::new(0o777),
            file: Mutex::new(Weak::new()),
            error: AtomicI32::new(0),
            shutdown: AtomicU32::new(0),
        }
    }

    /// Sets the pending error (`sk_err`).
    pub fn set_error(&self, errno: Errno) {
        self.error.store(errno.raw_os_error(), SeqCst);
    }

    /// Whether there is a pending error.
    #[inline]
    pub fn has_error(&self) -> bool {
        self.error.load(SeqCst) != 0
    }

    /// Takes the pending error (`sock_error`).
    ///
    /// # Errors
    /// The pending error.
    #[inline]
    pub fn take_error(&self) -> Result<()> {
        if !self.has_error() {
            return Ok(());
        }
        match self.error.swap(0, SeqCst) {
            0 => Ok(()),
            raw => Err(Errno::from_raw_os_error(raw)),
        }
    }

    /// What is shut down.
    #[inline]
    pub fn down(&self) -> Shutdown {
        Shutdown::from_bits_truncate(self.shutdown.load(SeqCst))
    }

    /// Shuts down further directions. Whoever waits must be woken by the caller.
    pub fn shut(&self, how: Shutdown) {
        self.shutdown.fetch_or(how.bits(), SeqCst);
    }

    /// Takes over the options of a listener (`sk_clone`).
    pub fn inherit(&self, from: &Sock) {
        self.options.inherit(&from.options);
        self.space.set_limit(from.space.limit());
    }

    /// Undoes [`shut`](Self::shut): it is about to be connected anew.
    pub fn reopen(&self) {
        self.shutdown.store(0, SeqCst);
    }

    /// The state has changed in some way: everybody looks again (`sk_state_change`).
    pub fn wake_everybody(&self) {
        self.readers.wake_all(PollEvents::empty());
        self.space.queue.wake_all(PollEvents::empty());
    }

    /// An urgent byte has come: SIGURG to the owner of the file (`sk_send_sigurg`).
    pub fn signal_urgent(&self) {
        let file = self.file.lock().upgrade();
        if let Some(file) = file {
            crate::vfs::fasync::send_urgent(&file);
        }
    }

    /// How long a receiver waits (`sock_rcvtimeo`).
    pub fn receive_patience(&self, nonblock: bool) -> Patience {
        Patience::new(nonblock, self.options.receive_timeout_ns.load(Relaxed))
    }

    /// How long a sender waits (`sock_sndtimeo`).
    pub fn send_patience(&self, nonblock: bool) -> Patience {
        Patience::new(nonblock, self.options.send_timeout_ns.load(Relaxed))
    }

    /// How many bytes a receiver waits for at least (`sock_rcvlowat`).
    pub fn receive_target(&self, wait_all: bool, len: usize) -> usize {
        let target =
            if wait_all { len } else { len.min(self.options.receive_low_water.load(Relaxed) as usize) };
        target.max(1)
    }
}

/// The commands of ioctl(2) about a queue: how much waits to be received, and to be sent.
///
/// # Errors
/// `ENOTTY` for others; that of `unread`; `EFAULT`.
pub fn queue_ioctl(
    command: u32,
    arg: usize,
    unread: impl FnOnce() -> Result<usize>,
    unsent: impl FnOnce() -> usize,
) -> Result<usize> {
    let value = match command {
        FIONREAD => unread()?,
        TIOCOUTQ => unsent(),
        _ => return Err(Errno::NOTTY),
    };
    put(arg, &(value as i32))?;
    Ok(0)
}

/// How long an operation may block.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    nonblock: bool,
    deadline: Deadline,
}

impl Patience {
    /// None at all.
    pub const NONE: Patience = Patience { nonblock: true, deadline: None };

    /// `timeout_ns` as [`Options::receive_timeout_ns`] has it.
    pub fn new(nonblock: bool, timeout_ns: u64) -> Patience {
        match timeout_ns {
            _ if nonblock => Patience { nonblock, deadline: None },
            0 => Patience { nonblock: true, deadline: None },
            u64::MAX => Patience { nonblock: false, deadline: None },
            ns => {
                let deadline = host::clock::monotonic_ns().saturating_add(ns);
                Patience { nonblock: false, deadline: Some(deadline) }
            }
        }
    }

    /// Whether it must not block at all.
    pub fn is_nonblock(&self) -> bool {
        self.nonblock
    }

    /// Sleeps until `ready` answers something; `queue` is where its wakers knock.
    ///
    /// # Errors
    /// `EAGAIN` when it must not block, or not that long; [`ERESTARTSYS`], which is `EINTR` when there is a time
    /// limit (`sock_intr_errno`).
    pub fn wait<T>(&self, queue: &WaitQueue, ready: impl FnMut() -> Option<T>) -> Result<T> {
        self.sleep(|deadline| wait_until(queue, deadline, ready))
    }

    /// Sleeps by `sleep`, which is told until when.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn sleep<T>(&self, sleep: impl FnOnce(Deadline) -> Result<T>) -> Result<T> {
        if self.nonblock {
            return Err(Errno::AGAIN);
        }
        match sleep(self.deadline) {
            Err(Errno::TIMEDOUT) => Err(Errno::AGAIN),
            Err(ERESTARTSYS) if self.deadline.is_some() => Err(Errno::INTR),
            result => result,
        }
    }
}

/// Bytes in flight of all sockets together: 1 GiB. A message that needs more answers `ENOBUFS`.
const IN_FLIGHT_MAX: usize = 1 << 30;

static IN_FLIGHT: AtomicUsize = AtomicUsize::new(0);

/// Room for what a socket has sent and nobody has received yet (`sk_wmem_alloc`, `sk_sndbuf`).
#[derive(Default)]
pub struct SendSpace {
    used: AtomicUsize,
    /// Who waits for room.
    pub queue: WaitQueue,
    limit: Limit,
}

struct Limit(AtomicUsize);

impl Default for Limit {
    fn default() -> Self {
        Limit(AtomicUsize::new(super::options::BUFFER_DEFAULT))
    }
}

impl SendSpace {
    /// Bytes taken, with what each message costs beside its content.
    pub fn used(&self) -> usize {
        self.used.load(SeqCst)
    }

    /// How much may be taken (`SO_SNDBUF`).
    pub fn limit(&self) -> usize {
        self.limit.0.load(Relaxed)
    }

    /// Changes how much may be taken.
    pub fn set_limit(&self, bytes: usize) {
        self.limit.0.store(bytes, Relaxed);
        self.queue.wake_all(PollEvents::WRITABLE);
    }

    /// Whether a further message may be sent.
    fn has_room(&self) -> bool {
        self.used() < self.limit()
    }

    /// Whether poll(2) shows it as writable: three quarters are free (`unix_writable`).
    pub fn is_writable(&self) -> bool {
        self.used() <= self.limit() / 4
    }

    /// Takes `bytes`, waiting for room (`sock_alloc_send_pskb`).
    ///
    /// # Errors
    /// The pending error of `sock`; `EPIPE` when it is shut down; `EAGAIN`, [`ERESTARTSYS`], `EINTR`; `ENOBUFS`.
    pub fn reserve(self: &Arc<Self>, sock: &Sock, bytes: usize, patience: &Patience) -> Result<Charge> {
        loop {
            sock.take_error()?;
            if sock.down().contains(Shutdown::SEND) {
                return Err(Errno::PIPE);
            }
            if self.has_room() {
                break;
            }
            patience.wait(&self.queue, || {
                let stop = sock.has_error() || sock.down().contains(Shutdown::SEND);
                (stop || self.has_room()).then_some(())
            })?;
        }
        if IN_FLIGHT.fetch_add(bytes, Relaxed) >= IN_FLIGHT_MAX {
            IN_FLIGHT.fetch_sub(bytes, Relaxed);
            return Err(Errno::NOBUFS);
        }
        self.used.fetch_add(bytes, SeqCst);
        Ok(Charge { space: self.clone(), bytes })
    }
}

/// What one message takes of its sender's room; given back when dropped, which may wake the sender. So it must not be
/// dropped under a lock that somebody who is woken takes.
pub struct Charge {
    space: Arc<SendSpace>,
    bytes: usize,
}

impl Drop for Charge {
    fn drop(&mut self) {
        IN_FLIGHT.fetch_sub(self.bytes, Relaxed);
        self.space.used.fetch_sub(self.bytes, SeqCst);
        if self.space.is_writable() {
            self.space.queue.wake_all(PollEvents::WRITABLE);
        }
    }
}

/// Bytes that wait in a socket's queue, counted with all that do.
pub struct Held(Vec<u8>);

impl Held {
    /// # Errors
    /// `ENOBUFS` when sockets hold too much already.
    pub fn new(bytes: Vec<u8>) -> Result<Held> {
        if IN_FLIGHT.fetch_add(bytes.len(), Relaxed) >= IN_FLIGHT_MAX {
            IN_FLIGHT.fetch_sub(bytes.len(), Relaxed);
            return Err(Errno::NOBUFS);
        }
        Ok(Held(bytes))
    }

    /// Adds what another one holds.
    pub fn append(&mut self, mut other: Held) {
        // The sum stays.
        self.0.append(&mut other.0);
    }

    /// The bytes by themselves.
    pub fn into_vec(mut self) -> Vec<u8> {
        let bytes = core::mem::take(&mut self.0);
        IN_FLIGHT.fetch_sub(bytes.len(), Relaxed);
        bytes
    }
}

impl Deref for Held {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        IN_FLIGHT.fetch_sub(self.0.len(), Relaxed);
    }
}
