//! Reading, writing, positions and readiness of host files.

use super::HostFd;
use crate::arch::syscall_blocking;
use crate::io::{IoDst, IoSrc, Segment};
use crate::{Errno, Result, check, syscall3, syscall4, syscall6};
use alloc::vec::Vec;
use core::marker::PhantomData;
use linux_raw_sys::general as g;

/// Moves bytes through one host call: the vector form only where there is more than one piece.
fn transfer(
    fd: i32,
    single: u32,
    vector: u32,
    segment: Segment,
    rest: &[Segment],
    offset: Option<u64>,
) -> Result<usize> {
    let offset = offset.map_or(0, |o| o as usize);
    let flag = crate::park::interrupt_flag();
    if rest.is_empty() {
        // SAFETY: the segment was checked to lie outside the kernel (or is a live kernel buffer), so the host can
        // only touch memory that no Rust reference covers; it answers EFAULT by itself.
        return check(unsafe {
            syscall_blocking(single, &[fd as usize, segment.addr, segment.len, offset, 0, 0], flag)
        });
    }
    let mut all = Vec::with_capacity(rest.len() + 1);
    all.push(segment);
    all.extend_from_slice(rest);
    // SAFETY: as above for every segment; the array itself is alive.
    check(unsafe {
        syscall_blocking(vector, &[fd as usize, all.as_ptr() as usize, all.len(), offset, 0, 0], flag)
    })
}

/// As [`transfer`] at an offset, for files that never block long enough to be worth interrupting.
///
/// Inlined with its callers: the host leaves the processor's return predictions useless, so each frame between here and
/// the program costs a misprediction.
#[inline(always)]
fn transfer_at(
    fd: i32,
    single: u32,
    vector: u32,
    segment: Segment,
    rest: &[Segment],
    offset: u64,
) -> Result<usize> {
    if !rest.is_empty() {
        return transfer_vector_at(fd, vector, segment, rest, offset);
    }
    // SAFETY: as in `transfer`.
    check(unsafe { syscall4(single, fd as usize, segment.addr, segment.len, offset as usize) })
}

#[inline(never)]
fn transfer_vector_at(
    fd: i32,
    vector: u32,
    segment: Segment,
    rest: &[Segment],
    offset: u64,
) -> Result<usize> {
    let mut all = Vec::with_capacity(rest.len() + 1);
    all.push(segment);
    all.extend_from_slice(rest);
    // SAFETY: as in `transfer`.
    check(unsafe { syscall4(vector, fd as usize, all.as_ptr() as usize, all.len(), offset as usize) })
}

impl HostFd {
    /// pread(2) of a regular file, at most `max` bytes, straight into `dst`. Signals do not interrupt it, as they do
    /// not interrupt reading a disk on Linux.
    ///
    /// # Errors
    /// Those of pread(2).
    #[inline(always)]
    pub fn read_at(&self, dst: &mut IoDst<'_>, offset: u64, max: usize) -> Result<usize> {
        let (single, vector) = (g::__NR_pread64, g::__NR_preadv);
        let count = if let Some(user) = dst.user_segments() {
            let (mut segment, mut rest) = user?;
            if segment.len.saturating_add(rest.iter().map(|s| s.len).sum()) > max {
                // A short read is for the caller to go on from.
                segment.len = segment.len.min(max);
                rest = &[];
            }
            transfer_at(self.raw(), single, vector, segment, rest, offset)?
        } else {
            let Some(buf) = dst.kernel_bytes() else { return Err(Errno::FAULT) };
            let segment = Segment { addr: buf.as_mut_ptr() as usize, len: buf.len().min(max) };
            transfer_at(self.raw(), single, vector, segment, &[], offset)?
        };
        dst.advance(count);
        Ok(count)
    }

    /// pwrite(2) of a regular file straight from `src`. Signals do not interrupt it.
    ///
    /// # Errors
    /// Those of pwrite(2).
    #[inline(always)]
    pub fn write_at(&self, src: &mut IoSrc<'_>, offset: u64) -> Result<usize> {
        let (single, vector) = (g::__NR_pwrite64, g::__NR_pwritev);
        let count = if let Some(user) = src.user_segments() {
            let (segment, rest) = user?;
            transfer_at(self.raw(), single, vector, segment, rest, offset)?
        } else {
            let Some(buf) = src.kernel_bytes() else { return Err(Errno::FAULT) };
            let segment = Segment { addr: buf.as_ptr() as usize, len: buf.len() };
            transfer_at(self.raw(), single, vector, segment, &[], offset)?
        };
        src.advance(count);
        Ok(count)
    }

