//! The line discipline (`N_TTY`, termios(3), drivers/tty/n_tty.c): what becomes of bytes between a terminal's line and
//! the program that has it open. No locks, no waiting, no programs: those are `pair`'s.
//!
//! ```text
//!               receive()                      read_line(), read_raw()
//! line ────────► erase, signals, lines ──► ring ────────────────────────► read(2)
//!   ▲                    │ echo
//!   └──── room ◄── echo queue, output processing ◄───────────────────────  write(2)
//! ```

mod echo;
mod erase;
mod output;
mod read;
#[cfg(test)]
mod tests;

use super::termios::{DISABLED, Termios};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use echo::Echo;
use linux_raw_sys::general as g;

/// Bytes of input that are kept (`N_TTY_BUF_SIZE`).
pub const RING: usize = 4096;

/// One side's output: what is on its way to the other side, and whether it may go (`tty->flow`).
#[derive(Debug, Default)]
pub struct Flow {
    /// Bytes the other side has not read.
    pub bytes: VecDeque<u8>,
    /// Output is stopped, by a STOP character or by tcflow(3).
    stopped: bool,
    /// By tcflow(3): only that starts it again.
    by_call: bool,
}

/// What the other side wants to know of this one's state (`TIOCPKT`).
#[derive(Clone, Copy, Debug, Default)]
pub struct Packet {
    /// Whether it does.
    pub on: bool,
    /// `TIOCPKT_*` bits it has not been told.
    pub status: u32,
}

/// What a terminal's line looks like to the discipline while it works.
#[derive(Debug)]
pub struct Line<'a> {
    /// The settings.
    pub termios: &'a Termios,
    /// Where output goes.
    pub flow: &'a mut Flow,
    /// How many bytes may be on their way.
    pub limit: usize,
    /// What the other side is to be told.
    pub packet: &'a mut Packet,
    /// Signals for the foreground group, to be sent when the locks are free.
    pub signals: &'a mut Vec<i32>,
}

impl Line<'_> {
    /// How many bytes the line takes now.
    pub fn room(&self) -> usize {
        if self.flow.stopped { 0 } else { self.limit.saturating_sub(self.flow.bytes.len()) }
    }

    /// Adds to what the other side is told, instead of what contradicts it.
    fn tell(&mut self, add: u32, instead: u32) {
        if self.packet.on {
            self.packet.status = self.packet.status & !instead | add;
        }
    }

    fn set_stopped(&mut self, stopped: bool) {
        self.flow.stopped = stopped;
        let (stop, start) = (g::TIOCPKT_STOP, g::TIOCPKT_START);
        let (add, instead) = if stopped { (stop, start) } else { (start, stop) };
        self.tell(add, instead);
    }

    /// Stops output (`stop_tty`).
    pub fn stop(&mut self) {
        if !self.flow.stopped {
            self.set_stopped(true);
        }
    }

    /// Starts output again, unless tcflow(3) stopped it (`start_tty`).
    pub fn start(&mut self) {
        if self.flow.stopped && !self.flow.by_call {
            self.set_stopped(false);
        }
    }

    /// tcflow(3): `TCOOFF` and `TCOON`.
    pub fn flow_by_call(&mut self, stopped: bool) {
        if self.flow.by_call != stopped {
            self.flow.by_call = stopped;
            if stopped { self.stop() } else { self.start() }
        }
    }

    /// Drops output that the other side has not taken into its own buffer (`pty_flush_buffer`).
    pub fn flush_output(&mut self) {
        self.flow.bytes.truncate(RING - 1);
        self.tell(g::TIOCPKT_FLUSHWRITE, 0);
    }

    /// Whether output waits for a START character that any character may stand for.
    fn waits_for_any(&self) -> bool {
        self.flow.stopped && !self.flow.by_call && self.termios.input(g::IXON) && self.termios.input(g::IXANY)
    }
}

