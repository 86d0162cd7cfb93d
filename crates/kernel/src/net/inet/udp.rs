//! UDP (udp(7)): messages straight into the receiver's queue, or nowhere.

use super::list::{self, Facts};
use super::options::{self, Options};
use super::port::{Ports, Sharing};
use super::{Endpoint, INET, is_unspecified};
use crate::net::options::{Argument, Value};
use crate::net::{
    Address, Control, Held, Incoming, Kind, MsgFlags, Names, Outgoing, Protocol, Shutdown, Sock, device,
    queue_ioctl,
};
use crate::vfs::{PollEvents, PollTable};
use crate::{Errno, Result};
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec;
use alloc::vec::Vec;
use host::io::{IoDst, IoSrc};
use host::mutex::Mutex;
use linux_raw_sys::net as n;

/// Longest message over IPv4 and IPv6.
const LEN_MAX: usize = 65507;
const LEN_MAX6: usize = 65527;
/// What a message costs its receiver beside its content.
const OVERHEAD: usize = 768;

static PORTS: Ports<Udp> = Ports::new();

/// What comes with the bytes, as if in headers.
#[derive(Clone, Copy)]
struct Packet {
    to: Endpoint,
    ttl: i32,
    tos: i32,
    /// When it came, if anybody wants to know.
    at_ns: u64,
}

struct Message {
    from: Endpoint,
    packet: Packet,
    bytes: Held,
}

#[derive(Default)]
struct State {
    local: Option<Endpoint>,
    /// What bind(2) was given; connecting narrows it.
    bound: Option<Endpoint>,
    remote: Option<Endpoint>,
    queue: VecDeque<Message>,
    /// Room taken by the queue.
    used: usize,
}

/// A socket.
pub struct Udp {
    me: Weak<Udp>,
    sock: Sock,
    options: Options,
    state: Mutex<State>,
}

impl Udp {
    /// A socket by itself.
    pub fn new(family: u16) -> Arc<Udp> {
        let socket = Arc::new_cyclic(|me| Udp {
            me: me.clone(),
            sock: Sock::new(family, Kind::Dgram, super::UDP),
            options: Options::new(family, false),
            state: Mutex::default(),
        });
        list::UDP.enter(&socket);
        socket
    }

    /// What options tell of it.
    fn told(&self) -> options::Facts {
        let state = self.state.lock();
        let (bound, connected) = (state.local.is_some(), state.remote.is_some());
        options::Facts { bound, connected, ..options::Facts::default() }
    }

    /// What else the receiver has asked for (`ip_cmsg_recv`, `ip6_datagram_recv_ctl`).
    fn controls(&self, packet: &Packet, out: &mut Vec<Control>) {
        if let Some(control) = self.sock.options.stamp(packet.at_ns) {
            out.push(control);
        }
        if !self.options.wants_controls() {
            return;
        }
        let on = |level: u32, name: u32| self.options.value(level, name) != 0;
        let mut put = |level: u32, kind: u32, content: &[u8]| {
            out.push(Control { level, kind, content: content.to_vec() });
        };
        let (ip, ip6) = (n::IPPROTO_IP as u32, n::IPPROTO_IPV6 as u32);
        let index = device::INDEX.to_ne_bytes();
        if self.sock.family != INET && on(ip6, n::IPV6_RECVPKTINFO) {
            put(ip6, n::IPV6_PKTINFO, &[&packet.to.ip[..], &index].concat());
        }
        let (ttl, tos) = (packet.ttl.to_ne_bytes(), packet.tos);
        if packet.to.is_v4() {
            let to = &packet.to.ip[12..];
            if on(ip, n::IP_PKTINFO) {
                put(ip, n::IP_PKTINFO, &[&index, to, to].concat());
            }
            if on(ip, n::IP_RECVTTL) {
                put(ip, n::IP_TTL, &ttl);
            }
            if on(ip, n::IP_RECVTOS) {
                put(ip, n::IP_TOS, &[tos as u8]);
            }
        } else {
            if on(ip6, n::IPV6_RECVHOPLIMIT) {
                put(ip6, n::IPV6_HOPLIMIT, &ttl);
            }
            if on(ip6, n::IPV6_RECVTCLASS) {
                put(ip6, n::IPV6_TCLASS, &tos.to_ne_bytes());
            }
        }
    }

