//! What an open end of a pipe or fifo does, and how it comes to be open.

use super::ring::Kind;
use super::{ANY, PAGE, Pipe};
use crate::sync::wait_until;
use crate::uaccess::put;
use crate::vfs::{FileOps, InodeRef, OpenFlags, PollEvents, PollTable, SetAttr, TimeSpec, WriteAt};
use crate::{Errno, Result};
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use host::io::{IoDst, IoSrc};
use linux_raw_sys::ioctl::FIONREAD;

/// An open end: one side of a pipe, or both.
pub struct End {
    pipe: Arc<Pipe>,
    /// Of a fifo: its inode, whose times change.
    fifo: Option<InodeRef>,
    reads: bool,
    writes: bool,
    /// `O_DIRECT`: each write is a packet.
    packets: AtomicBool,
    /// For a fifo opened without waiting for a writer: how often writers had opened it then. As long as nobody
    /// has since, it is not hung up, it has not begun.
    writers_seen: AtomicU64,
}

impl End {
    /// Opens `pipe` for what `flags` say (`fifo_open`). A fifo waits for the other side; a pipe has had both.
    pub(super) fn open(pipe: &Arc<Pipe>, fifo: Option<InodeRef>, flags: OpenFlags) -> Result<End> {
        let (reads, writes) = (flags.readable(), flags.writable());
        let nonblock = flags.contains(OpenFlags::NONBLOCK);
        let named = fifo.is_some();
        if !reads && !writes {
            return Err(Errno::INVAL);
        }
        let mut state = pipe.state.lock();
        if named && !reads && nonblock && state.readers == 0 {
            return Err(Errno::NXIO);
        }
        state.readers += usize::from(reads);
        state.reader_opens += u64::from(reads);
        state.writers += usize::from(writes);
        state.writer_opens += u64::from(writes);
        let is_first = reads && state.readers == 1 || writes && state.writers == 1;
        let alone = named && (state.readers == 0 || state.writers == 0);
        let partners = if reads { state.writer_opens } else { state.reader_opens };
        drop(state);
        let end = End {
            pipe: pipe.clone(),
            fifo,
            reads,
            writes,
            packets: AtomicBool::new(flags.contains(OpenFlags::DIRECT)),
            writers_seen: AtomicU64::new(if alone && nonblock { partners } else { 0 }),
        };
        if is_first {
            pipe.read_queue.wake_all(ANY);
        }
        if alone && !nonblock {
            // Opens are counted, not open ends: a partner that came and went at once has met us.
            wait_until(&pipe.read_queue, None, || {
                let state = pipe.state.lock();
                let now = if reads { state.writer_opens } else { state.reader_opens };
                (now != partners).then_some(())
            })?;
        }
        Ok(end)
    }

    /// The pipe.
    pub fn pipe(&self) -> &Arc<Pipe> {
        &self.pipe
    }

    fn touch(&self, change: impl FnOnce(TimeSpec) -> SetAttr) {
        if let Some(inode) = &self.fifo {
            // A time that cannot be kept is no reason to fail: the bytes have moved.
            let _ = inode.set_attr(&change(TimeSpec::now()));
        }
    }
}

/// Opens a fifo (fifo(7)): waits until the other side is open too. Its pipe is this kernel's, also where the node lies
/// in a directory of the host: processes outside are not on the other side.
///
/// # Errors
/// `ENXIO` for writing with `O_NONBLOCK` when nobody reads; `EINVAL` for an access mode that is none;
/// [`ERESTARTSYS`](crate::ERESTARTSYS).
pub fn open_fifo(inode: &InodeRef, flags: OpenFlags) -> Result<Box<dyn FileOps>> {
    let pipe = super::inode::pipe_of_fifo(inode)?;
    Ok(Box::new(End::open(&pipe, Some(inode.clone()), flags)?))
}

impl FileOps for End {
    fn is_stream(&self) -> bool {
        true
    }

    fn signals_readiness(&self) -> bool {
        true
    }

    fn read(&self, dst: &mut IoDst<'_>, _offset: u64, nonblock: bool) -> Result<usize> {
        let count = self.pipe.read(dst, nonblock)?;
        if count > 0 && self.fifo.is_some() {
            self.touch(|now| SetAttr { atime: Some(now), ..SetAttr::default() });
        }
        Ok(count)
    }

    fn write(&self, src: &mut IoSrc<'_>, _at: WriteAt, nonblock: bool) -> Result<(usize, u64)> {
        let kind = if self.packets.load(Relaxed) { Kind::Packet } else { Kind::Stream };
        let count = self.pipe.write(src, kind, nonblock)?;
        if count > 0 && self.fifo.is_some() {
            self.touch(|now| SetAttr { mtime: Some(now), ..SetAttr::default() });
        }
        Ok((count, 0))
    }

    fn poll(&self, table: &mut PollTable<'_>) -> PollEvents {
        let pipe = &self.pipe;
        pipe.polled.store(true, Relaxed);
        if self.reads {
            table.wait_on(&pipe.read_queue);
        }
        if self.writes {
            table.wait_on(&pipe.write_queue);
        }
        let state = pipe.state.lock();
        let mut events = PollEvents::empty();
        if self.reads {
            if !state.ring.is_empty() {
                events |= PollEvents::READABLE;
            }
            if state.writers == 0 && self.writers_seen.load(Relaxed) != state.writer_opens {
                events |= PollEvents::HUP;
            }
        }
        if self.writes {
            if !state.ring.is_full() {
                events |= PollEvents::WRITABLE;
            }
            if state.readers == 0 {
                events |= PollEvents::ERR;
            }
        }
        events
    }

    fn ioctl(&self, command: u32, arg: usize) -> Result<usize> {
        match command {
            FIONREAD => {
                let len = self.pipe.state.lock().ring.len();
                put(arg, &(len as i32))?;
                Ok(0)
            }
            _ => Err(Errno::NOTTY),
        }
    }

    fn pipe_size(&self) -> Result<usize> {
        Ok(self.pipe.state.lock().ring.slots() * PAGE)
    }

    fn set_pipe_size(&self, size: usize) -> Result<usize> {
        self.pipe.set_size(size)
    }

    fn set_flags(&self, flags: OpenFlags) {
        self.packets.store(flags.contains(OpenFlags::DIRECT), Relaxed);
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let mut state = self.pipe.state.lock();
        state.readers -= usize::from(self.reads);
        state.writers -= usize::from(self.writes);
        let one_side_left = (state.readers == 0) != (state.writers == 0);
        if state.readers == 0 && state.writers == 0 {
            // A fifo begins anew with the next open.
            state.ring.clear();
        }
        drop(state);
        if one_side_left {
            self.pipe.read_queue.wake_all(ANY);
            self.pipe.write_queue.wake_all(ANY);
        }
    }
}
