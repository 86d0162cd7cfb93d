//! All sockets of one sort, as the files of /proc/net and sock_diag(7) list them.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use host::mutex::Mutex;

/// The sockets, by address.
pub struct List<T>(Mutex<BTreeMap<usize, Weak<T>>>);

impl<T> List<T> {
    /// None.
    pub const fn new() -> List<T> {
        List(Mutex::new(BTreeMap::new()))
    }

    /// Adds one that was just made.
    pub fn enter(&self, socket: &Arc<T>) {
        self.0.lock().insert(Arc::as_ptr(socket).addr(), Arc::downgrade(socket));
    }

    /// Takes out one that is being dropped.
    pub fn leave(&self, socket: &T) {
        self.0.lock().remove(&core::ptr::from_ref(socket).addr());
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// All there are.
    pub fn all(&self) -> Vec<Arc<T>> {
        self.0.lock().values().filter_map(Weak::upgrade).collect()
    }
}
