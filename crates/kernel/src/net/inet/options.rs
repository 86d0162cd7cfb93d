//! Options of the levels below the socket (ip(7), ipv6(7), tcp(7), udp(7)): a table of those that are kept, and the few
//! that tell something.
//!
//! What is kept changes nothing that a program could see over the loopback, or is looked at by who asks for it here. An
//! option that would have to do something else is not in the table and answers `ENOPROTOOPT`.

use super::{INET, INET6};
use crate::net::options::{Argument, Value};
use crate::uaccess::get_bytes;
use crate::{Errno, Result};
use alloc::collections::BTreeMap;
use core::sync::atomic::{AtomicU8, Ordering::Relaxed};
use host::mutex::Mutex;
use linux_raw_sys::net as n;

const IP: u32 = n::IPPROTO_IP as u32;
const IPV6: u32 = n::IPPROTO_IPV6 as u32;
const TCP: u32 = n::IPPROTO_TCP as u32;
const UDP: u32 = n::IPPROTO_UDP as u32;

/// Level, name, value at first, least and largest.
type Kept = (u32, u32, i32, i32, i32);

/// All that are kept. A least and largest of 0 and 1 make any other value 1.
const KEPT: [Kept; 53] = [
    (TCP, n::TCP_NODELAY, 0, 0, 1),
    (TCP, n::TCP_CORK, 0, 0, 1),
    (TCP, n::TCP_KEEPIDLE, 7200, 1, 32767),
    (TCP, n::TCP_KEEPINTVL, 75, 1, 32767),
    (TCP, n::TCP_KEEPCNT, 9, 1, 127),
    (TCP, n::TCP_SYNCNT, 6, 1, 127),
    (TCP, n::TCP_LINGER2, 60, i32::MIN, i32::MAX),
    (TCP, n::TCP_DEFER_ACCEPT, 0, i32::MIN, i32::MAX),
    (TCP, n::TCP_QUICKACK, 1, 0, 1),
    (TCP, n::TCP_USER_TIMEOUT, 0, 0, i32::MAX),
    (TCP, n::TCP_FASTOPEN, 0, 0, i32::MAX),
    (TCP, n::TCP_NOTSENT_LOWAT, 0, i32::MIN, i32::MAX),
    (TCP, n::TCP_FASTOPEN_CONNECT, 0, 0, 1),
    (IP, n::IP_TOS, 0, 0, 255),
    (IP, n::IP_TTL, 64, 1, 255),
    (IP, n::IP_RECVOPTS, 0, 0, 1),
    (IP, n::IP_RETOPTS, 0, 0, 1),
    (IP, n::IP_PKTINFO, 0, 0, 1),
    (IP, n::IP_MTU_DISCOVER, 1, 0, 5),
    (IP, n::IP_RECVERR, 0, 0, 1),
    (IP, n::IP_RECVTTL, 0, 0, 1),
    (IP, n::IP_RECVTOS, 0, 0, 1),
    (IP, n::IP_FREEBIND, 0, 0, 1),
    (IP, n::IP_PASSSEC, 0, 0, 1),
    (IP, n::IP_BIND_ADDRESS_NO_PORT, 0, 0, 1),
    (IP, n::IP_RECVERR_RFC4884, 0, 0, 1),
    (IP, n::IP_MULTICAST_TTL, 1, 0, 255),
    (IP, n::IP_MULTICAST_LOOP, 1, 0, 1),
    (IP, n::IP_MULTICAST_ALL, 1, 0, 1),
    (IPV6, n::IPV6_V6ONLY, 0, 0, 1),
    (IPV6, n::IPV6_UNICAST_HOPS, 64, -1, 255),
    (IPV6, n::IPV6_MULTICAST_HOPS, 1, -1, 255),
    (IPV6, n::IPV6_MULTICAST_LOOP, 1, 0, 1),
    (IPV6, n::IPV6_MULTICAST_ALL, 1, 0, 1),
    (IPV6, n::IPV6_MTU_DISCOVER, 1, 0, 5),
    (IPV6, n::IPV6_RECVERR, 0, 0, 1),
    (IPV6, n::IPV6_RECVPKTINFO, 0, 0, 1),
    (IPV6, n::IPV6_RECVHOPLIMIT, 0, 0, 1),
    (IPV6, n::IPV6_RECVTCLASS, 0, 0, 1),
    (IPV6, n::IPV6_2292HOPOPTS, 0, 0, 1),
    (IPV6, n::IPV6_2292DSTOPTS, 0, 0, 1),
    (IPV6, n::IPV6_2292RTHDR, 0, 0, 1),
    (IPV6, n::IPV6_RECVERR_RFC4884, 0, 0, 1),
    (IPV6, n::IPV6_RECVFRAGSIZE, 0, 0, 1),
    (IPV6, n::IPV6_RECVRTHDR, 0, 0, 1),
    (IPV6, n::IPV6_RECVHOPOPTS, 0, 0, 1),
    (IPV6, n::IPV6_RECVDSTOPTS, 0, 0, 1),
    (IPV6, n::IPV6_RECVPATHMTU, 0, 0, 1),
    (IPV6, n::IPV6_DONTFRAG, 0, 0, 1),
    (IPV6, n::IPV6_AUTOFLOWLABEL, 1, 0, 1),
    (IPV6, n::IPV6_FREEBIND, 0, 0, 1),
    (IPV6, n::IPV6_TCLASS, 0, -1, 255),
    (IPV6, n::IPV6_FLOWINFO_SEND, 0, 0, 1),
];

