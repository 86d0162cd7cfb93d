//! The first look at a file: ELF image, `#!` script or neither. See execve(2), "Interpreter scripts".
//!
//! How often a script's interpreter may itself be a script (5 times, then `ELOOP`) is the caller's to count.

use alloc::vec::Vec;

use linux_raw_sys::elf_uapi::{ELFMAG, SELFMAG};

use crate::LoadError;

/// How many bytes of a file decide what it is (`BINPRM_BUF_SIZE`). A `#!` line is cut off there.
pub const HEAD_LEN: usize = 256;

/// What a file's first bytes say it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// An ELF image; whether a sound one, [`parse`](crate::parse) says.
    Elf,
    /// A script to be run by its interpreter.
    Script(Script),
}

/// A `#!` line, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Path of the interpreter. May be empty, which to Linux is the current directory: `EACCES`, as for any
    /// directory.
    pub interpreter: Vec<u8>,
    /// Everything after the path as *one* argument, without the blanks around it.
    pub argument: Option<Vec<u8>>,
}

/// Tell what the file that begins with `head` is. Give [`HEAD_LEN`] bytes, or the whole of a shorter file.
pub fn identify(head: &[u8]) -> Result<Format, LoadError> {
    if head.starts_with(&ELFMAG[..SELFMAG as usize]) {
        Ok(Format::Elf)
    } else if head.starts_with(b"#!") {
        parse_script(head).map(Format::Script)
    } else {
        Err(LoadError::NotElf)
    }
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Up to the first NUL: Linux copies both parts as C strings.
fn c_string(bytes: &[u8]) -> Vec<u8> {
    bytes.split(|&b| b == 0).next().unwrap_or_default().to_vec()
}

fn parse_script(head: &[u8]) -> Result<Script, LoadError> {
    // Linux looks at a buffer padded with NULs, and those count: a NUL ends the path like a blank does.
    let mut buffer = [0; HEAD_LEN];
    let count = head.len().min(HEAD_LEN);
    buffer[..count].copy_from_slice(&head[..count]);

    let text = buffer.split(|&b| b == 0).next().unwrap_or_default();
    let mut line = match text.iter().position(|&b| b == b'\n') {
        Some(end) => &buffer[2..end],
        None => {
            // Without a newline the line may be cut off. That is harmless in the argument (the interpreter
            // reads the script itself) but must not happen in the path: something has to end it.
            let path = buffer[2..].iter().position(|&b| !is_blank(b)).ok_or(LoadError::BadScript)? + 2;
            if !buffer[path..].iter().any(|&b| is_blank(b) || b == 0) {
                return Err(LoadError::BadScript);
            }
            // The last byte is never part of the line: Linux puts the terminating NUL there.
            &buffer[2..HEAD_LEN - 1]
        }
    };
    while let [rest @ .., last] = line
        && is_blank(*last)
    {
        line = rest;
    }
    let path = line.iter().position(|&b| !is_blank(b)).ok_or(LoadError::BadScript)?;
    let line = &line[path..];
    let end = line.iter().position(|&b| is_blank(b) || b == 0).unwrap_or(line.len());
    let (path, rest) = line.split_at(end);
    // After a blank there is an argument, if only an empty one before the padding; after a NUL there is none.
    let argument = match rest.first() {
        Some(&b) if is_blank(b) => {
            rest.iter().position(|&b| !is_blank(b)).map(|start| c_string(&rest[start..]))
        }
        _ => None,
    };
    Ok(Script { interpreter: path.to_vec(), argument })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(head: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
        match identify(head) {
            Ok(Format::Script(Script { interpreter, argument })) => (interpreter, argument),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_argument_keeps_its_inner_blanks() {
        assert_eq!(script(b"#!/bin/sh\n"), (b"/bin/sh".to_vec(), None));
        assert_eq!(script(b"#! \t/bin/sh  \t-e  x \t\nrest"), (b"/bin/sh".to_vec(), Some(b"-e  x".to_vec())));
        assert_eq!(script(b"#!/bin/sh"), (b"/bin/sh".to_vec(), None));
    }

    #[test]
    fn cut_off_path_is_refused_and_cut_off_argument_is_not() {
        let mut head = b"#!/".to_vec();
        head.resize(HEAD_LEN, b'x');
        assert_eq!(identify(&head), Err(LoadError::BadScript));
        head[100] = b' ';
        let (path, argument) = script(&head);
        assert_eq!((path.len(), argument.map(|a| a.len())), (98, Some(HEAD_LEN - 1 - 101)));
    }

    #[test]
    fn line_without_a_path_is_refused() {
        assert_eq!(identify(b"#!\n"), Err(LoadError::BadScript));
        assert_eq!(identify(b"#!  \t \nx"), Err(LoadError::BadScript));
        assert_eq!(identify(&[b"#!".as_slice(), &[b' '; 300]].concat()), Err(LoadError::BadScript));
    }

    #[test]
    fn neither_kind_is_refused() {
        for head in [b"".as_slice(), b"#", b"\x7fEL", b"echo hi\n", &[0; 300]] {
            assert_eq!(identify(head), Err(LoadError::NotElf));
        }
        assert_eq!(identify(b"\x7fELF"), Ok(Format::Elf));
    }
}
