//! sendfile(2).

use super::rw::{self, Buffer, RwFlags};
use crate::task::Current;
use crate::uaccess::{Args, get, put};
use crate::vfs::notify::{self, Events};
use crate::vfs::{File, FileType, MAX_RW_COUNT, OpenFlags};
use crate::{Errno, Result};
use host::io::IoDst;

/// So much is carried at a time.
const CHUNK: usize = 64 << 10;

/// `sendfile(out_fd, in_fd, offset, count)`
pub fn sys_sendfile(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (offset, count) = (args.usize(2), args.usize(3));
    let given = if offset == 0 { None } else { Some(get::<i64>(offset)?) };
    let from = cur.file(args.i32(1))?;
    if !from.flags().readable() {
        return Err(Errno::BADF);
    }
    if given.is_some() && from.is_stream() {
        return Err(Errno::SPIPE);
    }
    let start = match given {
        Some(at) => u64::try_from(at).map_err(|_| Errno::INVAL)?,
        None => from.tell()?,
    };
    rw::check_offset(start, count)?;
    let to = cur.file(args.i32(0))?;
    if !to.flags().writable() {
        return Err(Errno::BADF);
    }
    // What has no positions or no content to share cannot be spliced from.
    if from.is_stream() || from.kind() == FileType::Directory || to.flags().contains(OpenFlags::APPEND) {
        return Err(Errno::INVAL);
    }
    let mut at = start;
    let result = carry(count.min(MAX_RW_COUNT), |len, buf| {
        let read = read_kernel(&from, &mut buf[..len], at)?;
        if read == 0 {
            return Ok((0, 0));
        }
        let written = rw::write(cur, &to, &mut Buffer::Kernel(&buf[..read]), RwFlags::default())?;
        at += written as u64;
        Ok((read, written))
    });
    if at > start {
        match given {
            Some(_) => put(offset, &(at as i64))?,
            None => from.move_to(at)?,
        }
    }
    result
}

pub(super) fn read_kernel(file: &File, buf: &mut [u8], at: u64) -> Result<usize> {
    let count = file.ops.read(&mut IoDst::kernel(buf), at, file.nonblock())?;
    if count > 0 {
        notify::on_file(file, Events::ACCESS);
    }
    Ok(count)
}

/// Calls `step` with lengths that sum up to `count` and a buffer, until it moves nothing or less than it read;
/// answers the sum of what it wrote. An error counts only when nothing was moved before.
pub(super) fn carry(
    count: usize,
    mut step: impl FnMut(usize, &mut [u8]) -> Result<(usize, usize)>,
) -> Result<usize> {
    if count == 0 {
        return Ok(0);
    }
    let mut buf = alloc::vec![0; count.min(CHUNK)];
    let mut done = 0;
    while done < count {
        match step((count - done).min(CHUNK), &mut buf) {
            Ok((read, written)) => {
                done += written;
                if read == 0 || written < read || (done < count && crate::task::signal_pending()) {
                    break;
                }
            }
            Err(errno) if done == 0 => return Err(errno),
            Err(_) => break,
        }
    }
    Ok(done)
}
