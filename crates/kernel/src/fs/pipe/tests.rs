use super::{End, PAGE, Pipe, new_pair};
use crate::Errno;
use crate::call;
use crate::fs::overlay::{Limits, Overlay};
use crate::sync::Wake;
use crate::testing::{BAD, Thread};
use crate::vfs::{File, FileType, NewNode, OpenFlags, PollEvents, PollTable, WriteAt};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use host::io::{IoDst, IoSrc, Segment};
use linux_raw_sys::{general as g, ioctl};
use proptest::prelude::*;
use std::thread;

fn pair(flags: OpenFlags) -> (Arc<File>, Arc<File>) {
    new_pair(0, 0, flags).expect("a pipe")
}

fn write(file: &File, bytes: &[u8]) -> crate::Result<usize> {
    file.ops.write(&mut IoSrc::kernel(bytes), WriteAt::Offset(0), file.nonblock()).map(|(count, _)| count)
}

fn read(file: &File, max: usize) -> crate::Result<Vec<u8>> {
    let mut buf = vec![0; max];
    let count = file.ops.read(&mut IoDst::kernel(&mut buf), 0, file.nonblock())?;
    buf.truncate(count);
    Ok(buf)
}

fn pipe_of(file: &File) -> &Arc<Pipe> {
    file.ops_as::<End>().expect("a pipe").pipe()
}

fn events(file: &File) -> PollEvents {
    file.ops.poll(&mut PollTable::ask())
}

/// Waits until somebody sleeps for reading or writing.
fn until_asleep(pipe: &Pipe) {
    while pipe.read_queue.is_empty() && pipe.write_queue.is_empty() {
        thread::yield_now();
    }
}

#[test]
fn bytes_come_out_in_the_order_they_went_in() {
    let (r, w) = pair(OpenFlags::NONBLOCK);
    assert_eq!(write(&w, b"hello"), Ok(5));
    assert_eq!(write(&w, b" you"), Ok(4));
    assert_eq!(read(&r, 3).unwrap(), b"hel");
    assert_eq!(read(&r, 16).unwrap(), b"lo you");
    assert_eq!(read(&r, 16), Err(Errno::AGAIN));
}

#[test]
fn small_writes_share_a_page() {
    let (r, w) = pair(OpenFlags::NONBLOCK);
    let count = (0..).take_while(|_| write(&w, b"y") == Ok(1)).count();
    assert_eq!(count, 65536);
    assert_eq!(read(&r, 1 << 17).unwrap().len(), 65536);
}

#[test]
fn a_page_counts_as_full_until_its_last_byte_is_read() {
    let (r, w) = pair(OpenFlags::NONBLOCK);
    let big = vec![0; 1 << 17];
    assert_eq!(write(&w, &big), Ok(65536));
    assert_eq!(write(&w, b"x"), Err(Errno::AGAIN));
    assert!(!events(&w).contains(PollEvents::OUT));
    read(&r, 100).unwrap();
    assert_eq!(write(&w, b"x"), Err(Errno::AGAIN));
    read(&r, 3996).unwrap();
    assert!(events(&w).contains(PollEvents::OUT));
    assert_eq!(write(&w, b"x"), Ok(1));
    assert_eq!(write(&w, &big[..4095]), Ok(4095));
    assert_eq!(write(&w, b"x"), Err(Errno::AGAIN));
}

#[test]
fn the_odd_part_of_a_large_write_goes_into_the_last_page_first() {
    let (r, w) = pair(OpenFlags::NONBLOCK);
    pipe_of(&w).set_size(2 * PAGE).unwrap();
    write(&w, &[1; 10]).unwrap();
    let mut large = vec![2; 904];
    large.extend_from_slice(&[3; 4096]);
    assert_eq!(write(&w, &large), Ok(5000));
    let all = read(&r, 1 << 16).unwrap();
    assert_eq!(all[..10], [1; 10]);
    assert_eq!(all[10..], large[..]);
}

#[test]
fn a_write_of_a_page_or_less_is_not_torn() {
    let (r, w) = pair(OpenFlags::NONBLOCK);
    pipe_of(&w).set_size(2 * PAGE).unwrap();
    write(&w, &[0; 5000]).unwrap();
    assert_eq!(write(&w, &[0; 4096]), Err(Errno::AGAIN));
    assert_eq!(write(&w, &[0; 3192]), Ok(3192));
    assert_eq!(read(&r, 1 << 16).unwrap().len(), 8192);
}

