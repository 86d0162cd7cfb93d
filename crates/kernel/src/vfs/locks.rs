//! Advisory locks on files: record locks of processes (POSIX) and of open file descriptions, fcntl(2), and whole-file
//! locks, flock(2).
//!
//! One table for all inodes, by the identity of their `Arc`; an entry holds its inode, so that the identity stays
//! taken. Record locks of both kinds exclude each other; flock's live apart, as in Linux.

use super::{File, Inode, InodeRef};
use crate::sync::{WaitQueue, wait_until};
use crate::vfs::PollEvents;
use crate::{Errno, Result};
use alloc::collections::BTreeMap;
use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use host::mutex::Mutex;

/// Who holds a record lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockOwner {
    /// A process, named by its descriptor table ([`super::FdTable::lock_owner`]).
    Process(usize),
    /// An open file description.
    File(usize),
}

impl LockOwner {
    /// The owner of open-file-description locks taken through `file`.
    pub fn of_file(file: &Arc<File>) -> LockOwner {
        LockOwner::File(Arc::as_ptr(file).addr())
    }
}

/// A record lock, held or wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who holds it.
    pub owner: LockOwner,
    /// The process's number as `F_GETLK` tells it; -1 for open file descriptions.
    pub pid: i32,
    /// Write lock; else read lock.
    pub exclusive: bool,
    /// First byte.
    pub start: u64,
    /// Last byte; `i64::MAX` for a lock to the end, however far that moves.
    pub end: u64,
}

impl Record {
    fn overlaps(&self, other: &Record) -> bool {
        self.start <= other.end && other.start <= self.end
    }

    fn conflicts(&self, other: &Record) -> bool {
        self.owner != other.owner && (self.exclusive || other.exclusive) && self.overlaps(other)
    }
}

struct InodeLocks {
    /// Keeps the address that is the key from being used again.
    inode: InodeRef,
    records: Vec<Record>,
    /// File description, whether exclusive, and who took it.
    flocks: Vec<(usize, bool, i32)>,
    queue: WaitQueue,
    /// While somebody waits, `queue` must stay the one that is knocked at.
    waiters: usize,
}

struct Registry {
    inodes: BTreeMap<usize, InodeLocks>,
    /// Processes that wait, and for whom: for `EDEADLK`.
    blocked: Vec<(LockOwner, LockOwner)>,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry { inodes: BTreeMap::new(), blocked: Vec::new() });
/// How many records belong to processes: lets close(2) skip the registry.
static PROCESS_RECORDS: AtomicUsize = AtomicUsize::new(0);

/// Links of a chain of waiters that are looked at (`MAX_DEADLK_ITERATIONS`).
const MAX_CHAIN: usize = 10;

fn key(inode: &InodeRef) -> usize {
    Arc::as_ptr(inode).cast::<()>().addr()
}

impl Registry {
    fn entry(&mut self, inode: &InodeRef) -> &mut InodeLocks {
        self.inodes.entry(key(inode)).or_insert_with(|| InodeLocks {
            inode: inode.clone(),
            records: Vec::new(),
            flocks: Vec::new(),
            queue: WaitQueue::new(),
            waiters: 0,
        })
    }

    /// Drops the entry when nothing needs it; the inode is handed out to be dropped outside the lock.
    fn tidy(&mut self, key: usize) -> Option<InodeRef> {
        let entry = self.inodes.get(&key)?;
        if entry.records.is_empty() && entry.flocks.is_empty() && entry.waiters == 0 {
            return self.inodes.remove(&key).map(|entry| entry.inode);
        }
        None
    }

    /// Whether `waiter` would wait for itself by waiting for `holder`.
    fn deadlock(&self, waiter: LockOwner, holder: LockOwner) -> bool {
        let mut next = holder;
        for _ in 0..MAX_CHAIN {
            if next == waiter {
                return true;
            }
            match self.blocked.iter().find(|(each, _)| *each == next) {
                Some((_, holder)) => next = *holder,
                None => return false,
            }
        }
        false
    }
}

/// What a change of records left to do.
enum Tried {
    Done,
    Conflict(LockOwner),
}

