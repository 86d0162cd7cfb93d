//! open(2): open, openat, creat; what openat2(2) shares with them.

use super::at::CWD;
use super::entry::{may_create, new_node};
use crate::task::{Cred, Current};
use crate::uaccess::{Args, PathBuf};
use crate::vfs::namei::{ForCreate, Found, Last, Parent, Resolve, Walk};
use crate::vfs::notify::{self, Events};
use crate::vfs::{Dentry, Fd, File, FileType, Inode, InodeRef, OpenFlags, Reading, Writing, lease};
use crate::{Errno, Result};
use alloc::sync::Arc;
use core::sync::atomic::Ordering::Relaxed;
use linux_raw_sys::general::CAP_FOWNER;

/// What `O_PATH` leaves of the other flags.
const PATH_FLAGS: OpenFlags =
    OpenFlags::DIRECTORY.union(OpenFlags::NOFOLLOW).union(OpenFlags::PATH).union(OpenFlags::CLOEXEC);
/// The bit of `O_TMPFILE` that is not `O_DIRECTORY` (`__O_TMPFILE`).
const TMPFILE_BIT: u32 = OpenFlags::TMPFILE.bits() & !OpenFlags::DIRECTORY.bits();

/// `open(path, flags, mode)`
pub fn sys_open(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    open(cur, CWD, args.usize(0), &How::lenient(args.u32(1), args.u32(2))?)
}

/// `creat(path, mode)`
pub fn sys_creat(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let flags = OpenFlags::CREAT | OpenFlags::WRONLY | OpenFlags::TRUNC;
    open(cur, CWD, args.usize(0), &How::lenient(flags.bits(), args.u32(1))?)
}

/// `openat(dirfd, path, flags, mode)`
pub fn sys_openat(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    open(cur, args.i32(0), args.usize(1), &How::lenient(args.u32(2), args.u32(3))?)
}

/// How to open: `struct open_how`, checked.
#[derive(Clone, Copy, Debug)]
pub struct How {
    flags: OpenFlags,
    mode: u32,
    resolve: Resolve,
}

impl How {
    /// As open(2) and openat(2) take them: what is unknown is ignored.
    ///
    /// # Errors
    /// `EINVAL` for flags that contradict each other.
    #[inline]
    pub fn lenient(flags: u32, mode: u32) -> Result<How> {
        let mut flags = OpenFlags::from_bits_truncate(flags);
        if flags.contains(OpenFlags::PATH) {
            flags &= PATH_FLAGS;
        }
        let mode = if creates(flags) { mode & 0o7777 } else { 0 };
        Self::strict(flags.bits().into(), mode.into(), 0)
    }

    /// As openat2(2) takes them (`build_open_flags`).
    ///
    /// # Errors
    /// `EINVAL` for anything unknown, or flags that contradict each other; `EAGAIN` for changes with
    /// `RESOLVE_CACHED`.
    #[inline]
    pub fn strict(flags: u64, mode: u64, resolve: u64) -> Result<How> {
        let mut flags = u32::try_from(flags).ok().and_then(OpenFlags::from_bits).ok_or(Errno::INVAL)?;
        let resolve = Resolve::from_bits(resolve).ok_or(Errno::INVAL)?;
        if resolve.contains(Resolve::BENEATH | Resolve::IN_ROOT) {
            return Err(Errno::INVAL);
        }
        if mode & !(if creates(flags) { 0o7777 } else { 0 }) != 0 {
            return Err(Errno::INVAL);
        }
        if flags.contains(OpenFlags::DIRECTORY | OpenFlags::CREAT) {
            return Err(Errno::INVAL);
        }
        if flags.bits() & TMPFILE_BIT != 0 && (!flags.contains(OpenFlags::TMPFILE) || flags.bits() & 3 == 0) {
            return Err(Errno::INVAL);
        }
        if flags.contains(OpenFlags::PATH) {
            if !PATH_FLAGS.contains(flags) {
                return Err(Errno::INVAL);
            }
        } else {
            flags |= OpenFlags::LARGEFILE;
        }
        if flags.contains(OpenFlags::SYNC) {
            flags |= OpenFlags::DSYNC;
        }
        if resolve.contains(Resolve::CACHED) && (creates(flags) || flags.contains(OpenFlags::TRUNC)) {
            return Err(Errno::AGAIN);
        }
        Ok(How { flags, mode: mode as u32, resolve })
    }

    /// What the file must permit: 4 read, 2 write (`ACC_MODE`).
    #[inline]
    fn access(&self) -> u32 {
        if self.flags.contains(OpenFlags::PATH) {
            return 0;
        }
        let truncates = if self.flags.contains(OpenFlags::TRUNC) { 2 } else { 0 };
        [4, 2, 6, 6][(self.flags.bits() & 3) as usize] | truncates
    }

