//! What the discipline makes of typed bytes. Each promise was seen on Linux; the C programs of `tests/c` ask it again.

use super::*;
use alloc::vec;

/// A terminal of its own: what was typed, what comes back, what a program reads.
struct Terminal {
    discipline: Discipline,
    termios: Termios,
    flow: Flow,
    packet: Packet,
    signals: Vec<i32>,
}

impl Terminal {
    fn new() -> Terminal {
        Terminal {
            discipline: Discipline::new(),
            termios: Termios::new(),
            flow: Flow::default(),
            packet: Packet { on: true, status: 0 },
            signals: Vec::new(),
        }
    }

    /// With flags switched on and off: input, output, local.
    fn with(on: [u32; 3], off: [u32; 3]) -> Terminal {
        let mut terminal = Terminal::new();
        terminal.change(on, off, &[]);
        terminal
    }

    fn change(&mut self, on: [u32; 3], off: [u32; 3], chars: &[(u32, u8)]) {
        let mut bytes = self.termios.to_bytes();
        for (n, at) in [0, 4, 12].into_iter().enumerate() {
            let word = u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
            bytes[at..at + 4].copy_from_slice(&(word & !off[n] | on[n]).to_ne_bytes());
        }
        for (at, char) in chars {
            bytes[17 + *at as usize] = *char;
        }
        let old = self.termios;
        self.termios = old.changed_to(&bytes);
        self.line(|discipline, line| discipline.settings_changed(line, &old));
    }

