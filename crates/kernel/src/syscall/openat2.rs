//! openat2(2).

use super::open::{How, open};
use crate::task::Current;
use crate::uaccess::{Args, get};
use crate::{Errno, Result};
use linux_raw_sys::general::open_how;

/// Sizes beyond a page are refused without a look (`copy_struct_from_user`).
const MAX_SIZE: usize = 4096;

/// `openat2(dirfd, path, how, size)`
pub fn sys_openat2(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (addr, size) = (args.usize(2), args.usize(3));
    if size < size_of::<open_how>() {
        return Err(Errno::INVAL);
    }
    if size > MAX_SIZE {
        return Err(Errno::TOOBIG);
    }
    // What a newer program may want that is unknown here must be zero.
    for at in size_of::<open_how>()..size {
        if get::<u8>(addr.wrapping_add(at))? != 0 {
            return Err(Errno::TOOBIG);
        }
    }
    let how: open_how = get(addr)?;
    open(cur, args.i32(0), args.usize(1), &How::strict(how.flags, how.mode, how.resolve)?)
}
