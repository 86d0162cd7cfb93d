//! Bytes over a connection, and the one byte that is urgent (tcp(7); `tcp_sendmsg`, `tcp_recvmsg`, `tcp_recv_urg`).
//!
//! An urgent byte lies among the others, at a place that the receiver remembers: reads end there, and go on behind it,
//! unless `SO_OOBINLINE` makes it one like the others. recv(2) with `MSG_OOB` takes it out of turn. There is one at a
//! time; a further one makes the older a byte like the others.

use super::{CHUNK, PIECE, State, Status, Tcp};
use crate::net::{Held, Incoming, MsgFlags, Shutdown};
use crate::vfs::PollEvents;
use crate::{Errno, Result};
use alloc::vec;
use alloc::vec::Vec;
use host::io::{IoDst, IoSrc};
use linux_raw_sys::net::SO_OOBINLINE;

/// Where the urgent byte is.
#[derive(Clone, Copy)]
pub(super) struct Urgent {
    /// Counted from the first byte of the connection.
    at: u64,
    byte: u8,
    /// recv(2) with `MSG_OOB` has taken it.
    taken: bool,
}

impl State {
    /// Whether the next byte to read is the urgent one, taken or not (`SIOCATMARK`).
    pub(super) fn is_at_mark(&self, skip: usize) -> bool {
        self.urgent.is_some_and(|urgent| urgent.at == self.read + skip as u64)
    }

    /// Whether there is an urgent byte to take.
    pub(super) fn has_urgent(&self) -> bool {
        self.urgent.is_some_and(|urgent| !urgent.taken)
    }

    /// How many bytes a read gets at most (`tcp_inq`).
    pub(super) fn readable(&self, inline: bool) -> usize {
        match self.urgent {
            Some(urgent) if !inline => self.len.min((urgent.at - self.read) as usize),
            _ => self.len,
        }
    }

    /// Takes pieces off the front that were read; they are to be dropped without the lock.
    fn advance(&mut self, count: usize) -> Vec<Held> {
        let count = count.min(self.len);
        self.len -= count;
        self.start += count;
        self.read += count as u64;
        if self.urgent.is_some_and(|urgent| urgent.at < self.read) {
            self.urgent = None;
        }
        let mut done = Vec::new();
        while let Some(first) = self.buffer.front().map(|piece| piece.len())
            && self.start >= first
        {
            self.start -= first;
            done.extend(self.buffer.pop_front());
        }
        done
    }
}

impl Tcp {
    /// Whether the urgent byte is one like the others.
    pub(super) fn is_inline(&self) -> bool {
        self.sock.options.is_on(SO_OOBINLINE)
    }

    /// Copies what is in the buffer from `skip` on, at most `most` bytes and not beyond an urgent byte.
    fn look(&self, skip: usize, most: usize) -> Vec<u8> {
        let state = self.state.lock();
        let to_mark = state.urgent.and_then(|urgent| urgent.at.checked_sub(state.read + skip as u64));
        let most = match to_mark {
            Some(distance) if distance > 0 => most.min(distance as usize),
            _ => most,
        };
        let mut out = Vec::with_capacity(most.min(state.len.saturating_sub(skip)));
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
        let done = state.advance(count);
        let peer = state.peer.clone();
        let len = state.len;
        drop(state);
        drop(done);
        if let Some(peer) = peer
            && len <= self.capacity(&peer) / 3 * 2
        {
            peer.sock.space.queue.wake_all(PollEvents::WRITABLE);
        }
    }

