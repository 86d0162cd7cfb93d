//! Names: making, removing, moving and linking them, over host entries and in memory.

use super::*;
use crate::vfs::{CachePolicy, RenameFlags, XattrFlags};
use std::os::unix::fs::{MetadataExt, symlink};
use std::vec;

fn tree() -> TempDir {
    let dir = TempDir::new();
    fs::create_dir_all(dir.path("d/e")).unwrap();
    fs::write(dir.path("a"), "host a").unwrap();
    fs::write(dir.path("d/b"), "host b").unwrap();
    fs::hard_link(dir.path("d/b"), dir.path("d/c")).unwrap();
    symlink("a", dir.path("l")).unwrap();
    dir
}

#[test]
fn host_files_show_with_their_own_numbers() {
    let dir = tree();
    let root = dir.overlay().root();
    for name in ["", "a", "d", "d/b", "l"] {
        let host = fs::symlink_metadata(dir.path(name)).unwrap();
        let stat = walk(&root, name).unwrap().stat().unwrap();
        assert_eq!((stat.dev, stat.ino, stat.mode), (host.dev(), host.ino(), host.mode()), "{name}");
        assert_eq!((stat.size, stat.nlink as u64, stat.blocks), (host.len(), host.nlink(), host.blocks()));
    }
    assert_eq!(content(&walk(&root, "a").unwrap()), b"host a");
    assert_eq!(walk(&root, "l").unwrap().readlink().unwrap(), b"a");
    assert_eq!(error(root.lookup(b"none")), Errno::NOENT);
    assert_eq!(root.cache_policy(), CachePolicy::For(crate::fs::host_stat::BELIEVE_HOST_NS));
    assert_eq!(error(walk(&root, "a").unwrap().lookup(b"x")), Errno::NOTDIR);
}

#[test]
fn one_file_is_one_inode_while_held_and_across_hard_links() {
    let dir = tree();
    let root = dir.overlay().root();
    let b = walk(&root, "d/b").unwrap();
    assert!(Arc::ptr_eq(&b, &walk(&root, "d/b").unwrap()));
    assert!(Arc::ptr_eq(&b, &walk(&root, "d/c").unwrap()));
    write(&*open(&b), 0, b"HOST").unwrap();
    drop(b);
    // Nobody held it in between, but it was changed.
    assert_eq!(content(&walk(&root, "d/c").unwrap()), b"HOST b");
}

#[test]
fn numbers_stay_after_copy_up_and_new_ones_are_high() {
    let dir = tree();
    let root = dir.overlay().root();
    let a = walk(&root, "a").unwrap();
    let before = a.stat().unwrap();
    write(&*open(&a), 3, b"x").unwrap();
    let after = a.stat().unwrap();
    assert_eq!((before.dev, before.ino, before.btime), (after.dev, after.ino, after.btime));
    let new = mkfile(&root, "new").unwrap().stat().unwrap();
    assert_eq!(new.dev, before.dev);
    assert!(new.ino >= 1 << 40);
}

#[test]
fn the_host_never_changes() {
    let dir = tree();
    let before = snapshot(&dir.path(""));
    let root = dir.overlay().root();
    let a = walk(&root, "a").unwrap();
    write(&*open(&a), 0, b"other").unwrap();
    chmod(&a, 0o600).unwrap();
    a.set_xattr(b"user.x", b"1", XattrFlags::empty()).unwrap();
    let d = walk(&root, "d").unwrap();
    d.unlink(b"b").unwrap();
    d.rmdir(b"e").unwrap();
    d.rename(b"c", &root, b"c", RenameFlags::empty()).unwrap();
    root.rename(b"d", &root, b"D", RenameFlags::empty()).unwrap();
    mkfile(&root, "n").unwrap();
    truncate(&walk(&root, "c").unwrap(), 1).unwrap();
    assert_eq!(names(&root), ["D", "a", "c", "l", "n"]);
    assert_eq!(snapshot(&dir.path("")), before);
}

