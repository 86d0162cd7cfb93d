//! The content of a file in memory: pages of the kernel heap, sparse, over what is still read from the host.
//!
//! ```text
//!  0            page present: its bytes        lower.size             size
//!  |------|xxxxxx|------|..holes..|----------------|....................|
//!     missing: read from the host file               missing: zeros
//! ```
//!
//! So the first write to a large host file copies only the pages it touches. The bytes between `size` and the end
//! of its page are always zero, so that growing a file shows zeros.

mod data;

use super::quota::Quota;
use crate::{Errno, Result};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use host::file::HostFd;
use host::io::{IoDst, IoSrc};
use host::layout::PAGE_SIZE;

type Page = [u8; PAGE_SIZE];

const PAGE: u64 = PAGE_SIZE as u64;
/// Pages of one slice of the table: 512 KiB of the file.
const CHUNK: u64 = 128;

/// What is still read from the host.
struct Lower {
    fd: Arc<HostFd>,
    /// Bytes of it that are visible; shrinks with truncation and never grows again.
    size: u64,
    /// 512-byte blocks it had when the copy began.
    blocks: u64,
    /// Ranges of page numbers cut out of it, start to end.
    holes: BTreeMap<u64, u64>,
}

impl Lower {
    /// Whether page `index` is to be read from the host, when it is not present.
    fn covers(&self, index: u64) -> bool {
        index * PAGE < self.size && self.hole_end(index).is_none()
    }

    /// The end of the hole that page `index` lies in.
    fn hole_end(&self, index: u64) -> Option<u64> {
        let (_, &end) = self.holes.range(..=index).next_back()?;
        (index < end).then_some(end)
    }

    /// Cuts pages `from..to` out.
    fn cut(&mut self, from: u64, to: u64) {
        if to * PAGE >= self.size {
            self.size = self.size.min(from * PAGE);
            return;
        }
        let (mut from, mut to) = (from, to);
        while let Some((&start, &end)) = self.holes.range(..=to).next_back()
            && end >= from
        {
            self.holes.remove(&start);
            from = from.min(start);
            to = to.max(end);
        }
        self.holes.insert(from, to);
    }
}

/// The content of a regular file in memory.
#[derive(Default)]
pub struct Pages {
    size: u64,
    /// How many are present.
    present: u64,
    /// The first slice by itself: most files have no other.
    first: Vec<Option<Box<Page>>>,
    rest: BTreeMap<u64, Vec<Option<Box<Page>>>>,
    lower: Option<Lower>,
}

fn fresh() -> Box<Page> {
    // From the heap's own zeroing; an array on the stack would be copied.
    vec![0u8; PAGE_SIZE].into_boxed_slice().try_into().unwrap_or_else(|_| Box::new([0; PAGE_SIZE]))
}

impl Pages {
    /// The content of a host file, to be read from it where it is not overwritten: its first `size` bytes, in
    /// `blocks` 512-byte blocks.
    pub fn over(fd: Arc<HostFd>, size: u64, blocks: u64) -> Pages {
        Pages { size, lower: Some(Lower { fd, size, blocks, holes: BTreeMap::new() }), ..Pages::default() }
    }

    /// Length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Memory in bytes.
    pub fn memory(&self) -> u64 {
        self.present * PAGE
    }

    /// 512-byte blocks, as `st_blocks` tells.
    pub fn blocks(&self) -> u64 {
        let Some(lower) = &self.lower else { return self.present * (PAGE / 512) };
        // The host's own, as far as still visible, and what lies outside of it.
        let visible = lower.size.div_ceil(PAGE);
        let cut: u64 = lower.holes.iter().map(|(start, end)| end - start).sum();
        let inside = lower.blocks.min((visible - cut.min(visible)) * (PAGE / 512));
        let outside = self.slices().filter(|(at, _)| at * CHUNK >= visible);
        let outside: u64 = outside.map(|(_, slice)| slice.iter().flatten().count() as u64).sum();
        inside + outside * (PAGE / 512)
    }

