//! poll(2) and ppoll(2), and the waiting that select(2) shares with them.

use crate::signal::{self, RestartBlock, SigSet};
use crate::sync::{Deadline, Waiter, sleep_on};
use crate::task::Current;
use crate::time::clock::{ns_timespec, timespec_ns};
use crate::uaccess::{self, Args};
use crate::vfs::{Fd, File, PollEvents, PollTable};
use crate::{ERESTART_RESTARTBLOCK, ERESTARTNOHAND, ERESTARTSYS, Errno, Result};
use alloc::sync::Arc;
use alloc::vec;
use core::sync::atomic::Ordering::Relaxed;

/// `sizeof(struct pollfd)`: int fd, short events, short revents.
const ENTRY_LEN: usize = 8;
/// So many descriptors need no allocation.
const FEW: usize = 8;

/// One descriptor to watch.
#[derive(Clone)]
pub(super) struct Watch {
    /// Negative: not at all.
    pub fd: Fd,
    /// What is wanted; errors and hang-ups always are.
    pub events: u32,
    /// What there is.
    pub revents: u32,
    /// Held while waiting, so that a close meanwhile does not matter.
    file: Option<Arc<File>>,
}

impl Watch {
    /// Watches nothing.
    pub(super) const fn none() -> Watch {
        Watch { fd: -1, events: 0, revents: 0, file: None }
    }

    /// Watches `fd` for `events`.
    pub(super) fn new(fd: Fd, events: u32) -> Watch {
        Watch { fd, events, revents: 0, file: None }
    }

    fn ask(&mut self, table: &mut PollTable<'_>) -> bool {
        let Some(file) = &self.file else { return self.revents != 0 };
        let always = PollEvents::ERR | PollEvents::HUP;
        self.revents = file.ops.poll(table).bits() & (self.events | always.bits());
        self.revents != 0
    }
}

/// When a call gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// At once.
    Now,
    /// At a time on the monotonic clock, in nanoseconds; `None`: never.
    Time(Deadline),
}

impl Until {
    /// `timeout` nanoseconds from now; `None`: never.
    pub(super) fn after(timeout: Option<u64>) -> Until {
        match timeout {
            None => Until::Time(None),
            Some(0) => Until::Now,
            Some(ns) => Until::Time(Some(host::clock::monotonic_ns().saturating_add(ns))),
        }
    }
}

/// Looks at all of `watches`, and sleeps until one has something or the time is over. Answers how many have.
///
/// # Errors
/// `ERESTARTNOHAND` when a signal comes before anything else.
pub(super) fn wait(cur: &Current<'_>, watches: &mut [Watch], until: Until) -> Result<usize> {
    let mut ready = 0;
    let mut table = PollTable::ask();
    for watch in watches.iter_mut() {
        if watch.fd >= 0 {
            match cur.file(watch.fd) {
                Ok(file) => watch.file = Some(file),
                Err(_) => watch.revents = PollEvents::NVAL.bits(),
            }
            ready += usize::from(watch.ask(&mut table));
        }
    }
    match until {
        _ if ready > 0 => Ok(ready),
        Until::Time(deadline) => sleep(watches, deadline),
        Until::Now => nothing(cur),
    }
}

/// The time is over; a signal counts before that.
fn nothing(cur: &Current<'_>) -> Result<usize> {
    if signal::has_deliverable(cur.task) { Err(ERESTARTNOHAND) } else { Ok(0) }
}

fn ask_all(watches: &mut [Watch], table: &mut PollTable<'_>) -> usize {
    let mut ready = 0;
    for watch in watches.iter_mut() {
        if watch.ask(table) {
            ready += 1;
            table.stop_registering();
        }
    }
    ready
}

#[inline(never)]
fn sleep(watches: &mut [Watch], deadline: Deadline) -> Result<usize> {
    let waiter = Waiter::current();
    let mut table = PollTable::register(&waiter);
    loop {
        let ready = ask_all(watches, &mut table);
        if ready > 0 {
            return Ok(ready);
        }
        match sleep_on(Some(&table), deadline) {
            Ok(()) => table.recollect(),
            Err(Errno::TIMEDOUT) => return Ok(ask_all(watches, &mut PollTable::ask())),
            Err(ERESTARTSYS) => {
                // What came together with the signal counts first.
                let ready = ask_all(watches, &mut PollTable::ask());
                return if ready > 0 { Ok(ready) } else { Err(ERESTARTNOHAND) };
            }
            Err(errno) => return Err(errno),
        }
    }
}

