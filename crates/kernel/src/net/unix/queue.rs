//! What waits to be received: messages, and what one costs its sender (`struct sk_buff`).

use super::rights::Rights;
use super::{State, UnixSocket};
use crate::net::{Charge, Credentials, Kind};
use crate::{Errno, Result};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use host::io::{IoDst, IoSrc};

/// Content of up to so many bytes lies in the message itself.
const SMALL: usize = 56;
/// Pieces of up to so many bytes are copied over the stack, so that the message stays whole meanwhile.
const STACK: usize = 256;
/// No message is longer, whatever `SO_SNDBUF` says: Linux finds no memory for it.
const LEN_MAX: usize = 8 << 20;

/// `SKB_MAX_HEAD(0)`: what fits beside the bookkeeping in one page.
const HEAD_MAX: usize = 3776;
/// `SKB_MAX_ALLOC`: the same of four pages.
const ALLOC_MAX: usize = 16064;
/// Bookkeeping in the same allocation as the bytes (`struct skb_shared_info`).
const SHARED_INFO: usize = 320;
/// `sizeof(struct sk_buff)`, aligned.
const SK_BUFF: usize = 256;
const PAGE: usize = 4096;

/// One write to a stream is cut into messages of so many bytes.
pub const STREAM_CHUNK: usize = ALLOC_MAX + (32 << 10);

/// The bytes of a message.
pub enum Data {
    Small([u8; SMALL], u8),
    Large(Vec<u8>),
}

impl Data {
    /// Takes `len` bytes from `src`.
    ///
    /// # Errors
    /// `EFAULT`; `ENOBUFS` for too many.
    pub fn take(src: &mut IoSrc<'_>, len: usize) -> Result<Data> {
        let mut data = match len {
            0..=SMALL => Data::Small([0; SMALL], len as u8),
            _ if len <= LEN_MAX => Data::Large(vec![0; len]),
            _ => return Err(Errno::NOBUFS),
        };
        let bytes = match &mut data {
            Data::Small(bytes, len) => &mut bytes[..usize::from(*len)],
            Data::Large(bytes) => bytes,
        };
        if !bytes.is_empty() && src.take(bytes)? < bytes.len() {
            return Err(Errno::FAULT);
        }
        Ok(data)
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Data::Small(bytes, len) => &bytes[..usize::from(*len)],
            Data::Large(bytes) => bytes,
        }
    }
}

/// What a message of `len` bytes on a stream costs, as Linux 6 counts it (`skb->truesize`).
pub fn stream_cost(len: usize) -> usize {
    let paged = len.saturating_sub(HEAD_MAX).next_multiple_of(PAGE).min(len);
    cost(len - paged, paged)
}

/// The same for a message that stays whole.
pub fn record_cost(len: usize) -> usize {
    let paged = len.saturating_sub(ALLOC_MAX).next_multiple_of(PAGE);
    cost(len - paged, paged)
}

fn cost(head: usize, paged: usize) -> usize {
    (head.next_multiple_of(64) + SHARED_INFO).next_power_of_two() + SK_BUFF + paged.next_multiple_of(PAGE)
}

/// A message.
pub struct Message {
    data: Data,
    /// How much of it was received.
    start: usize,
    end: usize,
    seq: u64,
    /// Who sent it.
    from: Arc<UnixSocket>,
    /// Who sent it, if that was asked for when it was sent.
    pub credentials: Option<Credentials>,
    /// When it came, if anybody wants to know.
    pub at_ns: u64,
    /// Descriptors that go along.
    pub rights: Option<Rights>,
    _charge: Charge,
}

impl Message {
    /// A message of these bytes.
    pub fn new(
        data: Data,
        from: Arc<UnixSocket>,
        credentials: Option<Credentials>,
        rights: Option<Rights>,
        charge: Charge,
    ) -> Message {
        let end = data.bytes().len();
        Message { data, start: 0, end, seq: 0, from, credentials, at_ns: 0, rights, _charge: charge }
    }

    /// Bytes not yet received.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// The first of them.
    pub fn first(&self) -> Option<u8> {
        self.data.bytes().get(self.start..self.end)?.first().copied()
    }

    /// Its number in the queue.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Who sent it.
    pub fn sender(&self) -> Arc<UnixSocket> {
        self.from.clone()
    }

    /// Removes `count` bytes from the front.
    pub fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }

    /// Copies the first `len` bytes of what is left out of a message that is in no queue.
    ///
    /// # Errors
    /// `EFAULT`.
    pub fn copy(&self, len: usize, dst: &mut IoDst<'_>) -> Result<()> {
        put_all(dst, self.data.bytes().get(self.start..self.start + len).unwrap_or(&[]))
    }
}

fn put_all(dst: &mut IoDst<'_>, bytes: &[u8]) -> Result<()> {
    if bytes.is_empty() || dst.put(bytes)? == bytes.len() { Ok(()) } else { Err(Errno::FAULT) }
}

impl State {
    /// Bytes that a receiver gets: of connections all, else those of the next message (`unix_inq_len`).
    pub(super) fn unread(&self, of_connection: bool) -> usize {
        match of_connection {
            true => self.queue.iter().map(Message::len).sum(),
            false => self.queue.front().map_or(0, Message::len),
        }
    }

    /// Whether a read would begin at the urgent byte, taken or not (`SIOCATMARK`).
    pub(super) fn is_at_mark(&self) -> bool {
        let seq_at = |index: usize| self.queue.get(index).map(Message::seq);
        let is_urgent = |index: usize| self.urgent.is_some() && self.urgent == seq_at(index);
        let Some(front) = self.queue.front() else { return false };
        is_urgent(0) || front.len() == 0 && (self.urgent.is_none() || is_urgent(1))
    }

    /// Whether something was not received; a mark is nothing.
    pub(super) fn has_unread(&self, kind: Kind) -> bool {
        self.queue.iter().any(|message| kind != Kind::Stream || message.len() > 0)
    }

    /// Adds a message.
    pub(super) fn push(&mut self, mut message: Message) {
        message.seq = self.next_seq;
        self.next_seq += 1;
        self.queue.push_back(message);
    }
}

impl UnixSocket {
    /// Copies `len` bytes from offset `skip` of what is left in the message at `index` of the queue. The caller has
    /// the turn, so nobody takes the message away but who clears the whole queue.
    pub(super) fn copy_queued(
        &self,
        index: usize,
        skip: usize,
        len: usize,
        dst: &mut IoDst<'_>,
    ) -> Result<()> {
        let mut state = self.state.lock();
        let Some(message) = state.queue.get_mut(index) else { return Ok(()) };
        let from = message.start + skip;
        if len <= STACK {
            let mut chunk = [0; STACK];
            let Some(bytes) = message.data.bytes().get(from..from + len) else { return Ok(()) };
            chunk[..len].copy_from_slice(bytes);
            drop(state);
            return put_all(dst, &chunk[..len]);
        }
        let seq = message.seq;
        let data = core::mem::replace(&mut message.data, Data::Small([0; SMALL], 0));
        drop(state);
        let result = put_all(dst, data.bytes().get(from..from + len).unwrap_or(&[]));
        if let Some(message) = self.state.lock().queue.get_mut(index).filter(|message| message.seq == seq) {
            message.data = data;
        }
        result
    }
}
