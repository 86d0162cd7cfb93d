//! What the calls on sockets share: the socket behind a descriptor, addresses in user memory (sockaddr(3type)), and
//! the tree of names as protocols see it.

use super::at::CWD;
use super::entry;
use crate::net::{self, Address, Names, ProtocolRef, Sock};
use crate::task::Current;
use crate::uaccess::{get, get_bytes, put, put_bytes};
use crate::vfs::namei::Found;
use crate::vfs::{Dentry, Fd, File, FileType, InodeRef};
use crate::{Errno, Result};
use alloc::sync::Arc;
use core::sync::atomic::Ordering::Relaxed;

/// `sizeof(struct sockaddr_storage)`
const ADDRESS_MAX: usize = 128;

/// The open socket `fd`.
///
/// # Errors
/// `EBADF`, `ENOTSOCK`.
pub(super) fn socket(cur: &Current<'_>, fd: Fd) -> Result<OpenSocket> {
    let file = cur.file(fd)?;
    let protocol = net::of_file(&file)?.clone();
    Ok(OpenSocket { file, protocol })
}

/// An open socket.
pub(super) struct OpenSocket {
    /// The file.
    pub file: Arc<File>,
    /// What it does.
    pub protocol: ProtocolRef,
}

/// Reads an address of `len` bytes (`move_addr_to_kernel`).
///
/// # Errors
/// `EINVAL` for a length that is none; `EFAULT`.
pub(super) fn get_address(addr: usize, len: i32) -> Result<Address> {
    let len = usize::try_from(len).ok().filter(|&len| len <= ADDRESS_MAX).ok_or(Errno::INVAL)?;
    let mut bytes = [0; ADDRESS_MAX];
    if len > 0 {
        get_bytes(&mut bytes[..len], addr)?;
    }
    Ok(Address::new(&bytes[..len]))
}

/// Stores an address, cut to the room that `*len_at` tells, and its whole length (`move_addr_to_user`).
///
/// # Errors
/// `EFAULT`; `EINVAL` for a negative room.
pub(super) fn put_address(address: &[u8], addr: usize, len_at: usize) -> Result<()> {
    let room: i32 = get(len_at)?;
    let room = usize::try_from(room).map_err(|_| Errno::INVAL)?;
    let len = address.len().min(room);
    if len > 0 {
        put_bytes(addr, &address[..len])?;
    }
    put(len_at, &(address.len() as u32))
}

/// The tree of names as the calling thread sees it.
pub(super) struct Tree<'a, 'b>(pub &'a Current<'b>);

impl Names for Tree<'_, '_> {
    fn make_node(&self, path: &[u8], sock: &Sock, taken: bool) -> Result<Arc<Dentry>> {
        let mode = sock.mode.load(Relaxed) & !self.0.fs.umask.load(Relaxed);
        self.0.walk(CWD, path, |walk| {
            let parent = walk.parent(path)?;
            entry::create(walk.cred, &parent, false, |entries, name| {
                if taken {
                    return Err(Errno::INVAL);
                }
                let node = entry::new_node(walk.cred, &parent.dir, FileType::Socket, mode, b"", 0)?;
                entries.create(name, &node)
            })
        })
    }

    fn find(&self, path: &[u8]) -> Result<InodeRef> {
        self.0.walk(CWD, path, |walk| {
            let inode = match walk.find(path, true)? {
                Found::Dentry(dentry) => dentry.inode().clone(),
                Found::Inode(inode) => inode,
            };
            inode.permission(walk.cred, 2)?;
            Ok(inode)
        })
    }
}
