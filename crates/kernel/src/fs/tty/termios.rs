//! Terminal settings (termios(3), `struct ktermios`) and their forms in user memory.
//!
//! The flag constants are Linux's `asm-generic/termbits.h`.

use linux_raw_sys::general as g;

/// `NCCS`
const CONTROL_CHARS: usize = 19;
/// `struct termios`, `struct termios2` and `struct termio` in user memory, in bytes.
pub const TERMIOS_LEN: usize = 36;
/// See [`TERMIOS_LEN`].
pub const TERMIOS2_LEN: usize = 44;
/// See [`TERMIOS_LEN`].
pub const TERMIO_LEN: usize = 18;
/// Control characters that a `struct termio` holds (`NCC`).
const TERMIO_CHARS: usize = 8;

/// A control character that is switched off (`__DISABLED_CHAR`), and how an end of file stands in the buffer.
pub const DISABLED: u8 = 0;

/// What speeds the codes `B0` … `B4000000` mean, in bits a second (`baud_table`).
const SPEEDS: [u32; 31] = [
    0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400, 57600, 115_200,
    230_400, 460_800, 500_000, 576_000, 921_600, 1_000_000, 1_152_000, 1_500_000, 2_000_000, 2_500_000,
    3_000_000, 3_500_000, 4_000_000,
];

/// The settings of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Termios {
    /// `c_iflag`, `c_oflag`, `c_cflag`, `c_lflag`.
    flags: [u32; 4],
    /// `c_line`
    line: u8,
    /// `c_cc`
    cc: [u8; CONTROL_CHARS],
    /// `c_ispeed`, `c_ospeed`, in bits a second.
    speeds: [u32; 2],
}

impl Termios {
    /// As a new slave has it (`tty_std_termios`, `unix98_pty_init`).
    pub fn new() -> Termios {
        let mut cc = [DISABLED; CONTROL_CHARS];
        // INIT_C_CC
        let chars = [
            (g::VINTR, 3),
            (g::VQUIT, 28),
            (g::VERASE, 127),
            (g::VKILL, 21),
            (g::VEOF, 4),
            (g::VMIN, 1),
            (g::VSTART, 17),
            (g::VSTOP, 19),
            (g::VSUSP, 26),
            (g::VREPRINT, 18),
            (g::VDISCARD, 15),
            (g::VWERASE, 23),
            (g::VLNEXT, 22),
        ];
        for (at, char) in chars {
            cc[at as usize] = char;
        }
        let local = g::ISIG | g::ICANON | g::ECHO | g::ECHOE | g::ECHOK | g::ECHOCTL | g::ECHOKE | g::IEXTEN;
        let flags = [g::ICRNL | g::IXON, g::OPOST | g::ONLCR, g::B38400 | g::CS8 | g::CREAD, local];
        Termios { flags, line: 0, cc, speeds: [38400; 2] }
    }

    /// As a master has it: nothing is changed on the way.
    pub fn raw() -> Termios {
        Termios { flags: [0, 0, g::B38400 | g::CS8 | g::CREAD, 0], ..Termios::new() }
    }

    /// Whether one of these input flags is set.
    #[inline]
    pub fn input(&self, flags: u32) -> bool {
        self.flags[0] & flags != 0
    }

    /// Whether one of these output flags is set.
    #[inline]
    pub fn output(&self, flags: u32) -> bool {
        self.flags[1] & flags != 0
    }

    /// A field of several output bits.
    #[inline]
    pub fn output_field(&self, mask: u32) -> u32 {
        self.flags[1] & mask
    }

    /// Whether one of these control flags is set.
    #[inline]
    pub fn control(&self, flags: u32) -> bool {
        self.flags[2] & flags != 0
    }

    /// Whether one of these local flags is set.
    #[inline]
    pub fn local(&self, flags: u32) -> bool {
        self.flags[3] & flags != 0
    }

    /// The control character at index `V…`.
    #[inline]
    pub fn char(&self, at: u32) -> u8 {
        self.cc[at as usize]
    }

    /// Whether input is made into lines (`ICANON` without `EXTPROC`).
    #[inline]
    pub fn canonical(&self) -> bool {
        self.local(g::ICANON) && !self.local(g::EXTPROC)
    }

    /// Sets `CLOCAL` (`TIOCSSOFTCAR`).
    pub fn set_clocal(&mut self, on: bool) {
        self.flags[2] = self.flags[2] & !g::CLOCAL | if on { g::CLOCAL } else { 0 };
    }

    /// What a pseudo-terminal makes of new settings: always eight bits without parity (`pty_set_termios`).
    pub fn for_pty(mut self) -> Termios {
        self.flags[2] = self.flags[2] & !(g::CSIZE | g::PARENB) | g::CS8 | g::CREAD;
        self
    }

