//! A socket of the family: its address, its groups, and what waits to be received (`net/netlink/af_netlink.c`).

use super::answer::Pending;
use super::list;
use crate::net::options::{Argument, Value};
use crate::net::{
    Address, Control, Credentials, Held, Incoming, Kind, MsgFlags, Names, Outgoing, Protocol, ProtocolRef,
    Sock,
};
use crate::sync::{WaitQueue, wait_until};
use crate::task::current_task;
use crate::vfs::{PollEvents, PollTable};
use crate::{Errno, Result};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::{Arc, Weak};
use alloc::vec;
use core::any::Any;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use host::io::{IoDst, IoSrc};
use host::mutex::Mutex;
use linux_raw_sys::general::CAP_NET_ADMIN;
use linux_raw_sys::net as n;
use linux_raw_sys::netlink as nl;

/// `sizeof(struct sockaddr_nl)`
const ADDRESS_LEN: usize = 12;
/// What a message costs beside its content.
const OVERHEAD: usize = 768;
/// Groups of a protocol, and of `NETLINK_ROUTE` (`RTNLGRP_MAX`).
const GROUPS: u32 = 32;
const ROUTE_GROUPS: u32 = 39;

/// No message is longer, whatever `SO_SNDBUF` says.
const ASKED_MAX: usize = 8 << 20;
/// The kernel as a sender.
pub(super) const KERNEL: Credentials = Credentials { pid: 0, uid: 0, gid: 0 };

/// Who has which address, for each protocol.
static PORTS: Mutex<BTreeMap<(i32, u32), Weak<NetlinkSocket>>> = Mutex::new(BTreeMap::new());
/// Where autobind goes on when a process has a socket already: downwards from -4096.
static NEXT_AUTO: AtomicU32 = AtomicU32::new(-4097i32 as u32);

struct Message {
    from: u32,
    /// The group it was sent to, or 0.
    group: u32,
    bytes: Held,
    credentials: Credentials,
}

#[derive(Default)]
pub(super) struct State {
    /// Its address; `None` before bind(2).
    portid: Option<u32>,
    /// The groups it is a member of, group 1 in the lowest bit.
    pub(super) groups: u64,
    /// Whom messages go to: an address and a group; `None`: the kernel, and messages of everybody are taken.
    peer: Option<(u32, u32)>,
    queue: VecDeque<Message>,
    /// Room taken by the queue.
    pub(super) used: usize,
    /// The rest of an answer in parts.
    pub(super) pending: Option<Pending>,
    /// The largest room that recv(2) offered.
    pub(super) room: usize,
    /// Options that are on, a bit each, by number.
    pub(super) options: u32,
}

/// A socket.
pub struct NetlinkSocket {
    me: Weak<NetlinkSocket>,
    sock: Sock,
    pub(super) state: Mutex<State>,
    /// Who waits for room in the queue.
    senders: WaitQueue,
}

/// What /proc/net/netlink shows of a socket.
pub struct Shown {
    /// Its protocol.
    pub protocol: i32,
    /// Its address.
    pub portid: u32,
    /// Its first 32 groups.
    pub groups: u32,
    /// Bytes that wait.
    pub used: usize,
    /// Number of its inode.
    pub ino: u64,
}

/// The group of a mask that counts (`netlink_groups`): the lowest.
fn first_group(mask: u32) -> u32 {
    if mask == 0 { 0 } else { mask.trailing_zeros() + 1 }
}

fn group_mask(group: u32) -> u32 {
    if group == 0 { 0 } else { 1u32.checked_shl(group - 1).unwrap_or(0) }
}

fn address(portid: u32, groups: u32) -> Address {
    let mut out = [0; ADDRESS_LEN];
    out[..2].copy_from_slice(&(n::AF_NETLINK as u16).to_ne_bytes());
    out[4..8].copy_from_slice(&portid.to_ne_bytes());
    out[8..].copy_from_slice(&groups.to_ne_bytes());
    Address::new(&out)
}

/// Port and groups of a `struct sockaddr_nl`.
///
/// # Errors
/// `EINVAL` for one that is too short or of another family.
fn parse(address: &[u8]) -> Result<(u32, u32)> {
    let bytes: &[u8; ADDRESS_LEN] = address.first_chunk().ok_or(Errno::INVAL)?;
    if u32::from(u16::from_ne_bytes([bytes[0], bytes[1]])) != n::AF_NETLINK {
        return Err(Errno::INVAL);
    }
    Ok((super::wire::word(bytes, 4), super::wire::word(bytes, 8)))
}

