//! Reading, writing, positions, lengths, copies.

use super::open;
use crate::testing::{BAD, Thread, cred};
use crate::{Errno, call};
use linux_raw_sys::general as g;
use linux_raw_sys::general::{O_APPEND, O_CREAT, O_PATH, O_RDWR, O_WRONLY};

#[test]
fn what_is_written_is_read_back_and_the_position_moves() {
    let mut t = Thread::root();
    let fd = open(&mut t, c"/f", O_CREAT | O_RDWR).unwrap();
    assert_eq!(fd, 0);
    assert_eq!(call!(t, g::__NR_write, fd, &b"hello"[..], 5), Ok(5));
    assert_eq!(call!(t, g::__NR_lseek, fd, 1, g::SEEK_SET), Ok(1));
    let mut buf = [0u8; 10];
    assert_eq!(call!(t, g::__NR_read, fd, &mut buf[..], 10), Ok(4));
    assert_eq!(&buf[..4], b"ello");
    assert_eq!(call!(t, g::__NR_read, fd, &mut buf[..], 10), Ok(0));
    assert_eq!(call!(t, g::__NR_pread64, fd, &mut buf[..], 2, 3), Ok(2));
    assert_eq!(&buf[..2], b"lo");
    assert_eq!(call!(t, g::__NR_pwrite64, fd, &b"J"[..], 1, 0), Ok(1));
    assert_eq!(call!(t, g::__NR_lseek, fd, 0, g::SEEK_CUR), Ok(5));
    assert_eq!(t.content(c"/f"), b"Jello");
}

#[test]
fn read_and_write_check_in_linux_order() {
    let mut t = Thread::root();
    t.make_file(c"/f", b"abc");
    let r = open(&mut t, c"/f", 0).unwrap();
    let w = open(&mut t, c"/f", O_WRONLY).unwrap();
    let none = open(&mut t, c"/f", 3).unwrap();
    let path = open(&mut t, c"/f", O_PATH).unwrap();
    let mut buf = [0u8; 4];
    assert_eq!(call!(t, g::__NR_read, w, BAD, 1), Err(Errno::BADF));
    assert_eq!(call!(t, g::__NR_write, r, BAD, 1), Err(Errno::BADF));
    assert_eq!(call!(t, g::__NR_read, none, &mut buf[..], 1), Err(Errno::BADF));
    assert_eq!(call!(t, g::__NR_read, path, &mut buf[..], 1), Err(Errno::BADF));
    assert_eq!(call!(t, g::__NR_read, 99, &mut buf[..], 1), Err(Errno::BADF));
    assert_eq!(call!(t, g::__NR_read, -1, &mut buf[..], 1), Err(Errno::BADF));
    assert_eq!(call!(t, g::__NR_read, r, BAD, 1), Err(Errno::FAULT));
    assert_eq!(call!(t, g::__NR_read, r, &mut buf[..], -1i64), Err(Errno::FAULT));
    assert_eq!(call!(t, g::__NR_pread64, r, BAD, 1, -1i64), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_pread64, 99, BAD, 1, -1i64), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_pread64, r, &mut buf[..], 4, i64::MAX - 1), Err(Errno::INVAL));
    let dir = open(&mut t, c"/", 0).unwrap();
    assert_eq!(call!(t, g::__NR_read, dir, &mut buf[..], 1), Err(Errno::ISDIR));
    assert_eq!(call!(t, g::__NR_write, dir, &buf[..], 1), Err(Errno::BADF));
}

