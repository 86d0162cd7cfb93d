//! Making, removing and renaming names; modes, owners, times, extended attributes.

use super::{mkdir, open, symlink};
use crate::testing::{BAD, CWD, Thread, cred};
use crate::{Errno, call};
use linux_raw_sys::general as g;
use linux_raw_sys::general::{O_CREAT, O_PATH, O_TMPFILE, O_WRONLY};

#[test]
fn mkdir_applies_the_umask_and_refuses_what_exists() {
    let mut t = Thread::root();
    assert_eq!(call!(t, g::__NR_umask, 0o027), Ok(0o022));
    assert_eq!(call!(t, g::__NR_mkdir, c"/d/", 0o7777), Ok(0));
    assert_eq!(t.lstat(c"/d").unwrap().st_mode, 0o041750);
    assert_eq!(call!(t, g::__NR_mkdir, c"/d", 0o777), Err(Errno::EXIST));
    assert_eq!(call!(t, g::__NR_mkdir, c"/", 0o777), Err(Errno::EXIST));
    assert_eq!(call!(t, g::__NR_mkdir, c"/d/..", 0o777), Err(Errno::EXIST));
    assert_eq!(call!(t, g::__NR_mkdir, c"/nothing/d", 0o777), Err(Errno::NOENT));
    symlink(&mut t, c"new", c"/dangling");
    assert_eq!(call!(t, g::__NR_mkdir, c"/dangling", 0o777), Err(Errno::EXIST));
    assert_eq!(call!(t, g::__NR_mkdir, c"/dangling/", 0o777), Err(Errno::EXIST));
    let mut u = t.another(cred(1000, 1000, &[]));
    assert_eq!(call!(u, g::__NR_mkdir, c"/d", 0o777), Err(Errno::EXIST));
    assert_eq!(call!(u, g::__NR_mkdir, c"/e", 0o777), Err(Errno::ACCESS));
}

#[test]
fn mknod_makes_what_may_be_made() {
    let mut t = Thread::root();
    assert_eq!(call!(t, g::__NR_mknod, c"/f", 0o600, 0), Ok(0));
    assert_eq!(t.lstat(c"/f").unwrap().st_mode, 0o100600);
    assert_eq!(call!(t, g::__NR_mknod, c"/p", 0o010666, 0), Ok(0));
    assert_eq!(t.lstat(c"/p").unwrap().st_mode, 0o010644);
    assert_eq!(call!(t, g::__NR_mknod, c"/null", 0o020666, 0x103), Ok(0));
    assert_eq!(t.lstat(c"/null").unwrap().st_rdev, 0x103);
    assert_eq!(call!(t, g::__NR_mknod, c"/d", 0o040755, 0), Err(Errno::PERM));
    assert_eq!(call!(t, g::__NR_mknod, c"/l", 0o120777, 0), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_mknod, c"/x", 0o050777, 0), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_mknod, c"/f", 0o600, 0), Err(Errno::EXIST));
    assert_eq!(call!(t, g::__NR_mknod, c"/g/", 0o600, 0), Err(Errno::NOENT));
    call!(t, g::__NR_chmod, c"/", 0o777).unwrap();
    let mut u = t.another(cred(1000, 1000, &[]));
    assert_eq!(call!(u, g::__NR_mknod, c"/zero", 0o020666, 0x105), Err(Errno::PERM));
}