    /// What is known of a message to `to` beside its bytes.
    fn packet(&self, to: Endpoint) -> Packet {
        let value = |level, name| self.options.value(level, name);
        let (ttl, tos) = match to.is_v4() {
            true => {
                let ip = n::IPPROTO_IP as u32;
                (value(ip, n::IP_TTL), value(ip, n::IP_TOS))
            }
            false => {
                let ip6 = n::IPPROTO_IPV6 as u32;
                (value(ip6, n::IPV6_UNICAST_HOPS), value(ip6, n::IPV6_TCLASS))
            }
        };
        Packet { to, ttl: if ttl < 0 { 64 } else { ttl }, tos: tos.max(0), at_ns: 0 }
    }

    /// What every socket has.
    pub fn common(&self) -> &Sock {
        &self.sock
    }

    /// What the lists show of it, if it has an address.
    pub fn facts(&self) -> Option<Facts> {
        let state = self.state.lock();
        state.bound?;
        let shown = if state.remote.is_some() { list::ESTABLISHED } else { list::CLOSE };
        Some(Facts { state: shown, local: state.local, remote: state.remote, receive: state.used, send: 0 })
    }

    /// The address it has, or gets now.
    fn local(&self) -> Result<Endpoint> {
        let local = self.state.lock().local;
        match local {
            Some(at) => Ok(at),
            None => self.bind_to(Endpoint::any(self.sock.family)),
        }
    }

    fn bind_to(&self, at: Endpoint) -> Result<Endpoint> {
        let sharing = Sharing {
            reuse_address: self.sock.options.is_on(n::SO_REUSEADDR),
            reuse_port: self.sock.options.is_on(n::SO_REUSEPORT),
            only6: self.options.is_v6_only(),
        };
        let at = PORTS.bind(&self.me, at, sharing)?;
        let mut state = self.state.lock();
        if state.local.is_some() {
            drop(state);
            // Somebody else was quicker; two entries of one socket are one too many.
            PORTS.leave(&self.me, at.port);
            return Err(Errno::INVAL);
        }
        (state.local, state.bound) = (Some(at), Some(at));
        Ok(at)
    }

    /// Whether a message from `from` to `to` is for this socket.
    fn takes(&self, from: Endpoint, to: Endpoint) -> bool {
        let state = self.state.lock();
        state.remote.is_none_or(|remote| remote == from)
            && state.local.is_some_and(|local| local.is_any() || local.ip == to.ip)
    }

    /// Adds a message; one that does not fit is lost, as any may be.
    fn deliver(&self, from: Endpoint, mut packet: Packet, bytes: Held) {
        if self.sock.down().contains(Shutdown::RECEIVE) {
            return;
        }
        let cost = bytes.len() + OVERHEAD;
        packet.at_ns = self.sock.options.stamp_now();
        {
            let mut state = self.state.lock();
            if state.used + cost > self.sock.options.receive_buffer() {
                return;
            }
            state.used += cost;
            state.queue.push_back(Message { from, packet, bytes });
        }
        self.sock.readers.wake_all(PollEvents::READABLE);
    }
}

impl Protocol for Udp {
    fn sock(&self) -> &Sock {
        &self.sock
    }

    fn bind(&self, _names: &dyn Names, address: &[u8]) -> Result<()> {
        let at = Endpoint::parse(self.sock.family, address)?;
        if self.state.lock().local.is_some() {
            return Err(Errno::INVAL);
        }
        self.bind_to(at).map(drop)
    }

    fn connect(&self, _names: &dyn Names, address: &[u8], _nonblock: bool) -> Result<()> {
        if is_unspecified(address) {
            let mut state = self.state.lock();
            state.remote = None;
            state.local = state.bound;
            return Ok(());
        }
        let to = Endpoint::parse(self.sock.family, address)?.destination()?;
        let local = self.local()?.as_source_for(to);
        let mut state = self.state.lock();
        (state.local, state.remote) = (Some(local), Some(to));
        Ok(())
    }

    fn name(&self, peer: bool) -> Result<Address> {
        let state = self.state.lock();
        let at = match peer {
            true => state.remote.ok_or(Errno::NOTCONN)?,
            false => state.local.unwrap_or(Endpoint::any(self.sock.family)),
        };
        Ok(at.address(self.sock.family))
    }

    fn shutdown(&self, how: Shutdown) -> Result<()> {
        if self.state.lock().remote.is_none() {
            return Err(Errno::NOTCONN);
        }
        self.sock.shut(how);
        self.sock.wake_everybody();
        Ok(())
    }

