//! Record locks and flock(2).

use super::open;
use crate::testing::{Thread, cred};
use crate::{Errno, call};
use linux_raw_sys::general as g;
use linux_raw_sys::general::O_RDWR;

#[test]
fn record_locks_exclude_others_split_and_go_with_any_close() {
    let mut t = Thread::root();
    t.make_file(c"/f", b"0123456789");
    let mut u = t.another(cred(0, 0, &[]));
    let a = open(&mut t, c"/f", O_RDWR).unwrap();
    let a2 = open(&mut t, c"/f", 0).unwrap();
    let b = open(&mut u, c"/f", O_RDWR).unwrap();
    // struct flock: type, whence, pad, start, len, pid.
    let lock = |kind: u32, start: i64, len: i64| [i64::from(kind), start, len, 0];
    let set = |t: &mut Thread, fd: usize, lock: [i64; 4]| call!(t, g::__NR_fcntl, fd, g::F_SETLK, &lock[..]);
    assert_eq!(set(&mut t, a, lock(g::F_WRLCK, 0, 10)), Ok(0));
    assert_eq!(set(&mut u, b, lock(g::F_RDLCK, 5, 1)), Err(Errno::AGAIN));
    assert_eq!(set(&mut t, a, lock(g::F_UNLCK, 4, 2)), Ok(0));
    assert_eq!(set(&mut u, b, lock(g::F_WRLCK, 4, 2)), Ok(0));
    assert_eq!(set(&mut u, b, lock(g::F_WRLCK, 4, 3)), Err(Errno::AGAIN));
    let mut query = lock(g::F_WRLCK, 6, 0);
    assert_eq!(call!(u, g::__NR_fcntl, b, g::F_GETLK, &mut query[..]), Ok(0));
    assert_eq!(query, [1, 6, 4, i64::from(t.task.process.pid)]);
    let mut query = lock(g::F_RDLCK, 100, 0);
    assert_eq!(call!(u, g::__NR_fcntl, b, g::F_GETLK, &mut query[..]), Ok(0));
    assert_eq!(query[0], 2);
    // A read lock needs the file open for reading, a write lock for writing.
    assert_eq!(set(&mut t, a2, lock(g::F_WRLCK, 0, 1)), Err(Errno::BADF));
    assert_eq!(set(&mut t, a, lock(7, 0, 1)), Err(Errno::INVAL));
    assert_eq!(set(&mut t, a, lock(g::F_RDLCK, -1, 1)), Err(Errno::INVAL));
    assert_eq!(set(&mut t, a, lock(g::F_RDLCK, i64::MAX, 2)), Err(Errno::OVERFLOW));
    // Closing any descriptor of the file gives up all locks of the process.
    call!(t, g::__NR_close, a2).unwrap();
    assert_eq!(set(&mut u, b, lock(g::F_WRLCK, 0, 0)), Ok(0));
    u.exit();
    assert_eq!(set(&mut t, a, lock(g::F_WRLCK, 0, 0)), Ok(0));
}

#[test]
fn description_locks_belong_to_the_open_file() {
    let mut t = Thread::root();
    t.make_file(c"/f", b"");
    let a = open(&mut t, c"/f", O_RDWR).unwrap();
    let b = open(&mut t, c"/f", O_RDWR).unwrap();
    let lock = [1i64, 0, 0, 0];
    assert_eq!(call!(t, g::__NR_fcntl, a, g::F_OFD_SETLK, &lock[..]), Ok(0));
    assert_eq!(call!(t, g::__NR_fcntl, b, g::F_OFD_SETLK, &lock[..]), Err(Errno::AGAIN));
    assert_eq!(call!(t, g::__NR_fcntl, b, g::F_SETLK, &lock[..]), Err(Errno::AGAIN));
    let mut query = lock;
    assert_eq!(call!(t, g::__NR_fcntl, b, g::F_OFD_GETLK, &mut query[..]), Ok(0));
    assert_eq!(query, [1, 0, 0, 0xffff_ffff]);
    let with_pid = [1i64, 0, 0, 7];
    assert_eq!(call!(t, g::__NR_fcntl, a, g::F_OFD_SETLK, &with_pid[..]), Err(Errno::INVAL));
    let c = call!(t, g::__NR_dup, a).unwrap();
    call!(t, g::__NR_close, a).unwrap();
    assert_eq!(call!(t, g::__NR_fcntl, b, g::F_OFD_SETLK, &lock[..]), Err(Errno::AGAIN));
    call!(t, g::__NR_close, c).unwrap();
    assert_eq!(call!(t, g::__NR_fcntl, b, g::F_OFD_SETLK, &lock[..]), Ok(0));
}

