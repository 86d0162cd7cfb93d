//! Resource limits (getrlimit(2)).

use crate::{Errno, Result};

/// A resource, with Linux's number on x86-64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Resource {
    /// `RLIMIT_CPU`, seconds.
    Cpu = 0,
    /// `RLIMIT_FSIZE`, bytes.
    Fsize = 1,
    /// `RLIMIT_DATA`, bytes.
    Data = 2,
    /// `RLIMIT_STACK`, bytes.
    Stack = 3,
    /// `RLIMIT_CORE`, bytes.
    Core = 4,
    /// `RLIMIT_RSS`, bytes.
    Rss = 5,
    /// `RLIMIT_NPROC`, processes.
    Nproc = 6,
    /// `RLIMIT_NOFILE`, highest descriptor plus one.
    Nofile = 7,
    /// `RLIMIT_MEMLOCK`, bytes.
    Memlock = 8,
    /// `RLIMIT_AS`, bytes.
    As = 9,
    /// `RLIMIT_LOCKS`, locks.
    Locks = 10,
    /// `RLIMIT_SIGPENDING`, signals.
    Sigpending = 11,
    /// `RLIMIT_MSGQUEUE`, bytes.
    Msgqueue = 12,
    /// `RLIMIT_NICE`
    Nice = 13,
    /// `RLIMIT_RTPRIO`
    Rtprio = 14,
    /// `RLIMIT_RTTIME`, microseconds.
    Rttime = 15,
}

/// How many resources there are (`RLIM_NLIMITS`).
pub const COUNT: usize = 16;

/// Soft and hard limit of every resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits(pub [(u64, u64); COUNT]);

impl Limits {
    /// `RLIM_INFINITY`
    pub const INFINITY: u64 = u64::MAX;

    /// The soft limit.
    #[inline]
    pub fn soft(&self, resource: Resource) -> u64 {
        self.0[resource as usize].0
    }

    /// The hard limit.
    pub fn hard(&self, resource: Resource) -> u64 {
        self.0[resource as usize].1
    }

    /// The pair by Linux's number.
    ///
    /// # Errors
    /// `EINVAL` for an unknown number.
    pub fn by_number(&self, number: u32) -> Result<(u64, u64)> {
        self.0.get(number as usize).copied().ok_or(Errno::INVAL)
    }
}