    /// Adds bytes that have come, of which the last may be urgent; `false`: nobody will read them.
    fn arrive(&self, bytes: Held, urgent: bool) -> bool {
        let mut done = Vec::new();
        let mut state = self.state.lock();
        // What nobody can read is thrown away on arrival. After shutdown(SHUT_RD) it still can be read.
        if state.dead {
            return false;
        }
        if urgent && state.is_at_mark(0) && !self.is_inline() {
            // The one before was not passed: it is lost (`tcp_check_urg`).
            done = state.advance(1);
        }
        state.len += bytes.len();
        if let Some(&byte) = bytes.last().filter(|_| urgent) {
            state.urgent = Some(Urgent { at: state.read + state.len as u64 - 1, byte, taken: false });
        }
        match state.buffer.back_mut() {
            Some(last) if last.len() + bytes.len() <= PIECE => last.append(bytes),
            _ => state.buffer.push_back(bytes),
        }
        drop(state);
        drop(done);
        let mut events = PollEvents::READABLE;
        events.set(PollEvents::PRI, urgent);
        self.sock.readers.wake_all(events);
        if urgent {
            self.sock.signal_urgent();
        }
        true
    }

    /// Sends everything, waiting for room where that is allowed; then as much as there is room for. With `MSG_OOB` the
    /// last byte is urgent.
    pub(super) fn send_bytes(&self, src: &mut IoSrc<'_>, flags: MsgFlags) -> Result<usize> {
        let patience = self.sock.send_patience(flags.contains(MsgFlags::DONTWAIT));
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
            peer.arrive(bytes, flags.contains(MsgFlags::OOB) && src.is_empty());
            sent += len;
        };
        self.state.lock().sent += sent as u64;
        match result {
            Err(errno) if sent == 0 => Err(errno),
            _ => Ok(sent),
        }
    }

    /// Takes the urgent byte (`tcp_recv_urg`).
    fn receive_urgent(&self, dst: &mut IoDst<'_>, message: &mut Incoming) -> Result<usize> {
        let byte = {
            let mut state = self.state.lock();
            let taken = state.urgent.as_mut().filter(|urgent| !urgent.taken);
            let urgent = taken.filter(|_| !self.is_inline()).ok_or(Errno::INVAL)?;
            urgent.taken = !message.flags.contains(MsgFlags::PEEK);
            urgent.byte
        };
        message.answer |= MsgFlags::OOB;
        if dst.is_empty() {
            message.answer |= MsgFlags::TRUNC;
            return Ok(0);
        }
        if !message.flags.contains(MsgFlags::TRUNC) && dst.put(&[byte])? == 0 {
            return Err(Errno::FAULT);
        }
        Ok(1)
    }

    /// Receives what is there, at least one byte, or all that was asked for with `MSG_WAITALL`; 0 at the end.
    pub(super) fn receive_bytes(&self, dst: &mut IoDst<'_>, message: &mut Incoming) -> Result<usize> {
        let flags = message.flags;
        {
            let state = self.state.lock();
            let listens = state.status == Status::Listening;
            if listens || state.status == Status::Closed && state.remote.is_none() {
                drop(state);
                // What was never connected has no urgent byte, which is looked at first.
                if flags.contains(MsgFlags::OOB) && !listens {
                    return Err(Errno::INVAL);
                }
                self.sock.take_error()?;
                return Err(Errno::NOTCONN);
            }
        }
        if flags.contains(MsgFlags::OOB) {
            return self.receive_urgent(dst, message);
        }
        let patience = self.sock.receive_patience(flags.contains(MsgFlags::DONTWAIT));
        let size = dst.remaining();
        let target = self.sock.receive_target(flags.contains(MsgFlags::WAITALL), size);
        let peek = flags.contains(MsgFlags::PEEK);
        let mut copied = 0;
        // Bytes passed without being taken.
        let mut skip = 0;
        let mut turn = self.turn.lock();
        while copied < size {
            if self.state.lock().is_at_mark(skip) {
                if copied > 0 {
                    break;
                }
                match (self.is_inline(), peek) {
                    (true, _) => {}
                    (false, true) => skip += 1,
                    (false, false) => self.consume(1),
                }
            }
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
                match peek {
                    true => skip += bytes.len(),
                    false => self.consume(bytes.len()),
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
}
