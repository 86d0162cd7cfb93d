//! getdents(2): getdents and getdents64, which differ in where the type of an entry stands.

use crate::task::Current;
use crate::uaccess::Args;
use crate::vfs::notify::{self, Events};
use crate::vfs::{FileType, ReaddirSink};
use crate::{Errno, Result};
use alloc::vec::Vec;

/// More than this is not gathered for one call; the program asks again.
const MAX_GATHERED: usize = 1 << 16;

/// `getdents64(fd, dirp, count)`
pub fn sys_getdents64(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    getdents(cur, args, Layout::New)
}

/// `getdents(fd, dirp, count)`
pub fn sys_getdents(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    getdents(cur, args, Layout::Old)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// `struct linux_dirent`: ino, off, reclen, name, and the type in the last byte of the record.
    Old,
    /// `struct linux_dirent64`: ino, off, reclen, type, name.
    New,
}

/// Gathers records in the kernel: the file system may hold locks while it tells, and none may be held across a copy
/// to the user.
struct Gather {
    layout: Layout,
    room: usize,
    bytes: Vec<u8>,
    /// Position behind the last entry taken.
    next: u64,
    /// An entry was refused.
    full: bool,
}

impl ReaddirSink for Gather {
    fn entry(&mut self, ino: u64, next: u64, kind: FileType, name: &[u8]) -> bool {
        // Old: name, NUL, type. New: type, name, NUL. Both two bytes and the name behind 18 bytes, in whole words.
        let len = (18 + 2 + name.len()).next_multiple_of(8);
        if self.full || self.bytes.len() + len > self.room {
            self.full = true;
            return false;
        }
        let end = self.bytes.len() + len;
        self.bytes.extend_from_slice(&ino.to_le_bytes());
        self.bytes.extend_from_slice(&next.to_le_bytes());
        self.bytes.extend_from_slice(&(len as u16).to_le_bytes());
        if self.layout == Layout::New {
            self.bytes.push(kind.d_type());
        }
        self.bytes.extend_from_slice(name);
        self.bytes.resize(end, 0);
        if self.layout == Layout::Old
            && let Some(last) = self.bytes.last_mut()
        {
            *last = kind.d_type();
        }
        self.next = next;
        true
    }
}

fn getdents(cur: &Current<'_>, args: &Args, layout: Layout) -> Result<usize> {
    let file = cur.file(args.i32(0))?;
    if !file.inode.is_dir() {
        return Err(Errno::NOTDIR);
    }
    // The position's lock is held throughout, as `iterate_dir` is called with it.
    let mut position = file.position.lock();
    let room = (args.u32(2) as usize).min(MAX_GATHERED);
    let mut gather = Gather { layout, room, bytes: Vec::new(), next: *position, full: false };
    file.ops.readdir(*position, &mut gather)?;
    notify::on_file(&file, Events::ACCESS);
    if gather.bytes.is_empty() {
        return if gather.full { Err(Errno::INVAL) } else { Ok(0) };
    }
    let left = usercopy::copy_to_user(args.usize(1), &gather.bytes);
    if left == 0 {
        *position = gather.next;
        return Ok(gather.bytes.len());
    }
    // Only records that arrived whole count.
    let mut done = 0;
    while let Some(record) = gather.bytes.get(done..)
        && let Some(len) = record.get(16..18)
    {
        let end = done + usize::from(u16::from_le_bytes([len[0], len[1]]));
        if end > gather.bytes.len() - left {
            break;
        }
        let mut next = [0; 8];
        next.copy_from_slice(&record[8..16]);
        *position = u64::from_le_bytes(next);
        done = end;
    }
    if done == 0 { Err(Errno::FAULT) } else { Ok(done) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_laid_out_as_linux_does() {
        for (layout, kind_at, name_at) in [(Layout::New, 18, 19), (Layout::Old, 23, 18)] {
            let mut gather = Gather { layout, room: 24, bytes: Vec::new(), next: 0, full: false };
            assert!(gather.entry(7, 3, FileType::Directory, b"abcd"[..3].into()));
            assert_eq!(gather.bytes.len(), 24);
            assert_eq!(gather.bytes[0], 7);
            assert_eq!(gather.bytes[8], 3);
            assert_eq!(gather.bytes[16], 24);
            assert_eq!(gather.bytes[kind_at], 4);
            assert_eq!(&gather.bytes[name_at..name_at + 4], b"abc\0");
            assert!(!gather.entry(8, 4, FileType::Regular, b"x"));
            assert_eq!(gather.next, 3);
        }
    }
}
