//! Names of sockets: paths, which are nodes in the tree; abstract names, which are bytes in a table of their own; and
//! how a socket is found by either.
//!
//! A node remembers its socket in the inode's slot ([`Inode::special_slot`](crate::vfs::Inode::special_slot)). The
//! slot of a node that was there before, also of one on the host behind which a server of the host listens, is
//! empty: there is nobody to connect to (`ECONNREFUSED`).

use super::{Kind, UnixSocket};
use crate::net::{Address, Names};
use crate::vfs::{Dentry, FileType, InodeRef};
use crate::{Errno, Result};
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use host::mutex::Mutex;
use linux_raw_sys::net::AF_UNIX;

/// Where `sun_path` begins.
const PATH_AT: usize = 2;
/// `sizeof(struct sockaddr_un)`
const LEN_MAX: usize = PATH_AT + 108;
/// Names that autobind gives: five hexadecimal digits.
const AUTO_NAMES: u32 = 1 << 20;

/// The name of a socket.
pub struct Name {
    /// `sun_path`: a path with its NUL, or an abstract name from its NUL on.
    bytes: Vec<u8>,
    /// The node of a path; kept, so that its inode keeps the slot.
    node: Option<Arc<Dentry>>,
}

impl Name {
    /// `sun_path`.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Device and number of the node of a path.
    pub fn node(&self) -> Option<(u64, u64)> {
        let stat = self.node.as_ref()?.inode().stat().ok()?;
        Some((stat.dev, stat.ino))
    }

    /// As /proc/net/unix shows it: NULs as `@`, without the last one of a path.
    pub fn display(&self) -> Vec<u8> {
        let shown = self.bytes.strip_suffix(b"\0").filter(|_| self.bytes[0] != 0).unwrap_or(&self.bytes);
        shown.iter().map(|&b| if b == 0 { b'@' } else { b }).collect()
    }
}

/// An address that a program gave.
enum Target {
    Path(Vec<u8>),
    Abstract(Vec<u8>),
}

/// The type of the socket and the abstract name.
type Key = (Kind, Vec<u8>);

/// What abstract names stand for, for each type of socket.
static ABSTRACT: Mutex<BTreeMap<Key, Weak<UnixSocket>>> = Mutex::new(BTreeMap::new());

/// Where autobind went on last.
static NEXT_AUTO: AtomicU32 = AtomicU32::new(0);

/// The address of a socket with this name, or without one.
pub fn address(name: Option<&Name>) -> Address {
    let mut bytes = (AF_UNIX as u16).to_ne_bytes().to_vec();
    if let Some(name) = name {
        bytes.extend_from_slice(&name.bytes);
    }
    Address::new(&bytes)
}

fn family(address: &[u8]) -> Option<u16> {
    Some(u16::from_ne_bytes(*address.first_chunk()?))
}

/// `unix_validate_addr`, `unix_mkname_bsd`.
fn parse(address: &[u8]) -> Result<Target> {
    if address.len() <= PATH_AT || address.len() > LEN_MAX || family(address) != Some(AF_UNIX as u16) {
        return Err(Errno::INVAL);
    }
    let path = &address[PATH_AT..];
    if path[0] == 0 {
        return Ok(Target::Abstract(path.to_vec()));
    }
    let len = path.iter().position(|&b| b == 0).unwrap_or(path.len());
    Ok(Target::Path(path[..len].to_vec()))
}

/// Whether it can be the address of a socket.
///
/// # Errors
/// `EINVAL`.
pub fn validate(address: &[u8]) -> Result<()> {
    parse(address).map(drop)
}

/// Gives a socket a name (`unix_bind`).
///
/// # Errors
/// `EINVAL` for a second name or a bad address; `EADDRINUSE`; those of making a node.
pub fn bind(socket: &UnixSocket, names: &dyn Names, address: &[u8]) -> Result<()> {
    if address.len() == PATH_AT && family(address) == Some(AF_UNIX as u16) {
        return autobind(socket);
    }
    match parse(address)? {
        Target::Path(path) => {
            // Only the first of two that bind at the same time makes a node to keep.
            let taken = {
                let mut state = socket.state.lock();
                state.name.is_some() || core::mem::replace(&mut state.binding, true)
            };
            let result = bind_path(socket, names, path, taken);
            if !taken {
                socket.state.lock().binding = false;
            }
            result
        }
        Target::Abstract(bytes) => match bind_abstract(socket, bytes)? {
            true => Ok(()),
            false => Err(Errno::INVAL),
        },
    }
}

