//! Options of level `SOL_SOCKET` (socket(7), "Socket options"): what they hold, and how they are read and set.
//! What is not listed here answers `ENOPROTOOPT`.

use super::{Control, Protocol, Sock, device};
use crate::task::Cred;
use crate::uaccess::{get, get_bytes, put, put_bytes};
use crate::{Errno, Result};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering::*};
use host::mutex::Mutex;
use linux_raw_sys::general::{CAP_NET_ADMIN, CAP_NET_RAW};
use linux_raw_sys::net as n;

/// `SO_SNDBUF` and `SO_RCVBUF` of a new socket (`net.core.wmem_default`).
pub const BUFFER_DEFAULT: usize = 212_992;
/// The most that may be asked for, before it is doubled (`net.core.wmem_max` of Linux 6.18).
const BUFFER_MAX: usize = 4 << 20;
/// `SOCK_MIN_SNDBUF`
const SEND_MIN: usize = 4608;
/// `SOCK_MIN_RCVBUF`
const RECEIVE_MIN: usize = 2304;
/// A buffer is twice an `int` that was asked for, and is an `int` itself.
const FORCED_MAX: usize = i32::MAX as usize / 2;

/// Options that are on or off: a bit each.
const SWITCHES: [u32; 12] = [
    n::SO_DEBUG,
    n::SO_REUSEADDR,
    n::SO_REUSEPORT,
    n::SO_DONTROUTE,
    n::SO_BROADCAST,
    n::SO_KEEPALIVE,
    n::SO_OOBINLINE,
    n::SO_PASSCRED,
    n::SO_NO_CHECK,
    n::SO_RXQ_OVFL,
    n::SO_SELECT_ERR_QUEUE,
    n::SO_PASSPIDFD,
];

/// Numbers that are only kept: name, value at first, least and largest.
const NUMBERS: [(u32, i32, i32, i32); 7] = [
    (n::SO_WIFI_STATUS, 0, 0, 1),
    (n::SO_NOFCS, 0, 0, 1),
    (n::SO_BUSY_POLL, 0, 0, i32::MAX),
    (n::SO_INCOMING_CPU, -1, i32::MIN, i32::MAX),
    (n::SO_PREFER_BUSY_POLL, 0, 0, 1),
    (n::SO_RCVMARK, 0, 0, 1),
    (n::SO_RCVPRIORITY, 0, 0, 1),
];
/// Numbers that are always the same: no device's queue has a number; what a filter may do; the one namespace.
const FIXED: [(u32, i32); 2] = [(n::SO_INCOMING_NAPI_ID, 0), (n::SO_BPF_EXTENSIONS, 64)];
const NETNS_COOKIE: u64 = 1;
/// Ways to tell when a message came (`SO_TIMESTAMP*`), of which one is on at a time. The control message has the same
/// number.
const STAMPS: [u32; 4] =
    [n::SO_TIMESTAMP_OLD, n::SO_TIMESTAMPNS_OLD, n::SO_TIMESTAMP_NEW, n::SO_TIMESTAMPNS_NEW];

/// What is set.
pub struct Options {
    switches: AtomicU64,
    /// Of `NUMBERS` those that were set.
    numbers: Mutex<BTreeMap<u32, i32>>,
    /// Which of `STAMPS` is on, or 0.
    stamps: AtomicU32,
    /// `SO_BINDTODEVICE`: the only one there is.
    to_device: AtomicBool,
    receive_buffer: AtomicUsize,
    /// `SO_RCVTIMEO` in nanoseconds; `u64::MAX`: for ever; 0: not at all.
    pub receive_timeout_ns: AtomicU64,
    /// `SO_SNDTIMEO`, likewise.
    pub send_timeout_ns: AtomicU64,
    /// `SO_RCVLOWAT`
    pub receive_low_water: AtomicU32,
    /// Seconds; negative: off.
    linger: AtomicI32,
    priority: AtomicI32,
    mark: AtomicU32,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            switches: AtomicU64::new(0),
            numbers: Mutex::default(),
            stamps: AtomicU32::new(0),
            to_device: AtomicBool::new(false),
            receive_buffer: AtomicUsize::new(BUFFER_DEFAULT),
            receive_timeout_ns: AtomicU64::new(u64::MAX),
            send_timeout_ns: AtomicU64::new(u64::MAX),
            receive_low_water: AtomicU32::new(1),
            linger: AtomicI32::new(-1),
            priority: AtomicI32::new(0),
            mark: AtomicU32::new(0),
        }
    }
}

