//! Tests of the passthrough and of inherited descriptors, against the host's own view. That random operations agree
//! with what the overlay does is shown in `overlay::tests::model`.

extern crate std;

use super::{HostFs, inherited};
use crate::fs::overlay::tests::{
    TempDir, chmod, content, error, mkdir, mkfile, names, new_node, open, read, truncate, walk, write,
};
use crate::vfs::{
    File, FileType, HOST_POSITION, OpenFlags, PollEvents, PollTable, RenameFlags, SetAttr, TimeSpec, WriteAt,
};
use crate::{Errno, Result};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use host::file::HostFd;
use host::io::{IoDst, IoSrc};
use linux_raw_sys::general as g;
use linux_raw_sys::ioctl as c;
use std::fs;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};

fn dir() -> (TempDir, Arc<HostFs>) {
    let dir = TempDir::new();
    fs::create_dir(dir.path("d")).unwrap();
    fs::write(dir.path("a"), "text a").unwrap();
    let hostfs = dir.hostfs();
    (dir, hostfs)
}

#[test]
fn changes_reach_the_host() {
    let (dir, hostfs) = dir();
    let root = hostfs.root();
    let f = mkfile(&root, "f").unwrap();
    write(&*open(&f), 0, b"written").unwrap();
    chmod(&f, 0o640).unwrap();
    let time = TimeSpec { sec: 1_000_000_007, nsec: 8 };
    f.set_attr(&SetAttr { mtime: Some(time), ..SetAttr::default() }).unwrap();
    root.rename(b"f", &walk(&root, "d").unwrap(), b"g", RenameFlags::empty()).unwrap();
    let meta = fs::metadata(dir.path("d/g")).unwrap();
    assert_eq!(fs::read(dir.path("d/g")).unwrap(), b"written");
    assert_eq!(
        (meta.permissions().mode() & 0o7777, meta.mtime(), meta.mtime_nsec()),
        (0o640, 1_000_000_007, 8)
    );
    assert_eq!(f.stat().unwrap().ino, meta.ino());
    truncate(&f, 3).unwrap();
    assert_eq!(fs::read(dir.path("d/g")).unwrap(), b"wri");
    walk(&root, "d").unwrap().unlink(b"g").unwrap();
    assert!(fs::metadata(dir.path("d/g")).is_err());
    assert_eq!(names(&root), ["a", "d"]);
}

#[test]
fn a_file_made_read_only_is_open_for_writing_once() {
    let (dir, hostfs) = dir();
    let f = hostfs.root().create(b"f", &new_node(FileType::Regular, 0o400)).unwrap();
    let file = f.clone().open(OpenFlags::WRONLY | OpenFlags::CREAT | OpenFlags::EXCL).unwrap();
    write(&*file, 0, b"x").unwrap();
    assert_eq!(fs::read(dir.path("f")).unwrap(), b"x");
}

#[test]
fn a_held_inode_follows_renames_and_remaining_links() {
    let (dir, hostfs) = dir();
    let root = hostfs.root();
    let a = walk(&root, "a").unwrap();
    root.link(b"b", &a).unwrap();
    root.unlink(b"a").unwrap();
    assert_eq!((a.stat().unwrap().nlink, content(&a)), (1, b"text a".to_vec()));
    root.rename(b"b", &root, b"c", RenameFlags::empty()).unwrap();
    chmod(&a, 0o611).unwrap();
    assert_eq!(fs::metadata(dir.path("c")).unwrap().permissions().mode() & 0o7777, 0o611);
    let d = walk(&root, "d").unwrap();
    mkdir(&d, "e").unwrap();
    root.rename(b"d", &root, b"D", RenameFlags::empty()).unwrap();
    mkfile(&d, "in").unwrap();
    assert!(fs::metadata(dir.path("D/in")).is_ok());
    root.rename(b"D", &root, b"c", RenameFlags::EXCHANGE).unwrap();
    assert_eq!(content(&walk(&root, "D").unwrap()), b"text a");
    assert_eq!(names(&d), ["e", "in"]);
    mkfile(&d, "after").unwrap();
    assert!(fs::metadata(dir.path("c/after")).is_ok());
}