#[test]
fn a_removed_name_stays_removed_and_can_be_made_again() {
    let dir = tree();
    let root = dir.overlay().root();
    root.unlink(b"a").unwrap();
    assert_eq!(error(root.lookup(b"a")), Errno::NOENT);
    assert_eq!(error(root.unlink(b"a")), Errno::NOENT);
    let a = mkfile(&root, "a").unwrap();
    assert_eq!(error(mkfile(&root, "a")), Errno::EXIST);
    assert!(content(&a).is_empty());
    root.unlink(b"a").unwrap();
    assert_eq!(error(root.lookup(b"a")), Errno::NOENT);
    assert_eq!(names(&root), ["d", "l"]);
}

#[test]
fn a_directory_made_again_is_empty() {
    let dir = tree();
    let root = dir.overlay().root();
    assert_eq!(error(root.rmdir(b"d")), Errno::NOTEMPTY);
    let d = walk(&root, "d").unwrap();
    for name in [b"b", b"c"] {
        d.unlink(name).unwrap();
    }
    assert_eq!(error(root.rmdir(b"d")), Errno::NOTEMPTY);
    d.rmdir(b"e").unwrap();
    root.rmdir(b"d").unwrap();
    assert_eq!(error(mkfile(&d, "x")), Errno::NOENT);
    assert_eq!(d.stat().unwrap().nlink, 0);
    let again = mkdir(&root, "d").unwrap();
    assert_eq!(names(&again), Vec::<String>::new());
    assert_eq!(again.cache_policy(), CachePolicy::Always);
}

#[test]
fn a_moved_host_directory_keeps_its_entries() {
    let dir = tree();
    let root = dir.overlay().root();
    let top = mkdir(&root, "top").unwrap();
    root.rename(b"d", &top, b"moved", RenameFlags::empty()).unwrap();
    assert_eq!(error(root.lookup(b"d")), Errno::NOENT);
    let moved = walk(&root, "top/moved").unwrap();
    assert_eq!(names(&moved), ["b", "c", "e"]);
    assert_eq!(content(&walk(&moved, "b").unwrap()), b"host b");
    let listing = list_from(&*moved.clone().open(OpenFlags::DIRECTORY).unwrap(), 0, usize::MAX);
    let above = listing.iter().find(|entry| entry.name == "..").unwrap();
    assert_eq!(above.ino, top.stat().unwrap().ino);
    mkfile(&moved, "new").unwrap();
    assert_eq!(names(&walk(&root, "top/moved").unwrap()), ["b", "c", "e", "new"]);
    assert_eq!(root.stat().unwrap().nlink, 3);
    assert_eq!(top.stat().unwrap().nlink, 3);
}

#[test]
fn rename_refuses_what_linux_refuses() {
    let dir = tree();
    let root = dir.overlay().root();
    let (d, e) = (walk(&root, "d").unwrap(), walk(&root, "d/e").unwrap());
    let plain = RenameFlags::empty();
    assert_eq!(error(root.rename(b"d", &e, b"x", plain)), Errno::INVAL);
    assert_eq!(error(root.rename(b"d", &d, b"x", plain)), Errno::INVAL);
    assert_eq!(error(d.rename(b"e", &root, b"d", plain)), Errno::NOTEMPTY);
    assert_eq!(error(root.rename(b"a", &root, b"d", plain)), Errno::ISDIR);
    assert_eq!(error(root.rename(b"d", &root, b"a", plain)), Errno::NOTDIR);
    assert_eq!(error(root.rename(b"none", &root, b"a", plain)), Errno::NOENT);
    assert_eq!(error(root.rename(b"a", &root, b"l", RenameFlags::NOREPLACE)), Errno::EXIST);
    assert_eq!(error(root.rename(b"a", &root, b"none", RenameFlags::EXCHANGE)), Errno::NOENT);
    assert_eq!(error(d.rename(b"e", &root, b"d", RenameFlags::EXCHANGE)), Errno::INVAL);
    assert_eq!(error(root.rename(b"a", &tmpfs().root(), b"a", plain)), Errno::XDEV);
    assert_eq!(names(&root), ["a", "d", "l"]);
}

