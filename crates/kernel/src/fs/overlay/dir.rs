//! Directories: entries in memory over those of the host; looking up, making and removing them.

use super::node::{Lower, Node, State};
use super::quota::Quota;
use crate::fs::host_dir::HostDir;
use crate::vfs::{FileType, NewNode, TimeSpec};
use crate::{Errno, Result};
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use hashbrown::HashMap;

/// Memory an entry is counted with besides its name, in bytes.
const ENTRY_COST: u64 = 96;

/// What memory knows about a name.
pub(super) enum Entry {
    /// The host has the name; the program removed it.
    Whiteout,
    Node {
        /// Its place in the listing.
        seq: u64,
        node: Arc<Node>,
        /// The host has the name too, hidden by this.
        over_lower: bool,
    },
}

/// The directory above. Who is found through it on the host keeps it alive, so that there is always a way up; who
/// is an entry of it in memory is kept alive by it.
enum Parent {
    None,
    Found(Arc<Node>),
    Entered(Weak<Node>),
}

/// The entries of a directory that are known in memory.
pub(super) struct Entries {
    map: HashMap<Arc<[u8]>, Entry>,
    /// Names by their place in the listing.
    order: BTreeMap<u64, Arc<[u8]>>,
    last_seq: u64,
    parent: Parent,
    /// The program has moved the directory: its `..` is not the host's.
    pub moved: bool,
    /// The directory was removed.
    pub removed: bool,
}

/// An entry found in memory or on the host.
pub(super) struct Found {
    pub node: Arc<Node>,
    /// Whether the host has the name.
    pub on_lower: bool,
}

fn cost(name: &[u8]) -> u64 {
    ENTRY_COST + name.len() as u64
}

/// Counts an entry about to be made.
///
/// # Errors
/// `ENOSPC`.
pub(super) fn charge(name: &[u8], quota: &Quota) -> Result<()> {
    quota.charge(cost(name))
}

/// Undoes [`charge`].
pub(super) fn refund(name: &[u8], quota: &Quota) {
    quota.refund(cost(name));
}

impl Entries {
    fn new(parent: Parent) -> Entries {
        Entries {
            map: HashMap::new(),
            order: BTreeMap::new(),
            last_seq: 0,
            parent,
            moved: false,
            removed: false,
        }
    }

    /// A directory that was found on the host, in `parent`; the top without one.
    pub fn found(parent: Option<Arc<Node>>) -> Entries {
        Self::new(parent.map_or(Parent::None, Parent::Found))
    }

    /// A directory made in memory, to be entered in `parent`.
    pub fn made(parent: Option<&Node>) -> Entries {
        Self::new(parent.map_or(Parent::None, |parent| Parent::Entered(parent.weak())))
    }

    /// The directory above; `None` at the top.
    pub fn parent(&self) -> Option<Arc<Node>> {
        match &self.parent {
            Parent::None => None,
            Parent::Found(parent) => Some(parent.clone()),
            Parent::Entered(parent) => parent.upgrade(),
        }
    }

    /// It was entered in `parent`, in memory.
    pub fn set_parent(&mut self, parent: &Node) -> Option<Arc<Node>> {
        match core::mem::replace(&mut self.parent, Parent::Entered(parent.weak())) {
            Parent::Found(old) => Some(old),
            _ => None,
        }
    }

    /// Lets go of the directory above; answers it when this kept it alive.
    pub fn take_parent(&mut self) -> Option<Arc<Node>> {
        match core::mem::replace(&mut self.parent, Parent::None) {
            Parent::Found(parent) => Some(parent),
            _ => None,
        }
    }

    /// Whether memory knows the name: the host's, if any, is hidden.
    #[inline]
    pub fn hides(&self, name: &[u8]) -> bool {
        self.map.contains_key(name)
    }

    /// Whether memory knows nothing about any name.
    #[inline]
    pub fn is_unchanged(&self) -> bool {
        self.map.is_empty()
    }

    /// Whether there is no entry in memory.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The place of the newest entry in the listing.
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// The entries behind place `seq`, in order: place, name, node.
    pub fn after(&self, seq: u64) -> impl Iterator<Item = (u64, &Arc<[u8]>, &Arc<Node>)> {
        self.order.range(seq + 1..).filter_map(|(&seq, name)| match self.map.get(&**name) {
            Some(Entry::Node { node, .. }) => Some((seq, name, node)),
            _ => None,
        })
    }

    /// Enters `with` under a name that was [`charge`]d; an entry that is there keeps its place in the listing. What
    /// it stood for is answered, to be dropped without locks.
    pub fn put(
        &mut self,
        name: &[u8],
        with: Arc<Node>,
        over_lower: bool,
        quota: &Quota,
    ) -> Option<Arc<Node>> {
        if let Some(Entry::Node { node, .. }) = self.map.get_mut(name) {
            refund(name, quota);
            return Some(core::mem::replace(node, with));
        }
        let name: Arc<[u8]> = name.into();
        self.last_seq += 1;
        let seq = self.last_seq;
        self.order.insert(seq, name.clone());
        self.map.insert(name, Entry::Node { seq, node: with, over_lower });
        None
    }

