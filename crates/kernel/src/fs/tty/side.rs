//! What an open side of a pseudo-terminal does: reading, writing, poll(2), and its closing.

use super::pair::{MASTER_RING, Pair, Side};
use super::{Terminal, ioctl, job};
use crate::sync::{Deadline, WaitQueue, Waiter, sleep_on};
use crate::vfs::{FileOps, OpenFlags, PollEvents, PollTable, WriteAt};
use crate::{Errno, Result};
use ::host::io::{IoDst, IoSrc};
use alloc::boxed::Box;
use alloc::sync::Arc;
use linux_raw_sys::general as g;

/// A read of bytes that are not lines looks for this many at first; only then does it take what else there is
/// (`iterate_tty_read` reads in such pieces, which limits `VMIN`).
const FIRST: usize = 64;
/// Bytes copied between program and terminal at a time.
const CHUNK: usize = 1024;
/// A tenth of a second, the unit of `VTIME`, in nanoseconds.
const DECISECOND: u64 = 100_000_000;

/// An open master (/dev/ptmx).
pub struct Master {
    pair: Arc<Pair>,
    readable: bool,
    /// Takes the slave's node away.
    forget: fn(u32),
}

/// An open slave (/dev/pts/N).
struct Slave {
    pair: Arc<Pair>,
    /// Hang-ups before it was opened.
    seen: u32,
    readable: bool,
}

/// Opens the slave of `pair`.
///
/// # Errors
/// `EIO` while it is locked or without a master; `EBUSY` when it is somebody's alone.
pub fn open_slave(pair: &Arc<Pair>, flags: OpenFlags) -> Result<Box<dyn FileOps>> {
    let seen = pair.open_slave()?;
    job::opened(&Terminal::Pty(pair.clone()), flags);
    Ok(Box::new(Slave { pair: pair.clone(), seen, readable: flags.readable() }))
}

/// A wait for a terminal: where wakers knock, and for how long.
struct Wait<'a> {
    queue: &'a WaitQueue,
    nonblock: bool,
    deadline: Deadline,
}

impl Wait<'_> {
    /// Asks `look` until it answers something. `Ok(None)`: the time is over.
    fn until<T>(&self, mut look: impl FnMut() -> Option<T>) -> Result<Option<T>> {
        if let Some(value) = look() {
            return Ok(Some(value));
        }
        if self.nonblock {
            return Err(Errno::AGAIN);
        }
        let waiter = Waiter::current();
        let mut table = PollTable::register(&waiter);
        table.wait_on(self.queue);
        loop {
            if let Some(value) = look() {
                return Ok(Some(value));
            }
            match sleep_on(None, self.deadline) {
                Ok(()) => {}
                Err(Errno::TIMEDOUT) => return Ok(look()),
                Err(errno) => return look().map(Some).ok_or(errno),
            }
        }
    }
}

fn deadline_in(tenths: u8) -> Deadline {
    Some(::host::clock::monotonic_ns() + u64::from(tenths) * DECISECOND)
}

/// One look for input.
enum Look {
    /// So many bytes, and whether there are more that belong to them.
    Got(usize, bool),
    /// The end: hung up.
    End,
}

impl Slave {
    fn terminal(&self) -> Terminal {
        Terminal::Pty(self.pair.clone())
    }

    /// Takes what there is, up to `to.len()` bytes; `None`: nothing yet.
    fn look(&self, to: &mut [u8]) -> Option<Result<Look>> {
        self.pair.with(|state, effects| {
            if state.is_hung_up(self.seen) {
                return Some(if state.has_master() { Ok(Look::End) } else { Err(Errno::IO) });
            }
            if !state.discipline.readable(&state.termios, false) {
                state.feed(effects);
                if !state.discipline.readable(&state.termios, false) {
                    return None;
                }
            }
            let got = if state.termios.canonical() {
                let (count, more) = state.discipline.read_line(to);
                Look::Got(count, more)
            } else {
                let count = state.discipline.read_raw(to);
                Look::Got(count, state.discipline.readable(&state.termios, false))
            };
            Some(Ok(got))
        })
    }