#[test]
fn unlink_and_rmdir_tell_each_other_apart() {
    let mut t = Thread::root();
    t.make_file(c"/f", b"");
    mkdir(&mut t, c"/d");
    t.make_file(c"/d/f", b"");
    symlink(&mut t, c"d", c"/l");
    assert_eq!(call!(t, g::__NR_unlink, c"/d"), Err(Errno::ISDIR));
    assert_eq!(call!(t, g::__NR_unlink, c"/d/"), Err(Errno::ISDIR));
    assert_eq!(call!(t, g::__NR_unlink, c"/f/"), Err(Errno::NOTDIR));
    assert_eq!(call!(t, g::__NR_unlink, c"/l/"), Err(Errno::NOTDIR));
    assert_eq!(call!(t, g::__NR_unlink, c"/"), Err(Errno::ISDIR));
    assert_eq!(call!(t, g::__NR_unlink, c"/d/.."), Err(Errno::ISDIR));
    assert_eq!(call!(t, g::__NR_unlink, c""), Err(Errno::NOENT));
    assert_eq!(call!(t, g::__NR_rmdir, c"/f"), Err(Errno::NOTDIR));
    assert_eq!(call!(t, g::__NR_rmdir, c"/l"), Err(Errno::NOTDIR));
    assert_eq!(call!(t, g::__NR_rmdir, c"/l/"), Err(Errno::NOTDIR));
    assert_eq!(call!(t, g::__NR_rmdir, c"/d"), Err(Errno::NOTEMPTY));
    assert_eq!(call!(t, g::__NR_rmdir, c"/d/."), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_rmdir, c"/d/.."), Err(Errno::NOTEMPTY));
    assert_eq!(call!(t, g::__NR_rmdir, c"/"), Err(Errno::BUSY));
    assert_eq!(call!(t, g::__NR_unlinkat, CWD, c"/d/f", 1), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_unlink, c"/l"), Ok(0));
    assert_eq!(call!(t, g::__NR_unlink, c"/d/f"), Ok(0));
    assert_eq!(call!(t, g::__NR_unlinkat, CWD, c"/d/", g::AT_REMOVEDIR), Ok(0));
    assert!(matches!(t.lstat(c"/d"), Err(Errno::NOENT)));
}

#[test]
fn the_sticky_bit_leaves_others_files_alone() {
    let mut t = Thread::root();
    mkdir(&mut t, c"/tmp");
    call!(t, g::__NR_chmod, c"/tmp", 0o1777).unwrap();
    t.make_file(c"/tmp/roots", b"");
    let mut a = t.another(cred(1000, 1000, &[]));
    let mut b = t.another(cred(1001, 1001, &[]));
    a.make_file(c"/tmp/as", b"");
    assert_eq!(call!(b, g::__NR_unlink, c"/tmp/as"), Err(Errno::PERM));
    assert_eq!(call!(b, g::__NR_unlink, c"/tmp/roots"), Err(Errno::PERM));
    assert_eq!(call!(b, g::__NR_rename, c"/tmp/as", c"/tmp/bs"), Err(Errno::PERM));
    b.make_file(c"/tmp/bs", b"");
    assert_eq!(call!(b, g::__NR_rename, c"/tmp/bs", c"/tmp/as"), Err(Errno::PERM));
    assert_eq!(call!(a, g::__NR_unlink, c"/tmp/as"), Ok(0));
    assert_eq!(call!(t, g::__NR_unlink, c"/tmp/bs"), Ok(0));
}

#[test]
fn rename_replaces_and_refuses() {
    let mut t = Thread::root();
    t.make_file(c"/f", b"f");
    t.make_file(c"/g", b"g");
    mkdir(&mut t, c"/d");
    mkdir(&mut t, c"/d/e");
    mkdir(&mut t, c"/empty");
    let nr = g::__NR_rename;
    assert_eq!(call!(t, nr, c"/nothing", c"/x"), Err(Errno::NOENT));
    assert_eq!(call!(t, nr, c"/f", c"/d"), Err(Errno::ISDIR));
    assert_eq!(call!(t, nr, c"/d", c"/f"), Err(Errno::NOTDIR));
    assert_eq!(call!(t, nr, c"/d", c"/d/e/x"), Err(Errno::INVAL));
    assert_eq!(call!(t, nr, c"/d/e", c"/d"), Err(Errno::NOTEMPTY));
    assert_eq!(call!(t, nr, c"/empty", c"/d"), Err(Errno::NOTEMPTY));
    assert_eq!(call!(t, nr, c"/d/.", c"/x"), Err(Errno::BUSY));
    assert_eq!(call!(t, nr, c"/d", c"/empty/.."), Err(Errno::BUSY));
    assert_eq!(call!(t, nr, c"/f/", c"/x"), Err(Errno::NOTDIR));
    assert_eq!(call!(t, nr, c"/f", c"/x/"), Err(Errno::NOTDIR));
    assert_eq!(call!(t, nr, c"/f", c"/f"), Ok(0));
    assert_eq!(call!(t, nr, c"/f", c"/g"), Ok(0));
    assert_eq!(t.content(c"/g"), b"f");
    assert!(matches!(t.lstat(c"/f"), Err(Errno::NOENT)));
    assert_eq!(call!(t, nr, c"/d", c"/empty/"), Ok(0));
    assert!(t.lstat(c"/empty/e").is_ok());
    // Two names of one file: nothing happens, both stay.
    call!(t, g::__NR_link, c"/g", c"/h").unwrap();
    assert_eq!(call!(t, nr, c"/g", c"/h"), Ok(0));
    assert_eq!(t.lstat(c"/g").unwrap().st_nlink, 2);
}

