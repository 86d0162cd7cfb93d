//! The same random operations on an overlay and, through the passthrough, on a real directory: every result and
//! the whole tree must agree. So the host is the oracle for errors, link counts, modes and content alike.

use super::*;
use crate::vfs::{RenameFlags, XattrFlags};
use linux_raw_sys::general as g;
use std::os::unix::fs::symlink;
use std::{println, vec};

/// A small generator of numbers (xorshift64*), so that a failure can be repeated by its seed.
pub(super) struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 8
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// Sizes and offsets near the edges of pages, now and then large.
    pub fn offset(&mut self) -> u64 {
        match self.below(4) {
            0 => self.below(100),
            1 => 4096 * self.below(4) + self.below(3),
            2 => self.below(20_000),
            _ => self.below(400_000),
        }
    }
}

const NAMES: &[&str] = &["a", "b", "c", "d", "e"];

/// Something to begin with: two levels of everything.
fn populate(dir: &TempDir, random: &mut Random) {
    for name in NAMES {
        match random.below(4) {
            0 => fs::write(dir.path(name), vec![b'h'; random.offset() as usize]).unwrap(),
            1 => symlink("target", dir.path(name)).unwrap(),
            _ => {
                fs::create_dir(dir.path(name)).unwrap();
                for inner in &NAMES[..random.below(5) as usize] {
                    let path = format!("{name}/{inner}");
                    match random.below(4) {
                        0 => fs::create_dir(dir.path(&path)).unwrap(),
                        _ => fs::write(dir.path(&path), vec![b'i'; random.offset() as usize]).unwrap(),
                    }
                }
            }
        }
    }
    fs::create_dir(dir.path("links")).unwrap();
    fs::write(dir.path("links/a"), "linked").unwrap();
    fs::hard_link(dir.path("links/a"), dir.path("links/b")).unwrap();
    let (from, to) = (dir.path("links/a"), dir.path("linked"));
    fs::hard_link(from, to).unwrap();
}

