//! Bytes over a connection (`unix_stream_sendmsg`, `unix_stream_read_generic`).

use super::connection::credentials_for;
use super::queue::{Data, Message, STREAM_CHUNK, stream_cost};
use super::rights::{Rights, note_circle};
use super::{State, Status, UnixSocket};
use crate::net::{Credentials, Incoming, MsgFlags, Outgoing, Patience, Shutdown};
use crate::vfs::PollEvents;
use crate::{Errno, Result};
use alloc::vec::Vec;
use core::mem::take;
use host::io::{IoDst, IoSrc};
use linux_raw_sys::net::SO_OOBINLINE;

/// Sends everything, waiting for room where that is allowed; then as much as there is room for. With `MSG_OOB` the last
/// byte is urgent, and a message of its own (`queue_oob`).
pub fn send(socket: &UnixSocket, src: &mut IoSrc<'_>, mut message: Outgoing<'_>) -> Result<usize> {
    let urgent = message.flags.contains(MsgFlags::OOB);
    if urgent && src.is_empty() {
        return Err(Errno::OPNOTSUPP);
    }
    let (status, peer) = {
        let state = socket.state.lock();
        (state.status, state.peer.clone())
    };
    if message.to.is_some() {
        return Err(if status == Status::Established { Errno::ISCONN } else { Errno::OPNOTSUPP });
    }
    let peer = peer.ok_or(Errno::NOTCONN)?;
    if socket.sock.down().contains(Shutdown::SEND) {
        return Err(Errno::PIPE);
    }
    let patience = socket.sock.send_patience(message.flags.contains(MsgFlags::DONTWAIT));
    let mut sent = 0;
    while !src.is_empty() {
        // Two messages fit the buffer, so that the receiver has one while the next is made.
        let most = (socket.sock.space.limit() / 2).saturating_sub(64).clamp(1, STREAM_CHUNK);
        let ordinary = src.remaining() - usize::from(urgent);
        let (len, urgent) = if ordinary == 0 { (1, true) } else { (ordinary.min(most), false) };
        match send_one(socket, &peer, src, len, urgent, &mut message, &patience) {
            Ok(()) => {
                peer.sock.readers.wake_all(if urgent { URGENT } else { PollEvents::READABLE });
                sent += len;
            }
            Err(errno) if sent == 0 => return Err(errno),
            Err(_) => break,
        }
        if urgent {
            peer.sock.signal_urgent();
        }
    }
    Ok(sent)
}

const URGENT: PollEvents = PollEvents::READABLE.union(PollEvents::PRI);

/// One message of a stream.
fn send_one(
    socket: &UnixSocket,
    peer: &UnixSocket,
    src: &mut IoSrc<'_>,
    len: usize,
    urgent: bool,
    message: &mut Outgoing<'_>,
    patience: &Patience,
) -> Result<()> {
    let charge = socket.sock.space.reserve(&socket.sock, stream_cost(len), patience)?;
    let data = Data::take(src, len)?;
    let from = socket.shared()?;
    // Only the first part carries descriptors.
    let rights = Rights::send(take(&mut message.files))?;
    let circle = rights.as_ref().is_some_and(|rights| rights.closes_circle(peer));
    let credentials = message.credentials.or_else(|| credentials_for(socket, peer));
    let mut state = peer.state.lock();
    if state.dead || peer.sock.down().contains(Shutdown::RECEIVE) {
        drop(state);
        return Err(Errno::PIPE);
    }
    state.push(Message::new(data, from, credentials, rights, charge));
    if urgent {
        // The one before is a byte like the others now.
        state.urgent = state.queue.back().map(Message::seq);
    }
    drop(state);
    if circle {
        note_circle();
    }
    Ok(())
}

/// Takes the urgent byte (`unix_stream_recv_urg`). Its message stays in the queue as a mark.
fn receive_urgent(socket: &UnixSocket, dst: &mut IoDst<'_>, message: &mut Incoming) -> Result<usize> {
    let _turn = socket.turn.lock();
    let byte = {
        let mut state = socket.state.lock();
        let seq = state.urgent.filter(|_| !socket.sock.options.is_on(SO_OOBINLINE)).ok_or(Errno::INVAL)?;
        let taken = !message.flags.contains(MsgFlags::PEEK);
        if taken {
            state.urgent = None;
        }
        let found = state.queue.iter_mut().find(|each| each.seq() == seq).ok_or(Errno::INVAL)?;
        let byte = found.first().ok_or(Errno::INVAL)?;
        if taken {
            found.consume(1);
        }
        byte
    };
    if dst.put(&[byte])? == 0 {
        return Err(Errno::FAULT);
    }
    message.answer |= MsgFlags::OOB;
    Ok(1)
}