#[test]
fn exchange_swaps_a_file_and_a_directory() {
    let dir = tree();
    let root = dir.overlay().root();
    let d = walk(&root, "d").unwrap();
    d.rename(b"e", &root, b"a", RenameFlags::EXCHANGE).unwrap();
    assert_eq!(walk(&root, "a").unwrap().kind(), FileType::Directory);
    assert_eq!(content(&walk(&root, "d/e").unwrap()), b"host a");
    assert_eq!((root.stat().unwrap().nlink, d.stat().unwrap().nlink), (4, 2));
    root.rename(b"a", &d, b"e", RenameFlags::EXCHANGE).unwrap();
    assert_eq!(content(&walk(&root, "a").unwrap()), b"host a");
}

#[test]
fn links_to_host_files_count_and_share() {
    let dir = tree();
    let root = dir.overlay().root();
    let d = walk(&root, "d").unwrap();
    let b = walk(&d, "b").unwrap();
    root.link(b"b2", &b).unwrap();
    assert_eq!(b.stat().unwrap().nlink, 3);
    assert_eq!(error(root.link(b"a", &b)), Errno::EXIST);
    assert_eq!(error(root.link(b"dd", &d)), Errno::PERM);
    drop(b);
    d.unlink(b"b").unwrap();
    d.unlink(b"c").unwrap();
    let b = walk(&root, "b2").unwrap();
    assert_eq!(b.stat().unwrap().nlink, 1);
    assert_eq!(content(&b), b"host b");
    root.unlink(b"b2").unwrap();
    assert_eq!(b.stat().unwrap().nlink, 0);
    assert_eq!(error(root.link(b"b3", &b)), Errno::NOENT);
    assert_eq!(content(&b), b"host b");
}

#[test]
fn an_unnamed_file_may_get_a_name() {
    for root in [tree().overlay().root(), tmpfs().root()] {
        let file = root.create_unnamed(&new_node(FileType::Regular, 0o600)).unwrap();
        assert_eq!(file.stat().unwrap().nlink, 0);
        write(&*open(&file), 0, b"text").unwrap();
        root.link(b"named", &file).unwrap();
        assert_eq!(file.stat().unwrap().nlink, 1);
        assert_eq!(content(&walk(&root, "named").unwrap()), b"text");
    }
}

#[test]
fn set_group_id_directories_pass_their_group_on() {
    let root = tmpfs().root();
    let d = mkdir(&root, "d").unwrap();
    d.set_attr(&SetAttr { gid: Some(77), mode: Some(0o2775), ..SetAttr::default() }).unwrap();
    let (f, e) = (mkfile(&d, "f").unwrap(), mkdir(&d, "e").unwrap());
    assert_eq!((f.stat().unwrap().gid, e.stat().unwrap().gid), (77, 77));
    assert_eq!(e.stat().unwrap().mode & 0o7777, 0o2755);
}

#[test]
fn special_nodes_are_kept_and_opened_for_what_stands_behind_them() {
    let root = tmpfs().root();
    let fifo = root.create(b"p", &new_node(FileType::Fifo, 0o600)).unwrap();
    let device = NewNode { rdev: 0x103, ..new_node(FileType::CharDevice, 0o600) };
    let device = root.create(b"null", &device).unwrap();
    assert_eq!(device.stat().unwrap().rdev, 0x103);
    assert!(device.open(OpenFlags::empty()).is_ok());
    let unknown = NewNode { rdev: 0xffff, ..new_node(FileType::CharDevice, 0o600) };
    let unknown = root.create(b"unknown", &unknown).unwrap();
    assert_eq!(error(unknown.open(OpenFlags::empty()).map(|_| ())), Errno::NXIO);
    assert!(fifo.special_slot().unwrap().set(Arc::new(5u32)).is_ok());
    let again = root.lookup(b"p").unwrap();
    assert_eq!(again.special_slot().unwrap().get().unwrap().downcast_ref::<u32>(), Some(&5));
}