#[test]
fn flock_is_per_open_file_and_converts() {
    let mut t = Thread::root();
    t.make_file(c"/f", b"");
    let a = open(&mut t, c"/f", 0).unwrap();
    let b = open(&mut t, c"/f", 0).unwrap();
    let nb = g::LOCK_NB;
    assert_eq!(call!(t, g::__NR_flock, a, g::LOCK_SH | nb), Ok(0));
    assert_eq!(call!(t, g::__NR_flock, b, g::LOCK_SH | nb), Ok(0));
    assert_eq!(call!(t, g::__NR_flock, b, g::LOCK_EX | nb), Err(Errno::AGAIN));
    // The failed conversion has given up the shared lock (flock(2)).
    assert_eq!(call!(t, g::__NR_flock, a, g::LOCK_EX | nb), Ok(0));
    assert_eq!(call!(t, g::__NR_flock, b, g::LOCK_SH | nb), Err(Errno::AGAIN));
    assert_eq!(call!(t, g::__NR_flock, a, 0), Err(Errno::INVAL));
    let mut child = t.forked();
    call!(t, g::__NR_close, a).unwrap();
    assert_eq!(call!(t, g::__NR_flock, b, g::LOCK_SH | nb), Err(Errno::AGAIN));
    call!(child, g::__NR_close, a).unwrap();
    assert_eq!(call!(t, g::__NR_flock, b, g::LOCK_SH | nb), Ok(0));
}

/// Makes `call` in a thread of its own and waits until it sleeps for a lock on `fd`; answers what to join.
fn blocked(
    mut t: Thread,
    fd: usize,
    call: impl FnOnce(&mut Thread) -> crate::Result<usize> + Send + 'static,
) -> std::thread::JoinHandle<(Thread, crate::Result<usize>)> {
    let inode = t.task.process.files.lock().get(fd as i32).unwrap().inode.clone();
    let handle = std::thread::spawn(move || {
        // The thread that makes the calls is the one to be woken.
        let result = call(&mut t);
        (t, result)
    });
    while !crate::vfs::locks::is_awaited(&inode) {
        std::thread::yield_now();
    }
    handle
}

#[test]
fn waiting_for_locks_ends_when_they_are_given_up_or_would_never_be() {
    let mut t = Thread::root();
    t.make_file(c"/f", b"");
    let mut u = t.another(cred(0, 0, &[]));
    let a = open(&mut t, c"/f", O_RDWR).unwrap();
    let b = open(&mut u, c"/f", O_RDWR).unwrap();
    let set = |t: &mut Thread, fd: usize, how: u32, kind: u32, start: i64| {
        let lock = [i64::from(kind), start, 1, 0];
        call!(t, g::__NR_fcntl, fd, how, &lock[..])
    };
    assert_eq!(set(&mut t, a, g::F_SETLK, g::F_WRLCK, 0), Ok(0));
    assert_eq!(set(&mut u, b, g::F_SETLK, g::F_WRLCK, 1), Ok(0));
    let handle = blocked(u, b, move |u| set(u, b, g::F_SETLKW, g::F_WRLCK, 0));
    // Waiting for each other would never end.
    assert_eq!(set(&mut t, a, g::F_SETLKW, g::F_WRLCK, 1), Err(Errno::DEADLK));
    assert_eq!(set(&mut t, a, g::F_SETLK, g::F_UNLCK, 0), Ok(0));
    let (mut u, result) = handle.join().unwrap();
    assert_eq!(result, Ok(0));
    assert_eq!(set(&mut t, a, g::F_SETLK, g::F_RDLCK, 0), Err(Errno::AGAIN));
    // The same with flock(2), given up by closing.
    assert_eq!(call!(u, g::__NR_flock, b, g::LOCK_EX), Ok(0));
    let handle = blocked(t, a, move |t| call!(t, g::__NR_flock, a, g::LOCK_SH));
    assert_eq!(call!(u, g::__NR_close, b), Ok(0));
    assert_eq!(handle.join().unwrap().1, Ok(0));
}
