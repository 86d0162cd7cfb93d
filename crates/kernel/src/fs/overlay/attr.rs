//! Attributes: those of new files, reading and changing them.

use super::Core;
use super::node::{Body, Lower, Node};
use crate::vfs::{FileType, NewNode, PERMISSIONS, SetAttr, Stat, TimeSpec};
use crate::{Errno, Result};
use host::layout::PAGE_SIZE;

/// What an entry adds to the size of a directory in tmpfs (`BOGO_DIRENT_SIZE`).
pub(super) const DIRENT_SIZE: u64 = 20;

/// Attributes of a file just made.
pub(super) fn fresh(core: &Core, ino: u64, new: &NewNode<'_>) -> Stat {
    let now = TimeSpec::now();
    let directory = new.kind == FileType::Directory;
    let (size, blocks) = match new.kind {
        FileType::Symlink => (new.target.len() as u64, 0),
        // As the usual host file systems have it, or as tmpfs.
        FileType::Directory if core.lower_root.is_some() => (PAGE_SIZE as u64, PAGE_SIZE as u64 / 512),
        FileType::Directory => (2 * DIRENT_SIZE, 0),
        _ => (0, 0),
    };
    let mode = if new.kind == FileType::Symlink { 0o777 } else { new.mode & PERMISSIONS };
    Stat {
        dev: core.dev,
        ino,
        mode: new.kind.mode_bits() | mode,
        nlink: if directory { 2 } else { 1 },
        uid: new.uid,
        gid: new.gid,
        rdev: new.rdev,
        size,
        blksize: PAGE_SIZE as u32,
        blocks,
        btime: Some(now),
        ..Stat::default()
    }
    .at(now)
}

impl Node {
    /// All attributes.
    ///
    /// # Errors
    /// Those of the host, for what is read from there.
    #[inline]
    pub(super) fn read_attr(&self) -> Result<Stat> {
        let state = self.state.lock();
        let Some(mut stat) = state.attr else {
            drop(state);
            return self.lower_attr();
        };
        if let Body::Regular(content) = &state.body {
            match content.size_and_blocks()? {
                Some((size, blocks)) => (stat.size, stat.blocks) = (size, blocks),
                None => {
                    drop(state);
                    let host = self.lower_attr()?;
                    (stat.size, stat.blocks) = (host.size, host.blocks);
                }
            }
        }
        Ok(stat)
    }

    /// Changes attributes.
    ///
    /// # Errors
    /// `EISDIR` and `EINVAL` for the size of what has none; `ENOSPC`, `EFBIG`, those of the host.
    pub(super) fn change_attr(&self, change: &SetAttr) -> Result<()> {
        let mut state = self.state.lock();
        let now = TimeSpec::now();
        if let Some(size) = change.size {
            match self.kind {
                FileType::Regular => self.truncate(&mut state, size)?,
                FileType::Directory => return Err(Errno::ISDIR),
                _ => return Err(Errno::INVAL),
            }
        }
        let attr = self.attr(&mut state)?;
        if change.size.is_some() {
            attr.mtime = now;
        }
        attr.change(change, now);
        Ok(())
    }

    /// Stamps a directory whose entries changed: `entries` more or less, `subdirectories` more or less.
    pub(super) fn stamp_directory(&self, attr: &mut Stat, entries: i64, subdirectories: i32) {
        let now = TimeSpec::now();
        (attr.mtime, attr.ctime) = (now, now);
        // One link for all: a file system that does not count subdirectories.
        if attr.nlink != 1 {
            attr.nlink = attr.nlink.saturating_add_signed(subdirectories);
        }
        if matches!(self.lower, Lower::None) && self.core.lower_root.is_none() {
            attr.size = attr.size.saturating_add_signed(entries * DIRENT_SIZE as i64);
        }
    }
}
