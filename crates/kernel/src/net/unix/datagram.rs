//! Messages that stay whole: datagrams, and packets over a connection (`unix_dgram_sendmsg`,
//! `__unix_dgram_recvmsg`, `unix_dgram_connect`).

use super::connection::credentials_for;
use super::queue::{Data, Message, record_cost};
use super::rights::{Rights, note_circle};
use super::{Kind, Status, UnixSocket, name};
use crate::net::{Incoming, MsgFlags, Names, Outgoing, Shutdown};
use crate::vfs::PollEvents;
use crate::{Errno, Result};
use alloc::sync::Arc;
use core::mem::take;
use host::io::{IoDst, IoSrc};
use linux_raw_sys::net::AF_UNSPEC;

/// Whether somebody else's socket takes messages from `sender` (`unix_may_send`).
fn may_send(sender: &UnixSocket, receiver: &UnixSocket) -> bool {
    let state = receiver.state.lock();
    state.peer.as_ref().is_none_or(|peer| core::ptr::eq(&**peer, sender))
}

/// connect(2): whom messages go to, and whose are taken; `AF_UNSPEC`: nobody's, and everybody's.
pub fn connect(socket: &UnixSocket, names: &dyn Names, address: &[u8]) -> Result<()> {
    let family = address.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes)).ok_or(Errno::INVAL)?;
    let other = if u32::from(family) == AF_UNSPEC {
        None
    } else {
        name::validate(address)?;
        name::autobind_for_credentials(socket)?;
        let other = name::find(names, address, Kind::Dgram)?;
        if !may_send(socket, &other) {
            return Err(Errno::PERM);
        }
        Some(other)
    };
    let mut state = socket.state.lock();
    let unchanged = match (&state.peer, &other) {
        (Some(old), Some(new)) => Arc::ptr_eq(old, new),
        (old, _) => old.is_none(),
    };
    state.status = if other.is_some() { Status::Established } else { Status::Closed };
    let old = core::mem::replace(&mut state.peer, other);
    if unchanged {
        return Ok(());
    }
    // What came from whom is not clear any more (`unix_dgram_disconnected`).
    let stale = take(&mut state.queue);
    drop(state);
    if !stale.is_empty() {
        socket.room.wake_all(PollEvents::WRITABLE);
        if let Some(old) = &old
            && old.peer().is_some_and(|peer| core::ptr::eq(&*peer, socket))
        {
            old.sock.set_error(Errno::CONNRESET);
            old.sock.wake_everybody();
        }
    }
    drop(stale);
    socket.sock.wake_everybody();
    Ok(())
}

/// Sends one message.
pub fn send(socket: &UnixSocket, src: &mut IoSrc<'_>, mut message: Outgoing<'_>) -> Result<usize> {
    if socket.sock.kind == Kind::SeqPacket {
        socket.sock.take_error()?;
        if socket.state.lock().status != Status::Established {
            return Err(Errno::NOTCONN);
        }
        // An address is ignored.
        message.to = None;
    }
    if message.flags.contains(MsgFlags::OOB) {
        return Err(Errno::OPNOTSUPP);
    }
    match message.to {
        Some(address) => name::validate(address)?,
        None if socket.peer().is_none() => return Err(Errno::NOTCONN),
        None => {}
    }
    name::autobind_for_credentials(socket)?;
    let len = src.remaining();
    if len > socket.sock.space.limit().saturating_sub(32) {
        return Err(Errno::MSGSIZE);
    }
    let patience = socket.sock.send_patience(message.flags.contains(MsgFlags::DONTWAIT));
    let charge = socket.sock.space.reserve(&socket.sock, record_cost(len), &patience)?;
    let rights = Rights::send(take(&mut message.files))?;
    let data = Data::take(src, len)?;
    let from = socket.shared()?;
    loop {
        let other = match (message.to, message.names) {
            (Some(address), Some(names)) => name::find(names, address, socket.sock.kind)?,
            // Gone since: disconnected.
            _ => socket.peer().ok_or(Errno::CONNRESET)?,
        };
        let circle = rights.as_ref().is_some_and(|rights| rights.closes_circle(&other));
        let credentials = message.credentials.or_else(|| credentials_for(socket, &other));
        let mut state = other.state.lock();
        if state.peer.as_ref().is_some_and(|peer| !core::ptr::eq(&**peer, socket)) {
            return Err(Errno::PERM);
        }
        if state.dead {
            drop(state);
            return Err(forget(socket, &other));
        }
        if other.sock.down().contains(Shutdown::RECEIVE) {
            return Err(Errno::PIPE);
        }
        if other.is_full_for(&state, socket) {
            drop(state);
            patience.wait(&other.room, || {
                let state = other.state.lock();
                let stop = state.dead
                    || other.sock.down().contains(Shutdown::RECEIVE)
                    || socket.sock.down().contains(Shutdown::SEND);
                (stop || !other.is_full_for(&state, socket)).then_some(())
            })?;
            if socket.sock.down().contains(Shutdown::SEND) {
                return Err(Errno::PIPE);
            }
            continue;
        }
        let mut message = Message::new(data, from, credentials, rights, charge);
        message.at_ns = other.sock.options.stamp_now();
        state.push(message);
        drop(state);
        if circle {
            note_circle();
        }
        other.sock.readers.wake_all(PollEvents::READABLE);
        return Ok(len);
    }
}

