//! epoll(7): the interest list, the ready list, and how items get from one to the other (`fs/eventpoll.c`).
//!
//! ```text
//!   file's wait queue ──► Item::wake ──► ready list ──► epoll_wait asks the file, reports, and keeps
//!   host's epoll      ──►     "                         level-triggered items on the list
//!   a file's own time ──►     "
//! ```
//!
//! An item is on the ready list when its file *may* be ready; only asking the file decides. Files behind which
//! stands a host descriptor are watched through a host epoll in edge-triggered mode, which is for them what a wait
//! queue is for ours. Files that become ready by time (timerfd) tell the time when they are asked.
//!
//! The system calls are in `syscall::epoll`.

mod instance;
mod item;

use crate::sync::{Deadline, Wake};
use crate::vfs::{Fd, File, FileOps, FileType, PollEvents, PollTable};
use crate::{Errno, Result};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::*};
use host::mutex::Mutex;
use instance::{ITEMS, Instance, key};
use item::Item;
use linux_raw_sys::general as g;

/// How deep epoll instances may watch each other (`EP_MAX_NESTS`).
const MAX_NESTS: usize = 4;
/// Items in all instances (`fs.epoll.max_user_watches`).
const MAX_ITEMS: usize = 1 << 20;
/// Behaviour, not events; survive a one-shot (`EP_PRIVATE_BITS`).
const PRIVATE: u32 = g::EPOLLWAKEUP | g::EPOLLONESHOT | g::EPOLLET | g::EPOLLEXCLUSIVE;
const ALWAYS: u32 = g::EPOLLERR | g::EPOLLHUP;
/// No deadline.
const NEVER: u64 = u64::MAX;

/// Held while an instance is put under another, so that two such changes cannot close a circle together.
static NESTING: Mutex<()> = Mutex::new(());

/// What a program asked to be told about a descriptor, and the word it wants back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest {
    /// `EPOLL*` events and behaviour.
    pub events: u32,
    /// Handed back with each event.
    pub data: u64,
}

/// Takes events out of epoll_wait(2), with their data. `false`: it could not be stored.
pub type Sink<'a> = dyn FnMut(u32, u64) -> bool + 'a;

/// An epoll instance as an open file.
pub struct Epoll(Arc<Instance>);

impl Epoll {
    /// An instance that watches nothing.
    pub fn new() -> Epoll {
        Epoll(Arc::default())
    }

    /// Whether a file can be watched: regular files and directories are always ready, and are refused (`EPERM`).
    pub fn can_watch(file: &File) -> bool {
        let kind = file.inode.kind();
        super::anon::is_anon(file)
            || !matches!(kind, FileType::Regular | FileType::Directory) && file.ops.can_poll()
            || file.ops.can_poll_as_regular()
    }

    /// `EPOLL_CTL_ADD` of a file that [can be watched](Self::can_watch).
    ///
    /// # Errors
    /// `EEXIST`; `ELOOP` for a circle or too deep a nesting; `ENOSPC`.
    pub fn add(&self, fd: Fd, file: &Arc<File>, interest: Interest) -> Result<()> {
        let _nesting = match file.ops_as::<Epoll>() {
            Some(target) => {
                let guard = NESTING.lock();
                // So that what stands above can watch it before the host has anything to say.
                target.0.host()?;
                let depth = target.0.depth_below(&self.0, 0)?;
                if depth + self.0.depth_above() > MAX_NESTS {
                    return Err(Errno::LOOP);
                }
                Some(guard)
            }
            None => None,
        };
        let item = self.insert(fd, file, interest)?;
        if let Some(target) = file.ops_as::<Epoll>() {
            target.0.parents.lock().push(Arc::downgrade(&self.0));
        }
        self.arm(&item, file)
    }

