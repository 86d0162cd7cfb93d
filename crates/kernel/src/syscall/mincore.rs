//! mincore(2).

use crate::mm::PAGE_SIZE;
use crate::task::Current;
use crate::uaccess::{Args, put_bytes};
use crate::{Errno, Result};
use usercopy::access_ok;

/// Pages looked at between two copies to the program.
const CHUNK: usize = 1024;

/// mincore(2): address, length, a byte for each page.
pub fn sys_mincore(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (addr, len, out) = (args.usize(0), args.usize(1), args.usize(2));
    if !addr.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::INVAL);
    }
    if !access_ok(addr, len) {
        return Err(Errno::NOMEM);
    }
    let pages = len.div_ceil(PAGE_SIZE);
    if !access_ok(out, pages) {
        return Err(Errno::FAULT);
    }
    let mut buf = [0; CHUNK];
    let mut done = 0;
    while done < pages {
        let chunk = &mut buf[..CHUNK.min(pages - done)];
        cur.mm.mincore(addr + done * PAGE_SIZE, chunk)?;
        put_bytes(out + done, chunk)?;
        done += chunk.len();
    }
    Ok(0)
}
