//! All sockets of TCP and UDP, as /proc/net/{tcp,tcp6,udp,udp6} (proc_net_tcp(5)) and sock_diag(7) list them.

use super::tcp::Tcp;
use super::udp::Udp;
use super::{Endpoint, INET};
use crate::net::list::List;
use crate::net::{Shutdown, Sock};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Write;
use core::sync::atomic::Ordering::Relaxed;

pub(super) static TCP: List<Tcp> = List::new();
pub(super) static UDP: List<Udp> = List::new();

/// States of TCP, as both lists number them (`TCP_ESTABLISHED` …).
pub const ESTABLISHED: u8 = 1;
/// `TCP_FIN_WAIT2`
pub const FIN_WAIT2: u8 = 5;
/// `TCP_CLOSE`
pub const CLOSE: u8 = 7;
/// `TCP_CLOSE_WAIT`
pub const CLOSE_WAIT: u8 = 8;
/// `TCP_LISTEN`
pub const LISTEN: u8 = 10;

/// What is shown of a socket.
pub struct Shown {
    /// `AF_INET` or `AF_INET6`.
    pub family: u16,
    /// Its state.
    pub state: u8,
    /// Its address: four or sixteen bytes, and the port.
    pub local: (Vec<u8>, u16),
    /// That of the other side.
    pub remote: (Vec<u8>, u16),
    /// Bytes to be received; of a listener: connections to be accepted.
    pub receive: usize,
    /// Bytes to be sent; of a listener: how many connections may wait.
    pub send: usize,
    /// Whose it is.
    pub uid: u32,
    /// Number of its inode; 0: nobody has accepted it.
    pub ino: u64,
    /// Room for what is received, and for what is sent.
    pub buffers: (usize, usize),
    /// What is shut down.
    pub down: Shutdown,
}

/// What the protocols tell of a socket.
pub(super) struct Facts {
    pub state: u8,
    pub local: Option<Endpoint>,
    pub remote: Option<Endpoint>,
    pub receive: usize,
    pub send: usize,
}

fn shown(sock: &Sock, facts: Facts) -> Shown {
    let any = Endpoint::any(sock.family);
    let end = |end: Option<Endpoint>| {
        let end = end.unwrap_or(any);
        let ip = if sock.family == INET { end.ip[12..].to_vec() } else { end.ip.to_vec() };
        (ip, end.port)
    };
    Shown {
        family: sock.family,
        state: facts.state,
        local: end(facts.local),
        remote: end(facts.remote),
        receive: facts.receive,
        send: facts.send,
        uid: sock.uid.load(Relaxed),
        ino: sock.ino.load(Relaxed),
        buffers: (sock.options.receive_buffer(), sock.space.limit()),
        down: sock.down(),
    }
}

/// All sockets of TCP that have an address and are in some state.
pub fn tcp() -> Vec<Shown> {
    let all: Vec<Arc<Tcp>> = TCP.all();
    all.iter().filter_map(|tcp| Some(shown(tcp.common(), tcp.facts()?))).collect()
}

/// All sockets of UDP that have an address.
pub fn udp() -> Vec<Shown> {
    let all: Vec<Arc<Udp>> = UDP.all();
    all.iter().filter_map(|udp| Some(shown(udp.common(), udp.facts()?))).collect()
}

/// How many there are, whatever their state.
pub fn count() -> usize {
    TCP.len() + UDP.len()
}

/// An address as these files have it: words of 32 bits in the processor's order, in hexadecimal.
fn hex(out: &mut alloc::string::String, (ip, port): &(Vec<u8>, u16)) {
    for word in ip.chunks_exact(4) {
        let word = u32::from_ne_bytes([word[0], word[1], word[2], word[3]]);
        // Writing to a string does not fail.
        let _ = write!(out, "{word:08X}");
    }
    let _ = write!(out, ":{port:04X}");
}

/// Lines of the older files are filled up to so many characters.
const WIDTH_TCP: usize = 149;
const WIDTH_UDP: usize = 127;
const TITLES: &str =
    "local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
const TITLES6: &str = "local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";

fn table(family: u16, sockets: Vec<Shown>, is_tcp: bool) -> Vec<u8> {
    let v4 = family == INET;
    let title = match (is_tcp, v4) {
        (true, true) => alloc::format!("{:<WIDTH_TCP$}\n", alloc::format!("  sl  {TITLES}")),
        (true, false) => alloc::format!("  sl  {TITLES6}\n"),
        (false, true) => {
            alloc::format!("{:<WIDTH_UDP$}\n", alloc::format!("   sl  {TITLES} ref pointer drops"))
        }
        (false, false) => alloc::format!("  sl  {TITLES6} ref pointer drops\n"),
    };
    let mut out = title.into_bytes();
    for (nth, socket) in sockets.iter().filter(|socket| socket.family == family).enumerate() {
        // What may still be accepted is not what waits to be sent.
        let send = if socket.state == LISTEN { 0 } else { socket.send };
        let mut line = alloc::string::String::new();
        let _ = write!(line, "{nth:w$}: ", w = if is_tcp { 4 } else { 5 });
        hex(&mut line, &socket.local);
        line.push(' ');
        hex(&mut line, &socket.remote);
        // No timer runs. Addresses and counts of references are the kernel's own business.
        let _ = write!(
            line,
            " {:02X} {send:08X}:{:08X} 00:00000000 00000000 {:5} {:8} {} 2 {:016x}",
            socket.state, socket.receive, socket.uid, 0, socket.ino, 0
        );
        if is_tcp {
            // Timers, window, threshold
            line.push_str(if socket.state == LISTEN { " 100 0 0 10 0" } else { " 20 4 0 10 -1" });
        } else {
            line.push_str(" 0");
        }
        let width = match (is_tcp, v4) {
            (true, true) => WIDTH_TCP,
            (false, true) => WIDTH_UDP,
            _ => 0,
        };
        let _ = writeln!(line, "{:w$}", "", w = width.saturating_sub(line.len()));
        out.extend(line.into_bytes());
    }
    out
}

/// The text of /proc/net/tcp, or tcp6.
pub fn tcp_text(family: u16) -> Vec<u8> {
    table(family, tcp(), true)
}

/// The text of /proc/net/udp, or udp6.
pub fn udp_text(family: u16) -> Vec<u8> {
    table(family, udp(), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_words_in_hexadecimal() {
        let mut out = alloc::string::String::new();
        hex(&mut out, &(alloc::vec![127, 0, 0, 1], 80));
        assert_eq!(out, "0100007F:0050");
    }
}
