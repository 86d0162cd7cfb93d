//! /proc/PID/pagemap, open: 8 bytes for each page, the host's. What is the kernel's is not there.

use crate::task::Process;
use crate::task::access;
use crate::vfs::FileOps;
use crate::{Errno, Result};
use alloc::sync::Arc;
use host::file::HostFd;
use host::io::IoDst;

/// It tells of the process that it was opened for, whoever reads.
pub(super) struct PageMap {
    process: Arc<Process>,
    host: HostFd,
}

impl PageMap {
    /// The pages of `process`, through the host's file of it.
    pub(super) fn new(process: Arc<Process>, host: HostFd) -> PageMap {
        PageMap { process, host }
    }
}

impl FileOps for PageMap {
    fn read(&self, dst: &mut IoDst<'_>, offset: u64, _nonblock: bool) -> Result<usize> {
        if !offset.is_multiple_of(8) || !dst.remaining().is_multiple_of(8) {
            return Err(Errno::INVAL);
        }
        if access::host_home(&self.process).is_none() {
            return Ok(0);
        }
        let mut bytes = alloc::vec![0; dst.remaining().min(64 << 10)];
        let count = self.host.read(&mut IoDst::kernel(&mut bytes), Some(offset))?;
        for (n, entry) in bytes[..count].chunks_exact_mut(8).enumerate() {
            let page = (offset / 8).saturating_add(n as u64);
            let addr = usize::try_from(page.saturating_mul(4096)).unwrap_or(usize::MAX);
            if !usercopy::access_ok(addr, 4096) {
                entry.fill(0);
            }
        }
        dst.put(&bytes[..count])
    }

    fn seek(&self, offset: i64, whence: u32, current: u64) -> Option<Result<u64>> {
        Some(match whence {
            0 => Ok(offset as u64),
            1 => Ok(current.wrapping_add_signed(offset)),
            _ => Err(Errno::INVAL),
        })
    }
}
