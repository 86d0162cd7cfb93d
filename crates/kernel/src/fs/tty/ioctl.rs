//! The commands of pseudo-terminals (ioctl_tty(2), TIOCPKT(2const) and their like).
//!
//! What a command given to the master is about: settings, size, session and device number are those of the slave;
//! buffers, flow and exclusiveness are its own.

use super::pair::{Effects, MASTER_RING, Pair, Side, State};
use super::termios::{DISABLED, TERMIO_LEN, TERMIOS_LEN, TERMIOS2_LEN, Termios};
use super::{Terminal, job};
use crate::task::current_task;
use crate::uaccess::{get, get_bytes, put, put_bytes};
use crate::{Errno, Result};
use alloc::sync::Arc;
use linux_raw_sys::general as g;
use linux_raw_sys::ioctl as i;

/// Answers a command given to one side.
///
/// # Errors
/// `ENOTTY` for commands that a pseudo-terminal does not have; those of the manual pages.
pub fn ioctl(pair: &Arc<Pair>, side: Side, readable: bool, command: u32, arg: usize) -> Result<usize> {
    let terminal = Terminal::Pty(pair.clone());
    let master = side == Side::Master;
    if let Some(result) = job::ioctl(&terminal, master, readable, command, arg) {
        return result;
    }
    let on = Command { pair, side, terminal, arg };
    match command {
        i::TCGETS | i::TCGETS2 | i::TCGETA | i::TIOCGLCKTRMIOS | i::TIOCGSOFTCAR => on.get_settings(command),
        i::TCSETS | i::TCSETSW | i::TCSETSF => on.set_settings::<TERMIOS_LEN>(command == i::TCSETSF),
        i::TCSETS2 | i::TCSETSW2 | i::TCSETSF2 => on.set_settings::<TERMIOS2_LEN>(command == i::TCSETSF2),
        i::TCSETA | i::TCSETAW | i::TCSETAF => on.set_termio(command == i::TCSETAF),
        i::TIOCSSOFTCAR => {
            let on_line = get::<i32>(arg)? != 0;
            on.change(false, |old| {
                let mut new = old;
                new.set_clocal(on_line);
                new
            })
        }
        i::TIOCSLCKTRMIOS => Err(Errno::PERM),
        i::TIOCGWINSZ => put(arg, &pair.with(|state, _| state.winsize)),
        i::TIOCSWINSZ => get(arg).map(|winsize| pair.resize(winsize)),
        i::TIOCGDEV => put(arg, &(pair.rdev() as u32)),
        i::TIOCEXCL => on.with(|state, _| state.exclusive[usize::from(!master)] = true),
        i::TIOCNXCL => on.with(|state, _| state.exclusive[usize::from(!master)] = false),
        i::TIOCGEXCL => put(arg, &i32::from(pair.with(|state, _| state.exclusive[usize::from(!master)]))),
        i::TIOCGETD => put(arg, &0i32),
        i::TIOCSETD => on.check().and_then(|()| match get::<i32>(arg)? {
            0 => Ok(()),
            // There is no other discipline.
            _ => Err(Errno::INVAL),
        }),
        // A pseudo-terminal has no line that could break, and sends at once.
        i::TIOCSBRK | i::TIOCCBRK | i::TCSBRK | i::TCSBRKP => on.check(),
        i::TIOCOUTQ => put(arg, &0i32),
        i::FIONREAD => put(arg, &on.available()),
        i::TCFLSH => on.check().and_then(|()| on.flush()),
        i::TCXONC => on.check().and_then(|()| on.flow()),
        i::TIOCSTI => on.simulate_input(),
        i::TIOCCONS => Err(if master { Errno::INVAL } else { Errno::PERM }),
        i::TIOCVHANGUP if !master => admin().map(|()| pair.hang_up()),
        i::TIOCGPTPEER => Err(Errno::IO),
        _ if master => on.master_only(command),
        _ => Err(Errno::NOTTY),
    }
    .map(|()| 0)
}

