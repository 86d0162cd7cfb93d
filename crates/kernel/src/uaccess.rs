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
pub struct PathBuf {
    bytes: [u8; PATH_MAX],
    len: usize,
}

impl PathBuf {
    /// Reads the NUL-terminated path at `addr` and hands it to `then`. An empty path is handed over as such.
    ///
    /// # Errors
    /// `EFAULT`; `ENAMETOOLONG` without a NUL in `PATH_MAX` bytes; what `then` answers.
    #[inline]
    pub fn with<T>(addr: usize, then: impl FnOnce(&[u8]) -> Result<T>) -> Result<T> {
        let mut path = PathBuf { bytes: [0; PATH_MAX], len: 0 };
        path.len = usercopy::strncpy_from_user(&mut path.bytes, addr)
            .map_err(|_| Errno::FAULT)?
            .ok_or(Errno::NAMETOOLONG)?;
        then(&path.bytes[..path.len])
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
    let mut segments = Vec::with_capacity(count);
    let mut total = 0usize;
    for n in 0..count {
        let [base, len] = get::<[usize; 2]>(addr.wrapping_add(n * 16))?;
        if len as isize <= -1 {
            return Err(Errno::INVAL);
        }
        // What exceeds MAX_RW_COUNT is cut off, as `import_iovec` does.
        let len = len.min(crate::vfs::MAX_RW_COUNT - total);
        if !usercopy::access_ok(base, len) {
            return Err(Errno::FAULT);
        }
        total += len;
        segments.push(Segment { addr: base, len });
    }
    Ok(segments)
}
