//! Promises of poll(2), select(2), epoll(7) and eventfd(2), each as a program sees it.

use crate::testing::{BAD, Thread};
use crate::{Errno, Result, call};
use alloc::vec::Vec;
use linux_raw_sys::general as g;

const IN: u32 = g::EPOLLIN;
const OUT: u32 = g::EPOLLOUT;

fn eventfd(t: &mut Thread, count: u32) -> usize {
    call!(t, g::__NR_eventfd2, count, g::EFD_NONBLOCK).unwrap()
}

fn add(t: &mut Thread, fd: usize, value: u64) {
    assert_eq!(call!(t, g::__NR_write, fd, &[value][..], 8), Ok(8));
}

fn drain(t: &mut Thread, fd: usize) {
    let mut value = [0u64];
    assert_eq!(call!(t, g::__NR_read, fd, &mut value[..], 8), Ok(8));
}

fn epoll(t: &mut Thread) -> usize {
    call!(t, g::__NR_epoll_create1, 0).unwrap()
}

fn ctl(t: &mut Thread, ep: usize, op: u32, fd: usize, events: u32, data: u32) -> Result<usize> {
    call!(t, g::__NR_epoll_ctl, ep, op, fd, &[events, data, 0][..])
}

/// What epoll_wait reports without waiting: events and data.
fn ready(t: &mut Thread, ep: usize) -> Vec<(u32, u32)> {
    let mut events = [[0u32; 3]; 8];
    let count = call!(t, g::__NR_epoll_wait, ep, &mut events[..], 8, 0).unwrap();
    events[..count].iter().map(|event| (event[0], event[1])).collect()
}

#[test]
fn level_triggered_items_are_reported_until_drained() {
    let mut t = Thread::root();
    let (ep, fd) = (epoll(&mut t), eventfd(&mut t, 0));
    assert_eq!(ctl(&mut t, ep, g::EPOLL_CTL_ADD, fd, IN, 7), Ok(0));
    assert_eq!(ready(&mut t, ep), []);
    add(&mut t, fd, 1);
    assert_eq!(ready(&mut t, ep), [(IN, 7)]);
    assert_eq!(ready(&mut t, ep), [(IN, 7)]);
    drain(&mut t, fd);
    assert_eq!(ready(&mut t, ep), []);
}

#[test]
fn edge_triggered_items_are_reported_once_for_each_change() {
    let mut t = Thread::root();
    let (ep, fd) = (epoll(&mut t), eventfd(&mut t, 1));
    assert_eq!(ctl(&mut t, ep, g::EPOLL_CTL_ADD, fd, IN | g::EPOLLET, 7), Ok(0));
    assert_eq!(ready(&mut t, ep), [(IN, 7)]);
    assert_eq!(ready(&mut t, ep), []);
    add(&mut t, fd, 1);
    assert_eq!(ready(&mut t, ep), [(IN, 7)]);
    assert_eq!(ready(&mut t, ep), []);
    // Setting the interest anew asks anew.
    assert_eq!(ctl(&mut t, ep, g::EPOLL_CTL_MOD, fd, IN | OUT | g::EPOLLET, 8), Ok(0));
    assert_eq!(ready(&mut t, ep), [(IN | OUT, 8)]);
}

#[test]
fn a_one_shot_is_silent_until_it_is_armed_again() {
    let mut t = Thread::root();
    let (ep, fd) = (epoll(&mut t), eventfd(&mut t, 1));
    assert_eq!(ctl(&mut t, ep, g::EPOLL_CTL_ADD, fd, IN | g::EPOLLONESHOT, 7), Ok(0));
    assert_eq!(ready(&mut t, ep), [(IN, 7)]);
    add(&mut t, fd, 1);
    assert_eq!(ready(&mut t, ep), []);
    assert_eq!(ctl(&mut t, ep, g::EPOLL_CTL_MOD, fd, IN | g::EPOLLONESHOT, 9), Ok(0));
    assert_eq!(ready(&mut t, ep), [(IN, 9)]);
}

