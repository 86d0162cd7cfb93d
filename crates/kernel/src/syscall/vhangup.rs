//! vhangup(2): hangs up the caller's terminal.

use crate::fs::tty::{Terminal, job};
use crate::task::Current;
use crate::uaccess::Args;
use crate::{Errno, Result};
use linux_raw_sys::general::CAP_SYS_TTY_CONFIG;

/// `vhangup()`
pub fn sys_vhangup(cur: &mut Current<'_>, _args: &Args) -> Result<usize> {
    if !cur.cred().capable(CAP_SYS_TTY_CONFIG) {
        return Err(Errno::PERM);
    }
    match job::terminal_of(cur.process()) {
        Some(Terminal::Pty(pair)) => pair.hang_up(),
        // Whoever started the instance goes on using it.
        Some(Terminal::Host(_)) => return Err(Errno::PERM),
        None => {}
    }
    Ok(0)
}
