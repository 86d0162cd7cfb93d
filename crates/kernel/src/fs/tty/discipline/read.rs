//! The readers' side: lines, raw bytes, and how much there is.

use super::{DISABLED, Discipline, RING, Termios};
use linux_raw_sys::general as g;

impl Discipline {
    /// Whether a read would find something; with `for_poll` as poll(2) means it, which waits for `VMIN` bytes when
    /// there is no `VTIME` (`input_available_p`).
    pub fn readable(&self, termios: &Termios, for_poll: bool) -> bool {
        if termios.canonical() {
            return self.canon_head != self.tail;
        }
        let (min, time) = (usize::from(termios.char(g::VMIN)), termios.char(g::VTIME));
        let wanted = if for_poll && time == 0 { min.max(1) } else { 1 };
        self.commit_head.wrapping_sub(self.tail) >= wanted
    }

    /// How many bytes a reader could have (`FIONREAD`).
    pub fn available(&self, termios: &Termios) -> usize {
        if !termios.canonical() {
            return self.len();
        }
        let lines = self.canon_head.wrapping_sub(self.tail);
        let ends_of_file =
            (0..lines).map(|n| self.tail.wrapping_add(n)).filter(|&at| self.is_end_of_file(at));
        lines - ends_of_file.count()
    }

    fn is_end_of_file(&self, at: usize) -> bool {
        self.ends_at(at) && self.at(at) == DISABLED
    }

    /// Takes from the first line what fits `to`; answers how much, and whether the line goes on
    /// (`canon_copy_from_read_buf`).
    pub fn read_line(&mut self, to: &mut [u8]) -> (usize, bool) {
        let there = self.canon_head.wrapping_sub(self.tail).min(to.len()).min(RING);
        if there == 0 {
            return (0, false);
        }
        let end = (0..there).find(|&n| self.ends_at(self.tail.wrapping_add(n)));
        let count = match end {
            Some(end) if self.at(self.tail.wrapping_add(end)) == DISABLED => end,
            Some(end) => end + 1,
            None => there,
        };
        for (n, byte) in to[..count].iter_mut().enumerate() {
            *byte = self.at(self.tail.wrapping_add(n));
        }
        let Some(end) = end else {
            self.tail = self.tail.wrapping_add(there);
            return (count, self.tail != self.canon_head);
        };
        let end = self.tail.wrapping_add(end);
        self.set_end(end, false);
        self.tail = end.wrapping_add(1);
        self.pushed = false;
        (count, false)
    }

    /// A reader's buffer is full: an end of file that comes next belongs to what was read (`canon_skip_eof`).
    pub fn skip_end_of_file(&mut self) {
        if self.tail != self.canon_head && self.is_end_of_file(self.tail) {
            self.set_end(self.tail, false);
            self.tail = self.tail.wrapping_add(1);
        }
    }

    /// Takes bytes that are not made into lines; answers how many.
    pub fn read_raw(&mut self, to: &mut [u8]) -> usize {
        let count = self.commit_head.wrapping_sub(self.tail).min(to.len()).min(RING);
        for (n, byte) in to[..count].iter_mut().enumerate() {
            *byte = self.at(self.tail.wrapping_add(n));
        }
        self.tail = self.tail.wrapping_add(count);
        count
    }
}