    /// As `struct termios2`; its first [`TERMIOS_LEN`] bytes are a `struct termios`.
    pub fn to_bytes(self) -> [u8; TERMIOS2_LEN] {
        let mut bytes = [0; TERMIOS2_LEN];
        for (n, word) in self.flags.iter().enumerate() {
            bytes[n * 4..n * 4 + 4].copy_from_slice(&word.to_ne_bytes());
        }
        bytes[16] = self.line;
        bytes[17..36].copy_from_slice(&self.cc);
        bytes[36..40].copy_from_slice(&self.speeds[0].to_ne_bytes());
        bytes[40..44].copy_from_slice(&self.speeds[1].to_ne_bytes());
        bytes
    }

    /// These settings changed to a `struct termios` (36 bytes, which keeps the speeds of `BOTHER`) or
    /// `struct termios2` (44 bytes).
    pub fn changed_to(mut self, bytes: &[u8]) -> Termios {
        let word =
            |at: usize| bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map(u32::from_ne_bytes);
        for (n, flags) in self.flags.iter_mut().enumerate() {
            *flags = word(n * 4).unwrap_or(*flags);
        }
        self.line = bytes.get(16).copied().unwrap_or(self.line);
        if let Some(cc) = bytes.get(17..36) {
            self.cc.copy_from_slice(cc);
        }
        self.speeds = [word(36).unwrap_or(self.speeds[0]), word(40).unwrap_or(self.speeds[1])];
        self.speeds = self.real_speeds();
        self
    }

    /// As `struct termio`.
    pub fn to_termio(self) -> [u8; TERMIO_LEN] {
        let mut bytes = [0; TERMIO_LEN];
        for (n, word) in self.flags.iter().enumerate() {
            bytes[n * 2..n * 2 + 2].copy_from_slice(&(*word as u16).to_ne_bytes());
        }
        bytes[8] = self.line;
        bytes[9..9 + TERMIO_CHARS].copy_from_slice(&self.cc[..TERMIO_CHARS]);
        bytes
    }

    /// These settings changed to a `struct termio`: what it has no room for stays.
    pub fn changed_to_termio(mut self, bytes: &[u8; TERMIO_LEN]) -> Termios {
        for (n, flags) in self.flags.iter_mut().enumerate() {
            *flags = *flags & !0xffff | u32::from(u16::from_ne_bytes([bytes[n * 2], bytes[n * 2 + 1]]));
        }
        self.line = bytes[8];
        self.cc[..TERMIO_CHARS].copy_from_slice(&bytes[9..9 + TERMIO_CHARS]);
        self.speeds = self.real_speeds();
        self
    }

    /// The speeds that the codes in `c_cflag` mean (`tty_termios_baud_rate`).
    fn real_speeds(&self) -> [u32; 2] {
        let speed = |code: u32, other: u32| match code & g::CBAUD {
            g::BOTHER => other,
            code if code & g::CBAUDEX != 0 => {
                SPEEDS.get((code & !g::CBAUDEX) as usize + 15).copied().unwrap_or(0)
            }
            code => SPEEDS.get(code as usize).copied().unwrap_or(0),
        };
        let output = speed(self.flags[2], self.speeds[1]);
        let input = self.flags[2] >> g::IBSHIFT & g::CBAUD;
        [if input == g::B0 { output } else { speed(input, self.speeds[0]) }, output]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_come_back_as_they_went() {
        let termios = Termios::new();
        assert_eq!(Termios::raw().changed_to(&termios.to_bytes()), termios);
        let mut bytes = termios.to_bytes();
        bytes[..4].copy_from_slice(&0x1234_5678u32.to_ne_bytes());
        let changed = termios.changed_to_termio(&termios.changed_to(&bytes).to_termio());
        assert_eq!(changed.flags[0], 0x5678);
    }

    #[test]
    fn speeds_follow_their_codes() {
        let speed = |cflag: u32| {
            let mut bytes = Termios::new().to_bytes();
            bytes[8..12].copy_from_slice(&cflag.to_ne_bytes());
            bytes[36..44].copy_from_slice(&[7, 0, 0, 0, 9, 0, 0, 0]);
            Termios::new().changed_to(&bytes).speeds
        };
        assert_eq!(speed(g::B9600), [9600, 9600]);
        assert_eq!(speed(g::B4000000), [4_000_000, 4_000_000]);
        assert_eq!(speed(g::BOTHER), [9, 9]);
        assert_eq!(speed(g::BOTHER | g::BOTHER << g::IBSHIFT), [7, 9]);
        assert_eq!(speed(g::B9600 | g::B50 << g::IBSHIFT), [50, 9600]);
    }
}
