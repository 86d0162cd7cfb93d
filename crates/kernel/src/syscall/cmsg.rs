//! Control messages (cmsg(3)) as they lie in user memory: descriptors and credentials that go along with a message
//! (`__scm_send`, `scm_recv`).

use super::pidfd;
use crate::fs::pidfd::Target;
use crate::net::{Credentials, Incoming, MsgFlags};
use crate::task::{self, Current};
use crate::uaccess::{get_bytes, put, put_bytes};
use crate::vfs::{Fd, File};
use crate::{Errno, Result};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use linux_raw_sys::general::{CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN};
use linux_raw_sys::net::{SCM_CREDENTIALS, SCM_RIGHTS, SOL_SOCKET};

/// `sizeof(struct cmsghdr)`
pub(super) const HEADER: usize = 16;
/// Descriptors in one message (`SCM_MAX_FD`).
const FILES_MAX: usize = 253;
/// Bytes of control messages that are sent together (`net.core.optmem_max`).
const BYTES_MAX: usize = 128 << 10;

/// What is sent along.
#[derive(Default)]
pub(super) struct Sent {
    /// Descriptors.
    pub files: Vec<Arc<File>>,
    /// Credentials.
    pub credentials: Option<Credentials>,
}

/// Reads the control messages at `addr`.
///
/// # Errors
/// `ENOBUFS` for too many bytes; `EFAULT`; `EINVAL` for what is none; `EBADF`, `EPERM`, `ESRCH` for their content.
pub(super) fn read(cur: &Current<'_>, addr: usize, len: usize) -> Result<Sent> {
    let mut sent = Sent::default();
    if len == 0 {
        return Ok(sent);
    }
    if len > BYTES_MAX {
        return Err(Errno::NOBUFS);
    }
    let mut bytes = vec![0; len];
    get_bytes(&mut bytes, addr)?;
    let mut rest = &bytes[..];
    while let Some((header, _)) = rest.split_at_checked(HEADER) {
        let [len, level_and_type] = words(header);
        let len = usize::try_from(len).map_err(|_| Errno::INVAL)?;
        let content = rest.get(HEADER..len).ok_or(Errno::INVAL)?;
        let (level, kind) = (level_and_type as u32, (level_and_type >> 32) as u32);
        match (level, kind) {
            (SOL_SOCKET, SCM_RIGHTS) => add_files(cur, content, &mut sent.files)?,
            (SOL_SOCKET, SCM_CREDENTIALS) => sent.credentials = Some(credentials(cur, content)?),
            (SOL_SOCKET, _) => return Err(Errno::INVAL),
            _ => {}
        }
        rest = rest.get(len.next_multiple_of(8)..).unwrap_or(&[]);
    }
    Ok(sent)
}

/// Looks at control messages for a family that takes none (`sock_cmsg_send`).
///
/// # Errors
/// `ENOBUFS` for too many bytes; `EFAULT`; `EINVAL` unless they are for `AF_UNIX`.
pub(super) fn skip(addr: usize, len: usize) -> Result<()> {
    if len > BYTES_MAX {
        return Err(Errno::NOBUFS);
    }
    let mut bytes = vec![0; len];
    get_bytes(&mut bytes, addr)?;
    let mut rest = &bytes[..];
    while let Some((header, _)) = rest.split_at_checked(HEADER) {
        let [len, level_and_type] = words(header);
        let len = usize::try_from(len).map_err(|_| Errno::INVAL)?;
        let (level, kind) = (level_and_type as u32, (level_and_type >> 32) as u32);
        let known = level == SOL_SOCKET && matches!(kind, SCM_RIGHTS | SCM_CREDENTIALS);
        if !known || !(HEADER..=rest.len()).contains(&len) {
            return Err(Errno::INVAL);
        }
        rest = rest.get(len.next_multiple_of(8)..).unwrap_or(&[]);
    }
    Ok(())
}

fn words(header: &[u8]) -> [u64; 2] {
    let word = |at: usize| header.get(at..at + 8).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
    [u64::from_ne_bytes(word(0)), u64::from_ne_bytes(word(8))]
}

fn ints(content: &[u8]) -> impl Iterator<Item = i32> {
    content.chunks_exact(4).map(|bytes| i32::from_ne_bytes(bytes.first_chunk().copied().unwrap_or_default()))
}

/// `scm_fp_copy`
fn add_files(cur: &Current<'_>, content: &[u8], files: &mut Vec<Arc<File>>) -> Result<()> {
    if files.len() + content.len() / 4 > FILES_MAX {
        return Err(Errno::INVAL);
    }
    for fd in ints(content) {
        files.push(cur.file_or_path(fd)?);
    }
    Ok(())
}

