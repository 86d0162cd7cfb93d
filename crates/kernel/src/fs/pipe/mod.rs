//! Pipes and fifos (pipe(7), fifo(7)): `fs/pipe.c` of Linux.
//!
//! ```text
//! File --> End (reading, writing, or both) --> Pipe --> Ring of pages
//! ```
//!
//! Here is the pipe itself and how bytes go in and out of it. Elsewhere: the pages (`ring`), what an open end does
//! (`end`), the nameless inode (`inode`), moving buffers between pipes and files (`transfer`, for splice(2)).
//!
//! The state's lock is never held while user memory is copied. A writer fills a page of its own first and adds it
//! then; a reader takes the page out of the first buffer, copies, and puts it back. Small pieces go over the stack.
//! Bytes leave in order because one reader at a time has the turn.

mod end;
mod inode;
pub mod limits;
mod ring;
#[cfg(test)]
mod tests;
pub mod transfer;

pub use end::{End, open_fifo};
pub use inode::{PipeInode, new_pair};
pub use ring::PAGE;

use crate::sync::{WaitQueue, wait_until};
use crate::vfs::PollEvents;
use crate::{Errno, Result};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use host::io::{IoDst, IoSrc};
use host::mutex::Mutex;
use ring::{Kind, Page, Ring};

/// Writes of up to so many bytes are never torn (pipe(7)). One page: such a write is always one buffer.
pub const PIPE_BUF: usize = PAGE;

/// Buffers of a new pipe: 64 KiB (`PIPE_DEF_BUFFERS`).
const DEFAULT_SLOTS: usize = 16;

/// Pieces of up to this many bytes are copied over the stack instead of in a page of their own.
const SMALL: usize = 128;

/// Everything a waiter may wait for: when one side is gone.
const ANY: PollEvents =
    PollEvents::READABLE.union(PollEvents::WRITABLE).union(PollEvents::HUP).union(PollEvents::ERR);

struct State {
    ring: Ring,
    /// Open ends.
    readers: usize,
    writers: usize,
    /// How often each side was ever opened: what an open of a fifo waits for.
    reader_opens: u64,
    writer_opens: u64,
}

/// A pipe.
pub struct Pipe {
    state: Mutex<State>,
    /// Held by one reader from its first look to its last: bytes leave in order. As `File::position`, this one lock
    /// is held across user copies; a reader that has to wait lets go of it.
    turn: Mutex<()>,
    read_queue: WaitQueue,
    write_queue: WaitQueue,
    /// Somebody has polled it: from then on each write wakes, not only the first into an empty pipe. Edge-triggered
    /// users of epoll(7) rely on that.
    polled: AtomicBool,
    account: limits::Account,
}

/// Why copying out of a pipe came to an end.
enum Drained {
    /// The pipe is empty; whether there are writers.
    Empty { writers: bool },
    /// There was enough, or a packet.
    Done,
    /// The copy failed.
    Failed(Errno),
}

impl Pipe {
    /// An empty pipe that nobody has open.
    fn new() -> Arc<Pipe> {
        let (account, slots) = limits::Account::open(DEFAULT_SLOTS);
        Arc::new(Pipe {
            state: Mutex::new(State {
                ring: Ring::new(slots),
                readers: 0,
                writers: 0,
                reader_opens: 0,
                writer_opens: 0,
            }),
            turn: Mutex::new(()),
            read_queue: WaitQueue::new(),
            write_queue: WaitQueue::new(),
            polled: AtomicBool::new(false),
            account,
        })
    }

    /// Wakes readers. The state's lock was held since the change, so that who registered before it is seen here and
    /// who registers later sees the change.
    #[inline]
    fn wake_readers(&self) {
        if !self.read_queue.is_empty() {
            self.read_queue.wake_all(PollEvents::READABLE);
        }
    }

    /// Wakes writers, as [`wake_readers`](Self::wake_readers).
    #[inline]
    fn wake_writers(&self) {
        if !self.write_queue.is_empty() {
            self.write_queue.wake_all(PollEvents::WRITABLE);
        }
    }

