//! signalfd(2): signalfd and signalfd4.

use crate::fs::{anon, signalfd::SignalFd};
use crate::signal::SigSet;
use crate::task::Current;
use crate::uaccess::{self, Args};
use crate::vfs::OpenFlags;
use crate::{Errno, Result};
use alloc::boxed::Box;

/// `SFD_CLOEXEC` and `SFD_NONBLOCK` are those of open(2).
const CLOEXEC: u32 = OpenFlags::CLOEXEC.bits();
const NONBLOCK: u32 = OpenFlags::NONBLOCK.bits();

/// signalfd(fd, mask, sizemask)
pub fn sys_signalfd(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    make(cur, args, 0)
}

/// signalfd4(fd, mask, sizemask, flags)
pub fn sys_signalfd4(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    make(cur, args, args.u32(3))
}

fn make(cur: &Current<'_>, args: &Args, flags: u32) -> Result<usize> {
    if args.usize(2) != size_of::<SigSet>() {
        return Err(Errno::INVAL);
    }
    let set = SigSet(uaccess::get(args.usize(1))?);
    if flags & !(CLOEXEC | NONBLOCK) != 0 {
        return Err(Errno::INVAL);
    }
    let fd = args.i32(0);
    if fd == -1 {
        let status = OpenFlags::RDWR | OpenFlags::from_bits_retain(flags & NONBLOCK);
        let file = anon::file(Box::new(SignalFd::new(set)), status);
        return Ok(cur.install(file, flags & CLOEXEC != 0)? as usize);
    }
    let file = cur.file(fd)?;
    file.ops_as::<SignalFd>().ok_or(Errno::INVAL)?.set(set);
    Ok(fd as usize)
}
