//! Types that may be read from and written to user memory as plain bytes.

use linux_raw_sys::general as g;

/// A type without invalid bit patterns and without references.
///
/// # Safety
/// Any sequence of `size_of::<Self>()` bytes must be a valid value, and moving its bytes (padding included) to
/// the program must be harmless.
pub unsafe trait Pod: Copy + 'static {}

macro_rules! pod {
    ($($t:ty),* $(,)?) => { $(
        // SAFETY: an integer, or a C struct of the Linux ABI made of integers, arrays of them, raw pointers and
        // unions of those: every bit pattern is valid.
        unsafe impl Pod for $t {}
    )* };
}

pod!(u8, i8, u16, i16, u32, i32, u64, i64, usize, isize, u128, ());
// SAFETY: an array of plain values is a plain value.
unsafe impl<T: Pod, const N: usize> Pod for [T; N] {}

pod!(
    g::stat,
    g::statx,
    g::statx_timestamp,
    g::statfs64,
    g::__kernel_timespec,
    g::__kernel_old_timeval,
    g::__kernel_old_timespec,
    g::__kernel_itimerspec,
    g::itimerspec,
    g::itimerval,
    g::timezone,
    g::iovec,
    g::rusage,
    g::rlimit,
    g::rlimit64,
    g::flock,
    g::flock64,
    g::epoll_event,
    g::pollfd,
    g::siginfo_t,
    g::sigevent,
    g::stack_t,
    g::open_how,
    g::f_owner_ex,
    g::clone_args,
    g::__user_cap_header_struct,
    g::__user_cap_data_struct,
    linux_raw_sys::system::new_utsname,
);
