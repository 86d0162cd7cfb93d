//! Erasing what was typed: ERASE, WERASE and KILL, and how that is shown (`eraser`).

use super::{Discipline, Termios, is_alphanumeric, is_continuation, is_control};
use linux_raw_sys::general as g;

#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Character,
    Word,
    Line,
}

impl Discipline {
    /// Erases because of the character `byte`.
    pub(super) fn erase(&mut self, termios: &Termios, byte: u8) {
        if self.head == self.canon_head {
            return;
        }
        let how = if byte == termios.char(g::VERASE) {
            How::Character
        } else if byte == termios.char(g::VWERASE) {
            How::Word
        } else {
            How::Line
        };
        if how == How::Line && !self.kill_is_shown(termios) {
            return;
        }
        let mut in_word = false;
        while self.head != self.canon_head {
            let Some((start, first)) = self.last_character(termios) else { break };
            if how == How::Word {
                if is_alphanumeric(first) || first == b'_' {
                    in_word = true;
                } else if in_word {
                    break;
                }
            }
            let count = self.head.wrapping_sub(start);
            self.head = start;
            if termios.local(g::ECHO) {
                self.show_erased(termios, how, first, count);
            }
            if how == How::Character {
                break;
            }
        }
        if self.head == self.canon_head && termios.local(g::ECHO) {
            self.finish_erasing();
        }
    }

    /// KILL without `ECHOKE` and what belongs to it: the line goes at once. `true`: each character is to be erased.
    fn kill_is_shown(&mut self, termios: &Termios) -> bool {
        let echo = termios.local(g::ECHO);
        if echo && [g::ECHOK, g::ECHOKE, g::ECHOE].into_iter().all(|flag| termios.local(flag)) {
            return true;
        }
        self.head = self.canon_head;
        if echo {
            self.finish_erasing();
            self.echo(termios, termios.char(g::VKILL));
            if termios.local(g::ECHOK) {
                self.echo_raw(b'\n');
            }
        }
        false
    }

    /// Where the last character of the line begins, and its first byte; none when that is only half there.
    fn last_character(&self, termios: &Termios) -> Option<(usize, u8)> {
        let mut start = self.head;
        loop {
            start = start.wrapping_sub(1);
            let byte = self.at(start);
            if !is_continuation(termios, byte) {
                return Some((start, byte));
            }
            if start == self.canon_head {
                return None;
            }
        }
    }

    /// Shows that the character beginning with `first` is gone; its `count` bytes are those behind the head.
    fn show_erased(&mut self, termios: &Termios, how: How, first: u8, count: usize) {
        if termios.local(g::ECHOPRT) {
            if !self.erasing {
                self.echo_raw(b'\\');
                self.erasing = true;
            }
            self.echo(termios, first);
            for n in 1..count {
                self.echo_raw(self.at(self.head.wrapping_add(n)));
                self.echo_back_column();
            }
        } else if how == How::Character && !termios.local(g::ECHOE) {
            self.echo(termios, termios.char(g::VERASE));
        } else if first == b'\t' {
            let (columns, from_start) = self.columns_before_tab(termios);
            self.echo_erase_tab(columns, from_start);
        } else {
            let columns = match is_control(first) {
                true if !termios.local(g::ECHOCTL) => 0,
                true => 2,
                false => 1,
            };
            for _ in 0..columns {
                b"\x08 \x08".iter().for_each(|&byte| self.echo_raw(byte));
            }
        }
    }

    /// How many columns the characters before the erased tab take, back to the last tab or the start of the line.
    fn columns_before_tab(&self, termios: &Termios) -> (usize, bool) {
        let mut columns = 0;
        let mut at = self.head;
        while at != self.canon_head {
            at = at.wrapping_sub(1);
            match self.at(at) {
                b'\t' => return (columns, false),
                byte if is_control(byte) => columns += if termios.local(g::ECHOCTL) { 2 } else { 0 },
                byte if !is_continuation(termios, byte) => columns += 1,
                _ => {}
            }
        }
        (columns, true)
    }
}
