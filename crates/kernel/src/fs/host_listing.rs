//! Listing a directory of the host: its entries, in its order, at its positions.

use super::host_dir::HostDir;
use super::host_stat;
use crate::vfs::{FileType, ReaddirSink};
use crate::{Errno, Result};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use host::file::{HostFd, parse_dirent};
use linux_raw_sys::general::SEEK_SET;

/// Bytes asked of the host at a time.
const BUFFER: usize = 32 << 10;
/// Offset of `d_type` in `struct linux_dirent64`, and a value for entries to leave out.
const D_TYPE: usize = 18;
const HIDDEN: u8 = 0xff;

/// Where one open directory stands in the host's listing.
#[derive(Default)]
pub struct HostListing {
    fd: Option<HostFd>,
    /// Entries not handed out yet are `buf[at..len]`; the first of them is at position `pos`.
    buf: Vec<u8>,
    at: usize,
    len: usize,
    pos: u64,
    /// Nothing follows the buffer: the host has said so.
    ended: bool,
}

impl HostListing {
    /// Hands out the entries from position `from` on; `false` when the sink is full. `above`: what to tell as the
    /// number of `..` instead of the host's. `hide` is shown each buffer of entries ([`hide_entries`]).
    ///
    /// # Errors
    /// Those of open(2), lseek(2) and getdents64(2); `ENOENT` for a removed directory.
    pub fn list(
        &mut self,
        dir: &Arc<HostDir>,
        from: u64,
        above: Option<u64>,
        sink: &mut dyn ReaddirSink,
        mut hide: impl FnMut(&mut [u8]) -> Result<()>,
    ) -> Result<bool> {
        let opened = self.fd.is_none();
        if opened {
            self.fd = Some(dir.open_self()?);
        }
        let Some(fd) = &self.fd else { return Ok(true) };
        if self.pos != from || from == 0 {
            if !opened || from != 0 {
                fd.seek(from as i64, SEEK_SET)?;
            }
            (self.at, self.len, self.pos, self.ended) = (0, 0, from, false);
        }
        loop {
            while let Some(entry) = self.buf.get(self.at..self.len).and_then(parse_dirent) {
                let ino = match (entry.name, above) {
                    (b"..", Some(ino)) => ino,
                    _ => entry.ino,
                };
                let kind = match entry.kind {
                    HIDDEN => None,
                    // The host's file system does not tell; a name that is gone meanwhile is left out.
                    0 => dir.stat_child(entry.name).ok().map(|stat| host_stat::kind(&stat)),
                    kind => Some(FileType::from_mode(u32::from(kind) << 12)),
                };
                if let Some(kind) = kind
                    && !sink.entry(ino, entry.next, kind, entry.name)
                {
                    return Ok(false);
                }
                (self.at, self.pos) = (self.at + entry.reclen, entry.next);
            }
            if self.ended {
                // The host is not asked for more entries, but a directory that was removed has an end of its own.
                return if fd.fstat()?.st_nlink == 0 { Err(Errno::NOENT) } else { Ok(true) };
            }
            if self.buf.is_empty() {
                self.buf = vec![0; BUFFER];
            }
            (self.at, self.len) = (0, 0);
            self.len = fd.getdents(&mut self.buf)?;
            if self.len == 0 {
                self.ended = true;
                // Freed at the end: many programs keep directories open.
                self.buf = Vec::new();
                return Ok(true);
            }
            hide(&mut self.buf[..self.len])?;
        }
    }
}

/// Marks the entries of a buffer whose name `hidden` picks.
pub fn hide_entries(buf: &mut [u8], hidden: impl Fn(&[u8]) -> bool) {
    let mut at = 0;
    while let Some(entry) = parse_dirent(&buf[at..]) {
        let (hide, reclen) = (hidden(entry.name), entry.reclen);
        if hide {
            buf[at + D_TYPE] = HIDDEN;
        }
        at += reclen;
    }
}
