//! lseek(2).

use crate::task::Current;
use crate::uaccess::Args;
use crate::vfs::{File, FileType};
use crate::{Errno, Result};
use linux_raw_sys::general::{SEEK_CUR, SEEK_DATA, SEEK_END, SEEK_HOLE, SEEK_MAX, SEEK_SET};

/// `lseek(fd, offset, whence)`
pub fn sys_lseek(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let file = cur.file(args.i32(0))?;
    let whence = args.u32(2);
    if whence > SEEK_MAX {
        return Err(Errno::INVAL);
    }
    let mut position = file.position.lock();
    let new = match file.ops.seek(args.i64(1), whence, *position) {
        Some(result) => result?,
        None if file.is_stream() => return Err(Errno::SPIPE),
        None => usual(&file, args.i64(1), whence, *position)?,
    };
    *position = new;
    Ok(new as usize)
}

/// The rules for a file that is one stretch of data with a hole behind it (`generic_file_llseek`).
fn usual(file: &File, offset: i64, whence: u32, current: u64) -> Result<u64> {
    let new = match whence {
        SEEK_SET => Some(offset),
        SEEK_CUR => offset.checked_add_unsigned(current),
        // Positions in a directory are no byte counts.
        _ if file.kind() == FileType::Directory => None,
        _ => {
            let size = file.inode.stat()?.size;
            match whence {
                SEEK_END => offset.checked_add_unsigned(size),
                SEEK_DATA | SEEK_HOLE => {
                    if u64::try_from(offset).map_err(|_| Errno::NXIO)? >= size {
                        return Err(Errno::NXIO);
                    }
                    if whence == SEEK_DATA { Some(offset) } else { i64::try_from(size).ok() }
                }
                _ => None,
            }
        }
    };
    new.and_then(|new| u64::try_from(new).ok()).ok_or(Errno::INVAL)
}
