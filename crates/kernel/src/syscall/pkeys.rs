//! pkey_alloc(2), pkey_free(2), pkey_mprotect(2), as on a processor without protection keys.

use super::mprotect::sys_mprotect;
use crate::task::Current;
use crate::uaccess::Args;
use crate::{Errno, Result};

/// `PKEY_DISABLE_ACCESS | PKEY_DISABLE_WRITE`
const ACCESS_MASK: usize = 3;

/// pkey_alloc(2): flags, initial rights. There are no keys.
pub fn sys_pkey_alloc(_cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    if args.usize(0) != 0 || args.usize(1) & !ACCESS_MASK != 0 {
        return Err(Errno::INVAL);
    }
    Err(Errno::NOSPC)
}

/// pkey_free(2): key. None was ever given out.
pub fn sys_pkey_free(_cur: &mut Current<'_>, _args: &Args) -> Result<usize> {
    Err(Errno::INVAL)
}

/// pkey_mprotect(2): as mprotect(2), and a key, of which only -1 (none) is valid.
pub fn sys_pkey_mprotect(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    if args.i32(3) != -1 {
        return Err(Errno::INVAL);
    }
    sys_mprotect(cur, args)
}
