//! getsockopt(2), setsockopt(2). The options themselves: `net::options` and the families.

use super::cmsg::pidfd_of;
use super::sockaddr::socket;
use crate::net::options::{self, Argument, Value};
use crate::task::Current;
use crate::uaccess::{Args, get};
use crate::{Errno, Result};
use linux_raw_sys::net::{SO_PEERPIDFD, SOL_SOCKET};

/// `getsockopt(sockfd, level, optname, optval, optlen)`
pub fn sys_getsockopt(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let socket = socket(cur, args.i32(0))?;
    let (level, name) = (args.i32(1), args.u32(2));
    let len_addr = args.usize(4);
    let value = |len: i32| -> Result<Value> {
        Ok(Value { addr: args.usize(3), len_addr, len: usize::try_from(len).map_err(|_| Errno::INVAL)? })
    };
    let plain = level == SOL_SOCKET as i32 && !socket.protocol.has_all_options();
    if plain && name == SO_PEERPIDFD {
        let value = value(get(len_addr)?)?;
        let (peer, _) = socket.protocol.peer_credentials().ok_or(Errno::NODATA)?;
        let fd = pidfd_of(cur, peer.pid)?;
        return value.put_int(fd).inspect_err(|_| drop(cur.files.remove(fd))).map(|()| 0);
    }
    if plain {
        options::read(&*socket.protocol, name, value(get(len_addr)?)?)?;
    } else {
        // Who has no such level does not look at the room.
        let len = get(len_addr).unwrap_or(0);
        socket.protocol.option(level, name, value(len)?)?;
    }
    Ok(0)
}

/// `setsockopt(sockfd, level, optname, optval, optlen)`
pub fn sys_setsockopt(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let socket = socket(cur, args.i32(0))?;
    let (level, name) = (args.i32(1), args.u32(2));
    let len = usize::try_from(args.i32(4)).map_err(|_| Errno::INVAL)?;
    let value = Argument { addr: args.usize(3), len };
    let plain = level == SOL_SOCKET as i32 && !socket.protocol.has_all_options();
    if plain {
        options::set(socket.protocol.sock(), &cur.cred(), name, value)?;
    } else {
        socket.protocol.set_option(level, name, value)?;
    }
    Ok(0)
}