/// Reads the array, waits, writes the results.
fn poll(cur: &Current<'_>, addr: usize, count: usize, until: Until) -> Result<usize> {
    if count as u64 > cur.process().nofile.load(Relaxed) {
        return Err(Errno::INVAL);
    }
    if count <= FEW {
        let (mut bytes, mut watches) = ([0; FEW * ENTRY_LEN], [const { Watch::none() }; FEW]);
        poll_with(cur, addr, &mut bytes[..count * ENTRY_LEN], &mut watches[..count], until)
    } else {
        let (mut bytes, mut watches) = (vec![0; count * ENTRY_LEN], vec![Watch::none(); count]);
        poll_with(cur, addr, &mut bytes, &mut watches, until)
    }
}

fn poll_with(
    cur: &Current<'_>,
    addr: usize,
    bytes: &mut [u8],
    watches: &mut [Watch],
    until: Until,
) -> Result<usize> {
    uaccess::get_bytes(bytes, addr)?;
    for (watch, entry) in watches.iter_mut().zip(bytes.chunks_exact(ENTRY_LEN)) {
        let fd = i32::from_le_bytes([entry[0], entry[1], entry[2], entry[3]]);
        *watch = Watch::new(fd, u32::from(u16::from_le_bytes([entry[4], entry[5]])));
    }
    let result = wait(cur, watches, until);
    for (n, watch) in watches.iter().enumerate() {
        uaccess::put(addr.wrapping_add(n * ENTRY_LEN + 6), &(watch.revents as u16))?;
    }
    result
}

/// poll(fds, nfds, timeout_ms)
pub fn sys_poll(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let timeout_ms = args.i32(2);
    let timeout = u64::try_from(timeout_ms).ok().map(|ms| ms * 1_000_000);
    poll_restartably(cur, args.usize(0), args.u32(1) as usize, Until::after(timeout))
}

/// Goes on after a stop with the time that is left.
fn poll_restartably(cur: &Current<'_>, addr: usize, count: usize, until: Until) -> Result<usize> {
    let result = poll(cur, addr, count, until);
    if result != Err(ERESTARTNOHAND) {
        return result;
    }
    let (timed, deadline) = match until {
        Until::Time(Some(deadline)) => (1, deadline),
        _ => (0, 0),
    };
    *cur.task.signals.restart.lock() = Some(RestartBlock {
        run: |cur, args| {
            let deadline = (args[2] != 0).then_some(args[3] as u64);
            poll_restartably(cur, args[0], args[1], Until::Time(deadline))
        },
        args: [addr, count, timed, deadline as usize, 0, 0],
    });
    Err(ERESTART_RESTARTBLOCK)
}

/// ppoll(fds, nfds, timeout, sigmask, sigsetsize)
pub fn sys_ppoll(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let time_addr = args.usize(2);
    let timeout = match time_addr {
        0 => None,
        addr => Some(timespec_ns(uaccess::get(addr)?)?),
    };
    let until = Until::after(timeout);
    set_mask(cur, args.usize(3), args.usize(4))?;
    let result = poll(cur, args.usize(0), args.u32(1) as usize, until);
    finish(cur, until, result, |left| {
        if time_addr == 0 { Ok(()) } else { uaccess::put(time_addr, &ns_timespec(left)) }
    })
}

/// Sets the mask a call brings along, if any (`set_user_sigmask`).
///
/// # Errors
/// `EINVAL` for a wrong size; `EFAULT`.
pub(super) fn set_mask(cur: &Current<'_>, addr: usize, len: usize) -> Result<()> {
    if addr == 0 {
        return Ok(());
    }
    if len != size_of::<SigSet>() {
        return Err(Errno::INVAL);
    }
    signal::set_temporary_mask(cur.task, SigSet(uaccess::get(addr)?));
    Ok(())
}

/// `STICKY_TIMEOUTS` of personality(2): the time that was left is not told.
const STICKY_TIMEOUTS: u32 = 0x0400_0000;

/// Puts the mask back, unless a handler is to run under the temporary one first, and tells by `put` how many
/// nanoseconds were left (`poll_select_finish`).
pub(super) fn finish(
    cur: &Current<'_>,
    until: Until,
    result: Result<usize>,
    put: impl FnOnce(u64) -> Result<()>,
) -> Result<usize> {
    if result != Err(ERESTARTNOHAND) {
        signal::restore_mask(cur.task);
    }
    let Until::Time(Some(deadline)) = until else { return result };
    let sticky = cur.process().personality.load(Relaxed) & STICKY_TIMEOUTS != 0;
    let left = deadline.saturating_sub(host::clock::monotonic_ns());
    match if sticky { Err(Errno::FAULT) } else { put(left) } {
        // A time-out in read-only memory, or one that is to stay, is no error, but then a restart would begin anew with all
        // of it.
        Err(_) if result == Err(ERESTARTNOHAND) => Err(Errno::INTR),
        _ => result,
    }
}
