//! The host's signals as far as the kernel uses them: the kick that takes a thread out of user mode or sleep, the
//! host timer that sends it, and what happens on a fault in the kernel itself.

use crate::mutex::Mutex;
use crate::park::Parker;
use crate::thread::PARENT_GONE;
use crate::{Result, check, syscall1, syscall3, syscall4};
use core::mem::{MaybeUninit, zeroed};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};
use linux_raw_sys::general as g;

/// The host signal used as kick: a real-time signal that neither libc uses by itself (glibc takes 32 and 33). The
/// program's own signals never reach the host, so it cannot collide with them.
pub const KICK_SIGNAL: i32 = 34;

/// The calling host thread's id.
pub fn host_tid() -> i32 {
    let known = crate::user::current_parker_ref().map_or(0, Parker::host_tid);
    if known > 0 { known } else { ask_ids().1 }
}

/// The host process's id.
pub fn host_pid() -> i32 {
    let known = crate::user::current_parker_ref().map_or(0, Parker::host_pid);
    if known > 0 { known } else { ask_ids().0 }
}

/// The calling host thread's process and its own id, asked of the host: for a thread that has no parker yet, or whose
/// `gs` still leads to another one's.
pub(crate) fn ask_ids() -> (i32, i32) {
    // SAFETY: no arguments.
    unsafe { (syscall1(g::__NR_getpid, 0) as i32, syscall1(g::__NR_gettid, 0) as i32) }
}

/// Kicks a host thread, of this host process or of another one of the instance.
pub(crate) fn kick(pid: i32, tid: i32) {
    // SAFETY: no memory is involved; a thread that is gone answers ESRCH, which is as good.
    unsafe { syscall3(g::__NR_tgkill, pid as usize, tid as usize, KICK_SIGNAL as usize) };
}

/// A timer of the host process on one clock: a kick at a deadline. Which thread gets the kick is the host's choice
/// among those that run programs; any of them can run the kernel's timer queue.
///
/// The host deletes it when the process ends; a child made by fork does not inherit it and needs its own.
#[derive(Debug)]
pub struct Alarm {
    clock: i32,
    /// Host process and number of the timer, once made.
    timer: Mutex<Option<(i32, i32)>>,
}

impl Alarm {
    /// A timer on the host's clock `clock`, made when first set.
    pub fn new(clock: i32) -> Alarm {
        Alarm { clock, timer: Mutex::new(None) }
    }

    /// Asks for a kick at `deadline_ns` on the clock; `None` takes the wish back. One deadline at a time.
    ///
    /// # Errors
    /// Those of timer_create(2).
    pub fn set(&self, deadline_ns: Option<u64>) -> Result<()> {
        let mut timer = self.timer.lock();
        let id = match *timer {
            Some((pid, id)) if pid == host_pid() => id,
            _ if deadline_ns.is_none() => return Ok(()),
            _ => {
                let id = create_timer(self.clock)?;
                *timer = Some((host_pid(), id));
                id
            }
        };
        let ns = deadline_ns.unwrap_or(0);
        let value = g::__kernel_itimerspec {
            it_interval: g::__kernel_timespec { tv_sec: 0, tv_nsec: 0 },
            // A time of zero would disarm; one nanosecond after boot is long past.
            it_value: g::__kernel_timespec {
                tv_sec: (ns / 1_000_000_000) as i64,
                tv_nsec: match (ns, deadline_ns) {
                    (0, Some(_)) => 1,
                    _ => (ns % 1_000_000_000) as i64,
                },
            },
        };
        // SAFETY: `value` is live; TIMER_ABSTIME is 1.
        check(unsafe { syscall4(g::__NR_timer_settime, id as usize, 1, &raw const value as usize, 0) })?;
        Ok(())
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some((pid, id)) = *self.timer.lock()
            && pid == host_pid()
        {
            // SAFETY: no memory is involved; the timer is this process's own.
            unsafe { syscall1(g::__NR_timer_delete, id as usize) };
        }
    }
}

