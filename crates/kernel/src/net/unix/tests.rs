use crate::call;
use crate::fs::overlay::{Limits, Overlay};
use crate::net::{Incoming, MsgFlags, Outgoing, ProtocolRef, family, new_file, of_file};
use crate::testing::{Thread, cred};
use crate::vfs::{Dentry, File, OpenFlags, PollEvents, PollTable};
use crate::{Errno, Result};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use host::io::{IoDst, IoSrc};
use linux_raw_sys::general as g;
use linux_raw_sys::net as n;
use proptest::prelude::*;
use std::thread;

fn pair(kind: u32) -> (Arc<File>, Arc<File>) {
    let make = || family(1).unwrap().socket(kind, 0).unwrap();
    let (a, b) = (make(), make());
    a.pair(&b).unwrap();
    let file = |socket: ProtocolRef| new_file(socket, 0, 0, OpenFlags::empty());
    (file(a), file(b))
}

fn send(file: &File, bytes: &[u8], files: Vec<Arc<File>>) -> Result<usize> {
    let message = Outgoing { files, ..Outgoing::plain(true) };
    of_file(file)?.send(&mut IoSrc::kernel(bytes), message)
}

fn receive(file: &File, room: usize) -> Result<(Vec<u8>, Vec<Arc<File>>)> {
    let mut bytes = vec![0; room];
    let mut message = Incoming::plain(true);
    let count = of_file(file)?.receive(&mut IoDst::kernel(&mut bytes), &mut message)?;
    bytes.truncate(count);
    Ok((bytes, message.files))
}

#[test]
fn files_in_a_circle_are_closed() {
    let (a, b) = pair(n::SOCK_STREAM);
    let (watched, other) = pair(n::SOCK_STREAM);
    send(&a, b"x", vec![a.clone(), watched]).unwrap();
    send(&b, b"x", vec![b.clone()]).unwrap();
    drop((a, b));
    // Found when a socket is closed next, maybe by another test; or this does not end.
    while receive(&other, 1).is_err() {
        drop(pair(n::SOCK_STREAM));
    }
    assert_eq!(receive(&other, 1).unwrap().0, b"");
}

#[test]
fn a_circle_that_somebody_can_receive_stays() {
    let (a, b) = pair(n::SOCK_STREAM);
    let (c, d) = pair(n::SOCK_STREAM);
    send(&a, b"x", vec![b.clone()]).unwrap();
    send(&c, b"x", vec![b, a]).unwrap();
    drop(pair(n::SOCK_STREAM));
    let (_, files) = receive(&d, 1).unwrap();
    let (_, again) = receive(&files[0], 1).unwrap();
    assert!(Arc::ptr_eq(&files[0], &again[0]));
}

#[test]
fn a_long_chain_of_sockets_in_queues_is_closed_without_recursion() {
    let (mut carried, end) = pair(n::SOCK_STREAM);
    for _ in 0..5_000 {
        let (a, b) = pair(n::SOCK_DGRAM);
        send(&a, b"x", vec![carried]).unwrap();
        carried = b;
    }
    assert_eq!(receive(&end, 1).map(drop), Err(Errno::AGAIN));
    drop(carried);
    assert_eq!(receive(&end, 1).unwrap().0, b"");
}

#[test]
fn what_is_sent_is_bounded_by_the_senders_buffer() {
    for kind in [n::SOCK_STREAM, n::SOCK_DGRAM, n::SOCK_SEQPACKET] {
        let (a, b) = pair(kind);
        let sent = (0..100_000).take_while(|_| send(&a, b"x", Vec::new()) == Ok(1)).count();
        assert_eq!(sent, 278, "as many as Linux: 768 bytes each");
        assert!(!of_file(&a).unwrap().poll(&mut PollTable::ask()).contains(PollEvents::OUT));
        drop(b);
        assert!(of_file(&a).unwrap().sock().space.used() == 0);
    }
}

#[test]
fn a_reader_is_woken_by_bytes_and_by_the_end() {
    let (a, b) = pair(n::SOCK_STREAM);
    thread::scope(|scope| {
        let reader = scope.spawn(move || {
            host::signal::ignore_kicks();
            let mut all = Vec::new();
            loop {
                let mut bytes = [0; 7];
                let socket = of_file(&b).unwrap();
                match socket.receive(&mut IoDst::kernel(&mut bytes), &mut Incoming::plain(false)) {
                    Ok(0) => return all,
                    Ok(count) => all.extend_from_slice(&bytes[..count]),
                    Err(errno) => panic!("{errno}"),
                }
            }
        });
        for i in 0..100u8 {
            send(&a, &[i; 3], Vec::new()).unwrap();
            thread::yield_now();
        }
        drop(a);
        let expected: Vec<u8> = (0..100).flat_map(|i| [i; 3]).collect();
        assert_eq!(reader.join().unwrap(), expected);
    });
}