    fn insert(&self, fd: Fd, file: &Arc<File>, interest: Interest) -> Result<Arc<Item>> {
        let key = key(fd, Arc::as_ptr(file));
        let mut dead = Vec::new();
        let item = {
            let mut items = self.0.items.lock();
            if items.contains_key(&key) {
                return Err(Errno::EXIST);
            }
            // What was closed without EPOLL_CTL_DEL leaves when its number comes again.
            let closed = |item: &&Arc<Item>| item.file.strong_count() == 0;
            dead.extend(
                items.range((fd, 0)..=(fd, usize::MAX)).map(|(_, item)| item).filter(closed).cloned(),
            );
            for item in &dead {
                items.remove(&instance::key(item.fd, item.file.as_ptr()));
            }
            if ITEMS.fetch_add(1, Relaxed) >= MAX_ITEMS {
                ITEMS.fetch_sub(1, Relaxed);
                return Err(Errno::NOSPC);
            }
            let item = Arc::new_cyclic(|me| Item {
                me: me.clone(),
                instance: Arc::downgrade(&self.0),
                file: Arc::downgrade(file),
                fd,
                events: AtomicU32::new(interest.events | ALWAYS),
                data: AtomicU64::new(interest.data),
                queued: AtomicBool::new(false),
                deadline: AtomicU64::new(NEVER),
                kept: Mutex::default(),
                host_fds: Mutex::default(),
            });
            items.insert(key, item.clone());
            item
        };
        for item in dead {
            self.0.release(&item);
        }
        Ok(item)
    }

    /// Registers a new item with its file and sees whether it is ready.
    fn arm(&self, item: &Arc<Item>, file: &File) -> Result<()> {
        let waiter: Arc<dyn Wake> = item.clone();
        let mut table = PollTable::register(&waiter);
        let events = file.ops.poll(&mut table).bits() & item.interest();
        let deadline = table.deadline();
        if let Some(at) = deadline {
            item.deadline.store(at, SeqCst);
            self.0.timed.store(true, SeqCst);
        }
        let mut kept = table.keep();
        let host_fds = kept.take_host_fds();
        *item.kept.lock() = kept;
        *item.host_fds.lock() = host_fds.iter().map(|(fd, _)| Arc::downgrade(fd)).collect();
        for (fd, _) in &host_fds {
            if let Err(errno) = self.0.host().and_then(|host| host.watch(fd, item)) {
                self.0.remove(item);
                return Err(errno);
            }
        }
        if events != 0 {
            self.0.mark(item.clone());
        }
        if events != 0 || deadline.is_some() {
            self.0.wake();
        }
        Ok(())
    }

    fn find(&self, fd: Fd, file: &Arc<File>) -> Result<Arc<Item>> {
        let key = key(fd, Arc::as_ptr(file));
        self.0.items.lock().get(&key).cloned().ok_or(Errno::NOENT)
    }

    /// `EPOLL_CTL_MOD`.
    ///
    /// # Errors
    /// `ENOENT`; `EINVAL` for an exclusive watch, which cannot be changed.
    pub fn modify(&self, fd: Fd, file: &Arc<File>, interest: Interest) -> Result<()> {
        let item = self.find(fd, file)?;
        if item.events.load(SeqCst) & g::EPOLLEXCLUSIVE != 0 {
            return Err(Errno::INVAL);
        }
        item.data.store(interest.data, SeqCst);
        item.events.store(interest.events | ALWAYS, SeqCst);
        if item.ask(&self.0).is_some_and(|events| events != 0) {
            self.0.mark(item);
            self.0.wake();
        }
        Ok(())
    }

    /// `EPOLL_CTL_DEL`.
    ///
    /// # Errors
    /// `ENOENT`.
    pub fn delete(&self, fd: Fd, file: &Arc<File>) -> Result<()> {
        let item = self.find(fd, file)?;
        self.0.remove(&item);
        Ok(())
    }

    /// Reports up to `max` events, waiting for the first until `deadline`; 0: none came.
    ///
    /// # Errors
    /// `EINTR`; `EFAULT` when not even the first could be stored.
    #[inline]
    pub fn wait(&self, max: usize, until: Option<Deadline>, sink: &mut Sink<'_>) -> Result<usize> {
        match self.0.report(max, sink)? {
            0 => match until {
                Some(deadline) => self.0.wait(max, deadline, sink),
                None => Ok(0),
            },
            count => Ok(count),
        }
    }
}

