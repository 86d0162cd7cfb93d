//! What a pipe holds: a queue of page-sized buffers (`struct pipe_buffer`), and the pages themselves.
//!
//! Capacity is counted in buffers, as in Linux: a page with one byte in it takes as much room as a full one. Small
//! writes go into the free end of the last page where that is allowed.

use crate::{Errno, Result};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes in one buffer.
pub const PAGE: usize = 4096;

/// So many pages may be in all pipes together: 1 GiB. A write that needs more answers `ENOMEM`.
const PAGES_MAX: usize = 1 << 18;

/// So many empty pages a pipe keeps for the next write.
const SPARE_MAX: usize = 16;

static PAGES: AtomicUsize = AtomicUsize::new(0);

/// Memory for one buffer.
pub struct Page(Box<[u8]>);

impl Page {
    /// A page of zeros.
    ///
    /// # Errors
    /// `ENOMEM` when pipes hold too much already.
    pub fn new() -> Result<Page> {
        if PAGES.fetch_add(1, Relaxed) >= PAGES_MAX {
            PAGES.fetch_sub(1, Relaxed);
            return Err(Errno::NOMEM);
        }
        Ok(Page(vec![0; PAGE].into_boxed_slice()))
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        PAGES.fetch_sub(1, Relaxed);
    }
}

impl Deref for Page {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Page {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// How the bytes of a buffer were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// By write(2): more may be added to the page.
    Stream,
    /// By write(2) with `O_DIRECT`: one read takes it, and what does not fit the reader's buffer is lost.
    Packet,
    /// By splice(2) or tee(2): nothing is added.
    Sealed,
}

/// A page with bytes in it.
pub struct Buffer {
    /// `None` while a reader copies from it.
    page: Option<Page>,
    start: usize,
    len: usize,
    kind: Kind,
}

impl Buffer {
    /// Bytes in it.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// How it was written.
    #[inline]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The bytes, unless a reader has taken the page.
    #[inline]
    pub fn bytes(&self) -> Option<&[u8]> {
        self.page.as_ref().map(|page| &page[self.start..self.start + self.len])
    }

    /// Takes the page, to copy from it without the lock; answers where in it the bytes start.
    /// [`give_back`](Self::give_back) returns it.
    #[inline]
    pub fn take_page(&mut self) -> Option<(Page, usize)> {
        self.page.take().map(|page| (page, self.start))
    }

    /// Undoes [`take_page`](Self::take_page).
    #[inline]
    pub fn give_back(&mut self, page: Page) {
        self.page = Some(page);
    }
}

/// The buffers of a pipe, oldest first.
pub struct Ring {
    buffers: VecDeque<Buffer>,
    slots: usize,
    spare: Vec<Page>,
}

impl Ring {
    /// An empty ring for `slots` buffers.
    pub fn new(slots: usize) -> Ring {
        Ring { buffers: VecDeque::new(), slots, spare: Vec::new() }
    }

    /// Whether there is nothing to read.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.buffers.is_empty()
    }

    /// Whether no further buffer fits. Bytes may still fit into the last page.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.buffers.len() >= self.slots
    }

    /// How many buffers there may be.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// How many buffers may be added.
    pub fn free_slots(&self) -> usize {
        self.slots.saturating_sub(self.buffers.len())
    }

    /// Bytes to read (`FIONREAD`).
    pub fn len(&self) -> usize {
        self.buffers.iter().map(|buffer| buffer.len).sum()
    }

    /// Changes how many buffers there may be.
    ///
    /// # Errors
    /// `EBUSY` when there are more now.
    pub fn resize(&mut self, slots: usize) -> Result<()> {
        if self.buffers.len() > slots {
            return Err(Errno::BUSY);
        }
        self.slots = slots;
        self.buffers.shrink_to(slots);
        self.spare.truncate(slots);
        Ok(())
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        *self = Ring::new(self.slots);
    }

    /// The oldest buffer.
    #[inline]
    pub fn front(&mut self) -> Option<&mut Buffer> {
        self.buffers.front_mut()
    }

    /// The buffer at `index` from the oldest.
    pub fn get(&self, index: usize) -> Option<&Buffer> {
        self.buffers.get(index)
    }

    /// Removes `count` bytes from the front, and the buffer with its last byte; with
    /// `packets` a packet always goes whole. Answers whether a full ring has room now.
    #[inline]
    pub fn consume(&mut self, count: usize, packets: bool) -> bool {
        let Some(front) = self.buffers.front_mut() else { return false };
        front.start += count;
        front.len -= count;
        if front.len > 0 && !(packets && front.kind == Kind::Packet) {
            return false;
        }
        let was_full = self.is_full();
        if let Some(page) = self.buffers.pop_front().and_then(|buffer| buffer.page) {
            self.keep_spare(page);
        }
        was_full
    }

    /// An empty page: a kept one if there is one.
    ///
    /// # Errors
    /// `ENOMEM`.
    #[inline]
    pub fn spare_page(&mut self) -> Result<Page> {
        match self.spare.pop() {
            Some(page) => Ok(page),
            None => Page::new(),
        }
    }

    /// Keeps a page for later.
    #[inline]
    pub fn keep_spare(&mut self, page: Page) {
        if self.spare.len() < self.slots.min(SPARE_MAX) {
            self.spare.push(page);
        }
    }

    /// Whether `len` bytes fit into the last page.
    #[inline]
    pub fn can_merge(&self, len: usize) -> bool {
        self.buffers.back().is_some_and(|last| {
            last.kind == Kind::Stream && last.page.is_some() && last.start + last.len + len <= PAGE
        })
    }

    /// Adds `bytes` to the last page; `false`: they do not fit.
    #[inline]
    pub fn merge(&mut self, bytes: &[u8]) -> bool {
        if let Some(last) = self.buffers.back_mut()
            && last.kind == Kind::Stream
            && let Some(page) = &mut last.page
            && let end = last.start + last.len
            && let Some(room) = page.get_mut(end..end + bytes.len())
        {
            room.copy_from_slice(bytes);
            last.len += bytes.len();
            return true;
        }
        false
    }

    /// Adds the first `len` bytes of `page`. The caller has looked for room.
    #[inline]
    pub fn push(&mut self, page: Page, len: usize, kind: Kind) {
        self.buffers.push_back(Buffer { page: Some(page), start: 0, len, kind });
    }

    /// Takes the oldest buffer out whole, to become another ring's newest. `None` while a reader copies from it.
    pub fn pop_whole(&mut self) -> Option<Buffer> {
        self.buffers.front()?.page.as_ref()?;
        self.buffers.pop_front()
    }

    /// Adds a buffer that came from [`pop_whole`](Self::pop_whole).
    pub fn push_whole(&mut self, buffer: Buffer) {
        self.buffers.push_back(buffer);
    }
}
