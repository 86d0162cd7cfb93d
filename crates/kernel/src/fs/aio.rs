//! Contexts of Linux's asynchronous input and output, io_setup(2): the ring of completed requests, which the program
//! has mapped, and requests that wait for readiness. The calls are in `syscall/aio.rs`.
//!
//! ```text
//! ring, in a memfd that is mapped shared   struct io_event × nr   { data, obj, res, res2 }: 32 bytes each
//!                                        ↑ 32  header_length 32, incompat_features 0
//!                                          16  magic, compat_features
//!                                           8  head: the next to be taken, by io_getevents(2) or the program itself
//!                                        ↓     tail: behind the last one completed
//!                                           0  id, nr
//! ```
//!
//! Reads, writes and syncs are done when they are submitted, as Linux does those of buffered files; only `POLL` waits.
//! Whoever makes a file ready completes the request, in the memory of whatever process that is: so the ring is reached
//! through its memfd. What becomes ready by time, or by the host, is noticed by who waits in io_getevents(2).

use super::anon;
use super::eventfd::EventFd;
use crate::sync::{Deadline, WaitQueue, Waiter, Wake, sleep_on};
use crate::sysctl::Sysctl;
use crate::uaccess::put_bytes;
use crate::vfs::{File, FileOps, MmapSource, OpenFlags, PollEvents, PollTable, Registrations};
use crate::{Errno, Result};
use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use host::file::HostFd;
use host::io::{IoDst, IoSrc};
use host::mutex::Mutex;

/// Requests that all contexts together are made for, at most (`/proc/sys/fs/aio-max-nr`).
pub static MAX_NR: Sysctl = Sysctl::new(0x10000, 0, u64::MAX as i128);
/// Requests that contexts are made for now (`/proc/sys/fs/aio-nr`).
static NR: AtomicU64 = AtomicU64::new(0);

/// `AIO_RING_MAGIC`
const MAGIC: u32 = 0xa10a_10a1;
/// Bytes of the header, and of an event.
const HEADER: usize = 32;
const EVENT: usize = 32;
/// Where `head` and `tail` lie.
const HEAD_AT: u64 = 8;
const TAIL_AT: u64 = 12;
const PAGE: usize = host::layout::PAGE_SIZE;
/// So many events are copied at once.
const BATCH: usize = 16;

/// How many requests contexts are made for now.
pub fn nr() -> u64 {
    NR.load(Relaxed)
}

/// `struct io_event`
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// What the program gave along.
    pub data: u64,
    /// The address of the request.
    pub obj: u64,
    /// What the system call would have answered.
    pub res: i64,
}

impl Event {
    fn encode(self) -> [u8; EVENT] {
        let mut bytes = [0; EVENT];
        for (place, word) in bytes.chunks_exact_mut(8).zip([self.data, self.obj, self.res as u64]) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }
}

/// A context.
pub struct Context {
    /// Requests it was asked for.
    max: u64,
    /// Events in the ring.
    nr: u32,
    ring: Arc<HostFd>,
    state: Mutex<State>,
    /// Who waits for completions.
    sleepers: WaitQueue,
    dead: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Where the next event goes.
    tail: u32,
    /// As last seen: the program may have moved it on.
    head: u32,
    /// Submitted and not completed.
    in_flight: u32,
    /// Requests that wait for readiness.
    polls: Vec<Arc<PollRequest>>,
    /// Those that were completed by a wake. They hold files, which must not end in one.
    spent: Vec<Arc<PollRequest>>,
}

/// What the ring's mapping is of.
struct RingFile(Arc<HostFd>);

impl FileOps for RingFile {
    fn mmap(&self, offset: u64, _len: usize, _shared: bool, _write: bool) -> Result<MmapSource> {
        Ok(MmapSource::Host { fd: self.0.clone(), offset })
    }

    fn link_text(&self) -> Option<Vec<u8>> {
        Some(b"/[aio] (deleted)".to_vec())
    }
}