#[test]
fn epoll_ctl_checks_what_it_is_given() {
    let mut t = Thread::root();
    let (ep, fd) = (epoll(&mut t), eventfd(&mut t, 0));
    t.make_file(c"/f", b"");
    let file = call!(t, g::__NR_open, c"/f", 0).unwrap();
    let add_op = g::EPOLL_CTL_ADD;
    assert_eq!(ctl(&mut t, ep, add_op, file, IN, 0), Err(Errno::PERM));
    assert_eq!(ctl(&mut t, ep, add_op, 99, IN, 0), Err(Errno::BADF));
    assert_eq!(ctl(&mut t, fd, add_op, ep, IN, 0), Err(Errno::INVAL));
    assert_eq!(ctl(&mut t, ep, add_op, ep, IN, 0), Err(Errno::INVAL));
    assert_eq!(ctl(&mut t, ep, 9, fd, IN, 0), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_epoll_ctl, ep, add_op, fd, BAD), Err(Errno::FAULT));
    assert_eq!(ctl(&mut t, ep, g::EPOLL_CTL_MOD, fd, IN, 0), Err(Errno::NOENT));
    assert_eq!(ctl(&mut t, ep, g::EPOLL_CTL_DEL, fd, 0, 0), Err(Errno::NOENT));
    assert_eq!(ctl(&mut t, ep, add_op, fd, IN | g::EPOLLEXCLUSIVE | g::EPOLLONESHOT, 0), Err(Errno::INVAL));
    assert_eq!(ctl(&mut t, ep, add_op, fd, IN | g::EPOLLEXCLUSIVE, 0), Ok(0));
    assert_eq!(ctl(&mut t, ep, add_op, fd, IN, 0), Err(Errno::EXIST));
    assert_eq!(ctl(&mut t, ep, g::EPOLL_CTL_MOD, fd, IN, 0), Err(Errno::INVAL));
    assert_eq!(ctl(&mut t, ep, g::EPOLL_CTL_DEL, fd, 0, 0), Ok(0));
    let mut events = [[0u32; 3]; 2];
    for (max, errno) in [(0, Errno::INVAL), (-1, Errno::INVAL), (i32::MAX, Errno::INVAL)] {
        assert_eq!(call!(t, g::__NR_epoll_wait, ep, &mut events[..], max, 0), Err(errno));
    }
    assert_eq!(call!(t, g::__NR_epoll_wait, ep, BAD, 1, 0), Err(Errno::FAULT));
}

#[test]
fn closing_the_last_descriptor_ends_the_watch() {
    let mut t = Thread::root();
    let (ep, fd) = (epoll(&mut t), eventfd(&mut t, 1));
    assert_eq!(ctl(&mut t, ep, g::EPOLL_CTL_ADD, fd, IN, 7), Ok(0));
    let other = call!(t, g::__NR_dup, fd).unwrap();
    assert_eq!(call!(t, g::__NR_close, fd), Ok(0));
    assert_eq!(ready(&mut t, ep), [(IN, 7)]);
    assert_eq!(call!(t, g::__NR_close, other), Ok(0));
    assert_eq!(ready(&mut t, ep), []);
    // The number may be used again.
    assert_eq!(eventfd(&mut t, 1), fd);
    assert_eq!(ctl(&mut t, ep, g::EPOLL_CTL_ADD, fd, IN, 8), Ok(0));
    assert_eq!(ready(&mut t, ep), [(IN, 8)]);
}

#[test]
fn instances_nest_but_not_in_circles_nor_too_deep() {
    let mut t = Thread::root();
    let (outer, inner, fd) = (epoll(&mut t), epoll(&mut t), eventfd(&mut t, 0));
    assert_eq!(ctl(&mut t, inner, g::EPOLL_CTL_ADD, fd, IN, 1), Ok(0));
    assert_eq!(ctl(&mut t, outer, g::EPOLL_CTL_ADD, inner, IN, 2), Ok(0));
    assert_eq!(ctl(&mut t, inner, g::EPOLL_CTL_ADD, outer, IN, 3), Err(Errno::LOOP));
    assert_eq!(ready(&mut t, outer), []);
    add(&mut t, fd, 1);
    assert_eq!(ready(&mut t, outer), [(IN, 2)]);
    assert_eq!(ready(&mut t, inner), [(IN, 1)]);
    drain(&mut t, fd);
    assert_eq!(ready(&mut t, outer), []);

    let chain: Vec<_> = (0..6).map(|_| epoll(&mut t)).collect();
    let mut results = Vec::new();
    for pair in chain.windows(2) {
        results.push(ctl(&mut t, pair[0], g::EPOLL_CTL_ADD, pair[1], IN, 0));
    }
    assert_eq!(results, [Ok(0), Ok(0), Ok(0), Ok(0), Err(Errno::LOOP)]);
}