#[test]
fn append_writes_at_the_end_even_by_pwrite() {
    let mut t = Thread::root();
    t.make_file(c"/f", b"abc");
    let fd = open(&mut t, c"/f", O_WRONLY | O_APPEND).unwrap();
    assert_eq!(call!(t, g::__NR_write, fd, &b"d"[..], 1), Ok(1));
    assert_eq!(call!(t, g::__NR_lseek, fd, 0, g::SEEK_CUR), Ok(4));
    assert_eq!(call!(t, g::__NR_pwrite64, fd, &b"e"[..], 1, 0), Ok(1));
    assert_eq!(call!(t, g::__NR_lseek, fd, 0, g::SEEK_CUR), Ok(4));
    assert_eq!(t.content(c"/f"), b"abcde");
    // RWF_NOAPPEND (0x20) undoes it for one call.
    let iov = [b"X".as_ptr().expose_provenance(), 1];
    assert_eq!(call!(t, g::__NR_pwritev2, fd, &iov[..], 1, 0, 0, 0x20), Ok(1));
    assert_eq!(t.content(c"/f"), b"Xbcde");
}

#[test]
fn vectors_move_in_order_and_refuse_nonsense() {
    let mut t = Thread::root();
    let fd = open(&mut t, c"/f", O_CREAT | O_RDWR).unwrap();
    let iov = [[b"ab".as_ptr().expose_provenance(), 2], [0, 0], [b"cde".as_ptr().expose_provenance(), 3]];
    assert_eq!(call!(t, g::__NR_writev, fd, &iov[..], 3), Ok(5));
    assert_eq!(call!(t, g::__NR_pwritev, fd, &iov[..], 3, 5, 0), Ok(5));
    assert_eq!(t.content(c"/f"), b"abcdeabcde");
    let mut buf = [0u8; 4];
    let into = [[buf.as_mut_ptr().expose_provenance(), 1], [buf.as_mut_ptr().expose_provenance() + 1, 3]];
    assert_eq!(call!(t, g::__NR_preadv, fd, &into[..], 2, 1, 0), Ok(4));
    assert_eq!(&buf, b"bcde");
    assert_eq!(call!(t, g::__NR_readv, fd, &into[..], 1025), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_readv, fd, BAD, 1), Err(Errno::FAULT));
    assert_eq!(call!(t, g::__NR_readv, fd, BAD, 0), Ok(0));
    let huge = [[buf.as_ptr().expose_provenance(), usize::MAX]];
    assert_eq!(call!(t, g::__NR_readv, fd, &huge[..], 1), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_preadv2, fd, &into[..], 2, 0, 0, 0x1000), Err(Errno::OPNOTSUPP));
    // Position -1 means the file's own.
    assert_eq!(call!(t, g::__NR_lseek, fd, 8, g::SEEK_SET), Ok(8));
    assert_eq!(call!(t, g::__NR_preadv2, fd, &into[..], 2, -1i64, 0, 0), Ok(2));
    assert_eq!(&buf[..2], b"de");
}

#[test]
fn lseek_refuses_what_leaves_the_range() {
    let mut t = Thread::root();
    t.make_file(c"/f", b"abc");
    let fd = open(&mut t, c"/f", 0).unwrap();
    let mut seek = |offset: i64, whence: u32| call!(t, g::__NR_lseek, fd, offset, whence);
    assert_eq!(seek(-1, g::SEEK_SET), Err(Errno::INVAL));
    assert_eq!(seek(-3, g::SEEK_END), Ok(0));
    assert_eq!(seek(-4, g::SEEK_END), Err(Errno::INVAL));
    assert_eq!(seek(100, g::SEEK_END), Ok(103));
    assert_eq!(seek(i64::MAX, g::SEEK_CUR), Err(Errno::INVAL));
    assert_eq!(seek(1, g::SEEK_DATA), Ok(1));
    assert_eq!(seek(1, g::SEEK_HOLE), Ok(3));
    assert_eq!(seek(3, g::SEEK_DATA), Err(Errno::NXIO));
    assert_eq!(seek(3, g::SEEK_HOLE), Err(Errno::NXIO));
    assert_eq!(seek(-1, g::SEEK_DATA), Err(Errno::NXIO));
    assert_eq!(seek(0, 5), Err(Errno::INVAL));
    assert_eq!(seek(0, g::SEEK_CUR), Ok(3));
}