fn create_timer(clock: i32) -> Result<i32> {
    // SAFETY: zero is a valid `sigevent`.
    let mut event: g::sigevent = unsafe { zeroed() };
    event.sigev_signo = KICK_SIGNAL;
    event.sigev_notify = g::SIGEV_SIGNAL as i32;
    let mut id = MaybeUninit::<i32>::zeroed();
    // SAFETY: both structs are live.
    check(unsafe {
        syscall3(g::__NR_timer_create, clock as usize, &raw const event as usize, id.as_mut_ptr() as usize)
    })?;
    // SAFETY: filled in by the host.
    Ok(unsafe { id.assume_init() })
}

/// Host signals that are the program's business: from the terminal, from the person, from other processes.
/// SIGKILL and SIGSTOP cannot be caught; those of faults belong to the switch; SIGPIPE and SIGSYS are the
/// kernel's own.
const FORWARDED_SIGNALS: [i32; 14] = [1, 2, 3, 10, 12, 14, 15, 18, 20, 21, 22, 23, 28, 30];

/// How often the host has continued a process of the instance.
static CONTINUED: AtomicU32 = AtomicU32::new(0);

/// The handler proper; `info` is the host's `siginfo_t`.
///
/// # Safety
/// The host calls it, through the handler in `arch`.
pub(crate) unsafe extern "sysv64" fn on_forwarded(signo: i32, info: *const i32) {
    /// `SI_KERNEL`
    const FROM_KERNEL: i32 = 0x80;
    if crate::thread::on_parent_gone(signo) {
        return;
    }
    if let Some(forwarded) = crate::user::forwarded() {
        // SAFETY: the third word of the `siginfo_t` that SA_SIGINFO asks for is `si_code`.
        let code = unsafe { info.add(2).read() };
        if signo == g::SIGCONT as i32 {
            CONTINUED.fetch_add(1, SeqCst);
        }
        let word = if code == FROM_KERNEL { &forwarded.kernel } else { &forwarded.user };
        word.fetch_or(1 << (signo - 1), SeqCst);
        kick(host_pid(), host_tid());
    }
}

/// Signals from outside the instance, bit `signo - 1`.
#[derive(Clone, Copy, Debug, Default)]
pub struct FromOutside {
    /// From the host's kernel: of the terminal, for the process group.
    pub kernel: u64,
    /// From processes of the host.
    pub user: u64,
}

/// Takes the signals that came to the calling thread since the last call.
#[inline]
pub fn take_forwarded() -> FromOutside {
    let Some(forwarded) = crate::user::forwarded() else { return FromOutside::default() };
    let take = |word: &AtomicU64| if word.load(Relaxed) != 0 { word.swap(0, SeqCst) } else { 0 };
    FromOutside { kernel: take(&forwarded.kernel), user: take(&forwarded.user) }
}

/// Runs `work` with one more host signal blocked on the calling thread.
pub fn with_blocked<T>(signo: i32, work: impl FnOnce() -> T) -> T {
    let more = 1u64 << (signo - 1);
    let mut old = 0u64;
    // SAFETY: both words are live; 0 is SIG_BLOCK.
    unsafe { syscall4(g::__NR_rt_sigprocmask, 0, &raw const more as usize, &raw mut old as usize, 8) };
    let result = work();
    crate::thread::set_mask(old);
    result
}

#[repr(C)]
struct HostSigaction {
    handler: usize,
    flags: usize,
    restorer: usize,
    mask: u64,
}

