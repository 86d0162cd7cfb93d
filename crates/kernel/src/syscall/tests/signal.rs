//! Promises of the calls about signals and timers, each as a program sees it. The frame's expected bytes are those
//! of Linux's `struct rt_sigframe`.

use crate::signal::{self, SigInfo, SigSet};
use crate::testing::{BAD, Thread, cred};
use crate::{ERESTART_RESTARTBLOCK, ERESTARTNOHAND, ERESTARTSYS, Errno, call};
use alloc::vec;
use alloc::vec::Vec;
use linux_raw_sys::general as g;

const USR1: i32 = g::SIGUSR1 as i32;
const SEGV: i32 = g::SIGSEGV as i32;
const HANDLER: u64 = 0x40_1000;
const RESTORER: u64 = 0x40_2000;

fn set(signos: &[i32]) -> u64 {
    signos.iter().fold(SigSet::EMPTY, |set, signo| set.with(*signo)).0
}

fn block(t: &mut Thread, signos: &[i32]) {
    assert_eq!(call!(t, g::__NR_rt_sigprocmask, g::SIG_SETMASK, &[set(signos)][..], 0, 8), Ok(0));
}

fn blocked(t: &Thread) -> u64 {
    t.task.signals.blocked().0
}

fn handle(t: &mut Thread, signo: i32, flags: u32, mask: u64) {
    let action = [HANDLER, u64::from(flags | g::SA_RESTORER), RESTORER, mask];
    assert_eq!(call!(t, g::__NR_rt_sigaction, signo, &action[..], 0, 8), Ok(0));
}

fn kill_self(t: &mut Thread, signo: i32) {
    let pid = t.task.process.pid;
    assert_eq!(call!(t, g::__NR_kill, pid, signo), Ok(0));
}

/// What the run loop does after a call that answered `interrupted`; answers the wait status if that ends it.
fn deliver(t: &mut Thread, interrupted: Option<Errno>) -> Option<i32> {
    t.with_current(|cur| {
        cur.call_number = 35;
        signal::deliver(cur, interrupted);
        cur.exit
    })
}

/// A stack in the test's memory, the program's stack pointer in the middle of it.
fn give_stack(t: &mut Thread) -> Vec<u64> {
    let stack = vec![0u64; 4096];
    let top = stack.as_ptr().expose_provenance() + 3000 * 8;
    t.with_current(|cur| {
        let regs = cur.user.regs_mut();
        regs.rsp = top;
        regs.rip = 0x40_0100;
        regs.rflags = 0x202;
    });
    stack
}

fn word(addr: usize) -> u64 {
    crate::uaccess::get(addr).expect("readable")
}

#[test]
fn the_mask_never_holds_kill_and_stop() {
    let mut t = Thread::root();
    let all = [u64::MAX];
    let mut old = [7u64];
    assert_eq!(call!(t, g::__NR_rt_sigprocmask, g::SIG_SETMASK, &all[..], &mut old[..], 8), Ok(0));
    assert_eq!(old, [0]);
    assert_eq!(blocked(&t), !set(&[9, 19]));
    assert_eq!(call!(t, g::__NR_rt_sigprocmask, g::SIG_UNBLOCK, &[set(&[1, 2])][..], 0, 8), Ok(0));
    assert_eq!(blocked(&t), !set(&[1, 2, 9, 19]));
    assert_eq!(call!(t, g::__NR_rt_sigprocmask, g::SIG_BLOCK, &[set(&[2])][..], 0, 8), Ok(0));
    assert_eq!(blocked(&t), !set(&[1, 9, 19]));
    assert_eq!(call!(t, g::__NR_rt_sigprocmask, 3, &all[..], 0, 8), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_rt_sigprocmask, 3, 0, &mut old[..], 8), Ok(0));
    assert_eq!(call!(t, g::__NR_rt_sigprocmask, 0, &all[..], 0, 4), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_rt_sigprocmask, 0, BAD, 0, 8), Err(Errno::FAULT));
}