#[test]
fn renameat2_knows_its_flags() {
    let mut t = Thread::root();
    t.make_file(c"/f", b"f");
    mkdir(&mut t, c"/d");
    mkdir(&mut t, c"/d/e");
    let mut go = |from, to, flags: u32| call!(t, g::__NR_renameat2, CWD, from, CWD, to, flags);
    assert_eq!(go(c"/f", c"/d", 1), Err(Errno::EXIST));
    assert_eq!(go(c"/f", c"/x", 8), Err(Errno::INVAL));
    assert_eq!(go(c"/f", c"/x", 3), Err(Errno::INVAL));
    assert_eq!(go(c"/f", c"/x", 2), Err(Errno::NOENT));
    assert_eq!(go(c"/d", c"/d/e", 2), Err(Errno::INVAL));
    assert_eq!(go(c"/d/e", c"/d", 2), Err(Errno::INVAL));
    assert_eq!(go(c"/f", c"/d/e", 2), Ok(0));
    assert_eq!(go(c"/f", c"/x", 1), Ok(0));
    assert_eq!(t.content(c"/d/e"), b"f");
    assert!(t.lstat(c"/x").unwrap().st_mode & 0o040000 != 0);
}

#[test]
fn link_adds_names_and_an_unnamed_file_gets_one() {
    let mut t = Thread::root();
    t.make_file(c"/f", b"f");
    mkdir(&mut t, c"/d");
    symlink(&mut t, c"f", c"/l");
    assert_eq!(call!(t, g::__NR_link, c"/f", c"/d/g"), Ok(0));
    assert_eq!(t.lstat(c"/d/g").unwrap().st_nlink, 2);
    assert_eq!(call!(t, g::__NR_link, c"/f", c"/d/g"), Err(Errno::EXIST));
    assert_eq!(call!(t, g::__NR_link, c"/d", c"/x"), Err(Errno::PERM));
    assert_eq!(call!(t, g::__NR_link, c"/nothing", c"/x"), Err(Errno::NOENT));
    assert_eq!(call!(t, g::__NR_link, c"/f", c"/x/"), Err(Errno::NOENT));
    assert_eq!(call!(t, g::__NR_link, c"/l", c"/l2"), Ok(0));
    assert_eq!(t.lstat(c"/l2").unwrap().st_mode, 0o120777);
    assert_eq!(call!(t, g::__NR_linkat, CWD, c"/l", CWD, c"/f3", g::AT_SYMLINK_FOLLOW), Ok(0));
    assert_eq!(t.lstat(c"/f3").unwrap().st_nlink, 3);
    assert_eq!(call!(t, g::__NR_linkat, CWD, c"/l", CWD, c"/f4", 1), Err(Errno::INVAL));
    let fd = call!(t, g::__NR_open, c"/d", O_TMPFILE | O_WRONLY, 0o600).unwrap();
    assert_eq!(call!(t, g::__NR_write, fd, &b"tmp"[..], 3), Ok(3));
    assert_eq!(call!(t, g::__NR_linkat, fd, c"", CWD, c"/named", g::AT_EMPTY_PATH), Ok(0));
    assert_eq!(t.content(c"/named"), b"tmp");
    assert_eq!(call!(t, g::__NR_open, c"/d", O_TMPFILE, 0o600), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_open, c"/f", O_TMPFILE | O_WRONLY, 0o600), Err(Errno::NOTDIR));
    let fd = call!(t, g::__NR_open, c"/d", O_TMPFILE | O_WRONLY | g::O_EXCL, 0o600).unwrap();
    let named = call!(t, g::__NR_linkat, fd, c"", CWD, c"/named2", g::AT_EMPTY_PATH);
    assert_eq!(named, Err(Errno::NOENT));
    // Nor does a file come back whose last name was removed.
    t.make_file(c"/gone", b"");
    let fd = open(&mut t, c"/gone", 0).unwrap();
    call!(t, g::__NR_unlink, c"/gone").unwrap();
    let named = call!(t, g::__NR_linkat, fd, c"", CWD, c"/back", g::AT_EMPTY_PATH);
    assert_eq!(named, Err(Errno::NOENT));
}

