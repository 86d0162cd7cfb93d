//! inotify(7): a queue of what happened to watched files. Who watches what, and where events come from, is in
//! `crate::vfs::notify`; the calls in `syscall/inotify.rs`.
//!
//! Lock order: the table of watches, then the queue of an instance.

use super::anon;
use crate::sync::{WaitQueue, wait_until};
use crate::sysctl::{INT_MAX, Sysctl};
use crate::uaccess::put;
use crate::vfs::notify::{self, Events, Observer, Place, Request};
use crate::vfs::{File, FileOps, InodeRef, OpenFlags, PollEvents, PollTable};
use crate::{Errno, Result};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use host::io::IoDst;
use host::mutex::Mutex;
use linux_raw_sys::general::{IN_EXCL_UNLINK, IN_IGNORED, IN_ONESHOT, IN_Q_OVERFLOW};
use linux_raw_sys::ioctl::FIONREAD;

/// Events an instance keeps; more make one `IN_Q_OVERFLOW` (`/proc/sys/fs/inotify/max_queued_events`).
pub static MAX_QUEUED_EVENTS: Sysctl = Sysctl::new(16384, 0, INT_MAX);
/// Instances of one user (`/proc/sys/fs/inotify/max_user_instances`).
pub static MAX_USER_INSTANCES: Sysctl = Sysctl::new(128, 0, INT_MAX);
/// Watches of all instances (`/proc/sys/fs/inotify/max_user_watches`).
pub static MAX_USER_WATCHES: Sysctl = Sysctl::new(65536, 0, INT_MAX);

/// Bytes of `struct inotify_event` without the name.
const HEADER: usize = 16;

/// Instances by user.
static INSTANCES: Mutex<BTreeMap<u32, usize>> = Mutex::new(BTreeMap::new());

struct Event {
    wd: i32,
    mask: u32,
    cookie: u32,
    name: Box<[u8]>,
}

impl Event {
    /// Bytes it takes in the reader's buffer: the name has a NUL and is padded to whole headers.
    fn len(&self) -> usize {
        HEADER + if self.name.is_empty() { 0 } else { (self.name.len() + 1).next_multiple_of(HEADER) }
    }

    fn header(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let words = [self.wd as u32, self.mask, self.cookie, (self.len() - HEADER) as u32];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }
}

#[derive(Default)]
struct State {
    events: VecDeque<Event>,
    /// An overflow event is in the queue, and nothing is added before it was read.
    overflowed: bool,
    last_wd: i32,
    watches: BTreeMap<i32, Place>,
}

/// An instance.
struct Instance {
    state: Mutex<State>,
    queue: WaitQueue,
    uid: u32,
}

/// What an inotify descriptor does.
pub struct Inotify {
    instance: Arc<Instance>,
    observer: Arc<dyn Observer>,
}

/// Makes an instance for the user `uid`. Of `flags` counts `O_NONBLOCK`.
///
/// # Errors
/// `EMFILE` when the user has too many.
pub fn new(uid: u32, flags: OpenFlags) -> Result<Arc<File>> {
    let mut users = INSTANCES.lock();
    let count = users.entry(uid).or_default();
    if *count >= MAX_USER_INSTANCES.size() {
        return Err(Errno::MFILE);
    }
    *count += 1;
    drop(users);
    let instance = Arc::new(Instance { state: Mutex::default(), queue: WaitQueue::new(), uid });
    let ops = Inotify { observer: instance.clone(), instance };
    Ok(anon::file(Box::new(ops), flags & OpenFlags::NONBLOCK))
}

impl Inotify {
    /// Watches `inode`; answers the number of the watch, an old one when it is watched already.
    ///
    /// # Errors
    /// `EEXIST` by the request; `ENOSPC` when there are too many watches.
    pub fn add(&self, inode: &InodeRef, request: Request) -> Result<i32> {
        notify::watch(inode, &self.observer, request, |place| {
            if notify::count() >= MAX_USER_WATCHES.size() {
                return Err(Errno::NOSPC);
            }
            let mut state = self.instance.state.lock();
            let wd = state.free_wd();
            state.watches.insert(wd, place);
            Ok(wd)
        })
    }

    /// Ends a watch.
    ///
    /// # Errors
    /// `EINVAL` when there is none of that number.
    pub fn remove(&self, wd: i32) -> Result<()> {
        let place = self.instance.state.lock().watches.get(&wd).copied().ok_or(Errno::INVAL)?;
        if notify::unwatch(&self.observer, wd, place) { Ok(()) } else { Err(Errno::INVAL) }
    }
}

impl State {
    /// The next number after the last one given, round and round.
    fn free_wd(&mut self) -> i32 {
        loop {
            self.last_wd = self.last_wd.checked_add(1).unwrap_or(1);
            if !self.watches.contains_key(&self.last_wd) {
                return self.last_wd;
            }
        }
    }

