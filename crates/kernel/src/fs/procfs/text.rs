//! Files whose content is written when they are read.

use crate::vfs::{FileOps, PollEvents, PollTable, WriteAt};
use crate::{Errno, Result};
use alloc::boxed::Box;
use alloc::vec::Vec;
use host::io::{IoDst, IoSrc};
use host::mutex::Mutex;

/// Writes the content.
pub type Generate = Box<dyn Fn() -> Result<Vec<u8>> + Send + Sync>;
/// Takes what was written to the file, up to a page of it.
pub type Accept = Box<dyn Fn(&[u8]) -> Result<()> + Send + Sync>;

/// An open text file: the content is made anew by each read at offset 0, so that later reads go on in the same
/// text, as Linux's seq_file does it.
pub struct Text {
    generate: Generate,
    accept: Option<Accept>,
    content: Mutex<Option<Vec<u8>>>,
    /// It can be watched for changes, of which there are none: the list of mounts.
    watchable: bool,
}

impl Text {
    /// A file that can only be read.
    pub fn readable(generate: Generate) -> Box<dyn FileOps> {
        Box::new(Text { generate, accept: None, content: Mutex::new(None), watchable: false })
    }

    /// A file that can only be read, and watched for changes that never come.
    pub fn watchable(generate: Generate) -> Box<dyn FileOps> {
        Box::new(Text { generate, accept: None, content: Mutex::new(None), watchable: true })
    }

    /// A file that can also be written.
    pub fn writable(generate: Generate, accept: Accept) -> Box<dyn FileOps> {
        Box::new(Text { generate, accept: Some(accept), content: Mutex::new(None), watchable: false })
    }
}

impl FileOps for Text {
    fn read(&self, dst: &mut IoDst<'_>, offset: u64, _nonblock: bool) -> Result<usize> {
        let mut content = self.content.lock();
        let text = match content.take() {
            Some(text) if offset > 0 => text,
            _ => (self.generate)()?,
        };
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(text.len());
        // The text is put back before the copy, which may fault and must not hold the lock: so a copy of the slice
        // that is asked for is made.
        let part = text[from..text.len().min(from.saturating_add(dst.remaining()))].to_vec();
        *content = Some(text);
        drop(content);
        dst.put(&part)
    }

    fn write(&self, src: &mut IoSrc<'_>, at: WriteAt, _nonblock: bool) -> Result<(usize, u64)> {
        let Some(accept) = &self.accept else { return Err(Errno::INVAL) };
        let mut bytes = alloc::vec![0; src.remaining().min(4096)];
        let count = src.take(&mut bytes)?;
        accept(&bytes[..count])?;
        let from = if let WriteAt::Offset(offset) = at { offset } else { 0 };
        Ok((count, from + count as u64))
    }

    fn poll(&self, _table: &mut PollTable<'_>) -> PollEvents {
        if self.watchable { PollEvents::READABLE } else { PollEvents::READABLE | PollEvents::WRITABLE }
    }

    fn can_poll_as_regular(&self) -> bool {
        self.watchable
    }

    /// SEEK_END is refused on seq_files.
    fn seek(&self, offset: i64, whence: u32, current: u64) -> Option<Result<u64>> {
        let to = match whence {
            0 => Some(offset),
            1 => offset.checked_add_unsigned(current),
            _ => None,
        };
        Some(to.filter(|&to| to >= 0).map(|to| to as u64).ok_or(Errno::INVAL))
    }
}
