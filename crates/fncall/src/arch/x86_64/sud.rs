//! Syscall User Dispatch: the host sends SIGSYS for every `syscall` outside an allowed range.
//! See `Documentation/admin-guide/syscall-user-dispatch.rst` of Linux.

use super::linux;

const PR_SET_SYSCALL_USER_DISPATCH: usize = 59;

/// Turns Syscall User Dispatch on for the calling thread: system calls made from outside
/// `allowed_start..allowed_start + allowed_len` become SIGSYS while `*selector` is 1 (0 lets them pass), or
/// always when `selector` is null. The host forgets it in a forked or cloned child. `Err` holds the host's error number.
///
/// # Safety
/// The allowed range must contain this crate's code (the handlers return with a system call) and all other host
/// calls of the kernel; `selector` must stay readable until [`disable_sud`].
pub unsafe fn enable_sud(allowed_start: usize, allowed_len: usize, selector: *const u8) -> Result<(), i32> {
    // SAFETY: the caller's promise is exactly what the call needs.
    let ret = unsafe {
        linux::prctl([PR_SET_SYSCALL_USER_DISPATCH, 1, allowed_start, allowed_len, selector as usize])
    };
    if ret < 0 { Err(-ret as i32) } else { Ok(()) }
}

/// Turns Syscall User Dispatch off for the calling thread.
///
/// # Safety
/// System calls of the user program reach the host from now on.
pub unsafe fn disable_sud() -> Result<(), i32> {
    // SAFETY: the call touches no memory.
    let ret = unsafe { linux::prctl([PR_SET_SYSCALL_USER_DISPATCH, 0, 0, 0, 0]) };
    if ret < 0 { Err(-ret as i32) } else { Ok(()) }
}
