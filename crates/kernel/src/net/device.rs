//! The network devices of this kernel (netdevice(7)): there is one, `lo`, which is always up and cannot be changed. What
//! it is, for everybody who shows it (ioctl(2) here, rtnetlink, /proc/net/dev), and the ioctl(2) commands that sockets of
//! all families take.

use crate::task::current_task;
use crate::uaccess::{get, get_bytes, put, put_bytes};
use crate::{Errno, Result};
use linux_raw_sys::general::CAP_NET_ADMIN;
use linux_raw_sys::ioctl as c;
use linux_raw_sys::net::AF_INET;

/// Its name.
pub const NAME: &[u8] = b"lo";
/// Its index.
pub const INDEX: i32 = 1;
/// The largest packet, in bytes.
pub const MTU: u32 = 65536;
/// Packets that may wait.
pub const QUEUE_LEN: u32 = 1000;
/// `ARPHRD_LOOPBACK`
pub const HARDWARE: u16 = 772;
/// `IFF_UP | IFF_LOOPBACK | IFF_RUNNING`; of them only the first can be asked for.
pub const FLAGS: u32 = 0x49;
const IFF_UP: u32 = 1;
/// The same as rtnetlink shows them: with `IFF_LOWER_UP`.
pub const LINK_FLAGS: u32 = FLAGS | 0x1_0000;
/// Its address of IPv4, and how many bits of it are the network's.
pub const ADDRESS: ([u8; 4], u8) = ([127, 0, 0, 1], 8);
/// Its address of IPv6, likewise.
pub const ADDRESS6: ([u8; 16], u8) = (super::inet::LOOPBACK6, 128);

/// The type of all these commands (`_IOC_TYPE`).
const SOCKET_COMMANDS: u32 = 0x89;
/// `sizeof(struct ifreq)`
const IFREQ: usize = 40;
/// Where in it the value is, behind the name (`IFNAMSIZ`).
const VALUE: usize = 16;

/// Commands that read something of a device, and how many bytes of it.
const READ: [(u32, usize); 7] = [
    (c::SIOCGIFFLAGS, 2),
    (c::SIOCGIFINDEX, 4),
    (c::SIOCGIFMETRIC, 4),
    (c::SIOCGIFMTU, 4),
    (c::SIOCGIFTXQLEN, 4),
    (c::SIOCGIFHWADDR, 8),
    (c::SIOCGIFMAP, 21),
];
/// The same of sockets of IPv4 only.
const READ_INET: [(u32, usize); 4] =
    [(c::SIOCGIFADDR, 16), (c::SIOCGIFDSTADDR, 16), (c::SIOCGIFBRDADDR, 16), (c::SIOCGIFNETMASK, 16)];
/// Commands that change something.
const CHANGE: [u32; 9] = [
    c::SIOCSIFFLAGS,
    c::SIOCSIFMETRIC,
    c::SIOCSIFMTU,
    c::SIOCSIFHWADDR,
    c::SIOCSIFTXQLEN,
    c::SIOCSIFNAME,
    c::SIOCSIFMAP,
    c::SIOCADDMULTI,
    c::SIOCDELMULTI,
];
const CHANGE_INET: [u32; 6] =
    [c::SIOCSIFADDR, c::SIOCSIFDSTADDR, c::SIOCSIFBRDADDR, c::SIOCSIFNETMASK, c::SIOCADDRT, c::SIOCDELRT];

