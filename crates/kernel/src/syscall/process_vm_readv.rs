//! process_vm_readv(2) and process_vm_writev(2), on the calling process itself.

use crate::task::{Current, find_process};
use crate::uaccess::{Args, get_iovec};
use crate::{Errno, Result};
use alloc::sync::Arc;
use host::io::Segment;
use usercopy::{copy_from_user, copy_to_user};

/// Bytes moved at a time.
const CHUNK: usize = 4096;

/// process_vm_readv(2): process, local pieces and their number, remote pieces and their number, flags.
pub fn sys_process_vm_readv(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    transfer(cur, args, |local, remote| (local, remote))
}

/// process_vm_writev(2): the other direction.
pub fn sys_process_vm_writev(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    transfer(cur, args, |local, remote| (remote, local))
}

/// Copies between the pieces; `direction` tells destination and source.
fn transfer(cur: &Current<'_>, args: &Args, direction: fn(usize, usize) -> (usize, usize)) -> Result<usize> {
    if args.usize(5) != 0 {
        return Err(Errno::INVAL);
    }
    let local = get_iovec(args.usize(1), args.usize(2))?;
    let remote = get_iovec(args.usize(3), args.usize(4))?;
    if local.iter().all(|piece| piece.len == 0) || remote.is_empty() {
        return Ok(0);
    }
    let other = find_process(args.i32(0)).ok_or(Errno::SRCH)?;
    if !Arc::ptr_eq(&other, cur.process()) {
        // Memory of another process cannot be reached from here: as for one that may not be traced.
        return Err(Errno::PERM);
    }
    let (mut local, mut remote) = (Pieces::new(&local), Pieces::new(&remote));
    let mut buf = [0; CHUNK];
    let mut done = 0;
    while let (Some(here), Some(there)) = (local.next(), remote.next()) {
        let len = here.len.min(there.len).min(CHUNK);
        let (to, from) = direction(here.addr, there.addr);
        let read = len - copy_from_user(&mut buf[..len], from);
        let written = read - copy_to_user(to, &buf[..read]);
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
