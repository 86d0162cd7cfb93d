//! Opening, descriptors, attributes, directories.

use super::{mkdir, open, symlink};
use crate::testing::{BAD, CWD, Thread, cred};
use crate::{Errno, call};
use alloc::borrow::ToOwned;
use core::ffi::CStr;
use linux_raw_sys::general as g;
use linux_raw_sys::general::{
    O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_PATH, O_RDWR, O_TRUNC, O_WRONLY,
};

#[test]
fn open_creates_truncates_and_refuses() {
    let mut t = Thread::root();
    assert_eq!(open(&mut t, c"/f", 0), Err(Errno::NOENT));
    assert_eq!(open(&mut t, c"", O_CREAT), Err(Errno::NOENT));
    t.make_file(c"/f", b"abc");
    assert_eq!(t.lstat(c"/f").unwrap().st_mode, 0o100644);
    assert_eq!(open(&mut t, c"/f", O_CREAT | O_EXCL | O_RDWR), Err(Errno::EXIST));
    assert_eq!(open(&mut t, c"/f", O_DIRECTORY), Err(Errno::NOTDIR));
    assert_eq!(open(&mut t, c"/f/", 0), Err(Errno::NOTDIR));
    assert_eq!(open(&mut t, c"/f/x", 0), Err(Errno::NOTDIR));
    assert_eq!(open(&mut t, c"/f/", O_CREAT), Err(Errno::ISDIR));
    assert_eq!(open(&mut t, c"/g/", O_CREAT), Err(Errno::ISDIR));
    assert_eq!(open(&mut t, c"/", O_WRONLY), Err(Errno::ISDIR));
    assert_eq!(open(&mut t, c"/", O_CREAT), Err(Errno::ISDIR));
    assert_eq!(open(&mut t, c"/.", O_CREAT | O_EXCL), Err(Errno::EXIST));
    assert_eq!(open(&mut t, c"/", O_TRUNC), Err(Errno::ISDIR));
    assert_eq!(open(&mut t, c"/x", O_CREAT | O_DIRECTORY), Err(Errno::INVAL));
    // Read-only and truncating: Linux truncates.
    open(&mut t, c"/f", O_TRUNC).unwrap();
    assert_eq!(t.lstat(c"/f").unwrap().st_size, 0);
    assert_eq!(call!(t, g::__NR_open, BAD, 0), Err(Errno::FAULT));
    let mut long = [b'a'; 5000];
    long[4999] = 0;
    assert_eq!(call!(t, g::__NR_open, &long[..], 0), Err(Errno::NAMETOOLONG));
    long[300] = 0;
    assert_eq!(call!(t, g::__NR_open, &long[..], O_CREAT, 0o600), Err(Errno::NAMETOOLONG));
    long[255] = 0;
    assert!(call!(t, g::__NR_open, &long[..], O_CREAT, 0o600).is_ok());
}

#[test]
fn open_with_a_link_at_the_end() {
    let mut t = Thread::root();
    t.make_file(c"/f", b"abc");
    mkdir(&mut t, c"/d");
    symlink(&mut t, c"f", c"/to_f");
    symlink(&mut t, c"new", c"/dangling");
    symlink(&mut t, c"d", c"/to_d");
    symlink(&mut t, c"loop", c"/loop");
    assert_eq!(t.content(c"/to_f"), b"abc");
    assert_eq!(open(&mut t, c"/to_f", O_NOFOLLOW), Err(Errno::LOOP));
    assert_eq!(open(&mut t, c"/loop", 0), Err(Errno::LOOP));
    assert_eq!(open(&mut t, c"/to_d", O_DIRECTORY | O_NOFOLLOW), Err(Errno::NOTDIR));
    assert!(open(&mut t, c"/to_d/", O_DIRECTORY | O_NOFOLLOW).is_ok());
    assert_eq!(open(&mut t, c"/dangling", 0), Err(Errno::NOENT));
    assert_eq!(open(&mut t, c"/dangling", O_CREAT | O_EXCL | O_WRONLY), Err(Errno::EXIST));
    assert!(open(&mut t, c"/dangling", O_CREAT | O_WRONLY).is_ok());
    assert!(t.lstat(c"/new").is_ok());
    let fd = open(&mut t, c"/to_f", O_PATH | O_NOFOLLOW).unwrap();
    let mut buf = [0u8; 8];
    assert_eq!(call!(t, g::__NR_readlinkat, fd, c"", &mut buf[..], 8), Ok(1));
    assert_eq!(buf[0], b'f');
}