/// `scm_check_creds`
fn credentials(cur: &Current<'_>, content: &[u8]) -> Result<Credentials> {
    let mut ints = ints(content);
    let (12, Some(pid), Some(uid), Some(gid)) = (content.len(), ints.next(), ints.next(), ints.next()) else {
        return Err(Errno::INVAL);
    };
    let (uid, gid) = (uid as u32, gid as u32);
    let cred = cur.cred();
    let process = cur.process();
    let uid_ok = [cred.uid, cred.euid, cred.suid].contains(&uid) || cred.capable(CAP_SETUID);
    let gid_ok = [cred.gid, cred.egid, cred.sgid].contains(&gid) || cred.capable(CAP_SETGID);
    let pid_ok = pid == process.pid || cred.capable(CAP_SYS_ADMIN);
    if !uid_ok || !gid_ok || !pid_ok {
        return Err(Errno::PERM);
    }
    // The kernel's own process is not in the table.
    if pid != process.pid && pid != 1 && task::find_process(pid).is_none() {
        return Err(Errno::SRCH);
    }
    if uid == u32::MAX || gid == u32::MAX {
        return Err(Errno::INVAL);
    }
    Ok(Credentials { pid, uid, gid })
}

/// A pidfd for a process, installed.
///
/// # Errors
/// `ESRCH` when it is gone; `EMFILE`.
pub(super) fn pidfd_of(cur: &Current<'_>, pid: i32) -> Result<Fd> {
    let process = task::find_process(pid).ok_or(Errno::SRCH)?;
    pidfd::install(cur, Target::process(&process), 0)
}

/// `SCM_PIDFD` (`linux/socket.h`)
const SCM_PIDFD: u32 = 4;

/// Room for control messages that were received.
pub(super) struct Room {
    at: usize,
    left: usize,
    used: usize,
}

impl Room {
    /// `len` bytes at `addr`; 0: the caller wants none.
    pub(super) fn new(addr: usize, len: usize) -> Room {
        Room { at: addr, left: len, used: 0 }
    }

    /// Stores what came with a message, and new descriptors for files; notes in `message.answer` what did not fit.
    /// Answers how many bytes were stored. What cannot be stored is closed, without an error.
    pub(super) fn store(mut self, cur: &Current<'_>, message: &mut Incoming) -> usize {
        let files = core::mem::take(&mut message.files);
        if self.at == 0 {
            if !files.is_empty()
                || message.pidfd.is_some()
                || !message.controls.is_empty()
                || message.credentials.is_some()
            {
                message.answer |= MsgFlags::CTRUNC;
            }
            return 0;
        }
        for control in core::mem::take(&mut message.controls) {
            self.put((control.level, control.kind), &control.content, &mut message.answer);
        }
        if let Some(credentials) = message.credentials {
            self.put((SOL_SOCKET, SCM_CREDENTIALS), &credentials.to_bytes(), &mut message.answer);
        }
        if let Some(pid) = message.pidfd {
            self.put_pidfd(cur, pid, &mut message.answer);
        }
        if !files.is_empty() {
            let cloexec = message.flags.contains(MsgFlags::CMSG_CLOEXEC);
            if self.put_files(cur, &files, cloexec) < files.len() {
                message.answer |= MsgFlags::CTRUNC;
            }
        }
        self.used
    }

    fn advance(&mut self, len: usize) {
        let len = len.next_multiple_of(8).min(self.left);
        self.at += len;
        self.left -= len;
        self.used += len;
    }

    fn put_header(&self, (level, kind): (u32, u32), len: usize) -> Result<()> {
        put(self.at, &[len as u64, u64::from(level) | u64::from(kind) << 32])
    }

    /// `put_cmsg`
    fn put(&mut self, kind: (u32, u32), content: &[u8], answer: &mut MsgFlags) {
        if self.left < HEADER {
            *answer |= MsgFlags::CTRUNC;
            return;
        }
        let whole = HEADER + content.len();
        let len = whole.min(self.left);
        if len < whole {
            *answer |= MsgFlags::CTRUNC;
        }
        let stored =
            self.put_header(kind, len).and_then(|()| put_bytes(self.at + HEADER, &content[..len - HEADER]));
        if stored.is_ok() {
            self.advance(whole);
        }
    }

    /// `scm_pidfd_recv`: of a process that is gone the error instead.
    fn put_pidfd(&mut self, cur: &Current<'_>, pid: i32, answer: &mut MsgFlags) {
        if self.left < HEADER + 4 {
            *answer |= MsgFlags::CTRUNC;
            return;
        }
        let made = pidfd_of(cur, pid);
        let told = made.unwrap_or_else(|errno| -errno.raw_os_error());
        let before = self.used;
        self.put((SOL_SOCKET, SCM_PIDFD), &told.to_ne_bytes(), answer);
        if let Ok(fd) = made
            && self.used == before
        {
            drop(cur.files.remove(fd));
        }
    }

    /// `scm_detach_fds`: as many as there is room for, in memory and in the table.
    fn put_files(&mut self, cur: &Current<'_>, files: &[Arc<File>], cloexec: bool) -> usize {
        let most = self.left.saturating_sub(HEADER) / 4;
        let mut count = 0;
        for file in files.iter().take(most) {
            let Ok(fd) = cur.install(file.clone(), cloexec) else { break };
            if put(self.at + HEADER + count * 4, &fd).is_err() {
                drop(cur.files.remove(fd));
                break;
            }
            count += 1;
        }
        if count > 0 && self.put_header((SOL_SOCKET, SCM_RIGHTS), HEADER + count * 4).is_ok() {
            self.advance(HEADER + count * 4);
        }
        count
    }
}
