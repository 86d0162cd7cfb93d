//! write(2).

use super::rw::{self, Buffer, RwFlags};
use crate::Result;
use crate::task::Current;
use crate::uaccess::Args;

/// `write(fd, buf, count)`
pub fn sys_write(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let file = cur.file(args.i32(0))?;
    if !file.flags().writable() {
        return Err(crate::Errno::BADF);
    }
    rw::write(cur, &file, &mut Buffer::one(args.usize(1), args.usize(2))?, RwFlags::default())
}
