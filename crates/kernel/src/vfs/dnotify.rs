//! Directory notification by signals: fcntl(2), `F_NOTIFY`, which inotify(7) has replaced. One more observer of what
//! `notify` tells.
//!
//! A request belongs to an open file and to the descriptor table through which it was made, and ends when a descriptor
//! of that file is closed in that table. Callers: fcntl(2); the closing of descriptors.

use super::notify::{self, Events, Existing, Observer, Place, Request};
use super::{Fd, File, fasync};
use crate::sysctl::{INT_MAX, Sysctl};
use crate::{Errno, Result};
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering::Relaxed};
use host::mutex::Mutex;

/// Whether new requests are taken (`/proc/sys/fs/dir-notify-enable`).
pub static ENABLED: Sysctl = Sysctl::new(1, 0, INT_MAX);

/// Requests there may be; Linux bounds them by memory only.
const MAX: usize = 65536;

/// One request.
struct Notifier {
    /// Not held: its end ends the request.
    file: Weak<File>,
    /// The descriptor that its signal names.
    fd: AtomicI32,
    /// It goes on after its first event.
    multishot: AtomicBool,
    /// Events to send a signal for.
    noted: AtomicUsize,
    /// Its first event was its last.
    ended: AtomicBool,
}

/// An open file and a descriptor table, by their addresses: neither goes without closing.
type Key = (usize, usize);

static TABLE: Mutex<BTreeMap<Key, Entry>> = Mutex::new(BTreeMap::new());
/// Entries of the table: lets a close(2) skip it.
static COUNT: AtomicUsize = AtomicUsize::new(0);

struct Entry {
    notifier: Arc<Notifier>,
    /// The same, as those who tell know it.
    observer: Arc<dyn Observer>,
    events: Events,
    place: Place,
}

impl Observer for Notifier {
    fn note(&self, _wd: i32, _events: Events, _cookie: u32, _name: &[u8]) {
        self.noted.fetch_add(1, Relaxed);
    }

    fn ended(&self, _wd: i32) {
        self.ended.store(true, Relaxed);
    }

    fn wake(&self) {
        let Some(file) = self.file.upgrade() else { return };
        let owner = *file.owner.lock();
        for _ in 0..self.noted.swap(0, Relaxed) {
            fasync::send_message(&owner, self.fd.load(Relaxed));
        }
    }
}

/// Tells the owner of `file`, a directory, of `events` in it; further requests add to earlier ones. `table` is the
/// descriptor table's [`lock_owner`](super::FdTable::lock_owner).
///
/// # Errors
/// `ENOMEM` for too many.
pub fn add(file: &Arc<File>, fd: Fd, table: usize, events: Events, multishot: bool) -> Result<()> {
    let key = (Arc::as_ptr(file).addr(), table);
    let mut entries = TABLE.lock();
    let old = entries.remove(&key);
    let before = usize::from(old.is_some());
    let result = match old.filter(|old| !old.notifier.ended.load(Relaxed)) {
        Some(old) => {
            old.notifier.fd.store(fd, Relaxed);
            old.notifier.multishot.fetch_or(multishot, Relaxed);
            Ok(Entry { events: old.events | events, ..old })
        }
        None if entries.len() >= MAX => Err(Errno::NOMEM),
        None => {
            let notifier = Arc::new(Notifier {
                file: Arc::downgrade(file),
                fd: AtomicI32::new(fd),
                multishot: AtomicBool::new(multishot),
                noted: AtomicUsize::new(0),
                ended: AtomicBool::new(false),
            });
            Ok(Entry { observer: notifier.clone(), notifier, events, place: Place::of(&file.inode) })
        }
    };
    let entry = result.and_then(|entry| {
        let once = !entry.notifier.multishot.load(Relaxed);
        let request = Request { events: entry.events, once, no_unlinked: false, existing: Existing::Replace };
        notify::watch(&file.inode, &entry.observer, request, |_| Ok(0))?;
        Ok(entry)
    });
    let result = entry.map(|entry| drop(entries.insert(key, entry)));
    COUNT.fetch_add(usize::from(result.is_ok()).wrapping_sub(before), Relaxed);
    drop(entries);
    fasync::own(file);
    result
}

/// A descriptor of `file` was closed in `table`, or nothing is to be told any more.
#[inline]
pub fn flush(file: &File, table: usize) {
    if COUNT.load(Relaxed) != 0 {
        remove(file, table);
    }
}

#[cold]
fn remove(file: &File, table: usize) {
    let removed = TABLE.lock().remove(&(core::ptr::from_ref(file).addr(), table));
    if let Some(entry) = removed {
        COUNT.fetch_sub(1, Relaxed);
        notify::unwatch_all(&entry.observer, &[entry.place]);
    }
}
