//! sock_diag(7): the sockets of this kernel, as ss(8) lists them.

use super::answer::{Answer, Dump, Refusal, Reply, Style};
use super::filter;
use super::wire::{Body, Request, word};
use crate::Errno;
use crate::net::device;
use crate::net::inet::list as inet;
use crate::net::unix::list as unix;
use alloc::vec::Vec;
use linux_raw_sys::net as n;
use linux_raw_sys::netlink as nl;

type Outcome<T> = core::result::Result<T, Refusal>;

/// `SOCK_DIAG_BY_FAMILY`, `SOCK_DESTROY`
const BY_FAMILY: u16 = 20;
const DESTROY: u16 = 21;
const FAMILY_MAX: u8 = 46;

const TCP: u8 = n::IPPROTO_TCP as u8;
const UDP: u8 = n::IPPROTO_UDP as u8;
/// `sizeof(struct inet_diag_req_v2)`, `sizeof(struct unix_diag_req)`
const INET_REQUEST: usize = 56;
const UNIX_REQUEST: usize = 24;

/// Answers a request (`sock_diag_rcv_msg`).
///
/// # Errors
/// `EINVAL`; `ENOENT` for a family or protocol without such lists, and for a socket that is not there.
pub fn handle(request: &Request<'_>, _style: Style) -> Outcome<Answer> {
    if !matches!(request.kind, BY_FAMILY | DESTROY) {
        return Err(Errno::INVAL.into());
    }
    let &[family, protocol] = request.payload().first_chunk().ok_or(Errno::INVAL)?;
    if family >= FAMILY_MAX {
        return Err(Errno::INVAL.into());
    }
    let inet = [n::AF_INET, n::AF_INET6].contains(&u32::from(family));
    if !inet && u32::from(family) != n::AF_UNIX {
        return Err(Errno::NOENT.into());
    }
    if request.kind == DESTROY {
        return Err(if device::may_administer() { Errno::OPNOTSUPP } else { Errno::PERM }.into());
    }
    let all = request.flags & nl::NLM_F_DUMP as u16 == nl::NLM_F_DUMP as u16;
    let replies =
        if inet { inet_sockets(request, family, protocol, all)? } else { unix_sockets(request, all)? };
    if all {
        return Ok(Answer::Many(Ok(Dump { replies, ..Dump::default() })));
    }
    Ok(Answer::One(replies.into_iter().next().ok_or(Errno::NOENT)?))
}

fn reply(body: Body) -> Reply {
    Reply { kind: BY_FAMILY, payload: body.into_bytes() }
}

/// `SK_MEMINFO_*`, of which room and use are known.
fn memory(body: &mut Body, kind: u16, (receive, send): (usize, usize), used: (usize, usize)) {
    let words = [used.0, receive, 0, send, 0, used.1, 0, 0, 0];
    let bytes: Vec<u8> = words.iter().flat_map(|&word| (word as u32).to_ne_bytes()).collect();
    body.attr(kind, &bytes);
}

/// `net/unix/diag.c`. Without `all` the one whose inode was given.
fn unix_sockets(request: &Request<'_>, all: bool) -> Outcome<Vec<Reply>> {
    let fixed: &[u8; UNIX_REQUEST] = request.fixed().ok_or(Errno::INVAL)?;
    let (states, ino, show) = (word(fixed, 4), word(fixed, 8), word(fixed, 12));
    if !all && ino == 0 {
        return Err(Errno::INVAL.into());
    }
    let mut replies = Vec::new();
    for socket in unix::all() {
        let state = match (socket.listens, socket.connected) {
            (true, _) => inet::LISTEN,
            (_, true) => inet::ESTABLISHED,
            _ => inet::CLOSE,
        };
        if all && states & 1 << state == 0 || !all && socket.ino != u64::from(ino) {
            continue;
        }
        replies.push(unix_socket(&socket, state, show));
    }
    Ok(replies)
}