    fn slices(&self) -> impl Iterator<Item = (u64, &Vec<Option<Box<Page>>>)> {
        core::iter::once((0, &self.first)).chain(self.rest.iter().map(|(&at, slice)| (at, slice)))
    }

    #[inline]
    fn page(&self, index: u64) -> Option<&Page> {
        let slice = if index < CHUNK { &self.first } else { self.rest.get(&(index / CHUNK))? };
        slice.get((index % CHUNK) as usize)?.as_deref()
    }

    fn slot(&mut self, index: u64) -> &mut Option<Box<Page>> {
        let slice = if index < CHUNK { &mut self.first } else { self.rest.entry(index / CHUNK).or_default() };
        let at = (index % CHUNK) as usize;
        if at >= slice.len() {
            slice.resize_with(at + 1, || None);
        }
        &mut slice[at]
    }

    /// The page, made when it is missing; with the host's bytes in it unless all are about to be overwritten.
    fn make(&mut self, index: u64, overwrite: bool, quota: &Quota) -> Result<&mut Page> {
        if self.page(index).is_none() {
            quota.charge(PAGE)?;
            let mut page = fresh();
            if !overwrite
                && let Some(lower) = &self.lower
                && lower.covers(index)
                && let Err(errno) = fill(&mut page[..], &lower.fd, index * PAGE, lower.size)
            {
                quota.refund(PAGE);
                return Err(errno);
            }
            self.present += 1;
            return Ok(self.slot(index).insert(page));
        }
        // Present, as was seen above; an empty slot cannot happen, and would be filled with zeros.
        Ok(self.slot(index).get_or_insert_with(fresh))
    }

    /// Copies up to `max` bytes from `offset` on; 0 at the end.
    ///
    /// # Errors
    /// `EFAULT`; those of the host.
    #[inline]
    pub fn read(&self, dst: &mut IoDst<'_>, offset: u64, max: usize) -> Result<usize> {
        let end = self.size.min(offset.saturating_add(max.min(dst.remaining()) as u64));
        let mut at = offset;
        while at < end {
            let within = (at % PAGE) as usize;
            let step = ((end - at) as usize).min(PAGE_SIZE - within);
            let result = match self.page(at / PAGE) {
                Some(page) => dst.put(&page[within..within + step]).map(|done| (done, step)),
                None => self.read_missing(dst, at, end),
            };
            let (done, wanted) = match result {
                Ok(counts) => counts,
                Err(_) if at > offset => break,
                Err(errno) => return Err(errno),
            };
            at += done as u64;
            if done < wanted {
                break;
            }
        }
        Ok(at.saturating_sub(offset) as usize)
    }

    /// The missing pages from `at` on; answers how many bytes it copied, of how many.
    #[cold]
    fn read_missing(&self, dst: &mut IoDst<'_>, at: u64, end: u64) -> Result<(usize, usize)> {
        let index = at / PAGE;
        let Some(lower) = self.lower.as_ref().filter(|lower| lower.covers(index)) else {
            let mut until = self.next_present(index).map_or(end, |next| end.min(next * PAGE));
            if let Some(lower) = self.lower.as_ref().filter(|lower| at < lower.size) {
                // In a hole cut out of the host's part: up to its end.
                until = until.min(lower.hole_end(index).map_or(end, |hole| hole * PAGE));
            }
            let wanted = (until - at) as usize;
            return Ok((dst.put_zeros(wanted)?, wanted));
        };
        let next = self.next_present(index).into_iter();
        let next = next.chain(lower.holes.range(index..).next().map(|(&start, _)| start)).min();
        let until = end.min(lower.size).min(next.map_or(end, |next| next * PAGE));
        if until <= at {
            // The last page of the host's part, behind its end.
            let wanted = (end.min((index + 1) * PAGE) - at) as usize;
            return Ok((dst.put_zeros(wanted)?, wanted));
        }
        let wanted = (until - at) as usize;
        match lower.fd.read_at(dst, at, wanted)? {
            // The host's file has shrunk meanwhile.
            0 => Ok((dst.put_zeros(wanted)?, wanted)),
            // A short count is no end: the caller goes on from there.
            done => Ok((done, done)),
        }
    }

