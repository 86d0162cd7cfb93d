//! socketpair(2).

use super::socket;
use crate::net::ProtocolRef;
use crate::task::Current;
use crate::uaccess::{Args, get, put};
use crate::vfs::OpenFlags;
use crate::{Errno, Result};
use core::sync::atomic::Ordering::Relaxed;

/// `socketpair(domain, type, protocol, sv)`
pub fn sys_socketpair(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (kind, flags) = socket::split_type(args.u32(1))?;
    let to = args.usize(3);
    let made = make(args.i32(0), kind, args.i32(2));
    let (a, b) = match made {
        Ok(pair) => pair,
        Err(errno) => {
            // Linux has the numbers, and stores them, before it makes anything.
            if cur.files.is_full(cur.process().nofile.load(Relaxed)) {
                return Err(Errno::MFILE);
            }
            put(to, &get::<[i32; 2]>(to)?)?;
            return Err(errno);
        }
    };
    let cloexec = flags.contains(OpenFlags::CLOEXEC);
    let first = cur.install(socket::open(cur, a, flags), cloexec)?;
    let result = cur
        .install(socket::open(cur, b, flags), cloexec)
        .and_then(|second| put(to, &[first, second]).inspect_err(|_| drop(cur.files.remove(second))));
    if let Err(errno) = result {
        drop(cur.files.remove(first));
        return Err(errno);
    }
    Ok(0)
}

fn make(family: i32, kind: u32, protocol: i32) -> Result<(ProtocolRef, ProtocolRef)> {
    let a = socket::make(family, kind, protocol)?;
    let b = socket::make(family, kind, protocol)?;
    a.pair(&b)?;
    Ok((a, b))
}
