//! The name of a core file: /proc/sys/kernel/core_pattern and core_uses_pid (core(5), `format_corename`).
//!
//! The instance begins with the host's pattern. One that begins with `|` would start a program of the host: the host's
//! own is replaced by `core`, and none is taken from programs.

use crate::task::{Process, Task};
use crate::{Errno, Result};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;
use host::io::IoDst;
use host::mutex::Mutex;

/// Longest pattern in bytes (`CORENAME_MAX_SIZE`, with its NUL).
const PATTERN_MAX: usize = 127;

/// Pattern and whether the number of the process is added.
#[derive(Clone, Debug)]
struct Settings {
    pattern: Vec<u8>,
    uses_pid: i32,
}

/// Once somebody has asked.
static SETTINGS: Mutex<Option<Settings>> = Mutex::new(None);

fn with<T>(then: impl FnOnce(&mut Settings) -> T) -> T {
    let mut settings = SETTINGS.lock();
    then(settings.get_or_insert_with(|| {
        let pattern = host_value(b"/proc/sys/kernel/core_pattern").unwrap_or_default();
        let uses_pid = host_value(b"/proc/sys/kernel/core_uses_pid")
            .and_then(|text| core::str::from_utf8(&text).ok()?.parse().ok());
        let usable = !pattern.is_empty() && !matches!(pattern[0], b'|' | b'@');
        Settings { pattern: if usable { pattern } else { b"core".to_vec() }, uses_pid: uses_pid.unwrap_or(0) }
    }))
}

/// The first line of a small file.
fn host_value(path: &[u8]) -> Option<Vec<u8>> {
    let file = host::file::open(None, path, 0, 0, 0).ok()?;
    let mut text = alloc::vec![0; PATTERN_MAX + 1];
    let count = file.read(&mut IoDst::kernel(&mut text), None).ok()?;
    Some(line(&text[..count]).to_vec())
}

fn line(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| matches!(byte, 0 | b'\n')).unwrap_or(text.len());
    &text[..end.min(PATTERN_MAX)]
}

/// The text of /proc/sys/kernel/NAME, one of the two.
pub fn sysctl(name: &str) -> Vec<u8> {
    match name {
        "core_pattern" => with(|settings| [&settings.pattern[..], b"\n"].concat()),
        _ => with(|settings| format!("{}\n", settings.uses_pid).into_bytes()),
    }
}

/// Takes what was written to it.
///
/// # Errors
/// `EINVAL` for what is no number, or a pattern that is to start a program or reach a server.
pub fn set_sysctl(name: &str, text: &[u8]) -> Result<()> {
    match name {
        "core_pattern" => {
            let pattern = line(text).to_vec();
            if matches!(pattern.first(), Some(b'|' | b'@')) {
                return Err(Errno::INVAL);
            }
            with(|settings| settings.pattern = pattern);
        }
        _ => {
            let number =
                core::str::from_utf8(line(text)).ok().and_then(|text| text.trim_ascii().parse().ok());
            let number = number.ok_or(Errno::INVAL)?;
            with(|settings| settings.uses_pid = number);
        }
    }
    Ok(())
}

/// The name for the process of `task`, which `signo` ends.
pub fn of(task: &Task, signo: i32, limit: u64) -> Vec<u8> {
    let Settings { pattern, uses_pid } = with(|settings| settings.clone());
    let process = &task.process;
    let cred = process.cred();
    let uname = host::system::uname();
    // The second of its members, each 65 bytes.
    let host = line(&uname[65..130]).to_vec();
    let facts = Facts {
        pid: process.pid,
        tid: task.tid,
        uid: cred.uid,
        gid: cred.gid,
        dumpable: process.dumpable.load(Relaxed),
        signo,
        seconds: host::clock::realtime_ns() / 1_000_000_000,
        cpu: host::system::cpu().0,
        host,
        comm: task.comm(),
        exe: exe(process),
        limit,
    };
    facts.format(&pattern, uses_pid != 0)
}

fn exe(process: &Arc<Process>) -> Option<Vec<u8>> {
    let exe = process.exec.lock().exe.clone()?;
    let root = process.fs.lock().root.lock().clone();
    exe.path_from(&root)
}

