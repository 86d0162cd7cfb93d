//! Directory listings: order, positions, changes in between.

use super::*;
use crate::vfs::RenameFlags;
use std::collections::BTreeSet;
use std::os::unix::fs::DirEntryExt;
use std::string::ToString;

fn host_order(dir: &TempDir) -> Vec<(u64, String)> {
    let entries = fs::read_dir(dir.path("")).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.ino(), entry.file_name().into_string().unwrap())).collect()
}

fn filled(count: usize) -> TempDir {
    let dir = TempDir::new();
    for n in 0..count {
        fs::write(dir.path(&format!("file-with-some-name-{n}")), "").unwrap();
    }
    dir
}

fn listing(dir: &InodeRef) -> Vec<Listed> {
    list_from(&*dir.clone().open(OpenFlags::DIRECTORY).unwrap(), 0, usize::MAX)
}

fn plain(all: &[Listed]) -> Vec<(u64, String)> {
    let entries = all.iter().filter(|entry| !matches!(&*entry.name, "." | ".."));
    entries.map(|entry| (entry.ino, entry.name.clone())).collect()
}

#[test]
fn an_unchanged_directory_lists_as_on_the_host() {
    let dir = filled(2000);
    let root = dir.overlay().root();
    assert_eq!(plain(&listing(&root)), host_order(&dir));
    // Still so after a file in it was changed, and with a name hidden.
    chmod(&root.lookup(b"file-with-some-name-7").unwrap(), 0o600).unwrap();
    assert_eq!(plain(&listing(&root)), host_order(&dir));
    root.unlink(b"file-with-some-name-8").unwrap();
    let mut expected = host_order(&dir);
    expected.retain(|(_, name)| name != "file-with-some-name-8");
    assert_eq!(plain(&listing(&root)), expected);
}

#[test]
fn every_position_can_be_returned_to() {
    let dir = filled(300);
    let root = dir.overlay().root();
    for n in 0..200 {
        mkfile(&root, &format!("new-{n}")).unwrap();
    }
    for root in [root, tmpfs_with(200)] {
        let open = root.clone().open(OpenFlags::DIRECTORY).unwrap();
        let all = list_from(&*open, 0, 7);
        assert_eq!(all, list_from(&*open, 0, usize::MAX));
        for (n, entry) in all.iter().enumerate().rev().step_by(17) {
            let position = open.seek(entry.next as i64, 0, 0).map_or(Ok(entry.next), |seek| seek).unwrap();
            assert_eq!(list_from(&*open, position, 50), all[n + 1..]);
        }
    }
}

fn tmpfs_with(count: usize) -> InodeRef {
    let root = tmpfs().root();
    for n in 0..count {
        mkfile(&root, &format!("f{n}")).unwrap();
    }
    root
}

#[test]
fn dot_and_dot_dot_come_with_their_numbers() {
    let dir = TempDir::new();
    fs::create_dir(dir.path("sub")).unwrap();
    for root in [dir.overlay().root(), tmpfs().root()] {
        let sub = root.lookup(b"sub").unwrap_or_else(|_| mkdir(&root, "sub").unwrap());
        let find = |dir: &InodeRef, name: &str| {
            listing(dir).iter().find(|entry| entry.name == name).map(|entry| entry.ino).unwrap()
        };
        let (root_ino, sub_ino) = (root.stat().unwrap().ino, sub.stat().unwrap().ino);
        assert_eq!((find(&sub, "."), find(&sub, "..")), (sub_ino, root_ino));
        assert_eq!((find(&root, "."), find(&root, "..")), (root_ino, root_ino));
        assert_eq!(find(&root, "sub"), sub_ino);
    }
}

/// Lists `step` entries at a time and calls `between` after each step; answers the names seen.
fn list_while(root: &InodeRef, step: usize, mut between: impl FnMut(usize, &[Listed])) -> Vec<String> {
    let open = root.clone().open(OpenFlags::DIRECTORY).unwrap();
    let mut seen = Vec::new();
    let mut from = 0;
    for round in 0.. {
        assert!(round < 10_000, "the listing does not end");
        let mut sink = Collect(Vec::new(), step);
        open.readdir(from, &mut sink).unwrap();
        let Some(last) = sink.0.last() else { break };
        from = last.next;
        between(round, &sink.0);
        seen.extend(sink.0.into_iter().map(|entry| entry.name));
    }
    seen.retain(|name| !matches!(&**name, "." | ".."));
    seen
}

#[test]
fn others_are_neither_lost_nor_repeated_by_changes_in_between() {
    let dir = filled(500);
    let over = dir.overlay().root();
    for n in 0..100 {
        mkfile(&over, &format!("mem-{n}")).unwrap();
    }
    for root in [over, tmpfs_with(600)] {
        let before: BTreeSet<_> = names(&root).into_iter().collect();
        let mut removed = BTreeSet::new();
        let seen = list_while(&root, 10, |round, entries| {
            mkfile(&root, &format!("later-{round}")).unwrap();
            // Removes one that was listed and one that may be yet to come.
            let victim = entries.iter().find(|entry| entry.kind == FileType::Regular);
            for name in victim
                .map(|entry| entry.name.clone())
                .into_iter()
                .chain(before.iter().nth(round * 3).cloned())
            {
                if root.unlink(name.as_bytes()).is_ok() {
                    removed.insert(name);
                }
            }
        });
        let unique: BTreeSet<_> = seen.iter().cloned().collect();
        assert_eq!(unique.len(), seen.len(), "repeated");
        for name in before.difference(&removed) {
            assert!(unique.contains(name), "{name} was lost");
        }
    }
}

#[test]
fn removing_all_while_listing_empties_the_directory() {
    let dir = filled(300);
    for root in [dir.overlay().root(), tmpfs_with(300)] {
        list_while(&root, 10, |_, entries| {
            for entry in entries.iter().filter(|entry| entry.kind == FileType::Regular) {
                root.unlink(entry.name.as_bytes()).unwrap();
            }
        });
        assert!(names(&root).is_empty());
    }
}

#[test]
fn renaming_all_while_listing_comes_to_an_end() {
    let dir = filled(50);
    for root in [dir.overlay().root(), tmpfs_with(50)] {
        list_while(&root, 5, |_, entries| {
            for entry in entries.iter().filter(|entry| entry.kind == FileType::Regular) {
                let new = format!("{}+", entry.name);
                root.rename(entry.name.as_bytes(), &root, new.as_bytes(), RenameFlags::empty()).unwrap();
            }
        });
        assert!(names(&root).iter().all(|name| name.ends_with('+') && !name.ends_with("++")));
    }
}

#[test]
fn rewinding_shows_what_was_made_meanwhile() {
    let root = tmpfs().root();
    let open = root.clone().open(OpenFlags::DIRECTORY).unwrap();
    mkfile(&root, "a").unwrap();
    let found = list_from(&*open, 0, 10).into_iter().map(|entry| entry.name);
    assert_eq!(found.collect::<Vec<_>>(), [".", "..", "a"].map(|name| name.to_string()));
}

#[test]
fn a_removed_directory_does_not_list() {
    let dir = TempDir::new();
    fs::create_dir(dir.path("d")).unwrap();
    let root = dir.overlay().root();
    let open = root.lookup(b"d").unwrap().open(OpenFlags::DIRECTORY).unwrap();
    root.rmdir(b"d").unwrap();
    assert_eq!(open.readdir(0, &mut Collect(Vec::new(), 9)), Err(Errno::NOENT));
}
