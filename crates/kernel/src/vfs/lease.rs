//! Leases: fcntl(2), `F_SETLEASE` and `F_GETLEASE`. Who holds one is told by a signal before somebody else opens or
//! truncates the file in a way that it excludes, and has `/proc/sys/fs/lease-break-time` seconds to give it up.
//!
//! Only inodes that count who has them open can have leases ([`Inode::write_count`](super::Inode::write_count)): those
//! whose content is this kernel's. Of a file of the host others would change the content without being seen, so there
//! `F_SETLEASE` answers `EINVAL`, as Linux does on file systems of the network.
//!
//! Callers: fcntl(2); open(2), execve(2) and truncate(2), which break leases; the end of a file.

use super::{File, InodeRef, fasync};
use crate::sync::{Deadline, WaitQueue, wait_until};
use crate::sysctl::{INT_MAX, Sysctl};
use crate::vfs::PollEvents;
use crate::{Errno, Result};
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use host::mutex::Mutex;

/// Seconds to give a lease up in; 0: for ever (`/proc/sys/fs/lease-break-time`).
pub static BREAK_TIME: Sysctl = Sysctl::new(45, 0, INT_MAX);
/// Whether new leases are given (`/proc/sys/fs/leases-enable`).
pub static ENABLED: Sysctl = Sysctl::new(1, 0, INT_MAX);

/// What a lease promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nobody writes (`F_RDLCK`).
    Read,
    /// Nobody else has the file open (`F_WRLCK`).
    Write,
}

/// When something that was asked for is done without the holder; `None`: never.
type Due = Option<u64>;

struct Lease {
    /// Which open file it was taken through.
    id: usize,
    file: Weak<File>,
    /// The descriptor that its signal names.
    fd: i32,
    pid: i32,
    kind: Kind,
    /// Somebody wants it gone.
    unlock: Option<Due>,
    /// Somebody wants it to become a read lease.
    downgrade: Option<Due>,
}

impl Lease {
    /// What it will be when everything asked for is done (`target_leasetype`).
    fn target(&self) -> Option<Kind> {
        match (self.unlock, self.downgrade) {
            (Some(_), _) => None,
            (None, Some(_)) => Some(Kind::Read),
            (None, None) => Some(self.kind),
        }
    }

    fn is_breaking(&self) -> bool {
        self.unlock.is_some() || self.downgrade.is_some()
    }

    /// Whether it excludes somebody who opens the file to write, or only to read.
    fn excludes(&self, write: bool) -> bool {
        write || self.kind == Kind::Write
    }
}

struct Leased {
    /// Keeps the address that is the key from being used again.
    inode: InodeRef,
    leases: Vec<Lease>,
    /// Who waits for a lease to go.
    queue: WaitQueue,
}

impl Leased {
    /// Does what the holders had time for (`time_out_leases`).
    fn time_out(&mut self) {
        let now = host::clock::monotonic_ns();
        let past = |due: Option<Due>| due.flatten().is_some_and(|due| now > due);
        let before = self.leases.len();
        let mut changed = false;
        self.leases.retain_mut(|lease| {
            if past(lease.downgrade) {
                (lease.kind, lease.downgrade, changed) = (Kind::Read, None, true);
            }
            !past(lease.unlock)
        });
        if changed || self.leases.len() != before {
            self.queue.wake_all(PollEvents::empty());
        }
    }

    /// The next time at which a lease that keeps somebody out runs out.
    fn next_due(&self, write: bool) -> Deadline {
        let dues = self.leases.iter().filter(|lease| lease.excludes(write));
        dues.filter_map(|lease| lease.unlock.or(lease.downgrade).flatten()).min()
    }
}

static TABLE: Mutex<BTreeMap<usize, Leased>> = Mutex::new(BTreeMap::new());
/// Leases there are: as long as there is none, an open(2) costs one load.
static COUNT: AtomicUsize = AtomicUsize::new(0);

fn key(inode: &InodeRef) -> usize {
    Arc::as_ptr(inode).cast::<()>().addr()
}

