//! All sockets of the family, as /proc/net/unix and sock_diag(7) list them.

use super::{Status, UnixSocket};
use crate::net::list::List;
use crate::net::{Kind, Shutdown};
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;

pub(super) static ALL: List<UnixSocket> = List::new();

/// `__SO_ACCEPTCON`
const ACCEPTS: u32 = 1 << 16;

/// What is shown of a socket.
pub struct Shown {
    /// Its type.
    pub kind: Kind,
    /// Whether it listens, and whether it has a peer.
    pub listens: bool,
    /// Whether it has a peer for good, or of datagrams.
    pub connected: bool,
    /// Number of its inode; 0: nobody has accepted it.
    pub ino: u64,
    /// Its path, or its abstract name from its NUL on.
    pub name: Option<Vec<u8>>,
    /// The same as /proc/net/unix writes it.
    pub display: Option<Vec<u8>>,
    /// Device and number of the node of its path.
    pub node: Option<(u64, u64)>,
    /// Number of the peer's inode.
    pub peer: Option<u64>,
    /// Of a listener: the inodes of those who wait to be accepted. They have none yet.
    pub waiting: usize,
    /// Bytes to be received; of a listener: connections to be accepted.
    pub receive: usize,
    /// Bytes sent and not yet received; of a listener: how many may wait.
    pub send: usize,
    /// Room for what is received, and for what is sent.
    pub buffers: (usize, usize),
    /// What is shut down.
    pub down: Shutdown,
    /// Whose it is.
    pub uid: u32,
}

fn shown(socket: &UnixSocket) -> Option<Shown> {
    let state = socket.state.lock();
    if state.dead {
        return None;
    }
    let listens = state.status == Status::Listening;
    let (name, peer, waiting) = (state.name.clone(), state.peer.clone(), state.embryos.len());
    let unread = state.unread(socket.is_connection_based());
    let (connected, backlog) = (state.status == Status::Established, state.backlog);
    drop(state);
    let sock = &socket.sock;
    Some(Shown {
        kind: sock.kind,
        listens,
        connected,
        ino: sock.ino.load(Relaxed),
        display: name.as_ref().map(|name| name.display()),
        node: name.as_ref().and_then(|name| name.node()),
        name: name.map(|name| name.bytes().to_vec()),
        peer: peer.map(|peer| peer.sock.ino.load(Relaxed)),
        waiting,
        receive: if listens { waiting } else { unread },
        send: if listens { backlog } else { sock.space.used() },
        buffers: (sock.options.receive_buffer(), sock.space.limit()),
        down: sock.down(),
        uid: sock.uid.load(Relaxed),
    })
}

/// All there are.
pub fn all() -> Vec<Shown> {
    ALL.all().iter().filter_map(|socket| shown(socket)).collect()
}

/// The text of /proc/net/unix.
pub fn text() -> Vec<u8> {
    let mut out = b"Num       RefCount Protocol Flags    Type St Inode Path\n".to_vec();
    for socket in all() {
        // SS_UNCONNECTED, SS_CONNECTING, SS_CONNECTED
        let state = match (socket.connected, socket.ino == 0 && socket.kind != Kind::Dgram) {
            (true, false) => 3,
            (true, true) => 2,
            _ => 1,
        };
        let flags = if socket.listens { ACCEPTS } else { 0 };
        // Addresses and counts of references are the kernel's own business.
        let line = alloc::format!(
            "{:016x}: {:08X} {:08X} {flags:08X} {:04X} {state:02X} {:5}",
            0,
            2,
            0,
            socket.kind as u32,
            socket.ino,
        );
        out.extend_from_slice(line.as_bytes());
        if let Some(name) = socket.display {
            out.push(b' ');
            out.extend_from_slice(&name);
        }
        out.push(b'\n');
    }
    out
}