/// The state of one terminal's discipline (`struct n_tty_data`). Positions count bytes for ever; the ring holds the
/// last [`RING`] of them.
#[derive(Debug)]
pub struct Discipline {
    ring: Box<[u8; RING]>,
    /// Positions that end a line, one bit each.
    ends: [u64; RING / 64],
    /// Where the next byte of input goes.
    head: usize,
    /// Behind the last whole line.
    canon_head: usize,
    /// Behind the last byte that a raw reader may have.
    commit_head: usize,
    /// Where reading goes on.
    tail: usize,
    /// A line was ended by leaving canonical mode, not by a character.
    pushed: bool,
    /// The next byte is literal (LNEXT).
    literal: bool,
    /// Erased characters are being shown between `\` and `/` (`ECHOPRT`).
    erasing: bool,
    /// The cursor's column, and the one where the line of input begins.
    column: usize,
    canon_column: usize,
    echoes: VecDeque<Echo>,
}

impl Discipline {
    /// An empty one.
    pub fn new() -> Discipline {
        Discipline {
            ring: Box::new([0; RING]),
            ends: [0; RING / 64],
            head: 0,
            canon_head: 0,
            commit_head: 0,
            tail: 0,
            pushed: false,
            literal: false,
            erasing: false,
            column: 0,
            canon_column: 0,
            echoes: VecDeque::new(),
        }
    }

    fn at(&self, position: usize) -> u8 {
        self.ring[position % RING]
    }

    fn ends_at(&self, position: usize) -> bool {
        let bit = position % RING;
        self.ends[bit / 64] >> (bit % 64) & 1 != 0
    }

    fn set_end(&mut self, position: usize, on: bool) {
        let bit = position % RING;
        let word = &mut self.ends[bit / 64];
        *word = *word & !(1 << (bit % 64)) | u64::from(on) << (bit % 64);
    }

    fn put(&mut self, byte: u8) {
        self.ring[self.head % RING] = byte;
        self.head = self.head.wrapping_add(1);
    }

    /// How many bytes are in the ring, whole lines or not.
    fn len(&self) -> usize {
        self.head.wrapping_sub(self.tail)
    }

    /// Throws all input away (`reset_buffer_flags`).
    fn reset(&mut self) {
        (self.head, self.canon_head, self.commit_head, self.tail) = (0, 0, 0, 0);
        (self.erasing, self.pushed) = (false, false);
        self.ends = [0; RING / 64];
    }

    /// tcflush(3) of input (`n_tty_flush_buffer`).
    pub fn flush_input(&mut self, line: &mut Line<'_>) {
        self.reset();
        line.tell(g::TIOCPKT_FLUSHREAD, 0);
    }

    /// The settings have changed from `old` to those of `line` (`n_tty_set_termios`).
    pub fn settings_changed(&mut self, line: &mut Line<'_>, old: &Termios) {
        let bits = |termios: &Termios| (termios.local(g::ICANON), termios.local(g::EXTPROC));
        if bits(old) != bits(line.termios) {
            self.ends = [0; RING / 64];
            if !line.termios.local(g::ICANON) || self.len() == 0 {
                self.canon_head = self.tail;
                self.pushed = false;
            } else {
                // What was typed before is a line by itself.
                self.set_end(self.head.wrapping_sub(1), true);
                self.canon_head = self.head;
                self.pushed = true;
            }
            self.commit_head = self.head;
            (self.erasing, self.literal) = (false, false);
        }
        if !line.termios.input(g::IXON) && old.input(g::IXON) && !line.flow.by_call {
            line.start();
            self.process_echoes(line);
        }
    }

