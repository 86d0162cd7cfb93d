//! The file as it grows: pieces of bytes and holes, up to the limits (`dump_emit`, `dump_skip` of `fs/coredump.c`).

use crate::vfs::{File, WriteAt};
use alloc::vec::Vec;
use host::io::IoSrc;

/// The file ends here: a limit was reached, there is no room, or SIGKILL came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

/// Bytes that are written at once.
const BLOCK: usize = 64 << 10;

/// Where pieces go.
pub struct Sink<'a> {
    file: &'a File,
    /// Asked now and then: whether the rest is not wanted any more.
    pub stop: &'a dyn Fn() -> bool,
    /// Not yet in the file.
    buffer: Vec<u8>,
    /// Where in the file the buffer begins.
    start: u64,
    /// Bytes taken, without the holes: what `RLIMIT_CORE` counts.
    taken: u64,
    limit: u64,
    /// `RLIMIT_FSIZE`
    file_limit: u64,
    /// Whether the last thing was a hole.
    ends_in_hole: bool,
}

impl<'a> Sink<'a> {
    /// An empty file, with limits in bytes. `stop` is asked now and then.
    pub fn new(file: &'a File, limit: u64, file_limit: u64, stop: &'a dyn Fn() -> bool) -> Sink<'a> {
        let buffer = Vec::with_capacity(BLOCK);
        Sink { file, stop, buffer, start: 0, taken: 0, limit, file_limit, ends_in_hole: false }
    }

    /// Where the next piece goes.
    pub fn position(&self) -> u64 {
        self.start + self.buffer.len() as u64
    }

    /// Appends a piece; none of it when it goes beyond the limit.
    pub fn emit(&mut self, bytes: &[u8]) -> Result<(), Stopped> {
        self.taken += bytes.len() as u64;
        if self.taken > self.limit {
            self.flush()?;
            return Err(Stopped);
        }
        if self.buffer.len() + bytes.len() > BLOCK {
            self.flush()?;
        }
        self.buffer.extend_from_slice(bytes);
        self.ends_in_hole = false;
        Ok(())
    }

    /// A hole of `len` bytes.
    pub fn skip(&mut self, len: u64) -> Result<(), Stopped> {
        if len > 0 {
            self.flush()?;
            self.start += len;
            self.ends_in_hole = true;
        }
        Ok(())
    }

    /// A hole up to the next multiple of `align`.
    pub fn align(&mut self, align: u64) -> Result<(), Stopped> {
        self.skip(self.position().next_multiple_of(align) - self.position())
    }

    /// The end. The file is as long as what went into it, holes too.
    pub fn finish(&mut self) -> Result<(), Stopped> {
        if self.ends_in_hole {
            self.start -= 1;
            self.emit(&[0])?;
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), Stopped> {
        if (self.stop)() {
            return Err(Stopped);
        }
        let room = self.file_limit.saturating_sub(self.start);
        let len = self.buffer.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        let mut src = IoSrc::kernel(&self.buffer[..len]);
        let mut at = self.start;
        while !src.is_empty() {
            match self.file.ops.write(&mut src, WriteAt::Offset(at), false) {
                Ok((0, _)) | Err(_) => return Err(Stopped),
                Ok((count, _)) => at += count as u64,
            }
        }
        let whole = len == self.buffer.len();
        self.start = at;
        self.buffer.clear();
        if whole { Ok(()) } else { Err(Stopped) }
    }
}
