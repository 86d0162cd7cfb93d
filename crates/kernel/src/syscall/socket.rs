//! socket(2). There are no sockets yet: no address family is supported, which programs take for a kernel built
//! without it and go on.

use crate::task::Current;
use crate::uaccess::Args;
use crate::{Errno, Result};

/// `SOCK_CLOEXEC | SOCK_NONBLOCK`, which are `O_CLOEXEC | O_NONBLOCK`.
const FLAGS: u32 = 0o2000000 | 0o4000;
/// The type proper in the second argument (`SOCK_TYPE_MASK`).
const TYPE_MASK: u32 = 0xf;
/// One more than the highest address family (`AF_MAX`).
const FAMILY_MAX: i32 = 46;
/// One more than the highest type (`SOCK_MAX`).
const TYPE_MAX: u32 = 11;

/// `socket(domain, type, protocol)`
pub fn sys_socket(_cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let kind = args.u32(1);
    if kind & !(TYPE_MASK | FLAGS) != 0 {
        return Err(Errno::INVAL);
    }
    // `__sock_create` asks for the family first, and only then for the type.
    let family = args.i32(0);
    if (0..FAMILY_MAX).contains(&family) && kind & TYPE_MASK >= TYPE_MAX {
        return Err(Errno::INVAL);
    }
    Err(Errno::AFNOSUPPORT)
}
