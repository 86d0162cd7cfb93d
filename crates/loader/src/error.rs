//! Why a file cannot be executed, in words for people and in Linux's answer to the program: an errno, or
//! death by SIGSEGV when Linux finds the fault only after it has thrown the old address space away.

use core::fmt;

use linux_raw_sys::errno::{E2BIG, EINVAL, ELIBBAD, ENOEXEC, ENOMEM};

/// Why a file cannot be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadError {
    /// Neither an ELF image nor a `#!` script.
    NotElf,
    /// A `#!` line without a whole interpreter path in its first 256 bytes.
    BadScript,
    /// Built for another machine; `machine` is the file's `e_machine`.
    WrongArchitecture {
        /// `e_machine` of the file, an `EM_*` number.
        machine: u16,
    },
    /// A 32-bit image.
    WrongClass,
    /// The file ends before its tables do.
    Truncated,
    /// A table that cannot be right; the text says which.
    BadHeader(&'static str),
    /// The file ends before the interpreter's path does, or the path lies at an impossible offset.
    BadInterpreterPath {
        /// What execve answers: `EIO` or `EINVAL`.
        errno: i32,
    },
    /// The image named as interpreter is not one; the reason it was given itself is in the text.
    BadInterpreter(&'static str),
    /// A segment that cannot be mapped; the text says why. Linux notices after the point of no return.
    BadSegment(&'static str),
    /// The image does not fit into the address space.
    TooBig,
    /// Arguments and environment are longer than the stack limit allows.
    ArgumentsTooLong,
    /// Reading the file failed with this errno.
    Io(i32),
}

impl LoadError {
    /// What execve(2) answers on Linux, as a positive errno. Of an error that [`kills`](Self::kills) it is the
    /// reason Linux keeps to itself, for reports.
    #[must_use]
    pub fn errno(self) -> i32 {
        let errno = match self {
            Self::NotElf | Self::BadScript | Self::WrongArchitecture { .. } | Self::WrongClass => ENOEXEC,
            Self::Truncated | Self::BadHeader(_) => ENOEXEC,
            Self::BadInterpreter(_) => ELIBBAD,
            Self::BadSegment(_) => EINVAL,
            Self::TooBig => ENOMEM,
            Self::ArgumentsTooLong => E2BIG,
            Self::BadInterpreterPath { errno } | Self::Io(errno) => return errno,
        };
        errno as i32
    }

    /// Whether Linux finds this fault only after the old program is gone, so that the process dies of SIGSEGV
    /// instead of seeing an errno.
    #[must_use]
    pub fn kills(self) -> bool {
        matches!(self, Self::BadSegment(_) | Self::TooBig)
    }

    /// The same fault found in an interpreter: what would be `ENOEXEC` becomes `ELIBBAD`.
    pub(crate) fn in_interpreter(self) -> Self {
        match self {
            Self::NotElf => Self::BadInterpreter("not an ELF image"),
            Self::WrongArchitecture { .. } => Self::BadInterpreter("built for another machine"),
            Self::WrongClass => Self::BadInterpreter("a 32-bit image"),
            Self::Truncated => Self::BadInterpreter("the file ends before its program headers do"),
            Self::BadHeader(what) => Self::BadInterpreter(what),
            // The program headers are read with errors ignored: any failure is a bad library.
            Self::Io(_) => Self::BadInterpreter("its program headers cannot be read"),
            other => other,
        }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotElf => f.write_str("neither an ELF image nor a script"),
            Self::BadScript => f.write_str("the #! line has no complete interpreter path"),
            Self::WrongArchitecture { machine } => {
                write!(f, "built for another machine (e_machine {machine}, not x86-64)")
            }
            Self::WrongClass => f.write_str("a 32-bit image; only 64-bit ones can run"),
            Self::Truncated => f.write_str("the file ends before its headers do"),
            Self::BadHeader(what) => write!(f, "bad ELF header: {what}"),
            Self::BadInterpreterPath { .. } => f.write_str("the path of the ELF interpreter cannot be read"),
            Self::BadInterpreter(what) => write!(f, "bad ELF interpreter: {what}"),
            Self::BadSegment(what) => write!(f, "bad ELF segment: {what}"),
            Self::TooBig => f.write_str("the image does not fit into the address space"),
            Self::ArgumentsTooLong => f.write_str("arguments and environment are too long"),
            Self::Io(errno) => write!(f, "reading the file failed (errno {errno})"),
        }
    }
}

impl core::error::Error for LoadError {}
