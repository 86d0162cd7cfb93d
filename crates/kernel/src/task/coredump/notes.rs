//! The notes of a core file (`fs/binfmt_elf.c`, `include/uapi/linux/elfcore.h`).

use super::arch;
use super::threads::Snapshot;
use crate::mm::{Backing, PAGE_SIZE, Vma};
use crate::signal::SigInfo;
use crate::task::{Process, Usage};
use crate::vfs::Dentry;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;
use linux_raw_sys::elf_uapi as elf;

/// Longest note of mapped files in bytes (`core_file_note_size_limit`); a longer one is left out.
const FILES_MAX: usize = 4 << 20;
/// `PF_SIGNALED`, with `PF_DUMPCORE` for the thread that writes and `PF_POSTCOREDUMP` for others.
const FLAGS_OF_WRITER: u64 = 0x600;
const FLAGS_OF_OTHERS: u64 = 0x408;
/// `PF_RANDOMIZE`, and what of personality(2) keeps it away.
const RANDOMIZE: u64 = 0x40_0000;
const ADDR_NO_RANDOMIZE: u32 = 0x4_0000;
const PSARGS_LEN: usize = 80;

/// A note: who defines it, its kind, and what it says.
#[derive(Debug)]
pub struct Note {
    owner: &'static [u8],
    kind: u32,
    content: Vec<u8>,
}

impl Note {
    /// One that all systems have.
    pub fn core(kind: u32, content: Vec<u8>) -> Note {
        Note { owner: b"CORE\0", kind, content }
    }

    /// One of Linux's own.
    pub fn linux(kind: u32, content: Vec<u8>) -> Note {
        Note { owner: b"LINUX\0", kind, content }
    }

    /// Appends it, aligned to 4 bytes, to `to`.
    pub fn write(&self, to: &mut Vec<u8>) {
        for word in [self.owner.len() as u32, self.content.len() as u32, self.kind] {
            to.extend_from_slice(&word.to_le_bytes());
        }
        for part in [self.owner, &self.content] {
            to.extend_from_slice(part);
            to.resize(to.len().next_multiple_of(4), 0);
        }
    }
}

/// The members of a C struct, one behind the other.
#[derive(Default)]
struct Struct(Vec<u8>);

impl Struct {
    fn u16(mut self, value: u16) -> Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }
    fn i32(mut self, value: i32) -> Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }
    fn u64(mut self, value: u64) -> Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }
    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }
}

/// Everything about one thread (`fill_thread_core_info`): first its `NT_PRSTATUS`, then the rest, so that notes about the
/// process can stand in between.
pub fn of_thread(process: &Process, signo: i32, thread: &Snapshot) -> (Note, Vec<Note>) {
    let is_first = thread.tid == process.pid;
    let children = if is_first { *process.family.children_usage.lock() } else { Usage::default() };
    let mut status = Struct::default()
        // Signal, code and error number again.
        .i32(signo)
        .i32(0)
        .i32(0)
        .u16(signo as u16)
        .u16(0)
        .u64(thread.pending)
        .u64(thread.blocked)
        .i32(thread.tid)
        .i32(process.ppid.load(Relaxed))
        .i32(process.pgid.load(Relaxed))
        .i32(process.sid.load(Relaxed));
    // User and system time, seconds and microseconds.
    for value in thread.usage[..4].iter().chain(&children[..4]) {
        status = status.u64(*value as u64);
    }
    for register in thread.regs {
        status = status.u64(register);
    }
    // There are floating-point registers; padding.
    let status = status.i32(1).i32(0);
    (Note::core(elf::NT_PRSTATUS, status.0), arch::extended_notes(&thread.xstate))
}

/// What is said of the process once, after the first thread's `NT_PRSTATUS`.
pub fn of_process(process: &Arc<Process>, info: &SigInfo, writer: i32, vmas: &[Vma]) -> Vec<Note> {
    let auxv = process.exec.lock().auxv.clone();
    let mut notes = alloc::vec![
        Note::core(elf::NT_PRPSINFO, psinfo(process, writer)),
        Note::core(elf::NT_SIGINFO, info.to_bytes().to_vec()),
        Note::core(elf::NT_AUXV, auxv),
    ];
    let root = process.fs.lock().root.lock().clone();
    notes.extend(files(vmas, &root).map(|content| Note::core(elf::NT_FILE, content)));
    notes
}

/// `struct elf_prpsinfo`, which is about the first thread.
fn psinfo(process: &Process, writer: i32) -> Vec<u8> {
    let cred = process.cred();
    let leader = process.thread(process.pid).or_else(|| process.family.dead_leader.lock().clone());
    let name = leader.map_or([0; 16], |task| *task.name.lock());
    // Number and letter of its state: running, waiting for the file, or gone.
    let (state, letter, flags) = match writer == process.pid {
        true => (0, b'R', FLAGS_OF_WRITER),
        false if process.thread(process.pid).is_some() => (2, b'D', FLAGS_OF_OTHERS),
        false => (8, b'.', 0),
    };
    let (start, end) = process.exec.lock().arg;
    let mut args = [0; PSARGS_LEN];
    let len = end.saturating_sub(start).min(PSARGS_LEN - 1);
    let len = len - usercopy::copy_from_user(&mut args[..len], start);
    args[len..].fill(0);
    args[..len].iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b' ');
    let fixed = process.personality.load(Relaxed) & ADDR_NO_RANDOMIZE != 0;
    Struct::default()
        // State, its letter, no zombie, the nice value; padding.
        .bytes(&[state, letter, 0, host::sched::nice(0) as u8])
        .i32(0)
        .u64(flags | if fixed { 0 } else { RANDOMIZE })
        .i32(cred.uid as i32)
        .i32(cred.gid as i32)
        .i32(process.pid)
        .i32(process.ppid.load(Relaxed))
        .i32(process.pgid.load(Relaxed))
        .i32(process.sid.load(Relaxed))
        .bytes(&name)
        .bytes(&args)
        .0
}

/// `NT_FILE`: which files are mapped where (`fill_files_note`).
fn files(vmas: &[Vma], root: &Arc<Dentry>) -> Option<Vec<u8>> {
    let (mut places, mut names) = (Struct::default(), Vec::new());
    let mut count = 0;
    for vma in vmas {
        let Backing::File(file, offset) = &vma.backing else { continue };
        let Some(path) = file.dentry.as_ref().and_then(|dentry| dentry.path_from(root)) else { continue };
        count += 1;
        places = places.u64(vma.start as u64).u64(vma.end as u64).u64(offset / PAGE_SIZE as u64);
        names.extend_from_slice(&path);
        names.push(0);
        if places.0.len() + names.len() > FILES_MAX {
            return None;
        }
    }
    Some(Struct::default().u64(count).u64(PAGE_SIZE as u64).bytes(&places.0).bytes(&names).0)
}
