//! clone(2), clone3(2), fork(2), vfork(2).

use crate::task::{CloneArgs, Current, clone};
use crate::uaccess::{Args, get, get_bytes};
use crate::{Errno, Result};
use linux_raw_sys::general::{CLONE_VFORK, CLONE_VM, SIGCHLD};

/// clone(2): flags and signal, stack, parent_tid, child_tid, tls.
pub fn sys_clone(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let flags = args.u64(0) & 0xffff_ffff;
    let clone_args = CloneArgs {
        flags: flags & !0xff,
        exit_signal: flags as u32 & 0xff,
        stack: args.usize(1),
        parent_tid: args.usize(2),
        child_tid: args.usize(3),
        tls: args.usize(4),
    };
    clone(cur, &clone_args)
}

/// fork(2)
pub fn sys_fork(cur: &mut Current<'_>, _args: &Args) -> Result<usize> {
    clone(cur, &CloneArgs { exit_signal: SIGCHLD, ..CloneArgs::default() })
}

/// vfork(2)
pub fn sys_vfork(cur: &mut Current<'_>, _args: &Args) -> Result<usize> {
    let flags = u64::from(CLONE_VM | CLONE_VFORK);
    clone(cur, &CloneArgs { flags, exit_signal: SIGCHLD, ..CloneArgs::default() })
}

/// `CLONE_ARGS_SIZE_VER0`, and the size with everything known here (`VER2`).
const SIZES: [usize; 2] = [64, 88];

/// clone3(2): `struct clone_args` and its size.
pub fn sys_clone3(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (addr, size) = (args.usize(0), args.usize(1));
    if size > 4096 {
        return Err(Errno::TOOBIG);
    }
    if size < SIZES[0] {
        return Err(Errno::INVAL);
    }
    let mut bytes = [0u8; 4096];
    get_bytes(&mut bytes[..size], addr)?;
    if bytes[SIZES[1]..].iter().any(|&b| b != 0) {
        return Err(Errno::TOOBIG);
    }
    let [flags, _pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls] = get::<[u64; 8]>(addr)?;
    let [set_tid, set_tid_size, _cgroup] =
        core::array::from_fn(|n| u64::from_ne_bytes(core::array::from_fn(|b| bytes[64 + n * 8 + b])));
    if exit_signal > 64 || (stack == 0) != (stack_size == 0) || flags & 0xff != 0 {
        return Err(Errno::INVAL);
    }
    if set_tid != 0 || set_tid_size != 0 {
        return Err(Errno::PERM);
    }
    let clone_args = CloneArgs {
        flags,
        exit_signal: exit_signal as u32,
        stack: stack.wrapping_add(stack_size) as usize,
        parent_tid: parent_tid as usize,
        child_tid: child_tid as usize,
        tls: tls as usize,
    };
    clone(cur, &clone_args)
}