#[test]
fn truncate_sets_the_length_and_takes_set_id_bits_away() {
    let mut t = Thread::root();
    t.make_file(c"/f", b"abcdef");
    assert_eq!(call!(t, g::__NR_truncate, c"/f", 3), Ok(0));
    assert_eq!(t.content(c"/f"), b"abc");
    assert_eq!(call!(t, g::__NR_truncate, c"/f", -1i64), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_truncate, c"/", 0), Err(Errno::ISDIR));
    let r = open(&mut t, c"/f", 0).unwrap();
    assert_eq!(call!(t, g::__NR_ftruncate, r, 0), Err(Errno::INVAL));
    call!(t, g::__NR_chown, c"/f", 1000, 1000).unwrap();
    call!(t, g::__NR_chmod, c"/f", 0o4755).unwrap();
    let mut u = t.another(cred(1000, 1000, &[]));
    assert_eq!(call!(u, g::__NR_truncate, c"/f", 1), Ok(0));
    assert_eq!(t.lstat(c"/f").unwrap().st_mode, 0o100755);
}

#[test]
fn a_write_takes_set_id_bits_away_unless_privileged() {
    let mut t = Thread::root();
    t.make_file(c"/f", b"abc");
    call!(t, g::__NR_chown, c"/f", 1000, 1000).unwrap();
    let mut u = t.another(cred(1000, 1000, &[]));
    let fd = open(&mut u, c"/f", O_WRONLY).unwrap();
    let root = open(&mut t, c"/f", O_WRONLY).unwrap();
    assert_eq!(call!(u, g::__NR_write, fd, &b"x"[..], 1), Ok(1));
    for mode in [0o6755, 0o6755] {
        call!(t, g::__NR_chmod, c"/f", mode).unwrap();
        assert_eq!(call!(t, g::__NR_write, root, &b"x"[..], 1), Ok(1));
        assert_eq!(t.lstat(c"/f").unwrap().st_mode, 0o106755);
        assert_eq!(call!(u, g::__NR_write, fd, &b"x"[..], 1), Ok(1));
        assert_eq!(t.lstat(c"/f").unwrap().st_mode, 0o100755);
    }
}

#[test]
fn the_file_size_limit_cuts_and_then_refuses() {
    let mut t = Thread::root();
    let fd = open(&mut t, c"/f", O_CREAT | O_RDWR).unwrap();
    let mut limits = *t.task.process.limits.lock();
    limits.0[1] = (5, u64::MAX);
    t.task.process.set_limits(limits);
    assert_eq!(call!(t, g::__NR_write, fd, &b"abcdefgh"[..], 8), Ok(5));
    assert_eq!(call!(t, g::__NR_write, fd, &b"x"[..], 1), Err(Errno::FBIG));
    assert_eq!(call!(t, g::__NR_write, fd, &b"x"[..], 0), Ok(0));
    assert_eq!(call!(t, g::__NR_ftruncate, fd, 6), Err(Errno::FBIG));
    assert_eq!(call!(t, g::__NR_ftruncate, fd, 4), Ok(0));
}

#[test]
fn sendfile_moves_a_given_offset_or_the_position() {
    let mut t = Thread::root();
    t.make_file(c"/f", b"0123456789");
    let from = open(&mut t, c"/f", 0).unwrap();
    let to = open(&mut t, c"/g", O_CREAT | O_RDWR).unwrap();
    let mut offset = [7i64];
    assert_eq!(call!(t, g::__NR_sendfile, to, from, &mut offset[..], 100), Ok(3));
    assert_eq!(offset, [10]);
    assert_eq!(call!(t, g::__NR_sendfile, to, from, 0, 2), Ok(2));
    assert_eq!(call!(t, g::__NR_lseek, from, 0, g::SEEK_CUR), Ok(2));
    assert_eq!(t.content(c"/g"), b"78901");
    assert_eq!(call!(t, g::__NR_sendfile, to, from, &mut offset[..], 1), Ok(0));
    let append = open(&mut t, c"/g", O_WRONLY | O_APPEND).unwrap();
    assert_eq!(call!(t, g::__NR_sendfile, append, from, 0, 2), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_sendfile, from, to, 0, 2), Err(Errno::BADF));
    assert_eq!(call!(t, g::__NR_sendfile, to, append, 0, 2), Err(Errno::BADF));
    assert_eq!(call!(t, g::__NR_sendfile, to, from, BAD, 2), Err(Errno::FAULT));
    let mut negative = [-1i64];
    assert_eq!(call!(t, g::__NR_sendfile, to, from, &mut negative[..], 2), Err(Errno::INVAL));
}