/// Those that take 0 and 1 only.
const STRICT: [(u32, u32); 5] = [
    (TCP, n::TCP_FASTOPEN_CONNECT),
    (IP, n::IP_MULTICAST_ALL),
    (IP, n::IP_RECVERR_RFC4884),
    (IPV6, n::IPV6_MULTICAST_LOOP),
    (IPV6, n::IPV6_RECVERR_RFC4884),
];
const IPV6_MIN_MTU: i32 = 1280;

/// Ways to watch over the flow of bytes that may be named (`TCP_CONGESTION`); here there is nothing to watch.
const CONGESTION: [&[u8]; 2] = [b"cubic", b"reno"];
/// `TCP_CA_NAME_MAX`
const CONGESTION_LEN: usize = 16;
/// `TCP_MAXSEG` without a connection, and over the loopback.
const SEGMENT: i32 = 536;
const SEGMENT_LO: i32 = 32741;

/// What of a socket options tell.
#[derive(Clone, Copy, Default)]
pub struct Facts {
    /// It has an address.
    pub bound: bool,
    /// It is connected.
    pub connected: bool,
    /// State of TCP, as `tcp_info` numbers them.
    pub state: u8,
    /// Bytes sent and received since it was connected.
    pub bytes: (u64, u64),
    /// Room for what is received.
    pub room: usize,
}

/// Options of the levels below the socket.
pub struct Options {
    family: u16,
    tcp: bool,
    kept: Mutex<BTreeMap<(u32, u32), i32>>,
    only6: AtomicU8,
    congestion: AtomicU8,
}

impl Options {
    /// As they are at first.
    pub fn new(family: u16, tcp: bool) -> Options {
        Options { family, tcp, kept: Mutex::default(), only6: AtomicU8::new(0), congestion: AtomicU8::new(0) }
    }

    /// Takes over what is set for a listener (`inet_csk_clone_lock`).
    pub fn inherit(&self, from: &Options) {
        let kept = from.kept.lock().clone();
        *self.kept.lock() = kept;
        self.only6.store(from.only6.load(Relaxed), Relaxed);
        self.congestion.store(from.congestion.load(Relaxed), Relaxed);
    }

    /// `IPV6_V6ONLY`: whether it is apart from the other family.
    pub fn is_v6_only(&self) -> bool {
        self.only6.load(Relaxed) != 0
    }