#[test]
fn write_without_reader_fails_with_epipe() {
    let (r, w) = pair(OpenFlags::empty());
    drop(r);
    assert_eq!(write(&w, b"x"), Err(Errno::PIPE));
    assert_eq!(write(&w, &[0; 5000]), Err(Errno::PIPE));
    assert_eq!(write(&w, b""), Ok(0));
    assert_eq!(events(&w), PollEvents::WRITABLE | PollEvents::ERR);
}

#[test]
fn read_without_writer_is_the_end_after_the_last_byte() {
    let (r, w) = pair(OpenFlags::empty());
    write(&w, b"last").unwrap();
    drop(w);
    assert_eq!(events(&r), PollEvents::READABLE | PollEvents::HUP);
    assert_eq!(read(&r, 3).unwrap(), b"las");
    assert_eq!(read(&r, 3).unwrap(), b"t");
    assert_eq!(read(&r, 3).unwrap(), b"");
    assert_eq!(events(&r), PollEvents::HUP);
}

#[test]
fn packets_are_read_one_at_a_time_and_cut_to_the_buffer() {
    let (r, w) = pair(OpenFlags::DIRECT | OpenFlags::NONBLOCK);
    write(&w, b"one").unwrap();
    write(&w, b"three").unwrap();
    assert_eq!(read(&r, 16).unwrap(), b"one");
    assert_eq!(read(&r, 2).unwrap(), b"th");
    assert_eq!(read(&r, 16), Err(Errno::AGAIN));
    w.set_status_flags(OpenFlags::NONBLOCK);
    write(&w, b"a").unwrap();
    write(&w, b"b").unwrap();
    assert_eq!(read(&r, 16).unwrap(), b"ab");
}

#[test]
fn a_bad_address_leaves_the_bytes_where_they_are() {
    let (r, w) = pair(OpenFlags::NONBLOCK);
    for len in [100, 5000] {
        write(&w, &vec![7; len]).unwrap();
        assert_eq!(r.ops.read(&mut IoDst::user(BAD, len), 0, true), Err(Errno::FAULT));
        let mut good = vec![0u8; 50];
        let segments = [
            Segment { addr: good.as_mut_ptr().expose_provenance(), len: 50 },
            Segment { addr: BAD, len: len - 50 },
        ];
        assert_eq!(r.ops.read(&mut IoDst::user_vec(&segments), 0, true), Err(Errno::FAULT));
        assert_eq!(read(&r, 1 << 16).unwrap(), vec![7; len]);
    }
    for len in [100, 5000] {
        let bad = w.ops.write(&mut IoSrc::user(BAD, len), WriteAt::Offset(0), true);
        assert_eq!(bad, Err(Errno::FAULT));
        assert_eq!(read(&r, 1), Err(Errno::AGAIN));
    }
    // What went whole pages far stays.
    let good = vec![1u8; 5000];
    let segments =
        [Segment { addr: good.as_ptr().expose_provenance(), len: 5000 }, Segment { addr: BAD, len: 5000 }];
    let (count, _) = w.ops.write(&mut IoSrc::user_vec(&segments), WriteAt::Offset(0), true).unwrap();
    assert_eq!(count, 4096);
    // A full pipe is full before anybody looks at the address.
    write(&w, &vec![0; 1 << 17]).unwrap();
    for len in [100, 5000] {
        let full = w.ops.write(&mut IoSrc::user(BAD, len), WriteAt::Offset(0), true);
        assert_eq!(full, Err(Errno::AGAIN));
    }
}

#[test]
fn capacity_is_a_power_of_two_and_holds_what_is_there() {
    let (r, w) = pair(OpenFlags::NONBLOCK);
    assert_eq!(w.ops.pipe_size(), Ok(65536));
    assert_eq!(r.ops.set_pipe_size(1), Ok(4096));
    assert_eq!(w.ops.set_pipe_size(4097), Ok(8192));
    write(&w, &[0; 8192]).unwrap();
    assert_eq!(w.ops.set_pipe_size(4096), Err(Errno::BUSY));
    assert_eq!(w.ops.set_pipe_size(0), Err(Errno::BUSY));
    assert_eq!(w.ops.set_pipe_size(1 << 20), Ok(1 << 20));
    assert_eq!(write(&w, &vec![0; 1 << 21]), Ok((1 << 20) - 8192));
    assert_eq!(w.ops.set_pipe_size((1 << 31) + 1), Err(Errno::INVAL));
    assert_eq!(w.ops.set_pipe_size(1 << 31), Err(Errno::NOMEM));
}

