//! Sets of semaphores (semget(2), semop(2), semctl(2)).
//!
//! A caller that must wait leaves its operations in the set's list; whoever changes a value carries out those that
//! have become possible, oldest first, so that nobody is overtaken by a newcomer.

use super::ids::{IPCMNI, Ids, Object, State};
use crate::sync::{Deadline, WaitQueue, wait_until};
use crate::sysctl::{INT_MAX, Sysctl};
use crate::task::{Cred, Process, processes};
use crate::vfs::PollEvents;
use crate::{ERESTARTSYS, Errno, Result};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering::*};
use hashbrown::HashMap;
use host::mutex::Mutex;

/// Sets there may be (`SEMMNI`), semaphores in one (`SEMMSL`), in all (`SEMMNS`), operations in a call (`SEMOPM`).
pub static SEMMNI: Sysctl = Sysctl::new(32000, 0, IPCMNI);
/// Semaphores in one set.
pub static SEMMSL: Sysctl = Sysctl::new(32000, 0, INT_MAX);
/// Semaphores in all sets, as it is told.
pub static SEMMNS: Sysctl = Sysctl::new(32000 * 32000, 0, INT_MAX);
/// Operations in one call.
pub static SEMOPM: Sysctl = Sysctl::new(500, 0, INT_MAX);
/// The identifier that the next set gets, if it can (`sem_next_id`).
pub static NEXT_ID: Sysctl = Sysctl::new(-1, -1, INT_MAX);
/// Highest value (`SEMVMX`), also of an undo (`SEMAEM`).
pub const SEMVMX: i32 = 32767;
/// Semaphores in all sets, really: each takes memory of the kernel.
const MOST: usize = 4 << 20;

/// `SEM_UNDO`
pub const SEM_UNDO: i16 = 0x1000;

/// `struct sembuf`.
#[derive(Clone, Copy, Debug)]
pub struct Op {
    /// Which semaphore.
    pub num: u16,
    /// What to add; 0: wait until it is 0.
    pub op: i16,
    /// `IPC_NOWAIT`, `SEM_UNDO`.
    pub flags: i16,
}

impl Op {
    fn no_wait(self) -> bool {
        self.flags & super::ids::IPC_NOWAIT as i16 != 0
    }
}

/// One semaphore.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sem {
    /// Its value.
    pub value: i32,
    /// Who changed it last.
    pub pid: i32,
}

/// Who operates on semaphores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Author {
    /// The process.
    pub pid: i32,
    /// The number of its undo list ([`Undos`]).
    pub undos: u64,
}

/// Which undo list a process has: one of its own, or one that it shares with others (`CLONE_SYSVSEM`). It gets its number
/// when it is first asked for.
#[derive(Debug, Default)]
pub struct Undos(AtomicU64);

impl Undos {
    /// Its number.
    pub fn id(&self) -> u64 {
        static LAST: AtomicU64 = AtomicU64::new(0);
        if self.0.load(Relaxed) == 0 {
            let new = LAST.fetch_add(1, Relaxed) + 1;
            // Another thread may have been first.
            let _ = self.0.compare_exchange(0, new, Relaxed, Relaxed);
        }
        self.0.load(Relaxed)
    }

    /// Takes over the list of another process.
    pub fn share(&self, other: &Undos) {
        self.0.store(other.id(), Relaxed);
    }

    /// Gives the list up; answers its number, if it has one.
    fn leave(&self) -> Option<u64> {
        Some(self.0.swap(0, Relaxed)).filter(|id| *id != 0)
    }
}

/// Somebody who waits.
#[derive(Debug)]
struct Sleeper {
    ops: Vec<Op>,
    author: Author,
    /// Which operation cannot be done.
    blocking: AtomicUsize,
    /// [`WAITING`], 0 when done, else an error number.
    result: AtomicI32,
    queue: WaitQueue,
}

const WAITING: i32 = -1;

/// What a set has beyond owner and mode.
#[derive(Debug)]
pub struct Set {
    /// The semaphores.
    pub sems: Vec<Sem>,
    /// Time of the last operation, in seconds.
    pub otime: i64,
    pending: Vec<Arc<Sleeper>>,
    /// What `SEM_UNDO` adds at the end of each process.
    undo: HashMap<u64, Vec<i16>>,
}