    /// The first part of a read: waits as `VMIN` and `VTIME` say. Answers how much is in `to`, and whether the read
    /// goes on without waiting.
    fn read_first(&self, to: &mut [u8], nonblock: bool) -> Result<(usize, bool)> {
        let (min, time) = self.pair.with(|state, _| match state.termios.canonical() {
            true => (0, 0),
            false => (usize::from(state.termios.char(g::VMIN)), state.termios.char(g::VTIME)),
        });
        let canonical = self.pair.with(|state, _| state.termios.canonical());
        // Without a minimum the time runs from the beginning, else between bytes.
        let mut wait = Wait { queue: &self.pair.slave_read, nonblock, deadline: None };
        if !canonical && min == 0 {
            wait.deadline = deadline_in(time);
        }
        let enough = if canonical { 0 } else { min.max(1) };
        let mut done = 0;
        while done < to.len() {
            let rest = &mut to[done..];
            match wait.until(|| self.look(rest)) {
                Ok(Some(Ok(Look::Got(count, more)))) => {
                    done += count;
                    if done >= enough {
                        return Ok((done, more));
                    }
                }
                Ok(Some(Ok(Look::End)) | None) => break,
                Ok(Some(Err(errno))) | Err(errno) if done == 0 => {
                    // Without VMIN and VTIME an empty line is no reason to try again.
                    let polls = !canonical && min == 0 && time == 0;
                    return if polls && errno == Errno::AGAIN { Ok((0, false)) } else { Err(errno) };
                }
                Ok(Some(Err(_))) | Err(_) => break,
            }
            if min > 0 && time > 0 {
                wait.deadline = deadline_in(time);
            }
        }
        Ok((done, false))
    }

    /// The rest of a read: what is there already and belongs to it.
    fn read_more(&self, dst: &mut IoDst<'_>) -> usize {
        let mut chunk = [0; CHUNK];
        let mut done = 0;
        loop {
            let want = chunk.len().min(dst.remaining());
            if want == 0 {
                self.pair.with(|state, _| {
                    if state.termios.canonical() {
                        state.discipline.skip_end_of_file();
                    }
                });
                return done;
            }
            let Some(Ok(Look::Got(count, more))) = self.look(&mut chunk[..want]) else { return done };
            match dst.put(&chunk[..count]) {
                Ok(put) => done += put,
                Err(_) => return done,
            }
            if !more {
                return done;
            }
        }
    }

    fn check_write(&self) -> Result<()> {
        let stops = self.pair.with(|state, _| state.termios.local(g::TOSTOP));
        if stops { job::check(&self.terminal(), g::SIGTTOU) } else { Ok(()) }
    }
}

/// Writes in pieces. `piece` takes some of the bytes; none: there is no room now.
fn write_all(
    src: &mut IoSrc<'_>,
    queue: &WaitQueue,
    nonblock: bool,
    mut piece: impl FnMut(&[u8]) -> Result<usize>,
) -> Result<usize> {
    let wait = Wait { queue, nonblock, deadline: None };
    let mut chunk = [0; CHUNK];
    let mut done = 0;
    while !src.is_empty() {
        let len = match src.take(&mut chunk) {
            Ok(len) => len,
            Err(_) if done > 0 => return Ok(done),
            Err(errno) => return Err(errno),
        };
        let mut bytes = &chunk[..len];
        while !bytes.is_empty() {
            let look = || match piece(bytes) {
                Ok(0) => None,
                other => Some(other),
            };
            match wait.until(look) {
                Ok(Some(Ok(count))) => {
                    bytes = &bytes[count..];
                    done += count;
                }
                Ok(Some(Err(_))) | Err(_) if done > 0 => return Ok(done),
                Ok(Some(Err(errno))) | Err(errno) => return Err(errno),
                // There is no deadline.
                Ok(None) => return Ok(done),
            }
        }
        if done > 0 && crate::task::signal_pending() {
            break;
        }
    }
    Ok(done)
}

impl FileOps for Slave {
    fn signals_readiness(&self) -> bool {
        true
    }

    fn is_stream(&self) -> bool {
        true
    }

    fn read(&self, dst: &mut IoDst<'_>, _offset: u64, nonblock: bool) -> Result<usize> {
        if self.pair.with(|state, _| state.is_hung_up(self.seen)) {
            return Ok(0);
        }
        job::check(&self.terminal(), g::SIGTTIN)?;
        let mut first = [0; FIRST];
        let want = first.len().min(dst.remaining());
        let (count, more) = self.read_first(&mut first[..want], nonblock)?;
        let done = dst.put(&first[..count])?;
        let done = if more && done == count { done + self.read_more(dst) } else { done };
        // Only now: one read answers at most what the discipline can hold.
        self.pair.with(|state, effects| state.feed(effects));
        Ok(done)
    }

    fn write(&self, src: &mut IoSrc<'_>, _at: WriteAt, nonblock: bool) -> Result<(usize, u64)> {
        self.check_write()?;
        let count = write_all(src, &self.pair.slave_write, nonblock, |bytes| {
            self.pair.with(|state, effects| {
                if state.is_hung_up(self.seen) {
                    return Err(Errno::IO);
                }
                Ok(state.discipline(effects, |discipline, line| {
                    discipline.process_echoes(line);
                    discipline.write(line, bytes)
                }))
            })
        })?;
        Ok((count, 0))
    }

    fn poll(&self, table: &mut PollTable<'_>) -> PollEvents {
        table.wait_on(&self.pair.slave_read);
        table.wait_on(&self.pair.slave_write);
        self.pair.with(|state, _| {
            if state.is_hung_up(self.seen) {
                return PollEvents::READABLE | PollEvents::WRITABLE | PollEvents::ERR | PollEvents::HUP;
            }
            let readable = state.discipline.readable(&state.termios, true);
            let read = if readable { PollEvents::READABLE } else { PollEvents::empty() };
            let write = if state.slave_room() > 0 { PollEvents::WRITABLE } else { PollEvents::empty() };
            read | write
        })
    }

