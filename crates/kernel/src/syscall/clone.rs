//! clone(2), clone3(2), fork(2), vfork(2).

use crate::task::{CloneArgs, Current, clone};
use crate::uaccess::{Args, get, get_bytes};
use crate::{Errno, Result};
use linux_raw_sys::general::{
    CLONE_CLEAR_SIGHAND, CLONE_DETACHED, CLONE_INTO_CGROUP, CLONE_NEWTIME, CLONE_PARENT, CLONE_SIGHAND,
    CLONE_THREAD, CLONE_VFORK, CLONE_VM, SIGCHLD,
};

/// clone(2): flags and signal, stack, parent_tid, child_tid, tls.
pub fn sys_clone(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let flags = args.u64(0) & 0xffff_ffff;
    let clone_args = CloneArgs {
        flags: flags & !CSIGNAL,
        exit_signal: (flags & CSIGNAL) as u32,
        stack: args.usize(1),
        parent_tid: args.usize(2),
        child_tid: args.usize(3),
        tls: args.usize(4),
        // The two share a word, so only one can be asked for.
        pidfd: args.usize(2),
        ..CloneArgs::default()
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

/// `CSIGNAL`: the signal in the flags of clone(2).
const CSIGNAL: u64 = 0xff;
/// `CLONE_ARGS_SIZE_VER0`, and the size with everything known here (`VER2`).
const SIZES: [usize; 2] = [64, 88];
/// `MAX_PID_NS_LEVEL`
const MAX_PID_NS_LEVEL: u64 = 32;

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
    let word = |n: usize| u64::from_ne_bytes(core::array::from_fn(|b| bytes[n * 8 + b]));
    let [flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls] =
        core::array::from_fn(word);
    let [set_tid, set_tid_size, cgroup] = core::array::from_fn(|n| word(8 + n));
    let into_cgroup = flags & CLONE_INTO_CGROUP != 0;
    if set_tid_size > MAX_PID_NS_LEVEL
        || (set_tid == 0) != (set_tid_size == 0)
        || exit_signal > 64
        || into_cgroup && (cgroup > i32::MAX as u64 || size < SIZES[1])
    {
        return Err(Errno::INVAL);
    }
    // Innermost namespace first; there is only one.
    let mut tids = [0i32; MAX_PID_NS_LEVEL as usize];
    for (n, tid) in tids.iter_mut().take(set_tid_size as usize).enumerate() {
        *tid = get((set_tid as usize).wrapping_add(n * 4))?;
    }
    let has = |flag: u32| flags & u64::from(flag) != 0;
    if has(CLONE_DETACHED)
        || flags & CSIGNAL & !u64::from(CLONE_NEWTIME) != 0
        || has(CLONE_SIGHAND) && flags & CLONE_CLEAR_SIGHAND != 0
        || (has(CLONE_THREAD) || has(CLONE_PARENT)) && exit_signal != 0
        || (stack == 0) != (stack_size == 0)
        || stack != 0 && !usercopy::access_ok(stack as usize, stack_size as usize)
    {
        return Err(Errno::INVAL);
    }
    if set_tid_size > 1 || set_tid_size == 1 && tids[0] < 1 {
        return Err(Errno::INVAL);
    }
    let clone_args = CloneArgs {
        flags: flags & !CLONE_INTO_CGROUP,
        exit_signal: exit_signal as u32,
        stack: stack.wrapping_add(stack_size) as usize,
        parent_tid: parent_tid as usize,
        child_tid: child_tid as usize,
        tls: tls as usize,
        pidfd: pidfd as usize,
        set_tid: tids[0],
        cgroup: into_cgroup.then_some(cgroup as i32),
        ..CloneArgs::default()
    };
    clone(cur, &clone_args)
}
