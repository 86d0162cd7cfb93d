//! The network device and its addresses as rtnetlink(7) tells them (`rtnl_fill_ifinfo`, `inet6_fill_ifinfo`,
//! `inet_fill_ifaddr`, `inet6_fill_ifaddr`).

use super::answer::Reply;
use super::wire::Body;
use crate::net::device;
use alloc::vec;
use linux_raw_sys::net as n;
use linux_raw_sys::netlink as nl;

/// Its counters have stayed at nothing: there are no packets.
const STATS64: usize = 200;
const STATS: usize = 96;
/// Limits of what is put together in one packet.
const GSO_MAX: u32 = 65536;
const SEGMENTS_MAX: u32 = 65535;
/// `sizeof(struct rtnl_link_ifmap)`
const MAP: usize = 32;
/// An address that stays (`INFINITY_LIFE_TIME`).
const FOR_EVER: u32 = u32::MAX;
/// `IFAPROT_KERNEL_LO`
const MADE_BY_LO: u8 = 1;

/// `struct ifinfomsg`
fn fixed(family: u8) -> [u8; 16] {
    let mut out = [0; 16];
    out[0] = family;
    out[2..4].copy_from_slice(&device::HARDWARE.to_ne_bytes());
    out[4..8].copy_from_slice(&device::INDEX.to_ne_bytes());
    out[8..12].copy_from_slice(&device::LINK_FLAGS.to_ne_bytes());
    out
}

/// The device; `statistics`: with its counters by protocol.
pub fn device(statistics: bool) -> Reply {
    let mut body = Body::new(&fixed(0));
    body.string(nl::IFLA_IFNAME as u16, device::NAME)
        .int(nl::IFLA_TXQLEN as u16, device::QUEUE_LEN)
        // IF_OPER_UNKNOWN, as every loopback.
        .attr(nl::IFLA_OPERSTATE as u16, &[0])
        .attr(nl::IFLA_LINKMODE as u16, &[0])
        .attr(nl::IFLA_NETNS_IMMUTABLE as u16, &[1])
        .int(nl::IFLA_MTU as u16, device::MTU)
        .int(nl::IFLA_MIN_MTU as u16, 0)
        .int(nl::IFLA_MAX_MTU as u16, 0)
        .int(nl::IFLA_GROUP as u16, 0)
        .int(nl::IFLA_PROMISCUITY as u16, 0)
        .int(nl::IFLA_ALLMULTI as u16, 0)
        .int(nl::IFLA_NUM_TX_QUEUES as u16, 1)
        .int(nl::IFLA_GSO_MAX_SEGS as u16, SEGMENTS_MAX)
        .int(nl::IFLA_GSO_MAX_SIZE as u16, GSO_MAX)
        .int(nl::IFLA_GRO_MAX_SIZE as u16, GSO_MAX)
        .int(nl::IFLA_GSO_IPV4_MAX_SIZE as u16, GSO_MAX)
        .int(nl::IFLA_GRO_IPV4_MAX_SIZE as u16, GSO_MAX)
        .int(nl::IFLA_TSO_MAX_SIZE as u16, 524_280)
        .int(nl::IFLA_TSO_MAX_SEGS as u16, SEGMENTS_MAX)
        .int(nl::IFLA_NUM_RX_QUEUES as u16, 1)
        .attr(nl::IFLA_CARRIER as u16, &[1])
        .int(nl::IFLA_CARRIER_CHANGES as u16, 0)
        .int(nl::IFLA_CARRIER_UP_COUNT as u16, 0)
        .int(nl::IFLA_CARRIER_DOWN_COUNT as u16, 0)
        .attr(nl::IFLA_PROTO_DOWN as u16, &[0])
        .attr(nl::IFLA_ADDRESS as u16, &[0; 6])
        .attr(nl::IFLA_BROADCAST as u16, &[0; 6])
        .attr(nl::IFLA_STATS64 as u16, &[0; STATS64])
        .attr(nl::IFLA_STATS as u16, &[0; STATS])
        .string(nl::IFLA_QDISC as u16, b"noqueue")
        .nest(nl::IFLA_AF_SPEC as u16, |families| {
            families.nest(n::AF_INET6 as u16, |inner| inet6(inner, statistics));
        })
        .attr(nl::IFLA_MAP as u16, &[0; MAP]);
    Reply { kind: nl::RTM_NEWLINK as u16, payload: body.into_bytes() }
}

