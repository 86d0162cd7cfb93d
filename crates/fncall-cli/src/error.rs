//! What can go wrong before the kernel takes over, in one line for the user.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why the run did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum CliError {
    /// A path given to an option cannot be used.
    Path {
        /// The option.
        option: &'static str,
        /// The path as given.
        path: PathBuf,
        /// What the host said.
        source: io::Error,
    },
    /// A writable directory that the program would not see.
    OutsideRoot {
        /// The directory to be writable.
        path: PathBuf,
        /// The root of the program's tree.
        root: PathBuf,
    },
    /// The current directory is gone or unreachable.
    CurrentDirectory(io::Error),
    /// `FNCALL_LOG` holds no known level.
    LogLevel(OsString),
    /// No manual page for a command of this name.
    NoSuchCommand(String),
    /// The host is too old; holds its release.
    HostTooOld(String),
    /// The host refused a step of the hand-over to the kernel image.
    HandOver {
        /// What was tried.
        step: &'static str,
        /// What the host said.
        source: io::Error,
    },
    /// Writing to standard output failed.
    Output(io::Error),
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path { option, path, source } => {
                write!(f, "{option} {}: {}", path.display(), describe(source))
            }
            Self::OutsideRoot { path, root } => {
                write!(f, "--write {}: not inside the root {}", path.display(), root.display())
            }
            Self::CurrentDirectory(source) => {
                write!(f, "the current directory cannot be used: {}", describe(source))
            }
            Self::LogLevel(value) => {
                let names = config::LogLevel::NAMES.map(|(name, _)| name).join(", ");
                write!(f, "FNCALL_LOG={}: not one of {names}", value.display())
            }
            Self::NoSuchCommand(name) => write!(f, "there is no command '{name}'"),
            Self::HostTooOld(release) => {
                write!(f, "needs Linux 5.11 or newer (Syscall User Dispatch); this host runs {release}")
            }
            Self::HandOver { step, source } => write!(f, "{step}: {}", describe(source)),
            Self::Output(source) => write!(f, "cannot write the output: {}", describe(source)),
        }
    }
}

impl std::error::Error for CliError {}

/// The host's words without std's "(os error 2)".
fn describe(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(errno) => nix::errno::Errno::from_raw(errno).desc().to_owned(),
        None => error.to_string(),
    }
}