/// What a pattern may name.
#[derive(Clone, Debug, Default)]
struct Facts {
    pid: i32,
    tid: i32,
    uid: u32,
    gid: u32,
    dumpable: i32,
    signo: i32,
    seconds: u64,
    cpu: u32,
    host: Vec<u8>,
    comm: Vec<u8>,
    exe: Option<Vec<u8>>,
    limit: u64,
}

impl Facts {
    fn format(&self, pattern: &[u8], uses_pid: bool) -> Vec<u8> {
        let mut name = Vec::new();
        let mut has_pid = false;
        let mut rest = pattern.iter();
        while let Some(&byte) = rest.next() {
            if byte != b'%' {
                name.push(byte);
                continue;
            }
            let mut number = |value: u64| name.extend_from_slice(format!("{value}").as_bytes());
            match rest.next() {
                // A single % at the end is dropped.
                None => break,
                Some(b'%') => name.push(b'%'),
                Some(b'p') => {
                    has_pid = true;
                    number(self.pid as u64);
                }
                Some(b'P') => number(self.pid as u64),
                Some(b'i' | b'I') => number(self.tid as u64),
                Some(b'u') => number(self.uid.into()),
                Some(b'g') => number(self.gid.into()),
                Some(b'd') => number(self.dumpable as u64),
                Some(b's') => number(self.signo as u64),
                Some(b't') => number(self.seconds),
                Some(b'c') => number(self.limit),
                Some(b'C') => number(self.cpu.into()),
                Some(b'h') => component(&mut name, &self.host),
                Some(b'e') => component(&mut name, &self.comm),
                Some(b'E') => component(&mut name, &self.exe_path()),
                Some(b'f') => {
                    let path = self.exe_path();
                    component(&mut name, path.rsplit(|byte| *byte == b'/').next().unwrap_or_default());
                }
                // Unknown ones are dropped.
                Some(_) => {}
            }
        }
        if uses_pid && !has_pid {
            name.extend_from_slice(format!(".{}", self.pid).as_bytes());
        }
        name
    }

    fn exe_path(&self) -> Vec<u8> {
        let unknown = || [&self.comm[..], b" (path unknown)"].concat();
        self.exe.clone().unwrap_or_else(unknown)
    }
}

/// Appends a name that must not lead anywhere else (`cn_esc_printf`).
fn component(name: &mut Vec<u8>, part: &[u8]) {
    match part {
        b"" | b"." => name.push(b'!'),
        b".." => name.extend_from_slice(b"!."),
        _ => name.extend(part.iter().map(|byte| if *byte == b'/' { b'!' } else { *byte })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            pid: 12,
            tid: 13,
            uid: 1000,
            gid: 100,
            dumpable: 1,
            signo: 11,
            seconds: 1_700_000_000,
            cpu: 3,
            host: b"box".to_vec(),
            comm: b"a/b".to_vec(),
            exe: Some(b"/usr/bin/prog".to_vec()),
            limit: u64::MAX,
        }
    }

    #[test]
    fn every_letter_of_the_manual() {
        let name = |pattern: &str| {
            alloc::string::String::from_utf8(facts().format(pattern.as_bytes(), false)).unwrap()
        };
        assert_eq!(name("core"), "core");
        assert_eq!(name("%p.%P.%i.%I"), "12.12.13.13");
        assert_eq!(name("%u-%g-%d-%s"), "1000-100-1-11");
        assert_eq!(name("/var/%t/%h/%C"), "/var/1700000000/box/3");
        assert_eq!(name("%e,%f,%E"), "a!b,prog,!usr!bin!prog");
        assert_eq!(name("%c"), "18446744073709551615");
        assert_eq!(name("100%%%"), "100%");
        assert_eq!(name("a%zb"), "ab");
    }

    #[test]
    fn the_number_is_added_unless_it_is_there() {
        assert_eq!(facts().format(b"core", true), b"core.12");
        assert_eq!(facts().format(b"core.%p", true), b"core.12");
        assert_eq!(facts().format(b"", true), b".12");
    }

    #[test]
    fn no_part_leads_elsewhere() {
        for (comm, expected) in [("", "x/!"), (".", "x/!"), ("..", "x/!."), ("../..", "x/..!..")] {
            let facts = Facts { comm: comm.as_bytes().to_vec(), ..facts() };
            assert_eq!(facts.format(b"x/%e", false), expected.as_bytes(), "{comm:?}");
        }
    }
}