#[test]
fn names_belong_to_their_socket() {
    let overlay = Overlay::new(None, Limits::default()).unwrap();
    let mut t = Thread::in_tree(&Dentry::new_root(overlay.root(), None), cred(0, 0, &[]));
    let address = |name: &[u8]| [&1u16.to_ne_bytes(), name].concat();
    for name in [&b"path\0"[..], b"\0abstract of this test"] {
        let address = address(name);
        let (a, b) = (call!(t, g::__NR_socket, 1, 1, 0).unwrap(), call!(t, g::__NR_socket, 1, 1, 0).unwrap());
        assert_eq!(call!(t, g::__NR_bind, a, &address[..], address.len()), Ok(0));
        assert_eq!(call!(t, g::__NR_bind, b, &address[..], address.len()), Err(Errno::ADDRINUSE));
        assert_eq!(call!(t, g::__NR_connect, b, &address[..], address.len()), Err(Errno::CONNREFUSED));
        assert_eq!(call!(t, g::__NR_listen, a, 1), Ok(0));
        assert_eq!(call!(t, g::__NR_connect, b, &address[..], address.len()), Ok(0));
        assert_eq!(call!(t, g::__NR_close, a), Ok(0));
        let mut byte = [0u8; 1];
        assert_eq!(call!(t, g::__NR_read, b, &mut byte[..], 1), Err(Errno::CONNRESET));
        assert_eq!(call!(t, g::__NR_connect, b, &address[..], address.len()), Err(Errno::CONNREFUSED));
        assert_eq!(call!(t, g::__NR_close, b), Ok(0));
    }
    // The path is still there, and taken.
    let path = address(b"path\0");
    let a = call!(t, g::__NR_socket, 1, 1, 0).unwrap();
    assert_eq!(call!(t, g::__NR_bind, a, &path[..], path.len()), Err(Errno::ADDRINUSE));
}

proptest! {
    /// Whatever is sent and received in whatever pieces: a stream keeps the order of bytes, packets their bounds.
    #[test]
    fn nothing_is_lost_or_torn(
        stream in any::<bool>(),
        steps in prop::collection::vec((any::<bool>(), 0usize..5000, any::<bool>()), 1..60),
    ) {
        let (a, b) = pair(if stream { n::SOCK_STREAM } else { n::SOCK_SEQPACKET });
        let mut waiting: Vec<Vec<u8>> = Vec::new();
        let mut next = 0u8;
        for (sends, len, peek) in steps {
            if sends {
                let bytes: Vec<u8> = (0..len).map(|i| next.wrapping_add(i as u8)).collect();
                next = next.wrapping_add(len as u8);
                if send(&a, &bytes, Vec::new()).is_ok() && !(stream && bytes.is_empty()) {
                    waiting.push(bytes);
                }
                continue;
            }
            let mut got = vec![0; len];
            let flags = if peek { MsgFlags::PEEK } else { MsgFlags::empty() };
            let mut message = Incoming::new(flags | MsgFlags::DONTWAIT);
            let result = of_file(&b).unwrap().receive(&mut IoDst::kernel(&mut got), &mut message);
            if waiting.is_empty() {
                prop_assert_eq!(result, Err(Errno::AGAIN));
                continue;
            }
            let expected: Vec<u8> = match stream {
                true => waiting.iter().flatten().copied().take(len).collect(),
                false => waiting[0].iter().copied().take(len).collect(),
            };
            prop_assert_eq!(result, Ok(expected.len()));
            prop_assert_eq!(&got[..expected.len()], &expected[..]);
            if peek {
                continue;
            }
            if stream {
                let mut left = expected.len();
                while left > 0 {
                    let step = left.min(waiting[0].len());
                    waiting[0].drain(..step);
                    left -= step;
                    if waiting[0].is_empty() {
                        waiting.remove(0);
                    }
                }
            } else {
                waiting.remove(0);
            }
        }
    }
}
