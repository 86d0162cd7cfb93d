//! utimensat(2) and its elders utime(2), utimes, futimesat.

use super::at::{self, CWD, Named, check_flags};
use crate::task::Current;
use crate::uaccess::{Args, get};
use crate::vfs::notify::Events;
use crate::vfs::{Fd, SetAttr, TimeSpec};
use crate::{Errno, Result};
use linux_raw_sys::general::{AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW};

/// `UTIME_NOW` in the nanoseconds: the time of the call.
const UTIME_NOW: i64 = (1 << 30) - 1;
/// `UTIME_OMIT` in the nanoseconds: leave as it is.
const UTIME_OMIT: i64 = (1 << 30) - 2;

/// What becomes of one time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Now,
    Omit,
    To(TimeSpec),
}

/// `utimensat(dirfd, path, times, flags)`
pub fn sys_utimensat(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let times = match args.usize(2) {
        0 => [Change::Now; 2],
        addr => {
            let [asec, ansec, msec, mnsec] = get::<[i64; 4]>(addr)?;
            // Nothing to do at all: not even the path is looked at.
            if ansec == UTIME_OMIT && mnsec == UTIME_OMIT {
                return Ok(0);
            }
            [change(asec, ansec)?, change(msec, mnsec)?]
        }
    };
    utimes(cur, args.i32(0), args.usize(1), times, args.u32(3))
}

/// `utime(path, times)`: whole seconds.
pub fn sys_utime(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let times = match args.usize(1) {
        0 => [Change::Now; 2],
        addr => get::<[i64; 2]>(addr)?.map(|sec| Change::To(TimeSpec { sec, nsec: 0 })),
    };
    utimes(cur, CWD, args.usize(0), times, 0)
}

/// `utimes(path, times)`: microseconds.
pub fn sys_utimes(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let times = microseconds(args.usize(1))?;
    utimes(cur, CWD, args.usize(0), times, 0)
}

/// `futimesat(dirfd, path, times)`
pub fn sys_futimesat(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let times = microseconds(args.usize(2))?;
    utimes(cur, args.i32(0), args.usize(1), times, 0)
}

fn microseconds(addr: usize) -> Result<[Change; 2]> {
    if addr == 0 {
        return Ok([Change::Now; 2]);
    }
    let [asec, ausec, msec, musec] = get::<[i64; 4]>(addr)?;
    if !(0..1_000_000).contains(&ausec) || !(0..1_000_000).contains(&musec) {
        return Err(Errno::INVAL);
    }
    let time = |sec, usec: i64| Change::To(TimeSpec { sec, nsec: usec as u32 * 1000 });
    Ok([time(asec, ausec), time(msec, musec)])
}

fn change(sec: i64, nsec: i64) -> Result<Change> {
    match nsec {
        UTIME_NOW => Ok(Change::Now),
        UTIME_OMIT => Ok(Change::Omit),
        0..1_000_000_000 => Ok(Change::To(TimeSpec { sec, nsec: nsec as u32 })),
        _ => Err(Errno::INVAL),
    }
}

/// `do_utimes`; a null path means the descriptor itself.
fn utimes(cur: &Current<'_>, dirfd: Fd, path: usize, times: [Change; 2], flags: u32) -> Result<usize> {
    if path == 0 && dirfd != CWD {
        if flags != 0 {
            return Err(Errno::INVAL);
        }
        return set_times(cur, &Named::File(cur.file(dirfd)?), times);
    }
    check_flags(flags, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)?;
    let found = at::lookup_user(cur, dirfd, path, flags)?;
    set_times(cur, &found, times)
}

/// Setting both times to now is a kind of writing; everything else is the owner's (`setattr_prepare`).
fn set_times(cur: &Current<'_>, found: &Named, times: [Change; 2]) -> Result<usize> {
    let inode = found.inode();
    let cred = cur.cred();
    if times == [Change::Now; 2] {
        if !cred.owns(&**inode)? {
            inode.permission(&cred, 2)?;
        }
    } else if !cred.owns(&**inode)? {
        return Err(Errno::PERM);
    }
    let now = TimeSpec::now();
    let [atime, mtime] = times.map(|change| match change {
        Change::Now => Some(now),
        Change::Omit => None,
        Change::To(time) => Some(time),
    });
    let at_present = times.map(|change| change == Change::Now);
    inode.set_attr(&SetAttr { atime, mtime, now: at_present, ..SetAttr::default() })?;
    // One time alone counts as what would have changed it (`fsnotify_change`).
    found.changed(match (atime, mtime) {
        (Some(_), None) => Events::ACCESS,
        (None, Some(_)) => Events::MODIFY,
        _ => Events::ATTRIB,
    });
    Ok(0)
}
