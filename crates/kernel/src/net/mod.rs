//! Sockets (socket(7)): what all families share, and the families.
//!
//! ```text
//! File --> Socket (FileOps) --> Protocol: what a socket of one family and type does (`struct proto_ops`)
//!                                  |
//!                                  +--> Sock: options, error, buffers, who waits (`struct sock`)
//! ```
//!
//! A [`Family`] makes sockets; one directory for each, entered in `FAMILIES`. What is not there answers
//! `EAFNOSUPPORT`, as a kernel built without it. Numbers and structs of the system calls are taken apart in
//! `syscall`; here addresses are bytes and control messages are [`Outgoing`] and [`Incoming`].

mod device;
pub mod inet;
mod inherited;
mod list;
mod message;
pub mod netlink;
pub mod options;
pub mod proc;
mod sock;
mod socket;
pub mod unix;

pub use inherited::HostSocket;
pub use message::{Address, Control, Credentials, Incoming, MsgFlags, Names, Outgoing};
pub use sock::{Charge, Held, Kind, Patience, SendSpace, Shutdown, Sock, Status, queue_ioctl};
pub use socket::{Socket, new_file, of_file, open_file};

use crate::vfs::{PollEvents, PollTable};
use crate::{Errno, Result};
use alloc::sync::Arc;
use core::any::Any;
use host::io::{IoDst, IoSrc};

/// A shared socket of some family.
pub type ProtocolRef = Arc<dyn Protocol>;

/// An address family (`struct net_proto_family`).
pub trait Family: Sync {
    /// Its number (`AF_*`).
    fn number(&self) -> u16;
    /// A new socket. `kind` is the type without its flags, below `SOCK_MAX`.
    ///
    /// # Errors
    /// `ESOCKTNOSUPPORT`, `EPROTONOSUPPORT`.
    fn socket(&self, kind: u32, protocol: i32) -> Result<ProtocolRef>;
}

/// All families there are.
static FAMILIES: [&dyn Family; 4] = [
    &unix::UnixFamily,
    &inet::InetFamily(linux_raw_sys::net::AF_INET as u16),
    &inet::InetFamily(linux_raw_sys::net::AF_INET6 as u16),
    &netlink::NetlinkFamily,
];

/// The family with this number.
///
/// # Errors
/// `EAFNOSUPPORT`.
pub fn family(number: i32) -> Result<&'static dyn Family> {
    FAMILIES.into_iter().find(|family| i32::from(family.number()) == number).ok_or(Errno::AFNOSUPPORT)
}

/// What a socket does. Addresses are the bytes of a `sockaddr`, at most 128. A blocking operation that is interrupted
/// by a signal answers [`crate::ERESTARTSYS`], or `EINTR` when it has a time limit of its own. The defaults answer as
/// Linux does for a protocol without the operation (`sock_no_*`).
#[allow(unused_variables)]
pub trait Protocol: Any + Send + Sync {
    /// What every socket has.
    fn sock(&self) -> &Sock;
    /// bind(2).
    ///
    /// # Errors
    /// `EINVAL`, `EADDRINUSE`; those of making a name.
    fn bind(&self, names: &dyn Names, address: &[u8]) -> Result<()> {
        Err(Errno::OPNOTSUPP)
    }
    /// connect(2).
    ///
    /// # Errors
    /// `ECONNREFUSED`, `EISCONN`, `EPROTOTYPE`, `EAGAIN`, `EINVAL`; those of finding a name.
    fn connect(&self, names: &dyn Names, address: &[u8], nonblock: bool) -> Result<()> {
        Err(Errno::OPNOTSUPP)
    }
    /// Connects two new sockets with each other (socketpair(2)).
    ///
    /// # Errors
    /// `EOPNOTSUPP`.
    fn pair(&self, other: &ProtocolRef) -> Result<()> {
        Err(Errno::OPNOTSUPP)
    }
    /// listen(2).
    ///
    /// # Errors
    /// `EOPNOTSUPP`, `EINVAL`.
    fn listen(&self, backlog: usize) -> Result<()> {
        Err(Errno::OPNOTSUPP)
    }
    /// accept(2).
    ///
    /// # Errors
    /// `EOPNOTSUPP`, `EINVAL`, `EAGAIN`.
    fn accept(&self, nonblock: bool) -> Result<ProtocolRef> {
        Err(Errno::OPNOTSUPP)
    }
    /// getsockname(2), or getpeername(2) for `peer`.
    ///
    /// # Errors
    /// `ENOTCONN`.
    fn name(&self, peer: bool) -> Result<Address> {
        Err(Errno::OPNOTSUPP)
    }
    /// shutdown(2).
    ///
    /// # Errors
    /// `ENOTCONN`.
    fn shutdown(&self, how: Shutdown) -> Result<()> {
        Err(Errno::OPNOTSUPP)
    }
    /// Sends the bytes of `src` (send(2)).
    ///
    /// # Errors
    /// Those of send(2). The caller sends SIGPIPE after `EPIPE`, where [`sigpipe`](Self::sigpipe) says so.
    fn send(&self, src: &mut IoSrc<'_>, message: Outgoing<'_>) -> Result<usize>;
    /// Receives into `dst`; what comes beside the bytes goes to `message` (recv(2)).
    ///
    /// # Errors
    /// Those of recv(2).
    fn receive(&self, dst: &mut IoDst<'_>, message: &mut Incoming) -> Result<usize>;
    /// Which events are ready; see [`FileOps::poll`](crate::vfs::FileOps::poll).
    fn poll(&self, table: &mut PollTable<'_>) -> PollEvents;
    /// The family's own commands of ioctl(2).
    ///
    /// # Errors
    /// `ENOTTY`.
    fn ioctl(&self, command: u32, arg: usize) -> Result<usize> {
        Err(Errno::NOTTY)
    }
    /// getsockopt(2) of a level other than `SOL_SOCKET`.
    ///
    /// # Errors
    /// `EOPNOTSUPP`, `ENOPROTOOPT`.
    fn option(&self, level: i32, name: u32, value: options::Value) -> Result<()> {
        Err(Errno::OPNOTSUPP)
    }
    /// setsockopt(2) of a level other than `SOL_SOCKET`.
    ///
    /// # Errors
    /// `EOPNOTSUPP`, `ENOPROTOOPT`.
    fn set_option(&self, level: i32, name: u32, value: options::Argument) -> Result<()> {
        Err(Errno::OPNOTSUPP)
    }
    /// Whether [`option`](Self::option) and [`set_option`](Self::set_option) also answer for `SOL_SOCKET`.
    fn has_all_options(&self) -> bool {
        false
    }
    /// Whether it listens (`SO_ACCEPTCONN`).
    fn listens(&self) -> bool {
        false
    }
    /// Who was at the other end when it was connected, with the groups (`SO_PEERCRED`, `SO_PEERGROUPS`).
    fn peer_credentials(&self) -> Option<(Credentials, Arc<crate::task::Cred>)> {
        None
    }
    /// Whether SIGPIPE comes with `EPIPE`.
    fn sigpipe(&self) -> bool {
        self.sock().kind == Kind::Stream
    }
    /// The last descriptor is gone.
    fn release(&self);
}