impl State {
    /// What the message at `index` being urgent, or a mark, means for a read that has copied so much (`manage_oob`);
    /// `true`: the read ends. Messages that are passed go to `passed`, to be dropped without the lock.
    fn pass_urgent(
        &mut self,
        index: &mut usize,
        copied: usize,
        (peek, inline): (bool, bool),
        passed: &mut Vec<Message>,
    ) -> bool {
        let mut front = self.queue.get(*index).map(|front| (front.seq(), front.len()));
        if let Some((_, 0)) = front {
            if copied > 0 && self.urgent.is_none() {
                return true;
            }
            match peek {
                true => *index += 1,
                false => passed.extend(self.queue.remove(*index)),
            }
            front = self.queue.get(*index).map(|front| (front.seq(), front.len()));
        }
        if self.urgent.is_none() || self.urgent != front.map(|(seq, _)| seq) {
            return false;
        }
        if copied > 0 {
            return true;
        }
        if !peek {
            self.urgent = None;
        }
        match (inline, peek) {
            (true, _) => {}
            (false, true) => *index += 1,
            (false, false) => passed.extend(self.queue.remove(*index)),
        }
        false
    }
}

/// What the messages of one receive must have in common: bytes of different senders are not mixed, when the receiver
/// wants to know who sent.
type Sender = Option<Credentials>;

/// Receives what is there, at least one byte, or all that was asked for with `MSG_WAITALL`; 0 at the end.
pub fn receive(socket: &UnixSocket, dst: &mut IoDst<'_>, message: &mut Incoming) -> Result<usize> {
    if socket.state.lock().status != Status::Established {
        return Err(Errno::INVAL);
    }
    let flags = message.flags;
    if flags.contains(MsgFlags::OOB) {
        return receive_urgent(socket, dst, message);
    }
    let inline = socket.sock.options.is_on(SO_OOBINLINE);
    let size = dst.remaining();
    let target = socket.sock.receive_target(flags.contains(MsgFlags::WAITALL), size);
    let patience = socket.sock.receive_patience(flags.contains(MsgFlags::DONTWAIT));
    let peek = flags.contains(MsgFlags::PEEK);
    let passes = socket.sock.options.wants_sender();
    let mut sender: Option<Sender> = None;
    let mut copied = 0;
    // Of messages before this one everything was seen; without peeking it is always the first.
    let mut index = 0;
    let mut turn = socket.turn.lock();
    let end: Result<()> = loop {
        let mut state = socket.state.lock();
        let mut passed = Vec::new();
        let ends = state.pass_urgent(&mut index, copied, (peek, inline), &mut passed);
        if ends || !passed.is_empty() {
            drop(state);
            drop(passed);
            if ends {
                break Ok(());
            }
            state = socket.state.lock();
        }
        let Some(front) = state.queue.get(index) else {
            drop(state);
            if copied >= target {
                break Ok(());
            }
            if let Err(errno) = socket.sock.take_error() {
                break Err(errno);
            }
            if socket.sock.down().contains(Shutdown::RECEIVE) {
                break Ok(());
            }
            drop(turn);
            let waited = patience.wait(&socket.sock.readers, || {
                let more = socket.state.lock().queue.len() > index;
                let stop = socket.sock.has_error() || socket.sock.down().contains(Shutdown::RECEIVE);
                (more || stop).then_some(())
            });
            if let Err(errno) = waited {
                if !matches!(errno, Errno::AGAIN) {
                    // As Linux: what came along with the bytes so far is lost.
                    message.files.clear();
                }
                return if copied > 0 { Ok(copied) } else { Err(errno) };
            }
            turn = socket.turn.lock();
            continue;
        };
        match sender {
            Some(sender) if sender != front.credentials => break Ok(()),
            None if passes => sender = Some(front.credentials),
            _ => {}
        }
        let from = (message.wants_address && message.from.is_none()).then(|| front.sender());
        let (seq, len) = (front.seq(), front.len());
        drop(state);
        if let Some(from) = from {
            message.from = from.known_address();
        }
        let chunk = len.min(size - copied);
        if let Err(errno) = socket.copy_queued(index, 0, chunk, dst) {
            break Err(errno);
        }
        copied += chunk;
        state = socket.state.lock();
        let Some(front) = state.queue.get_mut(index).filter(|front| front.seq() == seq) else {
            break Ok(());
        };
        if peek {
            let files = front.rights.as_ref().map(Rights::peek).unwrap_or_default();
            drop(state);
            index += 1;
            if !files.is_empty() {
                message.files = files;
                break Ok(());
            }
        } else {
            front.consume(chunk);
            let rights = front.rights.take();
            let done = if front.len() == 0 { state.queue.pop_front() } else { None };
            drop(state);
            let partly = done.is_none();
            // The sender may be woken by this.
            drop(done);
            if let Some(rights) = rights {
                message.files = rights.arrive();
                break Ok(());
            }
            if partly {
                break Ok(());
            }
        }
        if copied == size {
            break Ok(());
        }
    };
    drop(turn);
    if let Some(sender) = sender {
        message.tell_sender(&socket.sock.options, sender);
    }
    match end {
        Err(errno) if copied == 0 => {
            message.files.clear();
            Err(errno)
        }
        _ => Ok(copied),
    }
}
