//! /proc/PID/mem, open.

use crate::task::Process;
use crate::task::access;
use crate::vfs::{FileOps, WriteAt};
use crate::{Errno, Result};
use alloc::sync::Arc;
use host::file::HostFd;
use host::io::{IoDst, IoSrc};

/// /proc/PID/mem: the host's, which also writes where the program may only read, as Linux does for debuggers. What is
/// the kernel's is not there. It stays the memory of the process that it was opened for, whoever reads.
pub(super) struct ProcMem {
    process: Arc<Process>,
    host: HostFd,
}

impl ProcMem {
    /// The memory of `process`, through the host's file of it.
    pub(super) fn new(process: Arc<Process>, host: HostFd) -> ProcMem {
        ProcMem { process, host }
    }

    /// The length to offer the host at `offset`: up to the kernel, when that lies behind.
    fn check(&self, offset: u64, len: usize) -> Result<usize> {
        let offset = usize::try_from(offset).map_err(|_| Errno::IO)?;
        if usercopy::access_ok(offset, len) {
            return Ok(len);
        }
        let to_page_end = (4096 - offset % 4096).min(len);
        if usercopy::access_ok(offset, to_page_end) { Ok(to_page_end) } else { Err(Errno::IO) }
    }
}

impl FileOps for ProcMem {
    fn read(&self, dst: &mut IoDst<'_>, offset: u64, _nonblock: bool) -> Result<usize> {
        let len = self.check(offset, dst.remaining().min(64 << 10))?;
        if access::host_home(&self.process).is_none() {
            return Ok(0);
        }
        let mut bytes = alloc::vec![0; len];
        let count = self.host.read_at(&mut IoDst::kernel(&mut bytes), offset, usize::MAX)?;
        dst.put(&bytes[..count])
    }

    fn write(&self, src: &mut IoSrc<'_>, at: WriteAt, _nonblock: bool) -> Result<(usize, u64)> {
        let WriteAt::Offset(offset) = at else { return Err(Errno::INVAL) };
        let mut bytes = alloc::vec![0; self.check(offset, src.remaining().min(64 << 10))?];
        let count = src.take(&mut bytes)?;
        let count = self.host.write_at(&mut IoSrc::kernel(&bytes[..count]), offset)?;
        Ok((count, offset + count as u64))
    }

    fn seek(&self, offset: i64, whence: u32, current: u64) -> Option<Result<u64>> {
        Some(match whence {
            0 => Ok(offset as u64),
            1 => Ok(current.wrapping_add_signed(offset)),
            _ => Err(Errno::INVAL),
        })
    }
}
