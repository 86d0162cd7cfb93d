//! Promises of the system calls, each as a program sees it.

mod epoll;
mod file;
mod locks;
mod names;
mod signal;
mod transfer;

use crate::call;
use crate::testing::Thread;
use core::ffi::CStr;
use linux_raw_sys::general as g;

fn open(t: &mut Thread, path: &CStr, flags: u32) -> crate::Result<usize> {
    call!(t, g::__NR_open, path, flags, 0o644)
}

fn mkdir(t: &mut Thread, path: &CStr) {
    call!(t, g::__NR_mkdir, path, 0o755).expect("mkdir");
}

fn symlink(t: &mut Thread, target: &CStr, path: &CStr) {
    call!(t, g::__NR_symlink, target, path).expect("symlink");
}
