//! The ready list, and what fills and empties it.

use super::item::Item;
use super::{MAX_NESTS, NEVER, Sink};
use crate::sync::{Deadline, WaitQueue, Waiter, sleep_on};
use crate::vfs::{Fd, File, PollEvents, PollTable};
use crate::{ERESTARTSYS, Errno, Result};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};
use host::file::{HostEpoll, HostFd};
use host::mutex::{Mutex, OnceLock};
use linux_raw_sys::general as g;

/// Items of all instances.
pub(super) static ITEMS: AtomicUsize = AtomicUsize::new(0);

/// Items are told apart by number and file: after dup2(2) a number may be watched twice.
pub(super) type Key = (Fd, usize);

/// The key of a file that is watched, or was: its address stays its own while an item refers to it.
pub(super) fn key(fd: Fd, file: *const File) -> Key {
    (fd, file.addr())
}

#[derive(Default)]
pub(super) struct Instance {
    pub items: Mutex<BTreeMap<Key, Arc<Item>>>,
    pub ready: Mutex<VecDeque<Arc<Item>>>,
    /// Who sleeps in epoll_wait.
    pub sleepers: WaitQueue,
    /// Who waits for the instance itself to become readable.
    pub pollers: WaitQueue,
    /// Whether any item was ever watched by time.
    pub timed: AtomicBool,
    /// Instances that watch this one.
    pub parents: Mutex<Vec<Weak<Instance>>>,
    pub host: OnceLock<HostSide>,
}

/// Host descriptors that stand behind items.
pub(super) struct HostSide {
    pub epoll: HostEpoll,
    watched: Mutex<BTreeMap<i32, Vec<Weak<Item>>>>,
}

impl Instance {
    /// Puts an item on the ready list.
    pub fn mark(&self, item: Arc<Item>) {
        if !item.queued.swap(true, SeqCst) {
            self.ready.lock().push_back(item);
        }
    }

    /// Something may be ready.
    pub fn wake(&self) {
        self.sleepers.wake_one(PollEvents::READABLE);
        self.pollers.wake_all(PollEvents::READABLE);
    }

    /// Marks items that the host or the time has made ready.
    pub fn harvest(&self) {
        if let Some(host) = self.host.get() {
            host.epoll.harvest(|fd, events| {
                let items = host.watched.lock().get(&fd).cloned().unwrap_or_default();
                for item in items.iter().filter_map(Weak::upgrade) {
                    if item.interest() & events != 0 {
                        self.mark(item);
                    }
                }
            });
        }
        if self.timed.load(Relaxed) {
            let now = host::clock::monotonic_ns();
            for item in self.items.lock().values() {
                if item.deadline.load(SeqCst) <= now {
                    item.deadline.store(NEVER, SeqCst);
                    self.mark(item.clone());
                }
            }
        }
    }

    pub fn next_deadline(&self) -> Option<u64> {
        if !self.timed.load(Relaxed) {
            return None;
        }
        let first = self.items.lock().values().map(|item| item.deadline.load(SeqCst)).min();
        first.filter(|at| *at != NEVER)
    }

    /// Reports up to `max` events; answers how many.
    ///
    /// # Errors
    /// `EFAULT` when not even the first could be stored.
    pub fn report(&self, max: usize, sink: &mut Sink<'_>) -> Result<usize> {
        let result = self.take(max, sink);
        // What is ready still, or did not fit, is for another thread that sleeps here.
        if !self.sleepers.is_empty() && matches!(result, Ok(1..)) && !self.ready.lock().is_empty() {
            self.sleepers.wake_one(PollEvents::READABLE);
        }
        result
    }

    fn take(&self, max: usize, sink: &mut Sink<'_>) -> Result<usize> {
        self.harvest();
        let mut count = 0;
        // Level-triggered items go to the end of the list, so each is looked at once.
        let mut left = self.ready.lock().len();
        while count < max && left > 0 {
            left -= 1;
            let Some(item) = self.ready.lock().pop_front() else { break };
            // Before asking: a wake meanwhile puts it back.
            item.queued.store(false, SeqCst);
            let Some(events) = item.ask(self) else {
                self.remove(&item);
                continue;
            };
            if events == 0 {
                continue;
            }
            if !sink(events, item.data.load(SeqCst)) {
                self.mark(item);
                return if count > 0 { Ok(count) } else { Err(Errno::FAULT) };
            }
            count += 1;
            let interest = item.events.load(SeqCst);
            if interest & g::EPOLLONESHOT != 0 {
                item.events.store(interest & super::PRIVATE, SeqCst);
            } else if interest & g::EPOLLET == 0 {
                self.mark(item);
            }
        }
        Ok(count)
    }

    /// Sleeps until there is something to report.
    pub fn wait(&self, max: usize, deadline: Deadline, sink: &mut Sink<'_>) -> Result<usize> {
        let waiter = Waiter::current();
        loop {
            // Registered before looking, so that no wake in between is lost.
            let id = self.sleepers.add(&waiter);
            let result = self.report_or_sleep(max, deadline, sink);
            let woken = !self.sleepers.remove(id);
            if result == Ok(None) {
                continue;
            }
            // Whoever was woken and leaves passes on what it did not take.
            if woken && !self.ready.lock().is_empty() {
                self.sleepers.wake_one(PollEvents::READABLE);
            }
            return result.map(|count| count.unwrap_or(0));
        }
    }

