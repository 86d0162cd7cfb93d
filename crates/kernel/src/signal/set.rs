//! Sets of signals (`sigset_t` of the kernel: one bit a signal, bit 0 is signal 1).

use linux_raw_sys::general as g;

/// Highest signal number (`_NSIG`).
pub const NSIG: i32 = 64;

/// A set of signals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SigSet(pub u64);

impl SigSet {
    /// No signal.
    pub const EMPTY: SigSet = SigSet(0);
    /// SIGKILL and SIGSTOP, which nothing blocks, ignores or catches.
    pub const UNBLOCKABLE: SigSet = SigSet::of(g::SIGKILL as i32).with(g::SIGSTOP as i32);
    /// Signals whose default action is to stop the process.
    pub const STOP: SigSet =
        SigSet::of(g::SIGSTOP as i32).with(g::SIGTSTP as i32).with(g::SIGTTIN as i32).with(g::SIGTTOU as i32);
    /// Signals that the program's own instructions cause; delivered before others (`SYNCHRONOUS_MASK`).
    pub const SYNCHRONOUS: SigSet = SigSet::of(g::SIGSEGV as i32)
        .with(g::SIGBUS as i32)
        .with(g::SIGILL as i32)
        .with(g::SIGTRAP as i32)
        .with(g::SIGFPE as i32)
        .with(g::SIGSYS as i32);
    /// Signals whose default action is nothing at all (`SIG_KERNEL_IGNORE_MASK`).
    pub const IGNORED_BY_DEFAULT: SigSet =
        SigSet::of(g::SIGCONT as i32).with(g::SIGCHLD as i32).with(g::SIGWINCH as i32).with(g::SIGURG as i32);

    /// The set of one signal. A number outside 1–64 gives the empty set.
    #[inline]
    pub const fn of(signo: i32) -> SigSet {
        if is_valid(signo) { SigSet(1 << (signo - 1)) } else { SigSet(0) }
    }

    /// This set and one signal more.
    #[inline]
    pub const fn with(self, signo: i32) -> SigSet {
        SigSet(self.0 | SigSet::of(signo).0)
    }

    /// Whether `signo` is in it.
    #[inline]
    pub const fn contains(self, signo: i32) -> bool {
        self.0 & SigSet::of(signo).0 != 0
    }

    /// This set without the signals of `other`.
    #[inline]
    pub const fn without(self, other: SigSet) -> SigSet {
        SigSet(self.0 & !other.0)
    }

    /// Whether it holds no signal.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The signal to be delivered first: one the program's own instructions caused, else the lowest
    /// (`next_signal` of Linux's `kernel/signal.c`).
    pub fn first(self) -> Option<i32> {
        let synchronous = self.0 & SigSet::SYNCHRONOUS.0;
        let from = if synchronous != 0 { synchronous } else { self.0 };
        (from != 0).then(|| from.trailing_zeros() as i32 + 1)
    }
}

/// Whether a number is that of a signal.
#[inline]
pub const fn is_valid(signo: i32) -> bool {
    signo >= 1 && signo <= NSIG
}

/// Whether a signal queues (`SIGRTMIN` and up) instead of being remembered once.
#[inline]
pub const fn is_realtime(signo: i32) -> bool {
    signo >= g::SIGRTMIN as i32
}
