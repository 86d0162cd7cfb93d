//! What the kernel answers to a request: how answers of `route` and `diag` become messages (`netlink_ack`,
//! `netlink_dump`).

use super::wire::{HEADER, Request, message};
use crate::net::Held;
use crate::{Errno, Result};
use alloc::vec::Vec;
use linux_raw_sys::netlink as nl;

const MULTI: u16 = nl::NLM_F_MULTI as u16;

/// Type and payload of a message.
pub struct Reply {
    /// What it is.
    pub kind: u16,
    /// What follows the header.
    pub payload: Vec<u8>,
}

/// Many replies.
#[derive(Default)]
pub struct Dump {
    /// One after the other.
    pub replies: Vec<Reply>,
    /// Whether the asker had some left out.
    pub filtered: bool,
    /// Whether the end comes with the last of them, or apart.
    pub together: bool,
}

/// An error, and what went wrong in words (`struct netlink_ext_ack`).
pub struct Refusal {
    /// The error.
    pub errno: Errno,
    /// The words.
    pub text: Option<&'static str>,
    /// Whether the asker wanted some left out; see [`Dump::filtered`].
    pub filtered: bool,
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Refusal {
        Refusal { errno, text: None, filtered: false }
    }
}

/// What became of a request.
pub enum Answer {
    /// Done, without a reply of its own.
    Done,
    /// One reply.
    One(Reply),
    /// Many, or an error that is told where they would end.
    Many(core::result::Result<Dump, Refusal>),
}

/// How the asker wants to be answered.
#[derive(Clone, Copy, Default)]
pub struct Style {
    /// Its address.
    pub portid: u32,
    /// `NETLINK_GET_STRICT_CHK`
    pub strict: bool,
    /// `NETLINK_EXT_ACK`
    pub words: bool,
    /// `NETLINK_CAP_ACK`: what was asked for is not repeated.
    pub capped: bool,
}

/// `NLMSGERR_ATTR_MSG`, as an attribute.
fn words(style: Style, refusal: Option<&Refusal>) -> Vec<u8> {
    match refusal.and_then(|refusal| refusal.text) {
        Some(text) if style.words => {
            let mut body = super::wire::Body::new(&[]);
            body.string(1, text.as_bytes());
            body.into_bytes()
        }
        _ => Vec::new(),
    }
}

fn code(refusal: Option<&Refusal>) -> [u8; 4] {
    refusal.map_or(0, |refusal| -refusal.errno.raw_os_error()).to_ne_bytes()
}

/// `NLMSG_ERROR`: the outcome of a request, also a good one.
pub fn acknowledge(style: Style, request: &Request<'_>, refusal: Option<&Refusal>) -> Vec<u8> {
    let repeat = refusal.is_some() && !style.capped;
    let mut payload = code(refusal).to_vec();
    payload.extend_from_slice(if repeat { request.whole() } else { &request.whole()[..HEADER] });
    payload.resize(payload.len().next_multiple_of(4), 0);
    let words = words(style, refusal);
    let mut flags = 0;
    if !repeat {
        flags |= nl::NLM_F_CAPPED;
    }
    if !words.is_empty() {
        flags |= nl::NLM_F_ACK_TLVS;
    }
    payload.extend(words);
    message(nl::NLMSG_ERROR as u16, flags as u16, request.seq, style.portid, &payload)
}

/// A single reply.
pub fn single(style: Style, request: &Request<'_>, reply: &Reply) -> Vec<u8> {
    message(reply.kind, 0, request.seq, style.portid, &reply.payload)
}

/// Replies that have not been received yet.
pub struct Pending {
    /// Whole messages, one after the other.
    bytes: Held,
    at: usize,
    /// The last message.
    end: Vec<u8>,
    together: bool,
}

impl Pending {
    /// All messages of an answer in parts.
    ///
    /// # Errors
    /// `ENOBUFS`.
    pub fn new(
        style: Style,
        request: &Request<'_>,
        dump: core::result::Result<Dump, Refusal>,
    ) -> Result<Pending> {
        let (dump, refusal) = match dump {
            Ok(dump) => (dump, None),
            Err(refusal) => {
                let filtered = refusal.filtered;
                (Dump { together: true, filtered, ..Dump::default() }, Some(refusal))
            }
        };
        let mut flags = MULTI;
        if dump.filtered {
            flags |= nl::NLM_F_DUMP_FILTERED as u16;
        }
        let mut bytes = Vec::new();
        for reply in &dump.replies {
            bytes.extend(message(reply.kind, flags, request.seq, style.portid, &reply.payload));
        }
        let words = words(style, refusal.as_ref());
        let end_flags = flags | if words.is_empty() { 0 } else { nl::NLM_F_ACK_TLVS as u16 };
        let payload = [&code(refusal.as_ref())[..], &words].concat();
        let end = message(nl::NLMSG_DONE as u16, end_flags, request.seq, style.portid, &payload);
        Ok(Pending { bytes: Held::new(bytes)?, at: 0, end, together: dump.together })
    }

    /// The next part, of at most `room` bytes where a message is not longer; and whether it is the last.
    pub fn next_part(&mut self, room: usize) -> (Vec<u8>, bool) {
        let rest = &self.bytes[self.at..];
        let mut len = 0;
        for request in super::wire::Requests(rest) {
            let step = request.whole().len().next_multiple_of(4);
            if len > 0 && len + step > room {
                break;
            }
            len += step;
        }
        self.at += len;
        let mut part = rest[..len].to_vec();
        let last = self.at == self.bytes.len()
            && (part.is_empty() || self.together && part.len() + self.end.len() <= room);
        if last {
            part.append(&mut self.end);
        }
        (part, last)
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::Requests;
    use super::*;
    use alloc::vec;

    fn parts(count: usize, together: bool, room: usize) -> Vec<Vec<u8>> {
        let asked = message(18, 0x301, 5, 0, &[]);
        let request = Requests(&asked).next().unwrap();
        let replies = (0..count).map(|n| Reply { kind: 16, payload: vec![n as u8; 20] }).collect();
        let dump = Dump { replies, together, ..Dump::default() };
        let mut pending = Pending::new(Style::default(), &request, Ok(dump)).unwrap();
        let mut out = Vec::new();
        loop {
            let (part, last) = pending.next_part(room);
            out.push(part);
            if last {
                return out;
            }
        }
    }

    #[test]
    fn parts_hold_whole_messages_and_the_end_comes_last() {
        let lens = |parts: Vec<Vec<u8>>| parts.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lens(parts(0, false, 100)), [20]);
        assert_eq!(lens(parts(5, false, 100)), [72, 72, 36, 20]);
        assert_eq!(lens(parts(5, true, 100)), [72, 72, 56]);
        // One that does not fit comes alone.
        assert_eq!(lens(parts(2, true, 1)), [36, 36, 20]);
    }
}
