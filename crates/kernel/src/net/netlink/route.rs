//! rtnetlink(7): which devices, addresses and routes there are. There is `lo` and what belongs to it, and nothing of it
//! can be changed: whoever may ask for that is answered `EOPNOTSUPP`.

use super::answer::{Answer, Dump, Refusal, Reply, Style};
use super::link::{self, RT_SCOPE_HOST};
use super::wire::{Body, Request, word};
use crate::Errno;
use crate::net::device;
use crate::task::current_task;
use alloc::vec;
use alloc::vec::Vec;
use linux_raw_sys::net as n;
use linux_raw_sys::netlink as nl;
use linux_raw_sys::netlink::rtattr_type_t as Attr;

type Outcome<T> = core::result::Result<T, Refusal>;

/// Types beyond are no requests (`RTM_MAX`).
const KIND_MAX: u16 = 123;
/// `NLM_F_DUMP`: all there are.
const DUMP: u16 = nl::NLM_F_DUMP as u16;

const UNSPEC: u8 = n::AF_UNSPEC as u8;
const INET: u8 = n::AF_INET as u8;
const INET6: u8 = n::AF_INET6 as u8;
const BRIDGE: u8 = n::AF_BRIDGE as u8;

/// Tables of routes. Only the first has any; that of the network of ::1 is kept in the first, too.
const TABLE_LOCAL: u32 = 255;
const TABLE_MAIN: u32 = 254;
const TABLE_DEFAULT: u32 = 253;
const SCOPE_LINK: u8 = 253;
/// Types of routes (`RTN_*`).
const LOCAL: u8 = 2;
const BROADCAST: u8 = 3;
/// `RTM_F_CLONED | RTCF_LOCAL`: a route that was looked up, to this machine.
const LOOKED_UP: u32 = nl::RTM_F_CLONED | 0x8000_0000;

/// Answers a request (`rtnetlink_rcv_msg`).
///
/// # Errors
/// Those of the request, `EOPNOTSUPP` for what is unknown, `EPERM` for a change without `CAP_NET_ADMIN`.
pub fn handle(request: &Request<'_>, style: Style) -> Outcome<Answer> {
    if request.kind > KIND_MAX {
        return Err(Errno::OPNOTSUPP.into());
    }
    let Some(&family) = request.payload().first() else { return Ok(Answer::Done) };
    // By twos bits: new, delete, get, set.
    if request.kind & 3 != 2 {
        return change(request).map(|()| Answer::Done);
    }
    let all = request.flags & DUMP == DUMP;
    let many = |dump: Outcome<Dump>| Ok(Answer::Many(dump));
    match (u32::from(request.kind), all) {
        (RTM_GETLINK, true) => many(links(request, family, style)),
        (RTM_GETLINK, false) => Ok(Answer::One(one_link(request)?)),
        (RTM_GETADDR, true) => many(addresses(request, family, style)),
        (RTM_GETADDR, false) if family == INET6 => Ok(Answer::One(one_address(request)?)),
        (RTM_GETROUTE, true) => many(routes(request, family, style)),
        (RTM_GETROUTE, false) if [INET, INET6].contains(&family) => Ok(Answer::One(one_route(request)?)),
        (RTM_GETRULE, true) => many(rules(family)),
        (RTM_GETQDISC, true) => many(Ok(Dump { replies: vec![queue()], ..Dump::default() })),
        // There is none of these.
        (RTM_GETNEIGH | RTM_GETNSID | RTM_GETNEXTHOP, true) => many(Ok(Dump::default())),
        _ => Err(Errno::OPNOTSUPP.into()),
    }
}

