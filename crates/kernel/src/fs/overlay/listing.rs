//! Open directories: the host's entries in the host's order, without those hidden in memory, then those in memory.
//!
//! Positions (`d_off`) are the host's own for the host's entries. For entries in memory they count on and have the
//! highest bit set, which no host file system uses; without a host directory they count from 0. Each entry in memory
//! keeps its place, so that others may come and go while a program lists; what comes after the listing began is
//! left out, so that a program that renames what it lists comes to an end.

use super::node::{Lower, Node};
use crate::fs::host_dir::HostDir;
use crate::fs::host_listing::{HostListing, hide_entries};
use crate::vfs::{FileOps, FileType, ReaddirSink};
use crate::{Errno, Result};
use alloc::sync::Arc;
use alloc::vec::Vec;
use host::mutex::Mutex;
use linux_raw_sys::general::{SEEK_CUR, SEEK_SET};

/// Marks positions among the entries in memory.
const IN_MEMORY: u64 = 1 << 63;
/// Entries in memory taken out under one lock.
const BATCH: usize = 64;

/// How far a listing has come.
#[derive(Default)]
struct Stream {
    host: HostListing,
    /// The newest entry in memory when the listing began.
    last_seq: u64,
}

/// An open directory.
pub(super) struct OpenDir {
    node: Arc<Node>,
    stream: Mutex<Stream>,
}

impl OpenDir {
    pub fn new(node: Arc<Node>) -> Result<OpenDir> {
        let last_seq = node.state.lock().entries()?.last_seq();
        Ok(OpenDir { node, stream: Mutex::new(Stream { last_seq, ..Stream::default() }) })
    }

    /// Number of the directory above, as the program sees it; its own at the top.
    fn parent_ino(&self) -> Result<u64> {
        let parent = self.node.state.lock().entries()?.parent();
        Ok(parent.map_or(self.node.ino, |parent| parent.ino))
    }

    /// Hands out the host's entries from position `from` on; `false` when the sink is full.
    fn host_entries(
        &self,
        stream: &mut Stream,
        host: &Arc<HostDir>,
        from: u64,
        sink: &mut dyn ReaddirSink,
    ) -> Result<bool> {
        // The host's `..` is right unless the directory was moved in memory, or is the top of the tree.
        let moved = self.node.state.lock().entries()?.moved || host.is_root();
        let above = if moved { Some(self.parent_ino()?) } else { None };
        stream.host.list(host, from, above, sink, |buf| {
            let state = self.node.state.lock();
            let entries = state.entries()?;
            if !entries.is_unchanged() {
                hide_entries(buf, |name| entries.hides(name));
            }
            Ok(())
        })
    }

    /// Hands out the entries in memory behind place `seq`, whose positions are `base` plus their place.
    fn memory_entries(
        &self,
        last_seq: u64,
        mut seq: u64,
        base: u64,
        sink: &mut dyn ReaddirSink,
    ) -> Result<()> {
        loop {
            let state = self.node.state.lock();
            let entries = state.entries()?.after(seq).take_while(|(seq, ..)| *seq <= last_seq);
            let batch: Vec<_> = entries
                .take(BATCH)
                .map(|(seq, name, node)| (seq, name.clone(), node.ino, node.kind))
                .collect();
            drop(state);
            for (at, name, ino, kind) in &batch {
                if !sink.entry(*ino, base + at, *kind, name) {
                    return Ok(());
                }
            }
            match batch.last() {
                Some((last, ..)) => seq = *last,
                None => return Ok(()),
            }
        }
    }
}

impl FileOps for OpenDir {
    fn readdir(&self, from: u64, sink: &mut dyn ReaddirSink) -> Result<()> {
        let mut stream = self.stream.lock();
        {
            let state = self.node.state.lock();
            let entries = state.entries()?;
            if entries.removed {
                return Err(Errno::NOENT);
            }
            if from == 0 {
                stream.last_seq = entries.last_seq();
            }
        }
        if let Lower::Directory(host) = &self.node.lower {
            if from < IN_MEMORY && !self.host_entries(&mut stream, host, from, sink)? {
                return Ok(());
            }
            let seq = from.saturating_sub(IN_MEMORY);
            return self.memory_entries(stream.last_seq, seq, IN_MEMORY, sink);
        }
        if from == 0 && !sink.entry(self.node.ino, 1, FileType::Directory, b".") {
            return Ok(());
        }
        if from <= 1 && !sink.entry(self.parent_ino()?, 2, FileType::Directory, b"..") {
            return Ok(());
        }
        self.memory_entries(stream.last_seq, from.saturating_sub(2), 2, sink)
    }

    /// Any position there was may be returned to; those in memory over a host directory look negative.
    fn seek(&self, offset: i64, whence: u32, current: u64) -> Option<Result<u64>> {
        let new = match whence {
            SEEK_SET => offset as u64,
            SEEK_CUR => current.wrapping_add_signed(offset),
            _ => return Some(Err(Errno::INVAL)),
        };
        let known = new < IN_MEMORY || matches!(self.node.lower, Lower::Directory(_));
        Some(if known { Ok(new) } else { Err(Errno::INVAL) })
    }

    fn fsync(&self, _data_only: bool) -> Result<()> {
        Ok(())
    }
}
