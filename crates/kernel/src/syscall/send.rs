//! send(2): sendto, sendmsg; sendmmsg(2).

use super::cmsg::{self, Sent};
use super::msghdr::{MMSGHDR, MsgHdr, put_count};
use super::sockaddr::{OpenSocket, Tree, get_address, socket};
use crate::net::{MsgFlags, Outgoing};
use crate::task::Current;
use crate::uaccess::Args;
use crate::vfs::MAX_RW_COUNT;
use crate::{Errno, Result};
use host::io::{IoSrc, MAX_SEGMENTS};
use linux_raw_sys::general::SIGPIPE;
use linux_raw_sys::net::{AF_NETLINK, AF_UNIX};

/// `sendto(sockfd, buf, len, flags, dest_addr, addrlen)`
pub fn sys_sendto(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (addr, len) = (args.usize(1), args.usize(2).min(MAX_RW_COUNT));
    if !usercopy::access_ok(addr, len) {
        return Err(Errno::FAULT);
    }
    let socket = socket(cur, args.i32(0))?;
    let flags = MsgFlags::from_bits_retain(args.u32(3));
    let (to, to_len) = (args.usize(4), args.i32(5));
    send(cur, &socket, &mut IoSrc::user(addr, len), flags, (to, to_len), Sent::default())
}

/// `sendmsg(sockfd, msg, flags)`
pub fn sys_sendmsg(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let flags = message_flags(args.u32(2))?;
    let socket = socket(cur, args.i32(0))?;
    send_message(cur, &socket, args.usize(1), flags).map(|(sent, _)| sent)
}

/// `sendmmsg(sockfd, msgvec, vlen, flags)`
pub fn sys_sendmmsg(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let flags = message_flags(args.u32(3))?;
    let socket = socket(cur, args.i32(0))?;
    let count = (args.u32(2) as usize).min(MAX_SEGMENTS);
    let mut done = 0;
    while done < count {
        let at = args.usize(1).wrapping_add(done * MMSGHDR);
        let step = send_message(cur, &socket, at, flags)
            .and_then(|(sent, whole)| put_count(at, sent).map(|()| whole));
        match step {
            Ok(whole) => {
                done += 1;
                if !whole {
                    break;
                }
            }
            Err(errno) if done == 0 => return Err(errno),
            Err(_) => break,
        }
    }
    Ok(done)
}

/// The flags of calls that take a `struct msghdr`.
///
/// # Errors
/// `EINVAL` for the flag that marks 32-bit programs.
pub(super) fn message_flags(flags: u32) -> Result<MsgFlags> {
    let flags = MsgFlags::from_bits_retain(flags);
    if flags.contains(MsgFlags::CMSG_COMPAT) { Err(Errno::INVAL) } else { Ok(flags) }
}

/// One `struct msghdr`; answers how many bytes were sent, and whether those were all.
fn send_message(cur: &Current<'_>, socket: &OpenSocket, at: usize, flags: MsgFlags) -> Result<(usize, bool)> {
    let header = MsgHdr::read(at)?;
    let mut src = IoSrc::user_vec(&header.segments);
    let len = src.remaining();
    if header.control_len > i32::MAX as usize {
        return Err(Errno::NOBUFS);
    }
    // The address counts as a whole, an empty one as none; it is read before the control messages.
    let to = (header.name, header.name_len);
    if header.name != 0 {
        get_address(to.0, to.1)?;
    }
    let takes_any = [AF_UNIX as u16, AF_NETLINK as u16].contains(&socket.protocol.sock().family);
    let sent = match takes_any {
        true => cmsg::read(cur, header.control, header.control_len)?,
        false => {
            // What is for other families goes nowhere; there is nothing else.
            cmsg::skip(header.control, header.control_len)?;
            Sent::default()
        }
    };
    let count = send(cur, socket, &mut src, flags, to, sent)?;
    Ok((count, count == len))
}

fn send(
    cur: &Current<'_>,
    socket: &OpenSocket,
    src: &mut IoSrc<'_>,
    mut flags: MsgFlags,
    (to, to_len): (usize, i32),
    sent: Sent,
) -> Result<usize> {
    let address = if to == 0 { None } else { Some(get_address(to, to_len)?) };
    let to = address.as_ref().map(|address| address.as_bytes()).filter(|bytes| !bytes.is_empty());
    if socket.file.nonblock() {
        flags |= MsgFlags::DONTWAIT;
    }
    let tree = Tree(cur);
    let message =
        Outgoing { to, names: Some(&tree), flags, files: sent.files, credentials: sent.credentials };
    let result = socket.protocol.send(src, message);
    if result == Err(Errno::PIPE) && !flags.contains(MsgFlags::NOSIGNAL) && socket.protocol.sigpipe() {
        crate::signal::to_current(cur.task, SIGPIPE as i32);
    }
    result
}