#[test]
fn actions_are_kept_and_those_of_kill_and_stop_are_not_for_sale() {
    let mut t = Thread::root();
    let action = [HANDLER, u64::MAX, RESTORER, u64::MAX];
    let mut old = [0u64; 4];
    for signo in [0, 65, 9, 19, -1] {
        assert_eq!(call!(t, g::__NR_rt_sigaction, signo, &action[..], 0, 8), Err(Errno::INVAL), "{signo}");
    }
    assert_eq!(call!(t, g::__NR_rt_sigaction, 9, 0, &mut old[..], 8), Ok(0));
    assert_eq!(call!(t, g::__NR_rt_sigaction, USR1, &action[..], 0, 8), Ok(0));
    assert_eq!(call!(t, g::__NR_rt_sigaction, USR1, 0, &mut old[..], 8), Ok(0));
    // Flags that the kernel does not know are cleared: this is how programs find out.
    assert_eq!(old, [HANDLER, 0xdc00_0807, RESTORER, !set(&[9, 19])]);
}

#[test]
fn a_blocked_signal_waits_and_can_be_taken() {
    let mut t = Thread::root();
    block(&mut t, &[USR1]);
    kill_self(&mut t, USR1);
    kill_self(&mut t, USR1);
    let mut pending = [0u64];
    assert_eq!(call!(t, g::__NR_rt_sigpending, &mut pending[..], 8), Ok(0));
    assert_eq!(pending, [set(&[USR1])]);
    let mut info = [0u32; 32];
    let now = [0i64; 2];
    let wanted = [set(&[USR1, 12])];
    let args = (g::__NR_rt_sigtimedwait, &wanted[..], info.as_mut_ptr(), &now[..]);
    assert_eq!(call!(t, args.0, args.1, args.2, args.3, 8), Ok(USR1 as usize));
    assert_eq!(info[..6], [USR1 as u32, 0, g::SI_USER, 0, t.task.process.pid as u32, 0]);
    assert_eq!(call!(t, args.0, args.1, args.2, args.3, 8), Err(Errno::AGAIN));
    assert_eq!(call!(t, args.0, args.1, args.2, &[0i64, -1][..], 8), Err(Errno::INVAL));
    assert_eq!(deliver(&mut t, None), None);
}

#[test]
fn default_actions_end_the_process_or_do_nothing() {
    for (signo, status) in [(15, Some(15)), (SEGV, Some(SEGV)), (17, None), (18, None), (34, Some(34))] {
        let mut t = Thread::root();
        kill_self(&mut t, signo);
        assert_eq!(deliver(&mut t, None), status, "signal {signo}");
    }
}

#[test]
fn a_handler_gets_the_frame_of_linux_and_returning_undoes_it() {
    let mut t = Thread::root();
    let _stack = give_stack(&mut t);
    handle(&mut t, USR1, g::SA_SIGINFO, set(&[12]));
    block(&mut t, &[1]);
    let before = t.with_current(|cur| {
        let regs = cur.user.regs_mut();
        (regs.rax, regs.rbx, regs.r8, regs.r15) = (1, 2, 3, 4);
        // Carry and direction: the handler must not see the latter, the program must get it back.
        regs.rflags |= 0x401;
        *regs
    });
    kill_self(&mut t, USR1);
    assert!(signal::has_deliverable(&t.task));
    assert_eq!(deliver(&mut t, None), None);

    let inside = t.with_current(|cur| *cur.user.regs());
    let frame = inside.rsp;
    assert_eq!((frame + 8) % 16, 0);
    assert!(frame + 440 <= before.rsp - 128);
    assert_eq!(inside.rip as u64, HANDLER);
    assert_eq!((inside.rdi, inside.rsi, inside.rdx, inside.rax), (USR1 as usize, frame + 312, frame + 8, 0));
    assert_eq!(inside.rflags, 0x203);
    assert_eq!(word(frame), RESTORER);
    assert_eq!((word(frame + 8), word(frame + 16)), (7, 0));
    assert_eq!(word(frame + 24 + 8), u64::from(g::SS_DISABLE));
    let context = frame + 48;
    assert_eq!([word(context), word(context + 56)], [3, 4]);
    assert_eq!([word(context + 88), word(context + 104)], [2, 1]);
    assert_eq!(
        [word(context + 120), word(context + 128), word(context + 136)],
        [before.rsp as u64, before.rip as u64, before.rflags as u64]
    );
    assert_eq!(word(context + 144), 0x002b_0000_0000_0033);
    let fpstate = word(context + 184) as usize;
    assert_eq!((fpstate % 64, frame + 440 <= fpstate), (0, true));
    assert_eq!(word(fpstate + 464) as u32, 0x4650_5853);
    assert_eq!(word(context + 256), set(&[1]));
    assert_eq!(word(frame + 312) as i32, USR1);
    assert_eq!(blocked(&t), set(&[1, USR1, 12]));

    // The handler returns: its `ret` pops the restorer's address, and that makes the call.
    t.with_current(|cur| cur.user.regs_mut().rsp += 8);
    assert_eq!(call!(t, g::__NR_rt_sigreturn), Ok(1));
    let after = t.with_current(|cur| *cur.user.regs());
    assert_eq!(after, before);
    assert_eq!(blocked(&t), set(&[1]));
}

