//! getsockname(2), getpeername(2).

use super::sockaddr::{put_address, socket};
use crate::Result;
use crate::task::Current;
use crate::uaccess::Args;

/// `getsockname(sockfd, addr, addrlen)`
pub fn sys_getsockname(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    name(cur, args, false)
}

/// `getpeername(sockfd, addr, addrlen)`
pub fn sys_getpeername(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    name(cur, args, true)
}

fn name(cur: &Current<'_>, args: &Args, peer: bool) -> Result<usize> {
    let name = socket(cur, args.i32(0))?.protocol.name(peer)?;
    put_address(name.as_bytes(), args.usize(1), args.usize(2))?;
    Ok(0)
}