/// Bits of the two that ask for the sender of messages.
const PASSES: u64 = bit(n::SO_PASSCRED) | bit(n::SO_PASSPIDFD);

/// The bit of a switch: its place in `SWITCHES`.
const fn bit(name: u32) -> u64 {
    let mut place = 0;
    while place < SWITCHES.len() {
        if SWITCHES[place] == name {
            return 1 << place;
        }
        place += 1;
    }
    0
}

impl Options {
    /// Whether a switch is on.
    pub fn is_on(&self, name: u32) -> bool {
        self.switches.load(Relaxed) & bit(name) != 0
    }

    /// Turns a switch on or off.
    pub fn switch(&self, name: u32, on: bool) {
        let bit = bit(name);
        if on {
            self.switches.fetch_or(bit, Relaxed);
        } else {
            self.switches.fetch_and(!bit, Relaxed);
        }
    }

    /// The time for a message that has just come; 0 when nobody wants to know.
    pub fn stamp_now(&self) -> u64 {
        if self.stamps.load(Relaxed) == 0 { 0 } else { host::clock::realtime_ns() }
    }

    /// The control message that tells when a message came, if that was kept and is wanted (`__sock_recv_timestamp`).
    pub fn stamp(&self, at_ns: u64) -> Option<Control> {
        let kind = self.stamps.load(Relaxed);
        if at_ns == 0 || kind == 0 {
            return None;
        }
        let unit = if [n::SO_TIMESTAMP_OLD, n::SO_TIMESTAMP_NEW].contains(&kind) { 1000 } else { 1 };
        let (seconds, rest) = (at_ns / 1_000_000_000, at_ns % 1_000_000_000 / unit);
        let content = [seconds.to_ne_bytes(), rest.to_ne_bytes()].concat();
        Some(Control { level: n::SOL_SOCKET, kind, content })
    }

    /// Takes over everything from another socket.
    pub fn inherit(&self, from: &Options) {
        let numbers = from.numbers.lock().clone();
        *self.numbers.lock() = numbers;
        self.stamps.store(from.stamps.load(Relaxed), Relaxed);
        self.to_device.store(from.to_device.load(Relaxed), Relaxed);
        self.switches.store(from.switches.load(Relaxed), Relaxed);
        self.receive_buffer.store(from.receive_buffer.load(Relaxed), Relaxed);
        self.receive_timeout_ns.store(from.receive_timeout_ns.load(Relaxed), Relaxed);
        self.send_timeout_ns.store(from.send_timeout_ns.load(Relaxed), Relaxed);
        self.receive_low_water.store(from.receive_low_water.load(Relaxed), Relaxed);
        self.linger.store(from.linger.load(Relaxed), Relaxed);
        self.priority.store(from.priority.load(Relaxed), Relaxed);
        self.mark.store(from.mark.load(Relaxed), Relaxed);
    }

    /// `SO_RCVBUF` in bytes.
    pub fn receive_buffer(&self) -> usize {
        self.receive_buffer.load(Relaxed)
    }

    /// Whether closing throws away what was not received (`SO_LINGER` with no time).
    pub fn lingers_not(&self) -> bool {
        self.linger.load(Relaxed) == 0
    }

    /// Whether the receiver wants to know who sent, or which process that was (`SO_PASSCRED`, `SO_PASSPIDFD`).
    #[inline]
    pub fn wants_sender(&self) -> bool {
        let switches = self.switches.load(Relaxed);
        switches & PASSES != 0
    }

    /// `SO_PASSCRED`
    #[inline]
    pub fn pass_credentials(&self) -> bool {
        self.is_on(n::SO_PASSCRED)
    }

    /// `SO_PASSPIDFD`
    #[inline]
    pub fn pass_pidfd(&self) -> bool {
        self.is_on(n::SO_PASSPIDFD)
    }
}

/// The value given to setsockopt(2), in user memory.
#[derive(Clone, Copy, Debug)]
pub struct Argument {
    /// Where.
    pub addr: usize,
    /// Bytes.
    pub len: usize,
}