/// `sk_diag_fill` of AF_UNIX: `show` has a bit for each attribute.
fn unix_socket(socket: &unix::Shown, state: u8, show: u32) -> Reply {
    let wanted = |attribute: u32| show & 1 << attribute != 0;
    let mut fixed = [0; 16];
    fixed[..3].copy_from_slice(&[n::AF_UNIX as u8, socket.kind as u8, state]);
    fixed[4..8].copy_from_slice(&(socket.ino as u32).to_ne_bytes());
    // The cookie: unique as the inode is.
    fixed[8..].copy_from_slice(&socket.ino.to_ne_bytes());
    let mut body = Body::new(&fixed);
    if let Some(name) = socket.name.as_ref().filter(|_| wanted(0)) {
        let shown = if name.first() == Some(&0) { name } else { name.strip_suffix(b"\0").unwrap_or(name) };
        body.attr(0, shown);
    }
    if let Some((dev, ino)) = socket.node.filter(|_| wanted(1)) {
        body.attr(1, &(ino as u32 as u64 | u64::from(dev as u32) << 32).to_ne_bytes());
    }
    if let Some(peer) = socket.peer.filter(|_| wanted(2)) {
        body.int(2, peer as u32);
    }
    if socket.listens && wanted(3) {
        body.attr(3, &alloc::vec![0; socket.waiting.min(1024) * 4]);
    }
    if wanted(4) {
        let lens = (socket.receive as u32, socket.send as u32);
        body.attr(4, &(u64::from(lens.0) | u64::from(lens.1) << 32).to_ne_bytes());
    }
    if wanted(5) {
        memory(&mut body, 5, socket.buffers, (socket.receive, socket.send));
    }
    body.attr(6, &[socket.down.bits() as u8]);
    if wanted(6) {
        body.int(7, socket.uid);
    }
    reply(body)
}

/// `inet_diag_dump`. Without `all` the one with the addresses that were given.
fn inet_sockets(request: &Request<'_>, family: u8, protocol: u8, all: bool) -> Outcome<Vec<Reply>> {
    let fixed: &[u8; INET_REQUEST] = request.fixed().ok_or(Errno::INVAL)?;
    let sockets = match protocol {
        TCP => inet::tcp(),
        UDP => inet::udp(),
        _ => return Err(Errno::NOENT.into()),
    };
    let (extensions, states) = (fixed[2], word(fixed, 4));
    let port = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
    let (from, to) = (port(8), port(10));
    let code = match request.attributes(INET_REQUEST).find(|(kind, _)| *kind == filter::ATTRIBUTE) {
        Some((_, code)) => Some(filter::Filter::new(code).ok_or(Errno::INVAL)?),
        None => None,
    };
    let wanted = |socket: &&inet::Shown| {
        let ports = [(from, socket.local.1), (to, socket.remote.1)];
        let ports_fit = ports.iter().all(|(asked, has)| all && *asked == 0 || asked == has);
        let addresses_fit =
            all || fixed[12..].starts_with(&socket.local.0) && fixed[28..].starts_with(&socket.remote.0);
        socket.family == u16::from(family)
            && (!all || states & 1 << socket.state != 0)
            && ports_fit
            && addresses_fit
            && code.as_ref().is_none_or(|code| code.passes(socket))
    };
    Ok(sockets.iter().filter(wanted).map(|socket| inet_socket(socket, protocol, extensions)).collect())
}

/// `inet_sk_diag_fill`: `extensions` has a bit for each attribute from 1 on.
fn inet_socket(socket: &inet::Shown, protocol: u8, extensions: u8) -> Reply {
    let wanted = |attribute: u32| extensions & 1 << (attribute - 1) != 0;
    let mut fixed = [0; 72];
    fixed[..2].copy_from_slice(&[socket.family as u8, socket.state]);
    fixed[4..6].copy_from_slice(&socket.local.1.to_be_bytes());
    fixed[6..8].copy_from_slice(&socket.remote.1.to_be_bytes());
    fixed[8..8 + socket.local.0.len()].copy_from_slice(&socket.local.0);
    fixed[24..24 + socket.remote.0.len()].copy_from_slice(&socket.remote.0);
    fixed[44..52].copy_from_slice(&socket.ino.to_ne_bytes());
    fixed[56..60].copy_from_slice(&(socket.receive as u32).to_ne_bytes());
    fixed[60..64].copy_from_slice(&(socket.send as u32).to_ne_bytes());
    fixed[64..68].copy_from_slice(&socket.uid.to_ne_bytes());
    fixed[68..].copy_from_slice(&(socket.ino as u32).to_ne_bytes());
    let mut body = Body::new(&fixed);
    body.attr(8, &[socket.down.bits() as u8]);
    if wanted(1) {
        // struct inet_diag_meminfo
        let words = [socket.receive as u32, 0, 0, 0];
        body.attr(1, &words.map(u32::to_ne_bytes).concat());
    }
    if wanted(7) {
        memory(&mut body, 7, socket.buffers, (socket.receive, 0));
    }
    if protocol == TCP && wanted(4) {
        body.string(4, b"cubic");
    }
    reply(body)
}
