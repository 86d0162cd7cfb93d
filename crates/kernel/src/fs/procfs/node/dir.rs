//! A directory of /proc, open.

use super::What;
use crate::Result;
use crate::vfs::{FileOps, FileType, ReaddirSink};

/// Where numbers begin among the positions of a directory, behind the names (`FIRST_PROCESS_ENTRY`). The position of a
/// number is its own, not its place in the list: a program that closes descriptors or ends processes while it reads
/// the directory must not miss the others.
const FIRST_NUMBER: u64 = 256;

pub(super) struct OpenDir {
    pub(super) what: What,
}

impl FileOps for OpenDir {
    fn readdir(&self, from: u64, sink: &mut dyn ReaddirSink) -> Result<()> {
        let ino = self.what.ino();
        let mut at = 0;
        for dot in [&b"."[..], b".."] {
            at += 1;
            if at > from && !sink.entry(ino, at, FileType::Directory, dot) {
                return Ok(());
            }
        }
        for name in self.what.list()? {
            at = match self.what.number(&name) {
                Some(number) => FIRST_NUMBER + number,
                None => at + 1,
            };
            if at <= from {
                continue;
            }
            // What has gone away since is skipped.
            let Ok(child) = self.what.lookup(&name) else { continue };
            if !sink.entry(child.ino(), at, child.kind(), &name) {
                break;
            }
        }
        Ok(())
    }
}