pub(super) fn capable(capability: u32) -> bool {
    current_task().is_some_and(|task| task.process.cred().capable(capability))
}

impl NetlinkSocket {
    /// A socket by itself.
    pub fn new(kind: Kind, protocol: i32) -> Arc<NetlinkSocket> {
        let socket = Arc::new_cyclic(|me| NetlinkSocket {
            me: me.clone(),
            sock: Sock::new(n::AF_NETLINK as u16, kind, protocol),
            state: Mutex::default(),
            senders: WaitQueue::new(),
        });
        list::ALL.enter(&socket);
        socket
    }

    /// The socket behind a reference to one of some family.
    pub fn of(protocol: &ProtocolRef) -> Option<&NetlinkSocket> {
        let any: &dyn Any = &**protocol;
        any.downcast_ref()
    }

    /// Waits until there is room for one message more (`netlink_attachskb`).
    ///
    /// # Errors
    /// Those of the sleep.
    pub fn wait_for_room(&self) -> Result<()> {
        let has_room = || (self.state.lock().used <= self.sock.options.receive_buffer()).then_some(());
        match has_room() {
            Some(()) => Ok(()),
            None => wait_until(&self.senders, None, has_room),
        }
    }

    /// Delivers a message of another part of the kernel, for which there was room.
    pub fn deliver(&self, bytes: &[u8]) {
        if let Ok(bytes) = Held::new(bytes.to_vec()) {
            self.enqueue(0, 0, bytes, KERNEL);
        }
    }

    fn is(&self, protocol: u32) -> bool {
        self.sock.protocol == protocol as i32
    }

    /// Anybody may send to others (`NL_CFG_F_NONROOT_SEND`).
    fn may_send_to_others(&self) -> bool {
        self.is(nl::NETLINK_USERSOCK) || capable(CAP_NET_ADMIN)
    }

    /// Anybody may be a member of groups (`NL_CFG_F_NONROOT_RECV`).
    pub(super) fn may_be_member(&self) -> bool {
        !self.is(nl::NETLINK_USERSOCK) || capable(CAP_NET_ADMIN)
    }

    pub(super) fn group_count(&self) -> u32 {
        if self.is(nl::NETLINK_ROUTE) { ROUTE_GROUPS } else { GROUPS }
    }

    /// What /proc/net/netlink shows of a socket that has an address.
    pub fn shown(&self) -> Option<Shown> {
        let state = self.state.lock();
        Some(Shown {
            protocol: self.sock.protocol,
            portid: state.portid?,
            groups: state.groups as u32,
            used: state.used,
            ino: self.sock.ino.load(Relaxed),
        })
    }

    /// Gives it the address `portid` (`netlink_insert`).
    fn insert(&self, portid: u32) -> Result<()> {
        let mut ports = PORTS.lock();
        let mut state = self.state.lock();
        if let Some(own) = state.portid {
            return if own == portid { Ok(()) } else { Err(Errno::BUSY) };
        }
        let entry = ports.entry((self.sock.protocol, portid));
        if matches!(entry, alloc::collections::btree_map::Entry::Occupied(_)) {
            return Err(Errno::ADDRINUSE);
        }
        entry.or_insert(self.me.clone());
        state.portid = Some(portid);
        Ok(())
    }

