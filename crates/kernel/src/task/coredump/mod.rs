//! Core files (core(5)): what becomes of a process that a signal of the kind "terminate and dump core" ends.
//!
//! Called by signal delivery for the thread that took the signal, with the process as it is. What lives here: whether
//! there is to be a file, where, and that nothing moves meanwhile. `threads` stops the other threads and takes their
//! registers, `name` makes the file's name, `filter` decides what of the memory is written, `notes` says the rest in
//! ELF notes, `image` puts it all into the file.

mod arch;
mod filter;
mod image;
mod memory;
pub mod name;
mod notes;
mod sink;
mod threads;

pub use threads::{Gathering, take_part};

use super::{Current, Process, Resource};
use crate::mm::PAGE_SIZE;
use crate::signal::{self, SigInfo};
use crate::syscall::open::{How, open_path};
use crate::syscall::unlink::unlink_last;
use crate::vfs::{File, FileType, OpenFlags, SetAttr};
use crate::{Errno, Result};
use alloc::sync::Arc;
use core::num::IntErrorKind;
use core::sync::atomic::Ordering::Relaxed;
use linux_raw_sys::general::{AT_FDCWD, SIGKILL};

/// `WCOREFLAG`: set in the wait status of a process of which there is a core file.
pub const DUMPED: i32 = 0x80;

/// Writes a core file of the calling thread's process, which `info` is about to end, if there is to be one
/// (`do_coredump`). When it comes back, the process is ending, and its wait status says whether it has dumped core.
pub fn dump(cur: &mut Current<'_>, info: &SigInfo) {
    let process = cur.process().clone();
    let limit = process.limit(Resource::Core);
    if process.dumpable.load(Relaxed) == 0 || limit < PAGE_SIZE as u64 {
        return;
    }
    let signo = info.signo();
    let gathering = Gathering::begun_by(cur.task.tid);
    if !signal::begin_dump(&process, signo, &gathering) {
        // It is ending already.
        return;
    }
    let mut written = Ok(false);
    if threads::stop_others(cur.task, &gathering) {
        gathering.add(threads::Snapshot::take(cur));
        written = write(cur, info, limit, &gathering);
    }
    if let Err(errno) = written {
        host::log!(Info, "no core file of process {}: {errno}", process.pid);
    }
    let dumped = written == Ok(true) && !is_killed(cur);
    signal::end_dump(&process, if dumped { signo | DUMPED } else { signo });
    gathering.finish();
}

/// Whether SIGKILL says that the rest is not wanted (`dump_interrupted`).
fn is_killed(cur: &Current<'_>) -> bool {
    signal::pending_for(cur.task).contains(SIGKILL as i32)
}

/// Makes the file and fills it. A file that ends at a limit or where there is no more room counts as one.
fn write(cur: &Current<'_>, info: &SigInfo, limit: u64, gathering: &Gathering) -> Result<bool> {
    let process = cur.process();
    let name = name::of(cur.task, info.signo(), limit);
    let file = create(cur, &name)?;
    let stop = || is_killed(cur);
    let file_limit = process.limit(Resource::Fsize);
    let mut sink = sink::Sink::new(&file, limit, file_limit, &stop);
    let threads = gathering.take();
    let core = image::Core { process, mm: cur.mm, info, threads: &threads };
    if let Err(sink::Stopped) = core.write(&mut sink) {
        host::log!(Info, "core file of process {} is cut off at {} bytes", process.pid, sink.position());
    }
    Ok(true)
}

/// Makes the file in the place of one that is there (`do_coredump`, after the name is known). Should there be one
/// again, then only if it is the owner's alone.
fn create(cur: &Current<'_>, name: &[u8]) -> Result<Arc<File>> {
    let flags = OpenFlags::CREAT | OpenFlags::WRONLY | OpenFlags::NOFOLLOW | OpenFlags::LARGEFILE;
    let how = How::strict(flags.bits().into(), 0o600, 0)?;
    if name.is_empty() {
        return Err(Errno::NOENT);
    }
    // That there was none is fine, and what cannot be taken away shows when it is opened.
    let _ = cur.walk(AT_FDCWD, name, |walk| unlink_last(walk.cred, &walk.parent(name)?));
    let file = open_path(cur, AT_FDCWD, name, &how)?;
    let stat = file.stat()?;
    let private = stat.nlink == 1 && stat.mode & 0o677 == 0o600;
    if file.kind() != FileType::Regular || !private || stat.uid != cur.cred().fsuid {
        return Err(Errno::PERM);
    }
    file.inode.set_attr(&SetAttr { size: Some(0), ..SetAttr::default() })?;
    Ok(file)
}

/// What a process begins with: private and shared anonymous memory, ELF headers, private huge pages
/// (`MMF_DUMP_FILTER_DEFAULT`).
pub const DEFAULT_FILTER: u32 = 0x33;
/// The bits there are.
const KNOWN_FILTER: u32 = 0x1ff;

/// The text of /proc/PID/coredump_filter.
pub fn filter_text(process: &Process) -> alloc::string::String {
    alloc::format!("{:08x}\n", process.coredump_filter.load(Relaxed))
}

/// Takes what was written to it: a number, as C writes it; bits there are not do not count (`kstrtouint`).
///
/// # Errors
/// `EINVAL` for something else; `ERANGE` for what is no 32-bit number.
pub fn set_filter(process: &Process, text: &str) -> Result<()> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    let bits = u32::from_str_radix(digits, radix).map_err(|error| match error.kind() {
        IntErrorKind::PosOverflow => Errno::RANGE,
        _ => Errno::INVAL,
    })?;
    process.coredump_filter.store(bits & KNOWN_FILTER, Relaxed);
    Ok(())
}