    /// Takes bytes from the line, as many as there is room for; answers how many (`n_tty_receive_buf_common`).
    pub fn receive(&mut self, line: &mut Line<'_>, bytes: &[u8]) -> usize {
        let mut done = 0;
        while done < bytes.len() {
            let free = RING.saturating_sub(self.len());
            // A byte may take three in the ring with PARMRK.
            let room = if line.termios.input(g::PARMRK) { free.div_ceil(3) } else { free };
            let step = match room.checked_sub(1) {
                Some(room) if room > 0 => room.min(bytes.len() - done),
                _ if line.termios.local(g::ICANON) && self.canon_head == self.tail => {
                    // A line that is too long: its last character is replaced, so that its end can still come.
                    if room == 0 {
                        self.head = self.head.wrapping_sub(1);
                    }
                    1
                }
                _ => break,
            };
            self.receive_some(line, &bytes[done..done + step]);
            done += step;
        }
        done
    }

    fn receive_some(&mut self, line: &mut Line<'_>, bytes: &[u8]) {
        let termios = *line.termios;
        let inputs = g::ISTRIP | g::IUCLC | g::IGNCR | g::ICRNL | g::INLCR | g::IXON | g::PARMRK;
        if !termios.input(inputs) && !termios.local(g::ICANON | g::ISIG | g::ECHO) {
            bytes.iter().for_each(|&byte| self.put(byte));
        } else {
            bytes.iter().for_each(|&byte| self.receive_byte(line, byte));
            if termios.local(g::ECHO | g::ECHONL) {
                self.process_echoes(line);
            }
        }
        if !termios.canonical() {
            self.commit_head = self.head;
        }
    }

    fn receive_byte(&mut self, line: &mut Line<'_>, byte: u8) {
        let termios = *line.termios;
        let mut byte = byte;
        if termios.input(g::ISTRIP) {
            byte &= 0x7f;
        }
        if termios.input(g::IUCLC) && termios.local(g::IEXTEN) {
            byte = to_lower(byte);
        }
        if core::mem::take(&mut self.literal) {
            self.ordinary(line, byte);
        } else if termios.local(g::EXTPROC) {
            self.put(byte);
        } else if byte == DISABLED {
            self.ordinary(line, byte);
        } else {
            self.special(line, byte);
        }
    }

    /// A character without a meaning (`n_tty_receive_char`).
    fn ordinary(&mut self, line: &mut Line<'_>, byte: u8) {
        if line.waits_for_any() {
            line.start();
            self.process_echoes(line);
        }
        self.keep(line, byte, false);
    }

    /// Echoes a character and puts it where readers find it. `newline`: it was made one, and shows as such.
    fn keep(&mut self, line: &Line<'_>, byte: u8, newline: bool) {
        let termios = line.termios;
        if termios.local(g::ECHO) {
            self.finish_erasing();
            if newline {
                self.echo_raw(byte);
            } else {
                self.echo_first(termios, byte);
            }
        }
        if byte == 0xff && termios.input(g::PARMRK) {
            self.put(byte);
        }
        self.put(byte);
    }

    /// A character that may have a meaning (`n_tty_receive_char_special`).
    fn special(&mut self, line: &mut Line<'_>, byte: u8) {
        let termios = *line.termios;
        let is = |at: u32| byte == termios.char(at);
        let extended = termios.local(g::IEXTEN);
        if termios.input(g::IXON) && (is(g::VSTART) || is(g::VSTOP)) {
            if is(g::VSTART) {
                line.start();
                self.process_echoes(line);
            } else {
                line.stop();
            }
            return;
        }
        if termios.local(g::ISIG) {
            let signals = [(g::VINTR, g::SIGINT), (g::VQUIT, g::SIGQUIT), (g::VSUSP, g::SIGTSTP)];
            if let Some((_, signo)) = signals.into_iter().find(|(at, _)| is(*at)) {
                return self.signal(line, signo as i32, byte);
            }
        }
        if line.waits_for_any() {
            line.start();
            self.process_echoes(line);
        }
        let (mut byte, typed) = (byte, byte);
        if byte == b'\r' {
            if termios.input(g::IGNCR) {
                return;
            }
            if termios.input(g::ICRNL) {
                byte = b'\n';
            }
        } else if byte == b'\n' && termios.input(g::INLCR) {
            byte = b'\r';
        }
        if !termios.local(g::ICANON) || !self.edit(line, byte, extended) {
            self.keep(line, byte, byte == b'\n' && typed != byte);
        }
    }