/// What IPv6 has to say of the device (`inet6_fill_ifla6_attrs`).
fn inet6(body: &mut Body, statistics: bool) {
    // IF_READY
    body.int(nl::IFLA_INET6_FLAGS as u16, 0x8000_0000);
    let mut cache = vec![0; 16];
    cache[..4].copy_from_slice(&65535u32.to_ne_bytes());
    body.attr(nl::IFLA_INET6_CACHEINFO as u16, &cache);
    if statistics {
        // The first says how many there are: none was counted.
        body.attr(nl::IFLA_INET6_STATS as u16, &1u64.to_ne_bytes());
        body.attr(nl::IFLA_INET6_ICMP6STATS as u16, &1u64.to_ne_bytes());
    }
    body.attr(nl::IFLA_INET6_TOKEN as u16, &[0; 16]).attr(nl::IFLA_INET6_ADDR_GEN_MODE as u16, &[0]);
}

/// The device as IPv6 sees it.
pub fn device6() -> Reply {
    let mut body = Body::new(&fixed(n::AF_INET6 as u8));
    body.string(nl::IFLA_IFNAME as u16, device::NAME)
        .attr(nl::IFLA_ADDRESS as u16, &[0; 6])
        .int(nl::IFLA_MTU as u16, device::MTU)
        .attr(nl::IFLA_OPERSTATE as u16, &[0])
        .nest(nl::IFLA_PROTINFO as u16, |inner| inet6(inner, true));
    Reply { kind: nl::RTM_NEWLINK as u16, payload: body.into_bytes() }
}

/// `struct ifaddrmsg`, an address that stays, of this machine only.
fn fixed_address(family: u32, prefix: u8) -> [u8; 8] {
    let mut out = [0; 8];
    out[..4].copy_from_slice(&[family as u8, prefix, nl::IFA_F_PERMANENT as u8, RT_SCOPE_HOST]);
    out[4..].copy_from_slice(&device::INDEX.to_ne_bytes());
    out
}

/// `RT_SCOPE_HOST`
pub const RT_SCOPE_HOST: u8 = 254;

/// `struct ifa_cacheinfo`: for ever, since the start.
fn for_ever() -> [u8; 16] {
    let mut out = [0; 16];
    out[..4].copy_from_slice(&FOR_EVER.to_ne_bytes());
    out[4..8].copy_from_slice(&FOR_EVER.to_ne_bytes());
    out
}

/// The address of IPv4.
pub fn address() -> Reply {
    let (ip, prefix) = device::ADDRESS;
    let mut body = Body::new(&fixed_address(n::AF_INET, prefix));
    body.attr(nl::IFA_ADDRESS as u16, &ip)
        .attr(nl::IFA_LOCAL as u16, &ip)
        .string(nl::IFA_LABEL as u16, device::NAME)
        .int(nl::IFA_FLAGS as u16, nl::IFA_F_PERMANENT)
        .attr(nl::IFA_CACHEINFO as u16, &for_ever());
    Reply { kind: nl::RTM_NEWADDR as u16, payload: body.into_bytes() }
}

/// The address of IPv6.
pub fn address6() -> Reply {
    let (ip, prefix) = device::ADDRESS6;
    let mut body = Body::new(&fixed_address(n::AF_INET6, prefix));
    body.attr(nl::IFA_ADDRESS as u16, &ip)
        .attr(nl::IFA_CACHEINFO as u16, &for_ever())
        .int(nl::IFA_FLAGS as u16, nl::IFA_F_PERMANENT)
        .attr(nl::IFA_PROTO as u16, &[MADE_BY_LO]);
    Reply { kind: nl::RTM_NEWADDR as u16, payload: body.into_bytes() }
}