#[test]
fn open_files_outlive_their_names() {
    let (_dir, hostfs) = dir();
    let root = hostfs.root();
    let a = walk(&root, "a").unwrap();
    let file = open(&a);
    root.unlink(b"a").unwrap();
    assert_eq!(a.stat().unwrap().nlink, 0);
    truncate(&a, 2).unwrap();
    assert_eq!(read(&*file, 0, 9).unwrap(), b"te");
    // Again through the inode, as /proc/self/fd does.
    assert_eq!(read(&*open(&a), 0, 9).unwrap(), b"te");
}

#[test]
fn an_unnamed_file_may_get_a_name() {
    let (dir, hostfs) = dir();
    let root = hostfs.root();
    let file = root.create_unnamed(&new_node(FileType::Regular, 0o600)).unwrap();
    write(&*open(&file), 0, b"text").unwrap();
    assert_eq!(file.stat().unwrap().nlink, 0);
    root.link(b"named", &file).unwrap();
    assert_eq!(fs::read(dir.path("named")).unwrap(), b"text");
    assert_eq!(file.stat().unwrap().nlink, 1);
}

#[test]
fn a_file_replaced_on_the_host_shows_the_new_one() {
    let (dir, hostfs) = dir();
    let root = hostfs.root();
    let a = walk(&root, "a").unwrap();
    fs::write(dir.path("new"), "longer text").unwrap();
    fs::rename(dir.path("new"), dir.path("a")).unwrap();
    // The name was looked up before; it still leads somewhere.
    assert_eq!(a.stat().unwrap().size, 11);
    assert_eq!(content(&a), b"longer text");
}

#[test]
fn appending_and_seeking() {
    let (dir, hostfs) = dir();
    let a = walk(&hostfs.root(), "a").unwrap();
    let (one, two) = (open(&a), open(&a));
    for (file, expected) in [(&one, 8), (&two, 10), (&one, 12)] {
        let (count, end) = file.write(&mut IoSrc::kernel(b"++"), WriteAt::End, false).unwrap();
        assert_eq!((count, end), (2, expected));
    }
    assert_eq!(fs::read(dir.path("a")).unwrap(), b"text a++++++");
    assert_eq!(one.seek(-2, g::SEEK_END, 0), Some(Ok(10)));
    assert_eq!(one.seek(0, g::SEEK_HOLE, 0), Some(Ok(12)));
    assert_eq!(one.seek(0, g::SEEK_SET, 0), None);
}

fn adopt(fd: impl Into<OwnedFd>) -> Arc<File> {
    inherited(HostFd::adopt(fd.into().into_raw_fd())).unwrap()
}

fn put(file: &File, bytes: &[u8], nonblock: bool) -> Result<usize> {
    file.ops
        .write(&mut IoSrc::kernel(bytes), WriteAt::Offset(HOST_POSITION), nonblock)
        .map(|(count, _)| count)
}

#[test]
fn the_position_of_an_inherited_file_is_the_hosts() {
    let (dir, _) = dir();
    let mut host = fs::File::options().read(true).write(true).open(dir.path("a")).unwrap();
    let file = adopt(host.try_clone().unwrap());
    assert!(file.keeps_position() && !file.is_stream());
    assert_eq!(read(&*file.ops, HOST_POSITION, 2).unwrap(), b"te");
    let mut next = [0; 2];
    host.read_exact(&mut next).unwrap();
    assert_eq!(&next, b"xt");
    // pread leaves it alone.
    assert_eq!(read(&*file.ops, 0, 4).unwrap(), b"text");
    assert_eq!(file.tell(), Ok(4));
    put(&file, b"!", false).unwrap();
    assert_eq!(host.stream_position().unwrap(), 5);
    file.move_to(1).unwrap();
    assert_eq!(host.stream_position().unwrap(), 1);
    assert_eq!(fs::read(dir.path("a")).unwrap(), b"text!a");
    host.seek(std::io::SeekFrom::End(0)).unwrap();
    host.write_all(b"end").unwrap();
    assert_eq!(file.inode.stat().unwrap().size, 9);
}

