//! Identifiers, keys and permissions, the same for all three kinds (`ipc/util.c`).
//!
//! An identifier is a slot and a sequence number, so that one that was removed is not taken for its successor. The
//! table's lock is taken before an object's.

use crate::sysctl::Sysctl;
use crate::task::Cred;
use crate::{Errno, Result};
use alloc::sync::Arc;
use alloc::vec::Vec;
use hashbrown::HashMap;
use host::mutex::Mutex;
use linux_raw_sys::general::{CAP_IPC_OWNER, CAP_SYS_ADMIN};

/// `IPC_PRIVATE`
pub const IPC_PRIVATE: i32 = 0;
/// Make it when it is not there.
pub const IPC_CREAT: u32 = 0o1000;
/// Fail when it is.
pub const IPC_EXCL: u32 = 0o2000;
/// Do not wait.
pub const IPC_NOWAIT: u32 = 0o4000;

/// To read, to write, to execute: for whomever (`S_IRUGO` …).
pub const READ: u32 = 0o444;
/// To write.
pub const WRITE: u32 = 0o222;
/// To execute.
pub const EXECUTE: u32 = 0o111;

/// Bits of an identifier that are the slot (`IPCMNI_SHIFT`).
const SLOT_BITS: u32 = 15;
const SLOT_MASK: usize = (1 << SLOT_BITS) - 1;
/// Objects of a kind there can be at most.
pub const IPCMNI: i128 = 1 << SLOT_BITS;
/// Sequence numbers begin again here (`ipcid_seq_max`).
const SEQ_MAX: u32 = i32::MAX as u32 >> SLOT_BITS;
/// So many slots are used in turn before one is used again (`ipc_min_cycle`).
const MIN_CYCLE: usize = 64;

/// Owner, creator and mode (`struct kern_ipc_perm`).
#[derive(Clone, Copy, Debug)]
pub struct Perm {
    /// The key it was made with.
    pub key: i32,
    /// Owner.
    pub uid: u32,
    /// Owner's group.
    pub gid: u32,
    /// Creator.
    pub cuid: u32,
    /// Creator's group.
    pub cgid: u32,
    /// Nine permission bits, and what the kind adds.
    pub mode: u32,
}

impl Perm {
    fn new(key: i32, flags: u32, cred: &Cred) -> Perm {
        let (uid, gid) = (cred.euid, cred.egid);
        Perm { key, uid, gid, cuid: uid, cgid: gid, mode: flags & 0o777 }
    }

    /// Whether `cred` may do what the bits of `wanted` say for any of the three classes (`ipcperms`).
    ///
    /// # Errors
    /// `EACCES`.
    pub fn check(&self, cred: &Cred, wanted: u32) -> Result<()> {
        let wanted = wanted >> 6 | wanted >> 3 | wanted;
        let granted = if cred.euid == self.cuid || cred.euid == self.uid {
            self.mode >> 6
        } else if cred.in_group(self.cgid) || cred.in_group(self.gid) {
            self.mode >> 3
        } else {
            self.mode
        };
        if wanted & !granted & 7 != 0 && !cred.capable(CAP_IPC_OWNER) { Err(Errno::ACCESS) } else { Ok(()) }
    }

    /// Whether `cred` may change or remove it (`ipcctl_obtain_check`).
    ///
    /// # Errors
    /// `EPERM`.
    pub fn check_owner(&self, cred: &Cred) -> Result<()> {
        if cred.euid == self.cuid || cred.euid == self.uid || cred.capable(CAP_SYS_ADMIN) {
            Ok(())
        } else {
            Err(Errno::PERM)
        }
    }

    /// `IPC_SET` (`ipc_update_perm`).
    ///
    /// # Errors
    /// `EINVAL` for the id -1.
    pub fn update(&mut self, set: &SetPerm) -> Result<()> {
        if set.uid == u32::MAX || set.gid == u32::MAX {
            return Err(Errno::INVAL);
        }
        (self.uid, self.gid) = (set.uid, set.gid);
        self.mode = self.mode & !0o777 | set.mode & 0o777;
        Ok(())
    }

    /// `struct ipc64_perm` at the start of `out`.
    pub fn encode(&self, id: i32, out: &mut [u8]) {
        let words = [self.key as u32, self.uid, self.gid, self.cuid, self.cgid, self.mode];
        for (at, word) in (0..).step_by(4).zip(words) {
            store(out, at, &word.to_ne_bytes());
        }
        let seq = (id as u32 >> SLOT_BITS) as u16;
        store(out, 24, &seq.to_ne_bytes());
    }
}