#[derive(Default)]
struct Table {
    ids: Ids<Set>,
    /// Semaphores in all sets.
    used: usize,
}

static TABLE: Mutex<Option<Table>> = Mutex::new(None);
/// How many words the undo lists have: exits look at the sets only when there are some.
/// Words of undo lists there may be; Linux has a limit of this kind on paper (`SEMMNU`).
const MOST_UNDOS: usize = 16 << 20;
static UNDOS: AtomicUsize = AtomicUsize::new(0);

fn with_table<R>(then: impl FnOnce(&mut Table) -> R) -> R {
    then(TABLE.lock().get_or_insert_with(Table::default))
}

/// Number of sets, semaphores in all of them, and the highest slot in use.
pub fn usage() -> (usize, usize, usize) {
    with_table(|table| (table.ids.in_use(), table.used, table.ids.max_slot()))
}

/// All sets.
pub fn all() -> Vec<Arc<Object<Set>>> {
    with_table(|table| table.ids.iter().cloned().collect())
}

/// semget(2).
///
/// # Errors
/// Those of semget(2).
pub fn get(cred: &Cred, key: i32, count: i32, flags: u32) -> Result<i32> {
    let count = usize::try_from(count).ok().filter(|count| *count <= SEMMSL.size()).ok_or(Errno::INVAL)?;
    with_table(|table| {
        let used = table.used;
        let check =
            |state: &State<Set>| if count > state.data.sems.len() { Err(Errno::INVAL) } else { Ok(()) };
        let mut added = 0;
        let make = || {
            if count == 0 {
                return Err(Errno::INVAL);
            }
            if used + count > SEMMNS.size() {
                return Err(Errno::NOSPC);
            }
            if used + count > MOST {
                return Err(Errno::NOMEM);
            }
            added = count;
            let sems = vec![Sem::default(); count];
            Ok(Set { sems, otime: 0, pending: Vec::new(), undo: HashMap::new() })
        };
        let id = table.ids.find_or_make((key, flags, SEMMNI.size()), &NEXT_ID, cred, check, make)?;
        table.used += added;
        Ok(id)
    })
}

/// The set with an identifier.
///
/// # Errors
/// `EINVAL`.
pub fn find(id: i32) -> Result<Arc<Object<Set>>> {
    with_table(|table| table.ids.get(id))
}

/// The set in the slot of an identifier.
///
/// # Errors
/// `EINVAL`.
pub fn find_slot(id: i32) -> Result<Arc<Object<Set>>> {
    with_table(|table| table.ids.slot(id)).ok_or(Errno::INVAL)
}

/// `IPC_RMID`.
///
/// # Errors
/// `EINVAL`, `EPERM`, `EIDRM`.
pub fn remove(id: i32, cred: &Cred) -> Result<()> {
    with_table(|table| {
        let set = table.ids.get(id)?;
        set.with(|state| state.perm.check_owner(cred))?;
        table.ids.remove(&set);
        let mut state = set.state.lock();
        table.used -= state.data.sems.len();
        UNDOS.fetch_sub(state.data.undo.len() * state.data.sems.len(), Relaxed);
        state.data.undo.clear();
        for sleeper in core::mem::take(&mut state.data.pending) {
            finish(&sleeper, Errno::IDRM.raw_os_error());
        }
        Ok(())
    })
}

fn finish(sleeper: &Sleeper, result: i32) {
    sleeper.result.store(result, SeqCst);
    sleeper.queue.wake_all(PollEvents::empty());
}

/// What came of trying.
enum Try {
    Done,
    /// Operation number so and so has to wait.
    Blocked(usize),
}