impl Context {
    /// A context for `max` requests; a file to map, and how many bytes of it (`ioctx_alloc`, `aio_setup_ring`).
    ///
    /// # Errors
    /// `EINVAL` for too many; `EAGAIN` beyond what all contexts may have; `ENOMEM`.
    pub fn new(max: u32, processors: u32) -> Result<(Arc<Context>, Arc<File>, usize)> {
        let wanted = u64::from(max.max(processors * 4)) * 2;
        if wanted > 0x1000_0000 / EVENT as u64 {
            return Err(Errno::INVAL);
        }
        let max = u64::from(max);
        let fits = |nr: u64| nr.checked_add(max).filter(|sum| *sum <= MAX_NR.get());
        NR.fetch_update(SeqCst, SeqCst, fits).map_err(|_| Errno::AGAIN)?;
        let counted = Counted(max);
        let len = (HEADER + EVENT * (wanted as usize + 2)).next_multiple_of(PAGE);
        let nr = ((len - HEADER) / EVENT) as u32;
        let ring = host::file::memfd(b"aio").map_err(|_| Errno::NOMEM)?;
        ring.truncate(len as u64)?;
        let ring = Arc::new(ring);
        let file = anon::file(Box::new(RingFile(ring.clone())), OpenFlags::RDWR);
        let context = Context {
            max,
            nr,
            ring,
            state: Mutex::new(State::default()),
            sleepers: WaitQueue::new(),
            dead: AtomicBool::new(false),
        };
        core::mem::forget(counted);
        let mut header = [0; HEADER];
        let words = [0, nr, 0, 0, MAGIC, 1, 0, HEADER as u32];
        for (place, word) in header.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        context.store(0, &header)?;
        Ok((Arc::new(context), file, len))
    }

    /// Bytes of the ring.
    pub fn mapped_len(&self) -> usize {
        (HEADER + EVENT * self.nr as usize).next_multiple_of(PAGE)
    }

    /// Events in the ring: more are not taken by one io_submit(2).
    pub fn capacity(&self) -> usize {
        self.nr as usize
    }

    fn store(&self, at: u64, bytes: &[u8]) -> Result<()> {
        self.ring.write_at(&mut IoSrc::kernel(bytes), at).map(drop)
    }

    fn load(&self, at: u64, bytes: &mut [u8]) -> Result<()> {
        let len = bytes.len();
        let count = self.ring.read_at(&mut IoDst::kernel(bytes), at, len)?;
        if count == len { Ok(()) } else { Err(Errno::IO) }
    }

    /// Looks where the program has moved the head; what makes no sense is brought into the ring.
    fn look_at_head(&self, state: &mut State) -> Result<()> {
        let mut head = [0; 4];
        self.load(HEAD_AT, &mut head)?;
        state.head = u32::from_ne_bytes(head) % self.nr;
        Ok(())
    }

    fn used(&self, state: &State) -> u32 {
        (state.tail + self.nr - state.head) % self.nr
    }

    /// A place for a request. It ends with [`complete`](Self::complete) or [`give_back`](Self::give_back).
    ///
    /// # Errors
    /// `EAGAIN` when there is none.
    pub fn reserve(&self) -> Result<()> {
        let mut state = self.state.lock();
        if self.used(&state) + state.in_flight >= self.nr - 1 {
            self.look_at_head(&mut state)?;
            if self.used(&state) + state.in_flight >= self.nr - 1 {
                return Err(Errno::AGAIN);
            }
        }
        state.in_flight += 1;
        Ok(())
    }

    /// The request has failed before it began.
    pub fn give_back(&self) {
        self.state.lock().in_flight -= 1;
    }

    /// A request is done (`aio_complete`).
    pub fn complete(&self, event: Event, notify: Option<&File>) {
        {
            let mut state = self.state.lock();
            let at = HEADER as u64 + u64::from(state.tail) * EVENT as u64;
            let next = (state.tail + 1) % self.nr;
            // The event before the tail: the program looks at the tail only. The ring cannot fail: it is memory.
            if self.store(at, &event.encode()).is_ok() && self.store(TAIL_AT, &next.to_ne_bytes()).is_ok() {
                state.tail = next;
            }
            state.in_flight -= 1;
        }
        if let Some(eventfd) = notify.and_then(|file| file.ops_as::<EventFd>()) {
            eventfd.signal(1);
        }
        self.sleepers.wake_all(PollEvents::READABLE);
    }