/// Changes the leases of an inode, with the table locked, and forgets the inode with the last of them.
fn with<R>(inode: &InodeRef, then: impl FnOnce(&mut Leased) -> R) -> R {
    let mut table = TABLE.lock();
    let leased = table.entry(key(inode)).or_insert_with(|| Leased {
        inode: inode.clone(),
        leases: Vec::new(),
        queue: WaitQueue::new(),
    });
    let before = leased.leases.len();
    let result = then(leased);
    let after = leased.leases.len();
    if after > before {
        COUNT.fetch_add(after - before, SeqCst);
    } else {
        COUNT.fetch_sub(before - after, SeqCst);
    }
    let gone = if after == 0 { table.remove(&key(inode)) } else { None };
    drop(table);
    // The inode goes when nothing is locked.
    drop(gone);
    result
}

/// Whether somebody has the file open in a way that a lease of this kind excludes (`check_conflicting_open`).
fn is_in_use(file: &File, kind: Kind) -> bool {
    let Some((writers, readers)) = file.inode.write_count().map(super::WriteCount::users) else {
        return true;
    };
    let flags = file.flags();
    match kind {
        Kind::Read => writers > 0,
        // Programs that run from it count as less than nobody.
        Kind::Write => {
            let own = if flags.writable() { (1, 0) } else { (0, i32::from(flags.readable())) };
            (writers, readers) != own
        }
    }
}

/// `F_SETLEASE` with `F_RDLCK` or `F_WRLCK`, through the descriptor `fd` of `file`, for the process `pid`. That the
/// caller may was checked.
///
/// # Errors
/// `EAGAIN` while the file is open otherwise, or others have leases; `EINVAL` where there are no leases.
pub fn set(file: &Arc<File>, fd: i32, pid: i32, kind: Kind) -> Result<()> {
    if file.inode.write_count().is_none() {
        return Err(Errno::INVAL);
    }
    let id = Arc::as_ptr(file).addr();
    with(&file.inode, |leased| {
        leased.time_out();
        // It counts already, so that who opens the file now sees either it or is seen.
        COUNT.fetch_add(1, SeqCst);
        let result =
            if is_in_use(file, kind) { Err(Errno::AGAIN) } else { leased.add(file, (id, fd, pid), kind) };
        COUNT.fetch_sub(1, SeqCst);
        result
    })?;
    file.set_has_locks();
    fasync::own(file);
    Ok(())
}

impl Leased {
    fn add(&mut self, file: &Arc<File>, (id, fd, pid): (usize, i32, i32), kind: Kind) -> Result<()> {
        let mut others = self.leases.iter().filter(|lease| lease.id != id);
        if others.any(|lease| kind == Kind::Write || lease.unlock.is_some()) {
            return Err(Errno::AGAIN);
        }
        match self.leases.iter_mut().find(|lease| lease.id == id) {
            Some(lease) => {
                lease.kind = kind;
                if kind == Kind::Read {
                    lease.downgrade = None;
                }
                self.queue.wake_all(PollEvents::empty());
            }
            None if ENABLED.get() == 0 => return Err(Errno::INVAL),
            None => {
                let file = Arc::downgrade(file);
                self.leases.push(Lease { id, file, fd, pid, kind, unlock: None, downgrade: None });
            }
        }
        Ok(())
    }
}

/// `F_SETLEASE` with `F_UNLCK`.
///
/// # Errors
/// `EAGAIN` when there is none.
pub fn give_up(file: &File) -> Result<()> {
    if !remove(file) {
        return Err(Errno::AGAIN);
    }
    {
        // Who owned it owns nothing any more (`lease_modify`).
        let mut owner = file.owner.lock();
        *owner = super::Owner::default();
    }
    fasync::owner_changed(file);
    Ok(())
}

fn remove(file: &File) -> bool {
    if COUNT.load(SeqCst) == 0 {
        return false;
    }
    let id = core::ptr::from_ref(file).addr();
    with(&file.inode, |leased| {
        let before = leased.leases.len();
        leased.leases.retain(|lease| lease.id != id);
        let removed = leased.leases.len() < before;
        if removed {
            leased.queue.wake_all(PollEvents::empty());
        }
        removed
    })
}

