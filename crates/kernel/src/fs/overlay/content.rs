//! Where the bytes of a regular file are: still on the host, in pages of the kernel heap, or, once it was mapped into
//! a program, in a memfd of the host, so that mappings, reads and writes see the same bytes.

use super::node::{Body, Lower, Node, State};
use super::pages::Pages;
use super::quota::Quota;
use crate::{Errno, Result};
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::Ordering::Release;
use host::file::HostFd;
use host::io::{IoDst, IoSrc};
use host::layout::PAGE_SIZE;
use host::mutex::Mutex;
use linux_raw_sys::general::{FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE};

/// Host files up to this size are copied as a whole, so that no descriptor must stay open for them.
const COPY_WHOLE: u64 = 256 << 10;

/// The bytes of a regular file.
pub(super) enum Content {
    /// On the host, unchanged.
    Lower,
    /// In memory.
    Pages(Pages),
    /// In a memfd, which programs may have mapped.
    Memfd(Memfd),
}

/// Content that programs may have mapped.
pub(super) struct Memfd {
    fd: Arc<HostFd>,
    size: u64,
    /// Bytes counted against the quota: what was written through the kernel. Pages that programs touch in a mapping
    /// beyond that are the host's to count.
    charged: u64,
}

/// So many files are kept in memfds; past that, those no program has mapped move back to the heap.
const MAX_MEMFDS: usize = 1024;

/// The files that are in memfds, those mapped first at the front.
#[derive(Default)]
pub(super) struct Memfds(Mutex<VecDeque<Weak<Node>>>);

impl Memfds {
    fn enter(&self, node: Weak<Node>) {
        let mut all = self.0.lock();
        all.push_back(node);
        let excess = all.len().saturating_sub(MAX_MEMFDS);
        drop(all);
        if excess > 0 {
            // A few more than needed, so that not every mapping comes here.
            self.reclaim(excess + MAX_MEMFDS / 16);
        }
    }

    /// Moves up to `count` files that nobody has mapped back to the heap.
    fn reclaim(&self, count: usize) {
        let mut tries = self.0.lock().len();
        let mut done = 0;
        while done < count && tries > 0 {
            tries -= 1;
            let Some(weak) = self.0.lock().pop_front() else { break };
            match weak.upgrade() {
                Some(node) if !node.leave_memfd() => self.0.lock().push_back(weak),
                _ => done += 1,
            }
        }
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.0.lock().len()
    }
}

impl Default for Content {
    fn default() -> Self {
        Content::Pages(Pages::default())
    }
}

impl Content {
    /// Bytes counted against the quota.
    pub fn memory(&self) -> u64 {
        match self {
            Content::Lower => 0,
            Content::Pages(pages) => pages.memory(),
            Content::Memfd(memfd) => memfd.charged,
        }
    }

    /// Length in bytes; `None`: the host knows.
    pub fn size(&self) -> Option<u64> {
        match self {
            Content::Lower => None,
            Content::Pages(pages) => Some(pages.size()),
            Content::Memfd(memfd) => Some(memfd.size),
        }
    }

    /// Length in bytes and 512-byte blocks; `None`: the host knows.
    ///
    /// # Errors
    /// Those of statx(2).
    pub fn size_and_blocks(&self) -> Result<Option<(u64, u64)>> {
        Ok(match self {
            Content::Lower => None,
            Content::Pages(pages) => Some((pages.size(), pages.blocks())),
            Content::Memfd(memfd) => Some((memfd.size, memfd.fd.stat()?.stx_blocks)),
        })
    }

    /// The host's descriptor, when reads can go there without a lock.
    #[inline]
    pub fn memfd(&self) -> Option<&Arc<HostFd>> {
        match self {
            Content::Memfd(memfd) => Some(&memfd.fd),
            _ => None,
        }
    }

    /// Reads up to `max` bytes.
    ///
    /// # Errors
    /// `EFAULT`; those of the host. `ESTALE` for what is not in memory.
    pub fn read(&self, dst: &mut IoDst<'_>, offset: u64, max: usize) -> Result<usize> {
        match self {
            Content::Lower => Err(Errno::STALE),
            Content::Pages(pages) => pages.read(dst, offset, max),
            Content::Memfd(memfd) => memfd.fd.read_at(dst, offset, max),
        }
    }

    /// Writes all of `src`.
    ///
    /// # Errors
    /// `EFAULT`, `ENOSPC`, `EFBIG`; those of the host. Only when nothing was written.
    pub fn write(&mut self, src: &mut IoSrc<'_>, offset: u64, quota: &Quota) -> Result<usize> {
        match self {
            Content::Lower => Err(Errno::STALE),
            Content::Pages(pages) => pages.write(src, offset, quota),
            Content::Memfd(memfd) => memfd.write(src, offset, quota),
        }
    }

    /// A new length.
    ///
    /// # Errors
    /// `EFBIG`; those of the host.
    pub fn truncate(&mut self, size: u64, quota: &Quota) -> Result<()> {
        match self {
            Content::Lower => Err(Errno::STALE),
            Content::Pages(pages) => pages.truncate(size, quota),
            Content::Memfd(memfd) => memfd.truncate(size, quota),
        }
    }

