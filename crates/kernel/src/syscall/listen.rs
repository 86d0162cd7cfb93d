//! listen(2).

use super::sockaddr::socket;
use crate::Result;
use crate::task::Current;
use crate::uaccess::Args;

/// The longest backlog (`net.core.somaxconn`).
const BACKLOG_MAX: u32 = 4096;

/// `listen(sockfd, backlog)`
pub fn sys_listen(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let socket = socket(cur, args.i32(0))?;
    // A negative one counts as more than the longest.
    socket.protocol.listen(args.u32(1).min(BACKLOG_MAX) as usize)?;
    Ok(0)
}
