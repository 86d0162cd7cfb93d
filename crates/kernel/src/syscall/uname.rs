//! uname(2), sethostname(2), setdomainname(2), sysinfo(2).

use crate::task::Current;
use crate::uaccess::{Args, put, put_bytes};
use crate::{Errno, Result};

/// uname(2): what the host says. The program runs on our kernel, but features, libc and tools decide by the
/// version of the host whose vdso, processor state and files they see.
pub fn sys_uname(_cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    put_bytes(args.usize(0), &host::system::uname())?;
    Ok(0)
}

/// sethostname(2), setdomainname(2): names belong to the host.
pub fn sys_sethostname(_cur: &mut Current<'_>, _args: &Args) -> Result<usize> {
    Err(Errno::PERM)
}

/// sysinfo(2)
pub fn sys_sysinfo(_cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let mut info = host::system::sysinfo();
    // `procs`: those of the instance, not of the host (offset 80 of struct sysinfo).
    let procs = crate::task::processes().len() as u16;
    info[80..82].copy_from_slice(&procs.to_ne_bytes());
    put(args.usize(0), &info)?;
    Ok(0)
}
