//! Every kind of broken file, judged by this crate and by the Linux it runs on: the two must agree on success,
//! on the errno, and on errors that Linux answers with SIGSEGV because the old program is already gone.

mod common;

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use common::*;
use loader::{Format, HEAD_LEN, LoadError, identify, parse, parse_interpreter};

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Runs,
    Errno(i32),
    Killed,
}

/// One at a time: a file that a parallel fork holds open for writing cannot be executed.
static ONE: Mutex<()> = Mutex::new(());

struct File(PathBuf);

impl File {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("fncall-loader-{}-{name}", std::process::id()));
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o755).open(&path).unwrap();
        file.write_all(bytes).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
    }
}

/// What Linux does with the file.
fn linux(file: &File) -> Verdict {
    match Command::new(&file.0).status() {
        Err(error) => Verdict::Errno(error.raw_os_error().unwrap()),
        Ok(status) if status.signal() == Some(11) => Verdict::Killed,
        Ok(status) => {
            assert_eq!(status.code(), Some(42), "{status}");
            Verdict::Runs
        }
    }
}

fn verdict<T>(result: Result<T, LoadError>) -> Verdict {
    match result {
        Ok(_) => Verdict::Runs,
        Err(error) if error.kills() => Verdict::Killed,
        Err(error) => Verdict::Errno(error.errno()),
    }
}

/// What this crate says of the file.
fn ours(bytes: &[u8]) -> Verdict {
    verdict(identify(&bytes[..bytes.len().min(HEAD_LEN)]).and_then(|format| {
        assert_eq!(format, Format::Elf);
        parse(&bytes)
    }))
}

