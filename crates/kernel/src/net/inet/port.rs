//! Who has which port: bind(2) for TCP and UDP, and finding who is behind an address.

use super::{ANY6, Endpoint};
use crate::task::current_task;
use crate::{Errno, Result};
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use host::mutex::Mutex;
use linux_raw_sys::general::CAP_NET_BIND_SERVICE;

/// Ports that are given to who asks for none (`ip_local_port_range`).
const EPHEMERAL: core::ops::RangeInclusive<u16> = 32768..=60999;
/// Below, one needs `CAP_NET_BIND_SERVICE`.
const UNPRIVILEGED: u16 = 1024;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// How a socket shares its port.
#[derive(Clone, Copy, Debug)]
pub struct Sharing {
    /// `SO_REUSEADDR`, which does not count between listeners.
    pub reuse_address: bool,
    /// `SO_REUSEPORT`
    pub reuse_port: bool,
    /// `IPV6_V6ONLY`
    pub only6: bool,
}

/// A socket that has a port.
struct Holder<T> {
    socket: Weak<T>,
    at: Endpoint,
    sharing: Sharing,
    listens: bool,
}

impl<T> Holder<T> {
    /// Whether something sent to `to` may reach it; the more exactly, the higher.
    fn matches(&self, to: Endpoint) -> Option<u32> {
        if self.at.ip == to.ip {
            return Some(2);
        }
        let covers =
            self.at.is_any() && (self.at.is_v4() == to.is_v4() || self.at.ip == ANY6 && !self.sharing.only6);
        covers.then_some(1)
    }

    fn collides(&self, at: Endpoint, sharing: Sharing) -> bool {
        let other = Holder::<T> { socket: Weak::new(), at, sharing, listens: false };
        if self.matches(at).is_none() && other.matches(self.at).is_none() {
            return false;
        }
        let shared = self.sharing.reuse_address && sharing.reuse_address && !self.listens
            || self.sharing.reuse_port && sharing.reuse_port;
        !shared
    }
}

/// The ports of one protocol.
pub struct Ports<T>(Mutex<BTreeMap<u16, Vec<Holder<T>>>>);

impl<T> Ports<T> {
    /// Nobody has any.
    pub const fn new() -> Ports<T> {
        Ports(Mutex::new(BTreeMap::new()))
    }

    /// Gives `socket` the address `at`, or a free port of it when it has none; answers which.
    ///
    /// # Errors
    /// `EADDRNOTAVAIL` for an address that is not this machine's; `EACCES` for a privileged port; `EADDRINUSE`.
    pub fn bind(&self, socket: &Weak<T>, mut at: Endpoint, sharing: Sharing) -> Result<Endpoint> {
        if !at.is_any() && !at.is_loopback() {
            return Err(Errno::ADDRNOTAVAIL);
        }
        let privileged = (1..UNPRIVILEGED).contains(&at.port);
        if privileged && current_task().is_some_and(|task| !task.process.cred().capable(CAP_NET_BIND_SERVICE))
        {
            return Err(Errno::ACCESS);
        }
        let mut table = self.0.lock();
        if at.port == 0 {
            let count = u32::from(EPHEMERAL.end() - EPHEMERAL.start()) + 1;
            let start = NEXT.fetch_add(1, Relaxed);
            let nth = |n: u32| EPHEMERAL.start() + (start.wrapping_add(n) % count) as u16;
            let free = (0..count).map(nth).find(|port| !table.contains_key(port));
            at.port = free.ok_or(Errno::ADDRINUSE)?;
        }
        let holders = table.entry(at.port).or_default();
        if holders.iter().any(|holder| holder.collides(at, sharing)) {
            return Err(Errno::ADDRINUSE);
        }
        holders.push(Holder { socket: socket.clone(), at, sharing, listens: false });
        Ok(at)
    }

    /// Notes that a socket listens.
    ///
    /// # Errors
    /// `EADDRINUSE` when another one listens there.
    pub fn listen(&self, socket: &Weak<T>, port: u16) -> Result<()> {
        let mut table = self.0.lock();
        let Some(holders) = table.get_mut(&port) else { return Ok(()) };
        let Some(mine) = holders.iter().position(|holder| holder.socket.ptr_eq(socket)) else {
            return Ok(());
        };
        let (at, sharing) = (holders[mine].at, holders[mine].sharing);
        let rival =
            |(n, holder): (usize, &Holder<T>)| n != mine && holder.listens && holder.collides(at, sharing);
        if holders.iter().enumerate().any(rival) {
            return Err(Errno::ADDRINUSE);
        }
        holders[mine].listens = true;
        Ok(())
    }

    /// Takes a socket out.
    pub fn leave(&self, socket: &Weak<T>, port: u16) {
        let mut table = self.0.lock();
        if let Some(holders) = table.get_mut(&port) {
            holders.retain(|holder| !holder.socket.ptr_eq(socket));
            if holders.is_empty() {
                table.remove(&port);
            }
        }
    }

    /// Who is behind `to`, the best match first.
    pub fn find(&self, to: Endpoint) -> Vec<Arc<T>> {
        let table = self.0.lock();
        let mut found: Vec<(u32, Arc<T>)> = table
            .get(&to.port)
            .into_iter()
            .flatten()
            .filter_map(|holder| Some((holder.matches(to)?, holder.socket.upgrade()?)))
            .collect();
        drop(table);
        found.sort_by_key(|(exactness, _)| core::cmp::Reverse(*exactness));
        found.into_iter().map(|(_, socket)| socket).collect()
    }
}