#[test]
fn appending_to_an_inherited_file() {
    let (dir, _) = dir();
    for host_appends in [true, false] {
        fs::write(dir.path("a"), "12345").unwrap();
        let host = fs::File::options().write(true).append(host_appends).open(dir.path("a")).unwrap();
        let file = adopt(host);
        assert_eq!(file.flags().contains(OpenFlags::APPEND), host_appends);
        file.ops.write(&mut IoSrc::kernel(b"67"), WriteAt::End, false).unwrap();
        assert_eq!(fs::read(dir.path("a")).unwrap(), b"1234567");
        assert_eq!(file.tell(), Ok(7));
    }
}

fn get(file: &File, len: usize, nonblock: bool) -> Result<Vec<u8>> {
    let mut buf = alloc::vec![0; len];
    let count = file.ops.read(&mut IoDst::kernel(&mut buf), HOST_POSITION, nonblock)?;
    buf.truncate(count);
    Ok(buf)
}

fn ready(file: &File) -> PollEvents {
    file.ops.poll(&mut PollTable::ask())
}

#[test]
fn an_inherited_pipe_waits_only_when_asked_to() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let file = adopt(reader);
    assert!(file.is_stream() && !file.keeps_position());
    assert_eq!(error(get(&file, 5, true)), Errno::AGAIN);
    assert!(!ready(&file).contains(PollEvents::IN));
    let late = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(20));
        writer.write_all(b"hi").unwrap();
        writer
    });
    assert_eq!(get(&file, 5, false).unwrap(), b"hi");
    let mut writer = late.join().unwrap();
    writer.write_all(b"more").unwrap();
    assert!(ready(&file).contains(PollEvents::IN));
    assert_eq!(get(&file, 2, true).unwrap(), b"mo");
    drop(writer);
    assert_eq!(get(&file, 5, false).unwrap(), b"re");
    assert_eq!(get(&file, 5, true).unwrap(), b"");
    assert!(ready(&file).contains(PollEvents::HUP));
}

#[test]
fn a_pipe_that_does_not_block_on_the_host_blocks_here() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    // The host's own flag, which belongs to whoever started the instance.
    let reader: OwnedFd = reader.into();
    let path = alloc::format!("/proc/self/fd/{}", reader.as_raw_fd());
    let nonblocking = fs::File::options().read(true).custom_flags(g::O_NONBLOCK as i32).open(path).unwrap();
    let file = adopt(nonblocking);
    assert!(file.nonblock());
    let late = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(20));
        writer.write_all(b"hi").unwrap();
        writer
    });
    assert_eq!(get(&file, 5, false).unwrap(), b"hi");
    drop(late.join().unwrap());
}

#[test]
fn a_full_pipe_does_not_hang_a_writer_that_will_not_wait() {
    let (reader, writer) = std::io::pipe().unwrap();
    let file = adopt(writer);
    let mut written = 0;
    while let Ok(count) = put(&file, &[0; 4096], true) {
        written += count;
    }
    assert_eq!(written, 65536);
    assert!(!ready(&file).contains(PollEvents::OUT));
    drop(reader);
    assert_eq!(error(put(&file, b"x", true)), Errno::PIPE);
}

#[test]
fn a_terminal_passes_its_settings_and_nothing_else() {
    let master = fs::File::options().read(true).write(true).open("/dev/ptmx").unwrap();
    let file = adopt(master);
    assert!(file.is_stream());
    // The test's own memory stands for the program's: a struct winsize of 25 rows and 80 columns.
    let size = AtomicU64::new(80 << 16 | 25);
    let addr = size.as_ptr().expose_provenance();
    file.ops.ioctl(c::TIOCSWINSZ, addr).unwrap();
    size.store(0, SeqCst);
    file.ops.ioctl(c::TIOCGWINSZ, addr).unwrap();
    assert_eq!(size.load(SeqCst), 80 << 16 | 25);
    assert_eq!(error(file.ops.ioctl(c::TIOCSTI, addr)), Errno::IO);
    assert_eq!(error(file.ops.ioctl(0x1234_5678, addr)), Errno::NOTTY);
    assert_eq!(error(file.ops.ioctl(c::TCGETS, 8)), Errno::FAULT);
}
