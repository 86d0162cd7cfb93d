//! Readiness: what poll(2) asks of a file, and how a waiter is told.

use crate::sync::{WaitQueue, Wake};
use alloc::{sync::Arc, vec::Vec};
use host::file::HostFd;

bitflags::bitflags! {
    /// Events of poll(2) and epoll(7), which share their values.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct PollEvents: u32 {
        /// There is something to read.
        const IN = 0x1;
        /// Urgent data.
        const PRI = 0x2;
        /// There is room to write.
        const OUT = 0x4;
        /// An error.
        const ERR = 0x8;
        /// The other side is gone.
        const HUP = 0x10;
        /// Not an open descriptor (poll only).
        const NVAL = 0x20;
        /// As `IN`.
        const RDNORM = 0x40;
        /// Priority band data.
        const RDBAND = 0x80;
        /// As `OUT`.
        const WRNORM = 0x100;
        /// Priority data may be written.
        const WRBAND = 0x200;
        /// A message (only in the `si_band` of signals).
        const MSG = 0x400;
        /// The peer closed its writing side.
        const RDHUP = 0x2000;
    }
}

impl PollEvents {
    /// Readable.
    pub const READABLE: PollEvents = PollEvents::IN.union(PollEvents::RDNORM);
    /// Writable.
    pub const WRITABLE: PollEvents = PollEvents::OUT.union(PollEvents::WRNORM);
}

/// Handed to [`FileOps::poll`](super::FileOps::poll): collects where the waiter was registered, which host
/// descriptors must be watched and when to look again. Dropping it removes the registrations.
pub struct PollTable<'a> {
    waiter: Option<&'a Arc<dyn Wake>>,
    collect_host: bool,
    collect_time: bool,
    kept: Registrations,
}

/// What a [`PollTable`] has collected, for a waiter that outlives it (epoll(7)). Dropping it removes the waiter
/// from all queues.
#[derive(Default)]
pub struct Registrations {
    queues: Vec<(WaitQueue, u64)>,
    host_fds: Vec<(Arc<HostFd>, PollEvents)>,
    deadline: Option<u64>,
}

impl<'a> PollTable<'a> {
    /// A table that only asks and registers nobody.
    #[inline]
    pub fn ask() -> Self {
        Self::with(None, false, false)
    }

    /// A table that registers `waiter` wherever a file could become ready.
    pub fn register(waiter: &'a Arc<dyn Wake>) -> Self {
        Self::with(Some(waiter), true, true)
    }

    /// A table that only asks, and when a file becomes ready by itself.
    #[inline]
    pub fn ask_time() -> Self {
        Self::with(None, false, true)
    }

    fn with(waiter: Option<&'a Arc<dyn Wake>>, collect_host: bool, collect_time: bool) -> Self {
        PollTable { waiter, collect_host, collect_time, kept: Registrations::default() }
    }

    /// Called by files: wake the waiter when `queue` is woken. Call it *before* looking at the state, so that no
    /// change in between is lost.
    #[inline]
    pub fn wait_on(&mut self, queue: &WaitQueue) {
        if let Some(waiter) = self.waiter {
            let id = queue.add(waiter);
            self.kept.queues.push((queue.clone(), id));
        }
    }

    /// Called by files behind which stands a host descriptor: wake the waiter when the host says `events`.
    #[inline]
    pub fn wait_on_host(&mut self, fd: &Arc<HostFd>, events: PollEvents) {
        if self.collect_host {
            self.kept.host_fds.push((fd.clone(), events));
        }
    }

    /// Called by files that become ready by themselves at `deadline_ns` on the monotonic clock.
    #[inline]
    pub fn wait_until(&mut self, deadline_ns: u64) {
        if self.collect_time {
            self.kept.deadline = Some(self.kept.deadline.map_or(deadline_ns, |at| at.min(deadline_ns)));
        }
    }

    /// Whether deadlines are wanted; they cost a look at the clock.
    #[inline]
    pub fn wants_deadline(&self) -> bool {
        self.collect_time
    }

    /// The host descriptors collected, for the final sleep.
    pub fn host_fds(&self) -> &[(Arc<HostFd>, PollEvents)] {
        &self.kept.host_fds
    }

    /// The earliest time at which a file becomes ready by itself.
    pub fn deadline(&self) -> Option<u64> {
        self.kept.deadline
    }

    /// Stops registering (a result is known already), keeps what is registered.
    pub fn stop_registering(&mut self) {
        self.waiter = None;
        (self.collect_host, self.collect_time) = (false, false);
    }

    /// After a sleep: keeps the registrations in queues, forgets host descriptors and deadlines, which the next
    /// round of asking collects anew.
    pub fn recollect(&mut self) {
        self.waiter = None;
        (self.collect_host, self.collect_time) = (true, true);
        self.kept.host_fds.clear();
        self.kept.deadline = None;
    }

    /// What was collected, to be kept beyond the table.
    pub fn keep(self) -> Registrations {
        self.kept
    }
}

impl Registrations {
    /// The host descriptors, to be watched in another way.
    pub fn take_host_fds(&mut self) -> Vec<(Arc<HostFd>, PollEvents)> {
        core::mem::take(&mut self.host_fds)
    }
}

impl Drop for Registrations {
    fn drop(&mut self) {
        for (queue, id) in self.queues.drain(..) {
            // One that was woken is off the queue already.
            let _ = queue.remove(id);
        }
    }
}
