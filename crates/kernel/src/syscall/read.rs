//! read(2).

use super::rw::{self, Buffer, RwFlags};
use crate::Result;
use crate::task::Current;
use crate::uaccess::Args;

/// `read(fd, buf, count)`
pub fn sys_read(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let file = cur.file(args.i32(0))?;
    if !file.flags().readable() {
        return Err(crate::Errno::BADF);
    }
    rw::read(&file, &Buffer::one(args.usize(1), args.usize(2))?, RwFlags::default())
}
