//! pipe(2): pipe, pipe2.

use crate::fs::pipe;
use crate::task::Current;
use crate::uaccess::{Args, put};
use crate::vfs::OpenFlags;
use crate::{Errno, Result};

/// `O_NOTIFICATION_PIPE`: the same bit as `O_EXCL`.
const NOTIFICATION_PIPE: OpenFlags = OpenFlags::EXCL;

/// `pipe(pipefd)`
pub fn sys_pipe(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    make(cur, args.usize(0), OpenFlags::empty())
}

/// `pipe2(pipefd, flags)`
pub fn sys_pipe2(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    make(cur, args.usize(0), OpenFlags::from_bits_retain(args.u32(1)))
}

fn make(cur: &Current<'_>, to: usize, flags: OpenFlags) -> Result<usize> {
    let known = OpenFlags::CLOEXEC | OpenFlags::NONBLOCK | OpenFlags::DIRECT | NOTIFICATION_PIPE;
    if !known.contains(flags) {
        return Err(Errno::INVAL);
    }
    if flags.contains(NOTIFICATION_PIPE) {
        // No watch queues, as a kernel without CONFIG_WATCH_QUEUE.
        return Err(Errno::NOPKG);
    }
    let cred = cur.cred();
    let (reader, writer) = pipe::new_pair(cred.fsuid, cred.fsgid, flags)?;
    let cloexec = flags.contains(OpenFlags::CLOEXEC);
    let reading = cur.install(reader, cloexec)?;
    let result = cur
        .install(writer, cloexec)
        .and_then(|writing| put(to, &[reading, writing]).inspect_err(|_| drop(cur.files.remove(writing))));
    if let Err(errno) = result {
        drop(cur.files.remove(reading));
        return Err(errno);
    }
    Ok(0)
}