    /// Removes the name; with `whiteout`, the host's is hidden from now on.
    pub fn remove(&mut self, name: &[u8], whiteout: bool, quota: &Quota) -> Option<Arc<Node>> {
        let old =
            if whiteout { self.map.insert(name.into(), Entry::Whiteout) } else { self.map.remove(name) };
        self.forget_order(name, old, quota)
    }

    fn forget_order(&mut self, name: &[u8], old: Option<Entry>, quota: &Quota) -> Option<Arc<Node>> {
        let Some(Entry::Node { seq, node, .. }) = old else { return None };
        self.order.remove(&seq);
        quota.refund(cost(name));
        Some(node)
    }

    /// Takes all nodes out.
    pub fn take_nodes(&mut self, quota: &Quota) -> Vec<Arc<Node>> {
        for name in core::mem::take(&mut self.order).values() {
            quota.refund(cost(name));
        }
        let nodes = core::mem::take(&mut self.map).into_values();
        nodes
            .filter_map(|entry| match entry {
                Entry::Node { node, .. } => Some(node),
                Entry::Whiteout => None,
            })
            .collect()
    }
}

impl Node {
    /// The entry called `name`: `Ok(Err(hidden))` when there is none, and whether the host has a hidden one.
    ///
    /// # Errors
    /// Those of the host; `ENOENT` when the directory was removed.
    pub(super) fn find(&self, entries: &Entries, name: &[u8]) -> Result<core::result::Result<Found, bool>> {
        if entries.removed {
            return Err(Errno::NOENT);
        }
        match entries.map.get(name) {
            Some(Entry::Node { node, over_lower, .. }) => {
                return Ok(Ok(Found { node: node.clone(), on_lower: *over_lower }));
            }
            Some(Entry::Whiteout) => return Ok(Err(true)),
            None => {}
        }
        let Lower::Directory(host) = &self.lower else { return Ok(Err(false)) };
        match self.core.table.lookup(self, host, name) {
            Ok(node) => {
                node.found_at(self, entries, host, name)?;
                Ok(Ok(Found { node, on_lower: true }))
            }
            Err(Errno::NOENT) => Ok(Err(false)),
            Err(errno) => Err(errno),
        }
    }

