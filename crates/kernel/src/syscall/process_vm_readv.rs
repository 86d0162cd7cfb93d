//! process_vm_readv(2) and process_vm_writev(2).

use crate::task::{Current, Process, access};
use crate::uaccess::{Args, get_iovec};
use crate::{Errno, Result};
use host::io::Segment;
use usercopy::{copy_from_user, copy_to_user};

/// Bytes moved at a time.
const CHUNK: usize = 4096;

/// process_vm_readv(2): process, local pieces and their number, remote pieces and their number, flags.
pub fn sys_process_vm_readv(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    transfer(cur, args, |process, local, remote, buf| {
        let read = access::read_memory(process, remote, buf)?;
        Ok(read - copy_to_user(local, &buf[..read]))
    })
}

/// process_vm_writev(2): the other direction.
pub fn sys_process_vm_writev(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    transfer(cur, args, |process, local, remote, buf| {
        let read = buf.len() - copy_from_user(buf, local);
        access::write_memory(process, remote, &buf[..read])
    })
}

/// Copies between an address of the caller and one of the process, by way of the buffer; answers how many bytes.
type Copy = fn(&Process, usize, usize, &mut [u8]) -> Result<usize>;

/// Copies between the pieces.
fn transfer(cur: &Current<'_>, args: &Args, copy: Copy) -> Result<usize> {
    if args.usize(5) != 0 {
        return Err(Errno::INVAL);
    }
    let local = get_iovec(args.usize(1), args.usize(2))?;
    let remote = get_iovec(args.usize(3), args.usize(4))?;
    if local.iter().all(|piece| piece.len == 0) || remote.is_empty() {
        return Ok(0);
    }
    let pid = args.i32(0);
    let own = pid == cur.process().pid;
    let other = if own { Some(cur.process().clone()) } else { super::kill::find_by_tid(pid) };
    let other = other.ok_or(Errno::SRCH)?;
    access::may_trace(&other)?;
    let (mut local, mut remote) = (Pieces::new(&local), Pieces::new(&remote));
    let mut buf = [0; CHUNK];
    let mut done = 0;
    while let (Some(here), Some(there)) = (local.next(), remote.next()) {
        let len = here.len.min(there.len).min(CHUNK);
        let written = match copy(&other, here.addr, there.addr, &mut buf[..len]) {
            Err(Errno::SRCH) => return Err(Errno::SRCH),
            copied => copied.unwrap_or_default(),
        };
        done += written;
        local.advance(written);
        remote.advance(written);
        if written < len {
            return if done == 0 { Err(Errno::FAULT) } else { Ok(done) };
        }
    }
    Ok(done)
}

/// What is left of a list of pieces.
struct Pieces<'a> {
    rest: &'a [Segment],
    done: usize,
}

impl<'a> Pieces<'a> {
    fn new(rest: &'a [Segment]) -> Self {
        Pieces { rest, done: 0 }
    }

    /// What is left of the first piece that is not empty.
    fn next(&mut self) -> Option<Segment> {
        loop {
            let first = self.rest.first()?;
            if first.len > self.done {
                return Some(Segment { addr: first.addr + self.done, len: first.len - self.done });
            }
            self.rest = &self.rest[1..];
            self.done = 0;
        }
    }

    fn advance(&mut self, count: usize) {
        self.done += count;
    }
}
