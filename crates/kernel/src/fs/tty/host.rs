//! The terminal of the host that the instance was started on. Its line discipline and its settings are the host's;
//! its session and its foreground group are ours: on the host the whole instance is one process group of one job.
//!
//! The signals of its characters come to the host processes and are passed on to our foreground group by
//! `signal::outside`. While the host itself has the instance in the background, everybody here is in the background.

use super::{Terminal, job};
use crate::fs::{devpts, host_stat, hostfs};
use crate::task::{Process, current_task};
use crate::vfs::{FileOps, InodeRef, OpenFlags, Stat};
use crate::{Errno, Result};
use ::host::file::{HostFd, open};
use ::host::mutex::{Mutex, OnceLock};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use job::Control;
use linux_raw_sys::general as g;
use linux_raw_sys::ioctl as i;

const DEV_TTY: &[u8] = b"/dev/tty";

static HOST: OnceLock<Arc<HostTerminal>> = OnceLock::new();

/// `makedev(major, minor)` in the encoding of `st_rdev`.
pub const fn makedev(major: u32, minor: u32) -> u64 {
    ((minor & 0xff) | major << 8 | (minor & !0xff) << 12) as u64
}

/// The controlling terminal of the host processes.
pub struct HostTerminal {
    fd: HostFd,
    /// A descriptor that was opened by the terminal's own name, not as /dev/tty.
    node: OnceLock<Arc<HostFd>>,
    path: Vec<u8>,
    rdev: u64,
    pub(super) control: Mutex<Control>,
    /// `struct termios2` at boot.
    settings: [u8; ::host::file::SETTINGS_LEN],
}

/// The host's terminal; none when the instance was started without.
pub fn terminal() -> Option<Terminal> {
    HOST.get().cloned().map(Terminal::Host)
}

/// Makes the host's controlling terminal, when there is one, that of the first session.
pub fn attach(process: &Process) {
    let Ok(fd) = open(None, DEV_TTY, g::O_RDWR | g::O_NOCTTY, 0, 0) else { return };
    let (Ok(rdev), Ok(settings)) = (fd.terminal_device(), fd.terminal_settings()) else { return };
    let (major, minor) = (rdev >> 8 & 0xfff, rdev & 0xff | rdev >> 12 & 0xfff00);
    // UNIX98_PTY_SLAVE_MAJOR and the seven after it.
    let path = match major {
        136..=143 => alloc::format!("/dev/pts/{}", (major - 136) << 20 | minor).into_bytes(),
        _ => DEV_TTY.to_vec(),
    };
    let terminal = Arc::new(HostTerminal {
        fd,
        node: OnceLock::new(),
        path,
        rdev: u64::from(rdev),
        control: Mutex::default(),
        settings,
    });
    job::begin_with(process, &Terminal::Host(terminal.clone()));
    // Once, at boot.
    let _ = HOST.set(terminal);
}

/// The host's controlling terminal, when the descriptor `fd` is open on it, and the node it is seen as.
pub fn terminal_behind(fd: &Arc<HostFd>) -> Option<(Terminal, Option<InodeRef>)> {
    let terminal = HOST.get()?;
    if u64::from(fd.terminal_device().ok()?) != terminal.rdev {
        return None;
    }
    let named = host_stat::convert(&fd.stat().ok()?).rdev == terminal.rdev;
    let node = if named {
        // The first will do as well as any other.
        let _ = terminal.node.set(fd.clone());
        devpts::adopt(terminal)
    } else {
        None
    };
    Some((Terminal::Host(terminal.clone()), node))
}

/// Puts the settings back as they were at boot: the instance ends, and did not have the time to do so itself. Not
/// while the terminal is somebody else's.
pub fn restore_settings() {
    if let Some(terminal) = HOST.get()
        && terminal.fd.is_foreground()
    {
        // A terminal that is gone needs no settings.
        let _ = terminal.fd.set_terminal_settings(&terminal.settings);
    }
}

impl HostTerminal {
    /// Its device number.
    pub fn rdev(&self) -> u64 {
        self.rdev
    }

    /// Its name on the host.
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    /// Attributes of its node on the host.
    pub(in crate::fs) fn stat(&self) -> Result<Stat> {
        match self.node.get() {
            Some(fd) => Ok(host_stat::convert(&fd.stat()?)),
            None => Ok(host_stat::convert(&::host::file::stat(None, &self.path, 0)?)),
        }
    }

    /// Opens it once more.
    ///
    /// # Errors
    /// Those of the host.
    pub fn open(&self, flags: OpenFlags) -> Result<Box<dyn FileOps>> {
        let mode = flags.bits() & (3 | g::O_NONBLOCK) | g::O_NOCTTY;
        hostfs::host_stream(Arc::new(open(None, DEV_TTY, mode, 0, 0)?))
    }
}

/// A host call on `fd` was interrupted, or would be: while the host has the instance in the background, whoever uses
/// the terminal gets `signo` and stops.
///
/// # Errors
/// As [`job::check`].
pub fn check_host(fd: &HostFd, signo: u32) -> Result<()> {
    match current_task() {
        Some(task) if !fd.is_foreground() => job::refuse(&task, signo),
        _ => Ok(()),
    }
}

/// Whether a write has to be checked: the caller is in the background, and that may not write (`TOSTOP`).
pub fn check_write(terminal: &Terminal, fd: &HostFd) -> Result<()> {
    if !job::is_background(terminal) {
        return Ok(());
    }
    let settings = fd.terminal_settings()?;
    let local = u32::from_ne_bytes([settings[12], settings[13], settings[14], settings[15]]);
    if local & g::TOSTOP != 0 { job::check(terminal, g::SIGTTOU) } else { Ok(()) }
}

/// A command for a terminal of the host; `terminal`: it is the controlling one of the host processes.
///
/// # Errors
/// `ENOTTY` for what is not passed on; `EIO` for `TIOCSTI`; those of the host and of [`job::check`].
pub fn ioctl(terminal: Option<&Terminal>, fd: &HostFd, command: u32, arg: usize) -> Result<usize> {
    match (command, terminal) {
        (i::TIOCSTI, _) => return Err(Errno::IO),
        (i::TIOCSCTTY, None) => return Err(Errno::PERM),
        (i::TIOCGPGRP | i::TIOCSPGRP | i::TIOCGSID | i::TIOCNOTTY, None) => return Err(Errno::NOTTY),
        (_, Some(terminal)) => {
            if let Some(result) = job::ioctl(terminal, false, true, command, arg) {
                return result;
            }
        }
        _ => {}
    }
    let changes = matches!(
        command,
        i::TCSETS
            | i::TCSETSW
            | i::TCSETSF
            | i::TCSETS2
            | i::TCSETSW2
            | i::TCSETSF2
            | i::TCSBRK
            | i::TCSBRKP
            | i::TIOCSBRK
            | i::TIOCCBRK
            | i::TCXONC
            | i::TCFLSH
    );
    if !changes {
        return fd.ioctl(command, arg);
    }
    if let Some(terminal) = terminal {
        job::check(terminal, g::SIGTTOU)?;
        check_host(fd, g::SIGTTOU)?;
    }
    loop {
        // Whoever ignores the signal may; the host would send it to the whole instance.
        match ::host::signal::with_blocked(g::SIGTTOU as i32, || fd.ioctl(command, arg)) {
            Err(Errno::INTR) => crate::sync::interrupted().map_err(|_| Errno::INTR)?,
            other => return other,
        }
    }
}
