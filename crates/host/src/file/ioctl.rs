//! ioctl(2) of terminals, pipes and sockets that the host owns, with the program's memory as argument.
//!
//! Only commands in the table are passed on: the table says how many bytes the host reads or writes at the
//! argument, so that a program cannot point the host at kernel memory. What is not in it answers `ENOTTY`.

use super::HostFd;
use crate::{Errno, Result, check, syscall3};
use linux_raw_sys::general::__NR_ioctl;
use linux_raw_sys::ioctl as c;
use usercopy::access_ok;

/// Size of the kernel's `struct termios`, `termios2`, `winsize`, `serial_icounter_struct` and an `int`.
const TERMIOS: usize = 36;
const TERMIOS2: usize = 44;
const WINSIZE: usize = 8;
const INT: usize = 4;
/// The argument is a number, not an address.
const NUMBER: usize = 0;

/// Commands of ioctl_tty(2) and `FIONREAD` with the size of what their argument points at. Sessions and process
/// groups (`TIOCGPGRP` …) are missing: those are the kernel's own, not the host's.
const COMMANDS: &[(u32, usize)] = &[
    (c::TCGETS, TERMIOS),
    (c::TCSETS, TERMIOS),
    (c::TCSETSW, TERMIOS),
    (c::TCSETSF, TERMIOS),
    (c::TCGETS2, TERMIOS2),
    (c::TCSETS2, TERMIOS2),
    (c::TCSETSW2, TERMIOS2),
    (c::TCSETSF2, TERMIOS2),
    (c::TCSBRK, NUMBER),
    (c::TCSBRKP, NUMBER),
    (c::TIOCSBRK, NUMBER),
    (c::TIOCCBRK, NUMBER),
    (c::TCXONC, NUMBER),
    (c::TCFLSH, NUMBER),
    (c::TIOCGWINSZ, WINSIZE),
    (c::TIOCSWINSZ, WINSIZE),
    (c::TIOCOUTQ, INT),
    (c::FIONREAD, INT),
    (c::TIOCGETD, INT),
    (c::TIOCGEXCL, INT),
    (c::TIOCEXCL, NUMBER),
    (c::TIOCNXCL, NUMBER),
    (c::TIOCGSOFTCAR, INT),
    (c::TIOCMGET, INT),
    (c::TIOCGPTN, INT),
    (c::TIOCSPTLCK, INT),
    (c::TIOCGPTLCK, INT),
    (c::TIOCPKT, INT),
    (c::TIOCGPKT, INT),
];

impl HostFd {
    /// ioctl(2) with the third argument of a program.
    ///
    /// # Errors
    /// `ENOTTY` for a command that is not passed on; `EFAULT` when the argument points into the kernel; those of
    /// the host.
    pub fn ioctl(&self, command: u32, arg: usize) -> Result<usize> {
        let (_, size) = COMMANDS.iter().find(|(each, _)| *each == command).ok_or(Errno::NOTTY)?;
        if !access_ok(arg, *size) && *size != NUMBER {
            return Err(Errno::FAULT);
        }
        // SAFETY: the host touches at most `size` bytes at `arg`, which lie outside the kernel; no memory when the
        // argument is a number.
        check(unsafe { syscall3(__NR_ioctl, self.raw() as usize, command as usize, arg) })
    }

    /// Whether it is a terminal (`TCGETS` succeeds).
    pub fn is_terminal(&self) -> bool {
        let mut termios = [0u8; TERMIOS];
        // SAFETY: the buffer is live and of the size the command fills in.
        check(unsafe {
            syscall3(__NR_ioctl, self.raw() as usize, c::TCGETS as usize, termios.as_mut_ptr() as usize)
        })
        .is_ok()
    }
}
