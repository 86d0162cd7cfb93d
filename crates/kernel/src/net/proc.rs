//! /proc/net: what network devices, routes and sockets there are, as text (proc_net(5)). The device is `lo`, and packets
//! there are none to count.

use super::{device, inet, netlink, unix};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;
use linux_raw_sys::net::{AF_INET, AF_INET6};

/// A file, and what writes it.
pub type File = (&'static str, fn() -> Vec<u8>);

/// All files.
pub const FILES: [File; 18] = [
    ("arp", || b"IP address       HW type     Flags       HW address            Mask     Device\n".to_vec()),
    ("dev", devices),
    ("dev_mcast", Vec::new),
    ("if_inet6", addresses6),
    ("ipv6_route", routes6),
    ("netlink", netlink::list::text),
    ("packet", || b"sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n".to_vec()),
    ("raw", || raw(true)),
    ("raw6", || raw(false)),
    ("route", routes),
    ("snmp", counters),
    ("sockstat", || numbers(AF_INET as u16)),
    ("sockstat6", || numbers(AF_INET6 as u16)),
    ("tcp", || inet::list::tcp_text(AF_INET as u16)),
    ("tcp6", || inet::list::tcp_text(AF_INET6 as u16)),
    ("udp", || inet::list::udp_text(AF_INET as u16)),
    ("udp6", || inet::list::udp_text(AF_INET6 as u16)),
    ("unix", unix::list::text),
];

fn name() -> &'static str {
    core::str::from_utf8(device::NAME).unwrap_or_default()
}

fn devices() -> Vec<u8> {
    let mut out = String::from(
        "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs \
         drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n",
    );
    let z = 0;
    // Writing to a string does not fail.
    let _ = writeln!(
        out,
        "{:>6}: {z:7} {z:7} {z:4} {z:4} {z:4} {z:5} {z:10} {z:9} {z:8} {z:7} {z:4} {z:4} {z:4} {z:5} {z:7} {z:10}",
        name()
    );
    out.into_bytes()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn addresses6() -> Vec<u8> {
    let (ip, prefix) = device::ADDRESS6;
    // Its scope is the host, and it stays.
    format!("{} {:02x} {prefix:02x} 10 80 {:>8}\n", hex(&ip), device::INDEX, name()).into_bytes()
}

/// The table of IPv4 that this file shows is the main one, and empty.
fn routes() -> Vec<u8> {
    let titles = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT";
    format!("{titles:<127}\n").into_bytes()
}

/// Nothing is reachable but the address of this machine.
fn routes6() -> Vec<u8> {
    let (none, own) = (hex(&[0; 16]), hex(&device::ADDRESS6.0));
    let line =
        |to: &str, bits: u8, rest: &str| format!("{to} {bits:02x} {none} 00 {none} {rest} {:>8}\n", name());
    let refused = line(&none, 0, "ffffffff 00000001 00000000 00200200");
    [refused.clone(), line(&own, 128, "00000000 00000002 00000000 80200001"), refused].concat().into_bytes()
}

fn raw(v4: bool) -> Vec<u8> {
    let (local, remote) = if v4 { (14, 13) } else { (38, 37) };
    let (from, to) = if v4 { ("local_address", "rem_address") } else { ("local_address", "remote_address") };
    format!(
        "  sl  {from:<local$}{to:<remote$} st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n"
    )
    .into_bytes()
}

/// How many sockets there are of each protocol (`sockstat_seq_show`).
fn numbers(family: u16) -> Vec<u8> {
    let count = |sockets: Vec<inet::list::Shown>| sockets.iter().filter(|each| each.family == family).count();
    let (tcp, udp) = (count(inet::list::tcp()), count(inet::list::udp()));
    if family == AF_INET6 as u16 {
        let rest = "UDPLITE6: inuse 0\nRAW6: inuse 0\nFRAG6: inuse 0 memory 0\n";
        return format!("TCP6: inuse {tcp}\nUDP6: inuse {udp}\n{rest}").into_bytes();
    }
    let used = unix::list::all().len() + netlink::list::count() + inet::list::count();
    let tcp = format!("TCP: inuse {tcp} orphan 0 tw 0 alloc {} mem 0", inet::list::tcp().len());
    let rest = "UDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n";
    format!("sockets: used {used}\n{tcp}\nUDP: inuse {udp} mem 0\n{rest}").into_bytes()
}

fn counters() -> Vec<u8> {
    let established = inet::list::tcp().iter().filter(|each| each.state == inet::list::ESTABLISHED).count();
    let rows = [
        (
            "Ip",
            "Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos InDiscards \
             InDelivers OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs \
             FragFails FragCreates OutTransmits",
            String::from("2 64"),
        ),
        (
            "Icmp",
            "InMsgs InErrors InCsumErrors InDestUnreachs OutMsgs OutErrors OutDestUnreachs",
            String::new(),
        ),
        (
            "Tcp",
            "RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs \
             OutSegs RetransSegs InErrs OutRsts InCsumErrors",
            format!("1 200 120000 -1 0 0 0 0 {established}"),
        ),
        (
            "Udp",
            "InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors",
            String::new(),
        ),
    ];
    let mut out = String::new();
    for (protocol, names, known) in rows {
        let mut values: Vec<&str> = known.split_ascii_whitespace().collect();
        values.resize(names.split_ascii_whitespace().count(), "0");
        let _ = writeln!(out, "{protocol}: {names}\n{protocol}: {}", values.join(" "));
    }
    out.into_bytes()
}