#[test]
fn copy_file_range_copies_within_the_source_and_refuses_overlap() {
    let mut t = Thread::root();
    t.make_file(c"/f", b"0123456789");
    let from = open(&mut t, c"/f", O_RDWR).unwrap();
    let to = open(&mut t, c"/g", O_CREAT | O_RDWR).unwrap();
    let nr = g::__NR_copy_file_range;
    let (mut a, mut b) = ([4i64], [2i64]);
    assert_eq!(call!(t, nr, from, &mut a[..], to, &mut b[..], 100, 0), Ok(6));
    assert_eq!((a, b), ([10], [8]));
    assert_eq!(t.content(c"/g"), b"\0\x00456789");
    assert_eq!(call!(t, nr, from, 0, to, 0, 3, 0), Ok(3));
    assert_eq!(call!(t, g::__NR_lseek, from, 0, g::SEEK_CUR), Ok(3));
    assert_eq!(call!(t, nr, from, 0, to, 0, 3, 1), Err(Errno::INVAL));
    let (mut a, mut b) = ([0i64], [2i64]);
    assert_eq!(call!(t, nr, from, &mut a[..], from, &mut b[..], 3, 0), Err(Errno::INVAL));
    assert_eq!(call!(t, nr, from, &mut a[..], from, &mut b[..], 2, 0), Ok(2));
    assert_eq!(t.content(c"/f"), b"0101456789");
    let dir = open(&mut t, c"/", 0).unwrap();
    assert_eq!(call!(t, nr, dir, 0, to, 0, 3, 0), Err(Errno::ISDIR));
    let append = open(&mut t, c"/g", O_WRONLY | O_APPEND).unwrap();
    assert_eq!(call!(t, nr, from, 0, append, 0, 3, 0), Err(Errno::BADF));
    let mut far = [i64::MAX];
    assert_eq!(call!(t, nr, from, 0, to, &mut far[..], 3, 0), Err(Errno::FBIG));
    far = [-1];
    assert_eq!(call!(t, nr, from, &mut far[..], to, 0, 3, 0), Err(Errno::OVERFLOW));
    assert_eq!(call!(t, nr, from, &mut far[..], to, 0, 0, 0), Err(Errno::INVAL));
}

#[test]
fn advice_and_syncs_check_their_arguments() {
    let mut t = Thread::root();
    let fd = open(&mut t, c"/f", O_CREAT | O_WRONLY).unwrap();
    assert_eq!(call!(t, g::__NR_fadvise64, fd, 0, 0, 6), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_fadvise64, fd, 0, -1i64, 0), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_fadvise64, fd, 0, 0, 5), Ok(0));
    assert_eq!(call!(t, g::__NR_readahead, fd, 0, 1), Err(Errno::BADF));
    assert_eq!(call!(t, g::__NR_fsync, fd), Ok(0));
    assert_eq!(call!(t, g::__NR_fdatasync, 99), Err(Errno::BADF));
    assert_eq!(call!(t, g::__NR_syncfs, fd), Ok(0));
    assert_eq!(call!(t, g::__NR_sync), Ok(0));
    assert_eq!(call!(t, g::__NR_sync_file_range, fd, 0, 0, 8), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_sync_file_range, fd, i64::MAX, 1, 7), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_fallocate, fd, 0, 0, 0), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_fallocate, fd, 2, 0, 1), Err(Errno::OPNOTSUPP));
    assert_eq!(call!(t, g::__NR_fallocate, fd, 0x1000, 0, 1), Err(Errno::OPNOTSUPP));
    assert_eq!(call!(t, g::__NR_fallocate, fd, 0, i64::MAX, 1), Err(Errno::FBIG));
}