    /// The value of one that is kept.
    pub fn value(&self, level: u32, name: u32) -> i32 {
        let kept = self.kept.lock().get(&(level, name)).copied();
        let row = || KEPT.into_iter().find(|row| (row.0, row.1) == (level, name));
        kept.or_else(|| row().map(|row| row.2)).unwrap_or(0)
    }

    /// Whether any was set that makes a receiver hear more than bytes.
    pub fn wants_controls(&self) -> bool {
        !self.kept.lock().is_empty()
    }

    fn knows_level(&self, level: u32) -> bool {
        level == IP || level == if self.tcp { TCP } else { UDP } || level == IPV6 && self.family == INET6
    }

    fn row(&self, level: u32, name: u32) -> Result<Kept> {
        KEPT.into_iter().find(|row| row.0 == level && row.1 == name).ok_or(Errno::NOPROTOOPT)
    }

    /// getsockopt(2).
    ///
    /// # Errors
    /// `EOPNOTSUPP`, `ENOPROTOOPT`, `EINVAL`, `ENOTCONN`, `EFAULT`.
    pub fn read(&self, level: i32, name: u32, value: Value, facts: Facts) -> Result<()> {
        let level = level as u32;
        if !self.knows_level(level) {
            return Err(if self.family == INET { Errno::OPNOTSUPP } else { Errno::NOPROTOOPT });
        }
        match (level, name) {
            (TCP, n::TCP_INFO) => return value.put(&info(facts)),
            (TCP, n::TCP_CONGESTION) => {
                let mut out = [0; CONGESTION_LEN];
                let name = CONGESTION[usize::from(self.congestion.load(Relaxed)) % CONGESTION.len()];
                out[..name.len()].copy_from_slice(name);
                return value.put(&out);
            }
            (TCP, n::TCP_MAXSEG) => {
                return value.put_int(if facts.connected { SEGMENT_LO } else { SEGMENT });
            }
            // No protocol on top of it.
            (TCP, n::TCP_ULP) => return value.put(&[]),
            (IP, n::IP_MTU) | (IPV6, n::IPV6_MTU) if !facts.connected => return Err(Errno::NOTCONN),
            // No packet of IPv4 is longer.
            (IP, n::IP_MTU) => return value.put_int(i32::from(u16::MAX)),
            (IPV6, n::IPV6_MTU) => return value.put_int(crate::net::device::MTU as i32),
            _ => {}
        }
        let row = self.row(level, name)?;
        let int = self.value(row.0, row.1);
        // Small values fit small room ("Compatibility").
        if level == IP && (1..4).contains(&value.len) && (0..256).contains(&int) {
            return value.put(&[int as u8]);
        }
        value.put_int(int)
    }