#[test]
fn a_blocked_reader_wakes_for_a_byte_and_for_the_end() {
    let (r, w) = pair(OpenFlags::empty());
    let reader = thread::spawn(move || (read(&r, 10), read(&r, 10)));
    until_asleep(pipe_of(&w));
    write(&w, b"now").unwrap();
    let pipe = pipe_of(&w).clone();
    until_asleep(&pipe);
    drop(w);
    assert_eq!(reader.join().unwrap(), (Ok(b"now".to_vec()), Ok(Vec::new())));
}

#[test]
fn a_blocked_writer_goes_on_and_a_large_write_comes_whole() {
    let (r, w) = pair(OpenFlags::empty());
    let pattern: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8).collect();
    let sent = pattern.clone();
    let writer = thread::spawn(move || write(&w, &sent));
    let mut got = Vec::new();
    while got.len() < pattern.len() {
        got.extend(read(&r, 7777).unwrap());
    }
    assert_eq!(writer.join().unwrap(), Ok(pattern.len()));
    assert!(got == pattern);
}

#[test]
fn a_blocked_writer_learns_that_the_reader_is_gone() {
    let (r, w) = pair(OpenFlags::empty());
    let pipe = pipe_of(&w).clone();
    let writer = thread::spawn(move || (write(&w, &vec![0; 100_000]), write(&w, b"x")));
    until_asleep(&pipe);
    drop(r);
    // The bytes that went in count; the next write fails.
    assert_eq!(writer.join().unwrap(), (Ok(65536), Err(Errno::PIPE)));
}

#[test]
fn records_of_many_writers_and_readers_stay_whole() {
    const RECORDS: usize = 2000;
    let (r, w) = pair(OpenFlags::empty());
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let r = r.clone();
            thread::spawn(move || {
                let mut sum = [0usize; 4];
                loop {
                    // Each record is read by one read: a multiple of its size is always there.
                    let record = read(&r, 64).unwrap();
                    let Some(first) = record.first() else { return sum };
                    assert_eq!(record, [*first; 64]);
                    sum[usize::from(*first)] += 1;
                }
            })
        })
        .collect();
    let writers: Vec<_> = (0..4u8)
        .map(|n| {
            let w = w.clone();
            thread::spawn(move || (0..RECORDS).for_each(|_| assert_eq!(write(&w, &[n; 64]), Ok(64))))
        })
        .collect();
    drop(w);
    writers.into_iter().for_each(|t| t.join().unwrap());
    let sums = readers.into_iter().map(|t| t.join().unwrap());
    assert_eq!(sums.fold([0; 4], |a, b| core::array::from_fn(|n| a[n] + b[n])), [RECORDS; 4]);
}

struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(&self, _events: PollEvents) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn who_has_polled_is_told_of_every_write() {
    let (r, w) = pair(OpenFlags::NONBLOCK);
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let waker: Arc<dyn Wake> = count.clone();
    let mut table = PollTable::register(&waker);
    assert_eq!(r.ops.poll(&mut table), PollEvents::empty());
    write(&w, b"1").unwrap();
    write(&w, b"2").unwrap();
    assert_eq!(count.0.load(SeqCst), 2);
    drop(w);
    assert!(count.0.load(SeqCst) > 2);
    drop(table);
    assert!(pipe_of(&r).read_queue.is_empty());
}

