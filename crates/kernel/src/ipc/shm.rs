//! Shared memory segments of System V (shmget(2), shmat(2), shmctl(2)).
//!
//! A segment is a memfd of the host. Each shmat(2) opens a file of it, which the mapping holds, as Linux does it; the
//! segment that was removed goes when the last such file does. How many mappings there are is counted when somebody
//! asks.

use super::ids::{IPCMNI, Ids, Object, State};
use crate::mm::{AddressSpace, PAGE_SIZE};
use crate::sysctl::{INT_MAX, Sysctl};
use crate::task::{Cred, current_task, processes};
use crate::vfs::{File, FileOps, FileSystem, FileType, Inode, MmapSource, OpenFlags, Stat, StatFs, TimeSpec};
use crate::{Errno, Result};
use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use host::file::HostFd;
use host::mutex::Mutex;

/// Segments there may be.
pub static SHMMNI: Sysctl = Sysctl::new(4096, 0, IPCMNI);
/// Bytes of a segment.
pub static SHMMAX: Sysctl = Sysctl::new((u64::MAX - (1 << 24)) as i128, 0, u64::MAX as i128);
/// Pages of all.
pub static SHMALL: Sysctl = Sysctl::new((u64::MAX - (1 << 24)) as i128, 0, u64::MAX as i128);
/// The identifier that the next segment gets, if it can (`shm_next_id`).
pub static NEXT_ID: Sysctl = Sysctl::new(-1, -1, INT_MAX);

/// It goes with its last mapping (`SHM_DEST`).
pub const SHM_DEST: u32 = 0o1000;
/// Its pages are locked (`SHM_LOCKED`).
pub const SHM_LOCKED: u32 = 0o2000;
/// Not counted against what is left of memory.
pub const SHM_NORESERVE: u32 = 0o10000;
/// Of huge pages, of which there are none.
pub const SHM_HUGETLB: u32 = 0o4000;

/// The device number of Linux's internal tmpfs.
const DEV: u64 = 1;
const TMPFS_MAGIC: u64 = 0x0102_1994;

/// What a segment has beyond owner and mode.
#[derive(Debug)]
pub struct Segment {
    /// Bytes.
    pub size: u64,
    /// Process that made it, and that last mapped or unmapped it.
    pub pids: (i32, i32),
    /// When it was last mapped and unmapped, in seconds.
    pub times: (i64, i64),
    /// The key it was made with, which its name in /proc/PID/maps shows.
    key: i32,
    memory: Arc<HostFd>,
    /// Open files of it.
    files: usize,
    /// What they are files of: one inode, by which a futex in it is known.
    node: Weak<Node>,
}

/// A segment in the table.
pub type Shm = Arc<Object<Segment>>;

#[derive(Default)]
struct Table {
    ids: Ids<Segment>,
    /// Pages of all segments.
    pages: u64,
}

static TABLE: Mutex<Option<Table>> = Mutex::new(None);

fn with_table<R>(then: impl FnOnce(&mut Table) -> R) -> R {
    then(TABLE.lock().get_or_insert_with(Table::default))
}

const fn pages_of(size: u64) -> u64 {
    size.div_ceil(PAGE_SIZE as u64)
}

/// Number of segments, pages in all of them, and the highest slot in use.
pub fn usage() -> (usize, u64, usize) {
    with_table(|table| (table.ids.in_use(), table.pages, table.ids.max_slot()))
}

/// All segments.
pub fn all() -> Vec<Shm> {
    with_table(|table| table.ids.iter().cloned().collect())
}

/// shmget(2).
///
/// # Errors
/// Those of shmget(2).
pub fn get(cred: &Cred, pid: i32, key: i32, size: u64, flags: u32) -> Result<i32> {
    with_table(|table| {
        let total = table.pages;
        let check = |state: &State<Segment>| if size > state.data.size { Err(Errno::INVAL) } else { Ok(()) };
        let mut added = 0;
        let make = || {
            if size == 0 || size > SHMMAX.get() {
                return Err(Errno::INVAL);
            }
            added = pages_of(size);
            if total.saturating_add(added) > SHMALL.get() {
                return Err(Errno::NOSPC);
            }
            if flags & SHM_HUGETLB != 0 {
                return Err(Errno::NOMEM);
            }
            // More than there is of memory is refused (`__vm_enough_memory`).
            let host_has = host::system::total_memory() / PAGE_SIZE as u64;
            if flags & SHM_NORESERVE == 0 && added > host_has {
                return Err(Errno::NOMEM);
            }
            let memory = host::file::memfd_create(b"SYSV", 0)?;
            memory.truncate(size)?;
            let memory = Arc::new(memory);
            Ok(Segment { size, pids: (pid, 0), times: (0, 0), key, memory, files: 0, node: Weak::new() })
        };
        let id = table.ids.find_or_make((key, flags, SHMMNI.size()), &NEXT_ID, cred, check, make)?;
        table.pages += added;
        Ok(id)
    })
}

/// The segment with an identifier.
///
/// # Errors
/// `EINVAL`.
pub fn find(id: i32) -> Result<Shm> {
    with_table(|table| table.ids.get(id))
}

/// The segment in the slot of an identifier.
///
/// # Errors
/// `EINVAL`.
pub fn find_slot(id: i32) -> Result<Shm> {
    with_table(|table| table.ids.slot(id)).ok_or(Errno::INVAL)
}