const RTM_NEWLINK: u32 = nl::RTM_NEWLINK as u32;
const RTM_GETLINK: u32 = nl::RTM_GETLINK as u32;
const RTM_GETADDR: u32 = nl::RTM_GETADDR as u32;
const RTM_GETROUTE: u32 = nl::RTM_GETROUTE as u32;
const RTM_GETNEIGH: u32 = nl::RTM_GETNEIGH as u32;
const RTM_GETRULE: u32 = nl::RTM_GETRULE as u32;
const RTM_GETQDISC: u32 = nl::RTM_GETQDISC as u32;
const RTM_GETNSID: u32 = nl::RTM_GETNSID as u32;
const RTM_GETNEXTHOP: u32 = nl::RTM_GETNEXTHOP as u32;

/// A request to change something: all that can be had is what is there already.
fn change(request: &Request<'_>) -> Outcome<()> {
    if !device::may_administer() {
        return Err(Errno::PERM.into());
    }
    if u32::from(request.kind) == RTM_NEWLINK && request.flags & nl::NLM_F_CREATE as u16 == 0 {
        let fixed: &[u8; 16] = request.fixed().ok_or(Errno::INVAL)?;
        which_link(request)?;
        let (flags, changed) = (word(fixed, 8), word(fixed, 12));
        // Without a mask all flags count.
        let changed = if changed == 0 { u32::MAX } else { changed };
        let others = request.attributes(16).any(|(kind, _)| !NAMES.contains(&u32::from(kind)));
        if !others && (flags == 0 && word(fixed, 12) == 0 || (flags ^ device::FLAGS) & changed & 0xffff == 0)
        {
            return Ok(());
        }
    }
    let text = (u32::from(request.kind) == RTM_NEWLINK).then_some("Unknown device type");
    Err(Refusal { text, ..Errno::OPNOTSUPP.into() })
}

/// Attributes that say which device is meant.
const NAMES: [u32; 3] = [nl::IFLA_IFNAME as u32, nl::IFLA_ALT_IFNAME as u32, nl::IFLA_EXT_MASK as u32];

/// Makes sure that the request is about the device there is.
fn which_link(request: &Request<'_>) -> Outcome<()> {
    let fixed: &[u8; 16] = request.fixed().ok_or(Errno::INVAL)?;
    let name = || {
        request
            .attributes(16)
            .find(|(kind, _)| [nl::IFLA_IFNAME as u16, nl::IFLA_ALT_IFNAME as u16].contains(kind))
    };
    match word(fixed, 4) as i32 {
        ..0 => Err(Errno::INVAL.into()),
        device::INDEX => Ok(()),
        0 => match name() {
            Some((_, name)) if name.strip_suffix(b"\0").unwrap_or(name) == device::NAME => Ok(()),
            Some(_) => Err(Errno::NODEV.into()),
            None => Err(Errno::INVAL.into()),
        },
        _ => Err(Errno::NODEV.into()),
    }
}

/// `IFLA_EXT_MASK`: what may be left out.
fn wants_statistics(request: &Request<'_>) -> bool {
    let mask = request.attributes(16).find(|(kind, _)| *kind == nl::IFLA_EXT_MASK as u16);
    mask.is_none_or(|(_, mask)| word(mask, 0) & nl::RTEXT_FILTER_SKIP_STATS == 0)
}

fn one_link(request: &Request<'_>) -> Outcome<Reply> {
    which_link(request)?;
    Ok(link::device(wants_statistics(request)))
}

/// `rtnl_dump_ifinfo`, `inet6_dump_ifinfo`, `rtnl_bridge_getlink`.
fn links(request: &Request<'_>, family: u8, style: Style) -> Outcome<Dump> {
    if style.strict {
        let fixed: &[u8; 16] = request.fixed().ok_or_else(|| words("Invalid header for link dump"))?;
        if word(fixed, 8) != 0 || word(fixed, 12) != 0 || fixed[2..4] != [0; 2] {
            return Err(words("Invalid values in header for link dump request"));
        }
        if word(fixed, 4) != 0 {
            return Err(words("Filter by device index not supported for link dumps"));
        }
    }
    match family {
        BRIDGE => return Ok(Dump::default()),
        INET6 => return Ok(Dump { replies: vec![link::device6()], together: true, ..Dump::default() }),
        _ => {}
    }
    // Belonging to another device, or being of a kind, is what `lo` does not.
    let filtered = request.attributes(16).any(|(kind, content)| {
        kind == nl::IFLA_MASTER as u16 && word(content, 0) != 0 || kind == nl::IFLA_LINKINFO as u16
    });
    let replies = if filtered { Vec::new() } else { vec![link::device(wants_statistics(request))] };
    Ok(Dump { replies, filtered, together: false })
}