#[test]
fn openat_is_relative_to_the_descriptor_only_for_relative_paths() {
    let mut t = Thread::root();
    mkdir(&mut t, c"/d");
    t.make_file(c"/d/f", b"1");
    t.make_file(c"/f", b"2");
    let d = open(&mut t, c"/d", O_PATH | O_DIRECTORY).unwrap();
    let f = open(&mut t, c"/f", 0).unwrap();
    assert!(call!(t, g::__NR_openat, d, c"f", 0).is_ok());
    assert!(call!(t, g::__NR_openat, 99, c"/f", 0).is_ok());
    assert_eq!(call!(t, g::__NR_openat, 99, c"f", 0), Err(Errno::BADF));
    assert_eq!(call!(t, g::__NR_openat, f, c"f", 0), Err(Errno::NOTDIR));
    assert!(call!(t, g::__NR_openat, CWD, c"f", 0).is_ok());
}

#[test]
fn openat2_restricts_and_checks_its_struct() {
    let mut t = Thread::root();
    mkdir(&mut t, c"/d");
    t.make_file(c"/d/f", b"1");
    t.make_file(c"/f", b"2");
    symlink(&mut t, c"../f", c"/d/up");
    symlink(&mut t, c"/f", c"/d/abs");
    let d = open(&mut t, c"/d", O_PATH | O_DIRECTORY).unwrap();
    let mut go = |path: &CStr, resolve: u64| {
        let how = [0u64, 0, resolve];
        call!(t, g::__NR_openat2, d, path, &how[..], 24)
    };
    const BENEATH: u64 = 8;
    const IN_ROOT: u64 = 16;
    assert!(go(c"f", BENEATH).is_ok());
    assert_eq!(go(c"up", BENEATH), Err(Errno::XDEV));
    assert_eq!(go(c"abs", BENEATH), Err(Errno::XDEV));
    assert_eq!(go(c"/f", BENEATH), Err(Errno::XDEV));
    assert_eq!(go(c"..", BENEATH), Err(Errno::XDEV));
    assert!(go(c"/f", IN_ROOT).is_ok());
    assert!(go(c"up", IN_ROOT).is_ok());
    assert!(go(c"abs", IN_ROOT).is_ok());
    assert_eq!(go(c"up", 4), Err(Errno::LOOP));
    assert_eq!(go(c"f", BENEATH | IN_ROOT), Err(Errno::INVAL));
    assert_eq!(go(c"f", 0x40), Err(Errno::INVAL));
    let how = [0u64, 0, 0, 1];
    assert_eq!(call!(t, g::__NR_openat2, d, c"f", &how[..], 32), Err(Errno::TOOBIG));
    assert!(call!(t, g::__NR_openat2, d, c"f", &how[..], 24).is_ok());
    assert_eq!(call!(t, g::__NR_openat2, d, c"f", &how[..], 23), Err(Errno::INVAL));
    let how = [0u64, 0o644, 0];
    assert_eq!(call!(t, g::__NR_openat2, d, c"f", &how[..], 24), Err(Errno::INVAL));
    let how = [1u64 << 40, 0, 0];
    assert_eq!(call!(t, g::__NR_openat2, d, c"f", &how[..], 24), Err(Errno::INVAL));
}