    /// Takes up to `max` events out of the ring, to user memory at `addr`; answers how many.
    ///
    /// # Errors
    /// `EFAULT`: the events stay in the ring.
    fn take(&self, addr: usize, max: usize) -> Result<usize> {
        let mut taken = 0;
        while taken < max {
            let mut bytes = [0; BATCH * EVENT];
            let (head, count) = {
                let mut state = self.state.lock();
                self.look_at_head(&mut state)?;
                let to_end = (self.nr - state.head).min(self.used(&state)) as usize;
                let count = to_end.min(BATCH).min(max - taken);
                if count == 0 {
                    break;
                }
                let from = HEADER as u64 + u64::from(state.head) * EVENT as u64;
                self.load(from, &mut bytes[..count * EVENT])?;
                (state.head, count)
            };
            put_bytes(addr.wrapping_add(taken * EVENT), &bytes[..count * EVENT])?;
            let mut state = self.state.lock();
            self.look_at_head(&mut state)?;
            // Somebody else has taken the same ones meanwhile: others are in their place.
            if state.head == head {
                state.head = (head + count as u32) % self.nr;
                self.store(HEAD_AT, &state.head.to_ne_bytes())?;
                taken += count;
            }
        }
        Ok(taken)
    }

    /// Waits until there are `least` events, and takes up to `most`, to user memory at `addr`; answers how many.
    /// `until`: `None` does not wait at all.
    ///
    /// # Errors
    /// `EFAULT`; `EINVAL` when the context is destroyed meanwhile; [`crate::ERESTARTSYS`] when there is no event.
    pub fn get_events(
        &self,
        least: usize,
        most: usize,
        addr: usize,
        until: Option<Deadline>,
    ) -> Result<usize> {
        self.forget_spent();
        let waiter = Waiter::current();
        let mut table = PollTable::register(&waiter);
        table.wait_on(&self.sleepers);
        let mut total = 0;
        loop {
            self.ask_all(&mut table);
            total += match self.take(addr.wrapping_add(total * EVENT), most - total) {
                Err(_) if total > 0 => return Ok(total),
                result => result?,
            };
            let Some(deadline) = until.filter(|_| total < least) else { return Ok(total) };
            if self.dead.load(SeqCst) {
                return if total > 0 { Ok(total) } else { Err(Errno::INVAL) };
            }
            match sleep_on(Some(&table), deadline) {
                Ok(()) => {}
                Err(Errno::TIMEDOUT) => {
                    self.ask_all(&mut table);
                    return Ok(total + self.take(addr.wrapping_add(total * EVENT), most - total)?);
                }
                Err(_) if total > 0 => return Ok(total),
                Err(errno) => return Err(errno),
            }
            table.recollect();
        }
    }

    /// Completes requests whose files have become ready by time or by the host; `table` collects what they wait for.
    fn ask_all(&self, table: &mut PollTable<'_>) {
        let passive: Vec<_> = {
            let state = self.state.lock();
            state.polls.iter().filter(|poll| poll.is_passive.load(SeqCst)).cloned().collect()
        };
        for poll in passive {
            let events = poll.file.ops.poll(table) & poll.events;
            if !events.is_empty() {
                poll.finish(self, events);
            }
        }
    }

    fn forget_spent(&self) {
        let spent = core::mem::take(&mut self.state.lock().spent);
        // The queues of their files hold them, and they hold the files.
        spent.iter().for_each(|poll| poll.unregister());
    }