fn words(text: &'static str) -> Refusal {
    Refusal { errno: Errno::INVAL, text: Some(text), filtered: false }
}

fn no_table(text: &'static str) -> Refusal {
    Refusal { errno: Errno::NOENT, text: Some(text), filtered: true }
}

/// `inet_dump_ifaddr`, `inet6_dump_ifaddr`.
fn addresses(request: &Request<'_>, family: u8, style: Style) -> Outcome<Dump> {
    let mut filtered = false;
    if style.strict {
        let fixed: &[u8; 8] =
            request.fixed().ok_or_else(|| words("Invalid header for address dump request"))?;
        if fixed[1..4] != [0; 3] {
            return Err(words("Invalid values in header for address dump request"));
        }
        match word(fixed, 4) as i32 {
            0 => {}
            device::INDEX => filtered = true,
            _ => return Err(Refusal { filtered: true, ..Errno::NODEV.into() }),
        }
    }
    let (replies, together) = match family {
        INET => (vec![link::address()], true),
        INET6 => (vec![link::address6()], true),
        _ => (vec![link::address(), link::address6()], false),
    };
    Ok(Dump { replies, filtered, together })
}

/// `inet6_rtm_getaddr`
fn one_address(request: &Request<'_>) -> Outcome<Reply> {
    let wanted = request
        .attributes(8)
        .find(|(kind, _)| [nl::IFA_ADDRESS as u16, nl::IFA_LOCAL as u16].contains(kind))
        .ok_or(Errno::INVAL)?;
    if wanted.1 == device::ADDRESS6.0 { Ok(link::address6()) } else { Err(Errno::ADDRNOTAVAIL.into()) }
}

/// A route of the table of this machine's own.
struct Route {
    family: u8,
    bits: u8,
    scope: u8,
    kind: u8,
    to: &'static [u8],
}

const ROUTES: [Route; 4] = [
    Route { family: INET, bits: 8, scope: RT_SCOPE_HOST, kind: LOCAL, to: &[127, 0, 0, 0] },
    Route { family: INET, bits: 32, scope: RT_SCOPE_HOST, kind: LOCAL, to: &[127, 0, 0, 1] },
    Route { family: INET, bits: 32, scope: SCOPE_LINK, kind: BROADCAST, to: &[127, 255, 255, 255] },
    Route { family: INET6, bits: 128, scope: 0, kind: LOCAL, to: &device::ADDRESS6.0 },
];

/// `struct rtmsg`; made by the kernel.
fn fixed_route(family: u8, bits: u8, table: u8, scope: u8, kind: u8, flags: u32) -> [u8; 12] {
    let mut out = [0; 12];
    out[..8].copy_from_slice(&[family, bits, 0, 0, table, nl::RTPROT_KERNEL as u8, scope, kind]);
    out[8..].copy_from_slice(&flags.to_ne_bytes());
    out
}

/// `struct rta_cacheinfo`, of which only the number of users is not nothing.
fn cache(users: u32) -> [u8; 32] {
    let mut out = [0; 32];
    out[..4].copy_from_slice(&users.to_ne_bytes());
    out
}

fn newroute(body: Body) -> Reply {
    Reply { kind: nl::RTM_NEWROUTE as u16, payload: body.into_bytes() }
}

