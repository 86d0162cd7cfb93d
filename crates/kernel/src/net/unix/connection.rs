//! How sockets come together and part: listen, connect, accept, socketpair, shutdown, release.

use super::rights::{collect_garbage, dispose};
use super::{State, Status, UnixSocket, name};
use crate::net::{Credentials, Names, Shutdown};
use crate::task::{Cred, current_task};
use crate::vfs::{File, PollEvents};
use crate::{Errno, Result};
use alloc::sync::Arc;
use alloc::vec::Vec;
use host::mutex::MutexGuard;
use linux_raw_sys::net::{SO_PASSCRED, SO_PASSPIDFD};

/// The calling process as a peer (`init_peercred`): with its effective ids.
fn caller() -> Option<(Credentials, Arc<Cred>)> {
    let task = current_task()?;
    let cred = task.process.cred();
    Some((Credentials { pid: task.process.pid, uid: cred.euid, gid: cred.egid }, cred))
}

/// The states of two sockets, locked by address, so that two that connect to each other do not wait for each other.
fn lock_both<'a>(a: &'a UnixSocket, b: &'a UnixSocket) -> (MutexGuard<'a, State>, MutexGuard<'a, State>) {
    if core::ptr::from_ref(a).addr() < core::ptr::from_ref(b).addr() {
        let first = a.state.lock();
        (first, b.state.lock())
    } else {
        let second = b.state.lock();
        (a.state.lock(), second)
    }
}

/// socketpair(2) (`unix_socketpair`).
pub fn pair(a: &UnixSocket, b: &UnixSocket) -> Result<()> {
    let (to_a, to_b) = (a.shared()?, b.shared()?);
    let credentials = caller();
    let (mut mine, mut theirs) = lock_both(a, b);
    mine.peer_credentials.clone_from(&credentials);
    theirs.peer_credentials = credentials;
    (mine.peer, theirs.peer) = (Some(to_b), Some(to_a));
    // Also of datagram sockets, which only have a peer.
    if a.is_connection_based() {
        (mine.status, theirs.status) = (Status::Established, Status::Established);
    }
    Ok(())
}

/// listen(2) (`unix_listen`).
pub fn listen(socket: &UnixSocket, backlog: usize) -> Result<()> {
    if !socket.is_connection_based() {
        return Err(Errno::OPNOTSUPP);
    }
    let credentials = caller();
    let mut state = socket.state.lock();
    if state.name.is_none() || state.status == Status::Established {
        return Err(Errno::INVAL);
    }
    let more = backlog > state.backlog;
    state.backlog = backlog;
    state.status = Status::Listening;
    state.peer_credentials = credentials;
    drop(state);
    if more {
        socket.room.wake_all(PollEvents::empty());
    }
    Ok(())
}

/// connect(2) of a stream or of sequenced packets (`unix_stream_connect`).
pub fn connect(socket: &UnixSocket, names: &dyn Names, address: &[u8], nonblock: bool) -> Result<()> {
    name::validate(address)?;
    name::autobind_for_credentials(socket)?;
    let patience = socket.sock.send_patience(nonblock);
    let me = socket.shared()?;
    let embryo = UnixSocket::new(socket.sock.kind, 0);
    let credentials = caller();
    loop {
        let other = name::find(names, address, socket.sock.kind)?;
        if Arc::ptr_eq(&other, &me) {
            let listens = socket.state.lock().status == Status::Listening;
            return Err(if listens { Errno::INVAL } else { Errno::CONNREFUSED });
        }
        let (mut mine, mut theirs) = lock_both(socket, &other);
        if theirs.dead || theirs.status != Status::Listening || other.sock.down().contains(Shutdown::RECEIVE)
        {
            return Err(Errno::CONNREFUSED);
        }
        if theirs.embryos.len() > theirs.backlog {
            drop((mine, theirs));
            patience.wait(&other.room, || {
                let state = other.state.lock();
                let refuses = state.dead || other.sock.down().contains(Shutdown::RECEIVE);
                (refuses || state.embryos.len() <= state.backlog).then_some(())
            })?;
            continue;
        }
        match mine.status {
            Status::Closed => {}
            Status::Established => return Err(Errno::ISCONN),
            Status::Listening => return Err(Errno::INVAL),
        }
        {
            let mut new = embryo.state.lock();
            new.status = Status::Established;
            new.peer = Some(me);
            new.name.clone_from(&theirs.name);
            new.peer_credentials = credentials;
        }
        for name in [SO_PASSCRED, SO_PASSPIDFD] {
            embryo.sock.options.switch(name, other.sock.options.is_on(name));
        }
        mine.status = Status::Established;
        mine.peer_credentials.clone_from(&theirs.peer_credentials);
        mine.peer = Some(embryo.clone());
        theirs.embryos.push_back(embryo);
        drop((mine, theirs));
        other.sock.readers.wake_all(PollEvents::READABLE);
        return Ok(());
    }
}

