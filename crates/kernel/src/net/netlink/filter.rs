//! The little programs by which ss(8) chooses sockets (`INET_DIAG_REQ_BYTECODE`, `inet_diag_bc_run`).
//!
//! A program is a row of operations, each with the distance to the next one when it says yes and when it says no. Who
//! comes to the end is shown; who jumps four bytes behind it is not.

use super::wire::word;
use crate::net::inet::list::Shown;
use alloc::vec::Vec;

/// `INET_DIAG_REQ_BYTECODE`
pub const ATTRIBUTE: u16 = 1;

/// `struct inet_diag_bc_op`: what, the distance for yes, that for no.
const OP: usize = 4;
/// `struct inet_diag_hostcond` without its address: family, bits of it that count, port, -1 for any.
const CONDITION: usize = 8;

/// Operations (`INET_DIAG_BC_*`).
const NOP: u8 = 0;
const JUMP: u8 = 1;
const SOURCE_AT_LEAST: u8 = 2;
const SOURCE_AT_MOST: u8 = 3;
const DESTINATION_AT_LEAST: u8 = 4;
const DESTINATION_AT_MOST: u8 = 5;
const AUTO: u8 = 6;
const SOURCE: u8 = 7;
const DESTINATION: u8 = 8;
const SOURCE_IS: u8 = 11;
const DESTINATION_IS: u8 = 12;

/// A program whose jumps all go forward and stay inside.
pub struct Filter(Vec<u8>);

impl Filter {
    /// `None` for one that is none (`inet_diag_bc_audit`).
    pub fn new(code: &[u8]) -> Option<Filter> {
        let mut at = 0;
        while at < code.len() {
            let rest = &code[at..];
            let (kind, yes, no) = operation(rest)?;
            let least = match kind {
                SOURCE | DESTINATION => {
                    let condition = rest.get(OP..OP + CONDITION)?;
                    let (family, bits) = (condition[0], condition[1]);
                    let whole = if family == 10 { 128 } else { 32 };
                    if ![0, 2, 10].contains(&family) || bits > whole || family == 0 && bits > 0 {
                        return None;
                    }
                    OP + CONDITION + usize::from(bits).div_ceil(32) * 4
                }
                SOURCE_AT_LEAST..=DESTINATION_AT_MOST | SOURCE_IS | DESTINATION_IS => OP * 2,
                NOP | JUMP | AUTO => OP,
                _ => return None,
            };
            let fits = |step: usize| step >= least && step.is_multiple_of(4) && step <= rest.len() + 4;
            // A jump says where to for "no" only.
            if !fits(yes)
                || yes > rest.len()
                || kind != NOP && kind != AUTO && !(no >= OP && no.is_multiple_of(4) && no <= rest.len() + 4)
            {
                return None;
            }
            at += yes;
        }
        Some(Filter(code.to_vec()))
    }

    /// Whether it lets a socket through.
    pub fn passes(&self, socket: &Shown) -> bool {
        let mut at = 0;
        // Each step goes forward, so it ends.
        while let Some(rest) = self.0.get(at..).filter(|rest| !rest.is_empty()) {
            let Some((kind, yes, no)) = operation(rest) else { return false };
            let port = |at: usize| (word(rest, at) >> 16) as u16;
            let holds = match kind {
                NOP => true,
                SOURCE_AT_LEAST => socket.local.1 >= port(OP),
                SOURCE_AT_MOST => socket.local.1 <= port(OP),
                DESTINATION_AT_LEAST => socket.remote.1 >= port(OP),
                DESTINATION_AT_MOST => socket.remote.1 <= port(OP),
                SOURCE_IS => socket.local.1 == port(OP),
                DESTINATION_IS => socket.remote.1 == port(OP),
                // Whether the port was chosen by the kernel is not kept.
                AUTO => false,
                SOURCE => is_at(&rest[OP..], &socket.local),
                DESTINATION => is_at(&rest[OP..], &socket.remote),
                _ => false,
            };
            at += if holds { yes } else { no }.max(OP);
        }
        at == self.0.len()
    }
}

fn operation(rest: &[u8]) -> Option<(u8, usize, usize)> {
    let &[kind, yes, low, high] = rest.first_chunk()?;
    Some((kind, usize::from(yes), usize::from(u16::from_ne_bytes([low, high]))))
}

/// Whether an end of a connection meets a `struct inet_diag_hostcond`.
fn is_at(condition: &[u8], (ip, port): &(Vec<u8>, u16)) -> bool {
    let wanted = word(condition, 4) as i32;
    let (family, bits) = (condition.first().copied().unwrap_or(0), condition.get(1).copied().unwrap_or(0));
    if wanted != -1 && wanted != i32::from(*port) {
        return false;
    }
    if bits == 0 {
        return true;
    }
    // An address of IPv4 also means the mapped one.
    let own = match (family, ip.len()) {
        (2, 16) if ip[..12] == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff] => &ip[12..],
        (2, 4) | (10, 16) => &ip[..],
        _ => return false,
    };
    let given = condition.get(CONDITION..).unwrap_or(&[]);
    (0..usize::from(bits)).all(|bit| {
        let of = |bytes: &[u8]| bytes.get(bit / 8).map(|byte| byte >> (7 - bit % 8) & 1);
        of(own) == of(given)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Shutdown;
    use alloc::vec;
    use proptest::prelude::*;

    fn socket(port: u16) -> Shown {
        Shown {
            family: 2,
            state: 1,
            local: (vec![127, 0, 0, 1], port),
            remote: (vec![127, 0, 0, 2], 9),
            receive: 0,
            send: 0,
            uid: 0,
            ino: 1,
            buffers: (0, 0),
            down: Shutdown::empty(),
        }
    }

    #[test]
    fn a_port_is_chosen() {
        // INET_DIAG_BC_S_EQ 80, as ss sends it for "sport = :80".
        let code = [&[SOURCE_IS, 8, 12, 0][..], &[0, 0], &80u16.to_ne_bytes()].concat();
        let filter = Filter::new(&code).unwrap();
        assert!(filter.passes(&socket(80)));
        assert!(!filter.passes(&socket(81)));
    }

    #[test]
    fn a_network_is_chosen() {
        let condition =
            |ip: [u8; 4]| [&[DESTINATION, 16, 20, 0, 2, 8, 0, 0][..], &(-1i32).to_ne_bytes(), &ip].concat();
        assert!(Filter::new(&condition([127, 9, 9, 9])).unwrap().passes(&socket(1)));
        assert!(!Filter::new(&condition([10, 9, 9, 9])).unwrap().passes(&socket(1)));
    }

    proptest! {
        /// No program runs for ever or out of itself.
        #[test]
        fn any_program_ends(code in prop::collection::vec(0u8..16, 0..80)) {
            if let Some(filter) = Filter::new(&code) {
                filter.passes(&socket(7));
            }
        }
    }
}