impl Route {
    fn reply(&self) -> Reply {
        let fixed = fixed_route(self.family, self.bits, TABLE_LOCAL as u8, self.scope, self.kind, 0);
        let mut body = Body::new(&fixed);
        body.int(Attr::RTA_TABLE as u16, TABLE_LOCAL).attr(Attr::RTA_DST as u16, self.to);
        if self.family == INET {
            body.attr(Attr::RTA_PREFSRC as u16, &device::ADDRESS.0)
                .int(Attr::RTA_OIF as u16, device::INDEX as u32);
        } else {
            body.int(Attr::RTA_PRIORITY as u16, 0)
                .int(Attr::RTA_OIF as u16, device::INDEX as u32)
                .attr(Attr::RTA_CACHEINFO as u16, &cache(0))
                .attr(Attr::RTA_PREF as u16, &[0]);
        }
        newroute(body)
    }
}

/// `inet_dump_fib`, `inet6_dump_fib`.
fn routes(request: &Request<'_>, family: u8, style: Style) -> Outcome<Dump> {
    let none = [0; 12];
    let fixed: &[u8; 12] = match request.fixed() {
        Some(fixed) => fixed,
        None if style.strict => return Err(words("Invalid header for FIB dump request")),
        None => &none,
    };
    let attribute = |wanted: u16| {
        let found = request.attributes(12).find(|(kind, _)| *kind == wanted);
        found.map(|(_, content)| word(content, 0))
    };
    // table, made by, type: 0 is any
    let mut wanted = [0, 0, 0];
    let mut device = 0;
    if style.strict {
        if fixed[1..4] != [0; 3] || fixed[6] != 0 {
            return Err(words("Invalid values in header for FIB dump request"));
        }
        wanted = [
            attribute(Attr::RTA_TABLE as u16).unwrap_or(u32::from(fixed[4])),
            u32::from(fixed[5]),
            u32::from(fixed[7]),
        ];
        device = attribute(Attr::RTA_OIF as u16).unwrap_or(0);
    }
    if device != 0 && device != device::INDEX as u32 {
        return Err(Refusal { filtered: true, ..Errno::NODEV.into() });
    }
    let filtered = device != 0 || wanted != [0, 0, 0];
    let [table, by, kind] = wanted;
    if table != 0 {
        let known = [TABLE_LOCAL, TABLE_MAIN].contains(&table) || family == INET && table == TABLE_DEFAULT;
        match family {
            _ if known => {}
            INET => return Err(no_table("ipv4: FIB table does not exist")),
            INET6 => return Err(no_table("ipv6: FIB table does not exist")),
            _ => {}
        }
    }
    // Those of cached routes only: there are none.
    let cloned = word(fixed, 8) & nl::RTM_F_CLONED != 0;
    let shown = |route: &&Route| {
        !cloned
            && (route.family == family || ![INET, INET6].contains(&family))
            && [0, TABLE_LOCAL].contains(&table)
            && [0, nl::RTPROT_KERNEL].contains(&by)
            && [0, u32::from(route.kind)].contains(&kind)
    };
    let replies = ROUTES.iter().filter(shown).map(Route::reply).collect();
    Ok(Dump { replies, filtered, together: false })
}