    fn line<T>(&mut self, work: impl FnOnce(&mut Discipline, &mut Line<'_>) -> T) -> T {
        let mut line = Line {
            termios: &self.termios,
            flow: &mut self.flow,
            limit: 8192,
            packet: &mut self.packet,
            signals: &mut self.signals,
        };
        work(&mut self.discipline, &mut line)
    }

    /// Types; answers what the line shows.
    fn types(&mut self, bytes: &[u8]) -> Vec<u8> {
        assert_eq!(self.line(|discipline, line| discipline.receive(line, bytes)), bytes.len());
        self.shown()
    }

    fn writes(&mut self, bytes: &[u8]) -> Vec<u8> {
        assert_eq!(self.line(|discipline, line| discipline.write(line, bytes)), bytes.len());
        self.shown()
    }

    fn shown(&mut self) -> Vec<u8> {
        self.flow.bytes.drain(..).collect()
    }

    /// One read of at most `len` bytes; none when it would wait.
    fn reads(&mut self, len: usize) -> Option<Vec<u8>> {
        if !self.discipline.readable(&self.termios, false) {
            return None;
        }
        let mut bytes = vec![0; len];
        let count = match self.termios.canonical() {
            true => self.discipline.read_line(&mut bytes).0,
            false => self.discipline.read_raw(&mut bytes),
        };
        bytes.truncate(count);
        Some(bytes)
    }
}

#[test]
fn a_line_is_read_when_it_is_whole() {
    let mut terminal = Terminal::new();
    assert_eq!(terminal.types(b"hel"), b"hel");
    assert_eq!(terminal.reads(10), None);
    assert_eq!(terminal.types(b"lo\r"), b"lo\r\n");
    assert_eq!(terminal.reads(3).unwrap(), b"hel");
    assert_eq!(terminal.reads(10).unwrap(), b"lo\n");
    assert_eq!(terminal.reads(10), None);
}

#[test]
fn end_of_file_ends_a_line_without_being_in_it() {
    let mut terminal = Terminal::new();
    terminal.types(b"ab\x04\x04c\n");
    assert_eq!(terminal.discipline.available(&terminal.termios), 4);
    assert_eq!(terminal.reads(10).unwrap(), b"ab");
    assert_eq!(terminal.reads(10).unwrap(), b"");
    assert_eq!(terminal.reads(10).unwrap(), b"c\n");
    // A full buffer takes the end of file along.
    terminal.types(b"ab\x04cd\n");
    assert_eq!(terminal.reads(2).unwrap(), b"ab");
    terminal.discipline.skip_end_of_file();
    assert_eq!(terminal.reads(10).unwrap(), b"cd\n");
}

#[test]
fn erased_characters_vanish_from_line_and_screen() {
    let mut terminal = Terminal::new();
    assert_eq!(terminal.types(b"ab\x7f"), b"ab\x08 \x08");
    assert_eq!(terminal.types(b"\x01\x7f"), b"^A\x08 \x08\x08 \x08");
    assert_eq!(terminal.types(b"\x7f\x7f\x7f"), b"\x08 \x08");
    assert_eq!(terminal.types(b"one two\x17"), b"one two\x08 \x08\x08 \x08\x08 \x08");
    assert_eq!(terminal.types(b"\x15"), b"\x08 \x08\x08 \x08\x08 \x08\x08 \x08");
    assert_eq!(terminal.types(b"x\n"), b"x\r\n");
    assert_eq!(terminal.reads(10).unwrap(), b"x\n");
}

#[test]
fn a_tab_is_erased_back_to_where_it_began() {
    let mut terminal = Terminal::new();
    terminal.writes(b"> ");
    assert_eq!(terminal.types(b"a\t\x7f"), b"a\t\x08\x08\x08\x08\x08");
    let mut terminal = Terminal::new();
    assert_eq!(terminal.types(b"\t\t\x7f"), b"\t\t\x08\x08\x08\x08\x08\x08\x08\x08");
}

#[test]
fn utf8_characters_are_erased_whole() {
    let mut terminal = Terminal::with([g::IUTF8, 0, 0], [0; 3]);
    assert_eq!(terminal.types("aé\x7f\n".as_bytes()), "aé\x08 \x08\r\n".as_bytes());
    assert_eq!(terminal.reads(10).unwrap(), b"a\n");
    // Half a character stays.
    assert_eq!(terminal.types(b"\x80\x7f\n"), b"\x80\r\n");
}

#[test]
fn hard_copies_show_what_was_erased() {
    let mut terminal = Terminal::with([0, 0, g::ECHOPRT], [0; 3]);
    assert_eq!(terminal.types(b"abc\x7f\x7fd\n"), b"abc\\cb/d\r\n");
    let mut terminal = Terminal::with([0; 3], [0, 0, g::ECHOE | g::ECHOKE]);
    assert_eq!(terminal.types(b"abc\x7f"), b"abc^?");
    assert_eq!(terminal.types(b"\x15"), b"^U\r\n");
}

#[test]
fn literal_next_and_reprint() {
    let mut terminal = Terminal::new();
    assert_eq!(terminal.types(b"a\x16"), b"a^\x08");
    assert_eq!(terminal.types(b"\x03"), b"^C");
    assert_eq!(terminal.types(b"\x12"), b"^R\r\na^C");
    assert_eq!(terminal.types(b"\x16\n\n"), b"^\x08^J\r\n");
    assert_eq!(terminal.reads(10).unwrap(), b"a\x03\n\n");
    assert!(terminal.signals.is_empty());
}

#[test]
fn signals_throw_typed_and_written_away() {
    let mut terminal = Terminal::new();
    // What comes at once is not even echoed.
    assert_eq!(terminal.types(b"abc\x03"), b"^C");
    assert_eq!(terminal.types(b"\x1c"), b"^\\");
    assert_eq!(terminal.types(b"\x1a"), b"^Z");
    assert_eq!(terminal.signals, [2, 3, 20]);
    assert_eq!(terminal.packet.status, g::TIOCPKT_FLUSHREAD | g::TIOCPKT_FLUSHWRITE);
    assert_eq!(terminal.types(b"d\n"), b"d\r\n");
    assert_eq!(terminal.reads(10).unwrap(), b"d\n");
    let mut terminal = Terminal::with([0, 0, g::NOFLSH], [0; 3]);
    terminal.types(b"abc\x03\n");
    assert_eq!(terminal.reads(10).unwrap(), b"abc\n");
    let mut terminal = Terminal::with([0; 3], [0, 0, g::ISIG]);
    terminal.types(b"abc\x03\n");
    assert_eq!((terminal.reads(10).unwrap(), terminal.signals.len()), (b"abc\x03\n".to_vec(), 0));
}

#[test]
fn stopped_output_waits_and_its_echo_too() {
    let mut terminal = Terminal::new();
    assert_eq!(terminal.types(b"\x13ab"), b"");
    assert_eq!(terminal.packet.status, g::TIOCPKT_STOP);
    assert_eq!(terminal.line(|discipline, line| discipline.write(line, b"out")), 0);
    assert_eq!(terminal.types(b"\x11"), b"ab");
    assert_eq!(terminal.packet.status, g::TIOCPKT_START);
    // Any character starts it.
    terminal.change([g::IXANY, 0, 0], [0; 3], &[]);
    terminal.types(b"\x13");
    assert_eq!(terminal.types(b"c"), b"c");
    // But nothing but a call when a call has stopped it.
    terminal.line(|_, line| line.flow_by_call(true));
    assert_eq!(terminal.types(b"\x11d"), b"");
    terminal.line(|discipline, line| {
        line.flow_by_call(false);
        discipline.process_echoes(line);
    });
    assert_eq!(terminal.shown(), b"d");
    // Without IXON nothing could start it again.
    terminal.change([0; 3], [g::IXANY, 0, 0], &[]);
    assert_eq!(terminal.types(b"\x13e"), b"");
    terminal.change([0; 3], [g::IXON, 0, 0], &[]);
    assert_eq!(terminal.shown(), b"e");
}

#[test]
fn input_is_mapped() {
    let mut terminal = Terminal::with([g::ISTRIP | g::IUCLC, 0, 0], [0; 3]);
    terminal.types(b"A\xc2\n");
    assert_eq!(terminal.reads(10).unwrap(), b"ab\n");
    let mut terminal = Terminal::with([g::IGNCR | g::INLCR, 0, 0], [0; 3]);
    assert_eq!(terminal.types(b"a\rb\n"), b"ab^M");
    let mut terminal = Terminal::with([g::PARMRK, 0, 0], [0, 0, g::ICANON]);
    terminal.types(b"\xffa");
    assert_eq!(terminal.reads(10).unwrap(), b"\xff\xffa");
    let mut terminal = Terminal::with([0; 3], [g::ICRNL, 0, g::ICANON]);
    assert_eq!(terminal.types(b"\n\r"), b"^J^M");
}

#[test]
fn output_is_processed() {
    assert_eq!(Terminal::new().writes(b"a\nb"), b"a\r\nb");
    assert_eq!(Terminal::with([0; 3], [0, g::OPOST, 0]).writes(b"a\nb"), b"a\nb");
    assert_eq!(Terminal::with([0, g::XTABS, 0], [0; 3]).writes(b"ab\tc"), b"ab      c");
    assert_eq!(Terminal::with([0, g::OCRNL, 0], [0; 3]).writes(b"a\r"), b"a\n");
    assert_eq!(Terminal::with([0, g::ONOCR, 0], [0; 3]).writes(b"\ra\r\r"), b"a\r");
    assert_eq!(Terminal::with([0, g::OLCUC, 0], [0; 3]).writes(b"a\xe9"), b"A\xc9");
    // ONLRET: a newline alone goes back to column 0.
    assert_eq!(Terminal::with([0, g::ONLRET | g::ONOCR, 0], [0, g::ONLCR, 0]).writes(b"a\n\r"), b"a\n");
}

#[test]
fn a_line_too_long_keeps_its_beginning_and_its_end() {
    let mut terminal = Terminal::with([0; 3], [0, 0, g::ECHO]);
    terminal.types(&[b'x'; 5000]);
    terminal.types(b"\n");
    let line = terminal.reads(8192).unwrap();
    assert_eq!((line.len(), line.last()), (4096, Some(&b'\n')));
    // Without lines what does not fit waits.
    let mut terminal = Terminal::with([0; 3], [g::ICRNL | g::IXON, 0, g::ECHO | g::ICANON | g::ISIG]);
    assert_eq!(terminal.line(|discipline, line| discipline.receive(line, &[b'x'; 5000])), 4095);
    assert_eq!(terminal.reads(8192).unwrap().len(), 4095);
}

#[test]
fn doubled_bytes_in_a_full_line_do_no_harm() {
    let mut terminal = Terminal::with([g::PARMRK, 0, 0], [0, 0, g::ECHO]);
    for _ in 0..20_000 {
        terminal.types(b"\xff\xfe\xff");
    }
    terminal.types(b"\n");
    while let Some(bytes) = terminal.reads(4096) {
        assert!(bytes.len() <= RING);
    }
}

#[test]
fn leaving_and_entering_lines_keeps_what_was_typed() {
    let mut terminal = Terminal::new();
    terminal.types(b"half");
    terminal.change([0; 3], [0, 0, g::ICANON], &[]);
    assert_eq!(terminal.reads(2).unwrap(), b"ha");
    terminal.change([0, 0, g::ICANON], [0; 3], &[]);
    assert_eq!(terminal.reads(10).unwrap(), b"lf");
    assert_eq!(terminal.reads(10), None);
}

#[test]
fn poll_waits_for_the_minimum() {
    let mut terminal = Terminal::new();
    terminal.change([0; 3], [0, 0, g::ICANON | g::ECHO], &[(g::VMIN, 3)]);
    terminal.types(b"ab");
    assert!(terminal.discipline.readable(&terminal.termios, false));
    assert!(!terminal.discipline.readable(&terminal.termios, true));
    terminal.types(b"c");
    assert!(terminal.discipline.readable(&terminal.termios, true));
    terminal.reads(3);
    terminal.change([0; 3], [0; 3], &[(g::VTIME, 1)]);
    terminal.types(b"d");
    assert!(terminal.discipline.readable(&terminal.termios, true));
}
