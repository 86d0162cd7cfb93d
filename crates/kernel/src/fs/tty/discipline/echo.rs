//! Echo: what was typed goes back to the line, as soon as that has room (`struct n_tty_data.echo_buf`).

use super::{Discipline, Line, Termios, is_control};
use linux_raw_sys::general as g;

/// Echoes that wait for the line (`N_TTY_BUF_SIZE`); older ones are given up.
const MOST: usize = 4096;

/// One step of echoing. The column counts when it is done, not when it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Echo {
    /// A character, with output processing.
    Byte(u8),
    /// A control character as `^X`.
    Control(u8),
    /// Back over a tab: the columns before it since the last tab, or since the start of the line when `from_start`.
    EraseTab { columns: usize, from_start: bool },
    /// The line of input begins here.
    SetCanonColumn,
    /// A byte of a character that takes no column of its own.
    BackColumn,
}

impl Discipline {
    fn add_echo(&mut self, echo: Echo) {
        if self.echoes.len() >= MOST {
            self.echoes.pop_front();
        }
        self.echoes.push_back(echo);
    }

    /// Echoes a byte as it is (`echo_char_raw`).
    pub(super) fn echo_raw(&mut self, byte: u8) {
        self.add_echo(Echo::Byte(byte));
    }

    /// Echoes a character, controls as `^X` with `ECHOCTL` (`echo_char`).
    pub(super) fn echo(&mut self, termios: &Termios, byte: u8) {
        let control = termios.local(g::ECHOCTL) && is_control(byte) && byte != b'\t';
        self.add_echo(if control { Echo::Control(byte) } else { Echo::Byte(byte) });
    }

    /// Echoes a character, which may be the first of its line.
    pub(super) fn echo_first(&mut self, termios: &Termios, byte: u8) {
        if self.canon_head == self.head {
            self.add_echo(Echo::SetCanonColumn);
        }
        self.echo(termios, byte);
    }

    pub(super) fn echo_back_column(&mut self) {
        self.add_echo(Echo::BackColumn);
    }

    pub(super) fn echo_erase_tab(&mut self, columns: usize, from_start: bool) {
        self.add_echo(Echo::EraseTab { columns, from_start });
    }

    /// Closes what `ECHOPRT` shows of erased characters.
    pub(super) fn finish_erasing(&mut self) {
        if core::mem::take(&mut self.erasing) {
            self.echo_raw(b'/');
        }
    }

    /// Sends echoes while there is room (`__process_echoes`).
    pub fn process_echoes(&mut self, line: &mut Line<'_>) {
        while let Some(&echo) = self.echoes.front() {
            let room = line.room();
            let done = match echo {
                Echo::Byte(byte) => self.output(line, byte),
                Echo::Control(byte) => {
                    let fits = room >= 2;
                    if fits {
                        line.flow.bytes.extend([b'^', byte ^ 0o100]);
                        self.column += 2;
                    }
                    fits
                }
                Echo::EraseTab { columns, from_start } => {
                    let columns = if from_start { columns + self.canon_column } else { columns };
                    let back = 8 - columns % 8;
                    let fits = room >= back;
                    if fits {
                        line.flow.bytes.extend(core::iter::repeat_n(b'\x08', back));
                        self.column = self.column.saturating_sub(back);
                    }
                    fits
                }
                Echo::SetCanonColumn => {
                    self.canon_column = self.column;
                    true
                }
                Echo::BackColumn => {
                    self.column = self.column.saturating_sub(1);
                    true
                }
            };
            if !done {
                break;
            }
            self.echoes.pop_front();
        }
    }
}
