//! ioctl(2) of terminals, pipes and sockets that the host owns, with the program's memory as argument.
//!
//! Only commands in the table are passed on: the table says how many bytes the host reads or writes at the
//! argument, so that a program cannot point the host at kernel memory. What is not in it answers `ENOTTY`.

use super::HostFd;
use crate::{Errno, Result, check, syscall3};
use linux_raw_sys::general::__NR_ioctl;
use linux_raw_sys::ioctl as c;
use usercopy::access_ok;

/// Size of a terminal's settings: `struct termios2`.
pub const SETTINGS_LEN: usize = 44;

/// Size of the kernel's `struct termios`, `termios2`, `winsize`, `serial_icounter_struct` and an `int`.
const TERMIOS: usize = 36;
const TERMIOS2: usize = SETTINGS_LEN;
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
    (c::SIOCATMARK, INT),
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

    /// The settings of a terminal, a `struct termios2`.
    ///
    /// # Errors
    /// `ENOTTY`.
    pub fn terminal_settings(&self) -> Result<[u8; SETTINGS_LEN]> {
        let mut settings = [0; SETTINGS_LEN];
        self.with_bytes(c::TCGETS2, &mut settings)?;
        Ok(settings)
    }

    /// Sets them, wherever the host process stands: as from the foreground.
    ///
    /// # Errors
    /// `ENOTTY`, `EIO`.
    pub fn set_terminal_settings(&self, settings: &[u8; SETTINGS_LEN]) -> Result<()> {
        let mut settings = *settings;
        const SIGTTOU: i32 = 22;
        crate::signal::with_blocked(SIGTTOU, || self.with_bytes(c::TCSETS2, &mut settings))
    }

    /// Device number of a terminal, in the encoding of `st_rdev`, whatever name it was opened by.
    ///
    /// # Errors
    /// `ENOTTY`.
    pub fn terminal_device(&self) -> Result<u32> {
        let mut device = [0; INT];
        self.with_bytes(c::TIOCGDEV, &mut device)?;
        Ok(u32::from_ne_bytes(device))
    }

    /// Whether the host has the calling process in the terminal's foreground, as far as that means anything.
    pub fn is_foreground(&self) -> bool {
        let mut group = [0; INT];
        match self.with_bytes(c::TIOCGPGRP, &mut group) {
            Ok(()) => i32::from_ne_bytes(group) == crate::system::process_group(),
            Err(_) => true,
        }
    }

    /// ioctl(2) with the kernel's own memory; `bytes` is what the command reads or fills in.
    fn with_bytes(&self, command: u32, bytes: &mut [u8]) -> Result<()> {
        // SAFETY: the callers above pass a live buffer of the size that the command's argument has.
        check(unsafe {
            syscall3(__NR_ioctl, self.raw() as usize, command as usize, bytes.as_mut_ptr() as usize)
        })
        .map(drop)
    }

    /// Whether it is a terminal (`TCGETS` succeeds).
    pub fn is_terminal(&self) -> bool {
        self.with_bytes(c::TCGETS, &mut [0; TERMIOS]).is_ok()
    }
}