/// Puts `wanted` in place of what its owner holds there; `None` for `exclusive` unlocks.
fn replace_range(records: &mut Vec<Record>, wanted: Record, unlock: bool) {
    // The locks of one owner stand together, where its first one was entered: F_GETLK tells the first in the way.
    let mut own = Vec::new();
    let mut others = Vec::with_capacity(records.len() + 2);
    let mut place = None;
    for record in records.drain(..) {
        if record.owner != wanted.owner {
            others.push(record);
            continue;
        }
        place.get_or_insert(others.len());
        if !record.overlaps(&wanted) {
            own.push(record);
            continue;
        }
        if record.start < wanted.start {
            own.push(Record { end: wanted.start - 1, ..record });
        }
        if record.end > wanted.end {
            own.push(Record { start: wanted.end + 1, ..record });
        }
    }
    if !unlock {
        own.push(wanted);
    }
    own.sort_unstable_by_key(|record| record.start);
    own.dedup_by(|next, last| {
        let joins = last.exclusive == next.exclusive && last.end + 1 == next.start;
        if joins {
            last.end = next.end;
        }
        joins
    });
    let place = place.unwrap_or(others.len());
    others.splice(place..place, own);
    *records = others;
}

fn count_of_processes(records: &[Record]) -> usize {
    records.iter().filter(|r| matches!(r.owner, LockOwner::Process(_))).count()
}

/// One attempt; wakes those whom it may have made room for.
fn try_record(inode: &InodeRef, wanted: Record, unlock: bool) -> Tried {
    let mut registry = REGISTRY.lock();
    if unlock && !registry.inodes.contains_key(&key(inode)) {
        return Tried::Done;
    }
    let entry = registry.entry(inode);
    if !unlock && let Some(conflict) = entry.records.iter().find(|held| held.conflicts(&wanted)) {
        return Tried::Conflict(conflict.owner);
    }
    let before = count_of_processes(&entry.records);
    replace_range(&mut entry.records, wanted, unlock);
    let after = count_of_processes(&entry.records);
    PROCESS_RECORDS.fetch_add(after.wrapping_sub(before), Relaxed);
    // An unlock, and a write lock that became a read lock, let others in.
    let queue = (entry.waiters > 0).then(|| entry.queue.clone());
    let gone = registry.tidy(key(inode));
    drop(registry);
    drop(gone);
    if let Some(queue) = queue {
        queue.wake_all(PollEvents::empty());
    }
    Tried::Done
}

/// `F_SETLK`, `F_SETLKW` and their `OFD` variants: takes the lock `wanted`, or gives up the range with `unlock`.
///
/// # Errors
/// `EAGAIN` when another owner is in the way and `wait` is false; `EDEADLK`; [`crate::ERESTARTSYS`].
pub fn set_record(inode: &InodeRef, wanted: Record, unlock: bool, wait: bool) -> Result<()> {
    match try_record(inode, wanted, unlock) {
        Tried::Done => return Ok(()),
        Tried::Conflict(_) if !wait => return Err(Errno::AGAIN),
        Tried::Conflict(_) => {}
    }
    let waiting = Waiting::begin(inode, Some(wanted.owner));
    wait_until(&waiting.queue, None, || match try_record(inode, wanted, unlock) {
        Tried::Done => Some(Ok(())),
        Tried::Conflict(holder) => waiting.blocks_on(holder).err().map(Err),
    })?
}

/// `F_GETLK`: a lock that keeps `wanted` from being taken.
pub fn get_record(inode: &InodeRef, wanted: &Record) -> Option<Record> {
    let registry = REGISTRY.lock();
    registry.inodes.get(&key(inode))?.records.iter().find(|held| held.conflicts(wanted)).copied()
}

/// A lock that the owner of `range` itself has within it.
pub fn own_record(inode: &InodeRef, range: &Record) -> Option<Record> {
    let registry = REGISTRY.lock();
    let records = &registry.inodes.get(&key(inode))?.records;
    records.iter().find(|held| held.owner == range.owner && held.overlaps(range)).copied()
}

/// Somebody who waits for a lock; forgotten when dropped.
struct Waiting {
    key: usize,
    owner: Option<LockOwner>,
    queue: WaitQueue,
}

impl Waiting {
    fn begin(inode: &InodeRef, owner: Option<LockOwner>) -> Waiting {
        let mut registry = REGISTRY.lock();
        let entry = registry.entry(inode);
        entry.waiters += 1;
        // Descriptions may be shared by processes, so nobody can say who waits for whom (fcntl(2)).
        let owner = owner.filter(|owner| matches!(owner, LockOwner::Process(_)));
        Waiting { key: key(inode), owner, queue: entry.queue.clone() }
    }

    /// Notes for whom it waits.
    fn blocks_on(&self, holder: LockOwner) -> Result<()> {
        let Some(owner) = self.owner else { return Ok(()) };
        let mut registry = REGISTRY.lock();
        registry.blocked.retain(|(each, _)| *each != owner);
        if registry.deadlock(owner, holder) {
            return Err(Errno::DEADLK);
        }
        registry.blocked.push((owner, holder));
        Ok(())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut registry = REGISTRY.lock();
        if let Some(owner) = self.owner {
            registry.blocked.retain(|(each, _)| *each != owner);
        }
        if let Some(entry) = registry.inodes.get_mut(&self.key) {
            entry.waiters -= 1;
        }
        let gone = registry.tidy(self.key);
        drop(registry);
        drop(gone);
    }
}