/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN`.
fn admin() -> Result<()> {
    match current_task() {
        Some(task) if !task.process.cred().capable(g::CAP_SYS_ADMIN) => Err(Errno::PERM),
        _ => Ok(()),
    }
}

struct Command<'a> {
    pair: &'a Arc<Pair>,
    side: Side,
    terminal: Terminal,
    arg: usize,
}

impl Command<'_> {
    fn with(&self, work: impl FnOnce(&mut State, &mut Effects)) -> Result<()> {
        self.pair.with(work);
        Ok(())
    }

    /// Whether the caller may change this side (`tty_check_change`): nobody has a master as terminal.
    fn check(&self) -> Result<()> {
        if self.side == Side::Slave { job::check(&self.terminal, g::SIGTTOU) } else { Ok(()) }
    }

    fn get_settings(&self, command: u32) -> Result<()> {
        let termios = self.pair.with(|state, _| state.termios);
        let bytes = termios.to_bytes();
        match command {
            i::TCGETS => put_bytes(self.arg, &bytes[..TERMIOS_LEN]),
            i::TCGETA => put_bytes(self.arg, &termios.to_termio()),
            // Nothing is locked.
            i::TIOCGLCKTRMIOS => put_bytes(self.arg, &[0; TERMIOS_LEN]),
            i::TIOCGSOFTCAR => put(self.arg, &i32::from(termios.control(g::CLOCAL))),
            _ => put_bytes(self.arg, &bytes),
        }
    }

    fn set_settings<const LEN: usize>(&self, flush: bool) -> Result<()> {
        job::check(&self.terminal, g::SIGTTOU)?;
        let mut bytes = [0; LEN];
        get_bytes(&mut bytes, self.arg)?;
        self.change(flush, |old| old.changed_to(&bytes))
    }

    fn set_termio(&self, flush: bool) -> Result<()> {
        job::check(&self.terminal, g::SIGTTOU)?;
        let mut bytes = [0; TERMIO_LEN];
        get_bytes(&mut bytes, self.arg)?;
        self.change(flush, |old| old.changed_to_termio(&bytes))
    }

    /// Changes the settings. What is sent is sent at once, so there is nothing to wait for.
    fn change(&self, flush: bool, new: impl FnOnce(Termios) -> Termios) -> Result<()> {
        self.with(|state, effects| {
            if flush {
                state.up.bytes.clear();
                effects.master_room = true;
                state.discipline(effects, |discipline, line| discipline.flush_input(line));
            }
            let old = state.termios;
            state.termios = new(old).for_pty();
            tell_settings(state, &old);
            state.discipline(effects, |discipline, line| discipline.settings_changed(line, &old));
            state.feed(effects);
            *effects = Effects {
                signals: core::mem::take(&mut effects.signals),
                to_slave: true,
                to_master: true,
                slave_room: true,
                master_room: effects.master_room,
            };
        })
    }

    fn available(&self) -> i32 {
        self.pair.with(|state, _| match self.side {
            Side::Master => state.down.bytes.len().min(MASTER_RING) as i32,
            Side::Slave => state.discipline.available(&state.termios) as i32,
        })
    }

    /// tcflush(3).
    fn flush(&self) -> Result<()> {
        let (input, output) = match u32::try_from(self.arg) {
            Ok(g::TCIFLUSH) => (true, false),
            Ok(g::TCOFLUSH) => (false, true),
            Ok(g::TCIOFLUSH) => (true, true),
            _ => return Err(Errno::INVAL),
        };
        self.with(|state, effects| {
            let slave = self.side == Side::Slave;
            if input != output && input == slave || input && output {
                state.up.bytes.clear();
                effects.master_room = true;
            }
            match self.side {
                Side::Slave => state.discipline(effects, |discipline, line| {
                    if input {
                        discipline.flush_input(line);
                    }
                    if output {
                        line.flush_output();
                    }
                }),
                Side::Master if input => state.down.bytes.clear(),
                Side::Master => {}
            }
            effects.slave_room = true;
        })
    }

    /// tcflow(3).
    fn flow(&self) -> Result<()> {
        let action = u32::try_from(self.arg).map_err(|_| Errno::INVAL)?;
        let character = match action {
            g::TCOOFF | g::TCOON => None,
            g::TCIOFF => Some(g::VSTOP),
            g::TCION => Some(g::VSTART),
            _ => return Err(Errno::INVAL),
        };
        self.with(|state, effects| {
            match (character, self.side) {
                // Echoes that waited follow with the next output, as in Linux.
                (None, Side::Slave) => {
                    state.discipline(effects, |_, line| line.flow_by_call(action == g::TCOOFF));
                }
                (None, Side::Master) => state.master_flow(action == g::TCOOFF),
                (Some(at), Side::Slave) => match state.termios.char(at) {
                    DISABLED => {}
                    byte => {
                        state.down.bytes.push_back(byte);
                        effects.to_master = true;
                    }
                },
                (Some(at), Side::Master) => {
                    state.up.bytes.push_back(Termios::raw().char(at));
                    state.feed(effects);
                }
            }
            (effects.slave_room, effects.master_room) = (true, true);
        })
    }

    /// `TIOCSTI`: for the super-user only (`dev.tty.legacy_tiocsti = 0`).
    fn simulate_input(&self) -> Result<()> {
        admin().map_err(|_| Errno::IO)?;
        let byte: u8 = get(self.arg)?;
        self.with(|state, effects| match self.side {
            Side::Slave => {
                state.up.bytes.push_back(byte);
                state.feed(effects);
            }
            Side::Master => {
                state.down.bytes.push_back(byte);
                effects.to_master = true;
            }
        })
    }

    /// What only masters have (`pty_unix98_ioctl`).
    fn master_only(&self, command: u32) -> Result<()> {
        let (pair, arg) = (self.pair, self.arg);
        match command {
            i::TIOCGPTN => put(arg, &pair.index),
            i::TIOCSPTLCK => {
                let locked = get::<i32>(arg)? != 0;
                self.with(|state, _| state.locked = locked)
            }
            i::TIOCGPTLCK => put(arg, &i32::from(pair.with(|state, _| state.locked))),
            i::TIOCPKT => {
                let on = get::<i32>(arg)? != 0;
                self.with(|state, _| {
                    if on && !state.packet.on {
                        state.packet.status = 0;
                    }
                    state.packet.on = on;
                })
            }
            i::TIOCGPKT => put(arg, &i32::from(pair.with(|state, _| state.packet.on))),
            i::TIOCSIG => match arg as u32 {
                signo @ (g::SIGINT | g::SIGQUIT | g::SIGTSTP) => {
                    job::signal_foreground(&self.terminal, signo as i32);
                    Ok(())
                }
                _ => Err(Errno::INVAL),
            },
            _ => Err(Errno::NOTTY),
        }
    }
}

/// Tells a master in packet mode whether the usual characters stop output, and of changes with `EXTPROC`
/// (`pty_set_termios`).
fn tell_settings(state: &mut State, old: &Termios) {
    if !state.packet.on {
        return;
    }
    let stops = |termios: &Termios| {
        termios.input(g::IXON) && termios.char(g::VSTOP) == 0o23 && termios.char(g::VSTART) == 0o21
    };
    let (before, now) = (stops(old), stops(&state.termios));
    let status = &mut state.packet.status;
    if before != now {
        *status &= !(g::TIOCPKT_DOSTOP | g::TIOCPKT_NOSTOP);
        *status |= if now { g::TIOCPKT_DOSTOP } else { g::TIOCPKT_NOSTOP };
    }
    if old.local(g::EXTPROC) || state.termios.local(g::EXTPROC) {
        *status |= g::TIOCPKT_IOCTL;
    }
}
