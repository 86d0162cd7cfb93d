//! accept(2): accept, accept4.

use super::sockaddr::put_address;
use super::socket;
use crate::net;
use crate::task::Current;
use crate::uaccess::Args;
use crate::vfs::OpenFlags;
use crate::{Errno, Result};
use core::sync::atomic::Ordering::Relaxed;

/// `accept(sockfd, addr, addrlen)`
pub fn sys_accept(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    accept(cur, args, 0)
}

/// `accept4(sockfd, addr, addrlen, flags)`
pub fn sys_accept4(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    accept(cur, args, args.u32(3))
}

fn accept(cur: &Current<'_>, args: &Args, flags: u32) -> Result<usize> {
    let file = cur.file(args.i32(0))?;
    let flags = OpenFlags::from_bits_retain(flags);
    if !(OpenFlags::CLOEXEC | OpenFlags::NONBLOCK).contains(flags) {
        return Err(Errno::INVAL);
    }
    // The number is taken before a connection is.
    if cur.files.is_full(cur.process().nofile.load(Relaxed)) {
        return Err(Errno::MFILE);
    }
    let connection = net::of_file(&file)?.accept(file.nonblock())?;
    let accepted = socket::open(cur, connection.clone(), flags);
    let (addr, len_at) = (args.usize(1), args.usize(2));
    if addr != 0 {
        let peer = connection.name(true).map_err(|_| Errno::CONNABORTED)?;
        // The connection is lost when its peer cannot be told.
        put_address(peer.as_bytes(), addr, len_at)?;
    }
    Ok(cur.install(accepted, flags.contains(OpenFlags::CLOEXEC))? as usize)
}