    /// What a character means in a line that is being typed; `false`: it is part of the line.
    fn edit(&mut self, line: &mut Line<'_>, byte: u8, extended: bool) -> bool {
        let termios = line.termios;
        let is = |at: u32| byte != DISABLED && byte == termios.char(at);
        if is(g::VERASE) || is(g::VKILL) || is(g::VWERASE) && extended {
            self.erase(termios, byte);
        } else if is(g::VLNEXT) && extended {
            self.literal = true;
            if termios.local(g::ECHO) {
                self.finish_erasing();
                if termios.local(g::ECHOCTL) {
                    self.echo_raw(b'^');
                    self.echo_raw(b'\x08');
                }
            }
        } else if is(g::VREPRINT) && termios.local(g::ECHO) && extended {
            self.finish_erasing();
            self.echo(termios, byte);
            self.echo_raw(b'\n');
            let mut at = self.canon_head;
            while at != self.head {
                self.echo(termios, self.at(at));
                at = at.wrapping_add(1);
            }
        } else if byte == b'\n' {
            if termios.local(g::ECHO | g::ECHONL) {
                self.echo_raw(b'\n');
            }
            self.end_line(byte);
        } else if is(g::VEOF) {
            self.end_line(DISABLED);
        } else if is(g::VEOL) || is(g::VEOL2) && extended {
            if termios.local(g::ECHO) {
                self.echo_first(termios, byte);
            }
            if byte == 0xff && termios.input(g::PARMRK) {
                self.put(byte);
            }
            self.end_line(byte);
        } else {
            return false;
        }
        true
    }

    fn end_line(&mut self, byte: u8) {
        self.set_end(self.head, true);
        self.put(byte);
        self.canon_head = self.head;
    }

    /// INTR, QUIT or SUSP (`n_tty_receive_signal_char`).
    fn signal(&mut self, line: &mut Line<'_>, signo: i32, byte: u8) {
        self.interrupt(line, signo);
        if line.termios.input(g::IXON) {
            line.start();
        }
        if line.termios.local(g::ECHO) {
            self.echo(line.termios, byte);
        } else {
            self.process_echoes(line);
        }
    }

    /// A signal for the foreground group, which also empties both directions (`isig`).
    fn interrupt(&mut self, line: &mut Line<'_>, signo: i32) {
        line.signals.push(signo);
        if !line.termios.local(g::NOFLSH) {
            self.echoes.clear();
            line.flush_output();
            self.flush_input(line);
        }
    }
}

/// `iscntrl` of the kernel's Latin-1 table.
fn is_control(byte: u8) -> bool {
    byte < 0x20 || byte == 0x7f
}

/// `isalnum` of the kernel's Latin-1 table.
fn is_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0xc0 && byte != 0xd7 && byte != 0xf7
}

/// `tolower` of the kernel's Latin-1 table.
fn to_lower(byte: u8) -> u8 {
    let upper = byte.is_ascii_uppercase() || (0xc0..=0xde).contains(&byte) && byte != 0xd7;
    if upper { byte + 32 } else { byte }
}

/// `toupper` of the kernel's Latin-1 table.
fn to_upper(byte: u8) -> u8 {
    let lower = byte.is_ascii_lowercase() || byte >= 0xe0 && byte != 0xf7 || byte == 0xdf;
    if lower { byte - 32 } else { byte }
}

/// Whether it is not the first byte of a character of UTF-8 (`IUTF8`).
fn is_continuation(termios: &Termios, byte: u8) -> bool {
    termios.input(g::IUTF8) && byte & 0xc0 == 0x80
}