#[test]
fn extended_attributes_over_the_host() {
    let dir = tree();
    let root = dir.overlay().root();
    let a = walk(&root, "a").unwrap();
    let none = XattrFlags::empty();
    // Set on the host by its own means.
    walk(&dir.hostfs().root(), "a").unwrap().set_xattr(b"user.host", b"1", none).unwrap();
    assert_eq!(a.get_xattr(b"user.host").unwrap(), b"1");
    assert_eq!(error(a.set_xattr(b"user.host", b"2", XattrFlags::CREATE)), Errno::EXIST);
    assert_eq!(error(a.set_xattr(b"user.new", b"2", XattrFlags::REPLACE)), Errno::NODATA);
    a.set_xattr(b"user.host", b"2", XattrFlags::REPLACE).unwrap();
    a.set_xattr(b"user.new", b"", XattrFlags::CREATE).unwrap();
    assert_eq!(a.get_xattr(b"user.host").unwrap(), b"2");
    a.remove_xattr(b"user.host").unwrap();
    assert_eq!(error(a.get_xattr(b"user.host")), Errno::NODATA);
    assert_eq!(error(a.remove_xattr(b"user.host")), Errno::NODATA);
    assert_eq!(a.list_xattr().unwrap(), vec![b"user.new".to_vec()]);
    assert_eq!(error(a.set_xattr(b"user.big", &[0; 65537], none)), Errno::TOOBIG);
    assert_eq!(error(a.set_xattr(b"other.x", b"", none)), Errno::OPNOTSUPP);
    let link = walk(&root, "l").unwrap();
    assert_eq!(error(link.set_xattr(b"user.x", b"", none)), Errno::PERM);
    link.set_xattr(b"trusted.x", b"t", none).unwrap();
    assert_eq!(link.get_xattr(b"trusted.x").unwrap(), b"t");
    assert_eq!(walk(&dir.hostfs().root(), "a").unwrap().get_xattr(b"user.host").unwrap(), b"1");
}

#[test]
fn changes_on_the_host_show_through() {
    let dir = tree();
    let root = dir.overlay().root();
    let a = walk(&root, "a").unwrap();
    let file = a.clone().open(OpenFlags::empty()).unwrap();
    fs::write(dir.path("a"), "longer than before").unwrap();
    assert_eq!(a.stat().unwrap().size, 18);
    assert_eq!(read(&*file, 0, 6).unwrap(), b"longer");
    fs::write(dir.path("late"), "x").unwrap();
    assert_eq!(names(&root), ["a", "d", "l", "late"]);
    assert_eq!(error(mkfile(&root, "late")), Errno::EXIST);
    fs::rename(dir.path("d"), dir.path("d2")).unwrap();
    let d2 = walk(&root, "d2").unwrap();
    assert_eq!(content(&walk(&d2, "b").unwrap()), b"host b");
    mkfile(&d2, "n").unwrap();
    fs::rename(dir.path("d2"), dir.path("d3")).unwrap();
    assert_eq!(names(&walk(&root, "d3").unwrap()), ["b", "c", "e", "n"]);
}

#[test]
fn a_number_used_again_on_the_host_is_another_file() {
    let dir = tree();
    let root = dir.overlay().root();
    let a = walk(&root, "a").unwrap();
    write(&*open(&a), 0, b"mine").unwrap();
    let ino = fs::metadata(dir.path("a")).unwrap().ino();
    // ext4 gives the number to the next file as a rule; where it does not, the test shows less.
    fs::remove_file(dir.path("a")).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    fs::write(dir.path("a"), "new file of the host").unwrap();
    let again = fs::metadata(dir.path("a")).unwrap().ino() == ino;
    assert_eq!(content(&walk(&root, "a").unwrap()), b"new file of the host", "same number: {again}");
    assert!(content(&a).starts_with(b"mine"));
}

