//! A pseudo-terminal: the state of both sides, who waits for it, and its end (pty(7), drivers/tty/pty.c).
//!
//! ```text
//! master write ──► up ──► discipline ──► slave read
//! master read ◄── down ◄── echo, output processing ◄── slave write
//! ```

use super::discipline::{Discipline, Flow, Line, Packet, RING};
use super::job::{self, Control};
use super::termios::Termios;
use super::{Terminal, host};
use crate::sync::WaitQueue;
use crate::vfs::PollEvents;
use crate::{Errno, Result};
use ::host::mutex::Mutex;
use alloc::sync::Arc;
use alloc::vec::Vec;
use linux_raw_sys::general::{CAP_SYS_ADMIN, SIGWINCH};

/// Bytes that may be on their way in one direction, beyond what the receiving side has taken in.
const IN_FLIGHT: usize = 9728;
/// Bytes that a master has taken in and can read at once.
pub const MASTER_RING: usize = RING - 1;

/// Which side of the pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Where the terminal emulator sits.
    Master,
    /// Where the programs are.
    Slave,
}

/// What the lock of a pair protects.
#[derive(Debug)]
pub struct State {
    /// The slave's settings.
    pub termios: Termios,
    /// `struct winsize`.
    pub winsize: [u16; 4],
    /// The slave's discipline.
    pub discipline: Discipline,
    /// From the master, not yet taken by the discipline.
    pub up: Flow,
    /// From the slave.
    pub down: Flow,
    /// What the master wants to know of the slave.
    pub packet: Packet,
    /// The slave cannot be opened (`TIOCSPTLCK`).
    pub locked: bool,
    /// Only the super-user opens this side once more (`TIOCEXCL`): master, slave.
    pub exclusive: [bool; 2],
    master_open: bool,
    slaves: usize,
    /// The slave was open and no longer is (`TTY_OTHER_CLOSED` of the master).
    pub slave_closed: bool,
    /// How often the slave has hung up: those who had it open before are cut off.
    hang_ups: u32,
}

/// What follows from a change, done without the lock.
#[derive(Debug, Default)]
pub struct Effects {
    /// For the foreground group.
    pub signals: Vec<i32>,
    /// There may be something to read for the slave.
    pub to_slave: bool,
    /// There may be something to read for the master.
    pub to_master: bool,
    /// There may be room for the slave's output.
    pub slave_room: bool,
    /// There may be room for the master's output.
    pub master_room: bool,
}

/// A pseudo-terminal.
#[derive(Debug)]
pub struct Pair {
    /// The number in /dev/pts.
    pub index: u32,
    /// The session it controls.
    pub(super) control: Mutex<Control>,
    state: Mutex<State>,
    pub(super) master_read: WaitQueue,
    pub(super) master_write: WaitQueue,
    pub(super) slave_read: WaitQueue,
    pub(super) slave_write: WaitQueue,
}

impl State {
    /// The slave's line, its discipline, and where signals go.
    fn line<'a>(&'a mut self, signals: &'a mut Vec<i32>) -> (&'a mut Discipline, Line<'a>) {
        let limit = MASTER_RING + IN_FLIGHT;
        let line =
            Line { termios: &self.termios, flow: &mut self.down, limit, packet: &mut self.packet, signals };
        (&mut self.discipline, line)
    }

    /// Does something with the slave's discipline.
    pub fn discipline<T>(
        &mut self,
        effects: &mut Effects,
        work: impl FnOnce(&mut Discipline, &mut Line<'_>) -> T,
    ) -> T {
        let before = (self.down.bytes.len(), self.packet.status);
        let (discipline, mut line) = self.line(&mut effects.signals);
        let result = work(discipline, &mut line);
        effects.to_master |= (self.down.bytes.len(), self.packet.status) != before;
        result
    }

    /// Gives the discipline what the master has written, as far as it takes it.
    pub fn feed(&mut self, effects: &mut Effects) {
        while !self.up.bytes.is_empty() {
            let mut up = core::mem::take(&mut self.up.bytes);
            let (bytes, _) = up.as_slices();
            let taken = self.discipline(effects, |discipline, line| discipline.receive(line, bytes));
            up.drain(..taken);
            self.up.bytes = up;
            if taken == 0 {
                break;
            }
            effects.master_room = true;
        }
        effects.to_slave |= self.discipline.readable(&self.termios, false);
    }

    /// Room for what the master writes.
    pub fn master_room(&mut self) -> usize {
        let raw = Termios::raw();
        let (mut packet, mut signals) = (Packet::default(), Vec::new());
        let up = &mut self.up;
        let line =
            Line { termios: &raw, flow: up, limit: IN_FLIGHT, packet: &mut packet, signals: &mut signals };
        line.room()
    }

    /// Room for what the slave writes.
    pub fn slave_room(&mut self) -> usize {
        self.line(&mut Vec::new()).1.room()
    }

    /// tcflow(3) of the master's own output.
    pub fn master_flow(&mut self, stopped: bool) {
        let raw = Termios::raw();
        let (mut packet, mut signals) = (Packet::default(), Vec::new());
        let up = &mut self.up;
        Line { termios: &raw, flow: up, limit: IN_FLIGHT, packet: &mut packet, signals: &mut signals }
            .flow_by_call(stopped);
    }

    /// Whether a slave opened when there had been so many hang-ups is cut off.
    pub fn is_hung_up(&self, seen: u32) -> bool {
        self.hang_ups != seen
    }

    /// Whether the master is open.
    pub fn has_master(&self) -> bool {
        self.master_open
    }
}

