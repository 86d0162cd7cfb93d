//! System-call arguments: typed views, and copies of structs and strings from and to user memory.

use crate::vfs::PATH_MAX;
use crate::{Errno, Result};
use alloc::vec;
use alloc::vec::Vec;
use host::io::{MAX_SEGMENTS, Segment};
use usercopy::Pod;

/// The six arguments of a system call.
#[derive(Clone, Copy, Debug)]
pub struct Args(pub [usize; 6]);

impl Args {
    /// Argument `n` (0–5) as an address or size.
    #[inline]
    pub fn usize(&self, n: usize) -> usize {
        self.0[n]
    }
    /// Argument `n` as a C `int`.
    #[inline]
    pub fn i32(&self, n: usize) -> i32 {
        self.0[n] as i32
    }
    /// Argument `n` as a C `unsigned`.
    #[inline]
    pub fn u32(&self, n: usize) -> u32 {
        self.0[n] as u32
    }
    /// Argument `n` as a C `long`.
    #[inline]
    pub fn i64(&self, n: usize) -> i64 {
        self.0[n] as i64
    }
    /// Argument `n` as a C `unsigned long`.
    #[inline]
    pub fn u64(&self, n: usize) -> u64 {
        self.0[n] as u64
    }
}

/// Reads one `T`.
///
/// # Errors
/// `EFAULT`.
#[inline]
pub fn get<T: Pod>(addr: usize) -> Result<T> {
    usercopy::get(addr).map_err(|_| Errno::FAULT)
}

/// Writes one `T`.
///
/// # Errors
/// `EFAULT`.
#[inline]
pub fn put<T: Pod>(addr: usize, value: &T) -> Result<()> {
    usercopy::put(addr, value).map_err(|_| Errno::FAULT)
}

/// Fills `buf` from user memory.
///
/// # Errors
/// `EFAULT`.
pub fn get_bytes(buf: &mut [u8], addr: usize) -> Result<()> {
    if usercopy::copy_from_user(buf, addr) == 0 { Ok(()) } else { Err(Errno::FAULT) }
}

/// Copies `bytes` to user memory.
///
/// # Errors
/// `EFAULT`.
pub fn put_bytes(addr: usize, bytes: &[u8]) -> Result<()> {
    if usercopy::copy_to_user(addr, bytes) == 0 { Ok(()) } else { Err(Errno::FAULT) }
}

/// A path argument, on the kernel stack.
pub struct PathBuf;

/// What nearly every path fits in. Rust fills a buffer with zeros before it is written, and 4 KiB of that cost more
/// than the rest of many calls.
const SHORT_PATH: usize = 256;

impl PathBuf {
    /// Reads the NUL-terminated path at `addr` and hands it to `then`. An empty path is handed over as such.
    ///
    /// # Errors
    /// `EFAULT`; `ENAMETOOLONG` without a NUL in `PATH_MAX` bytes; what `then` answers.
    #[inline]
    pub fn with<T>(addr: usize, then: impl FnOnce(&[u8]) -> Result<T>) -> Result<T> {
        let mut short = [0; SHORT_PATH];
        match usercopy::strncpy_from_user(&mut short, addr).map_err(|_| Errno::FAULT)? {
            Some(len) => then(&short[..len]),
            None => then(&get_string(addr, PATH_MAX - 1, Errno::NAMETOOLONG)?),
        }
    }
}

/// Reads a NUL-terminated string of at most `max` bytes without the NUL.
///
/// # Errors
/// `EFAULT`; `too_long` when there is no NUL in time.
pub fn get_string(addr: usize, max: usize, too_long: Errno) -> Result<Vec<u8>> {
    let mut buf = vec![0; (max + 1).min(256)];
    loop {
        match usercopy::strncpy_from_user(&mut buf, addr).map_err(|_| Errno::FAULT)? {
            Some(len) => {
                buf.truncate(len);
                return Ok(buf);
            }
            None if buf.len() > max => return Err(too_long),
            None => buf = vec![0; (buf.len() * 4).min(max + 1)],
        }
    }
}

/// Reads an array of `struct iovec`.
///
/// # Errors
/// `EINVAL` for more than `UIO_MAXIOV` or a length beyond `isize::MAX`; `EFAULT`.
pub fn get_iovec(addr: usize, count: usize) -> Result<Vec<Segment>> {
    if count > MAX_SEGMENTS {
        return Err(Errno::INVAL);
    }
    let mut segments = vec![Segment::default(); count];
    fill_iovec(&mut segments, addr)?;
    Ok(segments)
}

/// Reads an array of `struct iovec` and hands it to `then`; a short one (`UIO_FASTIOV`) does not use the heap.
///
/// # Errors
/// As [`get_iovec`]; what `then` answers.
#[inline]
pub fn with_iovec<T>(addr: usize, count: usize, then: impl FnOnce(&mut [Segment]) -> Result<T>) -> Result<T> {
    let mut few = [Segment::default(); 8];
    match few.get_mut(..count) {
        Some(segments) => {
            fill_iovec(segments, addr)?;
            then(segments)
        }
        None => then(&mut get_iovec(addr, count)?),
    }
}

fn fill_iovec(segments: &mut [Segment], addr: usize) -> Result<()> {
    let mut total = 0usize;
    for (n, segment) in segments.iter_mut().enumerate() {
        let [base, len] = get::<[usize; 2]>(addr.wrapping_add(n * 16))?;
        if (len as isize) < 0 {
            return Err(Errno::INVAL);
        }
        if !usercopy::access_ok(base, len) {
            return Err(Errno::FAULT);
        }
        // What exceeds MAX_RW_COUNT is cut off, as `import_iovec` does.
        let len = len.min(crate::vfs::MAX_RW_COUNT - total);
        total += len;
        *segment = Segment { addr: base, len };
    }
    Ok(())
}