    /// Appends to a regular file in one step with finding its end (pwritev2(2), `RWF_APPEND`).
    ///
    /// # Errors
    /// Those of pwritev2(2).
    pub fn append(&self, src: &mut IoSrc<'_>) -> Result<usize> {
        let (segment, rest) = if let Some(user) = src.user_segments() {
            user?
        } else {
            let Some(buf) = src.kernel_bytes() else { return Err(Errno::FAULT) };
            (Segment { addr: buf.as_ptr() as usize, len: buf.len() }, &[][..])
        };
        let mut all = Vec::with_capacity(rest.len() + 1);
        all.push(segment);
        all.extend_from_slice(rest);
        // SAFETY: as in `transfer`. Offset 0 in two halves is ignored with RWF_APPEND.
        let raw = unsafe {
            syscall6(
                g::__NR_pwritev2,
                self.raw() as usize,
                all.as_ptr() as usize,
                all.len(),
                0,
                0,
                g::RWF_APPEND as usize,
            )
        };
        let count = check(raw)?;
        src.advance(count);
        Ok(count)
    }

    /// read(2), or pread(2) with an offset, straight into `dst`. `EINTR` when a signal or timer wants attention.
    ///
    /// # Errors
    /// Those of read(2).
    pub fn read(&self, dst: &mut IoDst<'_>, offset: Option<u64>) -> Result<usize> {
        let (single, vector) =
            if offset.is_some() { (g::__NR_pread64, g::__NR_preadv) } else { (g::__NR_read, g::__NR_readv) };
        let count = if let Some(user) = dst.user_segments() {
            let (segment, rest) = user?;
            transfer(self.raw(), single, vector, segment, rest, offset)?
        } else {
            let Some(buf) = dst.kernel_bytes() else { return Err(Errno::FAULT) };
            let segment = Segment { addr: buf.as_mut_ptr() as usize, len: buf.len() };
            transfer(self.raw(), single, vector, segment, &[], offset)?
        };
        dst.advance(count);
        Ok(count)
    }

    /// write(2), or pwrite(2) with an offset, straight from `src`. `EINTR` as for [`read`](Self::read). The host's
    /// SIGPIPE is ignored by the kernel, so a broken pipe answers `EPIPE`.
    ///
    /// # Errors
    /// Those of write(2).
    pub fn write(&self, src: &mut IoSrc<'_>, offset: Option<u64>) -> Result<usize> {
        let (single, vector) = if offset.is_some() {
            (g::__NR_pwrite64, g::__NR_pwritev)
        } else {
            (g::__NR_write, g::__NR_writev)
        };
        let count = if let Some(user) = src.user_segments() {
            let (segment, rest) = user?;
            transfer(self.raw(), single, vector, segment, rest, offset)?
        } else {
            let Some(buf) = src.kernel_bytes() else { return Err(Errno::FAULT) };
            let segment = Segment { addr: buf.as_ptr() as usize, len: buf.len() };
            transfer(self.raw(), single, vector, segment, &[], offset)?
        };
        src.advance(count);
        Ok(count)
    }

    /// lseek(2).
    ///
    /// # Errors
    /// Those of lseek(2).
    pub fn seek(&self, offset: i64, whence: u32) -> Result<u64> {
        // SAFETY: no memory is involved.
        let raw = unsafe { syscall3(g::__NR_lseek, self.raw() as usize, offset as usize, whence as usize) };
        Ok(check(raw)? as u64)
    }
}

/// One entry of `struct pollfd`, bound to a descriptor that stays open.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct PollFd<'a> {
    fd: i32,
    events: i16,
    revents: i16,
    owner: PhantomData<&'a HostFd>,
}

impl<'a> PollFd<'a> {
    /// Watch `fd` for `events` (`POLL*` bits).
    pub fn new(fd: &'a HostFd, events: i16) -> Self {
        PollFd { fd: fd.raw(), events, revents: 0, owner: PhantomData }
    }

    /// What the host answered.
    pub fn revents(&self) -> i16 {
        self.revents
    }
}

/// Asks the host about readiness now, without waiting; answers how many are ready.
///
/// # Errors
/// Those of poll(2).
pub fn poll_now(fds: &mut [PollFd<'_>]) -> Result<usize> {
    // SAFETY: the slice is live and laid out as `struct pollfd`; the zero-sized marker adds nothing.
    check(unsafe { syscall3(g::__NR_poll, fds.as_mut_ptr() as usize, fds.len(), 0) })
}
