//! The text of /proc/PID/smaps and smaps_rollup (proc_pid_smaps(5)): the program's mappings with the host's counts.
//!
//! Which pages are in memory only the host knows: its own smaps of the host process is read, and its mappings, which
//! may be divided otherwise than the program's, are counted to the first of the program's that they meet.

use super::host_ranges::read_file;
use super::maps::{Line, NAME_COLUMN};
use super::space::AddressSpace;
use crate::vfs::Dentry;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Write as _;

/// Fields that are not sums of pages.
const SIZE: &str = "Size";
const PAGE_SIZES: [&str; 2] = ["KernelPageSize", "MMUPageSize"];
const THP_ELIGIBLE: &str = "THPeligible";

/// A mapping of the host, or the sum of some.
#[derive(Default)]
struct Counts<'a> {
    range: (usize, usize),
    file: bool,
    /// KiB, but for [`THP_ELIGIBLE`], in the host's order.
    fields: Vec<(&'a str, u64)>,
    flags: &'a str,
}

impl<'a> Counts<'a> {
    fn get(&self, name: &str) -> u64 {
        self.fields.iter().find(|field| field.0 == name).map_or(0, |field| field.1)
    }

    fn add(&mut self, other: &Counts<'a>) {
        for &(name, value) in &other.fields {
            match self.fields.iter_mut().find(|field| field.0 == name) {
                Some(field) if name == THP_ELIGIBLE || PAGE_SIZES.contains(&name) => {
                    field.1 = field.1.max(value)
                }
                Some(field) => field.1 += value,
                None => self.fields.push((name, value)),
            }
        }
        if self.flags.is_empty() {
            self.flags = other.flags;
        }
    }
}

/// The mappings in a smaps file.
fn parse(text: &str) -> Vec<Counts<'_>> {
    let mut all: Vec<Counts<'_>> = Vec::new();
    for line in text.lines() {
        let Some((word, rest)) = line.split_once(' ') else { continue };
        if let Some((start, end)) = word.split_once('-') {
            let parse = |hex| usize::from_str_radix(hex, 16).unwrap_or(0);
            let file = rest.contains('/');
            all.push(Counts { range: (parse(start), parse(end)), file, ..Counts::default() });
        } else if let (Some(name), Some(counts)) = (word.strip_suffix(':'), all.last_mut()) {
            match rest.trim().trim_end_matches("kB").trim().parse() {
                Ok(value) => counts.fields.push((name, value)),
                Err(_) => counts.flags = rest,
            }
        }
    }
    all
}

impl AddressSpace {
    /// The host's smaps of this address space; empty without /proc on the host.
    fn host_smaps(&self, host_pid: i32) -> Vec<u8> {
        let path = alloc::format!("/proc/{host_pid}/smaps");
        let path = if self.is_current() { "/proc/self/smaps" } else { &path };
        read_file(path.as_bytes()).unwrap_or_default()
    }

    /// Hands out each mapping's line, with its range and the host's counts.
    fn each_counted(
        &self,
        root: &Arc<Dentry>,
        host_pid: i32,
        mut then: impl FnMut((usize, usize), &[u8], &Counts<'_>, bool),
    ) {
        let text = self.host_smaps(host_pid);
        let mut host = parse(core::str::from_utf8(&text).unwrap_or_default()).into_iter().peekable();
        self.each_line(root, |range, line| {
            let mut sum = Counts::default();
            let mut file = false;
            while let Some(counts) = host.next_if(|counts| counts.range.0 < range.1) {
                // What ends before is the kernel's own.
                if counts.range.1 > range.0 {
                    file |= counts.file;
                    sum.add(&counts);
                }
            }
            then(range, line, &sum, file);
        });
    }

    /// The text of /proc/PID/smaps, with paths as they are from `root`.
    pub fn smaps_text(&self, root: &Arc<Dentry>, host_pid: i32) -> Vec<u8> {
        let mut text = Vec::new();
        self.each_counted(root, host_pid, |(start, end), line, counts, _| {
            text.extend_from_slice(line);
            // A `Vec` never fails.
            let _ = writeln!(Line(&mut text), "{:<16}{:>8} kB", "Size:", (end - start) >> 10);
            for (name, value) in counts.fields.iter().filter(|field| field.0 != SIZE) {
                let unit = if *name == THP_ELIGIBLE { "" } else { " kB" };
                let _ = writeln!(Line(&mut text), "{:<16}{value:>8}{unit}", Name(name));
            }
            if !counts.flags.is_empty() {
                let _ = writeln!(Line(&mut text), "VmFlags: {}", counts.flags);
            }
        });
        text
    }

    /// The text of /proc/PID/smaps_rollup.
    pub fn smaps_rollup_text(&self, root: &Arc<Dentry>, host_pid: i32) -> Vec<u8> {
        let (mut first, mut last) = (usize::MAX, 0);
        let (mut pss_anonymous, mut pss_file) = (0, 0);
        let mut text = Vec::new();
        let mut lines = Vec::new();
        self.each_counted(root, host_pid, |(start, end), _, counts, file| {
            (first, last) = (first.min(start), last.max(end));
            // A private mapping of a file holds both: what the program has written, and the file's.
            let pss = counts.get("Pss");
            let anonymous = if file { pss.min(counts.get("Anonymous")) } else { pss };
            pss_anonymous += anonymous;
            pss_file += pss - anonymous;
            for &(name, value) in &counts.fields {
                match lines.iter_mut().find(|(known, _): &&mut (alloc::string::String, u64)| known == name) {
                    Some(line) => line.1 += value,
                    None => lines.push((name.into(), value)),
                }
            }
        });
        if last == 0 {
            return text;
        }
        let _ = write!(Line(&mut text), "{first:08x}-{last:08x} ---p 00000000 00:00 0 ");
        text.resize(text.len().max(NAME_COLUMN), b' ');
        text.extend_from_slice(b"[rollup]\n");
        let mut put = |name: &str, value: u64| {
            let _ = writeln!(Line(&mut text), "{:<16}{value:>8} kB", Name(name));
        };
        for (name, value) in &lines {
            if name == SIZE || name == THP_ELIGIBLE || PAGE_SIZES.contains(&name.as_str()) {
                continue;
            }
            put(name, *value);
            if name == "Pss_Dirty" {
                put("Pss_Anon", pss_anonymous);
                put("Pss_File", pss_file);
                put("Pss_Shmem", 0);
            }
        }
        text
    }
}

/// A field's name with its colon, to be padded as one.
struct Name<'a>(&'a str);

impl core::fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let width = f.width().unwrap_or(0);
        write!(f, "{}:{:pad$}", self.0, "", pad = width.saturating_sub(self.0.len() + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "1000-3000 r--p 00000000 fe:00 24  /usr/bin/cat\nSize:                  8 kB\nRss:                   8 kB\n\
        THPeligible:           0\nVmFlags: rd mr mw me \n3000-4000 rw-p 00000000 00:00 0 \nSize:                  4 kB\n\
        Rss:                   4 kB\nTHPeligible:           1\nVmFlags: rd wr \n";

    #[test]
    fn mappings_of_the_host_are_read_and_summed() {
        let all = parse(TEXT);
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].range, all[0].file, all[0].flags), ((0x1000, 0x3000), true, "rd mr mw me "));
        let mut sum = Counts::default();
        all.iter().for_each(|counts| sum.add(counts));
        assert_eq!((sum.get("Rss"), sum.get(THP_ELIGIBLE), sum.get("none")), (12, 1, 0));
        assert_eq!(alloc::format!("{:<16}|", Name("Rss")), "Rss:            |");
    }
}