impl Argument {
    /// As an `int`.
    ///
    /// # Errors
    /// `EINVAL` when it is too short; `EFAULT`.
    pub fn int(&self) -> Result<i32> {
        if self.len < 4 {
            return Err(Errno::INVAL);
        }
        get(self.addr)
    }

    /// Its first `N` bytes.
    ///
    /// # Errors
    /// `EINVAL` when it is too short; `EFAULT`.
    pub fn bytes<const N: usize>(&self) -> Result<[u8; N]> {
        if self.len < N {
            return Err(Errno::INVAL);
        }
        let mut bytes = [0; N];
        get_bytes(&mut bytes, self.addr)?;
        Ok(bytes)
    }
}

/// Where getsockopt(2) puts a value.
#[derive(Clone, Copy, Debug)]
pub struct Value {
    /// Where the bytes go.
    pub addr: usize,
    /// Where the length goes.
    pub len_addr: usize,
    /// Room in bytes.
    pub len: usize,
}

impl Value {
    /// Stores `bytes`, cut to the room, and the length.
    ///
    /// # Errors
    /// `EFAULT`.
    pub fn put(&self, bytes: &[u8]) -> Result<()> {
        let len = bytes.len().min(self.len);
        put_bytes(self.addr, &bytes[..len])?;
        put(self.len_addr, &(len as u32))
    }

    /// Stores an `int`.
    ///
    /// # Errors
    /// `EFAULT`.
    pub fn put_int(&self, value: i32) -> Result<()> {
        self.put(&value.to_ne_bytes())
    }
}

/// `SOL_SOCKET` of setsockopt(2).
///
/// # Errors
/// `EINVAL`, `EFAULT`, `EPERM`, `EDOM`, `ENOPROTOOPT`.
pub fn set(sock: &Sock, cred: &Cred, name: u32, value: Argument) -> Result<()> {
    let options = &sock.options;
    if name == n::SO_BINDTODEVICE {
        return bind_to_device(options, value);
    }
    let int = value.int()?;
    if name == n::SO_PASSCRED && !passes_credentials(sock) {
        return Err(Errno::OPNOTSUPP);
    }
    let may_administer = cred.capable(CAP_NET_ADMIN);
    match name {
        n::SO_SNDBUF => set_send_buffer(sock, (int as u32 as usize).min(BUFFER_MAX)),
        n::SO_RCVBUF => set_receive_buffer(options, (int as u32 as usize).min(BUFFER_MAX)),
        n::SO_SNDBUFFORCE | n::SO_RCVBUFFORCE if !may_administer => return Err(Errno::PERM),
        n::SO_SNDBUFFORCE => set_send_buffer(sock, forced(int)),
        n::SO_RCVBUFFORCE => set_receive_buffer(options, forced(int)),
        n::SO_PRIORITY => {
            if !(0..=6).contains(&int) && !may_administer && !cred.capable(CAP_NET_RAW) {
                return Err(Errno::PERM);
            }
            options.priority.store(int, Relaxed);
        }
        n::SO_MARK => {
            if !may_administer && !cred.capable(CAP_NET_RAW) {
                return Err(Errno::PERM);
            }
            options.mark.store(int as u32, Relaxed);
        }
        n::SO_LINGER => {
            let bytes: [u8; 8] = value.bytes()?;
            let [on, seconds] = ints(&bytes);
            // More than fits a jiffies count lasts for ever there; it only has to be told here.
            options.linger.store(if on != 0 { seconds.max(0) } else { -1 }, Relaxed);
        }
        n::SO_BSDCOMPAT => {}
        n::SO_RCVLOWAT => {
            let least = if int < 0 { i32::MAX } else { int.max(1) };
            options.receive_low_water.store(least as u32, Relaxed);
        }
        n::SO_RCVTIMEO_OLD | n::SO_RCVTIMEO_NEW => {
            options.receive_timeout_ns.store(timeout(value)?, Relaxed);
        }
        n::SO_SNDTIMEO_OLD | n::SO_SNDTIMEO_NEW => options.send_timeout_ns.store(timeout(value)?, Relaxed),
        n::SO_DEBUG if int != 0 && !may_administer => return Err(Errno::ACCESS),
        n::SO_REUSEPORT if int != 0 && sock.family == n::AF_UNIX as u16 => return Err(Errno::OPNOTSUPP),
        n::SO_PASSPIDFD if sock.family != n::AF_UNIX as u16 => return Err(Errno::OPNOTSUPP),
        _ if SWITCHES.contains(&name) => options.switch(name, int != 0),
        _ if STAMPS.contains(&name) => {
            let own = options.stamps.load(Relaxed) == name;
            if int != 0 || own {
                options.stamps.store(if int != 0 { name } else { 0 }, Relaxed);
            }
        }
        _ => {
            let row = NUMBERS.into_iter().find(|row| row.0 == name).ok_or(Errno::NOPROTOOPT)?;
            let int = if (row.2, row.3) == (0, 1) { i32::from(int != 0) } else { int };
            if !(row.2..=row.3).contains(&int) {
                return Err(Errno::INVAL);
            }
            options.numbers.lock().insert(name, int);
        }
    }
    Ok(())
}