    /// Submits a request that is done when `file` is ready for any of `events`. The place is reserved.
    pub fn poll(self: &Arc<Self>, file: Arc<File>, events: u32, event: Event, notify: Option<Arc<File>>) {
        self.forget_spent();
        let events = PollEvents::from_bits_retain(events) | PollEvents::ERR | PollEvents::HUP;
        let request = Arc::new(PollRequest {
            context: Arc::downgrade(self),
            file,
            events,
            event,
            notify,
            is_done: AtomicBool::new(false),
            is_passive: AtomicBool::new(false),
            kept: Mutex::new(Registrations::default()),
        });
        self.state.lock().polls.push(request.clone());
        let waiter: Arc<dyn Wake> = request.clone();
        let mut table = PollTable::register(&waiter);
        let ready = request.file.ops.poll(&mut table) & events;
        request.is_passive.store(!table.host_fds().is_empty() || table.deadline().is_some(), SeqCst);
        *request.kept.lock() = table.keep();
        if !ready.is_empty() {
            request.finish(self, ready);
        } else if request.is_passive.load(SeqCst) {
            // Who sleeps does so without it.
            self.sleepers.wake_all(PollEvents::empty());
        }
        if request.is_done.load(SeqCst) {
            request.unregister();
        }
    }

    /// io_cancel(2): the request at the address `obj` is completed without an event of its file.
    ///
    /// # Errors
    /// `EINVAL` when there is none that waits.
    pub fn cancel(&self, obj: u64) -> Result<()> {
        self.forget_spent();
        let polls = self.state.lock().polls.clone();
        let request = polls.iter().find(|poll| poll.event.obj == obj).ok_or(Errno::INVAL)?;
        if request.finish(self, PollEvents::empty()) { Ok(()) } else { Err(Errno::INVAL) }
    }

    /// Nobody finds it any more: what waits is cancelled (`kill_ioctx`).
    pub fn kill(&self) {
        self.dead.store(true, SeqCst);
        let polls = self.state.lock().polls.clone();
        for poll in polls {
            poll.finish(self, PollEvents::empty());
            poll.unregister();
        }
        self.forget_spent();
        self.sleepers.wake_all(PollEvents::empty());
    }
}

/// What a context takes of [`NR`], until it is there.
struct Counted(u64);

impl Drop for Counted {
    fn drop(&mut self) {
        NR.fetch_sub(self.0, SeqCst);
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        drop(Counted(self.max));
    }
}

/// `IOCB_CMD_POLL`
struct PollRequest {
    context: Weak<Context>,
    file: Arc<File>,
    events: PollEvents,
    event: Event,
    notify: Option<Arc<File>>,
    is_done: AtomicBool,
    /// Nobody wakes it: the host or the time makes its file ready.
    is_passive: AtomicBool,
    kept: Mutex<Registrations>,
}

impl PollRequest {
    /// Completes it, unless somebody has; answers whether it did.
    fn finish(&self, context: &Context, events: PollEvents) -> bool {
        if self.is_done.swap(true, SeqCst) {
            return false;
        }
        {
            let mut state = context.state.lock();
            if let Some(at) = state.polls.iter().position(|other| core::ptr::eq(Arc::as_ptr(other), self)) {
                let spent = state.polls.swap_remove(at);
                state.spent.push(spent);
            }
        }
        let event = Event { res: i64::from(events.bits()), ..self.event };
        context.complete(event, self.notify.as_deref());
        true
    }

    /// Leaves the queues of its file.
    fn unregister(&self) {
        let kept = core::mem::take(&mut *self.kept.lock());
        drop(kept);
    }
}

impl Wake for PollRequest {
    fn wake(&self, events: PollEvents) {
        if self.is_done.load(SeqCst) {
            return;
        }
        if !events.is_empty() && !events.intersects(self.events) {
            return;
        }
        // A waker that does not know says nothing, and one that is going says more than there is.
        let known = !events.is_empty() && !events.intersects(PollEvents::ERR | PollEvents::HUP);
        let events = if known { events } else { self.file.ops.poll(&mut PollTable::ask()) };
        let events = events & self.events;
        if !events.is_empty()
            && let Some(context) = self.context.upgrade()
        {
            self.finish(&context, events);
        }
    }
}

/// A context as the address space has it ([`crate::mm::AddressSpace::attached`]): its end is the context's.
pub struct Owned(pub Arc<Context>);

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.kill();
    }
}
