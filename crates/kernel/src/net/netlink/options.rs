//! Options of level `SOL_NETLINK` (netlink(7), "Socket options").

use super::socket::{NetlinkSocket, capable};
use crate::net::options::{Argument, Value};
use crate::uaccess::{put, put_bytes};
use crate::{Errno, Result};
use linux_raw_sys::general::CAP_NET_BROADCAST;
use linux_raw_sys::net as n;
use linux_raw_sys::netlink as nl;

/// Options that are on or off.
const FLAGS: [u32; 7] = [
    nl::NETLINK_PKTINFO,
    nl::NETLINK_BROADCAST_ERROR,
    nl::NETLINK_NO_ENOBUFS,
    nl::NETLINK_LISTEN_ALL_NSID,
    nl::NETLINK_CAP_ACK,
    nl::NETLINK_EXT_ACK,
    nl::NETLINK_GET_STRICT_CHK,
];

impl NetlinkSocket {
    /// `netlink_getsockopt`
    pub(super) fn read_option(&self, level: i32, name: u32, value: Value) -> Result<()> {
        if level != n::SOL_NETLINK as i32 {
            return Err(Errno::NOPROTOOPT);
        }
        if name == nl::NETLINK_LIST_MEMBERSHIPS {
            let words = self.group_count().div_ceil(32) as usize;
            let bytes = self.state.lock().groups.to_ne_bytes();
            let whole = words * 4;
            // Whole words only, but the length tells them all.
            put_bytes(value.addr, &bytes[..whole.min(value.len / 4 * 4)])?;
            return put(value.len_addr, &(whole as u32));
        }
        if !FLAGS.contains(&name) {
            return Err(Errno::NOPROTOOPT);
        }
        if value.len < 4 {
            return Err(Errno::INVAL);
        }
        let on = self.state.lock().options & 1 << name != 0;
        value.put_int(i32::from(on))
    }

    /// `netlink_setsockopt`
    pub(super) fn change_option(&self, level: i32, name: u32, value: Argument) -> Result<()> {
        if level != n::SOL_NETLINK as i32 {
            return Err(Errno::NOPROTOOPT);
        }
        let int = if value.len < 4 { 0 } else { value.int()? };
        match name {
            nl::NETLINK_ADD_MEMBERSHIP | nl::NETLINK_DROP_MEMBERSHIP => {
                if !self.may_be_member() {
                    return Err(Errno::PERM);
                }
                let group = int as u32;
                if !(1..=self.group_count()).contains(&group) {
                    return Err(Errno::INVAL);
                }
                let mut state = self.state.lock();
                match name {
                    nl::NETLINK_ADD_MEMBERSHIP => state.groups |= 1 << (group - 1),
                    _ => state.groups &= !(1 << (group - 1)),
                }
            }
            nl::NETLINK_LISTEN_ALL_NSID if !capable(CAP_NET_BROADCAST) => return Err(Errno::PERM),
            _ if FLAGS.contains(&name) => {
                let mut state = self.state.lock();
                state.options = state.options & !(1 << name) | u32::from(int != 0) << name;
            }
            _ => return Err(Errno::NOPROTOOPT),
        }
        Ok(())
    }
}
