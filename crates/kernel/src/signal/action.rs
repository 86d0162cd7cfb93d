//! What a process wants done about a signal (sigaction(2)).

use super::set::{NSIG, SigSet, is_realtime};
use alloc::sync::Arc;
use host::mutex::Mutex;
use linux_raw_sys::general as g;

/// `SIG_DFL`
pub const SIG_DFL: usize = 0;
/// `SIG_IGN`
pub const SIG_IGN: usize = 1;

/// Signals with the default action "terminate and dump core" (signal(7)).
const CORE: SigSet = SigSet::of(g::SIGQUIT as i32)
    .with(g::SIGILL as i32)
    .with(g::SIGTRAP as i32)
    .with(g::SIGABRT as i32)
    .with(g::SIGFPE as i32)
    .with(g::SIGSEGV as i32)
    .with(g::SIGBUS as i32)
    .with(g::SIGSYS as i32)
    .with(g::SIGXCPU as i32)
    .with(g::SIGXFSZ as i32);

bitflags::bitflags! {
    /// `sa_flags`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct SaFlags: u64 {
        /// No SIGCHLD when children stop.
        const NOCLDSTOP = g::SA_NOCLDSTOP as u64;
        /// Children leave no zombies.
        const NOCLDWAIT = g::SA_NOCLDWAIT as u64;
        /// The handler wants `siginfo_t` and `ucontext_t`.
        const SIGINFO = g::SA_SIGINFO as u64;
        /// Keep the tag bits of `si_addr`; x86-64 has none.
        const EXPOSE_TAGBITS = g::SA_EXPOSE_TAGBITS as u64;
        /// There is a restorer.
        const RESTORER = g::SA_RESTORER as u64;
        /// Run on the alternate stack.
        const ONSTACK = g::SA_ONSTACK as u64;
        /// Restart interrupted calls.
        const RESTART = g::SA_RESTART as u64;
        /// Do not block the signal itself in its handler.
        const NODEFER = g::SA_NODEFER as u64;
        /// Back to the default when the handler is entered.
        const RESETHAND = g::SA_RESETHAND as u64;
    }
}

impl SaFlags {
    /// All that Linux knows (`UAPI_SA_FLAGS` and x86's `SA_RESTORER`); others are cleared silently, which is how
    /// programs find out.
    pub fn known(bits: u64) -> SaFlags {
        SaFlags::from_bits_truncate(bits)
    }
}

/// One row of the table (`struct k_sigaction`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SigAction {
    /// [`SIG_DFL`], [`SIG_IGN`] or the handler's address.
    pub handler: usize,
    /// How to call it.
    pub flags: SaFlags,
    /// Where the handler returns to.
    pub restorer: usize,
    /// Blocked while it runs.
    pub mask: SigSet,
}

/// The default actions of signal(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultAction {
    /// End the process.
    Terminate,
    /// End the process, with a core dump.
    Core,
    /// Nothing.
    Ignore,
    /// Stop the process.
    Stop,
    /// Continue the process, which happened when the signal was sent.
    Continue,
}

/// What `SIG_DFL` means for a signal.
pub fn default_action(signo: i32) -> DefaultAction {
    if is_realtime(signo) {
        DefaultAction::Terminate
    } else if signo == g::SIGCONT as i32 {
        DefaultAction::Continue
    } else if SigSet::IGNORED_BY_DEFAULT.contains(signo) {
        DefaultAction::Ignore
    } else if SigSet::STOP.contains(signo) {
        DefaultAction::Stop
    } else if CORE.contains(signo) {
        DefaultAction::Core
    } else {
        DefaultAction::Terminate
    }
}

/// The actions of all signals (`struct sighand_struct`): a handle, which processes made with `CLONE_SIGHAND` share.
#[derive(Debug)]
pub struct Actions(Arc<Mutex<[SigAction; NSIG as usize]>>);

impl Default for Actions {
    fn default() -> Self {
        Actions(Arc::new(Mutex::new([SigAction::default(); NSIG as usize])))
    }
}

impl Actions {
    /// The action of a valid signal number; the default one for others.
    pub fn get(&self, signo: i32) -> SigAction {
        self.0.lock().get((signo - 1) as usize).copied().unwrap_or_default()
    }

    /// Replaces the action of a valid signal number, answering the old one.
    pub fn set(&self, signo: i32, action: SigAction) -> SigAction {
        match self.0.lock().get_mut((signo - 1) as usize) {
            Some(slot) => core::mem::replace(slot, action),
            None => SigAction::default(),
        }
    }

    /// Whether the signal would be thrown away (`sig_handler_ignored`).
    pub fn ignores(&self, signo: i32) -> bool {
        match self.get(signo).handler {
            SIG_IGN => true,
            SIG_DFL => SigSet::IGNORED_BY_DEFAULT.contains(signo),
            _ => false,
        }
    }

    /// The same actions, for a child made with `CLONE_SIGHAND`.
    pub fn share(&self) -> Actions {
        Actions(self.0.clone())
    }

    /// Actions of one's own that begin as these.
    pub fn duplicate(&self) -> Actions {
        Actions(Arc::new(Mutex::new(*self.0.lock())))
    }

    /// execve(2) and `CLONE_CLEAR_SIGHAND`: handlers become the default, ignored signals stay ignored. Whoever shared
    /// the actions keeps them as they were (`unshare_sighand`).
    pub fn flush_handlers(&mut self) {
        let mut own = *self.0.lock();
        for action in &mut own {
            let handler = if action.handler == SIG_IGN { SIG_IGN } else { SIG_DFL };
            *action = SigAction { handler, ..SigAction::default() };
        }
        *self = Actions(Arc::new(Mutex::new(own)));
    }

    /// The sets of ignored and of caught signals (/proc/PID/status).
    pub fn sets(&self) -> (SigSet, SigSet) {
        let mut ignored = SigSet::EMPTY;
        let mut caught = SigSet::EMPTY;
        for (signo, action) in (1..).zip(self.0.lock().iter()) {
            match action.handler {
                SIG_DFL => {}
                SIG_IGN => ignored = ignored.with(signo),
                _ => caught = caught.with(signo),
            }
        }
        (ignored, caught)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exec_keeps_ignored_and_drops_handlers() {
        let mut actions = Actions::default();
        actions.set(1, SigAction { handler: SIG_IGN, ..SigAction::default() });
        actions.set(2, SigAction { handler: 0x1000, flags: SaFlags::RESTART, ..SigAction::default() });
        actions.flush_handlers();
        assert_eq!(actions.get(1).handler, SIG_IGN);
        assert_eq!(actions.get(2), SigAction::default());
        assert_eq!(actions.sets(), (SigSet::of(1), SigSet::EMPTY));
    }

    #[test]
    fn default_actions_are_those_of_the_manual() {
        use DefaultAction::*;
        let expected =
            [(1, Terminate), (11, Core), (17, Ignore), (18, Continue), (19, Stop), (30, Terminate)];
        for (signo, action) in expected {
            assert_eq!(default_action(signo), action, "signal {signo}");
        }
        assert_eq!(default_action(64), Terminate);
    }
}
