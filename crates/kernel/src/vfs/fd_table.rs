//! Descriptor tables (`struct files_struct`).

use super::File;
use crate::sysctl::Sysctl;
use crate::{Errno, Result};
use alloc::{sync::Arc, vec::Vec};
use host::mutex::Mutex;

/// A descriptor number.
pub type Fd = i32;

/// No table grows beyond this, whatever the limit (`/proc/sys/fs/nr_open`).
pub static NR_OPEN: Sysctl = Sysctl::new(1 << 20, 64, NR_OPEN_MAX);
/// What it may be set to: the kernel's memory bounds it earlier than Linux's.
const NR_OPEN_MAX: i128 = 1 << 24;

#[derive(Clone)]
struct Slot {
    file: Arc<File>,
    cloexec: bool,
}

#[derive(Default)]
struct Table {
    slots: Vec<Option<Slot>>,
    /// No free slot below this index.
    first_free: usize,
}

/// The open descriptors of a process.
#[derive(Default)]
pub struct FdTable(Mutex<Table>);

impl FdTable {
    /// An empty table.
    pub fn new() -> Arc<FdTable> {
        Arc::new(FdTable::default())
    }

    /// The file behind a descriptor.
    ///
    /// # Errors
    /// `EBADF`.
    #[inline]
    pub fn get(&self, fd: Fd) -> Result<Arc<File>> {
        let table = self.0.lock();
        match table.slots.get(fd as u32 as usize) {
            Some(Some(slot)) => Ok(slot.file.clone()),
            _ => Err(Errno::BADF),
        }
    }

    /// Puts `file` at the lowest free number from `least` on, below `limit` (`RLIMIT_NOFILE`).
    ///
    /// # Errors
    /// `EMFILE`; `EINVAL` when `least` is beyond the limit.
    pub fn insert_from(&self, least: usize, file: Arc<File>, cloexec: bool, limit: u64) -> Result<Fd> {
        let limit = limit.min(NR_OPEN.get()) as usize;
        if least >= limit {
            return Err(if least == 0 { Errno::MFILE } else { Errno::INVAL });
        }
        let mut table = self.0.lock();
        let mut at = least.max(table.first_free);
        while table.slots.get(at).is_some_and(Option::is_some) {
            at += 1;
        }
        if at >= limit {
            return Err(Errno::MFILE);
        }
        if at >= table.slots.len() {
            table.slots.resize_with(at + 1, || None);
        }
        table.slots[at] = Some(Slot { file, cloexec });
        if least <= table.first_free {
            table.first_free = at + 1;
        }
        Ok(at as Fd)
    }

    /// Puts `file` at the lowest free number.
    ///
    /// # Errors
    /// `EMFILE`.
    #[inline]
    pub fn insert(&self, file: Arc<File>, cloexec: bool, limit: u64) -> Result<Fd> {
        self.insert_from(0, file, cloexec, limit)
    }

    /// Puts `file` at `fd`, answering what was there (dup2(2)).
    ///
    /// # Errors
    /// `EBADF` when `fd` is beyond the limit.
    pub fn replace(&self, fd: Fd, file: Arc<File>, cloexec: bool, limit: u64) -> Result<Option<Arc<File>>> {
        let at = usize::try_from(fd).map_err(|_| Errno::BADF)?;
        if at as u64 >= limit.min(NR_OPEN.get()) {
            return Err(Errno::BADF);
        }
        let mut table = self.0.lock();
        if at >= table.slots.len() {
            table.slots.resize_with(at + 1, || None);
        }
        Ok(table.slots[at].replace(Slot { file, cloexec }).map(|slot| slot.file))
    }

    /// Takes the file out (close(2)); the caller drops it outside the lock.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn remove(&self, fd: Fd) -> Result<Arc<File>> {
        let at = fd as u32 as usize;
        let mut table = self.0.lock();
        let slot = table.slots.get_mut(at).and_then(Option::take).ok_or(Errno::BADF)?;
        table.first_free = table.first_free.min(at);
        Ok(slot.file)
    }

    /// Whether no number below `limit` is free.
    pub fn is_full(&self, limit: u64) -> bool {
        let limit = limit.min(NR_OPEN.get()) as usize;
        let table = self.0.lock();
        (table.first_free..limit).all(|at| matches!(table.slots.get(at), Some(Some(_))))
    }

    /// Whom POSIX record locks taken through this table belong to.
    pub fn lock_owner(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }

    /// The close-on-exec flag.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn cloexec(&self, fd: Fd) -> Result<bool> {
        match self.0.lock().slots.get(fd as u32 as usize) {
            Some(Some(slot)) => Ok(slot.cloexec),
            _ => Err(Errno::BADF),
        }
    }

    /// Sets the close-on-exec flag.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn set_cloexec(&self, fd: Fd, on: bool) -> Result<()> {
        match self.0.lock().slots.get_mut(fd as u32 as usize) {
            Some(Some(slot)) => {
                slot.cloexec = on;
                Ok(())
            }
            _ => Err(Errno::BADF),
        }
    }

    /// Sets the close-on-exec flag of all that `choose` picks.
    pub fn set_cloexec_of(&self, choose: impl Fn(Fd) -> bool) {
        for (at, slot) in self.0.lock().slots.iter_mut().enumerate() {
            if let Some(slot) = slot
                && choose(at as Fd)
            {
                slot.cloexec = true;
            }
        }
    }

    /// The open descriptors from `from` on, in order, at most `max`.
    pub fn list(&self, from: Fd, max: usize) -> Vec<Fd> {
        let table = self.0.lock();
        let slots = table.slots.iter().enumerate().skip(from.max(0) as usize);
        slots.filter(|(_, slot)| slot.is_some()).map(|(at, _)| at as Fd).take(max).collect()
    }

    /// Takes out everything that `choose` picks by number and flag, for the caller to drop.
    pub fn drain(&self, mut choose: impl FnMut(Fd, bool) -> bool) -> Vec<Arc<File>> {
        let mut table = self.0.lock();
        let mut out = Vec::new();
        let mut lowest = table.first_free;
        for (at, slot) in table.slots.iter_mut().enumerate() {
            if let Some(each) = slot
                && choose(at as Fd, each.cloexec)
            {
                out.extend(slot.take().map(|s| s.file));
                lowest = lowest.min(at);
            }
        }
        table.first_free = lowest;
        out
    }

    /// Closes what is marked close-on-exec (execve(2)).
    pub fn close_on_exec(&self) {
        let owner = self.lock_owner();
        for file in self.drain(|_, cloexec| cloexec) {
            file.closed_in(owner);
        }
    }

    /// A copy with the same files (fork(2) without `CLONE_FILES`).
    pub fn duplicate(&self) -> Arc<FdTable> {
        let table = self.0.lock();
        Arc::new(FdTable(Mutex::new(Table { slots: table.slots.clone(), first_free: table.first_free })))
    }

    /// Size of the table as /proc/PID/status tells it (`FDSize`): a power of two, at least 64.
    pub fn capacity(&self) -> usize {
        self.0.lock().slots.len().next_power_of_two().max(64)
    }
}

impl Drop for FdTable {
    /// The last user is gone (`put_files_struct`): closes what is open.
    fn drop(&mut self) {
        let owner = self.lock_owner();
        for slot in core::mem::take(&mut self.0.get_mut().slots).into_iter().flatten() {
            slot.file.closed_in(owner);
        }
    }
}