#[test]
fn interrupted_calls_restart_or_fail_as_the_flags_say() {
    let after_call = 0x40_0100;
    let cases = [
        (ERESTARTSYS, g::SA_RESTART, true),
        (ERESTARTSYS, 0, false),
        (ERESTARTNOHAND, g::SA_RESTART, false),
        (ERESTART_RESTARTBLOCK, g::SA_RESTART, false),
    ];
    for (errno, flags, restarts) in cases {
        let mut t = Thread::root();
        let _stack = give_stack(&mut t);
        handle(&mut t, USR1, flags, 0);
        kill_self(&mut t, USR1);
        assert_eq!(deliver(&mut t, Some(errno)), None);
        let context = t.with_current(|cur| cur.user.regs().rsp) + 48;
        let (rax, rip) = (word(context + 104), word(context + 128));
        let expected = if restarts { (35, after_call - 2) } else { (-4i64 as u64, after_call) };
        assert_eq!((rax, rip), expected, "{errno:?} {flags:#x}");
    }
    // Without a handler all of them go on, the last one with what is left of its time.
    for (errno, number) in [(ERESTARTSYS, 35), (ERESTARTNOHAND, 35), (ERESTART_RESTARTBLOCK, 219)] {
        let mut t = Thread::root();
        let _stack = give_stack(&mut t);
        assert_eq!(deliver(&mut t, Some(errno)), None);
        let regs = t.with_current(|cur| *cur.user.regs());
        assert_eq!((regs.rax, regs.rip as u64), (number, after_call - 2));
    }
}

#[test]
fn a_frame_that_does_not_fit_ends_the_process() {
    let mut t = Thread::root();
    handle(&mut t, USR1, 0, 0);
    t.with_current(|cur| cur.user.regs_mut().rsp = BAD);
    kill_self(&mut t, USR1);
    assert_eq!(deliver(&mut t, None), Some(SEGV));
    // A handler without a way back cannot be entered either.
    let mut t = Thread::root();
    let _stack = give_stack(&mut t);
    assert_eq!(call!(t, g::__NR_rt_sigaction, USR1, &[HANDLER, 0, 0, 0][..], 0, 8), Ok(0));
    kill_self(&mut t, USR1);
    assert_eq!(deliver(&mut t, None), Some(SEGV));
}

#[test]
fn a_bad_frame_on_return_ends_the_process() {
    let mut t = Thread::root();
    t.with_current(|cur| cur.user.regs_mut().rsp = BAD);
    assert_eq!(call!(t, g::__NR_rt_sigreturn), Ok(0));
    assert_eq!(deliver(&mut t, None), Some(SEGV));
}

#[test]
fn faults_cannot_be_blocked_or_ignored() {
    let mut t = Thread::root();
    block(&mut t, &[SEGV]);
    signal::force(&t.task, SigInfo::fault(SEGV, 1, 0x10));
    assert_eq!(deliver(&mut t, None), Some(SEGV));
    let mut t = Thread::root();
    assert_eq!(call!(t, g::__NR_rt_sigaction, SEGV, &[1u64, 0, 0, 0][..], 0, 8), Ok(0));
    signal::force(&t.task, SigInfo::fault(SEGV, 1, 0x10));
    assert_eq!(deliver(&mut t, None), Some(SEGV));
}