    /// The host told of this node, in the directory `parent`, whose lower part is `host`: perhaps at another place
    /// than before.
    ///
    /// # Errors
    /// `ENOENT` for a directory that the host has moved to where it would be shown twice, or inside itself.
    #[inline]
    fn found_at(&self, parent: &Node, entries: &Entries, host: &Arc<HostDir>, name: &[u8]) -> Result<()> {
        match &self.lower {
            Lower::Directory(dir) if !dir.is_at(host, name) => {
                self.moved_by_host(parent, entries, dir, host, name)
            }
            Lower::File(file) => {
                file.set_place(host, name);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    #[cold]
    fn moved_by_host(
        &self,
        parent: &Node,
        entries: &Entries,
        dir: &HostDir,
        host: &Arc<HostDir>,
        name: &[u8],
    ) -> Result<()> {
        // `parent` is locked; what is above it must not be waited for. Who comes too early sees it a little later.
        let mut above = entries.parent();
        if core::ptr::eq(self, parent) {
            return Err(Errno::NOENT);
        }
        while let Some(node) = above {
            if core::ptr::eq(self, &*node) {
                return Err(Errno::NOENT);
            }
            above = node.state.try_lock().ok_or(Errno::NOENT)?.entries()?.parent();
        }
        let mut state = self.state.try_lock().ok_or(Errno::NOENT)?;
        let own = state.entries_mut()?;
        // What the program has moved itself stays where the program put it.
        if own.moved || !dir.set_place(host, name) {
            return Err(Errno::NOENT);
        }
        let old = core::mem::replace(&mut own.parent, Parent::Found(parent.this()?));
        drop(state);
        drop(old);
        Ok(())
    }

    pub(super) fn lookup_node(&self, name: &[u8]) -> Result<Arc<Node>> {
        let state = self.state.lock();
        let found = self.find(state.entries()?, name)?;
        found.map(|found| found.node).map_err(|_| Errno::NOENT)
    }

    /// Whether the host has the name, which memory does not know.
    fn is_on_lower(&self, name: &[u8]) -> Result<bool> {
        let Lower::Directory(host) = &self.lower else { return Ok(false) };
        match host.stat_child(name) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// Whether `name` may be entered; answers whether the host has it, hidden.
    ///
    /// # Errors
    /// `EEXIST`; `ENOENT` when the directory was removed; those of the host.
    fn check_free(&self, entries: &Entries, name: &[u8]) -> Result<bool> {
        if entries.removed {
            return Err(Errno::NOENT);
        }
        match entries.map.get(name) {
            Some(Entry::Node { .. }) => Err(Errno::EXIST),
            Some(Entry::Whiteout) => Ok(true),
            None if self.is_on_lower(name)? => Err(Errno::EXIST),
            None => Ok(false),
        }
    }

    pub(super) fn create_entry(&self, name: &[u8], new: &NewNode<'_>) -> Result<Arc<Node>> {
        let mut state = self.state.lock();
        let over_lower = self.check_free(state.entries()?, name)?;
        let attr = self.attr(&mut state)?;
        let node = Node::create(&self.core, &inherit(attr.mode, attr.gid, new), Some(self))?;
        charge(name, &self.core.quota)?;
        state.entries_mut()?.put(name, node.clone(), over_lower, &self.core.quota);
        let attr = self.attr(&mut state)?;
        self.stamp_directory(attr, 1, i32::from(new.kind == FileType::Directory));
        Ok(node)
    }

    pub(super) fn create_without_entry(&self, new: &NewNode<'_>) -> Result<Arc<Node>> {
        let stat = self.read_attr()?;
        let node = Node::create(&self.core, &inherit(stat.mode, stat.gid, new), None)?;
        node.set_links(0);
        node.state.lock().linkable = true;
        Ok(node)
    }

    pub(super) fn link_entry(&self, name: &[u8], target: &Node) -> Result<()> {
        if target.kind == FileType::Directory {
            return Err(Errno::PERM);
        }
        let mut state = self.state.lock();
        let over_lower = self.check_free(state.entries()?, name)?;
        self.attr(&mut state)?;
        let node = target.this()?;
        let mut target_state = target.state.lock();
        let linkable = target_state.linkable;
        let attr = target.attr(&mut target_state)?;
        if attr.nlink == 0 && !linkable {
            return Err(Errno::NOENT);
        }
        charge(name, &self.core.quota)?;
        state.entries_mut()?.put(name, node, over_lower, &self.core.quota);
        attr.nlink += 1;
        attr.ctime = TimeSpec::now();
        let attr = self.attr(&mut state)?;
        self.stamp_directory(attr, 1, 0);
        Ok(())
    }

    pub(super) fn remove_entry(&self, name: &[u8], directory: bool) -> Result<()> {
        let mut state = self.state.lock();
        let found = self.find(state.entries()?, name)?;
        let Found { node, on_lower } = found.map_err(|_| Errno::NOENT)?;
        match (node.kind == FileType::Directory, directory) {
            (true, false) => return Err(Errno::ISDIR),
            (false, true) => return Err(Errno::NOTDIR),
            _ => {}
        }
        self.attr(&mut state)?;
        let pin = node.retire()?;
        let old = state.entries_mut()?.remove(name, on_lower, &self.core.quota);
        let attr = self.attr(&mut state)?;
        self.stamp_directory(attr, -1, -i32::from(directory));
        // Dropped without the lock: the last reference to a node takes others.
        drop(state);
        drop((node, pin, old));
        Ok(())
    }

    /// Its name is about to be removed: one link less; a directory must be empty and takes no more entries.
    ///
    /// # Errors
    /// `ENOTEMPTY`; those of the host.
    pub(super) fn retire(&self) -> Result<Option<Arc<Node>>> {
        if self.kind == FileType::Directory {
            let mut state = self.state.lock();
            self.check_empty(&state)?;
            // Its attributes come from the host for the last time.
            self.attr(&mut state)?;
            state.entries_mut()?.removed = true;
        }
        self.drop_link()
    }

    /// # Errors
    /// `ENOTEMPTY`; those of the host.
    pub(super) fn check_empty(&self, state: &State) -> Result<()> {
        let entries = state.entries()?;
        if !entries.is_empty() {
            return Err(Errno::NOTEMPTY);
        }
        let Lower::Directory(host) = &self.lower else { return Ok(()) };
        let fd = host.open_self()?;
        let mut buf = alloc::vec![0; 4096];
        loop {
            let len = fd.getdents(&mut buf)?;
            if len == 0 {
                return Ok(());
            }
            let mut rest = &buf[..len];
            while let Some(entry) = host::file::parse_dirent(rest) {
                rest = &rest[entry.reclen..];
                if !matches!(entry.name, b"." | b"..") && !entries.hides(entry.name) {
                    return Err(Errno::NOTEMPTY);
                }
            }
        }
    }
}

/// The rules of a set-group-ID directory: what is made in it belongs to its group, and so does what is made in
/// directories made in it (inode(7)).
fn inherit<'a>(dir_mode: u32, dir_gid: u32, new: &NewNode<'a>) -> NewNode<'a> {
    let mut new = new.clone();
    if dir_mode & 0o2000 != 0 {
        new.gid = dir_gid;
        if new.kind == FileType::Directory {
            new.mode |= 0o2000;
        }
    }
    new
}
