//! fallocate(2).

use super::rw::remove_privileges;
use super::truncate::check_limit;
use crate::task::Current;
use crate::uaccess::Args;
use crate::vfs::FileType;
use crate::vfs::notify::{self, Events};
use crate::{Errno, Result};
use linux_raw_sys::general::{
    FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE,
    FALLOC_FL_UNSHARE_RANGE, FALLOC_FL_WRITE_ZEROES, FALLOC_FL_ZERO_RANGE,
};

/// `fallocate(fd, mode, offset, len)`
pub fn sys_fallocate(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let file = cur.file(args.i32(0))?;
    let mode = args.u32(1);
    let offset = u64::try_from(args.i64(2)).map_err(|_| Errno::INVAL)?;
    let len = u64::try_from(args.i64(3)).ok().filter(|len| *len > 0).ok_or(Errno::INVAL)?;
    let keeps_size = mode & FALLOC_FL_KEEP_SIZE != 0;
    let known = match mode & !FALLOC_FL_KEEP_SIZE {
        0 | FALLOC_FL_UNSHARE_RANGE | FALLOC_FL_ZERO_RANGE => true,
        FALLOC_FL_PUNCH_HOLE => keeps_size,
        FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE | FALLOC_FL_WRITE_ZEROES => !keeps_size,
        _ => false,
    };
    if !known {
        return Err(Errno::OPNOTSUPP);
    }
    if !file.flags().writable() {
        return Err(Errno::BADF);
    }
    match file.kind() {
        FileType::Regular | FileType::BlockDevice => {}
        FileType::Fifo => return Err(Errno::SPIPE),
        FileType::Directory => return Err(Errno::ISDIR),
        _ => return Err(Errno::NODEV),
    }
    let end = offset.checked_add(len).filter(|end| *end <= i64::MAX as u64).ok_or(Errno::FBIG)?;
    if !keeps_size && mode & FALLOC_FL_COLLAPSE_RANGE == 0 {
        check_limit(cur, &file.inode, end)?;
    }
    remove_privileges(cur, &file)?;
    file.ops.fallocate(mode, offset, len)?;
    notify::on_file(&file, Events::MODIFY);
    Ok(0)
}