impl Pair {
    /// A new pair with an open master.
    pub fn new(index: u32) -> Arc<Pair> {
        Arc::new(Pair {
            index,
            control: Mutex::default(),
            state: Mutex::new(State {
                termios: Termios::new(),
                winsize: [0; 4],
                discipline: Discipline::new(),
                up: Flow::default(),
                down: Flow::default(),
                packet: Packet::default(),
                locked: true,
                exclusive: [false; 2],
                master_open: true,
                slaves: 0,
                slave_closed: false,
                hang_ups: 0,
            }),
            master_read: WaitQueue::new(),
            master_write: WaitQueue::new(),
            slave_read: WaitQueue::new(),
            slave_write: WaitQueue::new(),
        })
    }

    /// Device number of the slave.
    pub fn rdev(&self) -> u64 {
        host::makedev(136, self.index)
    }

    /// Looks at the state or changes it, then does what follows.
    pub fn with<T>(self: &Arc<Self>, work: impl FnOnce(&mut State, &mut Effects) -> T) -> T {
        let mut effects = Effects::default();
        let result = work(&mut self.state.lock(), &mut effects);
        let Effects { signals, to_slave, to_master, slave_room, master_room } = effects;
        for signo in signals {
            job::signal_foreground(&Terminal::Pty(self.clone()), signo);
        }
        let wakes = [
            (to_slave, &self.slave_read, PollEvents::READABLE),
            (to_master, &self.master_read, PollEvents::READABLE),
            (slave_room, &self.slave_write, PollEvents::WRITABLE),
            (master_room, &self.master_write, PollEvents::WRITABLE),
        ];
        for (_, queue, events) in wakes.into_iter().filter(|(wanted, ..)| *wanted) {
            queue.wake_all(events);
        }
        result
    }

    /// Counts an open slave; answers how many hang-ups it has behind it (`pty_open`).
    ///
    /// # Errors
    /// `EIO` while it is locked, or without a master; `EBUSY` when it is somebody's alone.
    pub fn open_slave(self: &Arc<Self>) -> Result<u32> {
        let task = crate::task::current_task();
        let admin = task.is_none_or(|task| task.process.cred().capable(CAP_SYS_ADMIN));
        self.with(|state, _| {
            if !state.master_open {
                return Err(Errno::IO);
            }
            if state.exclusive[1] && !admin && state.slaves > 0 {
                return Err(Errno::BUSY);
            }
            if state.locked {
                return Err(Errno::IO);
            }
            state.slaves += 1;
            state.slave_closed = false;
            Ok(state.hang_ups)
        })
    }

    /// An open slave is gone.
    pub fn close_slave(self: &Arc<Self>) {
        let last = self.with(|state, _| {
            state.slaves -= 1;
            let last = state.slaves == 0;
            if last {
                state.slave_closed = true;
                state.exclusive[1] = false;
            }
            last
        });
        if last {
            self.wake_everybody();
        }
    }

    /// The master is gone: the slave hangs up for good.
    pub fn close_master(self: &Arc<Self>) {
        self.with(|state, _| {
            state.master_open = false;
            state.packet = Packet::default();
        });
        self.hang_up();
    }

    /// Cuts off whoever has the slave open (`tty_vhangup`).
    pub fn hang_up(self: &Arc<Self>) {
        self.with(|state, effects| {
            state.hang_ups = state.hang_ups.wrapping_add(1);
            state.discipline(effects, |discipline, line| discipline.flush_input(line));
        });
        job::hung_up(&Terminal::Pty(self.clone()));
        self.wake_everybody();
    }

    fn wake_everybody(&self) {
        let all = PollEvents::READABLE | PollEvents::WRITABLE | PollEvents::HUP;
        for queue in [&self.master_read, &self.master_write, &self.slave_read, &self.slave_write] {
            queue.wake_all(all);
        }
    }

    /// Sets the size and tells the foreground (`pty_resize`).
    pub fn resize(self: &Arc<Self>, winsize: [u16; 4]) {
        self.with(|state, effects| {
            if core::mem::replace(&mut state.winsize, winsize) != winsize {
                effects.signals.push(SIGWINCH as i32);
            }
        });
    }
}
