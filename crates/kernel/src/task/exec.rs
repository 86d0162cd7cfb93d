//! execve(2): a new program in place of the old one.

use super::Current;
use crate::Errno;
use alloc::vec::Vec;

/// Why a program could not be started, with words for the person who asked for it on the command line.
#[derive(Debug)]
pub struct ExecError {
    /// What execve(2) answers.
    pub errno: Errno,
    /// The file it is about.
    pub path: Vec<u8>,
    /// What is the matter with it.
    pub reason: alloc::string::String,
}

/// Replaces the calling process's program by the file at `path`.
///
/// # Errors
/// Those of execve(2). The old program is untouched then.
pub fn execve(
    _cur: &mut Current<'_>,
    path: &[u8],
    _argv: Vec<Vec<u8>>,
    _envp: Vec<Vec<u8>>,
) -> Result<(), ExecError> {
    Err(ExecError { errno: Errno::NOSYS, path: path.to_vec(), reason: "not there yet".into() })
}
