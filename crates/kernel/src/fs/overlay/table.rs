//! Which node stands for which file of the host.

use super::Core;
use super::node::{Lower, Node};
use crate::fs::host_dir::HostDir;
use crate::fs::host_stat::{self, Ident};
use crate::vfs::FileType;
use crate::{Errno, Result};
use alloc::sync::{Arc, Weak};
use hashbrown::HashMap;
use host::file::HostStat;
use host::mutex::Mutex;

/// Device and inode number, and for directories the mount.
type Key = (u64, u64, u64);

fn key(ident: Ident) -> Key {
    (ident.dev, ident.ino, ident.mount)
}

struct Known {
    node: Weak<Node>,
    /// Keeps a changed node, which must not be forgotten, alive.
    pin: Option<Arc<Node>>,
}

/// Nodes with a lower part.
#[derive(Default)]
pub(super) struct Table(Mutex<HashMap<Key, Known>>);

impl Table {
    /// The node for the root of the host tree.
    pub fn root(&self, core: &Arc<Core>, dir: Arc<HostDir>, stat: &HostStat) -> Arc<Node> {
        let ident = dir.ident();
        let node = Node::over(core, FileType::Directory, Lower::Directory(dir), stat, None);
        let known = Known { node: Arc::downgrade(&node), pin: None };
        self.0.lock().insert(key(ident), known);
        node
    }

    /// The node for the file `name` of the host directory `host`, which is the lower part of `parent`.
    ///
    /// # Errors
    /// `ENOENT`; those of statx(2).
    #[inline]
    pub fn lookup(&self, parent: &Node, host: &Arc<HostDir>, name: &[u8]) -> Result<Arc<Node>> {
        let stat = host.stat_child(name)?;
        let (ident, kind) = (host_stat::ident(&stat), host_stat::kind(&stat));
        let key = key(ident);
        // Declared before the lock, so dropped after it: dropping a node takes the lock.
        let mut outdated = None;
        let mut table = self.0.lock();
        if let Some(known) = table.get_mut(&key)
            && let Some(node) = known.node.upgrade()
        {
            if node.kind == kind && node.lower.ident().is_some_and(|there| there.born == ident.born) {
                drop(table);
                node.see(&stat);
                return Ok(node);
            }
            // The number was used again for another file.
            outdated = Some((node, known.pin.take()));
        }
        let lower = match kind {
            FileType::Directory => Lower::Directory(host.child(name, ident)),
            _ => Lower::file(&stat, host, name),
        };
        let above = (kind == FileType::Directory).then(|| parent.this()).transpose()?;
        let node = Node::over(&parent.core, kind, lower, &stat, above);
        table.insert(key, Known { node: Arc::downgrade(&node), pin: None });
        drop(table);
        drop(outdated);
        Ok(node)
    }

    /// Keeps `node` from now on: it was changed.
    ///
    /// # Errors
    /// `ESTALE` when its number belongs to another file of the host by now.
    pub fn pin(&self, node: &Arc<Node>, ident: Ident) -> Result<()> {
        let mut table = self.0.lock();
        match table.get_mut(&key(ident)) {
            Some(known) if Weak::as_ptr(&known.node) == Arc::as_ptr(node) => {
                known.pin = Some(node.clone());
                Ok(())
            }
            _ => Err(Errno::STALE),
        }
    }

    /// Lets go of a node whose last name is gone; answers it, to be dropped without locks.
    pub fn unpin(&self, node: &Node, ident: Ident) -> Option<Arc<Node>> {
        let mut table = self.0.lock();
        let known = table.get_mut(&key(ident))?;
        if core::ptr::eq(Weak::as_ptr(&known.node), node) {
            let pin = known.pin.take();
            table.remove(&key(ident));
            return pin;
        }
        None
    }

    /// A node that stood for this file is being dropped. By now another may stand for it.
    pub fn forget(&self, ident: Ident) {
        let mut table = self.0.lock();
        if table.get(&key(ident)).is_some_and(|known| known.node.strong_count() == 0) {
            table.remove(&key(ident));
        }
    }

    /// How many are known.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.0.lock().len()
    }
}
