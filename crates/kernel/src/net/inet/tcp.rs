//! TCP (tcp(7)) between two sockets of this kernel: what one sends is in the other's buffer at once.
//!
//! A connection is made when it is asked for, whether or not that may block: connect(2) that must not block still
//! answers `EINPROGRESS`, as over Linux's loopback, and what became of it is told by poll(2) and `SO_ERROR`.

use super::list::{self, Facts};
use super::port::{Ports, Sharing};
use super::{Endpoint, Options, is_unspecified};
use crate::net::options::{Argument, Value};
use crate::net::{
    Address, Held, Incoming, Kind, MsgFlags, Names, Outgoing, Protocol, ProtocolRef, Shutdown, Sock, Status,
};
use crate::uaccess::put;
use crate::vfs::{PollEvents, PollTable};
use crate::{Errno, Result};
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec;
use host::io::{IoDst, IoSrc};
use host::mutex::Mutex;
use linux_raw_sys::ioctl::{FIONREAD, TIOCOUTQ};
use linux_raw_sys::net as n;

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
    pub fn facts(&self) -> Option<Facts> {
        let state = self.state.lock();
        let (shown, receive, send) = match (state.status, state.fin_sent, state.fin_received) {
            (Status::Listening, ..) => (list::LISTEN, state.embryos.len(), state.backlog),
            (Status::Established, false, false) => (list::ESTABLISHED, state.len, 0),
            (Status::Established, true, false) => (list::FIN_WAIT2, state.len, 0),
            // The end counts as a byte.
            (Status::Established, false, true) => (list::CLOSE_WAIT, state.len + 1, 0),
            _ => return None,
        };
        Some(Facts { state: shown, local: state.local, remote: state.remote, receive, send })
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

    /// Ends the connection with an error on this side (`tcp_reset`).
    fn reset(&self) {
        let status = {
            let mut state = self.state.lock();
            state.peer = None;
            core::mem::replace(&mut state.status, Status::Closed)
        };
        if status == Status::Established {
            let half_closed = self.state.lock().fin_received;
            self.sock.set_error(if half_closed { Errno::PIPE } else { Errno::CONNRESET });
        }
        self.sock.shut(Shutdown::all());
        self.sock.wake_everybody();
    }

    /// The other side sends no more.
    fn receive_fin(&self) {
        self.state.lock().fin_received = true;
        self.sock.shut(Shutdown::RECEIVE);
        self.sock.wake_everybody();
    }

    /// Finds a listener and makes a connection with it.
    fn establish(&self, to: Endpoint) -> Result<()> {
        let me = self.me.upgrade().ok_or(Errno::BADF)?;
        let local = self.local()?.as_source_for(to);
        let listens = |socket: &Arc<Tcp>| {
            let state = socket.state.lock();
            state.status == Status::Listening && !state.dead
        };
        let listener = PORTS.find(to).into_iter().find(listens).ok_or(Errno::CONNREFUSED)?;
        let embryo = Tcp::new(listener.sock.family);
        embryo.sock.inherit(&listener.sock);
        embryo.options.inherit(&listener.options);
        {
            let mut new = embryo.state.lock();
            new.status = Status::Established;
            (new.local, new.remote) = (Some(to), Some(local));
            new.peer = Some(me);
        }
        {
            let mut state = self.state.lock();
            if state.status != Status::Closed {
                return Err(Errno::ISCONN);
            }
            state.status = Status::Established;
            (state.local, state.remote) = (Some(local), Some(to));
            state.peer = Some(embryo.clone());
        }
        let mut theirs = listener.state.lock();
        if theirs.status != Status::Listening || theirs.dead || theirs.embryos.len() > BACKLOG {
            drop(theirs);
            let mut state = self.state.lock();
            state.status = Status::Closed;
            (state.remote, state.peer) = (None, None);
            return Err(Errno::CONNREFUSED);
        }
        theirs.embryos.push_back(embryo);
        drop(theirs);
        listener.sock.readers.wake_all(PollEvents::READABLE);
        self.sock.wake_everybody();
        Ok(())
    }

    /// Room in the buffer for `sender`, or that there is nobody.
    fn room_for(&self, sender: &Tcp) -> Option<usize> {
        let state = self.state.lock();
        (!state.dead).then(|| self.capacity(sender).saturating_sub(state.len))
    }

    /// Copies what is in the buffer from `skip` on, at most `most` bytes.
    fn look(&self, skip: usize, most: usize) -> alloc::vec::Vec<u8> {
        let state = self.state.lock();
        let mut out = alloc::vec::Vec::with_capacity(most.min(state.len.saturating_sub(skip)));
        let mut skip = state.start + skip;
        for piece in &state.buffer {
            if skip >= piece.len() {
                skip -= piece.len();
                continue;
            }
            let count = (piece.len() - skip).min(most - out.len());
            out.extend_from_slice(&piece[skip..skip + count]);
            skip = 0;
            if out.len() == most {
                break;
            }
        }
        out
    }

    /// Removes `count` bytes from the front of the buffer.
    fn consume(&self, count: usize) {
        let mut state = self.state.lock();
        state.len -= count.min(state.len);
        state.start += count;
        let mut done = alloc::vec::Vec::new();
        while let Some(first) = state.buffer.front().map(|piece| piece.len())
            && state.start >= first
        {
            state.start -= first;
            done.extend(state.buffer.pop_front());
        }
        let peer = state.peer.clone();
        let len = state.len;
        drop(state);
        if let Some(peer) = peer
            && len <= self.capacity(&peer) / 3 * 2
        {
            peer.sock.space.queue.wake_all(PollEvents::WRITABLE);
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
        let (status, reported) = {
            let mut state = self.state.lock();
            (state.status, core::mem::replace(&mut state.reported, true))
        };
        match status {
            Status::Established if !reported => return Ok(()),
            Status::Established | Status::Listening => return Err(Errno::ISCONN),
            // A refusal that was not told as an error yet, or was by SO_ERROR.
            Status::Closed if !reported => {
                self.sock.take_error()?;
                return Err(Errno::CONNABORTED);
            }
            Status::Closed => {}
        }
        if is_unspecified(address) {
            return Ok(());
        }
        let to = Endpoint::parse(self.sock.family, address)?.destination()?;
        self.sock.reopen();
        let result = self.establish(to);
        if !nonblock || !matches!(result, Ok(()) | Err(Errno::CONNREFUSED)) {
            return result;
        }
        self.state.lock().reported = false;
        if let Err(errno) = result {
            self.sock.set_error(errno);
            self.sock.shut(Shutdown::all());
        }
        Err(Errno::INPROGRESS)
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
        let patience = self.sock.receive_patience(nonblock);
        loop {
            let mut state = self.state.lock();
            if state.status != Status::Listening {
                return Err(Errno::INVAL);
            }
            if let Some(embryo) = state.embryos.pop_front() {
                return Ok(embryo);
            }
            drop(state);
            patience.wait(&self.sock.readers, || {
                let state = self.state.lock();
                (!state.embryos.is_empty() || state.status != Status::Listening).then_some(())
            })?;
        }
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
        let mut state = self.state.lock();
        match state.status {
            Status::Closed => return Err(Errno::NOTCONN),
            Status::Listening if how.contains(Shutdown::RECEIVE) => {
                state.status = Status::Closed;
                let embryos = core::mem::take(&mut state.embryos);
                drop(state);
                embryos.iter().for_each(|embryo| embryo.release());
                self.sock.wake_everybody();
                return Ok(());
            }
            Status::Listening => return Ok(()),
            Status::Established if state.fin_sent && state.fin_received => return Err(Errno::NOTCONN),
            Status::Established => {}
        }
        let ends = how.contains(Shutdown::SEND) && !state.fin_sent;
        state.fin_sent |= ends;
        let peer = state.peer.clone();
        drop(state);
        self.sock.shut(how);
        self.sock.wake_everybody();
        if let Some(peer) = peer
            && ends
        {
            peer.receive_fin();
        }
        Ok(())
    }

    fn send(&self, src: &mut IoSrc<'_>, message: Outgoing<'_>) -> Result<usize> {
        if message.flags.contains(MsgFlags::OOB) {
            return Err(Errno::OPNOTSUPP);
        }
        let patience = self.sock.send_patience(message.flags.contains(MsgFlags::DONTWAIT));
        let mut sent = 0;
        let result = loop {
            if let Err(errno) = self.sock.take_error() {
                break Err(errno);
            }
            if self.sock.down().contains(Shutdown::SEND) {
                break Err(Errno::PIPE);
            }
            let Some(peer) = self.state.lock().peer.clone() else { break Err(Errno::PIPE) };
            if src.is_empty() {
                break Ok(());
            }
            let len = match peer.room_for(self) {
                // The first bytes to somebody who has closed are taken, and answered by a reset.
                None => {
                    sent += src.remaining();
                    self.reset();
                    break Ok(());
                }
                Some(0) => {
                    let waited = patience.wait(&self.sock.space.queue, || {
                        let stop = self.sock.has_error() || self.sock.down().contains(Shutdown::SEND);
                        (stop || peer.room_for(self) != Some(0)).then_some(())
                    });
                    match waited {
                        Ok(()) => continue,
                        Err(errno) => break Err(errno),
                    }
                }
                Some(room) => room.min(CHUNK).min(src.remaining()),
            };
            let mut bytes = vec![0; len];
            match src.take(&mut bytes) {
                Ok(count) if count == len => {}
                Ok(_) => break Err(Errno::FAULT),
                Err(errno) => break Err(errno),
            }
            let bytes = match Held::new(bytes) {
                Ok(bytes) => bytes,
                Err(errno) => break Err(errno),
            };
            let mut state = peer.state.lock();
            // What nobody can read is thrown away on arrival. After shutdown(SHUT_RD) it still can be read.
            let wanted = !state.dead;
            if wanted {
                state.len += len;
                match state.buffer.back_mut() {
                    Some(last) if last.len() + len <= PIECE => last.append(bytes),
                    _ => state.buffer.push_back(bytes),
                }
            }
            drop(state);
            sent += len;
            if wanted {
                peer.sock.readers.wake_all(PollEvents::READABLE);
            }
        };
        match result {
            Err(errno) if sent == 0 => Err(errno),
            _ => Ok(sent),
        }
    }

    fn receive(&self, dst: &mut IoDst<'_>, message: &mut Incoming) -> Result<usize> {
        let flags = message.flags;
        if flags.contains(MsgFlags::OOB) {
            return Err(Errno::INVAL);
        }
        {
            let state = self.state.lock();
            if state.status == Status::Listening || state.status == Status::Closed && state.remote.is_none() {
                drop(state);
                self.sock.take_error()?;
                return Err(Errno::NOTCONN);
            }
        }
        let patience = self.sock.receive_patience(flags.contains(MsgFlags::DONTWAIT));
        let size = dst.remaining();
        let target = self.sock.receive_target(flags.contains(MsgFlags::WAITALL), size);
        let peek = flags.contains(MsgFlags::PEEK);
        let mut copied = 0;
        let mut turn = self.turn.lock();
        while copied < size {
            let skip = if peek { copied } else { 0 };
            let bytes = self.look(skip, (size - copied).min(CHUNK));
            if !bytes.is_empty() {
                // tcp(7): with MSG_TRUNC the bytes are thrown away.
                let stored = match flags.contains(MsgFlags::TRUNC) && !peek {
                    true => Ok(bytes.len()),
                    false => dst.put(&bytes),
                };
                match stored {
                    Ok(count) if count == bytes.len() => {}
                    _ if copied > 0 => break,
                    _ => return Err(Errno::FAULT),
                }
                copied += bytes.len();
                if !peek {
                    self.consume(bytes.len());
                }
                continue;
            }
            if copied >= target {
                break;
            }
            if let Err(errno) = self.sock.take_error() {
                if copied > 0 {
                    self.sock.set_error(errno);
                    break;
                }
                return Err(errno);
            }
            if self.sock.down().contains(Shutdown::RECEIVE) {
                break;
            }
            drop(turn);
            let waited = patience.wait(&self.sock.readers, || {
                let more = self.state.lock().len > skip;
                let stop = self.sock.has_error() || self.sock.down().contains(Shutdown::RECEIVE);
                (more || stop).then_some(())
            });
            match waited {
                Ok(()) => {}
                Err(_) if copied > 0 => return Ok(copied),
                Err(errno) => return Err(errno),
            }
            turn = self.turn.lock();
        }
        drop(turn);
        Ok(copied)
    }

    /// `tcp_poll`
    fn poll(&self, table: &mut PollTable<'_>) -> PollEvents {
        table.wait_on(&self.sock.readers);
        table.wait_on(&self.sock.space.queue);
        let (status, len, waiting, peer) = {
            let state = self.state.lock();
            (state.status, state.len, !state.embryos.is_empty(), state.peer.clone())
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
        if len >= target {
            events |= PollEvents::READABLE;
        }
        let writable = down.contains(Shutdown::SEND)
            || peer.is_none_or(|peer| peer.room_for(self).is_none_or(|room| room >= peer.capacity(self) / 3));
        if writable {
            events |= PollEvents::WRITABLE;
        }
        events
    }

    fn ioctl(&self, command: u32, arg: usize) -> Result<usize> {
        let value = match command {
            FIONREAD => {
                let state = self.state.lock();
                if state.status == Status::Listening {
                    return Err(Errno::INVAL);
                }
                state.len
            }
            // What was sent has arrived.
            TIOCOUTQ => 0,
            _ => return Err(Errno::NOTTY),
        };
        put(arg, &(value as i32))?;
        Ok(0)
    }

    fn option(&self, level: i32, name: u32, value: Value) -> Result<()> {
        self.options.read(level, name, value)
    }

    fn set_option(&self, level: i32, name: u32, value: Argument) -> Result<()> {
        let bound = self.state.lock().bound;
        self.options.set(level, name, value, bound)
    }

    fn listens(&self) -> bool {
        self.state.lock().status == Status::Listening
    }

    fn release(&self) {
        let (peer, unread, embryos, bound, fin_sent) = {
            let mut state = self.state.lock();
            if core::mem::replace(&mut state.dead, true) {
                return;
            }
            state.status = Status::Closed;
            state.start = 0;
            let unread = core::mem::take(&mut state.len) > 0;
            let bound = state.local.filter(|_| core::mem::replace(&mut state.bound, false));
            let embryos = core::mem::take(&mut state.embryos);
            let buffer = core::mem::take(&mut state.buffer);
            let all = (state.peer.take(), unread, embryos, bound, state.fin_sent);
            drop(state);
            drop(buffer);
            all
        };
        self.sock.shut(Shutdown::all());
        if let Some(at) = bound {
            PORTS.leave(&self.me, at.port);
        }
        if let Some(peer) = peer {
            // Unread bytes are lost, and so is a connection that nobody accepted: the other side is told.
            let embryo = self.sock.ino.load(core::sync::atomic::Ordering::Relaxed) == 0;
            if unread || embryo || self.sock.options.lingers_not() {
                peer.reset();
            } else if !fin_sent {
                peer.receive_fin();
            }
            peer.sock.wake_everybody();
        }
        embryos.iter().for_each(|embryo| embryo.release());
    }
}

impl Drop for Tcp {
    fn drop(&mut self) {
        list::TCP.leave(self);
    }
}
