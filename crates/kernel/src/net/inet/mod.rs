//! The internet families (ip(7), ipv6(7)), over the loopback of this kernel only: 127.0.0.0/8 and ::1.
//!
//! Both ends of what is sent are sockets of this kernel, so there are no packets: TCP (`tcp`) moves bytes into the
//! peer's buffer, UDP (`udp`) messages into the receiver's queue. `port` is who has which port. Any other address is
//! as on a machine whose network is down: `ENETUNREACH`.
//!
//! An address is kept as IPv6 has it, that of IPv4 mapped (`::ffff:127.0.0.1`), so that both families meet.
//!
//! Left out: what can only be seen on a network (routing, multicast, raw sockets, `TIME_WAIT`).

pub mod list;
mod options;
mod port;
mod tcp;
mod udp;

use super::{Address, Family, ProtocolRef};
use crate::{Errno, Result};
use alloc::vec::Vec;
use linux_raw_sys::net as n;

const INET: u16 = n::AF_INET as u16;
const INET6: u16 = n::AF_INET6 as u16;
const TCP: i32 = n::IPPROTO_TCP as i32;
const UDP: i32 = n::IPPROTO_UDP as i32;

/// One more than the highest protocol (`IPPROTO_MAX`).
const PROTOCOL_MAX: i32 = 263;

/// `AF_INET` or `AF_INET6`, by number.
pub struct InetFamily(pub u16);

impl Family for InetFamily {
    fn number(&self) -> u16 {
        self.0
    }

    fn socket(&self, kind: u32, protocol: i32) -> Result<ProtocolRef> {
        let is_any_of = |known: i32| protocol == 0 || protocol == known;
        match kind {
            n::SOCK_STREAM if is_any_of(TCP) => Ok(tcp::Tcp::new(self.0)),
            n::SOCK_DGRAM if is_any_of(UDP) => Ok(udp::Udp::new(self.0)),
            n::SOCK_STREAM | n::SOCK_DGRAM | n::SOCK_RAW if (0..PROTOCOL_MAX).contains(&protocol) => {
                Err(Errno::PROTONOSUPPORT)
            }
            n::SOCK_STREAM | n::SOCK_DGRAM | n::SOCK_RAW => Err(Errno::INVAL),
            _ => Err(Errno::SOCKTNOSUPPORT),
        }
    }
}

/// An address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Endpoint {
    ip: [u8; 16],
    port: u16,
}

/// The prefix of a mapped IPv4 address.
const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
/// `::`
const ANY6: [u8; 16] = [0; 16];
/// `::1`
pub const LOOPBACK6: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

fn mapped(ip: [u8; 4]) -> [u8; 16] {
    let mut out = [0; 16];
    out[..12].copy_from_slice(&MAPPED);
    out[12..].copy_from_slice(&ip);
    out
}

impl Endpoint {
    /// The address that stands for all of a family, without a port.
    fn any(family: u16) -> Endpoint {
        Endpoint { ip: if family == INET { mapped([0; 4]) } else { ANY6 }, port: 0 }
    }

    fn is_v4(&self) -> bool {
        self.ip[..12] == MAPPED
    }

    fn is_any(&self) -> bool {
        self.ip == ANY6 || self.ip == mapped([0; 4])
    }

    fn is_loopback(&self) -> bool {
        self.ip == LOOPBACK6 || self.is_v4() && self.ip[12] == 127
    }

    /// Reads a `struct sockaddr_in` or `sockaddr_in6` for a socket of `family`.
    ///
    /// # Errors
    /// `EINVAL` for one that is too short; `EAFNOSUPPORT` for another family.
    fn parse(family: u16, address: &[u8]) -> Result<Endpoint> {
        let given = address.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes)).ok_or(Errno::INVAL)?;
        let least = if family == INET { 16 } else { 24 };
        if address.len() < least {
            return Err(Errno::INVAL);
        }
        let port = u16::from_be_bytes([address[2], address[3]]);
        let mut ip = [0; 16];
        if family == INET {
            // "Compatibility games": AF_UNSPEC with INADDR_ANY only.
            let any = address[4..8] == [0; 4];
            if given != INET && !(u32::from(given) == n::AF_UNSPEC && any) {
                return Err(Errno::AFNOSUPPORT);
            }
            ip = mapped([address[4], address[5], address[6], address[7]]);
        } else if given == INET6 {
            ip.copy_from_slice(&address[8..24]);
        } else {
            return Err(Errno::AFNOSUPPORT);
        }
        Ok(Endpoint { ip, port })
    }

    /// As a socket of `family` tells it.
    fn address(&self, family: u16) -> Address {
        let mut out: Vec<u8> = family.to_ne_bytes().to_vec();
        out.extend_from_slice(&self.port.to_be_bytes());
        if family == INET {
            out.extend_from_slice(&self.ip[12..]);
            out.resize(16, 0);
        } else {
            out.extend_from_slice(&[0; 4]);
            out.extend_from_slice(&self.ip);
            out.resize(28, 0);
        }
        Address::new(&out)
    }

    /// Where something sent there goes to.
    ///
    /// # Errors
    /// `ENETUNREACH` for anything but this machine's loopback.
    fn destination(mut self) -> Result<Endpoint> {
        if self.is_any() {
            self.ip = if self.is_v4() { mapped([127, 0, 0, 1]) } else { LOOPBACK6 };
        }
        if self.is_loopback() { Ok(self) } else { Err(Errno::NETUNREACH) }
    }

    /// The local address of a socket that is bound to `self` when it talks to `other`.
    fn as_source_for(self, other: Endpoint) -> Endpoint {
        match self.is_any() {
            true if other.is_v4() => Endpoint { ip: mapped([127, 0, 0, 1]), port: self.port },
            true => Endpoint { ip: LOOPBACK6, port: self.port },
            false => self,
        }
    }
}

/// Whether an address given to connect(2) means "nowhere".
fn is_unspecified(address: &[u8]) -> bool {
    address.first_chunk().is_some_and(|bytes| u32::from(u16::from_ne_bytes(*bytes)) == n::AF_UNSPEC)
}