    /// The address it has, or gets now: the number of the process, where that is free (`netlink_autobind`).
    fn portid(&self) -> Result<u32> {
        let mut wanted = current_task().map_or(0, |task| task.process.pid) as u32;
        loop {
            if let Some(own) = self.state.lock().portid {
                return Ok(own);
            }
            match self.insert(wanted) {
                Err(Errno::ADDRINUSE) => {
                    // Below -4096, never 0, whoever else counts.
                    wanted = NEXT_AUTO.fetch_sub(1, Relaxed) | 1 << 31;
                }
                Ok(()) | Err(Errno::BUSY) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Adds a message to the queue; `false`: there is no room.
    pub(super) fn push(&self, from: u32, group: u32, bytes: Held, credentials: Credentials) -> bool {
        if self.state.lock().used > self.sock.options.receive_buffer() {
            return false;
        }
        self.enqueue(from, group, bytes, credentials);
        true
    }

    fn enqueue(&self, from: u32, group: u32, bytes: Held, credentials: Credentials) {
        {
            let mut state = self.state.lock();
            state.used += bytes.len() + OVERHEAD;
            state.queue.push_back(Message { from, group, bytes, credentials });
        }
        self.sock.readers.wake_all(PollEvents::READABLE);
    }

    pub(super) fn overrun(&self) {
        if self.state.lock().options & 1 << nl::NETLINK_NO_ENOBUFS == 0 {
            self.sock.set_error(Errno::NOBUFS);
            self.sock.wake_everybody();
        }
    }

    /// The socket with an address, if it takes messages of `from` (`netlink_getsockbyportid`).
    fn find(&self, portid: u32, from: u32) -> Result<Arc<NetlinkSocket>> {
        let found = PORTS.lock().get(&(self.sock.protocol, portid)).and_then(Weak::upgrade);
        let found = found.ok_or(Errno::CONNREFUSED)?;
        let refuses = found.state.lock().peer.is_some_and(|(peer, _)| peer != from);
        if refuses { Err(Errno::CONNREFUSED) } else { Ok(found) }
    }

    /// Sends to another socket (`netlink_unicast`).
    fn unicast(&self, to: u32, from: u32, bytes: &[u8], message: &Outgoing<'_>) -> Result<()> {
        let receiver = self.find(to, from)?;
        let credentials = sender_credentials(message);
        let patience = self.sock.send_patience(message.flags.contains(MsgFlags::DONTWAIT));
        while !receiver.push(from, 0, Held::new(bytes.to_vec())?, credentials) {
            patience.wait(&receiver.senders, || {
                let state = receiver.state.lock();
                (state.portid.is_none() || state.used <= receiver.sock.options.receive_buffer()).then_some(())
            })?;
            if receiver.state.lock().portid.is_none() {
                return Err(Errno::CONNREFUSED);
            }
        }
        Ok(())
    }

    /// Sends to all members of a group (`netlink_broadcast`).
    fn broadcast(&self, group: u32, from: u32, bytes: &[u8], message: &Outgoing<'_>) -> Result<()> {
        let bit = 1u64.checked_shl(group - 1).unwrap_or(0);
        for receiver in list::ALL.all() {
            let state = receiver.state.lock();
            let member = state.groups & bit != 0 && state.portid.is_some_and(|portid| portid != from);
            drop(state);
            if receiver.sock.protocol == self.sock.protocol
                && member
                && !receiver.push(from, group, Held::new(bytes.to_vec())?, sender_credentials(message))
            {
                receiver.overrun();
            }
        }
        Ok(())
    }
}

fn sender_credentials(message: &Outgoing<'_>) -> Credentials {
    message.credentials.or_else(Credentials::of_caller).unwrap_or(Credentials::NOBODY)
}

impl Protocol for NetlinkSocket {
    fn sock(&self) -> &Sock {
        &self.sock
    }

    fn bind(&self, _names: &dyn Names, address: &[u8]) -> Result<()> {
        let (portid, groups) = parse(address)?;
        if groups != 0 && !self.may_be_member() {
            return Err(Errno::PERM);
        }
        let own = self.state.lock().portid;
        match own {
            Some(own) if own != portid => return Err(Errno::INVAL),
            Some(_) => {}
            None if portid != 0 => self.insert(portid)?,
            None => self.portid().map(drop)?,
        }
        let mut state = self.state.lock();
        state.groups = state.groups & !u64::from(u32::MAX) | u64::from(groups);
        Ok(())
    }

    fn connect(&self, _names: &dyn Names, address: &[u8], _nonblock: bool) -> Result<()> {
        let family = address.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes)).ok_or(Errno::INVAL)?;
        if u32::from(family) == n::AF_UNSPEC {
            self.state.lock().peer = None;
            return Ok(());
        }
        let (portid, groups) = parse(address)?;
        if (portid != 0 || groups != 0) && !self.may_send_to_others() {
            return Err(Errno::PERM);
        }
        self.portid()?;
        self.state.lock().peer = Some((portid, first_group(groups)));
        Ok(())
    }

    fn name(&self, peer: bool) -> Result<Address> {
        let state = self.state.lock();
        Ok(match (peer, state.peer) {
            (true, Some((portid, group))) => address(portid, group_mask(group)),
            (true, None) => address(0, 0),
            (false, _) => address(state.portid.unwrap_or(0), state.groups as u32),
        })
    }

    /// `netlink_sendmsg`
    fn send(&self, src: &mut IoSrc<'_>, message: Outgoing<'_>) -> Result<usize> {
        if message.flags.contains(MsgFlags::OOB) {
            return Err(Errno::OPNOTSUPP);
        }
        let len = src.remaining();
        if len == 0 {
            return Err(Errno::NODATA);
        }
        if !message.files.is_empty() {
            return Err(Errno::INVAL);
        }
        let (to, group) = match message.to {
            Some(address) => {
                let (to, groups) = parse(address)?;
                if (to != 0 || groups != 0) && !self.may_send_to_others() {
                    return Err(Errno::PERM);
                }
                (to, first_group(groups))
            }
            None => self.state.lock().peer.unwrap_or((0, 0)),
        };
        let from = self.portid()?;
        if len > self.sock.space.limit().saturating_sub(32) {
            return Err(Errno::MSGSIZE);
        }
        if len > ASKED_MAX {
            return Err(Errno::NOBUFS);
        }
        let mut bytes = vec![0; len];
        if src.take(&mut bytes)? < len {
            return Err(Errno::FAULT);
        }
        if group != 0 {
            self.broadcast(group, from, &bytes, &message)?;
        }
        match to {
            0 => self.ask(from, &bytes)?,
            _ => self.unicast(to, from, &bytes, &message)?,
        }
        Ok(len)
    }

    /// `netlink_recvmsg`
    fn receive(&self, dst: &mut IoDst<'_>, message: &mut Incoming) -> Result<usize> {
        let flags = message.flags;
        if flags.contains(MsgFlags::OOB) {
            return Err(Errno::OPNOTSUPP);
        }
        let patience = self.sock.receive_patience(flags.contains(MsgFlags::DONTWAIT));
        let room = dst.remaining();
        let received = loop {
            self.sock.take_error()?;
            let mut state = self.state.lock();
            let taken = match flags.contains(MsgFlags::PEEK) {
                true => state.queue.front().map(|m| (m.from, m.group, m.bytes.to_vec(), m.credentials)),
                false => state.queue.pop_front().map(|m| {
                    state.used -= m.bytes.len() + OVERHEAD;
                    (m.from, m.group, m.bytes.into_vec(), m.credentials)
                }),
            };
            if taken.is_some() {
                state.room = state.room.max(room);
            }
            drop(state);
            if let Some(taken) = taken {
                break taken;
            }
            patience.wait(&self.sock.readers, || {
                let more = !self.state.lock().queue.is_empty();
                (more || self.sock.has_error()).then_some(())
            })?;
        };
        self.senders.wake_all(PollEvents::WRITABLE);
        self.go_on()?;
        let (from, group, bytes, credentials) = received;
        let count = bytes.len().min(room);
        message.answer.set(MsgFlags::TRUNC, count < bytes.len());
        if message.wants_address {
            message.from = Some(address(from, group_mask(group)));
        }
        if self.state.lock().options & 1 << nl::NETLINK_PKTINFO != 0 {
            let (level, kind) = (n::SOL_NETLINK, nl::NETLINK_PKTINFO);
            message.controls.push(Control { level, kind, content: group.to_ne_bytes().to_vec() });
        }
        message.tell_sender(&self.sock.options, Some(credentials));
        if count > 0 && dst.put(&bytes[..count])? < count {
            return Err(Errno::FAULT);
        }
        Ok(if flags.contains(MsgFlags::TRUNC) { bytes.len() } else { count })
    }

    fn poll(&self, table: &mut PollTable<'_>) -> PollEvents {
        table.wait_on(&self.sock.readers);
        let readable = !self.state.lock().queue.is_empty();
        let mut events = PollEvents::WRITABLE | PollEvents::WRBAND;
        events.set(PollEvents::ERR, self.sock.has_error());
        if readable {
            events |= PollEvents::READABLE;
        }
        events
    }

    fn option(&self, level: i32, name: u32, value: Value) -> Result<()> {
        self.read_option(level, name, value)
    }

    fn set_option(&self, level: i32, name: u32, value: Argument) -> Result<()> {
        self.change_option(level, name, value)
    }

    fn release(&self) {
        let portid = self.state.lock().portid;
        if let Some(portid) = portid {
            PORTS.lock().remove(&(self.sock.protocol, portid));
        }
        let mut state = self.state.lock();
        state.portid = None;
        let (queue, pending) = (core::mem::take(&mut state.queue), state.pending.take());
        drop(state);
        drop((queue, pending));
        self.senders.wake_all(PollEvents::WRITABLE);
    }
}

impl Drop for NetlinkSocket {
    fn drop(&mut self) {
        list::ALL.leave(self);
    }
}