    fn has(&self, flags: OpenFlags) -> bool {
        self.flags.contains(flags)
    }
}

fn creates(flags: OpenFlags) -> bool {
    flags.contains(OpenFlags::CREAT) || flags.bits() & TMPFILE_BIT != 0
}

/// Opens the path at user address `path`; answers the descriptor.
#[inline]
pub(super) fn open(cur: &Current<'_>, dirfd: Fd, path: usize, how: &How) -> Result<usize> {
    PathBuf::with(path, |path| {
        if path.is_empty() {
            return Err(Errno::NOENT);
        }
        let limit = cur.process().nofile.load(Relaxed);
        // Linux takes the number first. What leaves traces must not happen when there is none.
        if how.flags.intersects(OpenFlags::CREAT | OpenFlags::TRUNC) && cur.files.is_full(limit) {
            return Err(Errno::MFILE);
        }
        let file = match open_path(cur, dirfd, path, how) {
            Ok(file) => file,
            Err(_) if cur.files.is_full(limit) => return Err(Errno::MFILE),
            Err(errno) => return Err(errno),
        };
        Ok(cur.files.insert(file, how.has(OpenFlags::CLOEXEC), limit)? as usize)
    })
}

/// Opens `path` (`do_filp_open`).
///
/// # Errors
/// Those of open(2).
pub fn open_path(cur: &Current<'_>, dirfd: Fd, path: &[u8], how: &How) -> Result<Arc<File>> {
    cur.walk_with(dirfd, path, how.resolve, |walk| {
        let follow = !how.has(OpenFlags::NOFOLLOW);
        if how.flags.bits() & TMPFILE_BIT != 0 {
            return open_unnamed(cur, &walk, path, how, follow);
        }
        if !how.has(OpenFlags::CREAT) {
            return open_found(&walk, path, how);
        }
        match walk.for_create(path, follow && !how.has(OpenFlags::EXCL))? {
            ForCreate::Found(_) if how.has(OpenFlags::EXCL) => Err(Errno::EXIST),
            ForCreate::Found(Found::Dentry(dentry)) => open_dentry(walk.cred, dentry, how),
            ForCreate::Found(Found::Inode(inode)) => open_inode(walk.cred, inode, None, how, how.access()),
            ForCreate::Parent(parent) => create_and_open(cur, walk.cred, &parent, how),
        }
    })
}

/// Opens what exists, without `O_CREAT`.
///
/// # Errors
/// Those of open(2).
pub(super) fn open_found(walk: &Walk<'_>, path: &[u8], how: &How) -> Result<Arc<File>> {
    match walk.find(path, !how.has(OpenFlags::NOFOLLOW))? {
        Found::Dentry(dentry) => open_dentry(walk.cred, dentry, how),
        Found::Inode(inode) => open_inode(walk.cred, inode, None, how, how.access()),
    }
}

/// Opens what was found without a path; answers the descriptor.
///
/// # Errors
/// Those of open(2).
pub(super) fn open_known(cur: &Current<'_>, dentry: Arc<Dentry>, how: &How) -> Result<usize> {
    let limit = cur.process().nofile.load(Relaxed);
    let file = open_dentry(&cur.cred(), dentry, how)?;
    Ok(cur.files.insert(file, how.has(OpenFlags::CLOEXEC), limit)? as usize)
}

/// Opens what exists (the second half of `do_open`).
#[inline]
fn open_dentry(cred: &Cred, dentry: Arc<Dentry>, how: &How) -> Result<Arc<File>> {
    let inode = dentry.inode().clone();
    if how.has(OpenFlags::CREAT) && inode.is_dir() {
        return Err(Errno::ISDIR);
    }
    if how.has(OpenFlags::DIRECTORY) && !inode.is_dir() {
        return Err(Errno::NOTDIR);
    }
    open_inode(cred, inode, Some(dentry), how, how.access())
}

