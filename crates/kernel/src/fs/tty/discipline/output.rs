//! Output processing (`OPOST`): what a program writes on its way to the line.

use super::{Discipline, Line, is_continuation, is_control, to_upper};
use linux_raw_sys::general as g;

impl Discipline {
    /// Sends as much of a program's output as there is room for; answers how much.
    pub fn write(&mut self, line: &mut Line<'_>, bytes: &[u8]) -> usize {
        if line.termios.output(g::OPOST) {
            return bytes.iter().position(|&byte| !self.output(line, byte)).unwrap_or(bytes.len());
        }
        let count = line.room().min(bytes.len());
        line.flow.bytes.extend(&bytes[..count]);
        count
    }

    /// Sends one character, processed when the settings say so (`do_output_char`); `false`: no room for it.
    pub(super) fn output(&mut self, line: &mut Line<'_>, byte: u8) -> bool {
        let termios = line.termios;
        let room = line.room();
        if room == 0 {
            return false;
        }
        let mut byte = byte;
        if termios.output(g::OPOST) {
            match byte {
                b'\n' => {
                    if termios.output(g::ONLRET) {
                        self.column = 0;
                    }
                    if termios.output(g::ONLCR) {
                        if room < 2 {
                            return false;
                        }
                        (self.canon_column, self.column) = (0, 0);
                        line.flow.bytes.push_back(b'\r');
                    } else {
                        self.canon_column = self.column;
                    }
                }
                b'\r' if termios.output(g::ONOCR) && self.column == 0 => return true,
                b'\r' => {
                    let as_newline = termios.output(g::OCRNL);
                    if as_newline {
                        byte = b'\n';
                    }
                    if !as_newline || termios.output(g::ONLRET) {
                        (self.canon_column, self.column) = (0, 0);
                    }
                }
                b'\t' => {
                    let spaces = 8 - self.column % 8;
                    // The other values of the field ask for delays.
                    if line.tabs_are_spaces() {
                        if room < spaces {
                            return false;
                        }
                        self.column += spaces;
                        line.flow.bytes.extend(core::iter::repeat_n(b' ', spaces));
                        return true;
                    }
                    self.column += spaces;
                }
                b'\x08' => self.column = self.column.saturating_sub(1),
                _ if !is_control(byte) => {
                    if termios.output(g::OLCUC) {
                        byte = to_upper(byte);
                    }
                    self.column += usize::from(!is_continuation(termios, byte));
                }
                _ => {}
            }
        }
        line.flow.bytes.push_back(byte);
        true
    }
}

impl Line<'_> {
    /// `XTABS`: all bits of the field.
    fn tabs_are_spaces(&self) -> bool {
        self.termios.output_field(g::TABDLY) == g::XTABS
    }
}
