//! Terminals (tty(4), pty(7), termios(3)): pseudo-terminals with their line discipline, the terminal of the host that
//! the instance was started on, and what both mean for sessions and jobs.
//!
//! ```text
//! termios      settings
//! discipline   bytes in, lines and signals out: no locks, no waiting
//! pair         a pseudo-terminal: both directions, locks, queues, hang-up
//! side         what an open master or slave does; ioctl: its commands
//! host         the host's terminal: the host has its discipline, we have its sessions and jobs
//! job          controlling terminals, foreground groups, SIGTTIN and SIGTTOU
//! ```
//!
//! What does not live here: the nodes below /dev/pts (`fs::devpts`), stopping and continuing (`signal`).

mod discipline;
pub mod host;
mod ioctl;
pub mod job;
mod pair;
mod side;
mod termios;

pub use pair::Pair;
pub use side::{Master, open_slave};

use crate::Result;
use crate::vfs::{FileOps, OpenFlags};
use ::host::mutex::Mutex;
use alloc::boxed::Box;
use alloc::sync::Arc;
use job::Control;

/// A terminal that can be a session's controlling terminal.
#[derive(Clone)]
pub enum Terminal {
    /// The slave of a pseudo-terminal.
    Pty(Arc<Pair>),
    /// The host's.
    Host(Arc<host::HostTerminal>),
}

impl Terminal {
    /// Session and foreground group.
    fn control(&self) -> &Mutex<Control> {
        match self {
            Terminal::Pty(pair) => &pair.control,
            Terminal::Host(terminal) => &terminal.control,
        }
    }

    /// Whether both are the same terminal.
    pub fn is(&self, other: &Terminal) -> bool {
        core::ptr::eq(self.control(), other.control())
    }

    /// Its device number, as `st_rdev` has it.
    pub fn rdev(&self) -> u64 {
        match self {
            Terminal::Pty(pair) => pair.rdev(),
            Terminal::Host(terminal) => terminal.rdev(),
        }
    }

    /// Opens it once more (/dev/tty).
    ///
    /// # Errors
    /// `EIO` when it has hung up; `EBUSY` when it is somebody's alone (`TIOCEXCL`).
    pub fn open(&self, flags: OpenFlags) -> Result<Box<dyn FileOps>> {
        match self {
            Terminal::Pty(pair) => open_slave(pair, flags),
            Terminal::Host(terminal) => terminal.open(flags),
        }
    }
}

impl core::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Terminal({:#x})", self.rdev())
    }
}
