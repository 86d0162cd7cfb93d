//! bind(2).

use super::sockaddr::{Tree, get_address, socket};
use crate::Result;
use crate::task::Current;
use crate::uaccess::Args;

/// `bind(sockfd, addr, addrlen)`
pub fn sys_bind(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let socket = socket(cur, args.i32(0))?;
    let address = get_address(args.usize(1), args.i32(2))?;
    socket.protocol.bind(&Tree(cur), address.as_bytes())?;
    Ok(0)
}