/// The way to an address (`inet_rtm_getroute`, `inet6_rtm_getroute`).
fn one_route(request: &Request<'_>) -> Outcome<Reply> {
    let fixed: &[u8; 12] = request.fixed().ok_or(Errno::INVAL)?;
    let family = fixed[0];
    let to = request.attributes(12).find(|(kind, _)| *kind == Attr::RTA_DST as u16).map(|(_, to)| to);
    if family == INET {
        let to: &[u8; 4] = to.and_then(<[u8]>::first_chunk).ok_or(Errno::NETUNREACH)?;
        if to[0] != 127 {
            return Err(Errno::NETUNREACH.into());
        }
        let uid = current_task().map_or(0, |task| task.process.cred().uid);
        // Both tables are one as long as there are no rules but the usual ones, so it is said to be the main one.
        let mut out = fixed_route(INET, 32, TABLE_MAIN as u8, 0, LOCAL, LOOKED_UP);
        out[5] = 0;
        let mut body = Body::new(&out);
        body.int(Attr::RTA_TABLE as u16, TABLE_MAIN)
            .attr(Attr::RTA_DST as u16, to)
            .int(Attr::RTA_OIF as u16, device::INDEX as u32)
            .attr(Attr::RTA_PREFSRC as u16, &device::ADDRESS.0)
            .int(Attr::RTA_UID as u16, uid)
            .attr(Attr::RTA_CACHEINFO as u16, &cache(2));
        return Ok(newroute(body));
    }
    if to != Some(&device::ADDRESS6.0[..]) {
        return Err(Errno::NETUNREACH.into());
    }
    let mut out = fixed_route(INET6, 128, TABLE_LOCAL as u8, 0, LOCAL, 0);
    // From anywhere in particular: from `::`.
    out[2] = 128;
    let mut body = Body::new(&out);
    body.int(Attr::RTA_TABLE as u16, TABLE_LOCAL)
        .attr(Attr::RTA_DST as u16, &device::ADDRESS6.0)
        .attr(Attr::RTA_SRC as u16, &[0; 16])
        .attr(Attr::RTA_PREFSRC as u16, &device::ADDRESS6.0)
        .int(Attr::RTA_PRIORITY as u16, 0)
        .int(Attr::RTA_OIF as u16, device::INDEX as u32)
        .attr(Attr::RTA_CACHEINFO as u16, &cache(2))
        .attr(Attr::RTA_PREF as u16, &[0]);
    Ok(newroute(body))
}

/// Which tables are looked at, in order (`fib_nl_dumprule`).
fn rules(family: u8) -> Outcome<Dump> {
    let inet = [(TABLE_LOCAL, 0), (TABLE_MAIN, 32766), (TABLE_DEFAULT, 32767)].map(|rule| (INET, rule));
    let inet6 = [(TABLE_LOCAL, 0), (TABLE_MAIN, 32766)].map(|rule| (INET6, rule));
    let rules = inet.into_iter().chain(inet6).filter(|(of, _)| [UNSPEC, *of].contains(&family));
    let replies: Vec<Reply> = rules
        .map(|(of, (table, priority))| {
            // struct fib_rule_hdr; go to a table
            let mut body = Body::new(&[of, 0, 0, 0, table as u8, 0, 0, 1, 0, 0, 0, 0]);
            body.int(nl::FRA_TABLE as u16, table)
                .int(nl::FRA_SUPPRESS_PREFIXLEN as u16, u32::MAX)
                .attr(nl::FRA_PROTOCOL as u16, &[nl::RTPROT_KERNEL as u8]);
            if priority != 0 {
                body.int(nl::FRA_PRIORITY as u16, priority);
            }
            Reply { kind: nl::RTM_NEWRULE as u16, payload: body.into_bytes() }
        })
        .collect();
    if replies.is_empty() {
        Err(Errno::AFNOSUPPORT.into())
    } else {
        Ok(Dump { replies, together: true, ..Dump::default() })
    }
}

/// How packets wait to be sent: not at all (`tc_fill_qdisc`).
fn queue() -> Reply {
    // struct tcmsg: device, handle, parent TC_H_ROOT, references
    let mut fixed = [0; 20];
    fixed[4..8].copy_from_slice(&device::INDEX.to_ne_bytes());
    fixed[12..16].copy_from_slice(&u32::MAX.to_ne_bytes());
    fixed[16..].copy_from_slice(&2u32.to_ne_bytes());
    let mut body = Body::new(&fixed);
    body.string(nl::TCA_KIND as u16, b"noqueue").attr(nl::TCA_HW_OFFLOAD as u16, &[0]);
    Reply { kind: nl::RTM_NEWQDISC as u16, payload: body.into_bytes() }
}
