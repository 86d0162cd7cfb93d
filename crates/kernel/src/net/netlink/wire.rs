//! Messages of netlink(7) as bytes: taken apart and put together (`struct nlmsghdr`, `struct nlattr`).

use alloc::vec::Vec;

/// `sizeof(struct nlmsghdr)`
pub const HEADER: usize = 16;
/// Messages and attributes begin at multiples of this.
const ALIGN: usize = 4;

/// A request.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// What is asked for.
    pub kind: u16,
    /// `NLM_F_*`
    pub flags: u16,
    /// Repeated in answers.
    pub seq: u32,
    whole: &'a [u8],
}

impl<'a> Request<'a> {
    /// The request with its header.
    pub fn whole(&self) -> &'a [u8] {
        self.whole
    }

    /// What follows the header.
    pub fn payload(&self) -> &'a [u8] {
        &self.whole[HEADER..]
    }

    /// The fixed part of the payload, of `N` bytes.
    pub fn fixed<const N: usize>(&self) -> Option<&'a [u8; N]> {
        self.payload().first_chunk()
    }

    /// The attributes behind a fixed part of `fixed` bytes.
    pub fn attributes(&self, fixed: usize) -> Attributes<'a> {
        Attributes(self.payload().get(fixed.next_multiple_of(ALIGN)..).unwrap_or(&[]))
    }
}

/// An `int` of some place in a fixed part; 0 behind its end.
pub fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}

/// All requests in what was sent. It ends at the first whose length cannot be (`netlink_rcv_skb`).
pub struct Requests<'a>(pub &'a [u8]);

impl<'a> Iterator for Requests<'a> {
    type Item = Request<'a>;

    fn next(&mut self) -> Option<Request<'a>> {
        let header: &[u8; HEADER] = self.0.first_chunk()?;
        let len = word(header, 0) as usize;
        let whole = self.0.get(..len).filter(|_| len >= HEADER)?;
        self.0 = self.0.get(len.next_multiple_of(ALIGN)..).unwrap_or(&[]);
        let kind_and_flags = word(header, 4);
        let (kind, flags) = (kind_and_flags as u16, (kind_and_flags >> 16) as u16);
        Some(Request { kind, flags, seq: word(header, 8), whole })
    }
}

/// Type, without flags, and content of each attribute.
pub struct Attributes<'a>(&'a [u8]);

/// `NLA_F_NESTED | NLA_F_NET_BYTEORDER`
const TYPE_FLAGS: u16 = 0xc000;

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let first = self.0.first_chunk::<4>().map(|bytes| word(bytes, 0))?;
        let (len, kind) = (usize::from(first as u16), (first >> 16) as u16 & !TYPE_FLAGS);
        let content = self.0.get(4..len)?;
        self.0 = self.0.get(len.next_multiple_of(ALIGN)..).unwrap_or(&[]);
        Some((kind, content))
    }
}

/// The payload of a message in the making.
pub struct Body(Vec<u8>);

impl Body {
    /// Begins with a fixed part.
    pub fn new(fixed: &[u8]) -> Body {
        let mut body = Body(fixed.to_vec());
        body.pad();
        body
    }

    fn pad(&mut self) {
        self.0.resize(self.0.len().next_multiple_of(ALIGN), 0);
    }

    /// Adds an attribute.
    pub fn attr(&mut self, kind: u16, content: &[u8]) -> &mut Body {
        self.0.extend_from_slice(&((content.len() + 4) as u16).to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(content);
        self.pad();
        self
    }

    /// Adds an attribute of one `int`.
    pub fn int(&mut self, kind: u16, value: u32) -> &mut Body {
        self.attr(kind, &value.to_ne_bytes())
    }

    /// Adds an attribute that ends with a NUL.
    pub fn string(&mut self, kind: u16, text: &[u8]) -> &mut Body {
        self.attr(kind, &[text, b"\0"].concat())
    }

    /// Adds an attribute of attributes.
    pub fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Body)) -> &mut Body {
        let mut inner = Body(Vec::new());
        fill(&mut inner);
        self.attr(kind, &inner.0)
    }

    /// The bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// A whole message, padded, so that another one may follow.
pub fn message(kind: u16, flags: u16, seq: u32, portid: u32, payload: &[u8]) -> Vec<u8> {
    let len = HEADER + payload.len();
    let mut out = Vec::with_capacity(len.next_multiple_of(ALIGN));
    out.extend_from_slice(&(len as u32).to_ne_bytes());
    out.extend_from_slice(&kind.to_ne_bytes());
    out.extend_from_slice(&flags.to_ne_bytes());
    out.extend_from_slice(&seq.to_ne_bytes());
    out.extend_from_slice(&portid.to_ne_bytes());
    out.extend_from_slice(payload);
    out.resize(len.next_multiple_of(ALIGN), 0);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_put_together_comes_apart() {
        let mut body = Body::new(&[1, 2, 3]);
        body.int(5, 77).string(6, b"lo").nest(7, |inner| {
            inner.attr(1, &[]);
        });
        let bytes = [message(18, 1, 9, 0, &body.into_bytes()), message(3, 2, 9, 0, &[])].concat();
        let all: Vec<Request<'_>> = Requests(&bytes).collect();
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].kind, all[0].flags, all[0].seq), (18, 1, 9));
        assert_eq!(all[0].fixed::<3>(), Some(&[1, 2, 3]));
        let attributes: Vec<_> = all[0].attributes(3).collect();
        assert_eq!(attributes[0], (5, &77u32.to_ne_bytes()[..]));
        assert_eq!(attributes[1], (6, &b"lo\0"[..]));
        assert_eq!(attributes[2], (7, &[4, 0, 1, 0][..]));
        assert!(all[1].payload().is_empty());
    }

    proptest! {
        /// Whatever a program sends: no index out of bounds, no end that never comes.
        #[test]
        fn any_bytes_come_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..200), len in 0u8..60) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_chunk_mut::<4>() {
                *first = u32::from(len).to_ne_bytes();
            }
            for request in Requests(&bytes) {
                prop_assert!(request.attributes(12).count() < 60);
            }
        }
    }
}