    fn ioctl(&self, command: u32, arg: usize) -> Result<usize> {
        if self.pair.with(|state, _| state.is_hung_up(self.seen)) {
            let not_a_tty = command == linux_raw_sys::ioctl::TIOCSPGRP;
            return Err(if not_a_tty { Errno::NOTTY } else { Errno::IO });
        }
        ioctl::ioctl(&self.pair, Side::Slave, self.readable, command, arg)
    }
}

impl Drop for Slave {
    fn drop(&mut self) {
        self.pair.close_slave();
    }
}

impl Master {
    /// The open master of a new pair; `forget` is called with its number when it is closed.
    pub fn new(pair: Arc<Pair>, flags: OpenFlags, forget: fn(u32)) -> Master {
        Master { pair, readable: flags.readable(), forget }
    }

    /// The pair.
    pub fn pair(&self) -> &Arc<Pair> {
        &self.pair
    }
}

impl FileOps for Master {
    fn signals_readiness(&self) -> bool {
        true
    }

    fn is_stream(&self) -> bool {
        true
    }

    fn read(&self, dst: &mut IoDst<'_>, _offset: u64, nonblock: bool) -> Result<usize> {
        let mut chunk = [0; CHUNK];
        let want = dst.remaining();
        if want == 0 {
            return Ok(0);
        }
        let wait = Wait { queue: &self.pair.master_read, nonblock, deadline: None };
        let first = wait.until(|| {
            self.pair.with(|state, effects| {
                let packet = usize::from(state.packet.on);
                if state.packet.on && state.packet.status != 0 {
                    chunk[0] = core::mem::take(&mut state.packet.status) as u8;
                    return Some(Ok(Look::Got(1, false)));
                }
                if state.down.bytes.is_empty() {
                    return state.slave_closed.then_some(Err(Errno::IO));
                }
                let room = &mut chunk[..want.min(CHUNK)];
                room[0] = 0;
                let count = take_down(state, effects, &mut room[packet..]);
                Some(Ok(Look::Got(packet + count, !state.down.bytes.is_empty())))
            })
        })?;
        let (count, mut more) = match first {
            Some(Ok(Look::Got(count, more))) => (count, more),
            Some(Ok(Look::End)) | None => return Ok(0),
            Some(Err(errno)) => return Err(errno),
        };
        let mut done = dst.put(&chunk[..count])?;
        while more && done < MASTER_RING && !dst.is_empty() {
            let room = chunk.len().min(dst.remaining()).min(MASTER_RING - done);
            let count = self.pair.with(|state, effects| {
                let count = take_down(state, effects, &mut chunk[..room]);
                more = !state.down.bytes.is_empty();
                count
            });
            match dst.put(&chunk[..count]) {
                Ok(put) if put == count => done += put,
                Ok(put) => return Ok(done + put),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    fn write(&self, src: &mut IoSrc<'_>, _at: WriteAt, nonblock: bool) -> Result<(usize, u64)> {
        let count = write_all(src, &self.pair.master_write, nonblock, |bytes| {
            self.pair.with(|state, effects| {
                let count = state.master_room().min(bytes.len());
                state.up.bytes.extend(&bytes[..count]);
                state.feed(effects);
                Ok(count)
            })
        })?;
        Ok((count, 0))
    }

    fn poll(&self, table: &mut PollTable<'_>) -> PollEvents {
        table.wait_on(&self.pair.master_read);
        table.wait_on(&self.pair.master_write);
        self.pair.with(|state, _| {
            let mut events = PollEvents::empty();
            if !state.down.bytes.is_empty() {
                events |= PollEvents::READABLE;
            }
            if state.packet.on && state.packet.status != 0 {
                events |= PollEvents::READABLE | PollEvents::PRI;
            }
            if state.slave_closed {
                events |= PollEvents::HUP;
            }
            if state.master_room() > 0 {
                events |= PollEvents::WRITABLE;
            }
            events
        })
    }

    fn ioctl(&self, command: u32, arg: usize) -> Result<usize> {
        ioctl::ioctl(&self.pair, Side::Master, self.readable, command, arg)
    }
}

/// Moves output of the slave to the master's reader.
fn take_down(state: &mut super::pair::State, effects: &mut super::pair::Effects, to: &mut [u8]) -> usize {
    let count = to.len().min(state.down.bytes.len());
    for (to, byte) in to.iter_mut().zip(state.down.bytes.drain(..count)) {
        *to = byte;
    }
    effects.slave_room |= count > 0;
    count
}

impl Drop for Master {
    fn drop(&mut self) {
        (self.forget)(self.pair.index);
        self.pair.close_master();
    }
}
