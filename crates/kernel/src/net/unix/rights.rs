//! Descriptors on their way from one process to another (`SCM_RIGHTS`; `net/unix/garbage.c`).
//!
//! A socket that was sent and closed by its sender lives in a queue only. Two such sockets in each other's queues
//! keep each other alive though nobody can ever receive them; so when a socket is closed while there may be such a
//! circle, those are looked for and their queues emptied. The message that closes a circle goes to a socket that is
//! in flight itself, or to a connection that nobody has accepted: without such a message there is nothing to look for.
//!
//! Files that go down with a queue may be sockets with files in their queues, and so on: [`dispose`] takes them apart
//! one after the other, so that no chain of them can use up the kernel's stack.

use super::UnixSocket;
use crate::net::Socket;
use crate::task::{Resource, current_task};
use crate::vfs::File;
use crate::{Errno, Result};
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};
use host::mutex::Mutex;
use linux_raw_sys::general::{CAP_SYS_ADMIN, CAP_SYS_RESOURCE};

/// Files in flight of all users together. Beyond: `ETOOMANYREFS`, whoever asks.
const TOTAL_MAX: usize = 1 << 20;

/// A socket in flight.
struct Flying {
    file: Weak<File>,
    /// How many messages carry it.
    count: usize,
}

struct InFlight {
    total: usize,
    by_user: BTreeMap<u32, usize>,
    /// Sockets of this family, by the address of their file.
    sockets: BTreeMap<usize, Flying>,
}

/// Whether sockets in flight may form a circle.
static MAYBE_CYCLIC: AtomicBool = AtomicBool::new(false);

static IN_FLIGHT: Mutex<InFlight> =
    Mutex::new(InFlight { total: 0, by_user: BTreeMap::new(), sockets: BTreeMap::new() });

/// The files that one message carries.
pub struct Rights {
    files: Vec<Arc<File>>,
    uid: u32,
}

fn key(file: &Arc<File>) -> usize {
    Arc::as_ptr(file).addr()
}

fn socket_of(file: &File) -> Option<&UnixSocket> {
    UnixSocket::of(file.ops_as::<Socket>()?.protocol())
}

impl Rights {
    /// Sends files on their way; `None` when there are none.
    ///
    /// # Errors
    /// `ETOOMANYREFS` when the caller has more in flight than it may have open (`too_many_unix_fds`).
    pub fn send(files: Vec<Arc<File>>) -> Result<Option<Rights>> {
        if files.is_empty() {
            return Ok(None);
        }
        let task = current_task();
        let (uid, limit) = task.as_ref().map_or((0, u64::MAX), |task| {
            let cred = task.process.cred();
            let free = cred.capable(CAP_SYS_RESOURCE) || cred.capable(CAP_SYS_ADMIN);
            (cred.uid, if free { u64::MAX } else { task.process.limit(Resource::Nofile) })
        });
        let mut table = IN_FLIGHT.lock();
        let mine = table.by_user.get(&uid).copied().unwrap_or(0);
        if mine as u64 > limit || table.total + files.len() > TOTAL_MAX {
            return Err(Errno::TOOMANYREFS);
        }
        table.total += files.len();
        *table.by_user.entry(uid).or_default() += files.len();
        for file in &files {
            let Some(socket) = socket_of(file) else { continue };
            socket.flights.fetch_add(1, SeqCst);
            let flying = table
                .sockets
                .entry(key(file))
                .or_insert_with(|| Flying { file: Arc::downgrade(file), count: 0 });
            flying.count += 1;
        }
        drop(table);
        Ok(Some(Rights { files, uid }))
    }

    /// Whether they would close a circle in a message to `receiver`. [`note_circle`] is told so once it is there.
    pub fn closes_circle(&self, receiver: &UnixSocket) -> bool {
        (receiver.flights.load(SeqCst) > 0 || receiver.is_embryo())
            && self.files.iter().any(|file| socket_of(file).is_some())
    }

    /// The files have arrived.
    pub fn arrive(mut self) -> Vec<Arc<File>> {
        self.land()
    }

    /// The files, without taking them out of their message.
    pub fn peek(&self) -> Vec<Arc<File>> {
        self.files.clone()
    }

    fn land(&mut self) -> Vec<Arc<File>> {
        let files = core::mem::take(&mut self.files);
        if files.is_empty() {
            return files;
        }
        let mut table = IN_FLIGHT.lock();
        table.total -= files.len();
        if let Some(count) = table.by_user.get_mut(&self.uid) {
            *count -= files.len();
            if *count == 0 {
                table.by_user.remove(&self.uid);
            }
        }
        for file in &files {
            if let Some(socket) = socket_of(file) {
                socket.flights.fetch_sub(1, SeqCst);
            }
            if let Some(flying) = table.sockets.get_mut(&key(file)) {
                flying.count -= 1;
                if flying.count == 0 {
                    table.sockets.remove(&key(file));
                }
            }
        }
        files
    }
}

impl Drop for Rights {
    fn drop(&mut self) {
        let files = self.land();
        dispose(files);
    }
}

/// Closes files, and what was on its way to those of them that are sockets, without recursion.
pub fn dispose(mut files: Vec<Arc<File>>) {
    while let Some(file) = files.pop() {
        // Whoever has the last reference, and nobody else, gets the file itself.
        if let Some(file) = Arc::into_inner(file)
            && let Some(socket) = socket_of(&file)
        {
            super::connection::release_into(socket, &mut files);
        }
    }
}