    fn push(&mut self, wd: i32, mask: u32, cookie: u32, name: &[u8]) {
        if self.overflowed {
            return;
        }
        if self.events.len() >= MAX_QUEUED_EVENTS.size() {
            self.overflowed = true;
            self.events.push_back(Event { wd: -1, mask: IN_Q_OVERFLOW, cookie: 0, name: Box::default() });
            return;
        }
        // What says the same as the last one is left out.
        let repeated = self.events.back().is_some_and(|last| {
            last.wd == wd && last.mask == mask && mask & IN_IGNORED == 0 && *last.name == *name
        });
        if !repeated {
            self.events.push_back(Event { wd, mask, cookie, name: name.into() });
        }
    }

    /// The next event, if it fits into `room` bytes.
    fn pop(&mut self, room: usize) -> Option<Result<Event>> {
        if self.events.front()?.len() > room {
            return Some(Err(Errno::INVAL));
        }
        let event = self.events.pop_front()?;
        if event.mask & IN_Q_OVERFLOW != 0 {
            self.overflowed = false;
        }
        Some(Ok(event))
    }
}

impl Observer for Instance {
    fn note(&self, wd: i32, events: Events, cookie: u32, name: &[u8]) {
        // The name of an entry says itself whether it is a directory; what happens to a directory itself at its end
        // does not.
        let own_end = Events::DELETE_SELF | Events::MOVE_SELF;
        let events = if events.intersects(own_end) { events - Events::ISDIR } else { events };
        self.state.lock().push(wd, events.bits(), cookie, name);
    }

    fn ended(&self, wd: i32) {
        let mut state = self.state.lock();
        state.watches.remove(&wd);
        state.push(wd, IN_IGNORED, 0, b"");
    }

    fn wake(&self) {
        self.queue.wake_all(PollEvents::READABLE);
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let mut users = INSTANCES.lock();
        if let Some(count) = users.get_mut(&self.uid) {
            *count -= 1;
            if *count == 0 {
                users.remove(&self.uid);
            }
        }
    }
}

impl FileOps for Inotify {
    fn is_stream(&self) -> bool {
        true
    }

    fn signals_readiness(&self) -> bool {
        true
    }

    fn read(&self, dst: &mut IoDst<'_>, _offset: u64, nonblock: bool) -> Result<usize> {
        let state = &self.instance.state;
        loop {
            let next = state.lock().pop(dst.remaining());
            match next {
                Some(Ok(event)) => copy(&event, dst)?,
                Some(Err(errno)) if dst.done() == 0 => return Err(errno),
                _ if dst.done() > 0 => return Ok(dst.done()),
                _ if nonblock => return Err(Errno::AGAIN),
                _ => wait_until(&self.instance.queue, None, || {
                    (!state.lock().events.is_empty()).then_some(())
                })?,
            }
        }
    }

    fn poll(&self, table: &mut PollTable<'_>) -> PollEvents {
        table.wait_on(&self.instance.queue);
        let empty = self.instance.state.lock().events.is_empty();
        if empty { PollEvents::empty() } else { PollEvents::READABLE }
    }

    fn ioctl(&self, command: u32, arg: usize) -> Result<usize> {
        match command {
            FIONREAD => {
                let len: usize = self.instance.state.lock().events.iter().map(Event::len).sum();
                put(arg, &(len as i32))?;
                Ok(0)
            }
            _ => Err(Errno::NOTTY),
        }
    }

    fn seek(&self, _offset: i64, _whence: u32, current: u64) -> Option<Result<u64>> {
        Some(Ok(current))
    }

    fn link_text(&self) -> Option<Vec<u8>> {
        Some(b"anon_inode:inotify".to_vec())
    }

    fn fdinfo(&self, out: &mut Vec<u8>) {
        let watches: Vec<_> = self.instance.state.lock().watches.iter().map(|(wd, at)| (*wd, *at)).collect();
        for (wd, place) in watches {
            let Some((inode, request)) = notify::find(&self.observer, place) else { continue };
            let Ok(stat) = inode.stat() else { continue };
            // `s_dev` of the kernel: twelve bits major, twenty bits minor.
            let major = stat.dev >> 8 & 0xfff;
            let minor = stat.dev & 0xff | stat.dev >> 12 & 0xfff00;
            let mut mask = request.events.bits();
            mask |= if request.no_unlinked { IN_EXCL_UNLINK } else { 0 };
            mask |= if request.once { IN_ONESHOT } else { 0 };
            let (ino, dev) = (stat.ino, major << 20 | minor);
            let line =
                alloc::format!("inotify wd:{wd:x} ino:{ino:x} sdev:{dev:x} mask:{mask:x} ignored_mask:0 \n");
            out.extend_from_slice(line.as_bytes());
        }
    }
}

/// # Errors
/// `EFAULT`; the event is lost then, as in Linux.
fn copy(event: &Event, dst: &mut IoDst<'_>) -> Result<()> {
    let padding = event.len() - HEADER - event.name.len();
    let whole = dst.put(&event.header())? == HEADER
        && dst.put(&event.name)? == event.name.len()
        && dst.put_zeros(padding)? == padding;
    if whole { Ok(()) } else { Err(Errno::FAULT) }
}