    /// Reads what is there, at least one byte; 0 when it is empty and all writers are gone.
    fn read(&self, dst: &mut IoDst<'_>, nonblock: bool) -> Result<usize> {
        let want = dst.remaining();
        if want == 0 {
            return Ok(0);
        }
        let mut copy = |bytes: &[u8]| match dst.put(bytes)? {
            // Linux keeps a buffer that could not be copied whole.
            count if count < bytes.len() => Err(Errno::FAULT),
            count => Ok(count),
        };
        loop {
            let (done, end) = self.drain(want, true, &mut copy);
            match end {
                _ if done > 0 => return Ok(done),
                Drained::Failed(errno) => return Err(errno),
                Drained::Done => return Ok(0),
                Drained::Empty { writers: false } => return Ok(0),
                Drained::Empty { writers: true } if nonblock => return Err(Errno::AGAIN),
                Drained::Empty { writers: true } => self.wait_readable()?,
            }
        }
    }

    /// Sleeps until there is something to read or no writer any more.
    fn wait_readable(&self) -> Result<()> {
        wait_until(&self.read_queue, None, || {
            let state = self.state.lock();
            (!state.ring.is_empty() || state.writers == 0).then_some(())
        })
    }

    /// Sleeps until there is a free buffer or no reader any more.
    fn wait_writable(&self) -> Result<()> {
        wait_until(&self.write_queue, None, || {
            let state = self.state.lock();
            (!state.ring.is_full() || state.readers == 0).then_some(())
        })
    }

    /// Hands up to `want` bytes to `copy`, piece by piece, and removes what it says it took. A piece that `copy` did
    /// not take whole is the last. With `packets`, so is a packet, which goes whole.
    fn drain(
        &self,
        want: usize,
        packets: bool,
        copy: &mut dyn FnMut(&[u8]) -> Result<usize>,
    ) -> (usize, Drained) {
        let mut done = 0;
        let mut made_room = false;
        let turn = self.turn.lock();
        let end = loop {
            let mut state = self.state.lock();
            let Some(front) = state.ring.front() else {
                break Drained::Empty { writers: state.writers > 0 };
            };
            let count = front.len().min(want - done);
            let packet = packets && front.kind() == Kind::Packet;
            let taken = match front.bytes() {
                Some(bytes) if count <= SMALL => {
                    let mut chunk = [0; SMALL];
                    chunk[..count].copy_from_slice(&bytes[..count]);
                    drop(state);
                    let taken = copy(&chunk[..count]);
                    state = self.state.lock();
                    taken
                }
                _ => {
                    // Whoever has the turn is the only one to take pages.
                    let Some((page, start)) = front.take_page() else { break Drained::Done };
                    drop(state);
                    let taken = copy(&page[start..start + count]);
                    state = self.state.lock();
                    if let Some(front) = state.ring.front() {
                        front.give_back(page);
                    }
                    taken
                }
            };
            match taken {
                Ok(taken) => {
                    let taken = taken.min(count);
                    done += taken;
                    if taken > 0 || packet {
                        made_room |= state.ring.consume(taken, packets);
                    }
                    if packet || taken < count || done == want {
                        break Drained::Done;
                    }
                }
                Err(errno) => break Drained::Failed(errno),
            }
        };
        drop(turn);
        if made_room {
            self.wake_writers();
        }
        (done, end)
    }

    /// Writes everything, waiting for room unless `nonblock`; then as much as fits.
    fn write(&self, src: &mut IoSrc<'_>, kind: Kind, nonblock: bool) -> Result<usize> {
        let len = src.remaining();
        if len == 0 {
            return Ok(0);
        }
        if len > SMALL {
            return self.write_pages(src, kind, nonblock);
        }
        let mut chunk = [0; SMALL];
        let chunk = &mut chunk[..len];
        let readable = src.take(chunk) == Ok(len);
        loop {
            let mut state = self.state.lock();
            if state.readers == 0 {
                return Err(Errno::PIPE);
            }
            let was_empty = state.ring.is_empty();
            if !state.ring.is_full() || state.ring.can_merge(len) {
                // Looked at only now: a full pipe or one without readers comes first.
                if !readable {
                    return Err(Errno::FAULT);
                }
                if !state.ring.merge(chunk) {
                    let mut page = state.ring.spare_page()?;
                    page[..len].copy_from_slice(chunk);
                    state.ring.push(page, len, kind);
                }
                drop(state);
                if was_empty || self.polled.load(Relaxed) {
                    self.wake_readers();
                }
                return Ok(len);
            }
            drop(state);
            if nonblock {
                return Err(Errno::AGAIN);
            }
            self.wait_writable()?;
        }
    }

