//! Bytes of regular files: copy-up, holes, sizes, mapping.

use super::*;
use linux_raw_sys::general as g;
use std::vec;

const GIB: u64 = 1 << 30;

/// A host file of 5 MiB, too large to be copied as a whole, byte n being n / 1000.
fn large() -> (TempDir, Vec<u8>) {
    let dir = TempDir::new();
    let bytes: Vec<u8> = (0..5 << 20).map(|n: u32| (n / 1000) as u8).collect();
    fs::write(dir.path("f"), &bytes).unwrap();
    (dir, bytes)
}

fn both() -> Vec<(Option<TempDir>, InodeRef)> {
    let dir = TempDir::new();
    fs::write(dir.path("f"), "").unwrap();
    let over = walk(&dir.overlay().root(), "f").unwrap();
    vec![(Some(dir), over), (None, mkfile(&tmpfs().root(), "f").unwrap())]
}

#[test]
fn the_first_write_copies_only_what_it_touches() {
    let (dir, mut bytes) = large();
    let overlay = dir.overlay();
    let f = walk(&overlay.root(), "f").unwrap();
    let file = open(&f);
    write(&*file, 1_000_001, b"changed").unwrap();
    bytes[1_000_001..1_000_008].copy_from_slice(b"changed");
    assert!(overlay.core.quota.bytes().1 <= 8192);
    assert_eq!(content(&f), bytes);
    let end = bytes.len() as u64;
    write(&*file, end, b"appended").unwrap();
    bytes.extend(b"appended");
    assert_eq!(content(&f), bytes);
    assert_eq!(f.stat().unwrap().blocks, (5 << 20) / 512 + 8);
    truncate(&f, 1_000_003).unwrap();
    bytes.truncate(1_000_003);
    assert_eq!(content(&f), bytes);
    truncate(&f, 3_000_000).unwrap();
    bytes.resize(3_000_000, 0);
    assert_eq!(content(&f), bytes);
    assert_eq!(file.seek(0, g::SEEK_HOLE, 0), Some(Ok(1_003_520)));
    assert_eq!(error(file.seek(1_003_520, g::SEEK_DATA, 0).unwrap()), Errno::NXIO);
}

#[test]
fn a_reader_sees_what_another_descriptor_writes() {
    let (dir, _) = large();
    let f = walk(&dir.overlay().root(), "f").unwrap();
    let reader = f.clone().open(OpenFlags::empty()).unwrap();
    assert_eq!(read(&*reader, 0, 3).unwrap(), [0, 0, 0]);
    write(&*open(&f), 1, b"x").unwrap();
    assert_eq!(read(&*reader, 0, 3).unwrap(), [0, b'x', 0]);
}

#[test]
fn holes_are_zeros_and_take_no_blocks() {
    for (_dir, f) in both() {
        let file = open(&f);
        write(&*file, 4 * GIB, b"end").unwrap();
        let stat = f.stat().unwrap();
        assert_eq!((stat.size, stat.blocks), (4 * GIB + 3, 8));
        assert_eq!(read(&*file, 2 * GIB - 5, 10).unwrap(), [0; 10]);
        assert_eq!(read(&*file, 4 * GIB - 2, 10).unwrap(), b"\0\0end");
        assert_eq!(file.seek(5, g::SEEK_DATA, 0), Some(Ok(4 * GIB)));
        assert_eq!(file.seek(5, g::SEEK_HOLE, 0), Some(Ok(5)));
        assert_eq!(file.seek(4 * GIB as i64, g::SEEK_HOLE, 0), Some(Ok(4 * GIB + 3)));
        assert_eq!(error(file.seek(4 * GIB as i64 + 3, g::SEEK_HOLE, 0).unwrap()), Errno::NXIO);
        assert_eq!(error(file.seek(-1, g::SEEK_DATA, 0).unwrap()), Errno::NXIO);
        assert_eq!(file.seek(-3, g::SEEK_END, 0), Some(Ok(4 * GIB)));
    }
}

#[test]
fn growing_shows_zeros_where_old_bytes_were() {
    for (_dir, f) in both() {
        let file = open(&f);
        write(&*file, 0, &[7; 6000]).unwrap();
        truncate(&f, 5000).unwrap();
        truncate(&f, 9000).unwrap();
        let mut expected = vec![7; 5000];
        expected.resize(9000, 0);
        assert_eq!(content(&f), expected);
    }
}

#[test]
fn sizes_have_a_limit() {
    for (_dir, f) in both() {
        let file = open(&f);
        assert_eq!(error(write(&*file, i64::MAX as u64, b"x")), Errno::FBIG);
        assert_eq!(error(truncate(&f, i64::MAX as u64 + 1)), Errno::FBIG);
        truncate(&f, i64::MAX as u64).unwrap();
        assert_eq!(f.stat().unwrap().size, i64::MAX as u64);
        assert_eq!(read(&*file, i64::MAX as u64 - 3, 10).unwrap(), [0; 3]);
        let dir = tmpfs().root();
        assert_eq!(error(truncate(&dir, 0)), Errno::ISDIR);
    }
}