/// Whether messages of this family say who sent them.
fn passes_credentials(sock: &Sock) -> bool {
    [n::AF_UNIX as u16, n::AF_NETLINK as u16].contains(&sock.family)
}

/// `SO_BINDTODEVICE`: an empty name takes it back.
fn bind_to_device(options: &Options, value: Argument) -> Result<()> {
    let mut name = [0; 16];
    let len = value.len.min(name.len() - 1);
    get_bytes(&mut name[..len], value.addr)?;
    let name = name.split(|&b| b == 0).next().unwrap_or(&[]);
    if !name.is_empty() && name != device::NAME {
        return Err(Errno::NODEV);
    }
    options.to_device.store(!name.is_empty(), Relaxed);
    Ok(())
}

fn forced(int: i32) -> usize {
    usize::try_from(int).unwrap_or(0).min(FORCED_MAX)
}

fn set_send_buffer(sock: &Sock, wanted: usize) {
    sock.space.set_limit((wanted * 2).max(SEND_MIN));
}

fn set_receive_buffer(options: &Options, wanted: usize) {
    options.receive_buffer.store((wanted * 2).max(RECEIVE_MIN), Relaxed);
}

fn ints(bytes: &[u8; 8]) -> [i32; 2] {
    let whole = u64::from_ne_bytes(*bytes);
    [whole as i32, (whole >> 32) as i32]
}

/// `struct timeval`, both parts 64 bits, to nanoseconds (`sock_set_timeout`).
fn timeout(value: Argument) -> Result<u64> {
    let bytes: [u8; 16] = value.bytes()?;
    let whole = u128::from_ne_bytes(bytes);
    let (sec, usec) = (whole as i64, (whole >> 64) as i64);
    match (sec, usec) {
        (_, ..0 | 1_000_000..) => Err(Errno::DOM),
        (..0, _) => Ok(0),
        (0, 0) => Ok(u64::MAX),
        _ => Ok((sec as u64).saturating_mul(1_000_000_000).saturating_add(usec as u64 * 1000)),
    }
}

/// The same of a value that is right.
pub fn timeval_ns(value: [u8; 16]) -> u64 {
    let whole = u128::from_ne_bytes(value);
    match (whole as u64, (whole >> 64) as u64) {
        (0, 0) => u64::MAX,
        (sec, usec) => sec.saturating_mul(1_000_000_000).saturating_add(usec.saturating_mul(1000)),
    }
}

fn timeval(ns: u64) -> [u8; 16] {
    let (sec, usec) = match ns {
        u64::MAX => (0, 0),
        ns => (ns / 1_000_000_000, ns % 1_000_000_000 / 1000),
    };
    (u128::from(sec) | u128::from(usec) << 64).to_ne_bytes()
}