#[test]
fn many_directories_need_few_descriptors() {
    let dir = TempDir::new();
    for n in 0..200 {
        fs::create_dir_all(dir.path(&format!("d{n}/x"))).unwrap();
        fs::write(dir.path(&format!("d{n}/x/f")), format!("{n}")).unwrap();
    }
    let limits = Limits { cached_fds: 8, ..Limits::default() };
    let overlay = Overlay::new(Some(dir.fd()), limits).unwrap();
    let root = overlay.root();
    let held: Vec<_> = (0..200).map(|n| walk(&root, &format!("d{n}/x/f")).unwrap()).collect();
    for (n, inode) in held.iter().enumerate() {
        assert_eq!(content(inode), format!("{n}").as_bytes());
    }
    assert!(overlay.core.cache.len() <= 8);
}

#[test]
fn forgotten_inodes_leave_nothing_behind() {
    let dir = tree();
    let overlay = dir.overlay();
    let root = overlay.root();
    drop(describe(&root));
    assert_eq!(overlay.core.table.len(), 1);
    let a = walk(&root, "a").unwrap();
    chmod(&a, 0o600).unwrap();
    drop(a);
    // The root directory and the file that was changed.
    assert_eq!(overlay.core.table.len(), 2);
    root.unlink(b"a").unwrap();
    assert_eq!(overlay.core.table.len(), 1);
}

#[test]
fn inodes_and_bytes_are_limited_and_given_back() {
    let limits = Limits { bytes: 64 << 10, inodes: 4, cached_fds: 8 };
    let overlay = Overlay::new(None, limits).unwrap();
    let root = overlay.root();
    for name in ["a", "b", "c"] {
        mkfile(&root, name).unwrap();
    }
    assert_eq!(error(mkfile(&root, "d")), Errno::NOSPC);
    root.unlink(b"a").unwrap();
    let d = mkfile(&root, "d").unwrap();
    let file = open(&d);
    let written = write(&*file, 0, &[1; 100 << 10]).unwrap();
    assert!(written < 64 << 10 && written > 48 << 10, "{written}");
    assert_eq!(error(write(&*file, 100 << 10, b"x")), Errno::NOSPC);
    truncate(&d, 0).unwrap();
    assert_eq!(write(&*file, 0, &[1; 40 << 10]).unwrap(), 40 << 10);
    drop((d, file));
    for name in [b"b", b"c", b"d"] {
        root.unlink(name).unwrap();
    }
    assert_eq!((overlay.core.quota.bytes().1, overlay.core.quota.inodes().1), (0, 1));
}

#[test]
fn a_deep_tree_is_dropped_without_recursion() {
    let overlay = tmpfs();
    let mut here = overlay.root();
    for _ in 0..100_000 {
        here = mkdir(&here, "d").unwrap();
    }
    drop((here, overlay));
}

#[test]
fn directory_times_and_links_follow_their_entries() {
    let root = tmpfs().root();
    let d = mkdir(&root, "d").unwrap();
    let old = crate::vfs::TimeSpec { sec: 1, nsec: 2 };
    let reset = || d.set_attr(&SetAttr { mtime: Some(old), ..SetAttr::default() }).unwrap();
    reset();
    assert_eq!(d.stat().unwrap().mtime, old);
    mkdir(&d, "e").unwrap();
    assert!(d.stat().unwrap().mtime > old);
    assert_eq!(d.stat().unwrap().nlink, 3);
    reset();
    d.rename(b"e", &root, b"e", RenameFlags::empty()).unwrap();
    assert!(d.stat().unwrap().mtime > old);
    assert_eq!((d.stat().unwrap().nlink, root.stat().unwrap().nlink), (2, 4));
}
