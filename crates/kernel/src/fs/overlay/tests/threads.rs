//! Many threads in one tree: nothing hangs, and what is left is one tree.

use super::model::Random;
use super::*;
use crate::vfs::RenameFlags;
use std::collections::BTreeMap as Map;
use std::vec;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// Some directory of the tree, by a random walk.
fn some_dir(root: &InodeRef, random: &mut Random) -> InodeRef {
    let mut here = root.clone();
    for _ in 0..random.below(4) {
        match here.lookup(random.pick(&NAMES).as_bytes()) {
            Ok(next) if next.kind() == FileType::Directory => here = next,
            _ => break,
        }
    }
    here
}

fn step(root: &InodeRef, random: &mut Random) {
    let (dir, other) = (some_dir(root, random), some_dir(root, random));
    let (name, other_name) = (random.pick(&NAMES), random.pick(&NAMES));
    // What fails, fails: another thread was first.
    let _ = match random.below(12) {
        0 | 1 => mkdir(&dir, name).map(drop),
        2 => mkfile(&dir, name).and_then(|file| write(&*open(&file), random.offset(), b"bytes")).map(drop),
        3 => dir.unlink(name.as_bytes()),
        4 => dir.rmdir(name.as_bytes()),
        5 => dir.lookup(name.as_bytes()).and_then(|target| other.link(other_name.as_bytes(), &target)),
        6 => dir.lookup(name.as_bytes()).and_then(|inode| chmod(&inode, 0o700)),
        7 => dir
            .clone()
            .open(OpenFlags::DIRECTORY)
            .and_then(|open| open.readdir(0, &mut Collect(Vec::new(), usize::MAX))),
        8 => {
            let flags = RenameFlags::EXCHANGE;
            dir.rename(name.as_bytes(), &other, other_name.as_bytes(), flags)
        }
        9 => dir.lookup(name.as_bytes()).map(|inode| {
            if inode.kind() == FileType::Regular {
                content(&inode);
            }
        }),
        _ => dir.rename(name.as_bytes(), &other, other_name.as_bytes(), RenameFlags::empty()),
    };
}

/// Every file's link count is the number of its names, every directory's that of its subdirectories and 2.
fn check_links(root: &InodeRef) {
    let mut found: Map<u64, (u32, u32)> = Map::new();
    let mut todo = vec![root.clone()];
    while let Some(dir) = todo.pop() {
        let mut subdirectories = 0;
        for name in names(&dir) {
            let child = dir.lookup(name.as_bytes()).unwrap();
            let stat = child.stat().unwrap();
            if child.kind() == FileType::Directory {
                subdirectories += 1;
                todo.push(child);
            } else {
                found.entry(stat.ino).or_insert((0, stat.nlink)).0 += 1;
            }
        }
        let stat = dir.stat().unwrap();
        assert_eq!(stat.nlink, 2 + subdirectories);
        assert!(found.insert(stat.ino, (stat.nlink, stat.nlink)).is_none(), "a directory with two names");
    }
    for (ino, (names, links)) in found {
        assert_eq!(names, links, "inode {ino}");
    }
}

#[test]
fn threads_in_one_tree_neither_hang_nor_tear_it() {
    let dir = TempDir::new();
    for a in NAMES {
        for b in NAMES {
            fs::create_dir_all(dir.path(&format!("{a}/{b}"))).unwrap();
            fs::write(dir.path(&format!("{a}/{b}/a")), vec![b'x'; 5000]).unwrap();
        }
    }
    let before = snapshot(&dir.path(""));
    let limits = Limits { cached_fds: 4, ..Limits::default() };
    let over = Overlay::new(Some(dir.fd()), limits).unwrap();
    for overlay in [over, tmpfs()] {
        let threads: Vec<_> = (1..=4)
            .map(|seed| {
                let root = overlay.root();
                std::thread::spawn(move || {
                    let mut random = Random(seed * 0x9e37_79b9);
                    for _ in 0..8_000 {
                        step(&root, &mut random);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        check_links(&overlay.root());
    }
    assert_eq!(snapshot(&dir.path("")), before);
}