    /// The first present page from `index` on.
    fn next_present(&self, index: u64) -> Option<u64> {
        let find = |at: u64, slice: &Vec<Option<Box<Page>>>| {
            let skip = index.saturating_sub(at * CHUNK) as usize;
            let found = slice.iter().skip(skip).position(Option::is_some)?;
            Some(at * CHUNK + (skip + found) as u64)
        };
        if index < CHUNK
            && let Some(found) = find(0, &self.first)
        {
            return Some(found);
        }
        self.rest.range(index / CHUNK..).find_map(|(&at, slice)| find(at, slice))
    }

    /// Writes all of `src` at `offset`; answers how much.
    ///
    /// # Errors
    /// `EFAULT`, `ENOSPC`, `EFBIG`; those of the host. Only when nothing was written.
    #[inline]
    pub fn write(&mut self, src: &mut IoSrc<'_>, offset: u64, quota: &Quota) -> Result<usize> {
        let len = src.remaining() as u64;
        let end = offset.checked_add(len).filter(|&end| end <= i64::MAX as u64).ok_or(Errno::FBIG)?;
        let mut at = offset;
        while at < end {
            let within = (at % PAGE) as usize;
            let step = ((end - at) as usize).min(PAGE_SIZE - within);
            // Nothing of the page is needed when it is overwritten to its end, or to the end of the file; a fault
            // in the middle leaves zeros then, so only whole pages in a file without a host part count.
            let overwrite = step == PAGE_SIZE && self.lower.is_none();
            let result = self.make(at / PAGE, overwrite, quota);
            let result = result.and_then(|page| src.take(&mut page[within..within + step]));
            let done = match result {
                Ok(done) => done,
                Err(_) if at > offset => break,
                Err(errno) => return Err(errno),
            };
            at += done as u64;
            self.size = self.size.max(at);
            if done < step {
                // What a fault left behind the end of the file must read as zeros when the file grows.
                self.clear_tail();
                break;
            }
        }
        Ok((at - offset) as usize)
    }

    /// Zeros from `size` to the end of its page.
    fn clear_tail(&mut self) {
        let (index, within) = (self.size / PAGE, (self.size % PAGE) as usize);
        if within != 0 && self.page(index).is_some() {
            self.slot(index).iter_mut().for_each(|page| page[within..].fill(0));
        }
    }

    /// A new length. Growing leaves a hole.
    ///
    /// # Errors
    /// `EFBIG`.
    pub fn truncate(&mut self, size: u64, quota: &Quota) -> Result<()> {
        if size > i64::MAX as u64 {
            return Err(Errno::FBIG);
        }
        if size < self.size {
            self.drop_pages(size.div_ceil(PAGE), u64::MAX, quota);
            if let Some(lower) = &mut self.lower {
                lower.size = lower.size.min(size);
                let last = lower.size.div_ceil(PAGE);
                lower.holes.retain(|&start, _| start < last);
            }
            if self.lower.as_ref().is_some_and(|lower| lower.size == 0) {
                self.lower = None;
            }
        }
        self.size = size;
        self.clear_tail();
        Ok(())
    }

