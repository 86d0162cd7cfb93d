//! fsync(2), sync(2), sync_file_range(2): fsync, fdatasync, sync, syncfs, sync_file_range.

use crate::task::Current;
use crate::uaccess::Args;
use crate::vfs::FileType;
use crate::{Errno, Result};

/// `SYNC_FILE_RANGE_WAIT_BEFORE`, `SYNC_FILE_RANGE_WRITE`, `SYNC_FILE_RANGE_WAIT_AFTER`
const RANGE_FLAGS: u32 = 7;

/// `fsync(fd)`
pub fn sys_fsync(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    cur.file(args.i32(0))?.ops.fsync(false)?;
    Ok(0)
}

/// `fdatasync(fd)`
pub fn sys_fdatasync(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    cur.file(args.i32(0))?.ops.fsync(true)?;
    Ok(0)
}

/// `sync()`: never fails.
pub fn sys_sync(_cur: &mut Current<'_>, _args: &Args) -> Result<usize> {
    for mount in crate::fs::mounts() {
        if let Err(errno) = mount.fs.sync() {
            host::log!(Warn, "sync of {}: {errno}", mount.fs.name());
        }
    }
    Ok(0)
}

/// `syncfs(fd)`
pub fn sys_syncfs(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    cur.file(args.i32(0))?.inode.file_system().sync()?;
    Ok(0)
}

/// `sync_file_range(fd, offset, nbytes, flags)`
pub fn sys_sync_file_range(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let file = cur.file(args.i32(0))?;
    let flags = args.u32(3);
    let (offset, len) = (args.i64(1), args.i64(2));
    let end = offset.checked_add(len);
    if flags & !RANGE_FLAGS != 0 || offset < 0 || end.is_none_or(|end| end < offset) {
        return Err(Errno::INVAL);
    }
    match file.kind() {
        FileType::Regular | FileType::BlockDevice | FileType::Directory | FileType::Symlink => {}
        _ => return Err(Errno::SPIPE),
    }
    // No finer way than all of the file's data.
    if flags != 0 {
        file.ops.fsync(true)?;
    }
    Ok(0)
}