#[test]
fn handlers_run_on_the_alternate_stack_once() {
    let mut t = Thread::root();
    let _stack = give_stack(&mut t);
    let alt = vec![0u64; 4096];
    let (start, end) = (alt.as_ptr().expose_provenance(), alt.as_ptr().expose_provenance() + 4096 * 8);
    assert_eq!(call!(t, g::__NR_sigaltstack, &[start, 0, 4096 * 8][..], 0), Ok(0));
    handle(&mut t, USR1, g::SA_ONSTACK | g::SA_NODEFER, 0);
    kill_self(&mut t, USR1);
    assert_eq!(deliver(&mut t, None), None);
    let first = t.with_current(|cur| cur.user.regs().rsp);
    assert!((start..end).contains(&first));
    assert_eq!(word(first + 24) as usize, start);
    assert_eq!(call!(t, g::__NR_sigaltstack, &[start, 0, 4096 * 8][..], 0), Err(Errno::PERM));
    // Nested: further down on the same stack.
    kill_self(&mut t, USR1);
    assert_eq!(deliver(&mut t, None), None);
    let second = t.with_current(|cur| cur.user.regs().rsp);
    assert!((start..first).contains(&second));
}

#[test]
fn resethand_and_nodefer() {
    let mut t = Thread::root();
    let _stack = give_stack(&mut t);
    handle(&mut t, USR1, g::SA_RESETHAND | g::SA_NODEFER, 0);
    kill_self(&mut t, USR1);
    assert_eq!(deliver(&mut t, None), None);
    assert_eq!(blocked(&t), 0);
    kill_self(&mut t, USR1);
    assert_eq!(deliver(&mut t, None), Some(USR1));
}

#[test]
fn sigsuspend_runs_the_handler_under_its_mask_and_saves_the_old_one() {
    let mut t = Thread::root();
    let _stack = give_stack(&mut t);
    handle(&mut t, USR1, 0, 0);
    block(&mut t, &[USR1, 1]);
    kill_self(&mut t, USR1);
    signal::set_temporary_mask(&t.task, SigSet(set(&[2])));
    assert_eq!(deliver(&mut t, Some(ERESTARTNOHAND)), None);
    assert_eq!(blocked(&t), set(&[2, USR1]));
    let frame = t.with_current(|cur| cur.user.regs().rsp);
    assert_eq!(word(frame + 304), set(&[USR1, 1]));
    assert_eq!(word(frame + 48 + 104) as i64, -4);
}

#[test]
fn ignoring_throws_away_what_is_pending() {
    let mut t = Thread::root();
    block(&mut t, &[USR1]);
    kill_self(&mut t, USR1);
    assert_eq!(call!(t, g::__NR_rt_sigaction, USR1, &[1u64, 0, 0, 0][..], 0, 8), Ok(0));
    assert!(signal::pending_for(&t.task).is_empty());
    // Blocked and ignored: kept, since the action may change.
    kill_self(&mut t, USR1);
    assert_eq!(signal::pending_for(&t.task).0, set(&[USR1]));
}

#[test]
fn continue_and_stop_cancel_each_other() {
    let mut t = Thread::root();
    block(&mut t, &[18, 20]);
    kill_self(&mut t, 20);
    kill_self(&mut t, 18);
    assert_eq!(signal::pending_for(&t.task).0, set(&[18]));
    kill_self(&mut t, 20);
    assert_eq!(signal::pending_for(&t.task).0, set(&[20]));
}

#[test]
fn who_may_signal_whom() {
    let mut t = Thread::root();
    let other = t.another(cred(7, 7, &[]));
    crate::task::register(&other.task.process);
    let pid = other.task.process.pid;
    t.become_user(cred(8, 8, &[]));
    assert_eq!(call!(t, g::__NR_kill, pid, 0), Err(Errno::PERM));
    assert_eq!(call!(t, g::__NR_tgkill, pid, pid, USR1), Err(Errno::PERM));
    assert_eq!(call!(t, g::__NR_kill, pid, 65), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_kill, i32::MAX, 0), Err(Errno::SRCH));
    assert_eq!(call!(t, g::__NR_kill, i32::MIN, 0), Err(Errno::SRCH));
    assert_eq!(call!(t, g::__NR_tgkill, 0, pid, 0), Err(Errno::INVAL));
    t.become_user(cred(7, 8, &[]));
    assert_eq!(call!(t, g::__NR_kill, pid, 0), Ok(0));
    let info = [u64::from(USR1 as u32), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(call!(t, g::__NR_rt_sigqueueinfo, pid, USR1, &info[..]), Err(Errno::PERM));
}