fn bind_path(socket: &UnixSocket, names: &dyn Names, mut path: Vec<u8>, taken: bool) -> Result<()> {
    let node = names.make_node(&path, &socket.sock, taken).map_err(|errno| match errno {
        Errno::EXIST => Errno::ADDRINUSE,
        errno => errno,
    })?;
    if let Some(slot) = node.inode().special_slot() {
        // The inode is new, nobody has set it.
        let _ = slot.set(Arc::new(socket.me.clone()));
    }
    path.push(0);
    socket.state.lock().name = Some(Arc::new(Name { bytes: path, node: Some(node) }));
    Ok(())
}

/// Enters an abstract name; `false`: the socket has a name already.
fn bind_abstract(socket: &UnixSocket, bytes: Vec<u8>) -> Result<bool> {
    let mut table = ABSTRACT.lock();
    let mut state = socket.state.lock();
    if state.name.is_some() || state.binding {
        return Ok(false);
    }
    let key = (socket.sock.kind, bytes);
    if table.contains_key(&key) {
        return Err(Errno::ADDRINUSE);
    }
    state.name = Some(Arc::new(Name { bytes: key.1.clone(), node: None }));
    table.insert(key, socket.me.clone());
    Ok(true)
}

/// Gives a socket without a name one that is free (`unix_autobind`).
///
/// # Errors
/// `ENOSPC` when there is none.
pub fn autobind(socket: &UnixSocket) -> Result<()> {
    for _ in 0..AUTO_NAMES {
        let number = NEXT_AUTO.fetch_add(1, Relaxed) % AUTO_NAMES;
        match bind_abstract(socket, alloc::format!("\0{number:05x}").into_bytes()) {
            Err(Errno::ADDRINUSE) => {}
            // One that has a name keeps it.
            result => return result.map(drop),
        }
    }
    Err(Errno::NOSPC)
}

/// Gives a socket that passes credentials a name, so that it can be answered.
///
/// # Errors
/// As [`autobind`].
pub fn autobind_for_credentials(socket: &UnixSocket) -> Result<()> {
    let unnamed = socket.sock.options.wants_sender() && socket.state.lock().name.is_none();
    if unnamed { autobind(socket) } else { Ok(()) }
}

/// Takes a name out of the table when its socket goes.
pub fn forget(socket: &UnixSocket, name: &Name) {
    if name.bytes.first() != Some(&0) {
        return;
    }
    let key = (socket.sock.kind, name.bytes.clone());
    let mut table = ABSTRACT.lock();
    // A connection has its listener's name, but the name is the listener's.
    if table.get(&key).is_some_and(|entry| core::ptr::eq(entry.as_ptr(), socket)) {
        table.remove(&key);
    }
}

/// The socket at `address`, of the type `kind` (`unix_find_other`).
///
/// # Errors
/// `EINVAL`; `ECONNREFUSED`; `EPROTOTYPE` for a socket of another type at a path; those of path resolution.
pub fn find(names: &dyn Names, address: &[u8], kind: Kind) -> Result<Arc<UnixSocket>> {
    match parse(address)? {
        Target::Path(path) => {
            let inode = names.find(&path)?;
            let socket = behind(&inode).ok_or(Errno::CONNREFUSED)?;
            if socket.sock.kind == kind { Ok(socket) } else { Err(Errno::PROTOTYPE) }
        }
        Target::Abstract(bytes) => {
            let socket = ABSTRACT.lock().get(&(kind, bytes)).and_then(Weak::upgrade);
            socket.ok_or(Errno::CONNREFUSED)
        }
    }
}

/// The socket whose node this is, while it is open.
fn behind(inode: &InodeRef) -> Option<Arc<UnixSocket>> {
    if inode.kind() != FileType::Socket {
        return None;
    }
    let slot = inode.special_slot()?.get()?;
    let socket = slot.downcast_ref::<Weak<UnixSocket>>()?.upgrade()?;
    let dead = socket.state.lock().dead;
    (!dead).then_some(socket)
}