/// A name and the image that goes by it.
type Case = (&'static str, Image);

fn spoil(image: Image, spoil: impl FnOnce(&mut Image)) -> Image {
    let mut image = image;
    spoil(&mut image);
    image
}

fn cases() -> Vec<Case> {
    let exec = || Image::new(ET_EXEC);
    let with_data = || Image::new(ET_EXEC).with_data();
    let pie = || Image::new(ET_DYN).with_data();
    let second = |change: fn(&mut Phdr)| spoil(with_data(), |i| change(&mut i.phdrs[1]));
    let mut cases = vec![
        ("sound", exec()),
        ("sound with data", with_data()),
        ("sound static-pie", pie()),
        // Headers.
        ("magic", spoil(exec(), |i| i.magic[1] = b'e')),
        ("class is not looked at", spoil(exec(), |i| i.class = 77)),
        ("relocatable object", spoil(exec(), |i| i.kind = 1)),
        ("core dump", spoil(exec(), |i| i.kind = 4)),
        ("arm", spoil(exec(), |i| i.machine = 183)),
        ("no program headers", spoil(exec(), |i| i.phnum = Some(0))),
        ("program headers past the end", spoil(exec(), |i| i.phnum = Some(1000))),
        ("too many program headers", spoil(exec(), |i| i.phnum = Some(1171))),
        ("all the program headers there can be", spoil(exec(), |i| i.phnum = Some(65535))),
        ("entry size", spoil(exec(), |i| i.phentsize = 32)),
        ("entry size, larger", spoil(exec(), |i| i.phentsize = 64)),
        ("phoff past the end", spoil(exec(), |i| i.phoff = 1 << 40)),
        ("phoff negative", spoil(exec(), |i| i.phoff = u64::MAX - 7)),
        ("phoff wraps", spoil(exec(), |i| i.phoff = i64::MAX as u64 - 3)),
        ("nothing to load", spoil(exec(), |i| i.phdrs[0].kind = 0)),
        ("entry in the hole", spoil(exec(), |i| i.entry = 1 << 50)),
        // Segments.
        ("more in the file than in memory", second(|p| p.filesz = p.memsz + 1)),
        ("first: more in the file", spoil(exec(), |i| i.phdrs[0].memsz = 1)),
        ("memsz beyond user memory", second(|p| p.memsz = 1 << 48)),
        ("memsz wraps", second(|p| p.memsz = u64::MAX)),
        ("vaddr beyond user memory", second(|p| p.vaddr = 1 << 47)),
        ("vaddr wraps", second(|p| p.vaddr = 0xffff_ffff_ffff_f000)),
        ("end beyond user memory", second(|p| p.vaddr = 0x7fff_ffff_e000)),
        ("offset misaligned", second(|p| p.offset += 1)),
        ("vaddr misaligned", second(|p| p.vaddr += 8)),
        ("both misaligned alike", second(|p| (p.vaddr, p.offset) = (p.vaddr + 8, p.offset + 8))),
        ("offset past the end, tail to clear", second(|p| p.offset = 0x10_0000)),
        ("offset past the end, nothing to clear", second(|p| (p.offset, p.memsz) = (0x10_0000, p.filesz))),
        ("offset past the end, whole pages", second(|p| (p.offset, p.filesz) = (0x10_0000, 0x1000))),
        ("tail in the last page of the file", second(|p| p.filesz = 0xff0)),
        ("offset past the end, not writable", second(|p| (p.offset, p.flags) = (0x10_0000, PF_R))),
        ("offset negative", second(|p| p.offset = 0xffff_ffff_ffff_f000)),
        ("offset + size negative", second(|p| p.offset = 0x7fff_ffff_ffff_f000)),
        ("only zeroes", second(|p| p.filesz = 0)),
        ("only zeroes, misaligned", second(|p| (p.filesz, p.vaddr) = (0, p.vaddr + 9))),
        ("empty segment", second(|p| (p.filesz, p.memsz) = (0, 0))),
        ("no permissions", second(|p| p.flags = 0)),
        ("alignment not a power of two", second(|p| p.align = 12345)),
        ("alignment zero", second(|p| p.align = 0)),
        ("descending order", spoil(with_data(), |i| i.phdrs.reverse())),
        // The second page, mapped over the first, holds no code: running into it would fault.
        ("overlap keeps the later one", second(|p| (p.vaddr, p.memsz, p.flags) = (BASE, 0x10, PF_R))),
        ("twice the same", spoil(exec(), |i| i.phdrs.push(i.phdrs[0]))),
        ("aligned to 2 MiB", spoil(pie(), |i| i.phdrs[0].align = 1 << 21)),
        ("aligned to 1 GiB", spoil(pie(), |i| i.phdrs[0].align = 1 << 30)),
        ("pie: entry in the hole", spoil(pie(), |i| i.entry = 1 << 50)),
        ("pie: vaddr beyond user memory", spoil(pie(), |i| i.phdrs[1].vaddr = 1 << 47)),
        ("pie: offset misaligned", spoil(pie(), |i| i.phdrs[1].offset = 0x1001)),
        // Interpreters: the impossible ones here, those that exist below.
        ("interpreter path empty", exec().with_interpreter(b"\0")),
        ("interpreter path unterminated", exec().with_interpreter(b"/lib64/ld")),
        ("interpreter path too long", spoil(exec().with_interpreter(&[0; 4097]), |_| ())),
        (
            "interpreter path past the end",
            spoil(exec().with_interpreter(b"/x\0"), |i| i.phdrs[0].offset = 1 << 30),
        ),
        (
            "interpreter path negative",
            spoil(exec().with_interpreter(b"/x\0"), |i| i.phdrs[0].offset = 1 << 63),
        ),
        ("interpreter path wraps", {
            spoil(exec().with_interpreter(b"/x\0"), |i| i.phdrs[0].offset = i64::MAX as u64 - 1)
        }),
    ];
    for cut in [0, 3, 4, 5, 16, 63, 64, 100, 119] {
        cases.push(("cut short", spoil(exec(), |i| i.cut = Some(cut))));
    }
    cases
}

#[test]
fn broken_files_get_the_answer_of_linux() {
    let _one = ONE.lock();
    let mut wrong = Vec::new();
    for (name, image) in cases() {
        let bytes = image.bytes();
        let (ours, linux) = (ours(&bytes), linux(&File::new("case", &bytes)));
        // An overlap is loaded by both; what runs then is the later segment.
        let expected = if name.starts_with("overlap") {
            assert_eq!(linux, Verdict::Killed);
            Verdict::Runs
        } else {
            linux
        };
        if ours != expected {
            wrong.push(format!(
                "{name} {:?}: ours {ours:?} ({:?}), Linux {expected:?}",
                image.cut,
                parse(&&bytes[..]).err()
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn broken_interpreters_get_the_answer_of_linux() {
    let _one = ONE.lock();
    let mut wrong = Vec::new();
    for (name, image) in cases() {
        if name.starts_with("overlap") {
            continue;
        }
        // Two images at one address: Linux refuses, and so must whoever carries the plans out.
        let interpreter = spoil(image, |i| {
            for phdr in i.phdrs.iter_mut().filter(|p| p.kind == PT_LOAD && i.kind == ET_EXEC) {
                phdr.vaddr = phdr.vaddr.wrapping_add(0x1000_0000);
            }
            if i.kind == ET_EXEC {
                i.entry = i.entry.wrapping_add(0x1000_0000);
            }
        });
        let bytes = interpreter.bytes();
        let file = File::new("interpreter", &bytes);
        let path = [file.0.as_os_str().as_encoded_bytes(), b"\0"].concat();
        let program = Image::new(ET_EXEC).with_interpreter(&path).bytes();
        let expected = linux(&File::new("program", &program));
        let plan = parse(&&program[..]).unwrap();
        assert_eq!(plan.interpreter.as_deref(), Some(&path[..path.len() - 1]));
        let ours = verdict(parse_interpreter(&&bytes[..]));
        if ours != expected {
            wrong.push(format!("{name} {:?}: ours {ours:?}, Linux {expected:?}", interpreter.cut));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn scripts_are_read_as_linux_reads_them() {
    let _one = ONE.lock();
    let long = |byte: u8, len: usize| vec![byte; len];
    let echo = b"#!/bin/echo".to_vec();
    let cases: Vec<Vec<u8>> = vec![
        b"#!/bin/echo\n".into(),
        b"#! \t /bin/echo  one two\t \nrest".into(),
        b"#!/bin/echo".into(),
        b"#!/bin/echo ".into(),
        b"#!/bin/echo \t".into(),
        b"#!/bin/echo \n".into(),
        b"#!/bin/echo a\0b\n".into(),
        b"#!/bin/echo\0 a\n".into(),
        b"#!/bin/echo\0\n".into(),
        b"#!/bin/echo \0\n".into(),
        b"#!/bin/echo a\r\n".into(),
        b"#!".into(),
        b"#!\n".into(),
        b"#! \t\n/bin/echo".into(),
        b"#".into(),
        b"#?/bin/echo\n".into(),
        [echo.clone(), long(b' ', 300), b"x\n".to_vec()].concat(),
        [echo.clone(), b" ".to_vec(), long(b'x', 400)].concat(),
        [echo.clone(), b" ".to_vec(), long(b'x', 243), b"\n".to_vec()].concat(),
        [echo.clone(), b" ".to_vec(), long(b'x', 244), b"\n".to_vec()].concat(),
        [echo.clone(), b" ".to_vec(), long(b'x', 242), b" y".to_vec()].concat(),
        [echo.clone(), long(b' ', 243), b"y".to_vec()].concat(),
        [echo.clone(), long(b' ', 244), b"y".to_vec()].concat(),
        [b"#!".to_vec(), long(b'/', 244), b"bin/echo\n".to_vec()].concat(),
        [b"#!".to_vec(), long(b'/', 245), b"bin/echo\n".to_vec()].concat(),
        [b"#!".to_vec(), long(b'/', 245), b"bin/echo \n".to_vec()].concat(),
        [b"#!".to_vec(), long(b'/', 246), b"bin/echo\n".to_vec()].concat(),
        [b"#!".to_vec(), long(b' ', 253), b"/bin/echo\n".to_vec()].concat(),
        [b"#!".to_vec(), long(b' ', 254), b"/bin/echo\n".to_vec()].concat(),
    ];
    let mut wrong = Vec::new();
    for bytes in cases {
        let file = File::new("script", &bytes);
        let path = file.0.as_os_str().as_encoded_bytes();
        let linux = match Command::new(&file.0).output() {
            Ok(output) => Ok(output.stdout),
            Err(error) => Err(error.raw_os_error().unwrap()),
        };
        let ours = match identify(&bytes[..bytes.len().min(HEAD_LEN)]) {
            // The empty path is the current directory: EACCES.
            Ok(Format::Script(script)) if script.interpreter.is_empty() => Err(13),
            Ok(Format::Script(script)) => {
                assert!(script.interpreter.ends_with(b"/bin/echo"), "{script:?}");
                let mut output = script.argument.map(|a| [&a[..], b" "].concat()).unwrap_or_default();
                output.extend(path);
                output.push(b'\n');
                Ok(output)
            }
            Ok(Format::Elf) => panic!(),
            Err(error) => Err(error.errno()),
        };
        if ours != linux {
            let text = |r: &Result<Vec<u8>, i32>| {
                r.as_ref().map(|o| String::from_utf8_lossy(o).into_owned()).map_err(|e| *e)
            };
            wrong.push(format!("{}: ours {:?}, Linux {:?}", bytes.escape_ascii(), text(&ours), text(&linux)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
