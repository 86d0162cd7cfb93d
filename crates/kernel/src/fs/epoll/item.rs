//! One watched descriptor (`struct epitem`), and how it learns that its file may be ready.

use super::instance::Instance;
use super::{NEVER, PRIVATE};
use crate::sync::Wake;
use crate::vfs::{Fd, File, PollEvents, PollTable, Registrations};
use alloc::sync::Weak;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::*};
use host::file::HostFd;
use host::mutex::Mutex;
use linux_raw_sys::general::EPOLLEXCLUSIVE;

/// One watched descriptor.
pub(super) struct Item {
    pub me: Weak<Item>,
    pub instance: Weak<Instance>,
    /// Not kept open: closing its last descriptor ends the watch.
    pub file: Weak<File>,
    pub fd: Fd,
    /// `EPOLL*` events and behaviour; 0 once the item is gone.
    pub events: AtomicU32,
    /// Handed back with each event.
    pub data: AtomicU64,
    /// On the ready list.
    pub queued: AtomicBool,
    /// When the file becomes ready by itself, as far as known.
    pub deadline: AtomicU64,
    /// Where it waits. Emptied when it goes: the queues hold the item.
    pub kept: Mutex<Registrations>,
    /// Host descriptors behind the file; not kept open either.
    pub host_fds: Mutex<Vec<Weak<HostFd>>>,
}

impl Item {
    /// The events that count; 0: none, after a one-shot.
    pub fn interest(&self) -> u32 {
        self.events.load(SeqCst) & !PRIVATE
    }

    /// Asks the file. `None`: it is gone.
    pub fn ask(&self, instance: &Instance) -> Option<u32> {
        let file = self.file.upgrade()?;
        let mut table = PollTable::ask_time();
        let events = file.ops.poll(&mut table).bits() & self.interest();
        match table.deadline() {
            Some(at) => {
                self.deadline.store(at, SeqCst);
                instance.timed.store(true, SeqCst);
            }
            None if self.deadline.load(Relaxed) != NEVER => self.deadline.store(NEVER, SeqCst),
            None => {}
        }
        Some(events)
    }
}

impl Wake for Item {
    fn wake(&self, events: PollEvents) {
        let interest = self.interest();
        // No events: the waker does not know which.
        if interest == 0 || !events.is_empty() && events.bits() & interest == 0 {
            return;
        }
        // On the list already: whoever put it there has woken, or is about to.
        if self.queued.load(SeqCst) {
            return;
        }
        if let (Some(instance), Some(item)) = (self.instance.upgrade(), self.me.upgrade()) {
            instance.mark(item);
            instance.wake();
        }
    }

    /// `EPOLLEXCLUSIVE`: one instance in which somebody sleeps is enough, unless it is an end, which all must see.
    fn wake_among(&self, events: PollEvents, taken: &mut bool) {
        let end = events.is_empty() || events.intersects(PollEvents::HUP | PollEvents::ERR);
        if self.events.load(SeqCst) & EPOLLEXCLUSIVE == 0 || end {
            return self.wake(events);
        }
        if events.bits() & self.interest() != 0 && !*taken {
            let sleeps = self.instance.upgrade().is_some_and(|instance| !instance.sleepers.is_empty());
            self.wake(events);
            *taken = sleeps;
        }
    }
}
