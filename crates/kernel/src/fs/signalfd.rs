//! signalfd(2): signals read like a file. The signals are those of whoever reads, not of whoever made the descriptor.

use crate::signal::{self, SigInfo, SigSet};
use crate::sync::wait_until;
use crate::task::current_task;
use crate::vfs::{FileOps, PollEvents, PollTable};
use crate::{Errno, Result};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering::*};
use host::io::IoDst;
use linux_raw_sys::general as g;

/// `sizeof(struct signalfd_siginfo)`
const ENTRY_LEN: usize = 128;

/// A set of signals to read.
#[derive(Debug)]
pub struct SignalFd(AtomicU64);

impl SignalFd {
    /// Reads the signals of `set`.
    pub fn new(set: SigSet) -> SignalFd {
        let fd = SignalFd(AtomicU64::new(0));
        fd.set(set);
        fd
    }

    /// Replaces the set.
    pub fn set(&self, set: SigSet) {
        self.0.store(set.without(SigSet::UNBLOCKABLE).0, SeqCst);
        // Who waits looks again when the next signal comes or at once, should one of the new set be pending.
        if let Some(task) = current_task() {
            task.process.signals.arrived.wake_all(PollEvents::empty());
        }
    }

    fn wanted(&self) -> SigSet {
        SigSet(self.0.load(SeqCst))
    }
}

impl FileOps for SignalFd {
    fn is_stream(&self) -> bool {
        true
    }

    fn read(&self, dst: &mut IoDst<'_>, _offset: u64, nonblock: bool) -> Result<usize> {
        let room = dst.remaining() / ENTRY_LEN;
        if room == 0 {
            return Err(Errno::INVAL);
        }
        let task = current_task().ok_or(Errno::INVAL)?;
        let mut done = 0;
        while done < room {
            let info = match signal::take(&task, self.wanted()) {
                Some(info) => info,
                None if done > 0 => break,
                None if nonblock => return Err(Errno::AGAIN),
                None => {
                    wait_until(&task.process.signals.arrived, None, || signal::take(&task, self.wanted()))?
                }
            };
            match dst.put(&entry(&info)) {
                Ok(ENTRY_LEN) => done += 1,
                _ if done > 0 => break,
                _ => return Err(Errno::FAULT),
            }
        }
        Ok(done * ENTRY_LEN)
    }

    fn poll(&self, table: &mut PollTable<'_>) -> PollEvents {
        let Some(task) = current_task() else { return PollEvents::empty() };
        table.wait_on(&task.process.signals.arrived);
        if signal::pending_for(&task).0 & self.wanted().0 != 0 { PollEvents::IN } else { PollEvents::empty() }
    }

    fn seek(&self, _offset: i64, _whence: u32, current: u64) -> Option<Result<u64>> {
        Some(Ok(current))
    }

    fn link_text(&self) -> Option<Vec<u8>> {
        Some(b"anon_inode:[signalfd]".to_vec())
    }

    fn fdinfo(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(alloc::format!("sigmask:\t{:016x}\n", self.wanted().0).as_bytes());
    }
}

/// What of a `siginfo_t` is filled in (`siginfo_layout` of Linux's `kernel/signal.c`).
enum Layout {
    Kill,
    Timer,
    Poll,
    Fault,
    Child,
    Queue,
    Call,
}

fn layout(info: &SigInfo) -> Layout {
    let (signo, code) = (info.signo() as u32, info.code());
    if code > g::SI_USER as i32 && code < g::SI_KERNEL as i32 {
        return match signo {
            g::SIGILL | g::SIGFPE | g::SIGSEGV | g::SIGBUS | g::SIGTRAP => Layout::Fault,
            g::SIGCHLD => Layout::Child,
            g::SIGSYS => Layout::Call,
            _ if code <= g::POLL_HUP as i32 => Layout::Poll,
            _ => Layout::Kill,
        };
    }
    match code {
        g::SI_TIMER => Layout::Timer,
        g::SI_SIGIO => Layout::Poll,
        _ if code < 0 => Layout::Queue,
        _ => Layout::Kill,
    }
}

/// `struct signalfd_siginfo`.
fn entry(info: &SigInfo) -> [u8; ENTRY_LEN] {
    let mut bytes = [0; ENTRY_LEN];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, &info.signo().to_le_bytes());
    put(4, &info.errno().to_le_bytes());
    put(8, &info.code().to_le_bytes());
    let (pid, uid, value) = (info.pid().to_le_bytes(), info.uid().to_le_bytes(), info.value());
    let (low, int) = (value as u32, value as i32);
    match layout(info) {
        Layout::Kill => {
            put(12, &pid);
            put(16, &uid);
        }
        Layout::Timer => {
            put(24, &pid);
            put(32, &uid);
            put(44, &int.to_le_bytes());
            put(48, &value.to_le_bytes());
        }
        Layout::Poll => {
            put(20, &low.to_le_bytes());
            put(28, &(info.addr() as u32).to_le_bytes());
        }
        Layout::Fault => put(72, &info.addr().to_le_bytes()),
        Layout::Child => {
            let (utime, stime) = info.times();
            put(12, &pid);
            put(16, &uid);
            put(40, &low.to_le_bytes());
            put(56, &utime.to_le_bytes());
            put(64, &stime.to_le_bytes());
        }
        Layout::Queue => {
            put(12, &pid);
            put(16, &uid);
            put(44, &int.to_le_bytes());
            put(48, &value.to_le_bytes());
        }
        Layout::Call => {}
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(bytes: &[u8], at: usize) -> u32 {
        u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
    }

    #[test]
    fn members_lie_where_the_manual_has_them() {
        let killed = entry(&SigInfo::user(10, g::SI_TKILL, 5, 6));
        assert_eq!((word(&killed, 0), word(&killed, 12), word(&killed, 16)), (10, 5, 6));
        let timer = entry(&SigInfo::timer(14, 3, 4, 5));
        assert_eq!((word(&timer, 24), word(&timer, 32), word(&timer, 48)), (3, 4, 5));
        let child = entry(&SigInfo::child(g::CLD_EXITED as i32, 5, 6, 7, 8, 9));
        assert_eq!((word(&child, 12), word(&child, 40), word(&child, 56), word(&child, 64)), (5, 7, 8, 9));
        let fault = entry(&SigInfo::fault(11, 1, 0x1234));
        assert_eq!((word(&fault, 12), word(&fault, 72)), (0, 0x1234));
    }
}