/// accept(2) (`unix_accept`).
pub fn accept(socket: &UnixSocket, nonblock: bool) -> Result<Arc<UnixSocket>> {
    if !socket.is_connection_based() {
        return Err(Errno::OPNOTSUPP);
    }
    let patience = socket.sock.receive_patience(nonblock);
    loop {
        let mut state = socket.state.lock();
        if state.status != Status::Listening {
            return Err(Errno::INVAL);
        }
        socket.sock.take_error()?;
        if let Some(embryo) = state.embryos.pop_front() {
            drop(state);
            socket.room.wake_all(PollEvents::WRITABLE);
            return Ok(embryo);
        }
        drop(state);
        if socket.sock.down().contains(Shutdown::RECEIVE) && !patience.is_nonblock() {
            return Err(Errno::INVAL);
        }
        patience.wait(&socket.sock.readers, || {
            let waiting = !socket.state.lock().embryos.is_empty();
            let stop = socket.sock.has_error() || socket.sock.down().contains(Shutdown::RECEIVE);
            (waiting || stop).then_some(())
        })?;
    }
}

/// shutdown(2) (`unix_shutdown`): also of what is not connected.
pub fn shutdown(socket: &UnixSocket, how: Shutdown) {
    socket.sock.shut(how);
    let peer = socket.peer();
    socket.sock.wake_everybody();
    if let Some(peer) = peer
        && socket.is_connection_based()
    {
        peer.sock.shut(how.mirrored());
        peer.sock.wake_everybody();
    }
}

/// The last descriptor is gone (`unix_release`).
pub fn release(socket: &UnixSocket) {
    let mut files = Vec::new();
    if release_into(socket, &mut files) {
        dispose(files);
        collect_garbage();
    }
}

/// Releases a socket; files that were on their way to it are added to `files` for the caller to close. `false`: it
/// was released before.
pub fn release_into(socket: &UnixSocket, files: &mut Vec<Arc<File>>) -> bool {
    release_one(socket, false, files)
}

fn release_one(socket: &UnixSocket, embryo: bool, files: &mut Vec<Arc<File>>) -> bool {
    let mut state = socket.state.lock();
    if core::mem::replace(&mut state.dead, true) {
        return false;
    }
    socket.sock.shut(Shutdown::all());
    state.status = Status::Closed;
    let peer = state.peer.take();
    let unread = state.has_unread(socket.sock.kind);
    let queue = core::mem::take(&mut state.queue);
    let embryos = core::mem::take(&mut state.embryos);
    let name = state.name.take();
    drop(state);
    // Its address stays what it was for a peer that asks.
    if let Some(name) = name {
        name::forget(socket, &name);
        socket.state.lock().name = Some(name);
    }
    socket.room.wake_all(PollEvents::empty());
    if let Some(peer) = peer
        && socket.is_connection_based()
    {
        peer.sock.shut(Shutdown::all());
        if unread || embryo {
            peer.sock.set_error(Errno::CONNRESET);
        }
        peer.sock.wake_everybody();
    }
    for embryo in embryos {
        release_one(&embryo, true, files);
    }
    for mut message in queue {
        files.extend(message.rights.take().into_iter().flat_map(|rights| rights.arrive()));
    }
    true
}

/// The credentials that go with a message from `socket` to `peer`, if anybody wants them (`unix_maybe_add_creds`).
pub fn credentials_for(socket: &UnixSocket, peer: &UnixSocket) -> Option<Credentials> {
    let wanted = socket.sock.options.wants_sender() || peer.sock.options.wants_sender() || peer.is_embryo();
    if wanted { Credentials::of_caller() } else { None }
}
