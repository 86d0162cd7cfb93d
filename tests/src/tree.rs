//! Pictures of a directory tree: what is in it, as text lines that can be compared and shown.
//! Called by `case` to prove that a run changed nothing, or changed what the host would have changed.

use std::fmt::Write as _;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Which facts of a file go into the picture.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What must agree between two runs of the same command: kind, mode, owner, links, size, contents.
    Outcome,
    /// What must not move when nothing may be written: the above, inode number, modification and change time.
    Untouched,
}

/// Describes every file below `root`, one line each, sorted by name. `opaque` are paths relative to `root` whose
/// size and contents are left out (files that hold times or inode numbers).
///
/// # Errors
/// When a file cannot be read.
pub fn picture(root: &Path, detail: Detail, opaque: &[&str]) -> io::Result<String> {
    let mut out = String::new();
    walk(root, Path::new(""), detail, opaque, &mut out)?;
    Ok(out)
}

fn walk(root: &Path, at: &Path, detail: Detail, opaque: &[&str], out: &mut String) -> io::Result<()> {
    let path = root.join(at);
    let meta = fs::symlink_metadata(&path)?;
    let kind = meta.file_type();
    let shown = at.display();
    let _ = write!(out, "./{shown} mode={:o} uid={} gid={}", meta.mode(), meta.uid(), meta.gid());
    // Directories differ in size and link count between file systems.
    if !kind.is_dir() {
        let _ = write!(out, " nlink={}", meta.nlink());
    }
    let hidden = opaque.iter().any(|o| Path::new(o) == at);
    if kind.is_file() && !hidden {
        let _ = write!(out, " size={} hash={:016x}", meta.len(), hash(&path)?);
    } else if kind.is_symlink() {
        let _ = write!(out, " -> {}", fs::read_link(&path)?.display());
    } else if kind.is_block_device() || kind.is_char_device() {
        let _ = write!(out, " rdev={:x}", meta.rdev());
    }
    if detail == Detail::Untouched {
        let _ = write!(
            out,
            " ino={} mtime={}.{:09} ctime={}.{:09}",
            meta.ino(),
            meta.mtime(),
            meta.mtime_nsec(),
            meta.ctime(),
            meta.ctime_nsec()
        );
    }
    out.push('\n');
    if kind.is_dir() {
        let mut names =
            fs::read_dir(&path)?.map(|e| e.map(|e| e.file_name())).collect::<io::Result<Vec<_>>>()?;
        names.sort();
        for name in names {
            walk(root, &at.join(name), detail, opaque, out)?;
        }
    }
    Ok(())
}

fn hash(path: &Path) -> io::Result<u64> {
    let mut hasher = DefaultHasher::new();
    hasher.write(&fs::read(path)?);
    Ok(hasher.finish())
}

/// Removes `dir` with all its contents, if it is there.
///
/// # Errors
/// When something in it cannot be removed.
pub fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Gives every file below `dir` the same modification time, so that listings of two runs agree.
///
/// # Errors
/// When a file's times cannot be set.
pub fn pin_times(dir: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
    let second = Timespec { tv_sec: 1_000_000_000, tv_nsec: 0 };
    let times = Timestamps { last_access: second, last_modification: second };
    if fs::symlink_metadata(dir)?.is_dir() {
        for entry in fs::read_dir(dir)? {
            pin_times(&entry?.path())?;
        }
    }
    utimensat(CWD, dir, &times, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(())
}

/// Sleeps past the granularity of file times, so that a later change is visible in [`Detail::Untouched`].
pub fn settle() {
    let start = SystemTime::now();
    while start.elapsed().is_ok_and(|e| e < Duration::from_millis(8)) {
        std::thread::sleep(Duration::from_millis(4));
    }
}