impl Default for Epoll {
    fn default() -> Self {
        Self::new()
    }
}

impl FileOps for Epoll {
    fn is_stream(&self) -> bool {
        true
    }

    fn poll(&self, table: &mut PollTable<'_>) -> PollEvents {
        table.wait_on(&self.0.pollers);
        self.0.harvest();
        self.0.collect(table);
        // A list of its own: asking a file may call back into the ready list.
        let candidates: Vec<_> = self.0.ready.lock().iter().cloned().collect();
        if candidates.iter().any(|item| item.ask(&self.0).is_some_and(|events| events != 0)) {
            PollEvents::READABLE
        } else {
            PollEvents::empty()
        }
    }

    fn seek(&self, _offset: i64, _whence: u32, current: u64) -> Option<Result<u64>> {
        Some(Ok(current))
    }

    fn link_text(&self) -> Option<Vec<u8>> {
        Some(b"anon_inode:[eventpoll]".to_vec())
    }

    fn fdinfo(&self, out: &mut Vec<u8>) {
        let items: Vec<_> = self.0.items.lock().values().cloned().collect();
        for item in items {
            let Some(file) = item.file.upgrade() else { continue };
            let stat = file.inode.stat().ok();
            let (ino, dev) = stat.map_or((0, 0), |stat| (stat.ino, stat.dev));
            let position = file.position.peek();
            let text = alloc::format!(
                "tfd: {:8} events: {:8x} data: {:16x}  pos:{position} ino:{ino:x} sdev:{dev:x}\n",
                item.fd,
                item.events.load(SeqCst),
                item.data.load(SeqCst),
            );
            out.extend_from_slice(text.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::fs::anon;
    use crate::fs::eventfd::EventFd;
    use crate::vfs::OpenFlags;
    use core::sync::atomic::AtomicUsize;
    use host::io::{IoDst, IoSrc};

    /// Threads sleep beside each other; every token must find one of them, or the test does not end.
    #[test]
    fn no_event_is_left_while_a_thread_sleeps() {
        const TOKENS: usize = 2000;
        const THREADS: u64 = 3;
        for mode in [0, g::EPOLLET, g::EPOLLONESHOT] {
            let tokens = anon::file(alloc::boxed::Box::new(EventFd::new(0, true)), OpenFlags::RDWR);
            let stop = anon::file(alloc::boxed::Box::new(EventFd::new(0, false)), OpenFlags::RDWR);
            let (epoll, taken) = (Epoll::new(), AtomicUsize::new(0));
            let interest = Interest { events: g::EPOLLIN | mode, data: 1 };
            epoll.add(3, &tokens, interest).unwrap();
            epoll.add(4, &stop, Interest { events: g::EPOLLIN, data: 2 }).unwrap();
            std::thread::scope(|scope| {
                for _ in 0..THREADS {
                    scope.spawn(|| {
                        loop {
                            let mut data = 0;
                            let mut sink = |_, value| {
                                data = value;
                                true
                            };
                            epoll.wait(1, Some(None), &mut sink).unwrap();
                            if data == 2 {
                                return;
                            }
                            // Edge and one-shot: drained, as the manual demands. Level: one at a time.
                            let mut bytes = [0; 8];
                            while tokens.ops.read(&mut IoDst::kernel(&mut bytes), 0, true).is_ok() {
                                taken.fetch_add(1, SeqCst);
                                if mode == 0 {
                                    break;
                                }
                            }
                            if mode == g::EPOLLONESHOT {
                                epoll.modify(3, &tokens, interest).unwrap();
                            }
                        }
                    });
                }
                let one = 1u64.to_le_bytes();
                for _ in 0..TOKENS {
                    tokens.ops.write(&mut IoSrc::kernel(&one), crate::vfs::WriteAt::End, false).unwrap();
                }
                while taken.load(SeqCst) < TOKENS {
                    std::thread::yield_now();
                }
                stop.ops.write(&mut IoSrc::kernel(&one), crate::vfs::WriteAt::End, false).unwrap();
            });
            assert_eq!(taken.load(SeqCst), TOKENS);
        }
    }
}
