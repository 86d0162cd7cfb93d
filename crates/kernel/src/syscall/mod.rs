//! System calls: one file for each man page, one table for all.

mod accept;
mod access;
mod adjtimex;
mod aio;
mod arch_prctl;
mod at;
mod bind;
mod brk;
mod capget;
mod chdir;
mod chmod;
mod chown;
mod chroot;
mod clock_gettime;
mod clone;
mod close;
mod close_range;
mod cmsg;
mod connect;
mod copy_file_range;
mod dup;
mod entry;
mod epoll;
mod eventfd;
mod execve;
mod exit;
mod fadvise;
mod fallocate;
mod fcntl;
mod fcntl_lock;
mod flock;
mod fsync;
mod futex;
mod futex2;
mod getcwd;
mod getdents;
mod getpid;
mod getrandom;
mod getrlimit;
mod getrusage;
mod getsockname;
mod getsockopt;
mod getuid;
mod inotify;
mod ioctl;
mod kcmp;
mod kill;
mod link;
pub mod list;
mod listen;
mod lseek;
mod madvise;
mod membarrier;
mod memfd_create;
mod mincore;
mod mkdir;
mod mknod;
mod mlock;
mod mmap;
mod mount;
mod mprotect;
mod mq;
mod mremap;
mod mseal;
mod msg;
mod msghdr;
mod msync;
mod munmap;
mod name_to_handle_at;
mod nanosleep;
pub mod open;
mod openat2;
mod pidfd;
mod pipe;
mod pkeys;
mod poll;
mod prctl;
mod pread;
mod priority;
mod process_vm_readv;
mod read;
mod readlink;
mod readv;
mod recv;
mod rename;
mod rw;
mod sched;
mod select;
mod sem;
mod send;
mod sendfile;
mod set_tid_address;
mod setitimer;
mod setuid;
mod shm;
mod shutdown;
mod sigaction;
mod sigaltstack;
mod signalfd;
mod sigpending;
mod sigprocmask;
mod sigqueue;
mod sigreturn;
mod sigsuspend;
mod sigtimedwait;
mod sockaddr;
mod socket;
mod socketpair;
mod splice;
mod stat;
mod statfs;
mod statx;
mod symlink;
mod sysvipc;
pub mod table;
mod timer_create;
mod timerfd;
mod truncate;
mod umask;
mod uname;
pub mod unlink;
mod unshare;
mod utimensat;
mod vhangup;
mod wait4;
mod write;
mod xattr;

use crate::task::Current;
use crate::uaccess::Args;
use crate::{Errno, Result};

/// What answers a system call. The value goes to `rax`, an error negated.
pub type Handler = fn(&mut Current<'_>, &Args) -> Result<usize>;

/// Makes system call `number`; what there is not answers `ENOSYS`.
#[inline]
pub fn call(cur: &mut Current<'_>, number: usize, args: &Args) -> Result<usize> {
    match table::entry(number) {
        Some(table::Entry { handler: Some(handler), .. }) => handler(cur, args),
        entry => missing(number, entry),
    }
}

#[cold]
fn missing(number: usize, entry: Option<&table::Entry>) -> Result<usize> {
    let name = entry.map_or("unknown", |entry| entry.name);
    if crate::stats::missing_call(number) {
        host::log!(Info, "system call {number} ({name}) is not there: ENOSYS");
    }
    Err(Errno::NOSYS)
}

#[cfg(test)]
mod tests;
