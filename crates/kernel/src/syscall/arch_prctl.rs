//! arch_prctl(2).

use crate::task::Current;
use crate::uaccess::{Args, put};
use crate::{Errno, Result};

const ARCH_SET_GS: i32 = 0x1001;
const ARCH_SET_FS: i32 = 0x1002;
const ARCH_GET_FS: i32 = 0x1003;
const ARCH_GET_GS: i32 = 0x1004;
const ARCH_GET_CPUID: i32 = 0x1011;
const ARCH_SET_CPUID: i32 = 0x1012;

/// arch_prctl(2). The gs base is the kernel's: a program may read it as 0 and set it to 0, no more.
pub fn sys_arch_prctl(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let addr = args.usize(1);
    match args.i32(0) {
        ARCH_SET_FS => cur.user.set_fsbase(addr)?,
        ARCH_GET_FS => put(addr, &cur.user.fsbase())?,
        ARCH_SET_GS if addr == 0 => {}
        ARCH_SET_GS => return Err(Errno::PERM),
        ARCH_GET_GS => put(addr, &0usize)?,
        ARCH_GET_CPUID => return Ok(1),
        // As on a processor that cannot make cpuid a fault.
        ARCH_SET_CPUID => return Err(Errno::NODEV),
        _ => return Err(Errno::INVAL),
    }
    Ok(0)
}