#[test]
fn pipe2_checks_flags_and_gives_nothing_back_after_a_fault() {
    let mut t = Thread::root();
    let mut fds = [0i32; 2];
    assert_eq!(call!(t, g::__NR_pipe2, &mut fds[..], g::O_APPEND), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_pipe2, &mut fds[..], g::O_EXCL), Err(Errno::NOPKG));
    assert_eq!(call!(t, g::__NR_pipe2, BAD, 0), Err(Errno::FAULT));
    assert_eq!(call!(t, g::__NR_pipe2, &mut fds[..], g::O_CLOEXEC | g::O_NONBLOCK), Ok(0));
    assert_eq!(fds, [0, 1]);
    assert_eq!(call!(t, g::__NR_fcntl, 0, g::F_GETFD), Ok(1));
    assert_eq!(call!(t, g::__NR_fcntl, 0, g::F_GETFL), Ok(g::O_NONBLOCK as usize));
    assert_eq!(call!(t, g::__NR_fcntl, 1, g::F_GETFL), Ok((g::O_NONBLOCK | g::O_WRONLY) as usize));
    assert_eq!(call!(t, g::__NR_write, 1, c"abc", 3), Ok(3));
    let mut left = 0i32;
    assert_eq!(call!(t, g::__NR_ioctl, 0, ioctl::FIONREAD, &raw mut left), Ok(0));
    assert_eq!(left, 3);
    assert_eq!(call!(t, g::__NR_lseek, 0, 0, 0), Err(Errno::SPIPE));
    assert_eq!(call!(t, g::__NR_read, 1, &mut [0u8; 4][..], 4), Err(Errno::BADF));
    assert_eq!(call!(t, g::__NR_close, 0), Ok(0));
    assert_eq!(call!(t, g::__NR_write, 1, c"abc", 3), Err(Errno::PIPE));
}

proptest! {
    /// Against the simplest model: a queue of bytes. Whatever is accepted comes out, in order, once.
    #[test]
    fn behaves_like_a_queue(ops in proptest::collection::vec((any::<bool>(), 0usize..9000), 1..60)) {
        let (r, w) = pair(OpenFlags::NONBLOCK);
        let mut model = std::collections::VecDeque::new();
        let mut next = 0u8;
        for (writes, len) in ops {
            if writes {
                let bytes: Vec<u8> = (0..len).map(|n| next.wrapping_add(n as u8)).collect();
                let count = match write(&w, &bytes) {
                    Err(Errno::AGAIN) => 0,
                    other => other.unwrap(),
                };
                prop_assert!(count == len || len > super::PIPE_BUF || count == 0);
                next = next.wrapping_add(count as u8);
                model.extend(&bytes[..count]);
            } else {
                let got = match read(&r, len) {
                    Err(Errno::AGAIN) => Vec::new(),
                    other => other.unwrap(),
                };
                prop_assert_eq!(got.len(), len.min(model.len()));
                prop_assert!(got.into_iter().eq(model.drain(..len.min(model.len()))));
            }
        }
    }
}

#[test]
fn splice_and_tee_between_threads_lose_nothing() {
    let (r1, w1) = pair(OpenFlags::empty());
    let (r2, w2) = pair(OpenFlags::empty());
    let pattern: Vec<u8> = (0..400_000u32).map(|n| (n % 253) as u8).collect();
    let sent = pattern.clone();
    let writer = thread::spawn(move || {
        sent.chunks(3333).for_each(|piece| assert_eq!(write(&w1, piece), Ok(piece.len())));
    });
    let mover = thread::spawn(move || {
        let (from, to) = (pipe_of(&r1), pipe_of(&w2));
        let mut n = 0;
        loop {
            n += 1;
            match super::transfer::splice(from, to, 1000 + n * 37 % 9000, false) {
                Ok(0) => break,
                other => assert!(other.is_ok(), "{other:?}"),
            }
        }
    });
    let mut got = Vec::new();
    loop {
        let piece = read(&r2, 5000).unwrap();
        if piece.is_empty() {
            break;
        }
        got.extend(piece);
    }
    writer.join().unwrap();
    mover.join().unwrap();
    assert!(got == pattern);
}

#[test]
fn a_fifo_has_one_pipe_and_opening_it_waits_for_the_other_side() {
    let fs = Overlay::new(None, Limits::default()).expect("a file system in memory");
    let node = NewNode { kind: FileType::Fifo, mode: 0o644, uid: 0, gid: 0, target: b"", rdev: 0 };
    let inode = fs.root().create(b"fifo", &node).unwrap();
    assert_eq!(inode.clone().open(OpenFlags::WRONLY | OpenFlags::NONBLOCK).err(), Some(Errno::NXIO));
    let same = fs.root().lookup(b"fifo").unwrap();
    let reader = thread::spawn(move || {
        let file = File::new(same.clone().open(OpenFlags::empty())?, same, None, OpenFlags::empty());
        read(&file, 10)
    });
    let flags = OpenFlags::WRONLY;
    let file = File::new(inode.clone().open(flags).unwrap(), inode, None, flags);
    assert_eq!(write(&file, b"met"), Ok(3));
    assert_eq!(reader.join().unwrap(), Ok(b"met".to_vec()));
}
