//! The system-call table: number, name, handler, how much of it there is, and a note. What is missing answers
//! `ENOSYS`. Numbers and names are those of Linux's `arch/x86/entry/syscalls/syscall_64.tbl`.

use super::Handler;

/// How much of a system call is implemented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// All that programs can observe here.
    Full,
    /// Some flags or cases are missing; the note says which.
    Partial,
    /// Answers `ENOSYS`.
    None,
}

/// One row.
#[derive(Clone, Copy)]
pub struct Entry {
    /// Linux's name.
    pub name: &'static str,
    /// What answers it.
    pub handler: Option<Handler>,
    /// How much of it there is.
    pub support: Support,
    /// What is missing or special.
    pub note: &'static str,
}

/// One more than the highest number known.
pub const COUNT: usize = 468;

/// The row of a number, if Linux has such a call.
#[inline]
pub fn entry(number: usize) -> Option<&'static Entry> {
    TABLE.get(number)?.as_ref()
}

static TABLE: [Option<Entry>; COUNT] = {
    use Support::{Full, None as Missing, Partial};
    const _: Support = Full;
    const _: Support = Partial;
    let mut table: [Option<Entry>; COUNT] = [const { None }; COUNT];
    macro_rules! rows {
        ($($number:literal $name:literal $support:ident $handler:expr, $note:literal;)*) => { $(
            table[$number] = Some(Entry { name: $name, handler: $handler, support: $support, note: $note });
        )* };
    }
    // A row that is there: `0 "read" Full Some(super::read::sys_read), "";`
    rows! {
        0 "read" Full Some(super::read::sys_read), "";
        1 "write" Full Some(super::write::sys_write), "";
        2 "open" Full Some(super::open::sys_open), "";
        3 "close" Full Some(super::close::sys_close), "";
        4 "stat" Full Some(super::stat::sys_stat), "";
        5 "fstat" Full Some(super::stat::sys_fstat), "";
        6 "lstat" Full Some(super::stat::sys_lstat), "";
        7 "poll" Full Some(super::poll::sys_poll), "";
        8 "lseek" Full Some(super::lseek::sys_lseek), "";
        9 "mmap" Full Some(super::mmap::sys_mmap), "no huge-page pool: MAP_HUGETLB answers ENOMEM";
        10 "mprotect" Full Some(super::mprotect::sys_mprotect), "";
        11 "munmap" Full Some(super::munmap::sys_munmap), "vdso and vvar are sealed: EPERM";
        12 "brk" Full Some(super::brk::sys_brk), "";
        13 "rt_sigaction" Full Some(super::sigaction::sys_rt_sigaction), "";
        14 "rt_sigprocmask" Full Some(super::sigprocmask::sys_rt_sigprocmask), "";
        15 "rt_sigreturn" Full Some(super::sigreturn::sys_rt_sigreturn), "";
        16 "ioctl" Full Some(super::ioctl::sys_ioctl), "commands of devices are theirs";
        17 "pread64" Full Some(super::pread::sys_pread64), "";
        18 "pwrite64" Full Some(super::pread::sys_pwrite64), "";
        19 "readv" Full Some(super::readv::sys_readv), "";
        20 "writev" Full Some(super::readv::sys_writev), "";
        21 "access" Full Some(super::access::sys_access), "";
        22 "pipe" Full Some(super::pipe::sys_pipe), "";
        23 "select" Full Some(super::select::sys_select), "";
        24 "sched_yield" Full Some(super::sched::sys_sched_yield), "";
        25 "mremap" Full Some(super::mremap::sys_mremap), "";
        26 "msync" Full Some(super::msync::sys_msync), "";
        27 "mincore" Full Some(super::mincore::sys_mincore), "";
        28 "madvise" Full Some(super::madvise::sys_madvise), "no MADV_HWPOISON, MADV_SOFT_OFFLINE";
        29 "shmget" Full Some(super::shm::sys_shmget), "no huge pages: SHM_HUGETLB answers ENOMEM";
        30 "shmat" Full Some(super::shm::sys_shmat), "";
        31 "shmctl" Full Some(super::shm::sys_shmctl), "";
        32 "dup" Full Some(super::dup::sys_dup), "";
        33 "dup2" Full Some(super::dup::sys_dup2), "";
        34 "pause" Full Some(super::sigsuspend::sys_pause), "";
        35 "nanosleep" Full Some(super::nanosleep::sys_nanosleep), "";
        36 "getitimer" Full Some(super::setitimer::sys_getitimer), "";
        37 "alarm" Full Some(super::setitimer::sys_alarm), "";
        38 "setitimer" Full Some(super::setitimer::sys_setitimer), "";
        39 "getpid" Full Some(super::getpid::sys_getpid), "";
        40 "sendfile" Full Some(super::sendfile::sys_sendfile), "";
        41 "socket" Partial Some(super::socket::sys_socket), "AF_UNIX; TCP and UDP of AF_INET and AF_INET6 over the loopback; AF_NETLINK: routes, sock_diag; others EAFNOSUPPORT";
        42 "connect" Full Some(super::connect::sys_connect), "";
        43 "accept" Full Some(super::accept::sys_accept), "";
        44 "sendto" Full Some(super::send::sys_sendto), "";
        45 "recvfrom" Full Some(super::recv::sys_recvfrom), "";
        46 "sendmsg" Partial Some(super::send::sys_sendmsg), "control messages of AF_UNIX and AF_NETLINK only";
        47 "recvmsg" Full Some(super::recv::sys_recvmsg), "";
        48 "shutdown" Full Some(super::shutdown::sys_shutdown), "";
        49 "bind" Full Some(super::bind::sys_bind), "";
        50 "listen" Full Some(super::listen::sys_listen), "";
        51 "getsockname" Full Some(super::getsockname::sys_getsockname), "";
        52 "getpeername" Full Some(super::getsockname::sys_getpeername), "";
        53 "socketpair" Full Some(super::socketpair::sys_socketpair), "";
        54 "setsockopt" Partial Some(super::getsockopt::sys_setsockopt), "no SO_PEEK_OFF, filters, SO_TIMESTAMPING, SO_ZEROCOPY and rare ones: ENOPROTOOPT";
        55 "getsockopt" Partial Some(super::getsockopt::sys_getsockopt), "as setsockopt";
        56 "clone" Partial Some(super::clone::sys_clone), "no namespaces: EPERM";
        57 "fork" Full Some(super::clone::sys_fork), "";
        58 "vfork" Full Some(super::clone::sys_vfork), "";
        59 "execve" Full Some(super::execve::sys_execve), "set-user-ID and file capabilities are ignored, as on a nosuid mount";
        60 "exit" Full Some(super::exit::sys_exit), "";
        61 "wait4" Full Some(super::wait4::sys_wait4), "";
        62 "kill" Full Some(super::kill::sys_kill), "";
        63 "uname" Full Some(super::uname::sys_uname), "what the host says";
        64 "semget" Full Some(super::sem::sys_semget), "";
        65 "semop" Full Some(super::sem::sys_semop), "";
        66 "semctl" Full Some(super::sem::sys_semctl), "";
        67 "shmdt" Full Some(super::shm::sys_shmdt), "";
        68 "msgget" Full Some(super::msg::sys_msgget), "";
        69 "msgsnd" Full Some(super::msg::sys_msgsnd), "";
        70 "msgrcv" Full Some(super::msg::sys_msgrcv), "";
        71 "msgctl" Full Some(super::msg::sys_msgctl), "";
        72 "fcntl" Partial Some(super::fcntl::sys_fcntl), "no leases on files of the host (--write); no SIGIO of them";
        73 "flock" Full Some(super::flock::sys_flock), "";
        74 "fsync" Full Some(super::fsync::sys_fsync), "";
        75 "fdatasync" Full Some(super::fsync::sys_fdatasync), "";
        76 "truncate" Full Some(super::truncate::sys_truncate), "";
        77 "ftruncate" Full Some(super::truncate::sys_ftruncate), "";
        78 "getdents" Full Some(super::getdents::sys_getdents), "";
        79 "getcwd" Full Some(super::getcwd::sys_getcwd), "";
        80 "chdir" Full Some(super::chdir::sys_chdir), "";
        81 "fchdir" Full Some(super::chdir::sys_fchdir), "";
        82 "rename" Full Some(super::rename::sys_rename), "";
        83 "mkdir" Full Some(super::mkdir::sys_mkdir), "";
        84 "rmdir" Full Some(super::unlink::sys_rmdir), "";
        85 "creat" Full Some(super::open::sys_creat), "";
        86 "link" Full Some(super::link::sys_link), "";
        87 "unlink" Full Some(super::unlink::sys_unlink), "";
        88 "symlink" Full Some(super::symlink::sys_symlink), "";
        89 "readlink" Full Some(super::readlink::sys_readlink), "";
        90 "chmod" Full Some(super::chmod::sys_chmod), "";
        91 "fchmod" Full Some(super::chmod::sys_fchmod), "";
        92 "chown" Full Some(super::chown::sys_chown), "";
        93 "fchown" Full Some(super::chown::sys_fchown), "";
        94 "lchown" Full Some(super::chown::sys_lchown), "";
        95 "umask" Full Some(super::umask::sys_umask), "";
        96 "gettimeofday" Full Some(super::clock_gettime::sys_gettimeofday), "";
        97 "getrlimit" Full Some(super::getrlimit::sys_getrlimit), "";
        98 "getrusage" Full Some(super::getrusage::sys_getrusage), "";
        99 "sysinfo" Full Some(super::uname::sys_sysinfo), "";
        100 "times" Full Some(super::getrusage::sys_times), "";
        101 "ptrace" Missing None, "";
        102 "getuid" Full Some(super::getuid::sys_getuid), "";
        103 "syslog" Missing None, "";
        104 "getgid" Full Some(super::getuid::sys_getgid), "";
        105 "setuid" Full Some(super::setuid::sys_setuid), "";
        106 "setgid" Full Some(super::setuid::sys_setgid), "";
        107 "geteuid" Full Some(super::getuid::sys_geteuid), "";
        108 "getegid" Full Some(super::getuid::sys_getegid), "";
        109 "setpgid" Full Some(super::getpid::sys_setpgid), "";
        110 "getppid" Full Some(super::getpid::sys_getppid), "";
        111 "getpgrp" Full Some(super::getpid::sys_getpgrp), "";
        112 "setsid" Full Some(super::getpid::sys_setsid), "";
        113 "setreuid" Full Some(super::setuid::sys_setreuid), "";
        114 "setregid" Full Some(super::setuid::sys_setregid), "";
        115 "getgroups" Full Some(super::getuid::sys_getgroups), "";
        116 "setgroups" Full Some(super::setuid::sys_setgroups), "";
        117 "setresuid" Full Some(super::setuid::sys_setresuid), "";
        118 "getresuid" Full Some(super::getuid::sys_getresuid), "";
        119 "setresgid" Full Some(super::setuid::sys_setresgid), "";
        120 "getresgid" Full Some(super::getuid::sys_getresgid), "";
        121 "getpgid" Full Some(super::getpid::sys_getpgid), "";
        122 "setfsuid" Full Some(super::setuid::sys_setfsuid), "";
        123 "setfsgid" Full Some(super::setuid::sys_setfsgid), "";
        124 "getsid" Full Some(super::getpid::sys_getsid), "";
        125 "capget" Full Some(super::capget::sys_capget), "";
        126 "capset" Full Some(super::capget::sys_capset), "";
        127 "rt_sigpending" Full Some(super::sigpending::sys_rt_sigpending), "";
        128 "rt_sigtimedwait" Full Some(super::sigtimedwait::sys_rt_sigtimedwait), "";
        129 "rt_sigqueueinfo" Full Some(super::sigqueue::sys_rt_sigqueueinfo), "";
        130 "rt_sigsuspend" Full Some(super::sigsuspend::sys_rt_sigsuspend), "";
        131 "sigaltstack" Full Some(super::sigaltstack::sys_sigaltstack), "";
        132 "utime" Full Some(super::utimensat::sys_utime), "";
        133 "mknod" Full Some(super::mknod::sys_mknod), "";
        134 "uselib" Missing None, "";
        135 "personality" Partial Some(super::sched::sys_personality), "ADDR_NO_RANDOMIZE, READ_IMPLIES_EXEC, STICKY_TIMEOUTS count, the rest is kept as data";
        136 "ustat" Missing None, "";
        137 "statfs" Full Some(super::statfs::sys_statfs), "";
        138 "fstatfs" Full Some(super::statfs::sys_fstatfs), "";
        139 "sysfs" Missing None, "";
        140 "getpriority" Full Some(super::priority::sys_getpriority), "";
        141 "setpriority" Full Some(super::priority::sys_setpriority), "";
        142 "sched_setparam" Full Some(super::sched::sys_sched_setparam), "";
        143 "sched_getparam" Full Some(super::sched::sys_sched_getparam), "";
        144 "sched_setscheduler" Full Some(super::sched::sys_sched_setscheduler), "";
        145 "sched_getscheduler" Full Some(super::sched::sys_sched_getscheduler), "";
        146 "sched_get_priority_max" Full Some(super::sched::sys_sched_get_priority_max), "";
        147 "sched_get_priority_min" Full Some(super::sched::sys_sched_get_priority_min), "";
        148 "sched_rr_get_interval" Full Some(super::sched::sys_sched_rr_get_interval), "";
        149 "mlock" Full Some(super::mlock::sys_mlock), "pages are brought in; pinned as far as the host allows";
        150 "munlock" Full Some(super::mlock::sys_munlock), "";
        151 "mlockall" Full Some(super::mlock::sys_mlockall), "as mlock";
        152 "munlockall" Full Some(super::mlock::sys_munlockall), "";
        153 "vhangup" Full Some(super::vhangup::sys_vhangup), "not of the host's terminal";
        154 "modify_ldt" Missing None, "";
        155 "pivot_root" Partial Some(super::mount::sys_privileged), "EPERM, as for an ordinary user";
        156 "_sysctl" Missing None, "";
        157 "prctl" Partial Some(super::prctl::sys_prctl), "no seccomp, no PR_SET_MM";
        158 "arch_prctl" Partial Some(super::arch_prctl::sys_arch_prctl), "the gs base is the kernel's";
        159 "adjtimex" Partial Some(super::adjtimex::sys_adjtimex), "reads only; changes: EPERM";
        160 "setrlimit" Full Some(super::getrlimit::sys_setrlimit), "";
        161 "chroot" Full Some(super::chroot::sys_chroot), "";
        162 "sync" Full Some(super::fsync::sys_sync), "";
        163 "acct" Partial Some(super::mount::sys_privileged), "EPERM, as for an ordinary user";
        164 "settimeofday" Partial Some(super::clock_gettime::sys_settimeofday), "EPERM";
        165 "mount" Partial Some(super::mount::sys_mount), "EPERM, as for an ordinary user";
        166 "umount2" Partial Some(super::mount::sys_umount2), "EPERM, as for an ordinary user";
        167 "swapon" Partial Some(super::mount::sys_privileged), "EPERM, as for an ordinary user";
        168 "swapoff" Partial Some(super::mount::sys_privileged), "EPERM, as for an ordinary user";
        169 "reboot" Missing None, "";
        170 "sethostname" Partial Some(super::uname::sys_sethostname), "EPERM: names belong to the host";
        171 "setdomainname" Partial Some(super::uname::sys_sethostname), "EPERM: names belong to the host";
        172 "iopl" Missing None, "";
        173 "ioperm" Missing None, "";
        174 "create_module" Missing None, "";
        175 "init_module" Missing None, "";
        176 "delete_module" Missing None, "";
        177 "get_kernel_syms" Missing None, "";
        178 "query_module" Missing None, "";
        179 "quotactl" Missing None, "";
        180 "nfsservctl" Missing None, "";
        181 "getpmsg" Missing None, "";
        182 "putpmsg" Missing None, "";
        183 "afs_syscall" Missing None, "";
        184 "tuxcall" Missing None, "";
        185 "security" Missing None, "";
        186 "gettid" Full Some(super::getpid::sys_gettid), "";
        187 "readahead" Full Some(super::fadvise::sys_readahead), "";
        188 "setxattr" Partial Some(super::xattr::sys_setxattr), "no access control lists";
        189 "lsetxattr" Partial Some(super::xattr::sys_lsetxattr), "no access control lists";
        190 "fsetxattr" Partial Some(super::xattr::sys_fsetxattr), "no access control lists";
        191 "getxattr" Partial Some(super::xattr::sys_getxattr), "no access control lists";
        192 "lgetxattr" Partial Some(super::xattr::sys_lgetxattr), "no access control lists";
        193 "fgetxattr" Partial Some(super::xattr::sys_fgetxattr), "no access control lists";
        194 "listxattr" Partial Some(super::xattr::sys_listxattr), "no access control lists";
        195 "llistxattr" Partial Some(super::xattr::sys_llistxattr), "no access control lists";
        196 "flistxattr" Partial Some(super::xattr::sys_flistxattr), "no access control lists";
        197 "removexattr" Partial Some(super::xattr::sys_removexattr), "no access control lists";
        198 "lremovexattr" Partial Some(super::xattr::sys_lremovexattr), "no access control lists";
        199 "fremovexattr" Partial Some(super::xattr::sys_fremovexattr), "no access control lists";
        200 "tkill" Full Some(super::kill::sys_tkill), "";
        201 "time" Full Some(super::clock_gettime::sys_time), "";
        202 "futex" Full Some(super::futex::sys_futex), "priorities are not inherited";
        203 "sched_setaffinity" Full Some(super::sched::sys_sched_setaffinity), "";
        204 "sched_getaffinity" Full Some(super::sched::sys_sched_getaffinity), "";
        205 "set_thread_area" Missing None, "";
        206 "io_setup" Full Some(super::aio::sys_io_setup), "";
        207 "io_destroy" Full Some(super::aio::sys_io_destroy), "";
        208 "io_getevents" Full Some(super::aio::sys_io_getevents), "";
        209 "io_submit" Partial Some(super::aio::sys_io_submit), "POLL of timers and host descriptors completes when io_getevents is called";
        210 "io_cancel" Full Some(super::aio::sys_io_cancel), "";
        211 "get_thread_area" Missing None, "";
        212 "lookup_dcookie" Missing None, "";
        213 "epoll_create" Full Some(super::epoll::sys_epoll_create), "";
        214 "epoll_ctl_old" Missing None, "";
        215 "epoll_wait_old" Missing None, "";
        216 "remap_file_pages" Full Some(super::mremap::sys_remap_file_pages), "";
        217 "getdents64" Full Some(super::getdents::sys_getdents64), "";
        218 "set_tid_address" Full Some(super::set_tid_address::sys_set_tid_address), "";
        219 "restart_syscall" Full Some(super::sigreturn::sys_restart_syscall), "";
        220 "semtimedop" Full Some(super::sem::sys_semtimedop), "";
        221 "fadvise64" Full Some(super::fadvise::sys_fadvise64), "";
        222 "timer_create" Full Some(super::timer_create::sys_timer_create), "";
        223 "timer_settime" Full Some(super::timer_create::sys_timer_settime), "";
        224 "timer_gettime" Full Some(super::timer_create::sys_timer_gettime), "";
        225 "timer_getoverrun" Full Some(super::timer_create::sys_timer_getoverrun), "";
        226 "timer_delete" Full Some(super::timer_create::sys_timer_delete), "";
        227 "clock_settime" Partial Some(super::clock_gettime::sys_clock_settime), "EPERM";
        228 "clock_gettime" Full Some(super::clock_gettime::sys_clock_gettime), "";
        229 "clock_getres" Full Some(super::clock_gettime::sys_clock_getres), "";
        230 "clock_nanosleep" Full Some(super::nanosleep::sys_clock_nanosleep), "";
        231 "exit_group" Full Some(super::exit::sys_exit_group), "";
        232 "epoll_wait" Full Some(super::epoll::sys_epoll_wait), "";
        233 "epoll_ctl" Full Some(super::epoll::sys_epoll_ctl), "";
        234 "tgkill" Full Some(super::kill::sys_tgkill), "";
        235 "utimes" Full Some(super::utimensat::sys_utimes), "";
        236 "vserver" Missing None, "";
        237 "mbind" Missing None, "";
        238 "set_mempolicy" Partial Some(super::sched::sys_set_mempolicy), "MPOL_DEFAULT only";
        239 "get_mempolicy" Partial Some(super::sched::sys_get_mempolicy), "the default policy";
        240 "mq_open" Full Some(super::mq::sys_mq_open), "";
        241 "mq_unlink" Full Some(super::mq::sys_mq_unlink), "";
        242 "mq_timedsend" Full Some(super::mq::sys_mq_timedsend), "";
        243 "mq_timedreceive" Full Some(super::mq::sys_mq_timedreceive), "";
        244 "mq_notify" Full Some(super::mq::sys_mq_notify), "";
        245 "mq_getsetattr" Full Some(super::mq::sys_mq_getsetattr), "";
        246 "kexec_load" Missing None, "";
        247 "waitid" Full Some(super::wait4::sys_waitid), "";
        248 "add_key" Missing None, "";
        249 "request_key" Missing None, "";
        250 "keyctl" Missing None, "";
        251 "ioprio_set" Full Some(super::priority::sys_ioprio_set), "";
        252 "ioprio_get" Full Some(super::priority::sys_ioprio_get), "";
        253 "inotify_init" Full Some(super::inotify::sys_inotify_init), "";
        254 "inotify_add_watch" Full Some(super::inotify::sys_inotify_add_watch), "changes made by the host are not seen";
        255 "inotify_rm_watch" Full Some(super::inotify::sys_inotify_rm_watch), "";
        256 "migrate_pages" Missing None, "";
        257 "openat" Full Some(super::open::sys_openat), "";
        258 "mkdirat" Full Some(super::mkdir::sys_mkdirat), "";
        259 "mknodat" Full Some(super::mknod::sys_mknodat), "";
        260 "fchownat" Full Some(super::chown::sys_fchownat), "";
        261 "futimesat" Full Some(super::utimensat::sys_futimesat), "";
        262 "newfstatat" Full Some(super::stat::sys_newfstatat), "";
        263 "unlinkat" Full Some(super::unlink::sys_unlinkat), "";
        264 "renameat" Full Some(super::rename::sys_renameat), "";
        265 "linkat" Full Some(super::link::sys_linkat), "";
        266 "symlinkat" Full Some(super::symlink::sys_symlinkat), "";
        267 "readlinkat" Full Some(super::readlink::sys_readlinkat), "";
        268 "fchmodat" Full Some(super::chmod::sys_fchmodat), "";
        269 "faccessat" Full Some(super::access::sys_faccessat), "";
        270 "pselect6" Full Some(super::select::sys_pselect6), "";
        271 "ppoll" Full Some(super::poll::sys_ppoll), "";
        272 "unshare" Partial Some(super::unshare::sys_unshare), "no namespaces: EPERM";
        273 "set_robust_list" Full Some(super::set_tid_address::sys_set_robust_list), "";
        274 "get_robust_list" Full Some(super::set_tid_address::sys_get_robust_list), "";
        275 "splice" Full Some(super::splice::sys_splice), "bytes are copied";
        276 "tee" Partial Some(super::splice::sys_tee), "not of pipes inherited from outside: EINVAL";
        277 "sync_file_range" Full Some(super::fsync::sys_sync_file_range), "";
        278 "vmsplice" Full Some(super::splice::sys_vmsplice), "bytes are copied";
        279 "move_pages" Missing None, "";
        280 "utimensat" Full Some(super::utimensat::sys_utimensat), "";
        281 "epoll_pwait" Full Some(super::epoll::sys_epoll_pwait), "";
        282 "signalfd" Full Some(super::signalfd::sys_signalfd), "";
        283 "timerfd_create" Full Some(super::timerfd::sys_timerfd_create), "";
        284 "eventfd" Full Some(super::eventfd::sys_eventfd), "";
        285 "fallocate" Full Some(super::fallocate::sys_fallocate), "";
        286 "timerfd_settime" Partial Some(super::timerfd::sys_timerfd_settime), "TFD_TIMER_CANCEL_ON_SET never cancels: steps of the clock go unnoticed";
        287 "timerfd_gettime" Full Some(super::timerfd::sys_timerfd_gettime), "";
        288 "accept4" Full Some(super::accept::sys_accept4), "";
        289 "signalfd4" Full Some(super::signalfd::sys_signalfd4), "";
        290 "eventfd2" Full Some(super::eventfd::sys_eventfd2), "";
        291 "epoll_create1" Full Some(super::epoll::sys_epoll_create1), "";
        292 "dup3" Full Some(super::dup::sys_dup3), "";
        293 "pipe2" Full Some(super::pipe::sys_pipe2), "O_NOTIFICATION_PIPE: ENOPKG";
        294 "inotify_init1" Full Some(super::inotify::sys_inotify_init1), "";
        295 "preadv" Full Some(super::readv::sys_preadv), "";
        296 "pwritev" Full Some(super::readv::sys_pwritev), "";
        297 "rt_tgsigqueueinfo" Full Some(super::sigqueue::sys_rt_tgsigqueueinfo), "";
        298 "perf_event_open" Missing None, "";
        299 "recvmmsg" Full Some(super::recv::sys_recvmmsg), "";
        300 "fanotify_init" Missing None, "";
        301 "fanotify_mark" Missing None, "";
        302 "prlimit64" Full Some(super::getrlimit::sys_prlimit64), "";
        303 "name_to_handle_at" Partial Some(super::name_to_handle_at::sys_name_to_handle_at), "handles of this instance alone";
        304 "open_by_handle_at" Partial Some(super::name_to_handle_at::sys_open_by_handle_at), "handles of this instance alone, the last 4096";
        305 "clock_adjtime" Partial Some(super::adjtimex::sys_clock_adjtime), "reads only; changes: EPERM";
        306 "syncfs" Full Some(super::fsync::sys_syncfs), "";
        307 "sendmmsg" Partial Some(super::send::sys_sendmmsg), "as sendmsg";
        308 "setns" Missing None, "";
        309 "getcpu" Full Some(super::sched::sys_getcpu), "";
        310 "process_vm_readv" Full Some(super::process_vm_readv::sys_process_vm_readv), "";
        311 "process_vm_writev" Full Some(super::process_vm_readv::sys_process_vm_writev), "";
        312 "kcmp" Partial Some(super::kcmp::sys_kcmp), "no KCMP_EPOLL_TFD";
        313 "finit_module" Missing None, "";
        314 "sched_setattr" Full Some(super::sched::sys_sched_setattr), "";
        315 "sched_getattr" Full Some(super::sched::sys_sched_getattr), "";
        316 "renameat2" Full Some(super::rename::sys_renameat2), "";
        317 "seccomp" Missing None, "";
        318 "getrandom" Full Some(super::getrandom::sys_getrandom), "";
        319 "memfd_create" Full Some(super::memfd_create::sys_memfd_create), "";
        320 "kexec_file_load" Missing None, "";
        321 "bpf" Missing None, "";
        322 "execveat" Full Some(super::execve::sys_execveat), "as execve";
        323 "userfaultfd" Missing None, "";
        324 "membarrier" Full Some(super::membarrier::sys_membarrier), "without the commands for restartable sequences";
        325 "mlock2" Full Some(super::mlock::sys_mlock2), "as mlock";
        326 "copy_file_range" Full Some(super::copy_file_range::sys_copy_file_range), "";
        327 "preadv2" Full Some(super::readv::sys_preadv2), "";
        328 "pwritev2" Full Some(super::readv::sys_pwritev2), "";
        329 "pkey_mprotect" Full Some(super::pkeys::sys_pkey_mprotect), "as on a processor without protection keys";
        330 "pkey_alloc" Full Some(super::pkeys::sys_pkey_alloc), "as on a processor without protection keys";
        331 "pkey_free" Full Some(super::pkeys::sys_pkey_free), "as on a processor without protection keys";
        332 "statx" Partial Some(super::statx::sys_statx), "no mount id";
        333 "io_pgetevents" Full Some(super::aio::sys_io_pgetevents), "";
        334 "rseq" Partial Some(super::set_tid_address::sys_rseq), "refused with ENOSYS, which every libc takes";
        424 "pidfd_send_signal" Full Some(super::pidfd::sys_pidfd_send_signal), "";
        425 "io_uring_setup" Missing None, "";
        426 "io_uring_enter" Missing None, "";
        427 "io_uring_register" Missing None, "";
        428 "open_tree" Partial Some(super::mount::sys_open_tree), "no OPEN_TREE_CLONE";
        429 "move_mount" Partial Some(super::mount::sys_privileged), "EPERM, as for an ordinary user";
        430 "fsopen" Partial Some(super::mount::sys_privileged), "EPERM, as for an ordinary user";
        431 "fsconfig" Missing None, "";
        432 "fsmount" Partial Some(super::mount::sys_privileged), "EPERM, as for an ordinary user";
        433 "fspick" Partial Some(super::mount::sys_privileged), "EPERM, as for an ordinary user";
        434 "pidfd_open" Full Some(super::pidfd::sys_pidfd_open), "ioctl(2) tells about it, but of no namespaces";
        435 "clone3" Partial Some(super::clone::sys_clone3), "as clone; CLONE_INTO_CGROUP answers EOPNOTSUPP";
        436 "close_range" Full Some(super::close_range::sys_close_range), "";
        437 "openat2" Full Some(super::openat2::sys_openat2), "";
        438 "pidfd_getfd" Full Some(super::pidfd::sys_pidfd_getfd), "";
        439 "faccessat2" Full Some(super::access::sys_faccessat2), "";
        440 "process_madvise" Missing None, "";
        441 "epoll_pwait2" Full Some(super::epoll::sys_epoll_pwait2), "";
        442 "mount_setattr" Missing None, "";
        443 "quotactl_fd" Missing None, "";
        444 "landlock_create_ruleset" Missing None, "";
        445 "landlock_add_rule" Missing None, "";
        446 "landlock_restrict_self" Missing None, "";
        447 "memfd_secret" Missing None, "";
        448 "process_mrelease" Missing None, "";
        449 "futex_waitv" Full Some(super::futex2::sys_futex_waitv), "32-bit words, no node numbers";
        450 "set_mempolicy_home_node" Missing None, "";
        451 "cachestat" Missing None, "";
        452 "fchmodat2" Full Some(super::chmod::sys_fchmodat2), "";
        453 "map_shadow_stack" Missing None, "";
        454 "futex_wake" Full Some(super::futex2::sys_futex_wake), "32-bit words, no node numbers";
        455 "futex_wait" Full Some(super::futex2::sys_futex_wait), "32-bit words, no node numbers";
        456 "futex_requeue" Full Some(super::futex2::sys_futex_requeue), "32-bit words, no node numbers";
        457 "statmount" Missing None, "";
        458 "listmount" Missing None, "";
        459 "lsm_get_self_attr" Missing None, "";
        460 "lsm_set_self_attr" Missing None, "";
        461 "lsm_list_modules" Missing None, "";
        462 "mseal" Full Some(super::mseal::sys_mseal), "";
        463 "setxattrat" Partial Some(super::xattr::sys_setxattrat), "no access control lists";
        464 "getxattrat" Partial Some(super::xattr::sys_getxattrat), "no access control lists";
        465 "listxattrat" Partial Some(super::xattr::sys_listxattrat), "no access control lists";
        466 "removexattrat" Partial Some(super::xattr::sys_removexattrat), "no access control lists";
        467 "open_tree_attr" Missing None, "";
    }
    table
};