/// Installs the handlers for signals from outside; a signal that the host process was told to ignore stays so.
/// Answers the set of those ignored, bit `signo - 1`: the program inherits it. SIGPIPE is ignored on the host, since
/// a broken pipe is told by `EPIPE`.
///
/// # Errors
/// Those of sigaction(2).
pub fn forward_signals() -> Result<u64> {
    let (handler, restorer) = crate::arch::forward_handler();
    const SA_ONSTACK: usize = 0x0800_0000;
    const SA_RESTORER: usize = 0x0400_0000;
    const SA_SIGINFO: usize = 4;
    let flags = SA_ONSTACK | SA_RESTORER | SA_SIGINFO;
    let mut ignored = 0;
    // Whether it was ignored.
    let mut install = |signo: i32, action: Option<HostSigaction>| -> Result<bool> {
        let mut old = HostSigaction { handler: 0, flags: 0, restorer: 0, mask: 0 };
        // SAFETY: reads the old action into a live struct of the kernel's layout.
        check(unsafe { syscall4(g::__NR_rt_sigaction, signo as usize, 0, &raw mut old as usize, 8) })?;
        if old.handler == 1 && signo != PARENT_GONE {
            ignored |= 1 << (signo - 1);
        } else if let Some(action) = action {
            // SAFETY: the handler is async-signal-safe: atomics, a tgkill, an exit.
            check(unsafe {
                syscall4(g::__NR_rt_sigaction, signo as usize, &raw const action as usize, 0, 8)
            })?;
        }
        Ok(old.handler == 1)
    };
    for signo in FORWARDED_SIGNALS.into_iter().chain([PARENT_GONE]) {
        install(signo, Some(HostSigaction { handler, flags, restorer, mask: u64::MAX }))?;
    }
    install(13, Some(HostSigaction { handler: 1, flags: 0, restorer: 0, mask: 0 }))?;
    // Those nobody sends to a host process are only looked at.
    for signo in (1..=64).filter(|signo| !FORWARDED_SIGNALS.contains(signo) && *signo != 13 && *signo != 17) {
        install(signo, None)?;
    }
    if install(17, None)? {
        // The kernel must be told of host processes that end.
        let default = HostSigaction { handler: 0, flags: 0, restorer: 0, mask: 0 };
        // SAFETY: SIG_DFL runs no code; no memory but `default`.
        check(unsafe { syscall4(g::__NR_rt_sigaction, 17, &raw const default as usize, 0, 8) })?;
    }
    Ok(ignored)
}

/// Makes kicks do nothing, in a process that runs no programs: a unit test, where nothing handles them.
pub fn ignore_kicks() {
    let action = HostSigaction { handler: 1, flags: 0, restorer: 0, mask: 0 };
    // SAFETY: SIG_IGN runs no code; no memory but `action`.
    unsafe { syscall4(g::__NR_rt_sigaction, KICK_SIGNAL as usize, &raw const action as usize, 0, 8) };
}

/// The host's signal mask at boot, bit `signo - 1`, which the program inherits; the host process itself blocks
/// nothing from then on.
pub fn take_mask() -> u64 {
    let none = 0u64;
    let mut old = 0u64;
    // SAFETY: both words are live; 2 is SIG_SETMASK.
    unsafe { syscall4(g::__NR_rt_sigprocmask, 2, &raw const none as usize, &raw mut old as usize, 8) };
    old
}

/// Ends the host process as killed by `signo`, so that who waits for it sees the same as without fncall. Returns
/// when the signal does not kill.
pub fn die_of(signo: i32) {
    let action = HostSigaction { handler: 0, flags: 0, restorer: 0, mask: 0 };
    // SAFETY: back to the default action, then the signal to this very thread; no memory but `action`.
    unsafe {
        syscall4(g::__NR_rt_sigaction, signo as usize, &raw const action as usize, 0, 8);
        syscall3(g::__NR_tgkill, host_pid() as usize, host_tid() as usize, signo as usize);
    }
}

/// Stops the host process by SIGSTOP, SIGTSTP, SIGTTIN or SIGTTOU, so that who waits for it sees that. Returns when it
/// was continued, or at once when the host ignores the signal because nobody could continue it (an orphaned group);
/// answers whether it was stopped.
pub fn stop_by(signo: i32) -> bool {
    let before = CONTINUED.load(SeqCst);
    let default = HostSigaction { handler: 0, flags: 0, restorer: 0, mask: 0 };
    let mut old = HostSigaction { handler: 0, flags: 0, restorer: 0, mask: 0 };
    // SAFETY: back to the default action, then the signal to this very thread, then the old action again; both
    // structs are live. SIGSTOP's action cannot be changed and need not be.
    unsafe {
        syscall4(g::__NR_rt_sigaction, signo as usize, &raw const default as usize, &raw mut old as usize, 8);
        syscall3(g::__NR_tgkill, host_pid() as usize, host_tid() as usize, signo as usize);
        syscall4(g::__NR_rt_sigaction, signo as usize, &raw const old as usize, 0, 8);
    }
    CONTINUED.load(SeqCst) != before
}
