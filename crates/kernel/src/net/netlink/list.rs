//! All sockets of the family, as /proc/net/netlink lists them.

use super::NetlinkSocket;
use crate::net::list::List;
use alloc::vec::Vec;

pub(super) static ALL: List<NetlinkSocket> = List::new();

/// How many there are.
pub fn count() -> usize {
    ALL.len()
}

/// The text of /proc/net/netlink (`netlink_native_seq_show`).
pub fn text() -> Vec<u8> {
    let mut out =
        b"sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n"
            .to_vec();
    for shown in ALL.all().iter().filter_map(|socket| socket.shown()) {
        // Addresses of sockets are the kernel's own business.
        let line = alloc::format!(
            "{:016x} {:<3} {:<10} {:08x} {:<8} {:<8} {:<5} {:<8} {:<8} {:<8}\n",
            0,
            shown.protocol,
            shown.portid,
            shown.groups,
            shown.used,
            0,
            0,
            2,
            0,
            shown.ino
        );
        out.extend_from_slice(line.as_bytes());
    }
    out
}