/// What `IPC_SET` takes of a `struct ipc64_perm`.
#[derive(Clone, Copy, Debug)]
pub struct SetPerm {
    /// New owner.
    pub uid: u32,
    /// New group.
    pub gid: u32,
    /// New permission bits.
    pub mode: u32,
}

/// Writes `bytes` at `at`; what does not fit is left out.
pub(super) fn store(out: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = out.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

/// The parts of an object that change, under its lock.
#[derive(Debug)]
pub struct State<T> {
    /// Owner and mode.
    pub perm: Perm,
    /// It was removed: who waits finds out (`EIDRM`).
    pub removed: bool,
    /// When it was made or changed, in seconds.
    pub ctime: i64,
    /// What its kind adds.
    pub data: T,
}

/// A segment, a set of semaphores or a queue.
#[derive(Debug)]
pub struct Object<T> {
    /// Its identifier.
    pub id: i32,
    /// The rest.
    pub state: Mutex<State<T>>,
}

impl<T> Object<T> {
    /// Does something to the object.
    ///
    /// # Errors
    /// `EIDRM` when it was removed; what `change` answers.
    pub fn with<R>(&self, change: impl FnOnce(&mut State<T>) -> Result<R>) -> Result<R> {
        let mut state = self.state.lock();
        if state.removed { Err(Errno::IDRM) } else { change(&mut state) }
    }
}

/// All objects of a kind.
pub struct Ids<T> {
    slots: Vec<Option<Arc<Object<T>>>>,
    keys: HashMap<i32, usize>,
    in_use: usize,
    /// Where the search for a free slot goes on.
    next: usize,
    last: Option<usize>,
    seq: u32,
}

impl<T> Default for Ids<T> {
    fn default() -> Self {
        Ids { slots: Vec::new(), keys: HashMap::new(), in_use: 0, next: 0, last: None, seq: 0 }
    }
}

impl<T> Ids<T> {
    /// How many there are.
    pub fn in_use(&self) -> usize {
        self.in_use
    }

    /// The highest slot in use, 0 when there is none (`ipc_get_maxidx`).
    pub fn max_slot(&self) -> usize {
        self.slots.iter().rposition(Option::is_some).unwrap_or(0)
    }

    /// All, by slot.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Object<T>>> {
        self.slots.iter().flatten()
    }

    /// The object with an identifier.
    ///
    /// # Errors
    /// `EINVAL`.
    pub fn get(&self, id: i32) -> Result<Arc<Object<T>>> {
        self.slot(id).filter(|object| object.id == id).ok_or(Errno::INVAL)
    }

    /// The object in the slot of an identifier, as the `*_STAT` commands have it.
    pub fn slot(&self, id: i32) -> Option<Arc<Object<T>>> {
        let slot = usize::try_from(id).ok()? & SLOT_MASK;
        self.slots.get(slot)?.clone()
    }

    /// shmget(2), semget(2), msgget(2): the object with `key`, or a new one made of what `make` answers, `most` in
    /// all; it gets the identifier `next_id`, unless that is below 0. `check` looks at the one that is there.
    ///
    /// # Errors
    /// `ENOENT`, `EEXIST`, `EACCES`, `ENOSPC`; what `check` and `make` answer.
    pub fn find_or_make(
        &mut self,
        (key, flags, most): (i32, u32, usize),
        next_id: &Sysctl,
        cred: &Cred,
        check: impl FnOnce(&State<T>) -> Result<()>,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<i32> {
        let found = if key == IPC_PRIVATE { None } else { self.keys.get(&key) };
        if let Some(object) = found.and_then(|slot| self.slots.get(*slot)?.clone()) {
            if flags & IPC_CREAT != 0 && flags & IPC_EXCL != 0 {
                return Err(Errno::EXIST);
            }
            return object.with(|state| {
                check(state)?;
                state.perm.check(cred, flags)?;
                Ok(object.id)
            });
        }
        if key != IPC_PRIVATE && flags & IPC_CREAT == 0 {
            return Err(Errno::NOENT);
        }
        let data = make()?;
        if self.in_use >= most {
            return Err(Errno::NOSPC);
        }
        let wanted = usize::try_from(next_id.take(-1)).ok();
        Ok(self.insert(Perm::new(key, flags, cred), data, most, wanted))
    }

    /// Enters a new object (`ipc_idr_alloc`); there is room.
    fn insert(&mut self, perm: Perm, data: T, most: usize, wanted: Option<usize>) -> i32 {
        let cycle = (self.in_use * 3 / 2).max(MIN_CYCLE).min(most);
        let free = |slots: &[Option<Arc<Object<T>>>], at: usize| slots.get(at).is_none_or(Option::is_none);
        let start = if self.next >= cycle { 0 } else { self.next };
        let mut slot =
            (start..cycle).chain(0..start).find(|&at| free(&self.slots, at)).unwrap_or(self.slots.len());
        // A slot at or behind the one that was asked for, if there is one, with the sequence number asked for.
        let asked = wanted.and_then(|id| {
            let slot = (id & SLOT_MASK..SLOT_MASK + 1).find(|&at| free(&self.slots, at))?;
            Some((slot, (id >> SLOT_BITS) as u32))
        });
        let seq = match asked {
            Some((wanted, seq)) => {
                slot = wanted;
                seq
            }
            None => {
                if self.last.is_some_and(|last| slot <= last) {
                    self.seq = if self.seq + 1 >= SEQ_MAX { 0 } else { self.seq + 1 };
                }
                (self.next, self.last) = (slot + 1, Some(slot));
                self.seq
            }
        };
        let id = (seq << SLOT_BITS) as i32 + slot as i32;
        if slot >= self.slots.len() {
            self.slots.resize_with(slot + 1, || None);
        }
        if perm.key != IPC_PRIVATE {
            self.keys.insert(perm.key, slot);
        }
        let state = State { perm, removed: false, ctime: super::now(), data };
        self.slots[slot] = Some(Arc::new(Object { id, state: Mutex::new(state) }));
        self.in_use += 1;
        id
    }

    /// Takes an object out, so that nobody finds it any more, and marks it.
    pub fn remove(&mut self, object: &Arc<Object<T>>) {
        let slot = object.id as usize & SLOT_MASK;
        let mut state = object.state.lock();
        if !core::mem::replace(&mut state.removed, true) {
            self.forget_key(&mut state.perm);
            self.slots[slot] = None;
            self.in_use -= 1;
        }
    }

    /// From now on it has no key (`ipc_set_key_private`).
    pub fn forget_key(&mut self, perm: &mut Perm) {
        if perm.key != IPC_PRIVATE {
            self.keys.remove(&perm.key);
            perm.key = IPC_PRIVATE;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(ids: &mut Ids<()>, key: i32, flags: u32) -> Result<i32> {
        let cred = crate::testing::cred(0, 0, &[]);
        let next_id = Sysctl::new(-1, -1, 0);
        ids.find_or_make((key, flags, 100), &next_id, &cred, |_| Ok(()), || Ok(()))
    }

    #[test]
    fn a_slot_used_again_has_another_number() {
        let mut ids = Ids::default();
        let make_and_remove = |ids: &mut Ids<()>| {
            let id = make(ids, IPC_PRIVATE, 0).expect("room");
            let object = ids.get(id).expect("there");
            ids.remove(&object);
            id
        };
        let first = make_and_remove(&mut ids);
        assert_eq!(ids.get(first).map(drop), Err(Errno::INVAL));
        // All slots are used in turn first.
        for n in 1..MIN_CYCLE as i32 {
            assert_eq!(make_and_remove(&mut ids), n);
        }
        assert_eq!(make(&mut ids, IPC_PRIVATE, 0), Ok(1 << SLOT_BITS));
        assert_eq!(ids.get(first).map(drop), Err(Errno::INVAL));
    }

    #[test]
    fn keys_are_found_until_removed() {
        let mut ids = Ids::default();
        assert_eq!(make(&mut ids, 5, 0), Err(Errno::NOENT));
        let id = make(&mut ids, 5, IPC_CREAT | 0o600);
        assert_eq!(make(&mut ids, 5, 0o600), id);
        assert_eq!(make(&mut ids, 5, IPC_CREAT | IPC_EXCL), Err(Errno::EXIST));
        let object = ids.get(id.expect("made")).expect("there");
        ids.remove(&object);
        assert_eq!(make(&mut ids, 5, 0), Err(Errno::NOENT));
    }

    #[test]
    fn no_more_than_the_limit() {
        let mut ids = Ids::default();
        for _ in 0..100 {
            make(&mut ids, IPC_PRIVATE, 0).expect("room");
        }
        assert_eq!(make(&mut ids, IPC_PRIVATE, 0), Err(Errno::NOSPC));
    }
}