impl Set {
    /// Does all operations or none (`perform_atomic_semop`).
    fn perform(&mut self, ops: &[Op], author: Author) -> Result<Try> {
        let mut undo = self.undo.get(&author.undos).cloned();
        let had_undo = undo.is_some();
        let mut result = Ok(Try::Done);
        let mut done = 0;
        for (n, op) in ops.iter().enumerate() {
            let count = self.sems.len();
            let Some(sem) = self.sems.get_mut(usize::from(op.num)) else { return Err(Errno::FBIG) };
            let new = sem.value + i32::from(op.op);
            if op.op == 0 && sem.value != 0 || new < 0 {
                result = if op.no_wait() { Err(Errno::AGAIN) } else { Ok(Try::Blocked(n)) };
                break;
            }
            if new > SEMVMX {
                result = Err(Errno::RANGE);
                break;
            }
            if op.flags & SEM_UNDO != 0 {
                if undo.is_none() && UNDOS.load(Relaxed) + count > MOST_UNDOS {
                    result = Err(Errno::NOSPC);
                    break;
                }
                let list = undo.get_or_insert_with(|| vec![0; count]);
                let adjust = i32::from(list[usize::from(op.num)]) - i32::from(op.op);
                match i16::try_from(adjust) {
                    Ok(adjust) => list[usize::from(op.num)] = adjust,
                    Err(_) => {
                        result = Err(Errno::RANGE);
                        break;
                    }
                }
            }
            sem.value = new;
            done = n + 1;
        }
        if !matches!(result, Ok(Try::Done)) {
            for op in &ops[..done] {
                self.sems[usize::from(op.num)].value -= i32::from(op.op);
            }
            return result;
        }
        for op in ops {
            self.sems[usize::from(op.num)].pid = author.pid;
        }
        if let Some(undo) = undo {
            if !had_undo {
                UNDOS.fetch_add(undo.len(), Relaxed);
            }
            self.undo.insert(author.undos, undo);
        }
        self.otime = super::now();
        result
    }

    /// Carries out what has become possible: first who waits for zero, then the others, oldest first
    /// (`do_smart_update`).
    fn serve(&mut self) {
        loop {
            let before = self.pending.len();
            for zero_first in [true, false] {
                let mut at = 0;
                while let Some(sleeper) = self.pending.get(at).cloned() {
                    let only_tests = sleeper.ops.iter().all(|op| op.op == 0);
                    if only_tests != zero_first {
                        at += 1;
                        continue;
                    }
                    match self.perform(&sleeper.ops, sleeper.author) {
                        Ok(Try::Blocked(n)) => {
                            sleeper.blocking.store(n, Relaxed);
                            at += 1;
                        }
                        result => {
                            self.pending.remove(at);
                            finish(&sleeper, result.err().map_or(0, Errno::raw_os_error));
                        }
                    }
                }
            }
            if self.pending.len() == before {
                return;
            }
        }
    }

    /// How many wait for the semaphore to become zero, or to grow (`count_semcnt`).
    pub fn waiting(&self, num: usize, for_zero: bool) -> usize {
        let blocked_here = |sleeper: &&Arc<Sleeper>| {
            let op = sleeper.ops.get(sleeper.blocking.load(Relaxed));
            op.is_some_and(|op| usize::from(op.num) == num && (op.op == 0) == for_zero)
        };
        self.pending.iter().filter(blocked_here).count()
    }

    /// Sets one value, or all (`SETVAL`, `SETALL`), and forgets what was to be undone there.
    pub fn set(&mut self, num: Option<usize>, values: &[u16], pid: i32) {
        let first = num.unwrap_or(0);
        for (n, value) in values.iter().enumerate() {
            self.sems[first + n] = Sem { value: i32::from(*value), pid };
            for undo in self.undo.values_mut() {
                undo[first + n] = 0;
            }
        }
        self.serve();
    }
}

