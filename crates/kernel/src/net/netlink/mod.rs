//! Messages to and from the kernel (netlink(7), `AF_NETLINK`).
//!
//! `socket` is what a socket does. A request is answered while it is sent (`request`): `route` is rtnetlink(7), `diag` sock_diag(7), `wire` how messages lie in bytes.
//! What is asked for in parts (`NLM_F_DUMP`) waits until the first parts are received. Nothing here changes by itself, so
//! members of a group hear of no event; processes may send to each other by `NETLINK_USERSOCK`.
//!
//! Left out: all other protocols, which answer `EPROTONOSUPPORT` as in a kernel built without them; so programs find no
//! auditing and no generic netlink.

mod answer;
mod diag;
mod filter;
mod link;
pub mod list;
mod options;
mod request;
mod route;
mod socket;
mod wire;

use super::{Family, Kind, ProtocolRef};
use crate::{Errno, Result};
use linux_raw_sys::net as n;
use linux_raw_sys::netlink as nl;

pub use socket::NetlinkSocket;

/// The family.
pub struct NetlinkFamily;

/// Protocols there are.
const PROTOCOLS: [u32; 4] =
    [nl::NETLINK_ROUTE, nl::NETLINK_USERSOCK, nl::NETLINK_SOCK_DIAG, nl::NETLINK_KOBJECT_UEVENT];

impl Family for NetlinkFamily {
    fn number(&self) -> u16 {
        n::AF_NETLINK as u16
    }

    fn socket(&self, kind: u32, protocol: i32) -> Result<ProtocolRef> {
        let kind = match kind {
            n::SOCK_RAW => Kind::Raw,
            n::SOCK_DGRAM => Kind::Dgram,
            _ => return Err(Errno::SOCKTNOSUPPORT),
        };
        match u32::try_from(protocol) {
            Ok(known) if PROTOCOLS.contains(&known) => Ok(NetlinkSocket::new(kind, protocol)),
            _ => Err(Errno::PROTONOSUPPORT),
        }
    }
}