/// The receiver is gone: whoever was connected to it is so no more.
fn forget(socket: &UnixSocket, other: &Arc<UnixSocket>) -> Errno {
    if socket.sock.kind == Kind::SeqPacket {
        return Errno::PIPE;
    }
    let mut state = socket.state.lock();
    if state.peer.as_ref().is_some_and(|peer| Arc::ptr_eq(peer, other)) {
        state.status = Status::Closed;
        let old = state.peer.take();
        let stale = take(&mut state.queue);
        drop(state);
        drop((old, stale));
        socket.sock.wake_everybody();
    }
    Errno::CONNREFUSED
}

/// Receives one message, cut to the room there is.
pub fn receive(socket: &UnixSocket, dst: &mut IoDst<'_>, message: &mut Incoming) -> Result<usize> {
    let sequenced = socket.sock.kind == Kind::SeqPacket;
    if sequenced && socket.state.lock().status != Status::Established {
        return Err(Errno::NOTCONN);
    }
    let flags = message.flags;
    if flags.contains(MsgFlags::OOB) {
        return Err(Errno::OPNOTSUPP);
    }
    let patience = socket.sock.receive_patience(flags.contains(MsgFlags::DONTWAIT));
    let room = dst.remaining();
    loop {
        // Held until the message is out of the queue, or looked at.
        let turn = socket.turn.lock();
        socket.sock.take_error()?;
        let mut state = socket.state.lock();
        let Some(front) = state.queue.front() else {
            drop(state);
            drop(turn);
            let closed = socket.sock.down().contains(Shutdown::RECEIVE);
            if closed && (sequenced || !patience.is_nonblock()) {
                return Ok(0);
            }
            patience.wait(&socket.sock.readers, || {
                let more = !socket.state.lock().queue.is_empty();
                let stop = socket.sock.has_error() || socket.sock.down().contains(Shutdown::RECEIVE);
                (more || stop).then_some(())
            })?;
            continue;
        };
        let len = front.len();
        let count = len.min(room);
        let from = message.wants_address.then(|| front.sender());
        message.tell_sender(&socket.sock.options, front.credentials);
        message.controls.extend(socket.sock.options.stamp(front.at_ns));
        message.answer.set(MsgFlags::TRUNC, room < len);
        if flags.contains(MsgFlags::PEEK) {
            let files = front.rights.as_ref().map(Rights::peek).unwrap_or_default();
            drop(state);
            message.files = files;
            message.from = from.and_then(|from| from.known_address());
            socket.copy_queued(0, 0, count, dst)?;
        } else {
            let Some(mut front) = state.queue.pop_front() else { continue };
            drop(state);
            drop(turn);
            socket.room.wake_all(PollEvents::WRITABLE);
            message.from = from.and_then(|from| from.known_address());
            // Lost when it cannot be copied, as on Linux.
            front.copy(count, dst)?;
            message.files = front.rights.take().map(Rights::arrive).unwrap_or_default();
        }
        return Ok(if flags.contains(MsgFlags::TRUNC) { len } else { count });
    }
}
