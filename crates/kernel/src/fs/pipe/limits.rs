//! How much pipes may hold: `/proc/sys/fs/pipe-max-size`, `pipe-user-pages-soft`, `pipe-user-pages-hard` (pipe(7)).

use super::PAGE;
use crate::sysctl::Sysctl;
use crate::task::Cred;
use crate::{Errno, Result};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use host::mutex::Mutex;
use linux_raw_sys::general::{CAP_SYS_ADMIN, CAP_SYS_RESOURCE};

/// Largest capacity in bytes for who lacks `CAP_SYS_RESOURCE`.
pub static MAX_SIZE: Sysctl = Sysctl::new(1 << 20, PAGE as i128, 1 << 31);

/// Buffers of all pipes of one ordinary user; beyond that new pipes are small and none grows.
pub static USER_PAGES_SOFT: Sysctl = Sysctl::new(16384, 0, u64::MAX as i128);

/// Buffers of a pipe of somebody beyond that (`PIPE_MIN_DEF_BUFFERS`).
const SMALL_SLOTS: usize = 2;

/// Buffers of one pipe, whoever asks: Linux finds no memory for a longer ring (`KMALLOC_MAX_SIZE`).
const SLOTS_MAX: usize = 1 << 16;

/// Buffers by user.
static BY_USER: Mutex<BTreeMap<u32, usize>> = Mutex::new(BTreeMap::new());

/// The share of one pipe in its maker's buffers.
pub struct Account {
    uid: u32,
    slots: AtomicUsize,
}

impl Account {
    /// An account for a new pipe of the calling thread; answers how many of the `wanted` buffers it gets.
    /// There is no hard limit, as in Linux by default.
    pub fn open(wanted: usize) -> (Account, usize) {
        let cred = caller();
        let uid = cred.as_ref().map_or(0, |cred| cred.uid);
        let mut users = BY_USER.lock();
        let sum = users.entry(uid).or_default();
        let slots = if over(&USER_PAGES_SOFT, *sum + wanted) && !privileged(cred.as_deref()) {
            SMALL_SLOTS
        } else {
            wanted
        };
        *sum += slots;
        (Account { uid, slots: AtomicUsize::new(slots) }, slots)
    }

    /// Whether the calling thread may change the capacity from `old` to `new` buffers.
    ///
    /// # Errors
    /// `EPERM`.
    pub fn check(&self, old: usize, new: usize) -> Result<()> {
        if new <= old {
            return Ok(());
        }
        let cred = caller();
        let may_exceed = cred.as_ref().is_none_or(|cred| cred.capable(CAP_SYS_RESOURCE));
        if new * PAGE > MAX_SIZE.size() && !may_exceed {
            return Err(Errno::PERM);
        }
        let others = BY_USER.lock().get(&self.uid).map_or(0, |sum| sum - self.slots.load(Relaxed));
        if over(&USER_PAGES_SOFT, others + new) && !privileged(cred.as_deref()) {
            return Err(Errno::PERM);
        }
        Ok(())
    }

    /// The capacity is `slots` buffers now.
    pub fn set(&self, slots: usize) {
        let old = self.slots.swap(slots, Relaxed);
        let mut users = BY_USER.lock();
        if let Some(sum) = users.get_mut(&self.uid) {
            *sum = (*sum + slots).saturating_sub(old);
            if *sum == 0 {
                users.remove(&self.uid);
            }
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// Credentials of the calling thread; a thread without any is the kernel's own.
fn caller() -> Option<Arc<Cred>> {
    crate::task::current_task().map(|task| task.process.cred())
}

/// Whether `slots` buffers are more than a user may have.
fn over(limit: &Sysctl, slots: usize) -> bool {
    limit.get() != 0 && slots as u64 > limit.get()
}

/// Sets the largest capacity; a size is rounded as that of a pipe is.
///
/// # Errors
/// `EINVAL`.
pub fn set_max_size(size: i128) -> Result<()> {
    let size =
        usize::try_from(size).ok().filter(|size| *size != 0 && *size <= 1 << 31).ok_or(Errno::INVAL)?;
    MAX_SIZE.set(size.max(PAGE).next_power_of_two() as i128)
}

fn privileged(cred: Option<&Cred>) -> bool {
    cred.is_none_or(|cred| cred.capable(CAP_SYS_RESOURCE) || cred.capable(CAP_SYS_ADMIN))
}

/// Buffers for a capacity of at least `size` bytes: a power of two.
///
/// # Errors
/// `EINVAL` beyond 2 GiB; `ENOMEM` for more than a ring can have.
pub fn slots_for(size: usize) -> Result<usize> {
    if size > 1 << 31 {
        return Err(Errno::INVAL);
    }
    let slots = size.max(PAGE).next_power_of_two() / PAGE;
    if slots > SLOTS_MAX { Err(Errno::NOMEM) } else { Ok(slots) }
}