    /// setsockopt(2).
    ///
    /// # Errors
    /// `ENOPROTOOPT`, `EINVAL`, `ENOENT`, `ENODEV`, `EPROTO`, `EFAULT`.
    pub fn set(&self, level: i32, name: u32, value: Argument, facts: Facts) -> Result<()> {
        let level = level as u32;
        if !self.knows_level(level) {
            return Err(Errno::NOPROTOOPT);
        }
        match (level, name) {
            (TCP, n::TCP_CONGESTION) => return self.set_congestion(value),
            // Packets are not cut, so it does not matter where.
            (IPV6, n::IPV6_MTU) if matches!(value.int()?, 0 | IPV6_MIN_MTU..) => return Ok(()),
            (IPV6, n::IPV6_MTU) => return Err(Errno::INVAL),
            (TCP, n::TCP_ULP) => return Err(if value.len == 0 { Errno::INVAL } else { Errno::NOENT }),
            (IP, n::IP_ADD_MEMBERSHIP) | (IPV6, n::IPV6_ADD_MEMBERSHIP) => {
                return Err(self.no_group(level, value).err().unwrap_or(Errno::NODEV));
            }
            (IP, n::IP_DROP_MEMBERSHIP) | (IPV6, n::IPV6_DROP_MEMBERSHIP) => {
                return Err(self.no_group(level, value).err().unwrap_or(Errno::ADDRNOTAVAIL));
            }
            _ => {}
        }
        // For datagrams only.
        match (level, name) {
            (IP, n::IP_MULTICAST_TTL) if self.tcp => return Err(Errno::INVAL),
            (IPV6, n::IPV6_MULTICAST_HOPS) if self.tcp => return Err(Errno::NOPROTOOPT),
            _ => {}
        }
        // TCP and UDP look at the value first.
        let early = if level == TCP || level == UDP { Some(value.int()?) } else { None };
        if level == IPV6 && value.len >= 4 {
            value.int()?;
        }
        let row = self.row(level, name)?;
        let mut int = match early {
            Some(int) => int,
            // Of IPv4 a single byte does.
            None if level == IP && (1..4).contains(&value.len) => i32::from(value.bytes::<1>()?[0]),
            None if level == IP && value.len == 0 => 0,
            None => value.int()?,
        };
        let (least, most) = (row.3, row.4);
        if (least, most) == (0, 1) && !STRICT.contains(&(level, name)) {
            int = i32::from(int != 0);
        }
        // The value at first again.
        if int == -1 && level == IP && [n::IP_TTL, n::IP_MULTICAST_TTL].contains(&name) {
            int = row.2;
        }
        if level == IP && name == n::IP_TOS {
            int &= 0xff;
        }
        if !(least..=most).contains(&int) {
            return Err(Errno::INVAL);
        }
        if (row.0, row.1) == (IPV6, n::IPV6_V6ONLY) {
            if facts.bound {
                return Err(Errno::INVAL);
            }
            self.only6.store(int as u8, Relaxed);
        }
        self.kept.lock().insert((row.0, row.1), int);
        Ok(())
    }

    fn set_congestion(&self, value: Argument) -> Result<()> {
        if value.len == 0 {
            return Err(Errno::INVAL);
        }
        let mut name = [0; CONGESTION_LEN];
        let len = value.len.min(CONGESTION_LEN - 1);
        get_bytes(&mut name[..len], value.addr)?;
        let name = name.split(|&b| b == 0).next().unwrap_or(&[]);
        let found = CONGESTION.iter().position(|known| *known == name).ok_or(Errno::NOENT)?;
        self.congestion.store(found as u8, Relaxed);
        Ok(())
    }

    /// No device here has multicast: checks only what is wrong anyway.
    fn no_group(&self, level: u32, value: Argument) -> Result<()> {
        if self.tcp && level == IP {
            return Err(Errno::PROTO);
        }
        let is_group =
            if level == IP { value.bytes::<8>()?[0] >> 4 == 14 } else { value.bytes::<20>()?[0] == 0xff };
        if self.tcp && is_group {
            return Err(Errno::PROTO);
        }
        if is_group { Ok(()) } else { Err(Errno::INVAL) }
    }
}

/// `struct tcp_info`, with what there is to tell where nothing is lost and nothing takes time.
fn info(facts: Facts) -> [u8; 280] {
    let mut out = [0; 280];
    let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &[facts.state]);
    let int = |value: u32| value.to_ne_bytes();
    if facts.connected {
        // Timestamps, selective acknowledgement, scaled windows by 7.
        put(5, &[7, 0x77]);
        // Time before something is sent again; sizes of segments; the path.
        put(8, &int(200_000));
        put(16, &int(SEGMENT_LO as u32));
        put(20, &int(SEGMENT as u32));
        put(60, &int(65535));
        put(92, &int(SEGMENT_LO as u32));
    }
    // Threshold, window, reordering, pacing without bounds.
    put(76, &int(i32::MAX as u32));
    put(80, &int(10));
    put(88, &int(3));
    put(100, &int(facts.room as u32));
    put(112, &u64::MAX.to_ne_bytes());
    put(120, &facts.bytes.0.to_ne_bytes());
    put(128, &facts.bytes.1.to_ne_bytes());
    put(200, &facts.bytes.0.to_ne_bytes());
    out
}
