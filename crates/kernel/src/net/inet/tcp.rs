//! TCP (tcp(7)) between two sockets of this kernel: what one sends is in the other's buffer at once.
//!
//! A connection is made when it is asked for, whether or not that may block: connect(2) that must not block still
//! answers `EINPROGRESS`, as over Linux's loopback, and what became of it is told by poll(2) and `SO_ERROR`.
//!
//! Here is what a socket is, and what it answers to poll(2), ioctl(2) and for its options; how connections come together and
//! part is in `connection`, the bytes are in `stream`.

mod connection;
mod stream;

use super::Endpoint;
use super::list;
use super::options::{self, Options};
use super::port::{Ports, Sharing};
use crate::net::options::{Argument, Value};
use crate::net::{
    Address, Held, Incoming, Kind, MsgFlags, Names, Outgoing, Protocol, ProtocolRef, Shutdown, Sock, Status,
    queue_ioctl,
};
use crate::uaccess::put;
use crate::vfs::{PollEvents, PollTable};
use crate::{Errno, Result};
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use host::io::{IoDst, IoSrc};
use host::mutex::Mutex;
use linux_raw_sys::ioctl::SIOCATMARK;
use linux_raw_sys::net as n;
use stream::Urgent;

/// So much is moved at a time.
const CHUNK: usize = 32 << 10;

/// So many connections may wait for accept(2), whatever listen(2) was told: more than was asked for does no harm, where
/// Linux would have the other side try again for a while.
const BACKLOG: usize = 4096;
/// Small pieces are put together up to this size, so that each costs no more than its bytes.
const PIECE: usize = 4096;

static PORTS: Ports<Tcp> = Ports::new();

struct State {
    status: Status,
    dead: bool,
    local: Option<Endpoint>,
    /// Entered in the table of ports.
    bound: bool,
    remote: Option<Endpoint>,
    peer: Option<Arc<Tcp>>,
    /// What has come and was not read, in pieces of which the first may be read in part.
    buffer: VecDeque<Held>,
    /// How much of the first piece was read.
    start: usize,
    len: usize,
    /// Bytes read since it was connected, and sent.
    read: u64,
    sent: u64,
    urgent: Option<Urgent>,
    /// The peer sends no more; this side sends no more.
    fin_received: bool,
    fin_sent: bool,
    embryos: VecDeque<Arc<Tcp>>,
    /// What listen(2) was told, only to be shown.
    backlog: usize,
    /// The outcome of a connect(2) that did not block was not asked for yet.
    reported: bool,
}

/// A socket.
pub struct Tcp {
    me: Weak<Tcp>,
    sock: Sock,
    options: Options,
    state: Mutex<State>,
    /// Held by one receiver from its first look to its last, also while it copies: bytes leave in order.
    turn: Mutex<()>,
}

impl Tcp {
    /// A socket by itself.
    pub fn new(family: u16) -> Arc<Tcp> {
        let socket = Arc::new_cyclic(|me| Tcp {
            me: me.clone(),
            sock: Sock::new(family, Kind::Stream, super::TCP),
            options: Options::new(family, true),
            state: Mutex::new(State {
                status: Status::Closed,
                dead: false,
                local: None,
                bound: false,
                remote: None,
                peer: None,
                buffer: VecDeque::new(),
                start: 0,
                len: 0,
                read: 0,
                sent: 0,
                urgent: None,
                fin_received: false,
                fin_sent: false,
                embryos: VecDeque::new(),
                backlog: 0,
                reported: true,
            }),
            turn: Mutex::new(()),
        });
        list::TCP.enter(&socket);
        socket
    }

    /// What every socket has.
    pub fn common(&self) -> &Sock {
        &self.sock
    }

    /// What the lists show of it, if it is in them.
    pub fn facts(&self) -> Option<list::Facts> {
        let state = self.state.lock();
        let (shown, receive, send) = match (state.status, state.fin_sent, state.fin_received) {
            (Status::Listening, ..) => (list::LISTEN, state.embryos.len(), state.backlog),
            (Status::Established, false, false) => (list::ESTABLISHED, state.len, 0),
            (Status::Established, true, false) => (list::FIN_WAIT2, state.len, 0),
            // The end counts as a byte.
            (Status::Established, false, true) => (list::CLOSE_WAIT, state.len + 1, 0),
            _ => return None,
        };
        Some(list::Facts { state: shown, local: state.local, remote: state.remote, receive, send })
    }

    fn sharing(&self) -> Sharing {
        Sharing {
            reuse_address: self.sock.options.is_on(n::SO_REUSEADDR),
            reuse_port: self.sock.options.is_on(n::SO_REUSEPORT),
            only6: self.options.is_v6_only(),
        }
    }

    /// Gives it an address; `EINVAL` when it has one.
    fn bind_to(&self, at: Endpoint) -> Result<Endpoint> {
        let at = PORTS.bind(&self.me, at, self.sharing())?;
        let mut state = self.state.lock();
        if state.bound || state.dead {
            drop(state);
            PORTS.leave(&self.me, at.port);
            return Err(Errno::INVAL);
        }
        (state.local, state.bound) = (Some(at), true);
        Ok(at)
    }

    fn local(&self) -> Result<Endpoint> {
        let local = self.state.lock().local;
        match local {
            Some(at) => Ok(at),
            None => self.bind_to(Endpoint::any(self.sock.family)),
        }
    }

