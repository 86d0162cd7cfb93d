//! execve(2) and execveat(2).

use crate::task::{Current, ExecError, Resource, Strings, execveat};
use crate::uaccess::{Args, PathBuf, get, get_string};
use crate::{Errno, Result};
use alloc::vec::Vec;
use linux_raw_sys::general::AT_FDCWD;
use loader::{MAX_ARG_STRLEN, argument_limit};

/// The wait status of a process that SIGSEGV killed.
const KILLED_BY_SIGSEGV: i32 = 11;

/// execve(2): path, arguments, environment.
pub fn sys_execve(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    PathBuf::with(args.usize(0), |path| exec(cur, AT_FDCWD, path, args.usize(1), args.usize(2), 0))
}

/// execveat(2): directory, path, arguments, environment, flags.
pub fn sys_execveat(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    PathBuf::with(args.usize(1), |path| {
        exec(cur, args.i32(0), path, args.usize(2), args.usize(3), args.u32(4))
    })
}

fn exec(
    cur: &mut Current<'_>,
    dirfd: i32,
    path: &[u8],
    argv: usize,
    envp: usize,
    flags: u32,
) -> Result<usize> {
    // What one may copy in is bounded by what one may pass on.
    let mut room = argument_limit(cur.process().limit(Resource::Stack)) as usize;
    let strings = || Ok(Strings { argv: strings(argv, &mut room)?, envp: strings(envp, &mut room)? });
    match execveat(cur, dirfd, path, flags, strings) {
        // `rax` of a new program is 0.
        Ok(()) => Ok(0),
        Err(ExecError { fatal: true, path, reason, .. }) => {
            host::log!(Info, "{}: {reason}", path.escape_ascii());
            cur.exit = Some(KILLED_BY_SIGSEGV);
            Ok(0)
        }
        Err(error) => {
            host::log!(Debug, "{}: {}", error.path.escape_ascii(), error.reason);
            Err(error.errno)
        }
    }
}

/// Reads an array of pointers to strings up to its NULL; a NULL array is an empty one. `room` is what may still be
/// read, in bytes.
fn strings(mut array: usize, room: &mut usize) -> Result<Vec<Vec<u8>>> {
    let mut strings = Vec::new();
    if array == 0 {
        return Ok(strings);
    }
    loop {
        let pointer: usize = get(array)?;
        if pointer == 0 {
            return Ok(strings);
        }
        let string = get_string(pointer, MAX_ARG_STRLEN - 1, Errno::TOOBIG)?;
        let cost = string.len() + 1 + size_of::<usize>();
        *room = room.checked_sub(cost).ok_or(Errno::TOOBIG)?;
        strings.push(string);
        array = array.wrapping_add(size_of::<usize>());
    }
}
