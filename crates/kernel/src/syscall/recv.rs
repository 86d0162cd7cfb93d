//! recv(2): recvfrom, recvmsg; recvmmsg(2).

use super::cmsg::Room;
use super::msghdr::{MMSGHDR, MsgHdr, put_count};
use super::send::message_flags;
use super::sockaddr::{OpenSocket, put_address, socket};
use crate::net::{Incoming, MsgFlags};
use crate::task::Current;
use crate::time::clock::{ns_timespec, timespec_ns};
use crate::uaccess::{Args, get, put};
use crate::vfs::MAX_RW_COUNT;
use crate::{ERESTARTSYS, Errno, Result};
use host::io::IoDst;

/// `recvfrom(sockfd, buf, len, flags, src_addr, addrlen)`
pub fn sys_recvfrom(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (addr, len) = (args.usize(1), args.usize(2).min(MAX_RW_COUNT));
    if !usercopy::access_ok(addr, len) {
        return Err(Errno::FAULT);
    }
    let socket = socket(cur, args.i32(0))?;
    let mut message = incoming(&socket, MsgFlags::from_bits_retain(args.u32(3)));
    let (from, from_len) = (args.usize(4), args.usize(5));
    message.wants_address = from != 0;
    let count = socket.protocol.receive(&mut IoDst::user(addr, len), &mut message)?;
    if from != 0 {
        let address = message.from.as_ref().map_or(&[][..], |from| from.as_bytes());
        put_address(address, from, from_len)?;
    }
    Ok(count)
}

fn incoming(socket: &OpenSocket, mut flags: MsgFlags) -> Incoming {
    if socket.file.nonblock() {
        flags |= MsgFlags::DONTWAIT;
    }
    Incoming::new(flags)
}

/// `recvmsg(sockfd, msg, flags)`
pub fn sys_recvmsg(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let flags = message_flags(args.u32(2))?;
    let socket = socket(cur, args.i32(0))?;
    receive_message(cur, &socket, args.usize(1), flags).map(|(count, _)| count)
}

/// One `struct msghdr`; answers how many bytes came, and the flags.
fn receive_message(
    cur: &Current<'_>,
    socket: &OpenSocket,
    at: usize,
    flags: MsgFlags,
) -> Result<(usize, MsgFlags)> {
    let header = MsgHdr::read(at)?;
    let mut message = incoming(socket, flags);
    message.wants_address = header.name != 0;
    let count = socket.protocol.receive(&mut IoDst::user_vec(&header.segments), &mut message)?;
    let control_len = Room::new(header.control, header.control_len).store(cur, &mut message);
    if header.name != 0 {
        let address = message.from.as_ref().map_or(&[][..], |from| from.as_bytes());
        put_address(address, header.name, header.name_len_at())?;
    }
    let answer = message.answer | flags & MsgFlags::CMSG_CLOEXEC;
    header.finish(answer.bits(), control_len)?;
    Ok((count, answer))
}

/// `recvmmsg(sockfd, msgvec, vlen, flags, timeout)`
pub fn sys_recvmmsg(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let mut flags = message_flags(args.u32(3))?;
    let timeout_at = args.usize(4);
    let end_ns = match timeout_at {
        0 => None,
        at => Some(host::clock::monotonic_ns().saturating_add(timespec_ns(get(at)?)?)),
    };
    let socket = socket(cur, args.i32(0))?;
    socket.protocol.sock().take_error()?;
    let count = args.u32(2) as usize;
    let mut done = 0;
    let mut left = None;
    while done < count {
        let at = args.usize(1).wrapping_add(done.wrapping_mul(MMSGHDR));
        let step = receive_message(cur, &socket, at, flags - MsgFlags::WAITFORONE)
            .and_then(|(received, answer)| put_count(at, received).map(|()| answer));
        match step {
            Ok(answer) => {
                done += 1;
                if flags.contains(MsgFlags::WAITFORONE) {
                    flags |= MsgFlags::DONTWAIT;
                }
                // The time is looked at between messages only (recvmmsg(2), "BUGS").
                if let Some(end) = end_ns {
                    let rest = end.saturating_sub(host::clock::monotonic_ns());
                    left = Some(rest);
                    if rest == 0 {
                        break;
                    }
                }
                if answer.contains(MsgFlags::OOB) {
                    break;
                }
            }
            Err(errno) if done == 0 => return Err(errno),
            Err(errno) => {
                // Told by the next call.
                if errno != Errno::AGAIN && errno != ERESTARTSYS {
                    socket.protocol.sock().set_error(errno);
                }
                break;
            }
        }
    }
    if let Some(left) = left {
        put(timeout_at, &ns_timespec(left))?;
    }
    Ok(done)
}
