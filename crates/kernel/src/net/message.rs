//! What goes with the bytes of a message: addresses, flags, control messages (`struct msghdr`, cmsg(3)), in the form
//! the protocols see it.

use crate::Result;
use crate::net::Sock;
use crate::net::options::Options;
use crate::vfs::{Dentry, File, InodeRef};
use alloc::sync::Arc;
use alloc::vec::Vec;

bitflags::bitflags! {
    /// `MSG_*` of send(2) and recv(2). Others are ignored, as Linux does.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct MsgFlags: u32 {
        /// Out-of-band data.
        const OOB = 0x1;
        /// Leave it in the queue.
        const PEEK = 0x2;
        /// Answer: control messages were cut off.
        const CTRUNC = 0x8;
        /// Tell the whole length; answer: the message was cut off.
        const TRUNC = 0x20;
        /// Never block.
        const DONTWAIT = 0x40;
        /// End of a record.
        const EOR = 0x80;
        /// Wait for all that was asked for.
        const WAITALL = 0x100;
        /// Errors of the network's rather than messages.
        const ERRQUEUE = 0x2000;
        /// No SIGPIPE.
        const NOSIGNAL = 0x4000;
        /// recvmmsg(2): wait for the first only.
        const WAITFORONE = 0x1_0000;
        /// Close received descriptors on exec.
        const CMSG_CLOEXEC = 0x4000_0000;
        /// Of 32-bit programs.
        const CMSG_COMPAT = 0x8000_0000;
        const _ = !0;
    }
}

/// `sizeof(struct sockaddr_storage)`: no address is longer.
pub const ADDRESS_MAX: usize = 128;

/// The bytes of a `struct sockaddr`.
#[derive(Clone, Copy)]
pub struct Address {
    len: u8,
    bytes: [u8; ADDRESS_MAX],
}

impl Address {
    /// An address of these bytes; what exceeds the longest is cut off.
    pub fn new(from: &[u8]) -> Address {
        let len = from.len().min(ADDRESS_MAX);
        let mut bytes = [0; ADDRESS_MAX];
        bytes[..len].copy_from_slice(&from[..len]);
        Address { len: len as u8, bytes }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// `struct ucred`: process, user, group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Number of the process.
    pub pid: i32,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl Credentials {
    /// What a message without credentials shows (`overflowuid`).
    pub const NOBODY: Credentials = Credentials { pid: 0, uid: 65534, gid: 65534 };

    /// The calling thread's, with its real ids.
    pub fn of_caller() -> Option<Credentials> {
        let task = crate::task::current_task()?;
        let cred = task.process.cred();
        Some(Credentials { pid: task.process.pid, uid: cred.uid, gid: cred.gid })
    }

    /// The bytes of the struct.
    pub fn to_bytes(self) -> [u8; 12] {
        let mut out = [0; 12];
        out[..4].copy_from_slice(&self.pid.to_ne_bytes());
        out[4..8].copy_from_slice(&self.uid.to_ne_bytes());
        out[8..].copy_from_slice(&self.gid.to_ne_bytes());
        out
    }
}

/// How protocols reach the tree of names: what of the calling thread they need for it.
pub trait Names {
    /// Makes a socket node at `path`; `taken` says that the socket has a name already, which counts only when
    /// nothing else is wrong.
    ///
    /// # Errors
    /// `EEXIST`, `EINVAL` when `taken`; those of mknod(2).
    fn make_node(&self, path: &[u8], sock: &Sock, taken: bool) -> Result<Arc<Dentry>>;
    /// The inode at `path`, that the caller may write to.
    ///
    /// # Errors
    /// Those of path resolution; `EACCES`.
    fn find(&self, path: &[u8]) -> Result<InodeRef>;
}

/// A message to send, beside its bytes.
pub struct Outgoing<'a> {
    /// Where to; `None`: to the peer.
    pub to: Option<&'a [u8]>,
    /// For addresses that are paths.
    pub names: Option<&'a dyn Names>,
    /// How. `DONTWAIT` is set for a descriptor with `O_NONBLOCK`.
    pub flags: MsgFlags,
    /// Descriptors that go along (`SCM_RIGHTS`).
    pub files: Vec<Arc<File>>,
    /// Credentials given by the sender, checked (`SCM_CREDENTIALS`).
    pub credentials: Option<Credentials>,
}

impl Outgoing<'_> {
    /// Bytes only, as write(2) sends them.
    pub fn plain(nonblock: bool) -> Outgoing<'static> {
        let flags = if nonblock { MsgFlags::DONTWAIT } else { MsgFlags::empty() };
        Outgoing { to: None, names: None, flags, files: Vec::new(), credentials: None }
    }
}

/// A further control message that was received.
pub struct Control {
    /// Whose it is (`SOL_*`, `IPPROTO_*`).
    pub level: u32,
    /// What it is.
    pub kind: u32,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// How to receive, and what came beside the bytes.
pub struct Incoming {
    /// How. `DONTWAIT` is set for a descriptor with `O_NONBLOCK`.
    pub flags: MsgFlags,
    /// Answer: `TRUNC` and the like.
    pub answer: MsgFlags,
    /// Whether `from` is wanted.
    pub wants_address: bool,
    /// Answer: the sender's address, if it has one.
    pub from: Option<Address>,
    /// Answer: descriptors.
    pub files: Vec<Arc<File>>,
    /// Answer: the sender, when `SO_PASSCRED` is set.
    pub credentials: Option<Credentials>,
    /// Answer: the process of the sender, when `SO_PASSPIDFD` is set.
    pub pidfd: Option<i32>,
    /// Answer: what else the receiver has asked for.
    pub controls: Vec<Control>,
}

impl Incoming {
    /// Notes who sent a message, as far as the receiver's options ask for it.
    pub fn tell_sender(&mut self, options: &Options, sender: Option<Credentials>) {
        if options.pass_credentials() {
            self.credentials = Some(sender.unwrap_or(Credentials::NOBODY));
        }
        if options.pass_pidfd() {
            self.pidfd = sender.map(|sender| sender.pid);
        }
    }

    /// Nothing yet, to be received with `flags`.
    pub fn new(flags: MsgFlags) -> Incoming {
        Incoming {
            flags,
            answer: MsgFlags::empty(),
            wants_address: false,
            from: None,
            files: Vec::new(),
            credentials: None,
            pidfd: None,
            controls: Vec::new(),
        }
    }

    /// As read(2) receives.
    pub fn plain(nonblock: bool) -> Incoming {
        Self::new(if nonblock { MsgFlags::DONTWAIT } else { MsgFlags::empty() })
    }
}