#[test]
fn permission_bits_decide_who_opens() {
    let mut t = Thread::root();
    t.make_file(c"/f", b"abc");
    mkdir(&mut t, c"/locked");
    t.make_file(c"/locked/f", b"");
    call!(t, g::__NR_chmod, c"/locked", 0o600).unwrap();
    let mut u = t.another(cred(1000, 1000, &[]));
    assert!(open(&mut u, c"/f", 0).is_ok());
    assert_eq!(open(&mut u, c"/f", O_RDWR), Err(Errno::ACCESS));
    assert_eq!(open(&mut u, c"/f", O_TRUNC), Err(Errno::ACCESS));
    assert_eq!(open(&mut u, c"/new", O_CREAT), Err(Errno::ACCESS));
    assert_eq!(open(&mut u, c"/locked/f", 0), Err(Errno::ACCESS));
    assert_eq!(open(&mut u, c"/locked/nothing", 0), Err(Errno::ACCESS));
    assert_eq!(call!(u, g::__NR_access, c"/f", 4), Ok(0));
    assert_eq!(call!(u, g::__NR_access, c"/f", 2), Err(Errno::ACCESS));
    assert_eq!(call!(u, g::__NR_access, c"/f", 8), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_access, c"/f", 1), Err(Errno::ACCESS));
    // A file just made may be written whatever its mode says.
    call!(t, g::__NR_chmod, c"/", 0o777).unwrap();
    let fd = call!(u, g::__NR_open, c"/mine", O_CREAT | O_WRONLY, 0).unwrap();
    assert_eq!(call!(u, g::__NR_write, fd, &b"x"[..], 1), Ok(1));
}

#[test]
fn access_asks_with_the_real_ids() {
    let mut t = Thread::root();
    t.make_file(c"/f", b"abc");
    call!(t, g::__NR_chmod, c"/f", 0o600).unwrap();
    let mut setuid = cred(0, 0, &[]);
    setuid.uid = 1000;
    t.become_user(setuid);
    assert_eq!(call!(t, g::__NR_access, c"/f", 4), Err(Errno::ACCESS));
    assert_eq!(call!(t, g::__NR_faccessat2, CWD, c"/f", 4, g::AT_EACCESS), Ok(0));
    assert_eq!(call!(t, g::__NR_faccessat2, CWD, c"/f", 4, 1), Err(Errno::INVAL));
}

#[test]
fn descriptors_are_the_lowest_free_and_duplicates_share_the_position() {
    let mut t = Thread::root();
    t.make_file(c"/f", b"abcdef");
    let a = open(&mut t, c"/f", 0).unwrap();
    let b = call!(t, g::__NR_dup, a).unwrap();
    assert_eq!((a, b), (0, 1));
    call!(t, g::__NR_lseek, a, 3, g::SEEK_SET).unwrap();
    assert_eq!(call!(t, g::__NR_lseek, b, 0, g::SEEK_CUR), Ok(3));
    assert_eq!(call!(t, g::__NR_dup2, a, 10), Ok(10));
    assert_eq!(call!(t, g::__NR_dup2, a, a), Ok(a));
    assert_eq!(call!(t, g::__NR_dup2, 99, 99), Err(Errno::BADF));
    assert_eq!(call!(t, g::__NR_dup2, a, 1024), Err(Errno::BADF));
    assert_eq!(call!(t, g::__NR_dup3, a, a, 0), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_dup3, a, 11, 1), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_dup3, a, 11, g::O_CLOEXEC), Ok(11));
    assert_eq!(call!(t, g::__NR_fcntl, 11, g::F_GETFD), Ok(1));
    assert_eq!(call!(t, g::__NR_fcntl, 10, g::F_GETFD), Ok(0));
    assert_eq!(call!(t, g::__NR_close, a), Ok(0));
    assert_eq!(call!(t, g::__NR_close, a), Err(Errno::BADF));
    assert_eq!(open(&mut t, c"/f", 0), Ok(0));
    assert_eq!(call!(t, g::__NR_fcntl, 0, g::F_DUPFD, 5), Ok(5));
    assert_eq!(call!(t, g::__NR_fcntl, 0, g::F_DUPFD_CLOEXEC, 5), Ok(6));
    assert_eq!(call!(t, g::__NR_fcntl, 0, g::F_DUPFD, 1024), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_fcntl, 0, g::F_DUPFD, -1), Err(Errno::INVAL));
}

