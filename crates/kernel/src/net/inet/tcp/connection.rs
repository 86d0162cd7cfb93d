//! How connections come together and part: connect, accept, shutdown, reset, release.

use super::{BACKLOG, PORTS, Status, Tcp};
use crate::net::inet::{Endpoint, is_unspecified};
use crate::net::{ProtocolRef, Shutdown};
use crate::vfs::PollEvents;
use crate::{Errno, Result};
use alloc::sync::Arc;
use core::sync::atomic::Ordering::Relaxed;

impl Tcp {
    /// Ends the connection with an error on this side (`tcp_reset`).
    pub(super) fn reset(&self) {
        let status = {
            let mut state = self.state.lock();
            state.peer = None;
            core::mem::replace(&mut state.status, Status::Closed)
        };
        if status == Status::Established {
            let half_closed = self.state.lock().fin_received;
            self.sock.set_error(if half_closed { Errno::PIPE } else { Errno::CONNRESET });
        }
        self.sock.shut(Shutdown::all());
        self.sock.wake_everybody();
    }

    /// The other side sends no more.
    fn receive_fin(&self) {
        self.state.lock().fin_received = true;
        self.sock.shut(Shutdown::RECEIVE);
        self.sock.wake_everybody();
    }

    /// Finds a listener and makes a connection with it.
    fn establish(&self, to: Endpoint) -> Result<()> {
        let me = self.me.upgrade().ok_or(Errno::BADF)?;
        let local = self.local()?.as_source_for(to);
        let listens = |socket: &Arc<Tcp>| {
            let state = socket.state.lock();
            state.status == Status::Listening && !state.dead
        };
        let listener = PORTS.find(to).into_iter().find(listens).ok_or(Errno::CONNREFUSED)?;
        let embryo = Tcp::new(listener.sock.family);
        embryo.sock.inherit(&listener.sock);
        embryo.options.inherit(&listener.options);
        {
            let mut new = embryo.state.lock();
            new.status = Status::Established;
            (new.local, new.remote) = (Some(to), Some(local));
            new.peer = Some(me);
        }
        {
            let mut state = self.state.lock();
            if state.status != Status::Closed {
                return Err(Errno::ISCONN);
            }
            state.status = Status::Established;
            (state.local, state.remote) = (Some(local), Some(to));
            state.peer = Some(embryo.clone());
        }
        let mut theirs = listener.state.lock();
        if theirs.status != Status::Listening || theirs.dead || theirs.embryos.len() > BACKLOG {
            drop(theirs);
            let mut state = self.state.lock();
            state.status = Status::Closed;
            (state.remote, state.peer) = (None, None);
            return Err(Errno::CONNREFUSED);
        }
        theirs.embryos.push_back(embryo);
        drop(theirs);
        listener.sock.readers.wake_all(PollEvents::READABLE);
        self.sock.wake_everybody();
        Ok(())
    }

    /// connect(2).
    pub(super) fn connect_to(&self, address: &[u8], nonblock: bool) -> Result<()> {
        let (status, reported) = {
            let mut state = self.state.lock();
            (state.status, core::mem::replace(&mut state.reported, true))
        };
        match status {
            Status::Established if !reported => return Ok(()),
            Status::Established | Status::Listening => return Err(Errno::ISCONN),
            // A refusal that was not told as an error yet, or was by SO_ERROR.
            Status::Closed if !reported => {
                self.sock.take_error()?;
                return Err(Errno::CONNABORTED);
            }
            Status::Closed => {}
        }
        if is_unspecified(address) {
            return Ok(());
        }
        let to = Endpoint::parse(self.sock.family, address)?.destination()?;
        self.sock.reopen();
        let result = self.establish(to);
        if !nonblock || !matches!(result, Ok(()) | Err(Errno::CONNREFUSED)) {
            return result;
        }
        self.state.lock().reported = false;
        if let Err(errno) = result {
            self.sock.set_error(errno);
            self.sock.shut(Shutdown::all());
        }
        Err(Errno::INPROGRESS)
    }

    /// accept(2).
    pub(super) fn accept_one(&self, nonblock: bool) -> Result<ProtocolRef> {
        let patience = self.sock.receive_patience(nonblock);
        loop {
            let mut state = self.state.lock();
            if state.status != Status::Listening {
                return Err(Errno::INVAL);
            }
            if let Some(embryo) = state.embryos.pop_front() {
                return Ok(embryo);
            }
            drop(state);
            patience.wait(&self.sock.readers, || {
                let state = self.state.lock();
                (!state.embryos.is_empty() || state.status != Status::Listening).then_some(())
            })?;
        }
    }

    /// shutdown(2).
    pub(super) fn shut_down(&self, how: Shutdown) -> Result<()> {
        let mut state = self.state.lock();
        match state.status {
            Status::Closed => return Err(Errno::NOTCONN),
            Status::Listening if how.contains(Shutdown::RECEIVE) => {
                state.status = Status::Closed;
                let embryos = core::mem::take(&mut state.embryos);
                drop(state);
                embryos.iter().for_each(|embryo| embryo.release_all());
                self.sock.wake_everybody();
                return Ok(());
            }
            Status::Listening => return Ok(()),
            Status::Established if state.fin_sent && state.fin_received => return Err(Errno::NOTCONN),
            Status::Established => {}
        }
        let ends = how.contains(Shutdown::SEND) && !state.fin_sent;
        state.fin_sent |= ends;
        let peer = state.peer.clone();
        drop(state);
        self.sock.shut(how);
        self.sock.wake_everybody();
        if let Some(peer) = peer
            && ends
        {
            peer.receive_fin();
        }
        Ok(())
    }

    /// The last descriptor is gone.
    pub(super) fn release_all(&self) {
        let (peer, unread, embryos, bound, fin_sent) = {
            let mut state = self.state.lock();
            if core::mem::replace(&mut state.dead, true) {
                return;
            }
            state.status = Status::Closed;
            state.start = 0;
            let unread = core::mem::take(&mut state.len) > 0;
            let bound = state.local.filter(|_| core::mem::replace(&mut state.bound, false));
            let embryos = core::mem::take(&mut state.embryos);
            let buffer = core::mem::take(&mut state.buffer);
            let all = (state.peer.take(), unread, embryos, bound, state.fin_sent);
            drop(state);
            drop(buffer);
            all
        };
        self.sock.shut(Shutdown::all());
        if let Some(at) = bound {
            PORTS.leave(&self.me, at.port);
        }
        if let Some(peer) = peer {
            // Unread bytes are lost, and so is a connection that nobody accepted: the other side is told.
            let embryo = self.sock.ino.load(Relaxed) == 0;
            if unread || embryo || self.sock.options.lingers_not() {
                peer.reset();
            } else if !fin_sent {
                peer.receive_fin();
            }
            peer.sock.wake_everybody();
        }
        embryos.iter().for_each(|embryo| embryo.release_all());
    }
}