/// What both sides are asked to do.
#[derive(Clone, Debug)]
enum Op {
    Create(String, &'static str, FileType),
    Unlink(String, &'static str),
    Rmdir(String, &'static str),
    Rename(String, &'static str, String, &'static str, u32),
    Link(String, String, &'static str),
    Chmod(String, u32),
    Truncate(String, u64),
    Xattr(String, Option<u8>, u32),
    Write(String, u64, usize, u8),
    Append(String, usize, u8),
    Fallocate(String, u32, u64, u64),
    Map(String),
    Open(String),
    /// On one of the files opened before.
    OpenWrite(usize, u64, usize, u8),
    OpenRead(usize, u64, usize),
    SeekHole(usize, u64),
    Close(usize),
}

/// The paths there were a little while ago, so that most operations find something.
#[derive(Default)]
struct Known {
    dirs: Vec<String>,
    files: Vec<String>,
}

impl Known {
    fn of(tree: &BTreeMap<String, String>) -> Known {
        let (dirs, files) = tree.iter().partition(|(_, text)| text.starts_with("4"));
        let paths = |part: BTreeMap<&String, &String>| part.into_keys().cloned().collect();
        Known { dirs: paths(dirs), files: paths(files) }
    }

    fn dir(&self, random: &mut Random) -> String {
        if self.dirs.is_empty() || random.below(10) == 0 {
            return format!("/{}", random.pick(NAMES));
        }
        self.dirs[random.below(self.dirs.len() as u64) as usize].clone()
    }

    fn file(&self, random: &mut Random) -> String {
        if self.files.is_empty() || random.below(10) == 0 {
            return self.dir(random);
        }
        self.files[random.below(self.files.len() as u64) as usize].clone()
    }

    /// Mostly a name that is there.
    fn entry(&self, random: &mut Random, of_dirs: bool) -> (String, &'static str) {
        let path = if of_dirs { self.dir(random) } else { self.file(random) };
        if let Some((dir, name)) = path.rsplit_once('/')
            && let Some(name) = NAMES.iter().find(|each| **each == name)
            && random.below(5) != 0
        {
            return (String::from(dir), name);
        }
        (self.dir(random), random.pick(NAMES))
    }
}

fn op(random: &mut Random, known: &Known) -> Op {
    let (dir, file) = (known.dir(random), known.file(random));
    let name = random.pick(NAMES);
    let fill = b'A' + random.below(26) as u8;
    let len = random.below(9000) as usize;
    match random.below(34) {
        0..=4 => {
            let kinds = [
                FileType::Regular,
                FileType::Directory,
                FileType::Directory,
                FileType::Symlink,
                FileType::Fifo,
            ];
            Op::Create(dir, name, random.pick(&kinds))
        }
        5 | 6 => {
            let (dir, name) = known.entry(random, false);
            Op::Unlink(dir, name)
        }
        7 | 8 => {
            let (dir, name) = known.entry(random, true);
            Op::Rmdir(dir, name)
        }
        9..=14 => {
            let of_dirs = random.below(2) == 0;
            let (dir, name) = known.entry(random, of_dirs);
            let over_dirs = if random.below(4) == 0 { !of_dirs } else { of_dirs };
            let (new_dir, new_name) = known.entry(random, over_dirs);
            Op::Rename(dir, name, new_dir, new_name, random.pick(&[0, 0, 0, 1, 2]))
        }
        15 | 16 => Op::Link(file, dir, name),
        17 => Op::Chmod(file, random.below(0o1000) as u32),
        18 => Op::Truncate(file, random.offset()),
        19 => Op::Xattr(file, Some(fill).filter(|fill| fill % 3 != 0), random.below(3) as u32),
        20..=23 => Op::Write(file, random.offset(), len, fill),
        24 => Op::Append(file, len, fill),
        25 => {
            let punch = g::FALLOC_FL_PUNCH_HOLE | g::FALLOC_FL_KEEP_SIZE;
            let zero = g::FALLOC_FL_ZERO_RANGE;
            let modes = [0, punch, zero, zero | g::FALLOC_FL_KEEP_SIZE, g::FALLOC_FL_PUNCH_HOLE];
            Op::Fallocate(file, random.pick(&modes), random.offset(), 1 + random.offset())
        }
        26 => Op::Map(file),
        27 | 28 => Op::Open(file),
        29 | 30 => Op::OpenWrite(random.below(8) as usize, random.offset(), len, fill),
        31 => Op::OpenRead(random.below(8) as usize, random.offset(), len),
        32 => Op::SeekHole(random.below(8) as usize, random.offset()),
        _ => Op::Close(random.below(8) as usize),
    }
}

/// One side: a root and the files it has open.
struct Side {
    root: InodeRef,
    open: Vec<Box<dyn FileOps>>,
    is_host: bool,
}

impl Side {
    fn regular(&self, path: &str) -> Result<InodeRef> {
        let inode = walk(&self.root, path)?;
        if inode.kind() == FileType::Regular { Ok(inode) } else { Err(Errno::BADF) }
    }

    fn file(&self, path: &str) -> Result<Box<dyn FileOps>> {
        self.regular(path)?.open(OpenFlags::RDWR)
    }

    fn at(&self, n: usize) -> Result<&dyn FileOps> {
        self.open.get(n).map(|file| &**file).ok_or(Errno::BADF)
    }

    /// Does it; the answer in words.
    fn apply(&mut self, op: &Op) -> Result<String> {
        let done = |()| String::new();
        match op {
            Op::Create(dir, name, kind) => {
                let target: &[u8] = if *kind == FileType::Symlink { b"somewhere" } else { b"" };
                let node = NewNode { target, ..new_node(*kind, 0o750) };
                walk(&self.root, dir)?.create(name.as_bytes(), &node).map(|_| String::new())
            }
            Op::Unlink(dir, name) => walk(&self.root, dir)?.unlink(name.as_bytes()).map(done),
            Op::Rmdir(dir, name) => walk(&self.root, dir)?.rmdir(name.as_bytes()).map(done),
            Op::Rename(dir, name, new_dir, new_name, flags) => {
                let (dir, new_dir) = (walk(&self.root, dir)?, walk(&self.root, new_dir)?);
                let is_dir = |dir: &InodeRef| dir.kind() == FileType::Directory;
                if !is_dir(&dir) || !is_dir(&new_dir) {
                    return Err(Errno::NOTDIR);
                }
                let flags = RenameFlags::from_bits_truncate(*flags);
                dir.rename(name.as_bytes(), &new_dir, new_name.as_bytes(), flags).map(done)
            }
            Op::Link(file, dir, name) => {
                let (target, dir) = (walk(&self.root, file)?, walk(&self.root, dir)?);
                // Linux looks at the new name first, the kernel's system call for it too.
                if dir.kind() == FileType::Directory && dir.lookup(name.as_bytes()).is_ok() {
                    return Err(Errno::EXIST);
                }
                if dir.kind() != FileType::Directory {
                    return Err(Errno::NOTDIR);
                }
                dir.link(name.as_bytes(), &target).map(done)
            }
            Op::Chmod(file, mode) => {
                let inode = walk(&self.root, file)?;
                if inode.kind() == FileType::Symlink {
                    return Err(Errno::OPNOTSUPP);
                }
                chmod(&inode, *mode).map(done)
            }
            Op::Truncate(file, size) => truncate(&self.regular(file)?, *size).map(done),
            Op::Xattr(file, value, flags) => {
                let inode = self.regular(file)?;
                match value {
                    Some(value) => {
                        let flags = XattrFlags::from_bits_truncate(*flags);
                        inode.set_xattr(b"user.test", &[*value; 5], flags).map(done)
                    }
                    None => inode.remove_xattr(b"user.test").map(done),
                }
            }
            Op::Write(file, offset, len, fill) => {
                write(&*self.file(file)?, *offset, &vec![*fill; *len]).map(|count| format!("{count}"))
            }
            Op::Append(file, len, fill) => {
                let bytes = vec![*fill; *len];
                let result = self.file(file)?.write(&mut IoSrc::kernel(&bytes), WriteAt::End, false);
                result.map(|answer| format!("{answer:?}"))
            }
            Op::Fallocate(file, mode, offset, len) => {
                self.file(file)?.fallocate(*mode, *offset, *len).map(done)
            }
            Op::Map(file) => {
                let file = self.file(file)?;
                if !self.is_host {
                    file.mmap(0, 4096, true, true)?;
                }
                Ok(String::new())
            }
            Op::Open(file) => {
                let file = self.file(file)?;
                if self.open.len() < 8 {
                    self.open.push(file);
                }
                Ok(String::new())
            }
            Op::OpenWrite(n, offset, len, fill) => {
                write(self.at(*n)?, *offset, &vec![*fill; *len]).map(|count| format!("{count}"))
            }
            Op::OpenRead(n, offset, len) => read(self.at(*n)?, *offset, *len).map(|bytes| summary(&bytes)),
            // What is data is a matter of taste, but it must begin and end within the file.
            Op::SeekHole(n, offset) => {
                let (file, offset) = (self.at(*n)?, *offset);
                let hole = file.seek(offset as i64, g::SEEK_HOLE, 0).unwrap()?;
                assert!(hole >= offset);
                if let Ok(data) = file.seek(offset as i64, g::SEEK_DATA, 0).unwrap() {
                    let between = read(file, offset, (data - offset) as usize)?;
                    assert!(between.iter().all(|&byte| byte == 0), "data in a hole");
                }
                Ok(String::new())
            }
            Op::Close(n) => {
                if *n < self.open.len() {
                    self.open.remove(*n);
                }
                Ok(String::new())
            }
        }
    }
}

fn run(seed: u64, steps: usize) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let (lower, twin) = (TempDir::new(), TempDir::new());
    let state = random.0;
    populate(&lower, &mut random);
    random.0 = state;
    populate(&twin, &mut random);
    let before = snapshot(&lower.path(""));
    let overlay = lower.overlay();
    let mut ours = Side { root: overlay.root(), open: Vec::new(), is_host: false };
    let mut hosts = Side { root: twin.hostfs().root(), open: Vec::new(), is_host: true };
    let mut known = Known::of(&describe(&hosts.root));
    let mut history = Vec::new();
    let mut succeeded = 0;
    for step in 0..steps {
        let op = op(&mut random, &known);
        history.push(op.clone());
        let (our, host) = (ours.apply(&op), hosts.apply(&op));
        succeeded += usize::from(host.is_ok());
        let agree = our == host;
        let trees =
            if step % 8 == 0 || !agree { Some((describe(&ours.root), describe(&hosts.root))) } else { None };
        if !agree || trees.as_ref().is_some_and(|(our, host)| our != host) {
            for op in &history[history.len().saturating_sub(30)..] {
                println!("{op:?}");
            }
            println!("seed {seed}, step {step}: overlay {our:?}, host {host:?}");
            if let Some((our, host)) = trees {
                for path in our.keys().chain(host.keys()) {
                    if our.get(path) != host.get(path) {
                        println!("{path}:\n  overlay {:?}\n  host    {:?}", our.get(path), host.get(path));
                    }
                }
            }
            panic!("the overlay differs from the host");
        }
        if let Some((tree, _)) = trees {
            known = Known::of(&tree);
        }
    }
    assert!(succeeded > steps / 3, "only {succeeded} of {steps} operations did anything");
    assert_eq!(snapshot(&lower.path("")), before, "the host's tree was changed (seed {seed})");
}

#[test]
fn random_operations_agree_with_the_host() {
    let seed = std::env::var("FNCALL_SEED").ok().and_then(|seed| seed.parse().ok());
    match seed {
        Some(seed) => run(seed, 2000),
        None => (1..=8).for_each(|seed| run(seed, 250)),
    }
}