#[test]
fn close_range_closes_or_marks() {
    let mut t = Thread::root();
    t.make_file(c"/f", b"");
    for _ in 0..6 {
        open(&mut t, c"/f", 0).unwrap();
    }
    assert_eq!(call!(t, g::__NR_close_range, 5, 3, 0), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_close_range, 3, 5, 8), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_close_range, 1, 2, 4), Ok(0));
    assert_eq!(call!(t, g::__NR_fcntl, 2, g::F_GETFD), Ok(1));
    assert_eq!(call!(t, g::__NR_close_range, 3, -1, 0), Ok(0));
    assert_eq!(call!(t, g::__NR_fcntl, 3, g::F_GETFD), Err(Errno::BADF));
    assert_eq!(call!(t, g::__NR_fcntl, 2, g::F_GETFD), Ok(1));
    assert_eq!(open(&mut t, c"/f", 0), Ok(3));
}

#[test]
fn the_descriptor_limit_holds_and_nothing_is_created_at_it() {
    let mut t = Thread::root();
    t.make_file(c"/f", b"");
    for n in 0..1024 {
        assert_eq!(open(&mut t, c"/f", 0), Ok(n));
    }
    assert_eq!(open(&mut t, c"/f", 0), Err(Errno::MFILE));
    assert_eq!(open(&mut t, c"/nothing", 0), Err(Errno::MFILE));
    assert_eq!(open(&mut t, c"/g", O_CREAT), Err(Errno::MFILE));
    assert_eq!(call!(t, g::__NR_dup, 0), Err(Errno::MFILE));
    call!(t, g::__NR_close, 7).unwrap();
    assert!(matches!(t.lstat(c"/g"), Err(Errno::NOENT)));
    assert_eq!(call!(t, g::__NR_dup, 0), Ok(7));
}

#[test]
fn fcntl_flags_can_be_read_and_only_some_set() {
    let mut t = Thread::root();
    let fd = open(&mut t, c"/f", O_CREAT | O_EXCL | O_RDWR | g::O_CLOEXEC).unwrap();
    let large = g::O_LARGEFILE as usize;
    assert_eq!(call!(t, g::__NR_fcntl, fd, g::F_GETFL), Ok(2 | large));
    assert_eq!(call!(t, g::__NR_fcntl, fd, g::F_GETFD), Ok(1));
    assert_eq!(call!(t, g::__NR_fcntl, fd, g::F_SETFL, O_APPEND | g::O_NONBLOCK | O_WRONLY), Ok(0));
    let set = (O_APPEND | g::O_NONBLOCK) as usize;
    assert_eq!(call!(t, g::__NR_fcntl, fd, g::F_GETFL), Ok(2 | set | large));
    assert_eq!(call!(t, g::__NR_fcntl, fd, 9999), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_fcntl, 99, 9999), Err(Errno::BADF));
    let p = open(&mut t, c"/f", O_PATH).unwrap();
    assert_eq!(call!(t, g::__NR_fcntl, p, g::F_GETFL), Ok(O_PATH as usize));
    assert_eq!(call!(t, g::__NR_fcntl, p, g::F_SETFL, 0), Err(Errno::BADF));
    assert_eq!(call!(t, g::__NR_fcntl, fd, g::F_GETPIPE_SZ), Err(Errno::BADF));
    assert_eq!(call!(t, g::__NR_fcntl, fd, g::F_GET_SEALS), Err(Errno::INVAL));
    let own = t.task.process.pid;
    assert_eq!(call!(t, g::__NR_fcntl, fd, g::F_SETOWN, -own), Ok(0));
    assert_eq!(call!(t, g::__NR_fcntl, fd, g::F_GETOWN), Ok(-own as isize as usize));
    let mut owner = [0i32; 2];
    assert_eq!(call!(t, g::__NR_fcntl, fd, g::F_GETOWN_EX, &mut owner[..]), Ok(0));
    assert_eq!(owner, [g::F_OWNER_PGRP as i32, own]);
    assert_eq!(call!(t, g::__NR_fcntl, fd, g::F_SETOWN, i32::MAX), Err(Errno::SRCH));
    assert_eq!(call!(t, g::__NR_fcntl, fd, g::F_SETOWN, i32::MIN), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_fcntl, fd, g::F_SETFL, g::FASYNC), Ok(0));
    assert_eq!(call!(t, g::__NR_fcntl, fd, g::F_GETFL), Ok(2 | large));
    assert_eq!(call!(t, g::__NR_fcntl, fd, g::F_CREATED_QUERY), Ok(1));
    assert_eq!(call!(t, g::__NR_fcntl, p, g::F_CREATED_QUERY), Ok(0));
    assert_eq!(call!(t, g::__NR_fcntl, fd, g::F_SETSIG, 65), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_fcntl, fd, g::F_GETLEASE), Ok(2));
}

