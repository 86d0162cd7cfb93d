//! copy_file_range(2).

use super::rw::{self, Buffer, RwFlags};
use super::sendfile::{carry, read_kernel};
use crate::task::Current;
use crate::uaccess::{Args, get, put};
use crate::vfs::{File, FileType, MAX_RW_COUNT, OpenFlags};
use crate::{Errno, Result};
use alloc::sync::Arc;

/// `copy_file_range(fd_in, off_in, fd_out, off_out, len, flags)`
pub fn sys_copy_file_range(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let from = cur.file(args.i32(0))?;
    let to = cur.file(args.i32(2))?;
    let (from_at, to_at) = (start(&from, args.usize(1))?, start(&to, args.usize(3))?);
    if args.u32(5) != 0 {
        return Err(Errno::INVAL);
    }
    if from.kind() == FileType::Directory || to.kind() == FileType::Directory {
        return Err(Errno::ISDIR);
    }
    if from.kind() != FileType::Regular || to.kind() != FileType::Regular {
        return Err(Errno::INVAL);
    }
    let flags = to.flags();
    if !from.flags().readable() || !flags.writable() || flags.contains(OpenFlags::APPEND) {
        return Err(Errno::BADF);
    }
    if !Arc::ptr_eq(&from.inode.file_system(), &to.inode.file_system()) {
        return Err(Errno::XDEV);
    }
    let count = args.usize(4);
    if [from_at, to_at].iter().any(|at| (*at as u64).checked_add(count as u64).is_none()) {
        return Err(Errno::OVERFLOW);
    }
    let left = i128::from(from.inode.stat()?.size) - i128::from(from_at);
    let count = count.min(usize::try_from(left).unwrap_or(0));
    let count = if count > 0 { rw::limit_length(cur, &to, to_at as u64, count)? } else { 0 };
    let from_at = u64::try_from(from_at).map_err(|_| Errno::INVAL)?;
    let to_at = u64::try_from(to_at).map_err(|_| Errno::INVAL)?;
    let end = count as u64;
    if Arc::ptr_eq(&from.inode, &to.inode) && to_at + end > from_at && to_at < from_at + end {
        return Err(Errno::INVAL);
    }
    let mut moved = 0u64;
    let result = carry(count.min(MAX_RW_COUNT), |len, buf| {
        let read = read_kernel(&from, &mut buf[..len], from_at + moved)?;
        if read == 0 {
            return Ok((0, 0));
        }
        let mut bytes = Buffer::Kernel(&buf[..read]);
        let written = rw::write_at(cur, &to, &mut bytes, to_at + moved, RwFlags::default())?;
        moved += written as u64;
        Ok((read, written))
    });
    if moved > 0 {
        finish(&from, args.usize(1), from_at + moved)?;
        finish(&to, args.usize(3), to_at + moved)?;
    }
    result
}

/// Where to begin: at a user address, or the file's position.
fn start(file: &File, offset: usize) -> Result<i64> {
    if offset == 0 { Ok(file.tell()? as i64) } else { get(offset) }
}

fn finish(file: &File, offset: usize, at: u64) -> Result<()> {
    if offset != 0 {
        return put(offset, &(at as i64));
    }
    file.move_to(at)
}