/// Empties the queues of sockets in flight that nobody can receive any more, if there can be any (`unix_gc`).
pub fn collect_garbage() {
    while MAYBE_CYCLIC.load(SeqCst) {
        let mut files = Vec::new();
        for file in unreachable() {
            if let Some(socket) = socket_of(&file) {
                socket.take_rights(&mut files);
            }
            // The sockets themselves go with the last message that carries them.
            files.push(file);
        }
        if files.is_empty() {
            return;
        }
        dispose(files);
    }
}

/// A message has arrived that may have closed a circle: the next socket that is closed looks for it.
pub fn note_circle() {
    MAYBE_CYCLIC.store(true, SeqCst);
}

/// A socket in flight, as the collector sees it.
struct Vertex {
    file: Arc<File>,
    /// References that are in none of the queues looked at.
    unexplained: usize,
    is_open: bool,
    /// Other sockets in flight in its queue.
    holds: Vec<usize>,
}

/// Sockets that are only referred to from queues of each other. Also notes whether there are circles at all.
///
/// The table's lock keeps files from taking off and landing meanwhile. A file whose references are all in flight can
/// become open again only by being received from a queue that is not among those looked at here, or that can itself
/// be received from; each queue is looked at once, so what has left it before is missing in the sum and counts as a
/// reference from outside.
fn unreachable() -> Vec<Arc<File>> {
    let table = IN_FLIGHT.lock();
    // Before the queues are looked at: what arrives later is noted after this.
    MAYBE_CYCLIC.store(false, SeqCst);
    let mut vertices = BTreeMap::new();
    for (&key, flying) in &table.sockets {
        let Some(file) = flying.file.upgrade() else { continue };
        // One of the references is our own.
        let is_open = Arc::strong_count(&file) > flying.count + 1;
        vertices.insert(key, Vertex { file, unexplained: flying.count, is_open, holds: Vec::new() });
    }
    let keys: Vec<usize> = vertices.keys().copied().collect();
    for each in keys {
        let mut holds = Vec::new();
        if let Some(socket) = vertices.get(&each).and_then(|vertex| socket_of(&vertex.file)) {
            socket.for_each_right(&mut |file| holds.push(key(file)));
        }
        holds.retain(|held| vertices.contains_key(held));
        if let Some(vertex) = vertices.get_mut(&each) {
            vertex.holds = holds;
        }
    }
    if has_circle(&vertices) {
        MAYBE_CYCLIC.store(true, SeqCst);
    }
    // What is open counts as reached from outside, and so does what it holds: only the others explain references.
    let explained: Vec<usize> = vertices
        .values()
        .filter(|vertex| !vertex.is_open)
        .flat_map(|vertex| &vertex.holds)
        .copied()
        .collect();
    for held in explained {
        if let Some(vertex) = vertices.get_mut(&held) {
            vertex.unexplained = vertex.unexplained.saturating_sub(1);
        }
    }
    let outside = |vertex: &Vertex| vertex.is_open || vertex.unexplained > 0;
    let mut reached: Vec<usize> =
        vertices.iter().filter(|(_, vertex)| outside(vertex)).map(|(&key, _)| key).collect();
    while let Some(key) = reached.pop() {
        if let Some(vertex) = vertices.remove(&key) {
            reached.extend(vertex.holds);
        }
    }
    vertices.into_values().map(|vertex| vertex.file).collect()
}

/// Whether sockets in flight hold each other in a circle: what is held by nobody is taken away until nothing changes.
fn has_circle(vertices: &BTreeMap<usize, Vertex>) -> bool {
    let mut holders: BTreeMap<usize, usize> = vertices.keys().map(|&key| (key, 0)).collect();
    for held in vertices.values().flat_map(|vertex| &vertex.holds) {
        *holders.entry(*held).or_default() += 1;
    }
    let mut free: Vec<usize> =
        holders.iter().filter(|(_, count)| **count == 0).map(|(&key, _)| key).collect();
    let mut left = vertices.len();
    while let Some(key) = free.pop() {
        left -= 1;
        for held in vertices.get(&key).into_iter().flat_map(|vertex| &vertex.holds) {
            if let Some(count) = holders.get_mut(held) {
                *count -= 1;
                if *count == 0 {
                    free.push(*held);
                }
            }
        }
    }
    left > 0
}

impl UnixSocket {
    /// Shows the files in its queue, and in those of connections that nobody has accepted.
    fn for_each_right(&self, see: &mut dyn FnMut(&Arc<File>)) {
        let state = self.state.lock();
        for message in &state.queue {
            message.rights.iter().flat_map(|rights| &rights.files).for_each(&mut *see);
        }
        let embryos = state.embryos.clone();
        drop(state);
        for embryo in &embryos {
            let state = embryo.state.lock();
            for message in &state.queue {
                message.rights.iter().flat_map(|rights| &rights.files).for_each(&mut *see);
            }
        }
    }

    /// Takes the files out of its queue, and out of those of connections that nobody has accepted.
    fn take_rights(&self, files: &mut Vec<Arc<File>>) {
        let mut state = self.state.lock();
        let mut taken: Vec<Rights> =
            state.queue.iter_mut().filter_map(|message| message.rights.take()).collect();
        let embryos = state.embryos.clone();
        drop(state);
        for embryo in &embryos {
            taken.extend(embryo.state.lock().queue.iter_mut().filter_map(|message| message.rights.take()));
        }
        for rights in taken {
            files.extend(rights.arrive());
        }
    }
}
