//! socket(2).

use crate::net;
use crate::task::Current;
use crate::uaccess::Args;
use crate::vfs::{File, OpenFlags};
use crate::{Errno, Result};
use alloc::sync::Arc;

/// `SOCK_CLOEXEC` and `SOCK_NONBLOCK` have the values of `O_CLOEXEC` and `O_NONBLOCK`.
const FLAGS: OpenFlags = OpenFlags::CLOEXEC.union(OpenFlags::NONBLOCK);
/// The type proper in the second argument (`SOCK_TYPE_MASK`).
const TYPE_MASK: u32 = 0xf;
/// One more than the highest address family (`AF_MAX`).
const FAMILY_MAX: i32 = 46;
/// One more than the highest type (`SOCK_MAX`).
const TYPE_MAX: u32 = 11;

/// `socket(domain, type, protocol)`
pub fn sys_socket(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (kind, flags) = split_type(args.u32(1))?;
    let protocol = make(args.i32(0), kind, args.i32(2))?;
    install(cur, protocol, flags)
}

/// Takes the type and the flags of a second argument apart.
///
/// # Errors
/// `EINVAL` for flags that are unknown.
pub(super) fn split_type(kind: u32) -> Result<(u32, OpenFlags)> {
    let flags = kind & !TYPE_MASK;
    if flags & !FLAGS.bits() != 0 {
        return Err(Errno::INVAL);
    }
    Ok((kind & TYPE_MASK, OpenFlags::from_bits_retain(flags)))
}

/// A socket without a descriptor (`__sock_create`).
///
/// # Errors
/// `EAFNOSUPPORT`, and only then `EINVAL` for a type that is none; those of the family.
pub(super) fn make(family: i32, kind: u32, protocol: i32) -> Result<net::ProtocolRef> {
    if !(0..FAMILY_MAX).contains(&family) {
        return Err(Errno::AFNOSUPPORT);
    }
    if kind >= TYPE_MAX {
        return Err(Errno::INVAL);
    }
    net::family(family)?.socket(kind, protocol)
}

/// The open file of a new socket of the caller.
pub(super) fn open(cur: &Current<'_>, protocol: net::ProtocolRef, flags: OpenFlags) -> Arc<File> {
    let cred = cur.cred();
    net::new_file(protocol, cred.fsuid, cred.fsgid, flags)
}

/// A descriptor for a new socket.
///
/// # Errors
/// `EMFILE`.
pub(super) fn install(cur: &Current<'_>, protocol: net::ProtocolRef, flags: OpenFlags) -> Result<usize> {
    let file = open(cur, protocol, flags);
    Ok(cur.install(file, flags.contains(OpenFlags::CLOEXEC))? as usize)
}
