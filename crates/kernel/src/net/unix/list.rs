//! All sockets of the family, as /proc/net/unix lists them.

use super::{Status, UnixSocket};
use crate::net::Protocol;
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;
use host::mutex::Mutex;

static ALL: Mutex<BTreeMap<usize, Weak<UnixSocket>>> = Mutex::new(BTreeMap::new());

pub(super) fn enter(socket: &Arc<UnixSocket>) {
    ALL.lock().insert(Arc::as_ptr(socket).addr(), Arc::downgrade(socket));
}

pub(super) fn leave(socket: &UnixSocket) {
    ALL.lock().remove(&core::ptr::from_ref(socket).addr());
}

/// `__SO_ACCEPTCON`
const ACCEPTS: u32 = 1 << 16;

/// The text of /proc/net/unix.
pub fn text() -> Vec<u8> {
    let mut out = b"Num       RefCount Protocol Flags    Type St Inode Path\n".to_vec();
    let sockets: Vec<_> = ALL.lock().values().filter_map(Weak::upgrade).collect();
    for socket in sockets {
        let (status, dead, name) = {
            let state = socket.state.lock();
            (state.status, state.dead, state.name.clone())
        };
        if dead {
            continue;
        }
        // SS_UNCONNECTED, SS_CONNECTING, SS_CONNECTED
        let shown = match (status, socket.is_embryo()) {
            (Status::Established, false) => 3,
            (Status::Established, true) => 2,
            _ => 1,
        };
        let flags = if status == Status::Listening { ACCEPTS } else { 0 };
        // Addresses and counts of references are the kernel's own business.
        let line = alloc::format!(
            "{:016x}: {:08X} {:08X} {:08X} {:04X} {:02X} {:5}",
            0,
            2,
            0,
            flags,
            socket.sock().kind as u32,
            shown,
            socket.sock().ino.load(Relaxed),
        );
        out.extend_from_slice(line.as_bytes());
        if let Some(name) = name {
            out.push(b' ');
            out.extend_from_slice(&name.display());
        }
        out.push(b'\n');
    }
    out
}