/// semop(2) and semtimedop(2). `ops` is not empty.
///
/// # Errors
/// Those of semop(2).
pub fn operate(cred: &Cred, author: Author, id: i32, ops: Vec<Op>, deadline: Deadline) -> Result<()> {
    let set = find(id)?;
    let highest = ops.iter().map(|op| usize::from(op.num)).max().unwrap_or(0);
    let alters = ops.iter().any(|op| op.op != 0);
    let wanted = if alters { super::ids::WRITE } else { super::ids::READ };
    let sleeper = set.with(|state| {
        if highest >= state.data.sems.len() {
            return Err(Errno::FBIG);
        }
        state.perm.check(cred, wanted)?;
        match state.data.perform(&ops, author)? {
            Try::Done => {
                if alters {
                    state.data.serve();
                }
                Ok(None)
            }
            Try::Blocked(n) => {
                let sleeper = Arc::new(Sleeper {
                    ops,
                    author,
                    blocking: AtomicUsize::new(n),
                    result: AtomicI32::new(WAITING),
                    queue: WaitQueue::new(),
                });
                state.data.pending.push(sleeper.clone());
                Ok(Some(sleeper))
            }
        }
    })?;
    let Some(sleeper) = sleeper else { return Ok(()) };
    let answered = || Some(sleeper.result.load(SeqCst)).filter(|result| *result != WAITING);
    let waited = wait_until(&sleeper.queue, deadline, answered);
    if waited.is_err() {
        set.state.lock().data.pending.retain(|each| !Arc::ptr_eq(each, &sleeper));
    }
    // It may have been done while the list was still locked by somebody else.
    match (answered(), waited) {
        (Some(0), _) => Ok(()),
        (Some(errno), _) => Err(Errno::from_raw_os_error(errno)),
        (None, Err(Errno::TIMEDOUT)) => Err(Errno::AGAIN),
        (None, Err(ERESTARTSYS)) => Err(Errno::INTR),
        (None, Err(errno)) => Err(errno),
        (None, Ok(_)) => Err(Errno::INTR),
    }
}

/// A process has ended, or gives its undo list up: carries it out, unless somebody else has it, too (`exit_sem`).
pub fn leave_undos(process: &Process) {
    let Some(id) = process.family.undos.leave() else { return };
    let has_it = |other: &Process| other.family.undos.0.load(Relaxed) == id;
    if UNDOS.load(Relaxed) == 0 || processes().iter().any(|other| has_it(other)) {
        return;
    }
    for set in all() {
        // One that was removed meanwhile has no lists.
        let mut state = set.state.lock();
        let Some(undo) = state.data.undo.remove(&id) else { continue };
        UNDOS.fetch_sub(undo.len(), Relaxed);
        for (sem, adjust) in state.data.sems.iter_mut().zip(undo).filter(|(_, adjust)| *adjust != 0) {
            let value = (sem.value + i32::from(adjust)).clamp(0, SEMVMX);
            *sem = Sem { value, pid: process.pid };
        }
        state.data.serve();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(values: &[i32]) -> Set {
        let sems = values.iter().map(|&value| Sem { value, pid: 0 }).collect();
        Set { sems, otime: 0, pending: Vec::new(), undo: HashMap::new() }
    }

    const ME: Author = Author { pid: 9, undos: 7 };

    fn op(num: u16, op: i16, flags: i16) -> Op {
        Op { num, op, flags }
    }

    #[test]
    fn all_operations_or_none() {
        let mut set = set(&[1, 0]);
        assert!(matches!(set.perform(&[op(0, -1, 0), op(1, -1, 0)], ME), Ok(Try::Blocked(1))));
        assert_eq!((set.sems[0].value, set.sems[0].pid), (1, 0));
        assert!(matches!(set.perform(&[op(0, -1, 0), op(0, 0, 0), op(1, 3, 0)], ME), Ok(Try::Done)));
        assert_eq!((set.sems[0].value, set.sems[1].value, set.sems[1].pid), (0, 3, 9));
        let too_much = set.perform(&[op(0, 1, 0), op(1, SEMVMX as i16, 0)], ME).map(drop);
        assert_eq!((too_much, set.sems[0].value), (Err(Errno::RANGE), 0));
    }

    #[test]
    fn undo_is_the_sum_of_what_was_done() {
        let mut set = set(&[5]);
        for change in [-2, -1, 4] {
            assert!(set.perform(&[op(0, change, SEM_UNDO)], ME).is_ok());
        }
        assert_eq!(set.undo[&7], [-1]);
        set.set(Some(0), &[7], 1);
        assert_eq!(set.undo[&7], [0]);
        UNDOS.fetch_sub(1, Relaxed);
    }
}