#[test]
fn appending_finds_the_end() {
    for (_dir, f) in both() {
        let (one, two) = (open(&f), open(&f));
        for (n, file) in [&one, &two, &one].into_iter().enumerate() {
            let (count, end) = file.write(&mut IoSrc::kernel(b"abc"), WriteAt::End, false).unwrap();
            assert_eq!((count, end), (3, 3 * n as u64 + 3));
        }
        assert_eq!(content(&f), b"abcabcabc");
    }
}

#[test]
fn allocation_modes() {
    let (dir, bytes) = large();
    let over = walk(&dir.overlay().root(), "f").unwrap();
    let mem = mkfile(&tmpfs().root(), "f").unwrap();
    write(&*open(&mem), 0, &bytes).unwrap();
    let mapped_file = mkfile(&tmpfs().root(), "f").unwrap();
    write(&*open(&mapped_file), 0, &bytes).unwrap();
    open(&mapped_file).mmap(0, 4096, true, true).unwrap();
    for (f, shifts) in [(over, true), (mem, true), (mapped_file, false)] {
        let mut bytes = bytes.clone();
        let file = open(&f);
        let keep = g::FALLOC_FL_KEEP_SIZE;
        let punch = g::FALLOC_FL_PUNCH_HOLE;
        assert_eq!(error(file.fallocate(punch, 0, 10)), Errno::OPNOTSUPP);
        for (from, len) in [(10, 20), (4090, 10), (8192, 8192), (100_000, 3_000_000), (5_000_000, 900_000)] {
            file.fallocate(punch | keep, from, len).unwrap();
            let end = (from + len).min(bytes.len() as u64) as usize;
            bytes[from as usize..end].fill(0);
            assert_eq!(content(&f), bytes, "punch {from} {len}");
        }
        file.fallocate(g::FALLOC_FL_ZERO_RANGE, 4_000_000, 2_000_000).unwrap();
        bytes[4_000_000..].fill(0);
        bytes.resize(6_000_000, 0);
        assert_eq!(content(&f), bytes);
        file.fallocate(keep, 6_000_000, 4096).unwrap();
        assert_eq!(f.stat().unwrap().size, 6_000_000);
        file.fallocate(0, 6_000_000, 4096).unwrap();
        bytes.resize(6_004_096, 0);
        assert_eq!(content(&f), bytes);
        let collapse = file.fallocate(g::FALLOC_FL_COLLAPSE_RANGE, 4096, 12288);
        if shifts {
            collapse.unwrap();
            bytes.drain(4096..16384);
            assert_eq!(content(&f), bytes);
            file.fallocate(g::FALLOC_FL_INSERT_RANGE, 3_500_032, 8192).unwrap_err();
            let at = 3_500_032 / 4096 * 4096;
            file.fallocate(g::FALLOC_FL_INSERT_RANGE, at, 8192).unwrap();
            bytes.splice(at as usize..at as usize, [0; 8192]);
            assert_eq!(content(&f), bytes);
        } else {
            assert_eq!(error(collapse), Errno::OPNOTSUPP);
        }
    }
}

#[test]
fn room_beyond_the_limit_is_not_promised() {
    let overlay = Overlay::new(None, Limits { bytes: 1 << 20, inodes: 9, cached_fds: 9 }).unwrap();
    let f = mkfile(&overlay.root(), "f").unwrap();
    let file = open(&f);
    assert_eq!(error(file.fallocate(0, 0, 2 << 20)), Errno::NOSPC);
    assert_eq!(f.stat().unwrap().size, 0);
    file.fallocate(0, 0, 1 << 19).unwrap();
    assert_eq!(f.stat().unwrap().size, 1 << 19);
}

#[test]
fn an_unchanged_host_file_maps_the_host_itself() {
    let (dir, bytes) = large();
    let overlay = dir.overlay();
    let f = walk(&overlay.root(), "f").unwrap();
    let reader = f.clone().open(OpenFlags::empty()).unwrap();
    for (shared, write) in [(false, false), (false, true), (true, false)] {
        let source = reader.mmap(4096, 4096, shared, write).unwrap();
        assert_eq!(mapped(&source, 4096), bytes[4096..8192]);
    }
    assert_eq!(overlay.core.quota.bytes().1, 0);
}