#[test]
fn symlinks_keep_their_text() {
    let mut t = Thread::root();
    symlink(&mut t, c"some/where", c"/l");
    let mut buf = [0u8; 16];
    assert_eq!(call!(t, g::__NR_readlink, c"/l", &mut buf[..], 16), Ok(10));
    assert_eq!(&buf[..10], b"some/where");
    assert_eq!(call!(t, g::__NR_readlink, c"/l", &mut buf[..], 4), Ok(4));
    assert_eq!(call!(t, g::__NR_readlink, c"/l", &mut buf[..], 0), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_readlink, c"/", &mut buf[..], 4), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_symlink, c"", c"/m"), Err(Errno::NOENT));
    assert_eq!(call!(t, g::__NR_symlink, c"x", c"/l"), Err(Errno::EXIST));
    assert_eq!(call!(t, g::__NR_symlink, c"x", c"/m/"), Err(Errno::NOENT));
    assert_eq!(call!(t, g::__NR_symlink, BAD, c"/m"), Err(Errno::FAULT));
}

#[test]
fn only_owners_change_modes_and_only_root_gives_files_away() {
    let mut t = Thread::root();
    t.make_file(c"/f", b"");
    call!(t, g::__NR_chown, c"/f", 1000, 1000).unwrap();
    let mut u = t.another(cred(1000, 1000, &[50]));
    let mut o = t.another(cred(1001, 1000, &[]));
    assert_eq!(call!(o, g::__NR_chmod, c"/f", 0o777), Err(Errno::PERM));
    assert_eq!(call!(u, g::__NR_chmod, c"/f", 0o6755), Ok(0));
    assert_eq!(t.lstat(c"/f").unwrap().st_mode, 0o106755);
    assert_eq!(call!(u, g::__NR_chown, c"/f", 1001, -1), Err(Errno::PERM));
    assert_eq!(call!(u, g::__NR_chown, c"/f", -1, 51), Err(Errno::PERM));
    assert_eq!(call!(u, g::__NR_chown, c"/f", -1, 50), Ok(0));
    let stat = t.lstat(c"/f").unwrap();
    assert_eq!((stat.st_uid, stat.st_gid, stat.st_mode), (1000, 50, 0o100755));
    // Not of the group: no set-group-ID.
    call!(t, g::__NR_chown, c"/f", -1, 99).unwrap();
    assert_eq!(call!(u, g::__NR_chmod, c"/f", 0o2755), Ok(0));
    assert_eq!(t.lstat(c"/f").unwrap().st_mode, 0o100755);
    symlink(&mut t, c"f", c"/l");
    let nofollow = g::AT_SYMLINK_NOFOLLOW;
    assert_eq!(call!(t, g::__NR_fchmodat2, CWD, c"/l", 0o700, nofollow), Err(Errno::OPNOTSUPP));
    assert_eq!(call!(t, g::__NR_fchmodat2, CWD, c"/l", 0o700, 0), Ok(0));
    assert_eq!(call!(t, g::__NR_lchown, c"/l", 7, 8), Ok(0));
    let link = t.lstat(c"/l").unwrap();
    assert_eq!((link.st_uid, link.st_gid), (7, 8));
    let fd = open(&mut t, c"/f", O_PATH).unwrap();
    assert_eq!(call!(t, g::__NR_fchmod, fd, 0o600), Err(Errno::BADF));
    assert_eq!(call!(t, g::__NR_fchownat, fd, c"", 5, 6, g::AT_EMPTY_PATH), Ok(0));
    assert_eq!(t.lstat(c"/f").unwrap().st_uid, 5);
}

