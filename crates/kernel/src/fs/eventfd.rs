//! eventfd(2): a counter to wait on.

use crate::sync::{WaitQueue, wait_until};
use crate::vfs::{FileOps, PollEvents, PollTable, WriteAt};
use crate::{Errno, Result};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering::*};
use host::io::{IoDst, IoSrc};

/// The highest value a write may bring it to.
const MAX: u64 = u64::MAX - 1;

/// The counter.
#[derive(Debug)]
pub struct EventFd {
    count: AtomicU64,
    semaphore: bool,
    queue: WaitQueue,
}

impl EventFd {
    /// A counter that begins at `count`. A `semaphore` gives out one at a time.
    pub fn new(count: u64, semaphore: bool) -> EventFd {
        EventFd { count: AtomicU64::new(count), semaphore, queue: WaitQueue::new() }
    }

    /// Takes what a read answers, when there is anything.
    fn take(&self) -> Option<u64> {
        let semaphore = self.semaphore;
        let left = |count: u64| if semaphore { count - 1 } else { 0 };
        let old = self.count.fetch_update(SeqCst, SeqCst, |count| (count > 0).then(|| left(count))).ok()?;
        Some(old - left(old))
    }

    fn add(&self, value: u64) -> Option<()> {
        let sum = |count: u64| count.checked_add(value).filter(|sum| *sum <= MAX);
        self.count.fetch_update(SeqCst, SeqCst, sum).ok().map(drop)
    }

    /// Adds as the kernel does: never blocks, stays at the highest value (`eventfd_signal`).
    pub fn signal(&self, value: u64) {
        let sum = |count: u64| Some(count.saturating_add(value));
        // The function always answers a value.
        let _ = self.count.fetch_update(SeqCst, SeqCst, sum);
        self.queue.wake_all(PollEvents::IN);
    }
}

impl FileOps for EventFd {
    fn is_stream(&self) -> bool {
        true
    }

    fn read(&self, dst: &mut IoDst<'_>, _offset: u64, nonblock: bool) -> Result<usize> {
        if dst.remaining() < 8 {
            return Err(Errno::INVAL);
        }
        let value = match self.take() {
            Some(value) => value,
            None if nonblock => return Err(Errno::AGAIN),
            None => wait_until(&self.queue, None, || self.take())?,
        };
        self.queue.wake_all(PollEvents::OUT);
        match dst.put(&value.to_le_bytes())? {
            8 => Ok(8),
            _ => Err(Errno::FAULT),
        }
    }

    fn write(&self, src: &mut IoSrc<'_>, _at: WriteAt, nonblock: bool) -> Result<(usize, u64)> {
        let mut bytes = [0; 8];
        if src.remaining() != 8 {
            return Err(Errno::INVAL);
        }
        if src.take(&mut bytes)? < 8 {
            return Err(Errno::FAULT);
        }
        let value = u64::from_le_bytes(bytes);
        if value == u64::MAX {
            return Err(Errno::INVAL);
        }
        match self.add(value) {
            Some(()) => {}
            None if nonblock => return Err(Errno::AGAIN),
            None => wait_until(&self.queue, None, || self.add(value))?,
        }
        self.queue.wake_all(PollEvents::IN);
        Ok((8, 0))
    }

    fn poll(&self, table: &mut PollTable<'_>) -> PollEvents {
        table.wait_on(&self.queue);
        let count = self.count.load(SeqCst);
        let mut events = PollEvents::empty();
        events.set(PollEvents::IN, count > 0);
        events.set(PollEvents::OUT, count < MAX);
        events.set(PollEvents::ERR, count == u64::MAX);
        events
    }

    fn seek(&self, _offset: i64, _whence: u32, current: u64) -> Option<Result<u64>> {
        Some(Ok(current))
    }

    fn link_text(&self) -> Option<Vec<u8>> {
        Some(b"anon_inode:[eventfd]".to_vec())
    }

    fn fdinfo(&self, out: &mut Vec<u8>) {
        let (count, semaphore) = (self.count.load(SeqCst), u8::from(self.semaphore));
        let text =
            alloc::format!("eventfd-count: {count:16x}\neventfd-id: 0\neventfd-semaphore: {semaphore}\n");
        out.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fd: &EventFd) -> Result<u64> {
        let mut bytes = [0; 8];
        fd.read(&mut IoDst::kernel(&mut bytes), 0, true).map(|_| u64::from_le_bytes(bytes))
    }

    fn write(fd: &EventFd, value: u64) -> Result<usize> {
        fd.write(&mut IoSrc::kernel(&value.to_le_bytes()), WriteAt::End, true).map(|(count, _)| count)
    }

    #[test]
    fn a_read_takes_all_and_a_semaphore_one() {
        let fd = EventFd::new(3, false);
        assert_eq!((read(&fd), read(&fd)), (Ok(3), Err(Errno::AGAIN)));
        let fd = EventFd::new(2, true);
        assert_eq!((read(&fd), read(&fd), read(&fd)), (Ok(1), Ok(1), Err(Errno::AGAIN)));
    }

    #[test]
    fn it_never_passes_its_highest_value() {
        let fd = EventFd::new(1, false);
        assert_eq!(write(&fd, u64::MAX), Err(Errno::INVAL));
        assert_eq!(write(&fd, u64::MAX - 1), Err(Errno::AGAIN));
        assert_eq!(write(&fd, u64::MAX - 2), Ok(8));
        assert_eq!(fd.poll(&mut PollTable::ask()), PollEvents::IN);
        assert_eq!(read(&fd), Ok(u64::MAX - 1));
        assert_eq!(fd.poll(&mut PollTable::ask()), PollEvents::OUT);
    }

    #[test]
    fn short_buffers_are_refused() {
        let fd = EventFd::new(1, false);
        assert_eq!(fd.read(&mut IoDst::kernel(&mut [0; 7]), 0, true), Err(Errno::INVAL));
        assert_eq!(fd.write(&mut IoSrc::kernel(&[0; 7]), WriteAt::End, true), Err(Errno::INVAL));
        assert_eq!(read(&fd), Ok(1));
    }
}