#[test]
fn a_mapped_file_is_one_with_reads_and_writes() {
    let (dir, bytes) = large();
    let over = walk(&dir.overlay().root(), "f").unwrap();
    write(&*open(&over), 0, b"changed").unwrap();
    let mem = mkfile(&tmpfs().root(), "f").unwrap();
    write(&*open(&mem), 0, b"changed").unwrap();
    write(&*open(&mem), 7, &bytes[7..]).unwrap();
    for f in [over, mem] {
        let file = open(&f);
        let source = file.mmap(0, 1 << 20, true, true).unwrap();
        assert_eq!(mapped(&source, 10), b"changed\0\0\0");
        // What a store through the mapping does.
        let MmapSource::Host { fd, .. } = &source else { panic!() };
        fd.write(&mut IoSrc::kernel(b"stored"), Some(1_000_000)).unwrap();
        assert_eq!(read(&*file, 1_000_000, 6).unwrap(), b"stored");
        write(&*file, 2, b"AN").unwrap();
        assert_eq!(mapped(&source, 7), b"chANged");
        truncate(&f, 5).unwrap();
        assert_eq!(mapped(&source, 100), b"chANg");
        assert_eq!(content(&f), b"chANg");
        let (_, end) = file.write(&mut IoSrc::kernel(b"!"), WriteAt::End, false).unwrap();
        assert_eq!(end, 6);
        assert_eq!(f.stat().unwrap().size, 6);
        // The same descriptor for everybody.
        let MmapSource::Host { fd: again, .. } = open(&f).mmap(0, 1, false, false).unwrap() else { panic!() };
        assert!(Arc::ptr_eq(fd, &again));
    }
}

#[test]
fn a_sparse_file_stays_sparse_when_mapped() {
    let f = mkfile(&tmpfs().root(), "f").unwrap();
    truncate(&f, 64 * GIB).unwrap();
    write(&*open(&f), GIB, b"x").unwrap();
    open(&f).mmap(0, 4096, true, true).unwrap();
    let stat = f.stat().unwrap();
    assert_eq!((stat.size, stat.blocks), (64 * GIB, 8));
}

#[test]
fn files_nobody_maps_any_more_leave_their_memfds() {
    let overlay = tmpfs();
    let root = overlay.root();
    let mut kept = Vec::new();
    let files: Vec<_> = (0..1500u32)
        .map(|n| {
            let f = mkfile(&root, &format!("f{n}")).unwrap();
            let file = open(&f);
            truncate(&f, 100_000).unwrap();
            write(&*file, 50_000, &n.to_le_bytes()).unwrap();
            let source = file.mmap(0, 4096, true, true).unwrap();
            if n == 3 {
                kept.push(source);
            }
            f
        })
        .collect();
    assert!(overlay.core.memfds.len() <= 1024);
    for (n, f) in files.iter().enumerate() {
        assert_eq!(content(f)[50_000..50_004], (n as u32).to_le_bytes());
        let stat = f.stat().unwrap();
        assert_eq!((stat.size, stat.blocks), (100_000, 8));
    }
    // The mapping that is still there has not been left behind.
    write(&*open(&files[3]), 0, b"new").unwrap();
    assert_eq!(mapped(&kept[0], 3), b"new");
    for n in 0..1500 {
        root.unlink(format!("f{n}").as_bytes()).unwrap();
    }
    drop((files, kept));
    assert_eq!(overlay.core.quota.bytes().1, 0);
}

#[test]
fn truncating_a_host_file_on_open_copies_nothing() {
    let (dir, _) = large();
    let overlay = dir.overlay();
    let f = walk(&overlay.root(), "f").unwrap();
    truncate(&f, 0).unwrap();
    assert_eq!((f.stat().unwrap().size, overlay.core.quota.bytes().1), (0, 0));
    assert!(content(&f).is_empty());
}

#[test]
fn open_files_outlive_their_names() {
    let (dir, bytes) = large();
    let overlay = dir.overlay();
    let root = overlay.root();
    let f = walk(&root, "f").unwrap();
    let file = open(&f);
    drop(f);
    root.unlink(b"f").unwrap();
    assert_eq!(read(&*file, 1000, 1000).unwrap(), bytes[1000..2000]);
    write(&*file, 0, b"still").unwrap();
    assert_eq!(read(&*file, 0, 5).unwrap(), b"still");
    drop(file);
    assert_eq!(overlay.core.quota.bytes().1, 0);
    assert_eq!(overlay.core.table.len(), 1);
}

#[test]
fn times_follow_reads_and_writes() {
    let f = mkfile(&tmpfs().root(), "f").unwrap();
    let file = open(&f);
    write(&*file, 0, b"x").unwrap();
    let old = crate::vfs::TimeSpec { sec: 5, nsec: 0 };
    f.set_attr(&SetAttr { atime: Some(old), mtime: Some(old), ..SetAttr::default() }).unwrap();
    read(&*file, 0, 1).unwrap();
    let stat = f.stat().unwrap();
    assert!(stat.atime > old && stat.mtime == old);
    write(&*file, 0, b"y").unwrap();
    assert!(f.stat().unwrap().mtime > old);
}