    /// Removes present pages `from..to`.
    fn drop_pages(&mut self, from: u64, to: u64, quota: &Quota) {
        let mut dropped = 0;
        let mut empty = |at: u64, slice: &mut Vec<Option<Box<Page>>>| {
            let start = (from.saturating_sub(at * CHUNK) as usize).min(slice.len());
            let end = (to.saturating_sub(at * CHUNK).min(CHUNK) as usize).min(slice.len());
            if start < end {
                dropped += slice[start..end].iter_mut().filter_map(Option::take).count() as u64;
                if end == slice.len() {
                    slice.truncate(start);
                }
            }
            slice.is_empty()
        };
        if from < CHUNK {
            empty(0, &mut self.first);
        }
        let last = to.div_ceil(CHUNK);
        let emptied: Vec<u64> = self
            .rest
            .range_mut(from / CHUNK..last.max(from / CHUNK))
            .filter_map(|(&at, slice)| empty(at, slice).then_some(at))
            .collect();
        for at in emptied {
            self.rest.remove(&at);
        }
        self.present -= dropped;
        quota.refund(dropped * PAGE);
    }

    /// Makes `offset..offset + len` a hole; the length stays.
    ///
    /// # Errors
    /// `ENOSPC`, those of the host, for the pages at its two ends.
    pub fn punch(&mut self, offset: u64, len: u64, quota: &Quota) -> Result<()> {
        let end = offset.saturating_add(len).min(self.size);
        if offset >= end {
            return Ok(());
        }
        let (first, last) = (offset.div_ceil(PAGE), end / PAGE);
        // The end of the file may lie within a page whose rest is zero anyway.
        let last = if end == self.size { end.div_ceil(PAGE) } else { last };
        if first > last {
            return self.clear(offset, end, quota);
        }
        self.clear(offset, first * PAGE, quota)?;
        self.clear(last * PAGE, end, quota)?;
        self.drop_pages(first, last, quota);
        if let Some(lower) = &mut self.lower
            && first < last
        {
            lower.cut(first, last);
        }
        Ok(())
    }

    /// Zeros the bytes `from..to`, which lie within one page.
    fn clear(&mut self, from: u64, to: u64, quota: &Quota) -> Result<()> {
        let index = from / PAGE;
        let there = self.page(index).is_some() || self.lower.as_ref().is_some_and(|l| l.covers(index));
        if from < to && there {
            let page = self.make(index, false, quota)?;
            let start = (from % PAGE) as usize;
            page[start..start + (to - from) as usize].fill(0);
        }
        Ok(())
    }

    /// Moves everything from `from` on by whole pages: down over what lies below, or up over a hole.
    ///
    /// # Errors
    /// `ENOSPC` and those of the host, for what must be copied from it; `EFBIG`.
    pub fn shift(&mut self, from: u64, by_pages: i64, quota: &Quota) -> Result<()> {
        let size = self.size.checked_add_signed(by_pages * PAGE as i64).ok_or(Errno::FBIG)?;
        if size > i64::MAX as u64 {
            return Err(Errno::FBIG);
        }
        self.detach(quota)?;
        let from = from / PAGE;
        if by_pages < 0 {
            self.drop_pages(from, from + by_pages.unsigned_abs(), quota);
        }
        let old = core::mem::take(self);
        self.present = old.present;
        self.size = size;
        let slices = core::iter::once((0, old.first)).chain(old.rest);
        for (at, slice) in slices {
            for (n, page) in slice.into_iter().enumerate() {
                let index = at * CHUNK + n as u64;
                let index = if index < from { index } else { index.saturating_add_signed(by_pages) };
                if page.is_some() {
                    *self.slot(index) = page;
                }
            }
        }
        Ok(())
    }
}

/// Fills `page` with the host file's bytes at `offset`, as far as they lie before `size`; the rest stays.
fn fill(page: &mut [u8], fd: &HostFd, offset: u64, size: u64) -> Result<()> {
    let len = page.len().min(size.saturating_sub(offset) as usize);
    let mut dst = IoDst::kernel(&mut page[..len]);
    while !dst.is_empty() {
        let at = offset + dst.done() as u64;
        if fd.read_at(&mut dst, at, usize::MAX)? == 0 {
            break;
        }
    }
    Ok(())
}
