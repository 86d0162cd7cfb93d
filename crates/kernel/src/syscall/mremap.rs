//! mremap(2) and remap_file_pages(2).

use super::mmap::rights;
use crate::mm::Remap;
use crate::task::Current;
use crate::uaccess::Args;
use crate::{Errno, Result};

/// mremap(2): address, old length, new length, flags, new address.
pub fn sys_mremap(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let remap = Remap {
        addr: args.usize(0),
        old_len: args.usize(1),
        new_len: args.usize(2),
        // An `unsigned long` on Linux: bits above 31 are unknown flags.
        flags: u32::try_from(args.usize(3)).map_err(|_| Errno::INVAL)?,
        new_addr: args.usize(4),
    };
    cur.mm.mremap(&rights(cur), &remap)
}

/// remap_file_pages(2): address, length, protection (0), page offset, flags.
pub fn sys_remap_file_pages(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    if args.usize(2) != 0 {
        return Err(Errno::INVAL);
    }
    let (addr, len, page) = (args.usize(0), args.usize(1), args.usize(3));
    cur.mm.remap_file_pages(&rights(cur), addr, len, page, args.u32(4)).map(|()| 0)
}