    /// How much may wait here: what the sender may have on its way, and what the receiver may have.
    fn capacity(&self, sender: &Tcp) -> usize {
        sender.sock.space.limit() + self.sock.options.receive_buffer()
    }

    /// Room in the buffer for `sender`, or that there is nobody.
    fn room_for(&self, sender: &Tcp) -> Option<usize> {
        let state = self.state.lock();
        (!state.dead).then(|| self.capacity(sender).saturating_sub(state.len))
    }

    /// What options tell of it.
    fn told(&self) -> options::Facts {
        let shown = self.facts().map_or(list::CLOSE, |facts| facts.state);
        let state = self.state.lock();
        options::Facts {
            bound: state.bound,
            connected: state.status == Status::Established,
            state: shown,
            bytes: (state.sent, state.read + state.len as u64),
            room: self.sock.options.receive_buffer(),
        }
    }
}

impl Protocol for Tcp {
    fn sock(&self) -> &Sock {
        &self.sock
    }

    fn bind(&self, _names: &dyn Names, address: &[u8]) -> Result<()> {
        let at = Endpoint::parse(self.sock.family, address)?;
        let state = self.state.lock();
        if state.bound || state.status != Status::Closed {
            return Err(Errno::INVAL);
        }
        drop(state);
        self.bind_to(at).map(drop)
    }

    fn connect(&self, _names: &dyn Names, address: &[u8], nonblock: bool) -> Result<()> {
        self.connect_to(address, nonblock)
    }

    fn listen(&self, backlog: usize) -> Result<()> {
        if self.state.lock().status == Status::Established {
            return Err(Errno::INVAL);
        }
        let at = self.local()?;
        PORTS.listen(&self.me, at.port)?;
        let mut state = self.state.lock();
        state.status = Status::Listening;
        state.backlog = backlog;
        Ok(())
    }

    fn accept(&self, nonblock: bool) -> Result<ProtocolRef> {
        self.accept_one(nonblock)
    }

    fn name(&self, peer: bool) -> Result<Address> {
        let state = self.state.lock();
        let at = match peer {
            true if state.status != Status::Established || state.fin_sent && state.fin_received => {
                return Err(Errno::NOTCONN);
            }
            true => state.remote.ok_or(Errno::NOTCONN)?,
            false => state.local.unwrap_or(Endpoint::any(self.sock.family)),
        };
        Ok(at.address(self.sock.family))
    }

    fn shutdown(&self, how: Shutdown) -> Result<()> {
        self.shut_down(how)
    }

    fn send(&self, src: &mut IoSrc<'_>, message: Outgoing<'_>) -> Result<usize> {
        self.send_bytes(src, message.flags)
    }

    fn receive(&self, dst: &mut IoDst<'_>, message: &mut Incoming) -> Result<usize> {
        if message.flags.contains(MsgFlags::ERRQUEUE) {
            // On a loopback nothing is ever in it.
            return Err(Errno::AGAIN);
        }
        self.receive_bytes(dst, message)
    }

    /// `tcp_poll`
    fn poll(&self, table: &mut PollTable<'_>) -> PollEvents {
        table.wait_on(&self.sock.readers);
        table.wait_on(&self.sock.space.queue);
        let (status, len, waiting, peer, mark, urgent) = {
            let state = self.state.lock();
            let waiting = !state.embryos.is_empty();
            // An urgent byte that is the next is not for a read.
            let mark = state.is_at_mark(0) && !self.is_inline();
            (state.status, state.len, waiting, state.peer.clone(), mark, state.has_urgent())
        };
        let mut events = PollEvents::empty();
        if status == Status::Listening {
            if waiting {
                events |= PollEvents::READABLE;
            }
            return events;
        }
        let down = self.sock.down();
        events.set(PollEvents::ERR, self.sock.has_error());
        events.set(PollEvents::HUP, down == Shutdown::all() || status == Status::Closed);
        if down.contains(Shutdown::RECEIVE) {
            events |= PollEvents::READABLE | PollEvents::RDHUP;
        }
        let target = self.sock.receive_target(false, usize::MAX);
        if len >= target + usize::from(mark) {
            events |= PollEvents::READABLE;
        }
        events.set(PollEvents::PRI, urgent);
        let writable = down.contains(Shutdown::SEND)
            || peer.is_none_or(|peer| peer.room_for(self).is_none_or(|room| room >= peer.capacity(self) / 3));
        if writable {
            events |= PollEvents::WRITABLE;
        }
        events
    }

    fn ioctl(&self, command: u32, arg: usize) -> Result<usize> {
        if command == SIOCATMARK {
            let at_mark = self.state.lock().is_at_mark(0);
            return put(arg, &i32::from(at_mark)).map(|()| 0);
        }
        let unread = || {
            let state = self.state.lock();
            let listens = state.status == Status::Listening;
            if listens { Err(Errno::INVAL) } else { Ok(state.readable(self.is_inline())) }
        };
        // What was sent has arrived.
        queue_ioctl(command, arg, unread, || 0)
    }

    fn option(&self, level: i32, name: u32, value: Value) -> Result<()> {
        self.options.read(level, name, value, self.told())
    }

    fn set_option(&self, level: i32, name: u32, value: Argument) -> Result<()> {
        self.options.set(level, name, value, self.told())
    }

    fn listens(&self) -> bool {
        self.state.lock().status == Status::Listening
    }

    fn release(&self) {
        self.release_all();
    }
}

impl Drop for Tcp {
    fn drop(&mut self) {
        list::TCP.leave(self);
    }
}
