//! Sockets that the instance was started with: standard input of a server that inetd starts, a listening socket of a
//! service manager, one end of a pair that belongs to who runs a test.
//!
//! They stay the host's, and what is done with them is the host's to answer, as far as it concerns this one socket: bytes
//! and messages, names, options, accept(2), shutdown(2). Whoever hands a socket in allows that, and no more, so there is
//! no connect(2) and no bind(2), but for datagrams to addresses of IPv4 and IPv6, without which a server could not answer.
//! Descriptors are not passed: ours mean nothing on the host, and the host's nothing here.

use super::options::{Argument, Value};
use super::{
    Address, Incoming, Kind, MsgFlags, Names, Outgoing, Patience, Protocol, ProtocolRef, Shutdown, Sock,
};
use crate::sync::{Waiter, interrupted, sleep_on};
use crate::uaccess::get_bytes;
use crate::vfs::{PollEvents, PollTable};
use crate::{Errno, Result};
use alloc::sync::Arc;
use alloc::vec;
use core::sync::atomic::Ordering::Relaxed;
use host::file::{HostFd, PollFd, poll_now};
use host::io::{IoDst, IoSrc};
use linux_raw_sys::net as n;

/// Flags of send(2) and recv(2) that are passed on. `MSG_FASTOPEN`, which connects, and `MSG_ZEROCOPY`, which keeps the
/// memory, are not.
const PASSED: MsgFlags = MsgFlags::from_bits_retain(
    n::MSG_OOB
        | n::MSG_PEEK
        | n::MSG_DONTROUTE
        | n::MSG_TRUNC
        | n::MSG_EOR
        | n::MSG_MORE
        | n::MSG_ERRQUEUE
        | n::MSG_CONFIRM,
);

/// Options that are passed on, by level and number: those whose value holds neither an address nor a descriptor.
const OPTIONS: [(u32, &[u32]); 4] = [
    (
        n::SOL_SOCKET,
        &[
            n::SO_DEBUG,
            n::SO_REUSEADDR,
            n::SO_TYPE,
            n::SO_ERROR,
            n::SO_DONTROUTE,
            n::SO_BROADCAST,
            n::SO_SNDBUF,
            n::SO_RCVBUF,
            n::SO_KEEPALIVE,
            n::SO_OOBINLINE,
            n::SO_NO_CHECK,
            n::SO_PRIORITY,
            n::SO_LINGER,
            n::SO_REUSEPORT,
            n::SO_PASSCRED,
            n::SO_PEERCRED,
            n::SO_RCVLOWAT,
            n::SO_SNDLOWAT,
            n::SO_RCVTIMEO_OLD,
            n::SO_SNDTIMEO_OLD,
            n::SO_PEERNAME,
            n::SO_ACCEPTCONN,
            n::SO_MARK,
            n::SO_PROTOCOL,
            n::SO_DOMAIN,
            n::SO_RXQ_OVFL,
            n::SO_BUSY_POLL,
            n::SO_INCOMING_CPU,
            n::SO_MEMINFO,
            n::SO_COOKIE,
        ],
    ),
    (n::IPPROTO_IP as u32, &[n::IP_TOS, n::IP_TTL, n::IP_MTU_DISCOVER, n::IP_MTU, n::IP_FREEBIND]),
    (
        n::IPPROTO_TCP as u32,
        &[
            n::TCP_NODELAY,
            n::TCP_MAXSEG,
            n::TCP_CORK,
            n::TCP_KEEPIDLE,
            n::TCP_KEEPINTVL,
            n::TCP_KEEPCNT,
            n::TCP_SYNCNT,
            n::TCP_LINGER2,
            n::TCP_DEFER_ACCEPT,
            n::TCP_WINDOW_CLAMP,
            n::TCP_INFO,
            n::TCP_QUICKACK,
            n::TCP_CONGESTION,
            n::TCP_USER_TIMEOUT,
            n::TCP_FASTOPEN,
            n::TCP_NOTSENT_LOWAT,
        ],
    ),
    (n::IPPROTO_IPV6 as u32, &[n::IPV6_UNICAST_HOPS, n::IPV6_V6ONLY, n::IPV6_TCLASS, n::IPV6_MTU]),
];