/// flock(2) by the process `pid`: `Some(exclusive)` takes, `None` gives up. A lock held before through the same file is given up first.
///
/// # Errors
/// `EAGAIN` when another file is in the way and `wait` is false; [`crate::ERESTARTSYS`].
pub fn flock(file: &Arc<File>, pid: i32, exclusive: Option<bool>, wait: bool) -> Result<()> {
    let id = Arc::as_ptr(file).addr();
    if exclusive.is_some() {
        file.has_locks.store(true, Relaxed);
    }
    match try_flock(&file.inode, id, pid, exclusive) {
        Ok(()) => return Ok(()),
        Err(errno) if !wait => return Err(errno),
        Err(_) => {}
    }
    let waiting = Waiting::begin(&file.inode, None);
    wait_until(&waiting.queue, None, || try_flock(&file.inode, id, pid, exclusive).ok())
}

fn try_flock(inode: &InodeRef, id: usize, pid: i32, exclusive: Option<bool>) -> Result<()> {
    let mut registry = REGISTRY.lock();
    if exclusive.is_none() && !registry.inodes.contains_key(&key(inode)) {
        return Ok(());
    }
    let entry = registry.entry(inode);
    if exclusive.is_some()
        && entry.flocks.iter().any(|held| (held.0, held.1) == (id, exclusive == Some(true)))
    {
        return Ok(());
    }
    let before = entry.flocks.len();
    entry.flocks.retain(|(each, ..)| *each != id);
    let freed = entry.flocks.len() < before;
    let result = match exclusive {
        Some(wanted) if entry.flocks.iter().any(|(_, held, _)| wanted || *held) => Err(Errno::AGAIN),
        Some(wanted) => {
            entry.flocks.push((id, wanted, pid));
            Ok(())
        }
        None => Ok(()),
    };
    let queue = (freed && entry.waiters > 0).then(|| entry.queue.clone());
    let gone = registry.tidy(key(inode));
    drop(registry);
    drop(gone);
    if let Some(queue) = queue {
        queue.wake_all(PollEvents::empty());
    }
    result
}

/// Takes the lock `wanted` for the open file description `file`; as [`set_record`].
///
/// # Errors
/// Those of [`set_record`].
pub fn set_record_of_file(file: &Arc<File>, wanted: Record, unlock: bool, wait: bool) -> Result<()> {
    file.has_locks.store(true, Relaxed);
    set_record(&file.inode, wanted, unlock, wait)
}

/// Gives up every record lock that the process with descriptor table `owner` has on `inode`.
pub fn release_posix(inode: &InodeRef, owner: usize) {
    if PROCESS_RECORDS.load(Relaxed) == 0 {
        return;
    }
    let everything =
        Record { owner: LockOwner::Process(owner), pid: 0, exclusive: false, start: 0, end: i64::MAX as u64 };
    try_record(inode, everything, true);
}

/// The last descriptor of `file` is gone: gives up what was locked through it.
pub(super) fn release_file(file: &File) {
    let id = core::ptr::from_ref(file).addr();
    let everything =
        Record { owner: LockOwner::File(id), pid: -1, exclusive: false, start: 0, end: i64::MAX as u64 };
    try_record(&file.inode, everything, true);
    // Giving up never fails.
    let _ = try_flock(&file.inode, id, 0, None);
}

/// Whether anybody sleeps for a lock on `inode`.
#[cfg(test)]
pub(crate) fn is_awaited(inode: &InodeRef) -> bool {
    REGISTRY.lock().inodes.get(&key(inode)).is_some_and(|entry| !entry.queue.is_empty())
}

/// All locks, for /proc/locks: the inode, whether flock's, and the lock.
pub fn for_each(mut tell: impl FnMut(&dyn Inode, bool, &Record)) {
    let registry = REGISTRY.lock();
    let copies: Vec<_> = registry
        .inodes
        .values()
        .map(|entry| (entry.inode.clone(), entry.records.clone(), entry.flocks.clone()))
        .collect();
    drop(registry);
    for (inode, records, flocks) in &copies {
        for record in records {
            tell(&**inode, false, record);
        }
        for (id, exclusive, pid) in flocks {
            let owner = LockOwner::File(*id);
            let whole = Record { owner, pid: *pid, exclusive: *exclusive, start: 0, end: i64::MAX as u64 };
            tell(&**inode, true, &whole);
        }
    }
}