    /// `None`: slept, look again.
    fn report_or_sleep(&self, max: usize, deadline: Deadline, sink: &mut Sink<'_>) -> Result<Option<usize>> {
        let count = self.report(max, sink)?;
        if count > 0 {
            return Ok(Some(count));
        }
        let mut table = PollTable::ask();
        table.recollect();
        self.collect(&mut table);
        match sleep_on(Some(&table), deadline) {
            Ok(()) => Ok(None),
            // What came at the same moment counts first.
            Err(Errno::TIMEDOUT) => self.report(max, sink).map(Some),
            Err(ERESTARTSYS) => match self.report(max, sink)? {
                0 => Err(Errno::INTR),
                count => Ok(Some(count)),
            },
            Err(errno) => Err(errno),
        }
    }

    /// What wakes beside the queue: the host's epoll, and time.
    pub fn collect(&self, table: &mut PollTable<'_>) {
        if let Some(host) = self.host.get() {
            table.wait_on_host(host.epoll.fd(), PollEvents::IN);
        }
        if let Some(at) = self.next_deadline() {
            table.wait_until(at);
        }
    }

    pub fn remove(&self, item: &Arc<Item>) {
        let removed = self.items.lock().remove(&key(item.fd, item.file.as_ptr()));
        if removed.is_some() {
            self.release(item);
        }
    }

    /// Ends the watch of an item that is off the list of items.
    pub fn release(&self, item: &Arc<Item>) {
        ITEMS.fetch_sub(1, Relaxed);
        item.events.store(0, SeqCst);
        // Dropped outside the lock: that takes the locks of the queues.
        let kept = core::mem::take(&mut *item.kept.lock());
        if item.queued.load(SeqCst) {
            self.ready.lock().retain(|other| !Arc::ptr_eq(other, item));
        }
        drop(kept);
        if let Some(host) = self.host.get() {
            for fd in item.host_fds.lock().iter().filter_map(Weak::upgrade) {
                host.unwatch(&fd, item);
            }
        }
        if let Some(file) = item.file.upgrade()
            && let Some(below) = file.ops_as::<super::Epoll>()
        {
            let mut parents = below.0.parents.lock();
            if let Some(at) = parents.iter().position(|other| core::ptr::eq(other.as_ptr(), self)) {
                parents.swap_remove(at);
            }
        }
    }

    /// The host's side, made when first needed.
    ///
    /// # Errors
    /// Those of epoll_create(2) on the host.
    pub fn host(&self) -> Result<&HostSide> {
        if let Some(host) = self.host.get() {
            return Ok(host);
        }
        // A lost race leaves the other's.
        let _ = self.host.set(HostSide { epoll: HostEpoll::new()?, watched: Mutex::default() });
        // Who sleeps already does so without it.
        self.sleepers.wake_all(PollEvents::empty());
        self.pollers.wake_all(PollEvents::empty());
        self.host.get().ok_or(Errno::NOMEM)
    }
}

impl HostSide {
    /// Lets the host tell when `fd`, which stands behind `item`, changes.
    ///
    /// # Errors
    /// Those of epoll_ctl(2) on the host.
    pub fn watch(&self, fd: &HostFd, item: &Arc<Item>) -> Result<()> {
        {
            let mut watched = self.watched.lock();
            let items = watched.entry(fd.raw()).or_default();
            items.retain(|other| other.strong_count() > 0);
            items.push(Arc::downgrade(item));
        }
        match self.epoll.watch(fd) {
            // Always ready: asking is enough.
            Err(Errno::PERM) => Ok(()),
            result => result,
        }
    }

    pub fn unwatch(&self, fd: &HostFd, item: &Arc<Item>) {
        let mut watched = self.watched.lock();
        let Some(items) = watched.get_mut(&fd.raw()) else { return };
        items.retain(|other| other.strong_count() > 0 && !core::ptr::eq(other.as_ptr(), &**item));
        if items.is_empty() {
            watched.remove(&fd.raw());
            self.epoll.forget(fd);
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let items = core::mem::take(self.items.get_mut());
        ITEMS.fetch_sub(items.len(), Relaxed);
        for item in items.into_values() {
            // The queues hold the items; this breaks the circle.
            drop(core::mem::take(&mut *item.kept.lock()));
        }
    }
}

impl Instance {
    /// The instances it watches.
    fn below(&self) -> Vec<Arc<File>> {
        let files: Vec<_> = self.items.lock().values().filter_map(|item| item.file.upgrade()).collect();
        files.into_iter().filter(|file| file.ops_as::<super::Epoll>().is_some()).collect()
    }

    /// How many levels of instances stand from here down, itself included.
    ///
    /// # Errors
    /// `ELOOP` when `forbidden` is among them.
    pub fn depth_below(&self, forbidden: &Arc<Instance>, depth: usize) -> Result<usize> {
        if core::ptr::eq(self, &**forbidden) || depth > MAX_NESTS {
            return Err(Errno::LOOP);
        }
        let mut deepest = 0;
        for file in self.below() {
            if let Some(epoll) = file.ops_as::<super::Epoll>() {
                deepest = deepest.max(epoll.0.depth_below(forbidden, depth + 1)?);
            }
        }
        Ok(deepest + 1)
    }

    /// How many levels of instances watch this one.
    pub fn depth_above(&self) -> usize {
        let parents: Vec<_> = self.parents.lock().iter().filter_map(Weak::upgrade).collect();
        parents.iter().map(|parent| parent.depth_above() + 1).max().unwrap_or(0)
    }
}