#[test]
fn stat_tells_the_same_by_every_way() {
    let mut t = Thread::root();
    t.make_file(c"/f", b"abc");
    symlink(&mut t, c"f", c"/l");
    let fd = open(&mut t, c"/f", O_PATH).unwrap();
    let ino = t.lstat(c"/f").unwrap().st_ino;
    let link = t.lstat(c"/l").unwrap();
    assert_eq!((link.st_mode, link.st_size), (0o120777, 1));
    let mut out = [0u64; 18];
    assert_eq!(call!(t, g::__NR_stat, c"/l", &mut out[..]), Ok(0));
    assert_eq!(out[1], ino);
    out.fill(0);
    assert_eq!(call!(t, g::__NR_fstat, fd, &mut out[..]), Ok(0));
    assert_eq!(out[1], ino);
    out.fill(0);
    assert_eq!(call!(t, g::__NR_newfstatat, fd, c"", &mut out[..], g::AT_EMPTY_PATH), Ok(0));
    assert_eq!(out[1], ino);
    out.fill(0);
    assert_eq!(call!(t, g::__NR_newfstatat, fd, 0, &mut out[..], g::AT_EMPTY_PATH), Ok(0));
    assert_eq!(out[1], ino);
    assert_eq!(call!(t, g::__NR_newfstatat, fd, c"", &mut out[..], 0), Err(Errno::NOENT));
    assert_eq!(call!(t, g::__NR_newfstatat, CWD, c"f", &mut out[..], 1), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_stat, c"/f", BAD), Err(Errno::FAULT));
    let mut x = [0u64; 32];
    let basic = g::STATX_BASIC_STATS;
    assert_eq!(call!(t, g::__NR_statx, CWD, c"l", 0, basic, &mut x[..]), Ok(0));
    assert_eq!((x[4], x[5]), (ino, 3));
    assert_eq!(call!(t, g::__NR_statx, CWD, c"l", 0, 1u32 << 31, &mut x[..]), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_statx, CWD, c"l", 0x6000, 0, &mut x[..]), Err(Errno::INVAL));
}

#[test]
fn getdents_tells_every_name_once_however_small_the_buffer() {
    let mut t = Thread::root();
    mkdir(&mut t, c"/d");
    t.make_file(c"/d/one", b"");
    t.make_file(c"/d/a_longer_name", b"");
    mkdir(&mut t, c"/d/sub");
    let fd = open(&mut t, c"/d", O_DIRECTORY).unwrap();
    let mut names = alloc::vec::Vec::new();
    let mut buf = [0u8; 40];
    loop {
        let len = call!(t, g::__NR_getdents64, fd, &mut buf[..], 40).unwrap();
        if len == 0 {
            break;
        }
        let mut at = 0;
        while at < len {
            let reclen = usize::from(buf[at + 16]);
            let name = CStr::from_bytes_until_nul(&buf[at + 19..at + reclen]).unwrap();
            names.push(name.to_owned());
            at += reclen;
        }
    }
    names.sort();
    assert_eq!(names, [c".", c"..", c"a_longer_name", c"one", c"sub"].map(CStr::to_owned));
    assert_eq!(call!(t, g::__NR_lseek, fd, 0, g::SEEK_SET), Ok(0));
    assert_eq!(call!(t, g::__NR_getdents64, fd, &mut buf[..], 20), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_getdents64, fd, BAD, 40), Err(Errno::FAULT));
    assert_eq!(call!(t, g::__NR_getdents64, fd, &mut buf[..], 24), Ok(24));
    let f = open(&mut t, c"/d/one", 0).unwrap();
    assert_eq!(call!(t, g::__NR_getdents64, f, &mut buf[..], 40), Err(Errno::NOTDIR));
}

