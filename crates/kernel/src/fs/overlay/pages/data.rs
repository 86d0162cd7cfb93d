//! What of the content is data: seeking it, and copying it from and to host files.

use super::{PAGE, Pages, fill};
use crate::fs::overlay::quota::Quota;
use crate::{Errno, Result};
use alloc::vec;
use host::file::HostFd;
use host::io::{IoDst, IoSrc};
use host::layout::PAGE_SIZE;
use linux_raw_sys::general::{SEEK_DATA, SEEK_HOLE};

impl Pages {
    /// The content of a memfd of `size` bytes, holes as holes.
    ///
    /// # Errors
    /// `ENOSPC`; those of the host.
    pub fn load(fd: &HostFd, size: u64, quota: &Quota) -> Result<Pages> {
        let mut pages = Pages { size, ..Pages::default() };
        let mut at = 0;
        let result = loop {
            let data = match fd.seek(at as i64, SEEK_DATA) {
                Ok(data) if data < size => data,
                Ok(_) | Err(Errno::NXIO) => break Ok(()),
                Err(errno) => break Err(errno),
            };
            let hole = match fd.seek(data as i64, SEEK_HOLE) {
                Ok(hole) => hole.min(size),
                Err(errno) => break Err(errno),
            };
            let mut indices = data / PAGE..hole.div_ceil(PAGE);
            let filled = indices.try_for_each(|index| {
                let page = pages.make(index, true, quota)?;
                fill(&mut page[..], fd, index * PAGE, size)
            });
            if filled.is_err() {
                break filled;
            }
            at = hole;
        };
        if result.is_err() {
            quota.refund(pages.memory());
        }
        result.map(|()| pages)
    }

    /// Copies all that is still read from the host.
    ///
    /// # Errors
    /// `ENOSPC`; those of the host.
    pub fn detach(&mut self, quota: &Quota) -> Result<()> {
        let mut from = 0;
        while let Some(data) = self.lower_data(from) {
            self.make(data / PAGE, false, quota)?;
            from = (data / PAGE + 1) * PAGE;
        }
        self.lower = None;
        Ok(())
    }

    /// The first byte from `at` on that the host's part holds as data and no page hides.
    fn lower_data(&self, at: u64) -> Option<u64> {
        let lower = self.lower.as_ref()?;
        let mut at = at;
        while at < lower.size {
            if let Some(end) = lower.hole_end(at / PAGE) {
                at = end * PAGE;
                continue;
            }
            if self.page(at / PAGE).is_some() {
                at = (at / PAGE + 1) * PAGE;
                continue;
            }
            let data = match lower.fd.seek(at as i64, SEEK_DATA) {
                Ok(data) => data,
                Err(Errno::NXIO) => return None,
                // A host file system without holes.
                Err(_) => at,
            };
            if data / PAGE == at / PAGE {
                return (data < lower.size).then_some(data);
            }
            at = data;
        }
        None
    }

    /// The first byte of data from `at` on (`SEEK_DATA`).
    ///
    /// # Errors
    /// `ENXIO` when there is none.
    pub fn seek_data(&self, at: u64) -> Result<u64> {
        if at >= self.size {
            return Err(Errno::NXIO);
        }
        let present = self.next_present(at / PAGE).map(|index| at.max(index * PAGE));
        let found = present.into_iter().chain(self.lower_data(at)).min();
        found.filter(|&found| found < self.size).ok_or(Errno::NXIO)
    }

    /// The first hole from `at` on; the end of the file counts as one (`SEEK_HOLE`).
    ///
    /// # Errors
    /// `ENXIO` at or beyond the end.
    pub fn seek_hole(&self, at: u64) -> Result<u64> {
        if at >= self.size {
            return Err(Errno::NXIO);
        }
        let mut here = at;
        while here < self.size {
            let index = here / PAGE;
            if self.page(index).is_some() {
                here = (index + 1) * PAGE;
                continue;
            }
            let Some(lower) = self.lower.as_ref().filter(|lower| lower.covers(index)) else { break };
            let hole = lower.fd.seek(here as i64, SEEK_HOLE).unwrap_or(lower.size);
            if hole <= here {
                break;
            }
            // Page by page only as far as pages and cut-out holes are mixed in.
            let cut = lower.holes.range(index..).next().map(|(&start, _)| start * PAGE);
            let next = self.next_present(index).map(|next| next * PAGE);
            let data_end = hole.min(lower.size.div_ceil(PAGE) * PAGE);
            here = cut.into_iter().chain(next).chain([data_end]).min().unwrap_or(hole);
        }
        Ok(here.min(self.size))
    }

    /// Copies the content into a host file (a memfd), holes as holes.
    ///
    /// # Errors
    /// Those of the host.
    pub fn copy_to(&self, to: &HostFd) -> Result<()> {
        to.truncate(self.size)?;
        let mut buf = vec![0u8; 64 * PAGE_SIZE];
        let mut at = 0;
        while let Ok(data) = self.seek_data(at) {
            let end = self.seek_hole(data)?;
            at = data;
            while at < end {
                let max = ((end - at) as usize).min(buf.len());
                let count = self.read(&mut IoDst::kernel(&mut buf[..max]), at, max)?;
                if count == 0 {
                    return Err(Errno::IO);
                }
                let mut src = IoSrc::kernel(&buf[..count]);
                while !src.is_empty() {
                    let offset = at + src.done() as u64;
                    if to.write_at(&mut src, offset)? == 0 {
                        return Err(Errno::IO);
                    }
                }
                at += count as u64;
            }
        }
        Ok(())
    }
}
