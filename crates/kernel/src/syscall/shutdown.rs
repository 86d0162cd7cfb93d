//! shutdown(2).

use super::sockaddr::socket;
use crate::net::Shutdown;
use crate::task::Current;
use crate::uaccess::Args;
use crate::{Errno, Result};

/// `shutdown(sockfd, how)`
pub fn sys_shutdown(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let socket = socket(cur, args.i32(0))?;
    let how = match args.i32(1) {
        0 => Shutdown::RECEIVE,
        1 => Shutdown::SEND,
        2 => Shutdown::all(),
        _ => return Err(Errno::INVAL),
    };
    socket.protocol.shutdown(how)?;
    Ok(0)
}