#[test]
fn the_working_directory_follows_renames_and_is_told() {
    let mut t = Thread::root();
    mkdir(&mut t, c"/d");
    mkdir(&mut t, c"/d/e");
    assert_eq!(call!(t, g::__NR_chdir, c"d/e"), Ok(0));
    let mut buf = [0u8; 32];
    assert_eq!(call!(t, g::__NR_getcwd, &mut buf[..], 32), Ok(5));
    assert_eq!(&buf[..5], b"/d/e\0");
    assert_eq!(call!(t, g::__NR_getcwd, &mut buf[..], 4), Err(Errno::RANGE));
    assert_eq!(call!(t, g::__NR_getcwd, BAD, 32), Err(Errno::FAULT));
    assert_eq!(call!(t, g::__NR_rename, c"/d", c"/x"), Ok(0));
    assert_eq!(call!(t, g::__NR_getcwd, &mut buf[..], 32), Ok(5));
    assert_eq!(&buf[..5], b"/x/e\0");
    assert_eq!(call!(t, g::__NR_rmdir, c"/x/e"), Ok(0));
    assert_eq!(call!(t, g::__NR_getcwd, &mut buf[..], 32), Err(Errno::NOENT));
    assert_eq!(open(&mut t, c"f", O_CREAT), Err(Errno::NOENT));
    assert_eq!(call!(t, g::__NR_chdir, c".."), Ok(0));
    assert_eq!(call!(t, g::__NR_getcwd, &mut buf[..], 32), Ok(3));
    t.make_file(c"/f", b"");
    assert_eq!(call!(t, g::__NR_chdir, c"/f"), Err(Errno::NOTDIR));
    assert_eq!(call!(t, g::__NR_chdir, c"/nothing"), Err(Errno::NOENT));
    let fd = open(&mut t, c"/", O_PATH).unwrap();
    assert_eq!(call!(t, g::__NR_fchdir, fd), Ok(0));
    assert_eq!(call!(t, g::__NR_getcwd, &mut buf[..], 32), Ok(2));
}

#[test]
fn chroot_confines_and_what_lies_outside_is_called_unreachable() {
    let mut t = Thread::root();
    mkdir(&mut t, c"/jail");
    t.make_file(c"/jail/f", b"in");
    t.make_file(c"/f", b"out");
    let mut u = t.another(cred(1000, 1000, &[]));
    assert_eq!(call!(u, g::__NR_chroot, c"/jail"), Err(Errno::PERM));
    assert_eq!(call!(t, g::__NR_chroot, c"/jail"), Ok(0));
    assert_eq!(t.content(c"/f"), b"in");
    assert_eq!(t.content(c"/../f"), b"in");
    let mut buf = [0u8; 32];
    assert_eq!(call!(t, g::__NR_getcwd, &mut buf[..], 32), Ok(15));
    assert_eq!(&buf[..15], b"(unreachable)/\0");
}

#[test]
fn a_running_program_cannot_be_written_and_a_written_one_not_run() {
    let mut t = Thread::root();
    t.make_file(c"/f", b"");
    let file = |t: &Thread, fd: usize| t.task.process.files.lock().get(fd as i32).unwrap();
    let program = open(&mut t, c"/f", 0).unwrap();
    let writer = open(&mut t, c"/f", O_WRONLY).unwrap();
    assert_eq!(file(&t, program).deny_write(), Err(Errno::TXTBSY));
    call!(t, g::__NR_close, writer).unwrap();
    assert_eq!(file(&t, program).deny_write(), Ok(()));
    assert_eq!(open(&mut t, c"/f", O_RDWR), Err(Errno::TXTBSY));
    assert_eq!(open(&mut t, c"/f", O_TRUNC), Err(Errno::TXTBSY));
    assert_eq!(call!(t, g::__NR_truncate, c"/f", 0), Err(Errno::TXTBSY));
    assert!(open(&mut t, c"/f", 0).is_ok());
    call!(t, g::__NR_close, program).unwrap();
    assert_eq!(call!(t, g::__NR_truncate, c"/f", 0), Ok(0));
    assert!(open(&mut t, c"/f", O_TRUNC).is_ok());
    let program = open(&mut t, c"/f", 0).unwrap();
    assert_eq!(file(&t, program).deny_write(), Ok(()));
    file(&t, program).allow_write();
    assert!(open(&mut t, c"/f", O_RDWR).is_ok());
}