/// The last descriptor of `file` is gone.
pub(super) fn release_file(file: &File) {
    remove(file);
}

/// `F_GETLEASE`: what the lease is, or will be when it is broken.
pub fn get(file: &File) -> Option<Kind> {
    if COUNT.load(SeqCst) == 0 {
        return None;
    }
    let id = core::ptr::from_ref(file).addr();
    with(&file.inode, |leased| {
        leased.time_out();
        leased.leases.iter().find(|lease| lease.id == id).and_then(Lease::target)
    })
}

/// Somebody, counted already, opens the file, to write or only to read: tells the holders and waits until they have
/// given up what is in the way.
///
/// # Errors
/// `EAGAIN` instead of waiting, with `nonblock`; [`crate::ERESTARTSYS`].
#[inline]
pub fn break_for(inode: &InodeRef, write: bool, nonblock: bool) -> Result<()> {
    if COUNT.load(SeqCst) == 0 { Ok(()) } else { break_leases(inode, write, nonblock) }
}

/// `__break_lease`
#[cold]
fn break_leases(inode: &InodeRef, write: bool, nonblock: bool) -> Result<()> {
    let mut holders = Vec::new();
    let in_the_way = with(inode, |leased| {
        leased.time_out();
        let due = match BREAK_TIME.get() {
            0 => None,
            seconds => {
                Some(host::clock::monotonic_ns().saturating_add(seconds.saturating_mul(1_000_000_000)))
            }
        };
        for lease in leased.leases.iter_mut().filter(|lease| lease.excludes(write)) {
            match (write, lease.unlock, lease.is_breaking()) {
                (true, None, _) => lease.unlock = Some(due),
                (false, _, false) => lease.downgrade = Some(due),
                // They have been told.
                _ => continue,
            }
            holders.push((lease.file.clone(), lease.fd));
        }
        leased.leases.iter().any(|lease| lease.excludes(write))
    });
    for (file, fd) in holders {
        if let Some(file) = file.upgrade() {
            let owner = *file.owner.lock();
            fasync::send_message(&owner, fd);
        }
    }
    match (in_the_way, nonblock) {
        (false, _) => Ok(()),
        (true, true) => Err(Errno::AGAIN),
        (true, false) => wait_for(inode, write),
    }
}

/// Waits until no lease is in the way. None can be added meanwhile, because the caller counts as somebody who has the
/// file open.
fn wait_for(inode: &InodeRef, write: bool) -> Result<()> {
    loop {
        let look = || {
            let mut table = TABLE.lock();
            let leased = table.get_mut(&key(inode))?;
            let in_the_way = leased.leases.iter().any(|lease| lease.excludes(write));
            in_the_way.then(|| (leased.queue.clone(), leased.next_due(write)))
        };
        let Some((queue, due)) = look() else { return Ok(()) };
        // A nanosecond later it is past its time.
        let deadline = due.map(|due| due.saturating_add(1));
        match wait_until(&queue, deadline, || look().is_none().then_some(())) {
            Ok(()) => return Ok(()),
            Err(Errno::TIMEDOUT) => with(inode, Leased::time_out),
            Err(errno) => return Err(errno),
        }
    }
}

/// A lease, for /proc/locks.
pub struct Told {
    /// The file.
    pub inode: InodeRef,
    /// The address of the open file, which is not held.
    pub file: usize,
    /// Who took it.
    pub pid: i32,
    /// Somebody is in its way.
    pub breaking: bool,
    /// What it is, or will be.
    pub kind: Option<Kind>,
}

/// All leases.
pub fn all() -> Vec<Told> {
    let table = TABLE.lock();
    let told = |leased: &Leased, lease: &Lease| Told {
        inode: leased.inode.clone(),
        file: lease.id,
        pid: lease.pid,
        breaking: lease.is_breaking(),
        kind: lease.target(),
    };
    table.values().flat_map(|leased| leased.leases.iter().map(|lease| told(leased, lease))).collect()
}
