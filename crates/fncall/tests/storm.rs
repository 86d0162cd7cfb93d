//! Ten thousand kicks a second, wherever they land: in the user, in the kernel, on the way in and out.

#[path = "common/checked.rs"]
mod checked;
mod common;

use checked::{CF, DF, checked_call, checked_jump_bare, checked_jump_hosted};
use common::{KICK, on_thread};
use fncall::{TRAP_KICK, TRAP_SYSCALL};

/// Kicks the calling thread every 100 microseconds until it is dropped.
struct Storm(libc::timer_t);

impl Storm {
    fn begin() -> Self {
        let every = libc::timespec { tv_sec: 0, tv_nsec: 100_000 };
        let spec = libc::itimerspec { it_interval: every, it_value: every };
        // SAFETY: writes to locals; the handler of the signal is installed.
        unsafe {
            let mut event: libc::sigevent = std::mem::zeroed();
            event.sigev_notify = libc::SIGEV_THREAD_ID;
            event.sigev_signo = KICK;
            event.sigev_notify_thread_id = libc::gettid();
            let mut timer = std::mem::zeroed();
            assert_eq!(libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer), 0);
            assert_eq!(libc::timer_settime(timer, 0, &spec, std::ptr::null_mut()), 0);
            Storm(timer)
        }
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        // SAFETY: the timer is ours.
        unsafe { libc::timer_delete(self.0) };
    }
}

/// Runs a program that checks itself until this many kicks were seen.
fn ride(hosted: bool, entry: unsafe extern "sysv64" fn(), flags: usize) {
    const KICKS: usize = 2000;
    on_thread(move || {
        let mut cx = Box::new(checked::new(entry, flags));
        let (mut kicks, mut round, mut wrong, mut trap) = (0, 0, 0, None);
        let storm = Storm::begin();
        // Nothing here uses AVX: in a bare run it is the user's.
        while kicks < KICKS && trap.is_none() && wrong == 0 {
            // SAFETY: the programs check themselves and leave the kernel alone.
            unsafe { if hosted { cx.run() } else { cx.run_bare() } }
            match cx.user.trap_num {
                TRAP_KICK => kicks += 1,
                TRAP_SYSCALL => {
                    wrong += usize::from(!checked::is_right(&cx, round, flags));
                    round += 1;
                }
                other => trap = Some(other),
            }
        }
        drop(storm);
        cx.detach();
        assert_eq!((trap, wrong), (None, 0), "after {round} system calls and {kicks} kicks: {cx:?}");
        assert!(round > 0);
    });
}

#[test]
fn bare_runs_weather_a_storm() {
    ride(false, checked_jump_bare, CF);
}

#[test]
fn bare_calls_weather_a_storm() {
    ride(false, checked_call, CF);
}

#[test]
fn bare_runs_with_odd_flags_weather_a_storm() {
    ride(false, checked_jump_bare, CF | DF);
}

#[test]
fn hosted_runs_weather_a_storm() {
    ride(true, checked_jump_hosted, CF);
}

#[test]
fn hosted_calls_weather_a_storm() {
    ride(true, checked_call, CF);
}

#[test]
fn hosted_runs_with_odd_flags_weather_a_storm() {
    ride(true, checked_jump_hosted, CF | DF);
}
