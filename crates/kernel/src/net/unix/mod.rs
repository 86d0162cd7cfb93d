//! Sockets of the local machine (unix(7), `AF_UNIX`): `net/unix/af_unix.c` of Linux.
//!
//! Here is what a socket is and what it answers to poll(2). Elsewhere: names (`name`), how sockets come together and
//! part (`connection`), bytes (`stream`), messages (`datagram`), what waits to be received (`queue`), descriptors on
//! their way (`rights`), /proc/net/unix (`list`).
//!
//! What was sent waits in the receiver's queue and is charged to the sender's `SO_SNDBUF`, so memory is bounded by
//! the senders' buffers; a connection that nobody has accepted yet is a socket in the listener's queue.
//!
//! The state's lock is never held while user memory is copied or somebody is woken. Of two sockets at once only
//! connecting takes the locks, by address.
//!
//! Left out: `SO_PEEK_OFF`.

mod connection;
mod datagram;
pub mod list;
mod name;
mod queue;
mod rights;
mod stream;
#[cfg(test)]
mod tests;

use super::{
    Address, Credentials, Family, Incoming, Kind, Names, Outgoing, Protocol, ProtocolRef, Shutdown, Sock,
    Status, queue_ioctl,
};
use crate::sync::WaitQueue;
use crate::task::Cred;
use crate::uaccess::put;
use crate::vfs::{PollEvents, PollTable};
use crate::{Errno, Result};
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use core::any::Any;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use host::io::{IoDst, IoSrc};
use host::mutex::Mutex;
use linux_raw_sys::ioctl::SIOCATMARK;
use linux_raw_sys::net as n;
use name::Name;
use queue::Message;

/// So many messages may wait for a receiver that does not send to the sender: one more is refused
/// (`net.unix.max_dgram_qlen`).
const QUEUE_LEN: usize = 10;

/// The family.
pub struct UnixFamily;

impl Family for UnixFamily {
    fn number(&self) -> u16 {
        n::AF_UNIX as u16
    }

    fn socket(&self, kind: u32, protocol: i32) -> Result<ProtocolRef> {
        if protocol != 0 && protocol != n::AF_UNIX as i32 {
            return Err(Errno::PROTONOSUPPORT);
        }
        let kind = match kind {
            n::SOCK_STREAM => Kind::Stream,
            // "Believe it or not BSD has AF_UNIX, SOCK_RAW though nothing uses it."
            n::SOCK_DGRAM | n::SOCK_RAW => Kind::Dgram,
            n::SOCK_SEQPACKET => Kind::SeqPacket,
            _ => return Err(Errno::SOCKTNOSUPPORT),
        };
        Ok(UnixSocket::new(kind, protocol))
    }
}

struct State {
    status: Status,
    /// Released: the last descriptor is gone.
    dead: bool,
    /// A name is being made for it.
    binding: bool,
    name: Option<Arc<Name>>,
    peer: Option<Arc<UnixSocket>>,
    /// What was sent to it, oldest first.
    queue: VecDeque<Message>,
    /// Number of the next message.
    next_seq: u64,
    /// Number of the message that is the urgent byte (`oob_skb`). Once taken, it stays without a byte, as a mark.
    urgent: Option<u64>,
    /// Connections that wait to be accepted.
    embryos: VecDeque<Arc<UnixSocket>>,
    backlog: usize,
    /// Who was at the other end; of a listener: who listens.
    peer_credentials: Option<(Credentials, Arc<Cred>)>,
}

/// A socket.
pub struct UnixSocket {
    me: Weak<UnixSocket>,
    sock: Sock,
    state: Mutex<State>,
    /// Held by one receiver from its first look to its last, also while it copies (`iolock`): bytes leave in order.
    turn: Mutex<()>,
    /// Who waits for room in the queue, or for a place in the backlog (`peer_wait`).
    room: WaitQueue,
    /// How many messages carry a descriptor for it.
    flights: AtomicUsize,
}

impl UnixSocket {
    /// A socket by itself.
    fn new(kind: Kind, protocol: i32) -> Arc<UnixSocket> {
        let socket = Arc::new_cyclic(|me| UnixSocket {
            me: me.clone(),
            sock: Sock::new(n::AF_UNIX as u16, kind, protocol),
            state: Mutex::new(State {
                status: Status::Closed,
                dead: false,
                binding: false,
                name: None,
                peer: None,
                queue: VecDeque::new(),
                next_seq: 0,
                urgent: None,
                embryos: VecDeque::new(),
                backlog: 0,
                peer_credentials: None,
            }),
            turn: Mutex::new(()),
            room: WaitQueue::new(),
            flights: AtomicUsize::new(0),
        });
        list::ALL.enter(&socket);
        socket
    }

    /// The socket as a shared one; always there while somebody has a reference.
    fn shared(&self) -> Result<Arc<UnixSocket>> {
        self.me.upgrade().ok_or(Errno::BADF)
    }

    /// Whether it is a connection that nobody has accepted yet.
    fn is_embryo(&self) -> bool {
        self.is_connection_based() && self.sock.ino.load(Relaxed) == 0
    }

    fn peer(&self) -> Option<Arc<UnixSocket>> {
        self.state.lock().peer.clone()
    }