/// No value that is passed on is longer.
const VALUE_MAX: usize = 512;

/// A socket of the host.
pub struct HostSocket {
    fd: Arc<HostFd>,
    sock: Sock,
}

impl HostSocket {
    /// The socket behind a descriptor of the host.
    ///
    /// # Errors
    /// Those of getsockopt(2).
    pub fn new(fd: Arc<HostFd>) -> Result<Arc<HostSocket>> {
        let int = |name: u32| -> Result<i32> {
            let mut value = [0; 4];
            fd.socket_option(n::SOL_SOCKET as i32, name, &mut value)?;
            Ok(i32::from_ne_bytes(value))
        };
        let kind = match int(n::SO_TYPE)? as u32 {
            n::SOCK_STREAM => Kind::Stream,
            n::SOCK_DGRAM => Kind::Dgram,
            n::SOCK_SEQPACKET => Kind::SeqPacket,
            _ => Kind::Raw,
        };
        let sock = Sock::new(int(n::SO_DOMAIN)? as u16, kind, int(n::SO_PROTOCOL)?);
        Ok(Arc::new(HostSocket { fd, sock }))
    }

    /// How long to wait: what the host was told, by whomever.
    fn patience(&self, name: u32, nonblock: bool) -> Patience {
        let mut value = [0; 16];
        let told = self.fd.socket_option(n::SOL_SOCKET as i32, name, &mut value);
        let ns = match told {
            Ok(16) => super::options::timeval_ns(value),
            _ => u64::MAX,
        };
        Patience::new(nonblock, ns)
    }

    /// Does `io` until it need not wait, as long as `patience` allows.
    fn transfer<T>(
        &self,
        events: PollEvents,
        patience: impl FnOnce() -> Patience,
        mut io: impl FnMut() -> Result<T>,
    ) -> Result<T> {
        let mut waits = None;
        let mut patience = Some(patience);
        loop {
            match io() {
                Err(Errno::INTR) => interrupted()?,
                Err(Errno::AGAIN) => {
                    let limit = match waits {
                        Some(limit) => limit,
                        None => *waits.insert(patience.take().map_or(Patience::NONE, |patience| patience())),
                    };
                    limit.sleep(|deadline| {
                        let waiter = Waiter::current();
                        let mut table = PollTable::register(&waiter);
                        table.wait_on_host(&self.fd, events);
                        sleep_on(Some(&table), deadline)
                    })?;
                }
                other => return other,
            }
        }
    }

    fn ready(&self, events: PollEvents) -> PollEvents {
        let mut fds = [PollFd::new(&self.fd, events.bits() as i16)];
        match poll_now(&mut fds) {
            Ok(_) => PollEvents::from_bits_retain(fds[0].revents() as u16 as u32),
            // Let the operation itself find out.
            Err(_) => events,
        }
    }

    fn is_inet_datagram(&self) -> bool {
        let family = u32::from(self.sock.family);
        self.sock.kind == Kind::Dgram && (family == n::AF_INET || family == n::AF_INET6)
    }
}

/// Whether an option is passed on.
fn known(level: i32, name: u32) -> Result<()> {
    let known = OPTIONS.iter().any(|(of, names)| *of as i32 == level && names.contains(&name));
    if known { Ok(()) } else { Err(Errno::NOPROTOOPT) }
}

impl Protocol for HostSocket {
    fn sock(&self) -> &Sock {
        &self.sock
    }

    fn connect(&self, _names: &dyn Names, address: &[u8], _nonblock: bool) -> Result<()> {
        if self.is_inet_datagram() { self.fd.connect(address) } else { Err(Errno::OPNOTSUPP) }
    }

    fn listen(&self, backlog: usize) -> Result<()> {
        self.fd.listen(backlog)
    }

    fn accept(&self, nonblock: bool) -> Result<ProtocolRef> {
        let fd = self.transfer(
            PollEvents::READABLE,
            || self.patience(n::SO_RCVTIMEO_OLD, nonblock),
            || match self.ready(PollEvents::READABLE).is_empty() {
                true => Err(Errno::AGAIN),
                false => self.fd.accept(),
            },
        )?;
        Ok(HostSocket::new(Arc::new(fd))?)
    }

