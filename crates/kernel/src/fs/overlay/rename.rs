//! rename(2): moving entries within and between directories of memory and host alike.

use super::dir::{self, Entries, Found};
use super::node::{Node, State};
use crate::vfs::{FileType, RenameFlags, TimeSpec};
use crate::{Errno, Result};
use alloc::sync::Arc;
use alloc::vec::Vec;
use host::mutex::MutexGuard;

/// The locked state of one directory, or of two.
struct Pair<'a> {
    old: MutexGuard<'a, State>,
    /// `None`: the same directory.
    new: Option<MutexGuard<'a, State>>,
}

impl Pair<'_> {
    fn new_dir(&mut self) -> &mut State {
        self.new.as_deref_mut().unwrap_or(&mut self.old)
    }
}

/// What is asked for.
struct Step<'a> {
    name: &'a [u8],
    new_dir: &'a Node,
    new_name: &'a [u8],
    exchange: bool,
    no_replace: bool,
}

impl Node {
    /// Itself and the directories above it. They stand still only while the rename lock is held.
    fn chain(&self) -> Vec<Arc<Node>> {
        let mut chain = Vec::new();
        let mut here = self.weak().upgrade();
        while let Some(node) = here {
            let parent = node.state.lock().entries().ok().and_then(Entries::parent);
            chain.push(node);
            here = parent;
        }
        chain
    }

    pub(super) fn rename_entry(
        &self,
        name: &[u8],
        new_dir: &Node,
        new_name: &[u8],
        flags: RenameFlags,
    ) -> Result<()> {
        let exchange = flags.contains(RenameFlags::EXCHANGE);
        let no_replace = flags.contains(RenameFlags::NOREPLACE);
        if flags.contains(RenameFlags::WHITEOUT) || exchange && no_replace {
            return Err(Errno::INVAL);
        }
        let same = core::ptr::eq(self, new_dir);
        if same {
            return self.rename_between(&Step { name, new_dir, new_name, exchange, no_replace }, &[], &[]);
        }
        let _still = self.core.rename.lock();
        let step = Step { name, new_dir, new_name, exchange, no_replace };
        self.rename_between(&step, &self.chain(), &new_dir.chain())
    }

    /// Locks the two directories, the upper one first.
    fn lock_pair<'a>(&'a self, new_dir: &'a Node, above: &[Arc<Node>], new_above: &[Arc<Node>]) -> Pair<'a> {
        if core::ptr::eq(self, new_dir) {
            return Pair { old: self.state.lock(), new: None };
        }
        let new_is_above = contains(above, new_dir);
        let by_address = core::ptr::from_ref(self) < core::ptr::from_ref(new_dir);
        if contains(new_above, self) || !new_is_above && by_address {
            let old = self.state.lock();
            Pair { old, new: Some(new_dir.state.lock()) }
        } else {
            let new = new_dir.state.lock();
            Pair { old: self.state.lock(), new: Some(new) }
        }
    }

    /// `above` and `new_above`: the chains of the two directories, empty when they are the same.
    fn rename_between(&self, step: &Step<'_>, above: &[Arc<Node>], new_above: &[Arc<Node>]) -> Result<()> {
        let Step { name, new_dir, new_name, exchange, no_replace } = *step;
        let same = core::ptr::eq(self, new_dir);
        // What is let go of is dropped after the locks.
        let mut dropped: [Option<Arc<Node>>; 4] = Default::default();
        let moved_kept;
        let target_kept;
        let mut pair = self.lock_pair(new_dir, above, new_above);

        let Found { node: moved, on_lower } =
            self.find(pair.old.entries()?, name)?.map_err(|_| Errno::NOENT)?;
        moved_kept = moved.clone();
        let target = new_dir.find(pair.new_dir().entries()?, new_name)?;
        target_kept = target.as_ref().ok().map(|found| found.node.clone());
        let moves_dir = moved.kind == FileType::Directory;
        match &target {
            Ok(_) if no_replace => return Err(Errno::EXIST),
            Err(_) if exchange => return Err(Errno::NOENT),
            _ if moves_dir && contains(new_above, &moved) => return Err(Errno::INVAL),
            // Two names of one file: nothing is done (rename(2)).
            Ok(found) if Arc::ptr_eq(&found.node, &moved) => return Ok(()),
            Ok(found) => {
                let replaces_dir = found.node.kind == FileType::Directory;
                if contains(above, &found.node) {
                    return Err(if exchange { Errno::INVAL } else { Errno::NOTEMPTY });
                }
                if !exchange && moves_dir != replaces_dir {
                    return Err(if moves_dir { Errno::NOTDIR } else { Errno::ISDIR });
                }
            }
            Err(_) => {}
        }
        // All that can fail comes before the first change.
        self.attr(&mut pair.old)?;
        new_dir.attr(pair.new_dir())?;
        moved.attr(&mut moved.state.lock())?;
        let quota = &self.core.quota;
        match target {
            Ok(other) if exchange => {
                let other = other.node;
                other.attr(&mut other.state.lock())?;
                dir::charge(name, quota)?;
                if let Err(errno) = dir::charge(new_name, quota) {
                    dir::refund(name, quota);
                    return Err(errno);
                }
                dropped[0] = pair.new_dir().entries_mut()?.put(new_name, moved.clone(), true, quota);
                dropped[1] = pair.old.entries_mut()?.put(name, other.clone(), true, quota);
                dropped[2] = moved.settle(new_dir, !same)?;
                dropped[3] = other.settle(self, !same)?;
                let came = i32::from(moves_dir) - i32::from(other.kind == FileType::Directory);
                let came = if same { 0 } else { came };
                self.stamp_directory(self.attr(&mut pair.old)?, 0, -came);
                new_dir.stamp_directory(new_dir.attr(pair.new_dir())?, 0, came);
            }
            target => {
                let over_lower = match &target {
                    Ok(found) => found.on_lower,
                    Err(hidden) => *hidden,
                };
                dir::charge(new_name, quota)?;
                if let Ok(found) = &target {
                    match found.node.retire() {
                        Ok(pin) => dropped[0] = pin,
                        Err(errno) => {
                            dir::refund(new_name, quota);
                            return Err(errno);
                        }
                    }
                }
                dropped[1] = pair.new_dir().entries_mut()?.put(new_name, moved.clone(), over_lower, quota);
                dropped[2] = pair.old.entries_mut()?.remove(name, on_lower, quota);
                dropped[3] = moved.settle(new_dir, !same)?;
                let replaced = i32::from(target.is_ok());
                let (gone, came) = match (moves_dir, same) {
                    (true, true) => (-replaced, 0),
                    (true, false) => (-1, 1 - replaced),
                    (false, _) => (0, 0),
                };
                self.stamp_directory(self.attr(&mut pair.old)?, -1, gone);
                new_dir.stamp_directory(new_dir.attr(pair.new_dir())?, i64::from(1 - replaced), came);
            }
        }
        drop(pair);
        drop((dropped, moved_kept, target_kept));
        Ok(())
    }

    /// It has moved to `dir`: its change time, and for a directory what is above it. Answers what it kept alive.
    fn settle(&self, dir: &Node, other_dir: bool) -> Result<Option<Arc<Node>>> {
        let mut state = self.state.lock();
        self.attr(&mut state)?.ctime = TimeSpec::now();
        let Ok(entries) = state.entries_mut() else { return Ok(None) };
        entries.moved |= other_dir;
        Ok(entries.set_parent(dir))
    }
}

fn contains(chain: &[Arc<Node>], node: &Node) -> bool {
    chain.iter().any(|each| core::ptr::eq(&**each, node))
}
