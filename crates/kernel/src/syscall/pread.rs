//! pread(2): pread64, pwrite64.

use super::rw::{self, Buffer, RwFlags};
use crate::task::Current;
use crate::uaccess::Args;
use crate::{Errno, Result};

/// `pread64(fd, buf, count, offset)`
pub fn sys_pread64(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let offset = offset(args.i64(3))?;
    let file = cur.file(args.i32(0))?;
    if file.is_stream() {
        return Err(Errno::SPIPE);
    }
    if !file.flags().readable() {
        return Err(Errno::BADF);
    }
    rw::read_at(&file, &Buffer::one(args.usize(1), args.usize(2))?, offset, RwFlags::default())
}

/// `pwrite64(fd, buf, count, offset)`
pub fn sys_pwrite64(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let offset = offset(args.i64(3))?;
    let file = cur.file(args.i32(0))?;
    if file.is_stream() {
        return Err(Errno::SPIPE);
    }
    if !file.flags().writable() {
        return Err(Errno::BADF);
    }
    rw::write_at(cur, &file, &mut Buffer::one(args.usize(1), args.usize(2))?, offset, RwFlags::default())
}

/// # Errors
/// `EINVAL` when negative, even before the descriptor is looked at.
pub(super) fn offset(offset: i64) -> Result<u64> {
    u64::try_from(offset).map_err(|_| Errno::INVAL)
}