    fn name(&self, peer: bool) -> Result<Address> {
        let (bytes, len) = self.fd.socket_name(peer)?;
        Ok(Address::new(&bytes[..len]))
    }

    fn shutdown(&self, how: Shutdown) -> Result<()> {
        // SHUT_RD, SHUT_WR, SHUT_RDWR
        self.fd.shutdown(how.bits() - 1)
    }

    fn send(&self, src: &mut IoSrc<'_>, message: Outgoing<'_>) -> Result<usize> {
        if !message.files.is_empty() || message.credentials.is_some() {
            return Err(Errno::OPNOTSUPP);
        }
        let to = message.to.unwrap_or(&[]);
        if !to.is_empty() && !self.is_inet_datagram() {
            return Err(Errno::OPNOTSUPP);
        }
        let nonblock = message.flags.contains(MsgFlags::DONTWAIT);
        let flags = (message.flags & PASSED).bits();
        let mut sent = 0;
        loop {
            let step = self.transfer(
                PollEvents::WRITABLE,
                || self.patience(n::SO_SNDTIMEO_OLD, nonblock),
                || self.fd.send_message(src, to, flags),
            );
            match step {
                Ok(count) => sent += count,
                Err(errno) if sent == 0 => return Err(errno),
                Err(_) => return Ok(sent),
            }
            // The host takes as much as there is room for.
            if self.sock.kind != Kind::Stream || nonblock || src.is_empty() {
                return Ok(sent);
            }
        }
    }

    fn receive(&self, dst: &mut IoDst<'_>, message: &mut Incoming) -> Result<usize> {
        let nonblock = message.flags.contains(MsgFlags::DONTWAIT);
        let flags = (message.flags & PASSED).bits();
        let whole = message.flags.contains(MsgFlags::WAITALL)
            && self.sock.kind == Kind::Stream
            && !message.flags.intersects(MsgFlags::PEEK | MsgFlags::OOB)
            && !nonblock;
        let mut got = 0;
        loop {
            let step = self.transfer(
                PollEvents::READABLE | PollEvents::HUP,
                || self.patience(n::SO_RCVTIMEO_OLD, nonblock),
                || self.fd.receive_message(dst, flags),
            );
            let received = match step {
                Ok(received) => received,
                Err(errno) if got == 0 => return Err(errno),
                Err(_) => return Ok(got),
            };
            got += received.count;
            // What came along and was not taken is told by MSG_CTRUNC.
            message.answer = MsgFlags::from_bits_retain(received.flags) - MsgFlags::CMSG_CLOEXEC;
            let (bytes, len) = received.from;
            if message.wants_address && len > 0 {
                message.from = Some(Address::new(&bytes[..len]));
            }
            if !whole || received.count == 0 || dst.is_empty() {
                return Ok(got);
            }
        }
    }

    fn poll(&self, table: &mut PollTable<'_>) -> PollEvents {
        let all = PollEvents::READABLE | PollEvents::WRITABLE | PollEvents::PRI | PollEvents::RDHUP;
        let ready = self.ready(all);
        // Only for what is not ready now, else the sleep would end at once.
        table.wait_on_host(&self.fd, all - ready);
        ready
    }

    fn ioctl(&self, command: u32, arg: usize) -> Result<usize> {
        self.fd.ioctl(command, arg)
    }

    fn has_all_options(&self) -> bool {
        true
    }

    fn option(&self, level: i32, name: u32, value: Value) -> Result<()> {
        known(level, name)?;
        let mut bytes = [0; VALUE_MAX];
        let room = value.len.min(VALUE_MAX);
        let len = self.fd.socket_option(level, name, &mut bytes[..room])?;
        value.put(&bytes[..len])
    }

    fn set_option(&self, level: i32, name: u32, value: Argument) -> Result<()> {
        known(level, name)?;
        let mut bytes = vec![0; value.len.min(VALUE_MAX)];
        get_bytes(&mut bytes, value.addr)?;
        self.fd.set_socket_option(level, name, &bytes)
    }

    /// The host closes it when the descriptor goes.
    fn release(&self) {
        self.sock.ino.store(0, Relaxed);
    }
}