#[test]
fn a_memfd_does_not_take_all_memory_at_once() {
    let mut t = Thread::root();
    let fd = call!(t, g::__NR_memfd_create, c"m", 0).unwrap();
    assert_eq!(call!(t, g::__NR_fallocate, fd, 0, 0x23, 1u64 << 46), Err(Errno::NOSPC));
    assert_eq!(call!(t, g::__NR_fallocate, fd, 0, 0, 8192), Ok(0));
    let hole = g::FALLOC_FL_PUNCH_HOLE | g::FALLOC_FL_KEEP_SIZE;
    assert_eq!(call!(t, g::__NR_fallocate, fd, hole, 0, 1u64 << 46), Ok(0));
}

#[test]
fn a_memfd_is_a_file_whose_seals_hold() {
    let mut t = Thread::root();
    let nr = g::__NR_memfd_create;
    assert_eq!(call!(t, nr, c"x", 32), Err(Errno::INVAL));
    assert_eq!(call!(t, nr, c"x", 8 | 16), Err(Errno::INVAL));
    let mut long = [b'a'; 251];
    long[250] = 0;
    assert_eq!(call!(t, nr, &long[..], 0), Err(Errno::INVAL));
    long[249] = 0;
    assert!(call!(t, nr, &long[..], 0).is_ok());
    let plain = call!(t, nr, c"x", 1).unwrap();
    assert_eq!(call!(t, g::__NR_fcntl, plain, g::F_GETFD), Ok(1));
    assert_eq!(call!(t, g::__NR_fcntl, plain, g::F_GET_SEALS), Ok(g::F_SEAL_SEAL as usize));
    assert_eq!(call!(t, g::__NR_fcntl, plain, g::F_ADD_SEALS, g::F_SEAL_WRITE), Err(Errno::PERM));
    let fd = call!(t, nr, c"x", 2).unwrap();
    assert_eq!(call!(t, g::__NR_fcntl, fd, g::F_GETFL), Ok((O_RDWR | g::O_LARGEFILE) as usize));
    assert_eq!(call!(t, g::__NR_write, fd, &b"hello"[..], 5), Ok(5));
    let mut buf = [0u8; 8];
    assert_eq!(call!(t, g::__NR_pread64, fd, &mut buf[..], 8, 1), Ok(4));
    assert_eq!(&buf[..4], b"ello");
    assert_eq!(call!(t, g::__NR_fcntl, fd, g::F_ADD_SEALS, g::F_SEAL_GROW | g::F_SEAL_SHRINK), Ok(0));
    assert_eq!(call!(t, g::__NR_ftruncate, fd, 4), Err(Errno::PERM));
    assert_eq!(call!(t, g::__NR_ftruncate, fd, 6), Err(Errno::PERM));
    assert_eq!(call!(t, g::__NR_write, fd, &b"x"[..], 1), Err(Errno::PERM));
    assert_eq!(call!(t, g::__NR_pwrite64, fd, &b"J"[..], 1, 0), Ok(1));
    assert_eq!(call!(t, g::__NR_fcntl, fd, g::F_ADD_SEALS, g::F_SEAL_WRITE | g::F_SEAL_SEAL), Ok(0));
    assert_eq!(call!(t, g::__NR_pwrite64, fd, &b"H"[..], 1, 0), Err(Errno::PERM));
    assert_eq!(call!(t, g::__NR_fcntl, fd, g::F_ADD_SEALS, g::F_SEAL_EXEC), Err(Errno::PERM));
}
