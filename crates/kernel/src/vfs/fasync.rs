//! Signal-driven input and output: `O_ASYNC`, with the owner and the signal that fcntl(2) sets.
//!
//! A file with the flag has a waiter in its queues that sends the owner a signal at each wake. Callers: fcntl(2),
//! ioctl(2) when the flag changes; the queues; leases and directory notification, which signal in the same way.

use super::{Fd, File, OpenFlags, Owner, OwnerKind, PollEvents, PollTable, Registrations};
use crate::signal::{self, SigInfo};
use crate::sync::Wake;
use crate::task;
use alloc::sync::Arc;
use core::sync::atomic::Ordering::Relaxed;
use host::mutex::Mutex;
use linux_raw_sys::general as g;

/// Who stands in the queues of a file with `O_ASYNC`. It does not hold the file, whose end must not come in a wake.
struct Signaller {
    /// As the file has it.
    owner: Mutex<Owner>,
    /// The access mode.
    flags: OpenFlags,
    /// The descriptor by which the flag was set, which the signal names (`fasync_helper`).
    fd: Fd,
}

/// A file's part: taken back, it leaves the queues.
pub(super) struct Fasync {
    signaller: Arc<Signaller>,
    _kept: Registrations,
}

/// Called after the flags of `file` were changed through `fd`.
pub fn flags_changed(file: &File, fd: Fd) {
    let on = file.flags().contains(OpenFlags::ASYNC) && file.ops.signals_readiness();
    let mut kept = file.fasync.lock();
    match (on, kept.is_some()) {
        (true, false) => *kept = Some(register(file, fd)),
        (false, true) => *kept = None,
        _ => {}
    }
}

/// Called after the owner of `file` or its signal was changed.
pub fn owner_changed(file: &File) {
    if let Some(fasync) = &*file.fasync.lock() {
        *fasync.signaller.owner.lock() = *file.owner.lock();
    }
}

fn register(file: &File, fd: Fd) -> Fasync {
    let owner = Mutex::new(*file.owner.lock());
    let signaller = Arc::new(Signaller { owner, flags: file.flags(), fd });
    let waiter: Arc<dyn Wake> = signaller.clone();
    let mut table = PollTable::register(&waiter);
    file.ops.poll(&mut table);
    Fasync { signaller, _kept: table.keep() }
}

impl Wake for Signaller {
    fn wake(&self, events: PollEvents) {
        // A waker that does not know says nothing; then somebody is gone, which a reader sees as an end.
        let reading = events.is_empty() || events.intersects(PollEvents::READABLE);
        let owner = *self.owner.lock();
        if reading && self.flags.readable() {
            send(&owner, self.fd, g::POLL_IN as i32, PollEvents::READABLE);
        } else if self.flags.writable() {
            send(&owner, self.fd, g::POLL_OUT as i32, PollEvents::WRITABLE | PollEvents::WRBAND);
        }
    }
}

/// Sends the owner of a file what leases and directory notification tell it (`POLL_MSG`).
pub(super) fn send_message(owner: &Owner, fd: Fd) {
    send(owner, fd, g::POLL_MSG as i32, PollEvents::READABLE | PollEvents::MSG);
}

/// The calling process becomes the owner, if there is none yet (`__f_setown` without force).
pub(super) fn own(file: &File) {
    let Some(process) = task::current_task().map(|task| task.process.clone()) else { return };
    let cred = process.cred();
    {
        let mut owner = file.owner.lock();
        if owner.id != 0 {
            return;
        }
        *owner =
            Owner { kind: OwnerKind::Process, id: process.pid, uid: cred.uid, euid: cred.euid, ..*owner };
    }
    owner_changed(file);
}

/// `send_sigio`
fn send(owner: &Owner, fd: Fd, code: i32, band: PollEvents) {
    if owner.id == 0 {
        return;
    }
    // F_SETSIG asks for the details, which plain SIGIO does not carry.
    let info = match owner.signal {
        0 => SigInfo::kernel(g::SIGIO as i32),
        signo => SigInfo::io(signo as i32, code, i64::from(band.bits()), fd),
    };
    deliver(owner, info, g::SIGIO as i32);
}

/// Tells the owner of a socket's file of an urgent byte (`send_sigurg`).
pub fn send_urgent(file: &File) {
    let owner = *file.owner.lock();
    if owner.id != 0 {
        deliver(&owner, SigInfo::kernel(g::SIGURG as i32), g::SIGURG as i32);
    }
}

/// Sends `info`, or `otherwise` where there is no room for it.
fn deliver(owner: &Owner, info: SigInfo, otherwise: i32) {
    let send_to_process = |process: &Arc<task::Process>| {
        if may_signal(owner, &process.cred()) && signal::to_process(process, info).is_err() {
            // The queue is full: at least that much (`send_sigio_to_task`).
            let _ = signal::to_process(process, SigInfo::kernel(otherwise));
        }
    };
    match owner.kind {
        OwnerKind::Process => {
            if let Some(process) = task::find_process(owner.id) {
                send_to_process(&process);
            }
        }
        OwnerKind::Group => {
            for process in task::processes().iter().filter(|each| each.pgid.load(Relaxed) == owner.id) {
                send_to_process(process);
            }
        }
        OwnerKind::Thread => {
            if let Some(task) = task::find_thread(owner.id)
                && may_signal(owner, &task.process.cred())
                && signal::to_task(&task, info).is_err()
            {
                let _ = signal::to_task(&task, SigInfo::kernel(otherwise));
            }
        }
    }
}

/// Whether who set the owner might signal it (`sigio_perm`).
fn may_signal(owner: &Owner, target: &task::Cred) -> bool {
    let same = |uid: u32| uid == target.uid || uid == target.suid;
    owner.euid == 0 || same(owner.euid) || same(owner.uid)
}