#[test]
fn a_full_array_leaves_the_rest_for_the_next_call() {
    let mut t = Thread::root();
    let ep = epoll(&mut t);
    for data in 0..3 {
        let fd = eventfd(&mut t, 1);
        assert_eq!(ctl(&mut t, ep, g::EPOLL_CTL_ADD, fd, IN, data), Ok(0));
    }
    let mut seen = Vec::new();
    for _ in 0..3 {
        let mut events = [[0u32; 3]];
        assert_eq!(call!(t, g::__NR_epoll_wait, ep, &mut events[..], 1, 0), Ok(1));
        seen.push(events[0][1]);
    }
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2]);
}

#[test]
fn an_expired_timer_is_an_event() {
    let mut t = Thread::root();
    let ep = epoll(&mut t);
    let fd = call!(t, g::__NR_timerfd_create, g::CLOCK_MONOTONIC, g::TFD_NONBLOCK).unwrap();
    assert_eq!(ctl(&mut t, ep, g::EPOLL_CTL_ADD, fd, IN, 5), Ok(0));
    assert_eq!(ready(&mut t, ep), []);
    let soon = [0i64, 0, 0, 1000];
    assert_eq!(call!(t, g::__NR_timerfd_settime, fd, 0, &soon[..], 0), Ok(0));
    let mut events = [[0u32; 3]];
    assert_eq!(call!(t, g::__NR_epoll_wait, ep, &mut events[..], 1, -1), Ok(1));
    assert_eq!(events[0][..2], [IN, 5]);
    drain(&mut t, fd);
    assert_eq!(ready(&mut t, ep), []);
}

#[test]
fn poll_tells_what_there_is() {
    let mut t = Thread::root();
    let (full, empty) = (eventfd(&mut t, 1), eventfd(&mut t, 0));
    let entry = |fd: i32, events: u32| [fd, events as i32];
    let mut fds = [
        entry(full as i32, IN),
        entry(empty as i32, IN),
        entry(empty as i32, IN | OUT),
        entry(-1, IN),
        entry(99, 0),
    ];
    assert_eq!(call!(t, g::__NR_poll, &mut fds[..], 5, -1), Ok(3));
    let revents = fds.map(|entry| entry[1] >> 16);
    assert_eq!(revents, [IN as i32, 0, OUT as i32, 0, 0x20]);
    assert_eq!(call!(t, g::__NR_poll, &mut fds[1..2], 1, 0), Ok(0));
    assert_eq!(call!(t, g::__NR_poll, &mut fds[1..2], 1, 1), Ok(0));
    assert_eq!(call!(t, g::__NR_poll, BAD, 1, 0), Err(Errno::FAULT));
    assert_eq!(call!(t, g::__NR_poll, 0, 1025, 0), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_poll, 0, 0, 0), Ok(0));
}

#[test]
fn select_tells_what_there_is_and_how_much_time_is_left() {
    let mut t = Thread::root();
    let (full, empty) = (eventfd(&mut t, 1), eventfd(&mut t, 0));
    let bits = 1u64 << full | 1 << empty;
    let (mut read, mut write) = ([bits], [bits]);
    let mut time = [5i64, 0];
    let n = empty as i32 + 1;
    assert_eq!(call!(t, g::__NR_select, n, &mut read[..], &mut write[..], 0, &mut time[..]), Ok(3));
    assert_eq!((read, write), ([1 << full], [bits]));
    assert!(time[0] == 4 || time == [5, 0], "{time:?}");
    let mut nothing = [1u64 << empty];
    assert_eq!(call!(t, g::__NR_select, n, &mut nothing[..], 0, 0, &mut [0i64, 0][..]), Ok(0));
    assert_eq!(nothing, [0]);
    assert_eq!(call!(t, g::__NR_select, 64, &[1u64 << 40][..], 0, 0, 0), Err(Errno::BADF));
    assert_eq!(call!(t, g::__NR_select, -1, 0, 0, 0, 0), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_select, 1, 0, 0, 0, &[-1i64, 0][..]), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_select, 1, BAD, 0, 0, 0), Err(Errno::FAULT));
}
