//! Numbers of this kernel that /proc/sys shows and root may change. Each one stands where it is used; the tree of
//! names is in `crate::fs::procfs::sysctl`. A change concerns this instance only, never the host.

use crate::{Errno, Result};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// One number.
#[derive(Debug)]
pub struct Sysctl {
    /// Two's complement of those below zero.
    value: AtomicU64,
    least: i128,
    most: i128,
}

impl Sysctl {
    /// A number that may be set to `least..=most`, and is `initial` to begin with. They fit in 64 bits, with a sign
    /// when `least` is below zero.
    pub const fn new(initial: i128, least: i128, most: i128) -> Sysctl {
        Sysctl { value: AtomicU64::new(initial as u64), least, most }
    }

    /// The number.
    #[inline]
    pub fn get(&self) -> u64 {
        self.value.load(Relaxed)
    }

    /// The number, as a size in memory.
    #[inline]
    pub fn size(&self) -> usize {
        self.get() as usize
    }

    /// The number with its sign.
    pub fn signed(&self) -> i128 {
        if self.least < 0 { i128::from(self.get() as i64) } else { i128::from(self.get()) }
    }

    /// Sets it.
    ///
    /// # Errors
    /// `EINVAL` for what is out of its range.
    pub fn set(&self, value: i128) -> Result<()> {
        if !(self.least..=self.most).contains(&value) {
            return Err(Errno::INVAL);
        }
        self.value.store(value as u64, Relaxed);
        Ok(())
    }

    /// Sets it to what it was in the beginning, if that was `initial`; answers what it was before.
    pub fn take(&self, initial: i128) -> i128 {
        let old = self.value.swap(initial as u64, Relaxed);
        if self.least < 0 { i128::from(old as i64) } else { i128::from(old) }
    }
}

/// The largest C `int`.
pub const INT_MAX: i128 = i32::MAX as i128;