#[test]
fn set_group_id_directories_hand_their_group_on() {
    let mut t = Thread::root();
    mkdir(&mut t, c"/d");
    call!(t, g::__NR_chown, c"/d", 0, 77).unwrap();
    call!(t, g::__NR_chmod, c"/d", 0o2777).unwrap();
    let mut u = t.another(cred(1000, 1000, &[]));
    mkdir(&mut u, c"/d/sub");
    let sub = t.lstat(c"/d/sub").unwrap();
    assert_eq!((sub.st_gid, sub.st_mode), (77, 0o042755));
    call!(u, g::__NR_open, c"/d/f", O_CREAT | O_WRONLY, 0o2755).unwrap();
    let file = t.lstat(c"/d/f").unwrap();
    assert_eq!((file.st_gid, file.st_mode), (77, 0o100755));
}

#[test]
fn times_are_set_as_asked_and_by_whom_it_may_concern() {
    let mut t = Thread::root();
    t.make_file(c"/f", b"");
    const NOW: i64 = (1 << 30) - 1;
    const OMIT: i64 = (1 << 30) - 2;
    let nr = g::__NR_utimensat;
    assert_eq!(call!(t, nr, CWD, c"/f", &[11i64, 12, 13, 14][..], 0), Ok(0));
    let stat = t.lstat(c"/f").unwrap();
    assert_eq!((stat.st_atime, stat.st_atime_nsec, stat.st_mtime, stat.st_mtime_nsec), (11, 12, 13, 14));
    assert_eq!(call!(t, nr, CWD, c"/f", &[0i64, OMIT, 5, 6][..], 0), Ok(0));
    let stat = t.lstat(c"/f").unwrap();
    assert_eq!((stat.st_atime, stat.st_mtime), (11, 5));
    assert_eq!(call!(t, nr, CWD, c"/f", &[0i64, 1_000_000_000, 5, 6][..], 0), Err(Errno::INVAL));
    assert_eq!(call!(t, nr, CWD, c"/nothing", &[0i64, OMIT, 5, OMIT][..], 0), Ok(0));
    assert_eq!(call!(t, g::__NR_utimes, c"/f", &[1i64, 1_000_000, 1, 1][..]), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_utimes, c"/f", &[1i64, 2, 3, 4][..]), Ok(0));
    assert_eq!(t.lstat(c"/f").unwrap().st_mtime_nsec, 4000);
    assert_eq!(call!(t, g::__NR_utime, c"/f", &[8i64, 9][..]), Ok(0));
    assert_eq!(t.lstat(c"/f").unwrap().st_mtime, 9);
    let fd = open(&mut t, c"/f", 0).unwrap();
    assert_eq!(call!(t, nr, fd, 0, &[1i64, 0, 2, 0][..], 0), Ok(0));
    assert_eq!(call!(t, nr, fd, 0, &[1i64, 0, 2, 0][..], 0x100), Err(Errno::INVAL));
    assert_eq!(call!(t, nr, CWD, BAD, &[1i64, 0, 2, 0][..], 0), Err(Errno::FAULT));
    let mut u = t.another(cred(1000, 1000, &[]));
    assert_eq!(call!(u, nr, CWD, c"/f", 0, 0), Err(Errno::ACCESS));
    assert_eq!(call!(u, nr, CWD, c"/f", &[0i64, NOW, 0, OMIT][..], 0), Err(Errno::PERM));
    call!(t, g::__NR_chmod, c"/f", 0o666).unwrap();
    assert_eq!(call!(u, nr, CWD, c"/f", 0, 0), Ok(0));
    assert_eq!(call!(u, nr, CWD, c"/f", &[0i64, NOW, 0, NOW][..], 0), Ok(0));
    assert_eq!(call!(u, nr, CWD, c"/f", &[0i64, NOW, 0, OMIT][..], 0), Err(Errno::PERM));
    assert!(t.lstat(c"/f").unwrap().st_mtime > 1_000_000_000);
}

