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

/// Handed to [`FileOps::poll`](super::FileOps::poll): collects where the waiter was registered and which host
/// descriptors must be watched. Dropping it removes the registrations.
pub struct PollTable<'a> {
    waiter: Option<&'a Arc<dyn Wake>>,
    queues: Vec<(WaitQueue, u64)>,
    host_fds: Vec<(Arc<HostFd>, PollEvents)>,
}

impl<'a> PollTable<'a> {
    /// A table that only asks and registers nobody.
    pub fn ask() -> Self {
        PollTable { waiter: None, queues: Vec::new(), host_fds: Vec::new() }
    }

    /// A table that registers `waiter` wherever a file could become ready.
    pub fn register(waiter: &'a Arc<dyn Wake>) -> Self {
        PollTable { waiter: Some(waiter), queues: Vec::new(), host_fds: Vec::new() }
    }

    /// Called by files: wake the waiter when `queue` is woken. Call it *before* looking at the state, so that no
    /// change in between is lost.
    pub fn wait_on(&mut self, queue: &WaitQueue) {
        if let Some(waiter) = self.waiter {
            let id = queue.add(waiter);
            self.queues.push((queue.clone(), id));
        }
    }

    /// Called by files behind which stands a host descriptor: wake the waiter when the host says `events`.
    pub fn wait_on_host(&mut self, fd: &Arc<HostFd>, events: PollEvents) {
        if self.waiter.is_some() {
            self.host_fds.push((fd.clone(), events));
        }
    }

    /// The host descriptors collected, for the final sleep.
    pub fn host_fds(&self) -> &[(Arc<HostFd>, PollEvents)] {
        &self.host_fds
    }

    /// Stops registering (a result is known already), keeps what is registered.
    pub fn stop_registering(&mut self) {
        self.waiter = None;
    }
}

impl Drop for PollTable<'_> {
    fn drop(&mut self) {
        for (queue, id) in self.queues.drain(..) {
            queue.remove(id);
        }
    }
}