    fn send(&self, src: &mut IoSrc<'_>, message: Outgoing<'_>) -> Result<usize> {
        if message.flags.contains(MsgFlags::OOB) {
            return Err(Errno::OPNOTSUPP);
        }
        let len = src.remaining();
        let remote = self.state.lock().remote;
        let to = match message.to {
            Some(address) => Endpoint::parse(self.sock.family, address)?.destination()?,
            None => remote.ok_or(Errno::DESTADDRREQ)?,
        };
        if to.port == 0 {
            return Err(Errno::INVAL);
        }
        if len > if self.sock.family == INET { LEN_MAX } else { LEN_MAX6 } {
            return Err(Errno::MSGSIZE);
        }
        self.sock.take_error()?;
        if self.sock.down().contains(Shutdown::SEND) {
            return Err(Errno::PIPE);
        }
        let from = self.local()?.as_source_for(to);
        let mut bytes = vec![0; len];
        if len > 0 && src.take(&mut bytes)? < len {
            return Err(Errno::FAULT);
        }
        match PORTS.find(to).into_iter().find(|socket| socket.takes(from, to)) {
            Some(receiver) => receiver.deliver(from, self.packet(to), Held::new(bytes)?),
            // Only a connected socket learns that nobody is there.
            None if remote == Some(to) => {
                self.sock.set_error(Errno::CONNREFUSED);
                self.sock.wake_everybody();
            }
            None => {}
        }
        Ok(len)
    }

    fn receive(&self, dst: &mut IoDst<'_>, message: &mut Incoming) -> Result<usize> {
        let flags = message.flags;
        if flags.contains(MsgFlags::ERRQUEUE) {
            // No error of the network's is kept.
            return Err(Errno::AGAIN);
        }
        let patience = self.sock.receive_patience(flags.contains(MsgFlags::DONTWAIT));
        let received = loop {
            self.sock.take_error()?;
            let mut state = self.state.lock();
            let taken = match flags.contains(MsgFlags::PEEK) {
                true => state.queue.front().map(|m| (m.from, m.packet, m.bytes.to_vec())),
                false => state.queue.pop_front().map(|m| {
                    state.used -= m.bytes.len() + OVERHEAD;
                    (m.from, m.packet, m.bytes.into_vec())
                }),
            };
            drop(state);
            if let Some(taken) = taken {
                break taken;
            }
            if self.sock.down().contains(Shutdown::RECEIVE) && !patience.is_nonblock() {
                return Ok(0);
            }
            patience.wait(&self.sock.readers, || {
                let more = !self.state.lock().queue.is_empty();
                let stop = self.sock.has_error() || self.sock.down().contains(Shutdown::RECEIVE);
                (more || stop).then_some(())
            })?;
        };
        let (from, packet, bytes) = received;
        let count = bytes.len().min(dst.remaining());
        message.answer.set(MsgFlags::TRUNC, count < bytes.len());
        if message.wants_address {
            message.from = Some(from.address(self.sock.family));
        }
        self.controls(&packet, &mut message.controls);
        if count > 0 && dst.put(&bytes[..count])? < count {
            return Err(Errno::FAULT);
        }
        Ok(if flags.contains(MsgFlags::TRUNC) { bytes.len() } else { count })
    }

    fn poll(&self, table: &mut PollTable<'_>) -> PollEvents {
        table.wait_on(&self.sock.readers);
        let readable = !self.state.lock().queue.is_empty();
        let down = self.sock.down();
        let mut events = PollEvents::WRITABLE | PollEvents::WRBAND;
        events.set(PollEvents::ERR, self.sock.has_error());
        events.set(PollEvents::HUP, down == Shutdown::all());
        events.set(PollEvents::RDHUP, down.contains(Shutdown::RECEIVE));
        if readable || down.contains(Shutdown::RECEIVE) {
            events |= PollEvents::READABLE;
        }
        events
    }

    fn ioctl(&self, command: u32, arg: usize) -> Result<usize> {
        let unread = || Ok(self.state.lock().queue.front().map_or(0, |message| message.bytes.len()));
        // Nothing waits to be sent.
        queue_ioctl(command, arg, unread, || 0)
    }

    fn option(&self, level: i32, name: u32, value: Value) -> Result<()> {
        self.options.read(level, name, value, self.told())
    }

    fn set_option(&self, level: i32, name: u32, value: Argument) -> Result<()> {
        self.options.set(level, name, value, self.told())
    }

    fn release(&self) {
        let (bound, queue) = {
            let mut state = self.state.lock();
            (state.bound.take(), core::mem::take(&mut state.queue))
        };
        drop(queue);
        if let Some(at) = bound {
            PORTS.leave(&self.me, at.port);
        }
    }
}

impl Drop for Udp {
    fn drop(&mut self) {
        list::UDP.leave(self);
    }
}
