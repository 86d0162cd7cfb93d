//! ioctl(2): the commands that any file understands; the others are the file's own.

use super::open::{How, open_found};
use crate::fs::tty::Master;
use crate::task::Current;
use crate::uaccess::{Args, get, put};
use crate::vfs::namei::{Resolve, Walk};
use crate::vfs::{self, Fd, File, FileType, OpenFlags};
use crate::{Errno, Result};
use alloc::sync::Arc;
use linux_raw_sys::general::CAP_SYS_ADMIN;
use linux_raw_sys::ioctl as i;

/// `ioctl(fd, op, argp)`
pub fn sys_ioctl(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (fd, command, arg) = (args.i32(0), args.u32(1), args.usize(2));
    let file = cur.file(fd)?;
    match command {
        i::FIOCLEX => set_cloexec(cur, fd, true),
        i::FIONCLEX => set_cloexec(cur, fd, false),
        i::FIONBIO => set_flag(&file, fd, OpenFlags::NONBLOCK, arg),
        i::FIOASYNC => set_flag(&file, fd, OpenFlags::ASYNC, arg),
        i::FIOQSIZE => match file.kind() {
            FileType::Regular | FileType::Directory | FileType::Symlink => {
                put(arg, &(file.inode.stat()?.size as i64))?;
                Ok(0)
            }
            _ => Err(Errno::NOTTY),
        },
        i::FIGETBSZ => {
            put(arg, &(file.inode.stat()?.blksize as i32))?;
            Ok(0)
        }
        i::FIFREEZE | i::FITHAW => {
            let may = cur.cred().capable(CAP_SYS_ADMIN);
            Err(if may { Errno::OPNOTSUPP } else { Errno::PERM })
        }
        i::FIONREAD if file.kind() == FileType::Regular && !crate::fs::anon::is_anon(&file) => {
            let left = file.inode.stat()?.size as i64 - file.tell()? as i64;
            put(arg, &(left as i32))?;
            Ok(0)
        }
        i::FICLONE => clone(cur, &file, arg as Fd),
        i::FICLONERANGE => {
            let range: [u64; 4] = get(arg)?;
            clone(cur, &file, range[0] as Fd)
        }
        i::TIOCGPTPEER => match file.ops_as::<Master>() {
            Some(master) => open_peer(cur, master, arg as u32),
            None => file.ops.ioctl(command, arg),
        },
        _ => file.ops.ioctl(command, arg),
    }
}

/// `TIOCGPTPEER`: opens the slave, whatever is mounted where its name would be looked for.
fn open_peer(cur: &Current<'_>, master: &Master, flags: u32) -> Result<usize> {
    let name = alloc::format!("{}", master.pair().index);
    let base = crate::fs::devpts::mounted().ok_or(Errno::IO)?;
    let cred = cur.cred();
    let walk = Walk { cred: &cred, root: &base, base: &base, resolve: Resolve::empty() };
    let file = open_found(&walk, name.as_bytes(), &How::lenient(flags, 0)?)?;
    Ok(cur.install(file, flags & OpenFlags::CLOEXEC.bits() != 0)? as usize)
}

fn set_cloexec(cur: &Current<'_>, fd: Fd, on: bool) -> Result<usize> {
    cur.files.set_cloexec(fd, on)?;
    Ok(0)
}

fn set_flag(file: &Arc<File>, fd: Fd, flag: OpenFlags, arg: usize) -> Result<usize> {
    let on = get::<i32>(arg)? != 0;
    let flags = file.flags();
    if flag == OpenFlags::ASYNC && on != flags.contains(flag) && !file.ops.signals_readiness() {
        return Err(Errno::NOTTY);
    }
    file.set_status_flags(if on { flags | flag } else { flags - flag });
    vfs::fasync::flags_changed(file, fd);
    Ok(0)
}

/// Sharing of extents (ioctl_ficlone(2)): no file system here has any. The checks are those that come before.
fn clone(cur: &Current<'_>, file: &Arc<File>, source: Fd) -> Result<usize> {
    let source = cur.file(source)?;
    if file.kind() == FileType::Directory || source.kind() == FileType::Directory {
        return Err(Errno::ISDIR);
    }
    if file.kind() != FileType::Regular || source.kind() != FileType::Regular {
        return Err(Errno::INVAL);
    }
    let flags = file.flags();
    if !source.flags().readable() || !flags.writable() || flags.contains(OpenFlags::APPEND) {
        return Err(Errno::BADF);
    }
    Err(Errno::OPNOTSUPP)
}