    /// Makes a hole; the length stays.
    ///
    /// # Errors
    /// `ENOSPC`; those of the host.
    pub fn punch(&mut self, offset: u64, len: u64, quota: &Quota) -> Result<()> {
        match self {
            Content::Lower => Err(Errno::STALE),
            Content::Pages(pages) => pages.punch(offset, len, quota),
            Content::Memfd(memfd) => {
                memfd.fd.fallocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, len)
            }
        }
    }

    /// Takes out whole pages, or puts in empty ones, at `from`.
    ///
    /// # Errors
    /// `EOPNOTSUPP` once it was mapped; `ENOSPC`, `EFBIG`; those of the host.
    pub fn shift(&mut self, from: u64, by_pages: i64, quota: &Quota) -> Result<()> {
        match self {
            Content::Pages(pages) => pages.shift(from, by_pages, quota),
            _ => Err(Errno::OPNOTSUPP),
        }
    }

    /// `SEEK_DATA` and `SEEK_HOLE`.
    ///
    /// # Errors
    /// `ENXIO`; those of the host.
    pub fn seek(&self, at: u64, whence: u32) -> Result<u64> {
        match self {
            Content::Lower => Err(Errno::STALE),
            Content::Pages(pages) if whence == linux_raw_sys::general::SEEK_DATA => pages.seek_data(at),
            Content::Pages(pages) => pages.seek_hole(at),
            // Everything else on this descriptor goes by offsets: its position is nobody's.
            Content::Memfd(memfd) => memfd.fd.seek(at as i64, whence),
        }
    }
}

impl Memfd {
    fn write(&mut self, src: &mut IoSrc<'_>, offset: u64, quota: &Quota) -> Result<usize> {
        let len = src.remaining() as u64;
        let end = offset.checked_add(len).filter(|&end| end <= i64::MAX as u64).ok_or(Errno::FBIG)?;
        let more =
            end.saturating_sub(self.charged.max(self.size)).min(len).next_multiple_of(PAGE_SIZE as u64);
        quota.charge(more)?;
        self.charged += more;
        let mut at = offset;
        while at < end {
            match self.fd.write_at(src, at) {
                Ok(0) => break,
                Ok(count) => at += count as u64,
                Err(_) if at > offset => break,
                Err(errno) => return Err(errno),
            }
            self.size = self.size.max(at);
        }
        Ok((at - offset) as usize)
    }

    fn truncate(&mut self, size: u64, quota: &Quota) -> Result<()> {
        self.fd.truncate(size)?;
        self.size = size;
        let kept = self.charged.min(size.next_multiple_of(PAGE_SIZE as u64));
        quota.refund(self.charged - kept);
        self.charged = kept;
        Ok(())
    }
}

impl Node {
    /// The content, in memory from now on; at most the first `keep` bytes of what the host has matter. Attributes
    /// are copied too.
    ///
    /// # Errors
    /// Those of the host; `ENOSPC`; `ESTALE`.
    pub(super) fn copy_up<'a>(&self, state: &'a mut State, keep: u64) -> Result<&'a mut Content> {
        if let Body::Regular(Content::Lower) = state.body {
            self.copy_up_lower(state, keep)?;
        }
        match &mut state.body {
            Body::Regular(content) => Ok(content),
            _ => Err(Errno::INVAL),
        }
    }

    #[cold]
    fn copy_up_lower(&self, state: &mut State, keep: u64) -> Result<()> {
        let pages = if keep == 0 {
            self.attr(state)?;
            Pages::default()
        } else {
            let Lower::File(_) = &self.lower else { return Err(Errno::STALE) };
            let fd = self.lower_fd()?;
            self.attr(state)?;
            let stat = fd.stat()?;
            let mut pages = Pages::over(fd, stat.stx_size, stat.stx_blocks);
            pages.truncate(stat.stx_size.min(keep), &self.core.quota)?;
            if pages.size() <= COPY_WHOLE
                && let Err(errno) = pages.detach(&self.core.quota)
            {
                self.core.quota.refund(pages.memory());
                return Err(errno);
            }
            pages
        };
        state.body = Body::Regular(Content::Pages(pages));
        self.copied_up.store(true, Release);
        Ok(())
    }

    /// A new length of a regular file.
    ///
    /// # Errors
    /// As [`copy_up`](Self::copy_up); `EFBIG`.
    pub(super) fn truncate(&self, state: &mut State, size: u64) -> Result<()> {
        self.copy_up(state, size)?.truncate(size, &self.core.quota)
    }

    /// The content as a host descriptor to map, writable; moved there the first time.
    ///
    /// # Errors
    /// Those of the host; `ENOSPC`; `ESTALE`.
    pub(super) fn memfd(&self, state: &mut State) -> Result<Arc<HostFd>> {
        let content = self.copy_up(state, u64::MAX)?;
        if let Content::Pages(pages) = content {
            let open = || self.core.cache.retry(|| host::file::memfd(b"fncall-file"));
            let fd = match open() {
                Err(Errno::MFILE | Errno::NFILE) => {
                    self.core.memfds.reclaim(MAX_MEMFDS);
                    open()?
                }
                other => other?,
            };
            pages.copy_to(&fd)?;
            let (size, charged) = (pages.size(), pages.memory());
            *content = Content::Memfd(Memfd { fd: Arc::new(fd), size, charged });
            self.core.memfds.enter(self.weak());
        }
        content.memfd().cloned().ok_or(Errno::STALE)
    }

    /// Moves the content back to the heap; `false` when somebody has it mapped or is at work on it.
    fn leave_memfd(&self) -> bool {
        // Whoever maps another file holds that file's lock: this one is not waited for.
        let Some(mut state) = self.state.try_lock() else { return false };
        let Body::Regular(content) = &mut state.body else { return true };
        let Content::Memfd(memfd) = content else { return true };
        // A mapping and a read in progress each hold a count of their own.
        if Arc::strong_count(&memfd.fd) > 1 {
            return false;
        }
        let quota = &self.core.quota;
        let Ok(pages) = Pages::load(&memfd.fd, memfd.size, quota) else { return false };
        quota.refund(memfd.charged);
        *content = Content::Pages(pages);
        true
    }
}