/// `SOL_SOCKET` of getsockopt(2).
///
/// # Errors
/// `EFAULT`, `ENOPROTOOPT`; `ENOTCONN`, `ENODATA`, `ERANGE` of those about the peer.
pub fn read(protocol: &dyn Protocol, name: u32, value: Value) -> Result<()> {
    let sock = protocol.sock();
    let options = &sock.options;
    let int = match name {
        n::SO_TYPE => sock.kind as i32,
        n::SO_DOMAIN => i32::from(sock.family),
        n::SO_PROTOCOL => sock.protocol,
        n::SO_ERROR => sock.take_error().map_or_else(|errno| errno.raw_os_error(), |()| 0),
        n::SO_SNDBUF => sock.space.limit() as i32,
        n::SO_RCVBUF => options.receive_buffer.load(Relaxed) as i32,
        n::SO_PRIORITY => options.priority.load(Relaxed),
        n::SO_MARK => options.mark.load(Relaxed) as i32,
        n::SO_LINGER => {
            let seconds = options.linger.load(Relaxed);
            let pair = (u64::from(seconds >= 0), u64::from(seconds.max(0) as u32));
            return value.put(&(pair.0 | pair.1 << 32).to_ne_bytes());
        }
        n::SO_BSDCOMPAT => 0,
        n::SO_RCVLOWAT => options.receive_low_water.load(Relaxed) as i32,
        n::SO_SNDLOWAT => 1,
        n::SO_RCVTIMEO_OLD | n::SO_RCVTIMEO_NEW => {
            return value.put(&timeval(options.receive_timeout_ns.load(Relaxed)));
        }
        n::SO_SNDTIMEO_OLD | n::SO_SNDTIMEO_NEW => {
            return value.put(&timeval(options.send_timeout_ns.load(Relaxed)));
        }
        n::SO_ACCEPTCONN => i32::from(protocol.listens()),
        n::SO_PEERCRED => {
            let none = [0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255];
            let peer = protocol.peer_credentials();
            return value.put(&peer.map_or(none, |(peer, _)| peer.to_bytes()));
        }
        n::SO_PEERGROUPS => {
            let (_, cred) = protocol.peer_credentials().ok_or(Errno::NODATA)?;
            let bytes: Vec<u8> = cred.groups.iter().flat_map(|gid| gid.to_ne_bytes()).collect();
            if value.len < bytes.len() {
                put(value.len_addr, &(bytes.len() as u32))?;
                return Err(Errno::RANGE);
            }
            return value.put(&bytes);
        }
        n::SO_PEERNAME => {
            let name = protocol.name(true).map_err(|_| Errno::NOTCONN)?;
            // Shorter room than the name is refused here.
            if value.len > name.as_bytes().len() {
                return Err(Errno::INVAL);
            }
            return value.put(name.as_bytes());
        }
        n::SO_COOKIE => {
            if value.len < 8 {
                return Err(Errno::INVAL);
            }
            return value.put(&sock.ino.load(Relaxed).to_ne_bytes());
        }
        n::SO_MEMINFO => {
            let mut words = [0u32; 9];
            words[1] = options.receive_buffer.load(Relaxed) as u32;
            words[2] = sock.space.used() as u32;
            words[3] = sock.space.limit() as u32;
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
            return value.put(&bytes);
        }
        n::SO_BINDTODEVICE => {
            if !options.to_device.load(Relaxed) {
                return put(value.len_addr, &0u32);
            }
            // Room for the longest name is asked for.
            return if value.len < 16 {
                Err(Errno::INVAL)
            } else {
                value.put(&[device::NAME, b"\0"].concat())
            };
        }
        n::SO_NETNS_COOKIE if value.len < 8 => return Err(Errno::INVAL),
        n::SO_NETNS_COOKIE => return value.put(&NETNS_COOKIE.to_ne_bytes()),
        n::SO_PASSCRED if !passes_credentials(sock) => return Err(Errno::OPNOTSUPP),
        n::SO_PASSPIDFD if sock.family != n::AF_UNIX as u16 => return Err(Errno::OPNOTSUPP),
        _ if SWITCHES.contains(&name) => i32::from(options.is_on(name)),
        _ if STAMPS.contains(&name) => i32::from(options.stamps.load(Relaxed) == name),
        _ => {
            let set = options.numbers.lock().get(&name).copied();
            let first = || NUMBERS.into_iter().find(|row| row.0 == name).map(|row| row.1);
            let fixed = || FIXED.into_iter().find(|row| row.0 == name).map(|row| row.1);
            set.or_else(first).or_else(fixed).ok_or(Errno::NOPROTOOPT)?
        }
    };
    value.put_int(int)
}