impl Drop for Inotify {
    fn drop(&mut self) {
        let places: Vec<Place> = self.instance.state.lock().watches.values().copied().collect();
        notify::unwatch_all(&self.observer, &places);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call;
    use crate::testing::Thread;
    use linux_raw_sys::general as g;

    /// What is queued, as number, mask and name.
    fn events(t: &mut Thread, fd: usize) -> Vec<(i32, u32, Vec<u8>)> {
        let mut buf = alloc::vec![0u8; 1 << 20];
        let len = match call!(t, g::__NR_read, fd, &mut buf[..], buf.len()) {
            Err(Errno::AGAIN) => 0,
            other => other.unwrap(),
        };
        let mut found = Vec::new();
        let mut rest = &buf[..len];
        while let Some((header, tail)) = rest.split_first_chunk::<HEADER>() {
            let word = |n: usize| u32::from_ne_bytes(header[n * 4..n * 4 + 4].try_into().unwrap());
            let (name, tail) = tail.split_at(word(3) as usize);
            let name = name.iter().copied().take_while(|byte| *byte != 0).collect();
            found.push((word(0) as i32, word(1), name));
            rest = tail;
        }
        found
    }

    fn instance(t: &mut Thread) -> usize {
        call!(t, g::__NR_inotify_init1, g::IN_NONBLOCK).unwrap()
    }

    #[test]
    fn a_directory_tells_of_its_entries_by_name() {
        let mut t = Thread::root();
        let fd = instance(&mut t);
        assert_eq!(call!(t, g::__NR_inotify_add_watch, fd, c"/", g::IN_ALL_EVENTS), Ok(1));
        t.make_file(c"/file", b"x");
        assert_eq!(call!(t, g::__NR_mkdir, c"/dir", 0o755), Ok(0));
        assert_eq!(call!(t, g::__NR_unlink, c"/file"), Ok(0));
        let told = events(&mut t, fd);
        let masks: Vec<_> = told.iter().map(|(wd, mask, name)| (*wd, *mask, &name[..])).collect();
        assert_eq!(
            masks,
            [
                (1, g::IN_CREATE, &b"file"[..]),
                (1, g::IN_OPEN, b"file"),
                (1, g::IN_MODIFY, b"file"),
                (1, g::IN_CLOSE_WRITE, b"file"),
                (1, g::IN_CREATE | g::IN_ISDIR, b"dir"),
                (1, g::IN_DELETE, b"file"),
            ]
        );
    }

    #[test]
    fn too_many_events_become_one_and_reading_it_begins_anew() {
        let mut t = Thread::root();
        let fd = instance(&mut t);
        t.make_file(c"/a", b"");
        t.make_file(c"/b", b"");
        call!(t, g::__NR_inotify_add_watch, fd, c"/", g::IN_ATTRIB).unwrap();
        for n in 0..MAX_QUEUED_EVENTS.size() + 10 {
            let path = if n % 2 == 0 { c"/a" } else { c"/b" };
            call!(t, g::__NR_chmod, path, 0o600).unwrap();
        }
        let told = events(&mut t, fd);
        assert_eq!(told.len(), MAX_QUEUED_EVENTS.size() + 1);
        assert_eq!(told.last(), Some(&(-1, IN_Q_OVERFLOW, Vec::new())));
        call!(t, g::__NR_chmod, c"/a", 0o600).unwrap();
        assert_eq!(events(&mut t, fd), [(1, g::IN_ATTRIB, b"a".to_vec())]);
    }

    #[test]
    fn a_watch_keeps_the_inode_and_a_closed_instance_lets_go_of_it() {
        let mut t = Thread::root();
        let fd = instance(&mut t);
        call!(t, g::__NR_mkdir, c"/dir", 0o755).unwrap();
        call!(t, g::__NR_inotify_add_watch, fd, c"/dir", g::IN_ALL_EVENTS).unwrap();
        let root = t.task.process.fs.lock().root.lock().clone();
        let inode = Arc::downgrade(root.lookup(b"dir").unwrap().inode());
        assert_eq!(call!(t, g::__NR_rmdir, c"/dir"), Ok(0));
        // Told that it is gone, the watch ended by itself.
        assert_eq!(events(&mut t, fd), [(1, g::IN_DELETE_SELF, Vec::new()), (1, IN_IGNORED, Vec::new())]);
        assert!(inode.upgrade().is_none());
        call!(t, g::__NR_mkdir, c"/dir", 0o755).unwrap();
        call!(t, g::__NR_inotify_add_watch, fd, c"/dir", g::IN_OPEN).unwrap();
        let inode = Arc::downgrade(root.lookup(b"dir").unwrap().inode());
        assert_eq!(call!(t, g::__NR_close, fd), Ok(0));
        assert_eq!(call!(t, g::__NR_rmdir, c"/dir"), Ok(0));
        assert!(inode.upgrade().is_none());
    }

    #[test]
    fn users_have_so_many_instances() {
        let mut t = Thread::root();
        t.become_user(crate::testing::cred(4711, 4711, &[]));
        for _ in 0..MAX_USER_INSTANCES.size() {
            instance(&mut t);
        }
        assert_eq!(call!(t, g::__NR_inotify_init1, 0), Err(Errno::MFILE));
        call!(t, g::__NR_close, 5).unwrap();
        instance(&mut t);
        t.exit();
    }
}