/// Checks permission (`may_open`) and opens. `access` is 0 for a file just made.
#[inline]
fn open_inode(
    cred: &Cred,
    inode: InodeRef,
    dentry: Option<Arc<Dentry>>,
    how: &How,
    access: u32,
) -> Result<Arc<File>> {
    if how.has(OpenFlags::PATH) {
        return Ok(File::new(alloc::boxed::Box::new(PathOnly), inode, dentry, how.flags));
    }
    let kind = inode.kind();
    match kind {
        FileType::Symlink => return Err(Errno::LOOP),
        FileType::Directory if access & 2 != 0 => return Err(Errno::ISDIR),
        _ => {}
    }
    if access != 0 {
        inode.permission(cred, access)?;
    }
    if how.has(OpenFlags::NOATIME) && !cred.capable(CAP_FOWNER) && inode.stat()?.uid != cred.fsuid {
        return Err(Errno::PERM);
    }
    let truncate = how.has(OpenFlags::TRUNC) && kind == FileType::Regular && access != 0;
    let flags = how.flags - (OpenFlags::CREAT | OpenFlags::EXCL | OpenFlags::TRUNC);
    let (ops, writes, reads) = {
        let writing = if truncate || how.flags.writable() { Writing::begin(&inode)? } else { None };
        let only_reads = how.flags.readable() && !how.flags.writable();
        let reading = if only_reads { Reading::begin(&inode) } else { None };
        lease::break_for(&inode, how.flags.bits() & 3 != 0, how.has(OpenFlags::NONBLOCK))?;
        if truncate {
            super::truncate::set_size(cred, &inode, 0)?;
        }
        let ops = inode.clone().open(flags)?;
        (
            ops,
            how.flags.writable() && writing.map(Writing::keep).is_some(),
            reading.map(Reading::keep).is_some(),
        )
    };
    let file = File::new(ops, inode, dentry, how.flags);
    if writes {
        file.set_writing();
    }
    if reads {
        file.set_reading();
    }
    notify::on_file(&file, Events::OPEN);
    if truncate {
        notify::on_file(&file, Events::MODIFY);
    }
    Ok(file)
}

/// The last component does not exist, or is no ordinary name.
fn create_and_open(cur: &Current<'_>, cred: &Cred, parent: &Parent, how: &How) -> Result<Arc<File>> {
    let Last::Normal(name) = &parent.last else {
        return Err(if how.has(OpenFlags::EXCL) { Errno::EXIST } else { Errno::ISDIR });
    };
    if parent.trailing_slash {
        return Err(Errno::ISDIR);
    }
    let mode = how.mode & !cur.fs.umask.load(Relaxed);
    let entries = parent.dir.lock_entries();
    // Somebody else may have made it since.
    let dentry = match entries.lookup(name) {
        Ok(dentry) => {
            drop(entries);
            return match dentry.kind() {
                _ if how.has(OpenFlags::EXCL) => Err(Errno::EXIST),
                // A link made in the very moment: the program could not have told from the next moment.
                FileType::Symlink => Err(Errno::LOOP),
                _ => open_dentry(cred, dentry.top(), how),
            };
        }
        Err(Errno::NOENT) => {
            may_create(cred, &parent.dir)?;
            entries.create(name, &new_node(cred, &parent.dir, FileType::Regular, mode, b"", 0)?)?
        }
        Err(errno) => return Err(errno),
    };
    drop(entries);
    let inode = dentry.inode().clone();
    let file = open_inode(cred, inode, Some(dentry), how, 0)?;
    file.was_created.store(true, Relaxed);
    Ok(file)
}

/// `O_TMPFILE`: a file without a name in the directory `path` (`do_tmpfile`).
fn open_unnamed(
    cur: &Current<'_>,
    walk: &Walk<'_>,
    path: &[u8],
    how: &How,
    follow: bool,
) -> Result<Arc<File>> {
    let dir = walk.lookup(path, follow)?;
    if !dir.inode().is_dir() {
        return Err(Errno::NOTDIR);
    }
    dir.inode().permission(walk.cred, 3)?;
    let mode = how.mode & !cur.fs.umask.load(Relaxed);
    let node = new_node(walk.cred, &dir, FileType::Regular, mode, b"", 0)?;
    let inode = dir.inode().create_unnamed(&node)?;
    // Linux names it by its number: /proc/self/fd shows "#123 (deleted)".
    let name = alloc::format!("#{}", inode.stat()?.ino);
    let dentry = Dentry::new_unnamed(name.as_bytes(), &dir, inode.clone(), !how.has(OpenFlags::EXCL));
    open_inode(walk.cred, inode, Some(dentry), how, 0)
}

/// What an `O_PATH` file does: nothing. The calls that would use it answer `EBADF` before they come here.
struct PathOnly;

impl crate::vfs::FileOps for PathOnly {}

impl Cred {
    /// Whether it may do what only the owner of `inode` may (`inode_owner_or_capable`).
    ///
    /// # Errors
    /// Those of [`Inode::stat`].
    pub(super) fn owns(&self, inode: &dyn Inode) -> Result<bool> {
        Ok(self.capable(CAP_FOWNER) || inode.stat()?.uid == self.fsuid)
    }
}