    /// Its address, if it has one now, for who has received from it.
    fn known_address(&self) -> Option<Address> {
        let name = self.state.lock().name.clone();
        name.map(|name| name::address(Some(&name)))
    }

    /// Whether connections are made before anything is sent.
    fn is_connection_based(&self) -> bool {
        self.sock.kind != Kind::Dgram
    }

    /// The state, for who is asked for a family's socket by its trait object.
    fn of(protocol: &ProtocolRef) -> Option<&UnixSocket> {
        let any: &dyn Any = &**protocol;
        any.downcast_ref()
    }

    /// Whether a message from `sender` would have to wait (`unix_recvq_full`, `unix_peer(other) != sk`).
    fn is_full_for(&self, state: &State, sender: &UnixSocket) -> bool {
        let connected = state.peer.as_ref().is_some_and(|peer| core::ptr::eq(&**peer, sender));
        !connected && !core::ptr::eq(self, sender) && state.queue.len() > QUEUE_LEN
    }

    fn poll_write(&self, table: &mut PollTable<'_>, status: Status) -> bool {
        table.wait_on(&self.sock.space.queue);
        if status == Status::Listening || !self.sock.space.is_writable() {
            return false;
        }
        if self.sock.kind == Kind::Stream {
            return true;
        }
        let Some(peer) = self.peer() else { return true };
        table.wait_on(&peer.room);
        let state = peer.state.lock();
        !peer.is_full_for(&state, self)
    }
}

impl Protocol for UnixSocket {
    fn sock(&self) -> &Sock {
        &self.sock
    }

    fn bind(&self, names: &dyn Names, address: &[u8]) -> Result<()> {
        name::bind(self, names, address)
    }

    fn connect(&self, names: &dyn Names, address: &[u8], nonblock: bool) -> Result<()> {
        match self.sock.kind {
            Kind::Dgram => datagram::connect(self, names, address),
            _ => connection::connect(self, names, address, nonblock),
        }
    }

    fn pair(&self, other: &ProtocolRef) -> Result<()> {
        connection::pair(self, UnixSocket::of(other).ok_or(Errno::INVAL)?)
    }

    fn listen(&self, backlog: usize) -> Result<()> {
        connection::listen(self, backlog)
    }

    fn accept(&self, nonblock: bool) -> Result<ProtocolRef> {
        connection::accept(self, nonblock).map(|socket| socket as ProtocolRef)
    }

    fn name(&self, peer: bool) -> Result<Address> {
        if !peer {
            return Ok(name::address(self.state.lock().name.as_deref()));
        }
        let peer = self.peer().ok_or(Errno::NOTCONN)?;
        let state = peer.state.lock();
        Ok(name::address(state.name.as_deref()))
    }

    fn shutdown(&self, how: Shutdown) -> Result<()> {
        connection::shutdown(self, how);
        Ok(())
    }

    fn send(&self, src: &mut IoSrc<'_>, message: Outgoing<'_>) -> Result<usize> {
        match self.sock.kind {
            Kind::Stream => stream::send(self, src, message),
            _ => datagram::send(self, src, message),
        }
    }

    fn receive(&self, dst: &mut IoDst<'_>, message: &mut Incoming) -> Result<usize> {
        match self.sock.kind {
            Kind::Stream => stream::receive(self, dst, message),
            _ => datagram::receive(self, dst, message),
        }
    }

    /// `unix_poll`, `unix_dgram_poll`.
    fn poll(&self, table: &mut PollTable<'_>) -> PollEvents {
        table.wait_on(&self.sock.readers);
        let (status, urgent, readable) = {
            let state = self.state.lock();
            (state.status, state.urgent.is_some(), !state.queue.is_empty() || !state.embryos.is_empty())
        };
        let down = self.sock.down();
        let mut events = PollEvents::empty();
        events.set(PollEvents::ERR, self.sock.has_error());
        events.set(PollEvents::HUP, down == Shutdown::all());
        events.set(PollEvents::PRI, urgent);
        if down.contains(Shutdown::RECEIVE) {
            events |= PollEvents::RDHUP | PollEvents::READABLE;
        }
        if readable {
            events |= PollEvents::READABLE;
        }
        if self.is_connection_based() && status == Status::Closed {
            events |= PollEvents::HUP;
        }
        if self.poll_write(table, status) {
            events |= PollEvents::WRITABLE | PollEvents::WRBAND;
        }
        events
    }

    /// `unix_ioctl`.
    fn ioctl(&self, command: u32, arg: usize) -> Result<usize> {
        if command == SIOCATMARK {
            let at_mark = self.state.lock().is_at_mark();
            return put(arg, &i32::from(at_mark)).map(|()| 0);
        }
        let unread = || {
            let state = self.state.lock();
            if state.status == Status::Listening {
                return Err(Errno::INVAL);
            }
            Ok(state.unread(self.is_connection_based()))
        };
        queue_ioctl(command, arg, unread, || self.sock.space.used())
    }

    fn listens(&self) -> bool {
        self.state.lock().status == Status::Listening
    }

    fn peer_credentials(&self) -> Option<(Credentials, Arc<Cred>)> {
        self.state.lock().peer_credentials.clone()
    }

    fn release(&self) {
        connection::release(self);
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        list::ALL.leave(self);
    }
}