    /// Writes more than fits a chunk on the stack, a page at a time.
    fn write_pages(&self, src: &mut IoSrc<'_>, kind: Kind, nonblock: bool) -> Result<usize> {
        let mut done = 0;
        let mut wake = false;
        let result = loop {
            let left = src.remaining();
            if left == 0 {
                break Ok(());
            }
            let mut state = self.state.lock();
            // What exceeds whole pages may go into the last page; then it goes there first.
            let merge = done == 0 && !left.is_multiple_of(PAGE) && state.ring.can_merge(left % PAGE);
            let len = if merge { left % PAGE } else { left.min(PAGE) };
            let mut page = match state.ring.spare_page() {
                Ok(page) => page,
                Err(errno) => break Err(errno),
            };
            drop(state);
            let readable = src.take(&mut page[..len]) == Ok(len);
            match self.add(page, len, kind, merge, readable, nonblock, &mut wake) {
                Ok(()) => done += len,
                Err(errno) => break Err(errno),
            }
        };
        if wake {
            self.wake_readers();
        }
        match result {
            Err(errno) if done == 0 => Err(errno),
            Err(Errno::PIPE) => {
                // The caller only learns of the bytes written.
                broken_pipe();
                Ok(done)
            }
            _ => Ok(done),
        }
    }

    /// Adds one page, or its bytes to the last one; waits for room unless `nonblock`. `wake`: readers are to be woken
    /// by and by, at the latest before this sleeps.
    #[allow(clippy::too_many_arguments)]
    fn add(
        &self,
        page: Page,
        len: usize,
        kind: Kind,
        merge: bool,
        readable: bool,
        nonblock: bool,
        wake: &mut bool,
    ) -> Result<()> {
        loop {
            let mut state = self.state.lock();
            if state.readers == 0 {
                return Err(Errno::PIPE);
            }
            let merge = merge && state.ring.can_merge(len);
            if merge || !state.ring.is_full() {
                // Looked at only now: a full pipe or one without readers comes first.
                if !readable {
                    state.ring.keep_spare(page);
                    return Err(Errno::FAULT);
                }
                *wake |= state.ring.is_empty() || self.polled.load(Relaxed);
                if merge && state.ring.merge(&page[..len]) {
                    state.ring.keep_spare(page);
                } else {
                    state.ring.push(page, len, kind);
                }
                return Ok(());
            }
            drop(state);
            if nonblock {
                return Err(Errno::AGAIN);
            }
            if core::mem::take(wake) {
                self.wake_readers();
            }
            self.wait_writable()?;
        }
    }

    /// Changes the capacity (fcntl(F_SETPIPE_SZ)); answers the new one. Both in bytes.
    fn set_size(&self, size: usize) -> Result<usize> {
        let slots = limits::slots_for(size)?;
        let mut state = self.state.lock();
        let old = state.ring.slots();
        self.account.check(old, slots)?;
        let was_full = state.ring.is_full();
        state.ring.resize(slots)?;
        self.account.set(slots);
        drop(state);
        if was_full && slots > old {
            self.wake_writers();
        }
        Ok(slots * PAGE)
    }
}

/// Sends SIGPIPE to the calling thread, where the answer of the call does not say that a reader is missing.
fn broken_pipe() {
    if let Some(task) = crate::task::current_task() {
        crate::signal::to_current(&task, linux_raw_sys::general::SIGPIPE as i32);
    }
}
