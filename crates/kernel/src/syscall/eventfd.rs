//! eventfd(2): eventfd and eventfd2.

use crate::fs::{anon, eventfd::EventFd};
use crate::task::Current;
use crate::uaccess::Args;
use crate::vfs::OpenFlags;
use crate::{Errno, Result};
use alloc::boxed::Box;
use linux_raw_sys::general::{EFD_CLOEXEC, EFD_NONBLOCK, EFD_SEMAPHORE};

/// eventfd(count)
pub fn sys_eventfd(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    make(cur, args.u32(0), 0)
}

/// eventfd2(count, flags)
pub fn sys_eventfd2(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    make(cur, args.u32(0), args.u32(1))
}

fn make(cur: &Current<'_>, count: u32, flags: u32) -> Result<usize> {
    if flags & !(EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK) != 0 {
        return Err(Errno::INVAL);
    }
    let ops = EventFd::new(u64::from(count), flags & EFD_SEMAPHORE != 0);
    let file = anon::file(Box::new(ops), OpenFlags::RDWR | OpenFlags::from_bits_retain(flags & EFD_NONBLOCK));
    Ok(cur.install(file, flags & EFD_CLOEXEC != 0)? as usize)
}
