//! Moving buffers between pipes, and between pipes and files (splice(2), tee(2), vmsplice(2)): the pipe's half.
//!
//! Linux moves references to pages; here bytes are copied, except for whole buffers from pipe to pipe. What a program
//! can observe is the same: which pieces take a buffer of their own, and that nothing is lost in between.

use super::ring::{Kind, Page};
use super::{Drained, PAGE, Pipe, State};
use crate::{Errno, Result};
use alloc::sync::Arc;
use core::cmp::Ordering;
use core::sync::atomic::Ordering::Relaxed;
use host::mutex::MutexGuard;

impl Pipe {
    /// Waits until there is something to read; `false`: it is empty and all writers are gone (`ipipe_prep`).
    ///
    /// # Errors
    /// `EAGAIN`, [`ERESTARTSYS`](crate::ERESTARTSYS).
    pub fn wait_for_data(&self, nonblock: bool) -> Result<bool> {
        loop {
            let state = self.state.lock();
            if !state.ring.is_empty() {
                return Ok(true);
            }
            if state.writers == 0 {
                return Ok(false);
            }
            drop(state);
            if nonblock {
                return Err(Errno::AGAIN);
            }
            self.wait_readable()?;
        }
    }

    /// Waits until a buffer is free; answers how many are (`wait_for_space`).
    ///
    /// # Errors
    /// `EPIPE`, `EAGAIN`, [`ERESTARTSYS`](crate::ERESTARTSYS).
    pub fn wait_for_room(&self, nonblock: bool) -> Result<usize> {
        loop {
            let state = self.state.lock();
            if state.readers == 0 {
                return Err(Errno::PIPE);
            }
            match state.ring.free_slots() {
                0 if nonblock => return Err(Errno::AGAIN),
                0 => {}
                free => return Ok(free),
            }
            drop(state);
            self.wait_writable()?;
        }
    }

    /// An empty page for [`push`](Self::push).
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn empty_page(&self) -> Result<Page> {
        self.state.lock().ring.spare_page()
    }

    /// Adds a buffer of the first `len` bytes of `page`, that nothing is added to later. Somebody else may have taken
    /// the room since the caller looked: what was read from a file already must not be lost, so it is added all the
    /// same.
    ///
    /// # Errors
    /// `EPIPE`.
    pub fn push(&self, page: Page, len: usize) -> Result<()> {
        let mut state = self.state.lock();
        if state.readers == 0 {
            return Err(Errno::PIPE);
        }
        if len == 0 {
            state.ring.keep_spare(page);
            return Ok(());
        }
        let wake = state.ring.is_empty() || self.polled.load(Relaxed);
        state.ring.push(page, len, Kind::Sealed);
        drop(state);
        if wake {
            self.wake_readers();
        }
        Ok(())
    }

    /// Hands up to `want` bytes to `write`, waiting for the first; stops when there are no more or `write` took less
    /// than it was given (`splice_from_pipe`). 0: the end.
    ///
    /// # Errors
    /// `EAGAIN`, [`ERESTARTSYS`](crate::ERESTARTSYS); what `write` answers to the first piece.
    pub fn drain_to(
        &self,
        want: usize,
        nonblock: bool,
        write: &mut dyn FnMut(&[u8]) -> Result<usize>,
    ) -> Result<usize> {
        loop {
            if !self.wait_for_data(nonblock)? {
                return Ok(0);
            }
            match self.drain(want, false, write) {
                (0, Drained::Failed(errno)) => return Err(errno),
                // Another reader was quicker.
                (0, Drained::Empty { .. }) => {}
                (done, _) => return Ok(done),
            }
        }
    }
}

/// The states of two pipes, locked by address, so that two calls in opposite directions do not wait for each other.
fn lock_both<'a>(from: &'a Arc<Pipe>, to: &'a Arc<Pipe>) -> (MutexGuard<'a, State>, MutexGuard<'a, State>) {
    if Arc::as_ptr(from).cmp(&Arc::as_ptr(to)) == Ordering::Less {
        let first = from.state.lock();
        (first, to.state.lock())
    } else {
        let second = to.state.lock();
        (from.state.lock(), second)
    }
}

/// Moves up to `len` bytes from one pipe to another (`splice_pipe_to_pipe`); 0: the end.
///
/// # Errors
/// `EPIPE`, `EAGAIN`, `ENOMEM`, [`ERESTARTSYS`](crate::ERESTARTSYS).
pub fn splice(from: &Arc<Pipe>, to: &Arc<Pipe>, len: usize, nonblock: bool) -> Result<usize> {
    move_or_copy(from, to, len, nonblock, true)
}

/// Copies up to `len` bytes from one pipe to another and leaves them (`link_pipe`); 0: the end.
///
/// # Errors
/// As [`splice`].
pub fn tee(from: &Arc<Pipe>, to: &Arc<Pipe>, len: usize, nonblock: bool) -> Result<usize> {
    move_or_copy(from, to, len, nonblock, false)
}

fn move_or_copy(from: &Arc<Pipe>, to: &Arc<Pipe>, len: usize, nonblock: bool, remove: bool) -> Result<usize> {
    loop {
        let at_end = !from.wait_for_data(nonblock)?;
        // Asked even at the end: a full pipe, or one without readers, comes first.
        to.wait_for_room(nonblock)?;
        if at_end {
            return Ok(0);
        }
        let (done, broken) = transfer(from, to, len, remove)?;
        if done > 0 {
            if broken {
                super::broken_pipe();
            }
            return Ok(done);
        }
        if broken {
            return Err(Errno::PIPE);
        }
        // Somebody was quicker at one of the ends: look again.
        if nonblock {
            return Err(Errno::AGAIN);
        }
    }
}

/// One round without waiting: how many bytes went over, and whether nobody reads the other end any more.
fn transfer(from: &Arc<Pipe>, to: &Arc<Pipe>, len: usize, remove: bool) -> Result<(usize, bool)> {
    let mut done = 0;
    let mut broken = false;
    let (mut wake_writers, mut wake_readers) = (false, false);
    // No reader takes pages or bytes from under our hands.
    let turn = from.turn.lock();
    let mut index = 0;
    while done < len {
        let (mut source, mut target) = lock_both(from, to);
        broken = target.readers == 0;
        if broken || target.ring.is_full() {
            break;
        }
        let Some(buffer) = source.ring.get(index) else { break };
        let count = buffer.len().min(len - done);
        let whole = count == buffer.len();
        let was_empty = target.ring.is_empty();
        if remove && whole {
            let was_full = source.ring.is_full();
            let Some(buffer) = source.ring.pop_whole() else { break };
            target.ring.push_whole(buffer);
            wake_writers |= was_full;
        } else {
            let Some(bytes) = buffer.bytes() else { break };
            let mut page = match target.ring.spare_page() {
                Ok(page) => page,
                Err(_) if done > 0 => break,
                Err(errno) => return Err(errno),
            };
            page[..count].copy_from_slice(&bytes[..count]);
            target.ring.push(page, count, Kind::Sealed);
            if remove {
                source.ring.consume(count, false);
            } else {
                index += 1;
            }
        }
        wake_readers |= was_empty || to.polled.load(Relaxed);
        done += count;
    }
    drop(turn);
    if wake_writers {
        from.wake_writers();
    }
    if wake_readers {
        to.wake_readers();
    }
    Ok((done, broken))
}

/// Where a piece that starts at `offset` of a file with pages ends: buffers hold parts of one page each.
pub fn piece_len(offset: u64, left: usize) -> usize {
    left.min(PAGE - (offset % PAGE as u64) as usize)
}
