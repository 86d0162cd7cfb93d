//! execve(2): a new program in place of the old one.
//!
//! First everything that can fail is found out ([`Image`]: which files, where they go, what lies on the stack),
//! while the old program is whole. Then comes the point of no return: the old mappings go, the new ones come
//! ([`load`]), and the thread's registers are those of a fresh program.
//!
//! Set-user-ID and set-group-ID bits and file capabilities do nothing, as on a mount with `nosuid`: the kernel has
//! no privilege on the host that it could give away.

mod image;
mod load;

pub use image::Image;
pub use load::replace;

use super::{Current, share};
use crate::vfs::Fd;
use crate::{Errno, Result};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;
use linux_raw_sys::general::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW};
use loader::LoadError;

/// What the parts of execve(2) answer.
pub type ExecResult<T> = core::result::Result<T, ExecError>;

/// Why a program could not be started, with words for the person who asked for it on the command line.
#[derive(Debug)]
pub struct ExecError {
    /// What execve(2) answers.
    pub errno: Errno,
    /// The file it is about.
    pub path: Vec<u8>,
    /// What is the matter with it.
    pub reason: String,
    /// The old program is gone, or Linux would have noticed only after that: the process dies of SIGSEGV.
    pub fatal: bool,
}

impl ExecError {
    fn new(errno: Errno, path: &[u8], reason: impl ToString) -> ExecError {
        ExecError { errno, path: path.to_vec(), reason: reason.to_string(), fatal: false }
    }

    /// With the words of execve(2)'s man page.
    fn of_errno(errno: Errno, path: &[u8]) -> ExecError {
        ExecError::new(errno, path, describe(errno))
    }

    fn of_load(error: LoadError, path: &[u8]) -> ExecError {
        let errno = Errno::from_raw_os_error(error.errno());
        ExecError { fatal: error.kills(), ..ExecError::new(errno, path, error) }
    }
}

/// Replaces the calling process's program by the file at `path`.
///
/// # Errors
/// Those of execve(2). The old program is untouched then, unless the error is `fatal`.
pub fn execve(cur: &mut Current<'_>, path: &[u8], argv: Vec<Vec<u8>>, envp: Vec<Vec<u8>>) -> ExecResult<()> {
    execveat(cur, AT_FDCWD, path, 0, || Ok(Strings { argv, envp }))
}

/// Arguments and environment of a program.
#[derive(Debug, Default)]
pub struct Strings {
    /// Arguments.
    pub argv: Vec<Vec<u8>>,
    /// Environment, `NAME=VALUE` each.
    pub envp: Vec<Vec<u8>>,
}

/// As [`execve`], relative to `dirfd`, with the flags of execveat(2). `strings` is asked when the file is found.
///
/// # Errors
/// Those of execveat(2).
pub fn execveat(
    cur: &mut Current<'_>,
    dirfd: Fd,
    path: &[u8],
    flags: u32,
    strings: impl FnOnce() -> Result<Strings>,
) -> ExecResult<()> {
    if flags & !(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0 {
        return Err(ExecError::of_errno(Errno::INVAL, path));
    }
    // Whether it was too many then counts, and whether it still is.
    let family = &cur.process().family;
    if family.over_limit.load(Relaxed) {
        let count = super::process_count(cur.cred().uid);
        if count as u64 > cur.process().limit(super::Resource::Nproc) {
            return Err(ExecError::of_errno(Errno::AGAIN, path));
        }
        family.over_limit.store(false, Relaxed);
    }
    let image = Image::find(cur, dirfd, path, flags, strings)?;
    let borrowed = cur.process().family.borrowed.load(Relaxed);
    if borrowed || share::is_shared(cur.process()) {
        let fail = |errno| ExecError::of_errno(errno, path);
        load::detach(cur).map_err(fail)?;
        super::exit::release_words(cur.task);
        // Without its other threads a process cannot go on with the old program.
        let moved = super::move_out(cur, image);
        return moved.map_err(|errno| ExecError { fatal: !borrowed, ..fail(errno) });
    }
    load::replace(cur, image)
}

/// One line for an errno that a path gave.
fn describe(errno: Errno) -> &'static str {
    match errno {
        Errno::NOENT => "no such file",
        Errno::NOTDIR => "part of the path is not a directory",
        Errno::ACCESS => "not executable, or not to be reached, by this user",
        Errno::LOOP => "too many symbolic links or nested scripts",
        Errno::NAMETOOLONG => "the path is too long",
        Errno::NOMEM => "not enough memory",
        Errno::TOOBIG => "the arguments are too long",
        Errno::NOEXEC => "not a format that can be executed",
        Errno::IO => "reading the file failed",
        Errno::INVAL => "invalid argument",
        Errno::BADF => "bad descriptor",
        Errno::AGAIN => "the user has too many processes",
        _ => "cannot be executed",
    }
}
