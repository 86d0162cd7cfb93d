//! posix_fadvise(2), readahead(2): fadvise64, readahead.
//!
//! Advice about a page cache; files in memory have no other place, and the host reads ahead by itself.

use crate::task::Current;
use crate::uaccess::Args;
use crate::vfs::FileType;
use crate::{Errno, Result};
use linux_raw_sys::general::POSIX_FADV_NOREUSE;

/// `fadvise64(fd, offset, len, advice)`
pub fn sys_fadvise64(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let file = cur.file(args.i32(0))?;
    if file.kind() == FileType::Fifo {
        return Err(Errno::SPIPE);
    }
    if args.i64(2) < 0 || args.u32(3) > POSIX_FADV_NOREUSE {
        return Err(Errno::INVAL);
    }
    Ok(0)
}

/// `readahead(fd, offset, count)`
pub fn sys_readahead(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let file = cur.file(args.i32(0))?;
    if !file.flags().readable() {
        return Err(Errno::BADF);
    }
    match file.kind() {
        FileType::Regular | FileType::BlockDevice => Ok(0),
        _ => Err(Errno::INVAL),
    }
}