#[test]
fn extended_attributes_by_name_space() {
    let mut t = Thread::root();
    t.make_file(c"/f", b"");
    symlink(&mut t, c"f", c"/l");
    let mut buf = [0u8; 64];
    assert_eq!(call!(t, g::__NR_getxattr, c"/f", c"user.a", &mut buf[..], 64), Err(Errno::NODATA));
    assert_eq!(call!(t, g::__NR_setxattr, c"/f", c"user.a", &b"val"[..], 3, 0), Ok(0));
    assert_eq!(call!(t, g::__NR_setxattr, c"/f", c"user.a", &b"val"[..], 3, 1), Err(Errno::EXIST));
    assert_eq!(call!(t, g::__NR_setxattr, c"/f", c"user.b", &b"val"[..], 3, 2), Err(Errno::NODATA));
    assert_eq!(call!(t, g::__NR_setxattr, c"/f", c"user.b", &b"val"[..], 3, 4), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_setxattr, c"/f", c"user.b", &b""[..], 65537, 0), Err(Errno::TOOBIG));
    assert_eq!(call!(t, g::__NR_setxattr, c"/f", c"", &b"val"[..], 3, 0), Err(Errno::RANGE));
    assert_eq!(call!(t, g::__NR_setxattr, c"/f", c"other.a", &b"v"[..], 1, 0), Err(Errno::OPNOTSUPP));
    assert_eq!(call!(t, g::__NR_lsetxattr, c"/l", c"user.a", &b"v"[..], 1, 0), Err(Errno::PERM));
    assert_eq!(call!(t, g::__NR_getxattr, c"/l", c"user.a", 0, 0), Ok(3));
    assert_eq!(call!(t, g::__NR_getxattr, c"/f", c"user.a", &mut buf[..], 2), Err(Errno::RANGE));
    assert_eq!(call!(t, g::__NR_getxattr, c"/f", c"user.a", &mut buf[..], 64), Ok(3));
    assert_eq!(&buf[..3], b"val");
    assert_eq!(call!(t, g::__NR_setxattr, c"/f", c"trusted.t", &b"x"[..], 1, 0), Ok(0));
    assert_eq!(call!(t, g::__NR_listxattr, c"/f", &mut buf[..], 64), Ok(17));
    assert_eq!(&buf[..17], b"trusted.t\0user.a\0");
    let mut u = t.another(cred(1000, 1000, &[]));
    assert_eq!(call!(u, g::__NR_listxattr, c"/f", &mut buf[..], 64), Ok(7));
    assert_eq!(call!(u, g::__NR_listxattr, c"/f", &mut buf[..], 6), Err(Errno::RANGE));
    assert_eq!(call!(u, g::__NR_getxattr, c"/f", c"trusted.t", &mut buf[..], 64), Err(Errno::NODATA));
    assert_eq!(call!(u, g::__NR_setxattr, c"/f", c"user.a", &b"v"[..], 1, 0), Err(Errno::ACCESS));
    assert_eq!(call!(u, g::__NR_setxattr, c"/f", c"security.x", &b"v"[..], 1, 0), Err(Errno::PERM));
    assert_eq!(call!(t, g::__NR_removexattr, c"/f", c"user.a"), Ok(0));
    assert_eq!(call!(t, g::__NR_removexattr, c"/f", c"user.a"), Err(Errno::NODATA));
}

#[test]
fn nobody_mounts() {
    let mut t = Thread::root();
    assert_eq!(call!(t, g::__NR_mount, c"none", c"/nothing", c"tmpfs", 0, 0), Err(Errno::NOENT));
    assert_eq!(call!(t, g::__NR_mount, c"none", c"/", c"tmpfs", 0, 0), Err(Errno::PERM));
    assert_eq!(call!(t, g::__NR_umount2, c"/", 16), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_umount2, c"/", 0), Err(Errno::PERM));
}
