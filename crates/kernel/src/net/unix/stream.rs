//! Bytes over a connection (`unix_stream_sendmsg`, `unix_stream_read_generic`).

use super::connection::credentials_for;
use super::queue::{Data, Message, STREAM_CHUNK, stream_cost};
use super::rights::{Rights, note_circle};
use super::{Status, UnixSocket};
use crate::net::{Credentials, Incoming, MsgFlags, Outgoing, Shutdown};
use crate::vfs::PollEvents;
use crate::{Errno, Result};
use core::mem::take;
use host::io::{IoDst, IoSrc};

/// Sends everything, waiting for room where that is allowed; then as much as there is room for.
pub fn send(socket: &UnixSocket, src: &mut IoSrc<'_>, mut message: Outgoing<'_>) -> Result<usize> {
    if message.flags.contains(MsgFlags::OOB) {
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
        let len = src.remaining().min(most);
        let step = socket.sock.space.reserve(&socket.sock, stream_cost(len), &patience).and_then(|charge| {
            let data = Data::take(src, len)?;
            let from = socket.shared()?;
            // Only the first part carries descriptors.
            let rights = Rights::send(take(&mut message.files))?;
            let circle = rights.as_ref().is_some_and(|rights| rights.closes_circle(&peer));
            let credentials = message.credentials.or_else(|| credentials_for(socket, &peer));
            let mut state = peer.state.lock();
            if state.dead || peer.sock.down().contains(Shutdown::RECEIVE) {
                drop(state);
                return Err(Errno::PIPE);
            }
            state.push(Message::new(data, from, credentials, rights, charge));
            drop(state);
            if circle {
                note_circle();
            }
            Ok(())
        });
        match step {
            Ok(()) => {
                peer.sock.readers.wake_all(PollEvents::READABLE);
                sent += len;
            }
            Err(errno) if sent == 0 => return Err(errno),
            Err(_) => break,
        }
    }
    Ok(sent)
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
        return Err(Errno::OPNOTSUPP);
    }
    let size = dst.remaining();
    let target = socket.sock.receive_target(flags.contains(MsgFlags::WAITALL), size);
    let patience = socket.sock.receive_patience(flags.contains(MsgFlags::DONTWAIT));
    let peek = flags.contains(MsgFlags::PEEK);
    let passes = socket.sock.options.pass_credentials();
    let mut sender: Option<Sender> = None;
    let mut copied = 0;
    // Of messages before this one everything was seen; without peeking it is always the first.
    let mut index = 0;
    let mut turn = socket.turn.lock();
    let end: Result<()> = loop {
        let mut state = socket.state.lock();
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
        message.credentials = Some(sender.unwrap_or(Credentials::NOBODY));
    }
    match end {
        Err(errno) if copied == 0 => {
            message.files.clear();
            Err(errno)
        }
        _ => Ok(copied),
    }
}
