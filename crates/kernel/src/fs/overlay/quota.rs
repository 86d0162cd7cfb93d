//! What a file system in memory may use, and what it does use.

use crate::{Errno, Result};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts bytes and inodes against their limits.
#[derive(Debug)]
pub struct Quota {
    bytes: AtomicU64,
    inodes: AtomicU64,
    max_bytes: u64,
    max_inodes: u64,
}

impl Quota {
    pub fn new(max_bytes: u64, max_inodes: u64) -> Quota {
        Quota { bytes: AtomicU64::new(0), inodes: AtomicU64::new(0), max_bytes, max_inodes }
    }

    fn add(counter: &AtomicU64, count: u64, max: u64) -> Result<()> {
        let old = counter.fetch_add(count, Relaxed);
        if old.checked_add(count).is_none_or(|sum| sum > max) {
            counter.fetch_sub(count, Relaxed);
            return Err(Errno::NOSPC);
        }
        Ok(())
    }

    /// Takes `count` bytes.
    ///
    /// # Errors
    /// `ENOSPC`.
    #[inline]
    pub fn charge(&self, count: u64) -> Result<()> {
        Self::add(&self.bytes, count, self.max_bytes)
    }

    /// Takes `count` bytes even beyond the limit.
    pub fn force(&self, count: u64) {
        self.bytes.fetch_add(count, Relaxed);
    }

    /// Gives `count` bytes back.
    #[inline]
    pub fn refund(&self, count: u64) {
        self.bytes.fetch_sub(count, Relaxed);
    }

    /// Takes one inode.
    ///
    /// # Errors
    /// `ENOSPC`.
    pub fn charge_inode(&self) -> Result<()> {
        Self::add(&self.inodes, 1, self.max_inodes)
    }

    /// Gives one inode back.
    pub fn refund_inode(&self) {
        self.inodes.fetch_sub(1, Relaxed);
    }

    /// Limit and use, in bytes.
    pub fn bytes(&self) -> (u64, u64) {
        (self.max_bytes, self.bytes.load(Relaxed))
    }

    /// Limit and use, in inodes.
    pub fn inodes(&self) -> (u64, u64) {
        (self.max_inodes, self.inodes.load(Relaxed))
    }
}