/// `IPC_RMID`: at once, or with the last mapping.
///
/// # Errors
/// `EINVAL`, `EPERM`, `EIDRM`.
pub fn remove(id: i32, cred: &Cred) -> Result<()> {
    with_table(|table| {
        let shm = table.ids.get(id)?;
        let in_use = shm.with(|state| {
            state.perm.check_owner(cred)?;
            if state.data.files > 0 {
                state.perm.mode |= SHM_DEST;
                table.ids.forget_key(&mut state.perm);
            }
            Ok(state.data.files > 0)
        })?;
        if !in_use {
            destroy(table, &shm);
        }
        Ok(())
    })
}

fn destroy(table: &mut Table, shm: &Shm) {
    table.ids.remove(shm);
    table.pages -= pages_of(shm.state.lock().data.size);
}

/// How many mappings there are of a segment (`shm_nattch`).
pub fn mappings(shm: &Shm) -> usize {
    let mut spaces: Vec<Arc<AddressSpace>> = Vec::new();
    for process in processes() {
        let mm = process.mm.lock().clone();
        if !spaces.iter().any(|seen| Arc::ptr_eq(seen, &mm)) {
            spaces.push(mm);
        }
    }
    spaces.iter().map(|mm| mm.count_mappings_of(|file| is_of(file, shm))).sum()
}

/// Bytes of a segment that are in memory.
pub fn resident(shm: &Shm) -> u64 {
    let memory = shm.state.lock().data.memory.clone();
    memory.stat().map_or(0, |stat| stat.stx_blocks * 512)
}

/// Whether `file` is an attachment of `shm`.
fn is_of(file: &File, shm: &Shm) -> bool {
    file.ops_as::<Attached>().is_some_and(|attached| Arc::ptr_eq(&attached.node.shm, shm))
}

/// Whether `file` is an attachment of any segment.
pub fn is_attachment(file: &File) -> bool {
    file.ops_as::<Attached>().is_some()
}

/// A file to map a segment through. `flags`: read only, or read and write.
///
/// # Errors
/// `EIDRM`.
pub fn open(shm: &Shm, flags: OpenFlags) -> Result<Arc<File>> {
    let node = shm.with(|state| {
        let data = &mut state.data;
        let node = data.node.upgrade().unwrap_or_else(|| {
            Arc::new(Node { shm: shm.clone(), memory: data.memory.clone(), key: data.key })
        });
        data.node = Arc::downgrade(&node);
        data.files += 1;
        Ok(node)
    })?;
    let ops = Box::new(Attached { node: node.clone() });
    Ok(File::new(ops, node, None, flags))
}

/// The calling process maps or unmaps a segment: who, and when.
fn note(shm: &Shm, unmapped: bool) {
    let mut state = shm.state.lock();
    if let Some(task) = current_task() {
        state.data.pids.1 = task.process.pid;
    }
    let now = super::now();
    if unmapped { state.data.times.1 = now } else { state.data.times.0 = now }
}

/// The calling process has mapped a segment.
pub fn mapped(shm: &Shm) {
    note(shm, false);
}

/// The inode of a segment: its number is the identifier.
#[derive(Debug)]
struct Node {
    shm: Shm,
    memory: Arc<HostFd>,
    key: i32,
}

struct ShmFs;

impl FileSystem for ShmFs {
    fn name(&self) -> &'static str {
        "tmpfs"
    }
    fn statfs(&self) -> Result<StatFs> {
        let page = PAGE_SIZE as u64;
        Ok(StatFs { kind: TMPFS_MAGIC, bsize: page, namelen: 255, frsize: page, ..StatFs::default() })
    }
}

impl Inode for Node {
    fn kind(&self) -> FileType {
        FileType::Regular
    }

    fn stat(&self) -> Result<Stat> {
        let state = self.shm.state.lock();
        let time = TimeSpec { sec: state.ctime, nsec: 0 };
        Ok(Stat {
            dev: DEV,
            ino: self.shm.id as u64,
            mode: FileType::Regular.mode_bits() | state.perm.mode & 0o777,
            uid: state.perm.uid,
            gid: state.perm.gid,
            size: state.data.size,
            blksize: PAGE_SIZE as u32,
            atime: time,
            mtime: time,
            ctime: time,
            ..Stat::default()
        })
    }

    fn file_system(&self) -> Arc<dyn FileSystem> {
        Arc::new(ShmFs)
    }

    fn open(self: Arc<Self>, _flags: OpenFlags) -> Result<Box<dyn FileOps>> {
        Err(Errno::NXIO)
    }
}

/// An open file of a segment.
struct Attached {
    node: Arc<Node>,
}

impl FileOps for Attached {
    fn mmap(&self, offset: u64, _len: usize, _shared: bool, _write: bool) -> Result<MmapSource> {
        Ok(MmapSource::Host { fd: self.node.memory.clone(), offset })
    }

    fn unmapped(&self) {
        note(&self.node.shm, true);
    }

    fn link_text(&self) -> Option<Vec<u8>> {
        Some(alloc::format!("/SYSV{:08x} (deleted)", self.node.key).into_bytes())
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let shm = &self.node.shm;
        with_table(|table| {
            let last = {
                let mut state = shm.state.lock();
                state.data.files -= 1;
                state.data.files == 0 && state.perm.mode & SHM_DEST != 0 && !state.removed
            };
            if last {
                destroy(table, shm);
            }
        });
    }
}