#[test]
fn a_queued_signal_brings_its_value() {
    let mut t = Thread::root();
    block(&mut t, &[40]);
    let pid = t.task.process.pid;
    for value in [5u64, 6] {
        let mut info = [0u64; 16];
        (info[1], info[3]) = (u64::from(g::SI_QUEUE as u32), value);
        assert_eq!(call!(t, g::__NR_rt_sigqueueinfo, pid, 40, &info[..]), Ok(0));
    }
    for value in [5u64, 6] {
        let info = signal::take(&t.task, SigSet::of(40)).expect("queued");
        assert_eq!((info.code(), info.value()), (g::SI_QUEUE, value));
    }
    assert_eq!(signal::take(&t.task, SigSet::of(40)), None);
}

#[test]
fn a_posix_timer_counts_what_it_missed() {
    let mut t = Thread::root();
    block(&mut t, &[USR1]);
    let event = [77u64, u64::from(USR1 as u32) | u64::from(g::SIGEV_SIGNAL) << 32, 0, 0, 0, 0, 0, 0];
    let mut id = [-1i32];
    assert_eq!(call!(t, g::__NR_timer_create, 1, &event[..], &mut id[..]), Ok(0));
    // Due since the first second after boot, every second.
    let spec = [1i64, 0, 1, 0];
    assert_eq!(call!(t, g::__NR_timer_settime, id[0], g::TIMER_ABSTIME, &spec[..], 0), Ok(0));
    assert_eq!(signal::pending_for(&t.task).0, set(&[USR1]));
    let uptime = host::clock::monotonic_ns() / 1_000_000_000;
    let info = signal::take(&t.task, SigSet::of(USR1)).expect("sent");
    assert_eq!((info.code(), info.pid(), info.value()), (g::SI_TIMER, id[0], 77));
    let overrun = call!(t, g::__NR_timer_getoverrun, id[0]).unwrap();
    assert!((uptime as usize - 1..uptime as usize + 2).contains(&overrun), "{overrun} {uptime}");
    assert_eq!(info.uid() as usize, overrun);
    assert_eq!(call!(t, g::__NR_timer_delete, id[0]), Ok(0));
    assert_eq!(call!(t, g::__NR_timer_delete, id[0]), Err(Errno::INVAL));
}

#[test]
fn timer_create_checks_what_it_is_given() {
    let mut t = Thread::root();
    let mut id = [0i32];
    let event = |kind: u32, signo: u32| [0u64, u64::from(signo) | u64::from(kind) << 32, 0, 0, 0, 0, 0, 0];
    for (clock, event, errno) in [
        (10, event(0, 10), Errno::INVAL),
        (6, event(0, 10), Errno::OPNOTSUPP),
        (1, event(0, 65), Errno::INVAL),
        (1, event(3, 10), Errno::INVAL),
        (1, event(4, 10), Errno::INVAL),
    ] {
        assert_eq!(call!(t, g::__NR_timer_create, clock, &event[..], &mut id[..]), Err(errno), "{clock}");
    }
    assert_eq!(call!(t, g::__NR_timer_create, 1, 0, BAD), Err(Errno::FAULT));
    let spec = [0i64, 0, 0, 1_000_000_000];
    assert_eq!(call!(t, g::__NR_timer_create, 1, &event(1, 0)[..], &mut id[..]), Ok(0));
    assert_eq!(call!(t, g::__NR_timer_settime, id[0], 0, &spec[..], 0), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_timer_settime, 99, 0, &[0i64; 4][..], 0), Err(Errno::INVAL));
}

#[test]
fn sleeps_check_their_time() {
    let mut t = Thread::root();
    assert_eq!(call!(t, g::__NR_nanosleep, &[0i64, 1_000_000_000][..], 0), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_nanosleep, &[-1i64, 0][..], 0), Err(Errno::INVAL));
    assert_eq!(call!(t, g::__NR_nanosleep, BAD, 0), Err(Errno::FAULT));
    assert_eq!(call!(t, g::__NR_nanosleep, &[0i64, 1][..], 0), Ok(0));
    assert_eq!(call!(t, g::__NR_clock_nanosleep, 1, g::TIMER_ABSTIME, &[1i64, 0][..], 0), Ok(0));
    assert_eq!(call!(t, g::__NR_clock_nanosleep, 4, 0, &[0i64, 0][..], 0), Err(Errno::OPNOTSUPP));
    assert_eq!(call!(t, g::__NR_clock_nanosleep, 99, 0, &[0i64, 0][..], 0), Err(Errno::INVAL));
}