/// The commands of ioctl(2) about devices (`dev_ioctl`, `devinet_ioctl`), on a socket of `family`.
///
/// # Errors
/// `ENOTTY` for a command that is none; `ENODEV`, `EFAULT`; `EPERM`, and `EOPNOTSUPP` for who may change a device: this
/// one cannot be changed.
pub fn ioctl(family: u16, command: u32, arg: usize) -> Result<usize> {
    let inet = family == AF_INET as u16;
    if command >> 8 & 0xff != SOCKET_COMMANDS {
        return Err(Errno::NOTTY);
    }
    let read = READ.iter().chain(READ_INET.iter().filter(|_| inet)).find(|row| row.0 == command);
    match command {
        c::SIOCGIFCONF => return configuration(arg).map(|()| 0),
        c::SIOCGIFNAME => return name_of_index(arg).map(|()| 0),
        _ if CHANGE.contains(&command) || inet && CHANGE_INET.contains(&command) => {
            return change(command, arg).map(|()| 0);
        }
        _ => {}
    }
    let mut request = request(arg)?;
    let len = match read {
        Some(&(_, len)) => len,
        // No device here belongs to another.
        None if command == c::SIOCGIFSLAVE => {
            return Err(if is_known(&request) { Errno::INVAL } else { Errno::NODEV });
        }
        None => return Err(Errno::NOTTY),
    };
    if !is_known(&request) {
        return Err(Errno::NODEV);
    }
    let mut value = [0; IFREQ - VALUE];
    let mut set = |bytes: &[u8]| value[..bytes.len()].copy_from_slice(bytes);
    match command {
        c::SIOCGIFFLAGS => set(&(FLAGS as u16).to_ne_bytes()),
        c::SIOCGIFINDEX => set(&INDEX.to_ne_bytes()),
        c::SIOCGIFMTU => set(&MTU.to_ne_bytes()),
        c::SIOCGIFTXQLEN => set(&QUEUE_LEN.to_ne_bytes()),
        c::SIOCGIFHWADDR => set(&HARDWARE.to_ne_bytes()),
        c::SIOCGIFADDR | c::SIOCGIFDSTADDR => set(&socket_address(ADDRESS.0)),
        c::SIOCGIFNETMASK => set(&socket_address((u32::MAX << (32 - ADDRESS.1)).to_be_bytes())),
        c::SIOCGIFBRDADDR => set(&socket_address([0; 4])),
        // The metric is 0, and there is no hardware behind it.
        _ => {}
    }
    // Of the value only as much is written as it has.
    request[VALUE..VALUE + len].copy_from_slice(&value[..len]);
    put_bytes(arg, &request).map(|()| 0)
}

fn request(arg: usize) -> Result<[u8; IFREQ]> {
    let mut request = [0; IFREQ];
    get_bytes(&mut request, arg).map(|()| request)
}

/// Whether a request names the device there is. The name of an alias ends at the colon.
fn is_known(request: &[u8; IFREQ]) -> bool {
    request[..VALUE].split(|&b| b == 0 || b == b':').next() == Some(NAME)
}

fn int(request: &[u8; IFREQ]) -> i32 {
    i32::from_ne_bytes(core::array::from_fn(|n| request[VALUE + n]))
}

/// The start of a `struct sockaddr_in`, without a port.
fn socket_address(ip: [u8; 4]) -> [u8; 8] {
    let mut out = [0; 8];
    out[..2].copy_from_slice(&(AF_INET as u16).to_ne_bytes());
    out[4..].copy_from_slice(&ip);
    out
}

/// `SIOCGIFNAME`
fn name_of_index(arg: usize) -> Result<()> {
    let mut request = request(arg)?;
    if int(&request) != INDEX {
        return Err(Errno::NODEV);
    }
    request[..VALUE].fill(0);
    request[..NAME.len()].copy_from_slice(NAME);
    put_bytes(arg, &request)
}

/// A command that would change the device. Flags that are set already are no change.
fn change(command: u32, arg: usize) -> Result<()> {
    if !may_administer() {
        return Err(Errno::PERM);
    }
    let request = request(arg)?;
    if !is_known(&request) {
        return Err(Errno::NODEV);
    }
    let flags = int(&request) as u32 & 0xffff;
    let unchanged = command == c::SIOCSIFFLAGS && flags & !FLAGS == 0 && flags & IFF_UP != 0;
    if unchanged { Ok(()) } else { Err(Errno::OPNOTSUPP) }
}

/// `SIOCGIFCONF`: the addresses of IPv4, as many as there is room for.
fn configuration(arg: usize) -> Result<()> {
    let [len, to] = get::<[u64; 2]>(arg)?;
    let len = usize::try_from(len as i32).unwrap_or(0);
    if to == 0 {
        return put(arg, &(IFREQ as u32));
    }
    let mut done = 0u32;
    if len >= IFREQ {
        let mut request = [0; IFREQ];
        request[..NAME.len()].copy_from_slice(NAME);
        request[VALUE..VALUE + 8].copy_from_slice(&socket_address(ADDRESS.0));
        put_bytes(to as usize, &request)?;
        done = IFREQ as u32;
    }
    put(arg, &done)
}

/// Whether the caller may change devices.
pub fn may_administer() -> bool {
    current_task().is_some_and(|task| task.process.cred().capable(CAP_NET_ADMIN))
}
