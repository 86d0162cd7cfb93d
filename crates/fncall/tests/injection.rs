//! A signal at every instruction of the way in and the way out, one at a time: a child process goes round and
//! round, and its tracer stops it at the next address with a breakpoint and delivers the signal there. Nothing may
//! be lost: no register, no flag, no vector register, no system call and no kick.

#[path = "common/checked.rs"]
mod checked;
mod common;
#[path = "common/text.rs"]
mod text;

use std::arch::asm;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use checked::{CF, DF, checked_call, checked_jump_bare, checked_jump_hosted};
use common::KICK;
use fncall::{Context, TRAP_KICK, TRAP_REENTRY, TRAP_SYSCALL};
use iced_x86::{Instruction, Mnemonic, OpKind, Register};

#[derive(Clone, Copy)]
struct Case {
    hosted: bool,
    entry: unsafe extern "sysv64" fn(),
    flags: usize,
    signal: i32,
    fsgsbase: bool,
    /// Flags of the handlers that run a context.
    handler: i32,
}

/// What child and tracer share.
#[repr(C)]
struct Shared {
    rounds: AtomicUsize,
    kicks: AtomicUsize,
    stop: AtomicUsize,
    /// Backtraces taken in a signal handler: those that were right and those that were not.
    walked: AtomicUsize,
    lost: AtomicUsize,
    /// Where the last wrong one was taken.
    lost_at: AtomicUsize,
    /// Runs tried in a signal handler: those that were refused, and those that were not.
    refused: AtomicUsize,
    ran: AtomicUsize,
}

/// The child: goes round until told to stop. Uses no AVX between two runs: in a bare run it is the user's.
#[inline(never)]
fn child(case: Case, shared: &Shared) -> i32 {
    if !case.fsgsbase {
        fncall::without_fsgsbase();
    }
    common::thread();
    let mut cx = Box::new(checked::new(case.entry, case.flags));
    let mut nested = Box::new(checked::new(case.entry, case.flags));
    catch_walks(shared);
    catch_nested(case, shared, &mut nested);
    // SAFETY: plain host calls.
    let pid = unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
        libc::getpid()
    };
    let mut round = 0;
    while shared.stop.load(Relaxed) == 0 {
        // SAFETY: the tracer continues us.
        unsafe { libc::syscall(libc::SYS_kill, pid, libc::SIGSTOP) };
        loop {
            // SAFETY: the programs of this file leave the kernel alone.
            unsafe { if case.hosted { cx.run() } else { cx.run_bare() } }
            match cx.user.trap_num {
                TRAP_KICK => _ = shared.kicks.fetch_add(1, Relaxed),
                TRAP_SYSCALL => break,
                trap => return 100 + trap as i32,
            }
        }
        if !checked::is_right(&cx, round, case.flags) {
            return 1;
        }
        let own: usize;
        // SAFETY: reads the flags.
        unsafe { asm!("pushfq", "pop {}", out(reg) own) };
        if own & DF != 0 {
            return 2;
        }
        round += 1;
        shared.rounds.store(round, Relaxed);
    }
    0
}

/// Runs a child and stops it once at every address of `places`. Returns the addresses that it came by.
fn inject(case: Case, places: &BTreeSet<u64>) -> (BTreeSet<u64>, &'static Shared) {
    // SAFETY: a fresh shared mapping, all zeros; the child is traced by this thread only and ends by `_exit`.
    unsafe {
        let page = libc::mmap(
            std::ptr::null_mut(),
            4096,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        let shared = &*page.cast::<Shared>();
        let pid = libc::fork();
        if pid == 0 {
            libc::_exit(child(case, shared));
        }
        let mut hits = BTreeSet::new();
        // The slow path of the first runs is not what this is about.
        for _ in 0..3 {
            expect_stop(pid, libc::SIGSTOP);
            resume(pid, 0);
        }
        expect_stop(pid, libc::SIGSTOP);
        libc::ptrace(libc::PTRACE_SETOPTIONS, pid, 0, libc::PTRACE_O_EXITKILL);
        for &place in places {
            let word = libc::ptrace(libc::PTRACE_PEEKTEXT, pid, place, 0);
            libc::ptrace(libc::PTRACE_POKETEXT, pid, place, word & !0xff | 0xcc);
            resume(pid, 0);
            let hit = wait_stop(pid) == libc::SIGTRAP;
            libc::ptrace(libc::PTRACE_POKETEXT, pid, place, word);
            if hit {
                hits.insert(place);
                let mut regs: libc::user_regs_struct = std::mem::zeroed();
                libc::ptrace(libc::PTRACE_GETREGS, pid, 0, &raw mut regs);
                assert_eq!(regs.rip, place + 1);
                regs.rip = place;
                libc::ptrace(libc::PTRACE_SETREGS, pid, 0, &raw const regs);
                resume(pid, case.signal);
                expect_stop(pid, libc::SIGSTOP);
            }
        }
        // One more round, so that a kick on the way out is reported.
        resume(pid, 0);
        expect_stop(pid, libc::SIGSTOP);
        shared.stop.store(1, Relaxed);
        resume(pid, 0);
        let mut status = 0;
        assert_eq!(libc::waitpid(pid, &mut status, 0), pid);
        assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "the child: {status:#x}");
        assert!(shared.rounds.load(Relaxed) > places.len());
        (hits, shared)
    }
}

unsafe fn resume(pid: i32, signal: i32) {
    // SAFETY: the child is stopped and ours.
    let ret = unsafe { libc::ptrace(libc::PTRACE_CONT, pid, 0, signal as usize) };
    assert_eq!(ret, 0);
}

/// Waits for the child to stop; says for which signal.
unsafe fn wait_stop(pid: i32) -> i32 {
    let mut status = 0;
    // SAFETY: writes to `status`.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    assert!(libc::WIFSTOPPED(status), "the child ended: {status:#x}");
    libc::WSTOPSIG(status)
}

unsafe fn expect_stop(pid: i32, signal: i32) {
    // SAFETY: passed on.
    assert_eq!(unsafe { wait_stop(pid) }, signal);
}

fn places(routines: &[&str]) -> BTreeSet<u64> {
    let mut all: BTreeSet<u64> =
        routines.iter().flat_map(|name| text::routine(name)).map(|instruction| instruction.ip()).collect();
    all.insert(text::label("syscall_fn_entry"));
    let tail = text::label("fncall_exit_tail");
    all.extend(
        text::decode(tail - 8, tail).iter().map(|instruction| instruction.ip()).filter(|ip| *ip == tail),
    );
    all.insert(tail);
    all
}

/// Kicks everywhere. At least `must_hit` of each routine's instructions are on the child's path: the rest is the
/// cold code for other machines and other flags.
fn kick_everywhere(case: Case, routines: &[&str], may_miss: usize) {
    let places = places(routines);
    let (hits, shared) = inject(case, &places);
    let own: BTreeSet<u64> =
        routines.iter().flat_map(|name| text::routine(name)).map(|instruction| instruction.ip()).collect();
    let missed = own.difference(&hits).count();
    assert!(missed <= may_miss, "{missed} of {} instructions not reached", own.len());
    assert_eq!(shared.kicks.load(Relaxed), hits.len(), "kicks reported and kicks delivered");
}

fn case(hosted: bool, entry: unsafe extern "sysv64" fn(), flags: usize) -> Case {
    Case { hosted, entry, flags, signal: KICK, fsgsbase: true, handler: 0 }
}

#[test]
fn a_kick_at_any_instruction_of_a_bare_run_loses_nothing() {
    kick_everywhere(case(false, checked_jump_bare, CF), &["fncall_enter_bare", "fncall_jump_entry_bare"], 0);
}

#[test]
fn a_kick_at_any_instruction_of_a_bare_call_loses_nothing() {
    kick_everywhere(case(false, checked_call, CF), &["fncall_enter_bare", "fncall_call_entry_bare"], 0);
}

#[test]
fn a_kick_at_any_instruction_of_a_bare_run_with_odd_flags_loses_nothing() {
    // The inlined end of the entry is not reached: these flags leave through the shared one.
    let routines = ["fncall_enter_bare_iret", "fncall_jump_entry_bare"];
    kick_everywhere(case(false, checked_jump_bare, CF | DF), &routines, 6);
}

/// The branches for other vector registers and the cold code: per routine 16 + 16 + 2 for the vectors of
/// machines without AVX-512, or 40 and 16 on machines without it.
const OTHER_VECTORS: usize = 110;

#[test]
fn a_kick_at_any_instruction_of_a_hosted_run_loses_nothing() {
    let routines = ["fncall_enter_hosted", "fncall_jump_entry_hosted"];
    kick_everywhere(case(true, checked_jump_hosted, CF), &routines, OTHER_VECTORS);
}

#[test]
fn a_kick_at_any_instruction_of_a_hosted_call_loses_nothing() {
    let routines = ["fncall_enter_hosted", "fncall_call_entry_hosted"];
    kick_everywhere(case(true, checked_call, CF), &routines, OTHER_VECTORS);
}

#[test]
fn a_kick_at_any_instruction_of_a_hosted_run_with_odd_flags_loses_nothing() {
    let routines = ["fncall_enter_hosted_iret", "fncall_jump_entry_hosted"];
    kick_everywhere(case(true, checked_jump_hosted, CF | DF), &routines, OTHER_VECTORS + 6);
}

#[test]
fn a_kick_at_any_instruction_of_a_hosted_run_without_fsgsbase_loses_nothing() {
    let routines = ["fncall_enter_hosted", "fncall_jump_entry_hosted"];
    let case = Case { fsgsbase: false, ..case(true, checked_jump_hosted, CF) };
    kick_everywhere(case, &routines, OTHER_VECTORS);
}

// Walking the stack from every instruction that runs on the kernel's stack.

#[repr(C)]
struct UnwindContext([u8; 0]);

unsafe extern "C" {
    fn _Unwind_Backtrace(trace: extern "C" fn(*mut UnwindContext, *mut Walk) -> i32, walk: *mut Walk) -> i32;
    fn _Unwind_GetIP(context: *mut UnwindContext) -> usize;
}

#[repr(C)]
struct Walk {
    frames: [usize; 64],
    len: usize,
}

extern "C" fn frame(context: *mut UnwindContext, walk: *mut Walk) -> i32 {
    // SAFETY: called by the unwinder with what `walk` gave it.
    unsafe {
        let walk = &mut *walk;
        if walk.len < walk.frames.len() {
            walk.frames[walk.len] = _Unwind_GetIP(context);
            walk.len += 1;
        }
    }
    0
}

fn walk() -> Walk {
    let mut walk = Walk { frames: [0; 64], len: 0 };
    // SAFETY: the callback matches.
    unsafe { _Unwind_Backtrace(frame, &mut walk) };
    walk
}

static OWN_FS: AtomicUsize = AtomicUsize::new(0);
static WALKED: AtomicUsize = AtomicUsize::new(0);
static OUTER: [AtomicUsize; 3] = [const { AtomicUsize::new(0) }; 3];
static STACK: AtomicUsize = AtomicUsize::new(0);

/// Remembers the outermost frames and has SIGUSR2 compare them with what it sees.
#[inline(never)]
fn catch_walks(shared: &Shared) {
    WALKED.store(&raw const *shared as usize, Relaxed);
    OWN_FS.store(fncall::user_fsbase(), Relaxed); // of the thread, which is in the kernel now
    let outer = walk();
    for (n, slot) in OUTER.iter().enumerate() {
        slot.store(outer.frames[outer.len - 1 - n], Relaxed);
    }
    let here = 0u8;
    STACK.store(&raw const here as usize, Relaxed);
    // SAFETY: the handler only reads and walks; it runs on the signal stack.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_walk as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigaction(libc::SIGUSR2, &action, std::ptr::null_mut());
    }
}

extern "C" fn on_walk(_: i32, _: *mut libc::siginfo_t, uc: *mut libc::ucontext_t) {
    // SAFETY: the host gives the frame; `inject` gave the page.
    let (regs, shared) = unsafe { (&(*uc).uc_mcontext.gregs, &*(WALKED.load(Relaxed) as *const Shared)) };
    let rsp = regs[libc::REG_RSP as usize] as usize;
    if STACK.load(Relaxed).abs_diff(rsp) > 64 << 10 {
        return; // on the user's stack, which is the end of the kernel's
    }
    // On the way in and out of a hosted run `fs` may be the program's, and the unwinder is a C library's.
    let (interrupted, kernels): (usize, usize);
    // SAFETY: the tests that walk run where the host allows it; `catch_walks` stored the thread's own base.
    unsafe {
        asm!("rdfsbase {}", out(reg) interrupted);
        kernels = OWN_FS.load(Relaxed);
        asm!("wrfsbase {}", in(reg) kernels);
    }
    let seen = walk();
    // SAFETY: what was there before.
    unsafe { asm!("wrfsbase {}", in(reg) interrupted) };
    let same = seen.len > 4
        && OUTER.iter().enumerate().all(|(n, slot)| slot.load(Relaxed) == seen.frames[seen.len - 1 - n]);
    if same {
        shared.walked.fetch_add(1, Relaxed);
    } else {
        shared.lost.fetch_add(1, Relaxed);
        shared.lost_at.store(regs[libc::REG_RIP as usize] as usize, Relaxed);
    }
}

#[test]
fn the_stack_can_be_walked_from_any_instruction_on_the_kernels_stack() {
    // SAFETY: asks the host what it told this process.
    if unsafe { libc::getauxval(libc::AT_HWCAP2) } & 2 == 0 {
        println!("skipped: this host does not allow wrfsbase, which the walking handler needs");
        return;
    }
    for (hosted, entry, routines) in [
        (
            false,
            checked_jump_bare as unsafe extern "sysv64" fn(),
            ["fncall_enter_bare", "fncall_jump_entry_bare"],
        ),
        (false, checked_call, ["fncall_enter_bare", "fncall_call_entry_bare"]),
        (true, checked_jump_hosted, ["fncall_enter_hosted", "fncall_jump_entry_hosted"]),
        (true, checked_call, ["fncall_enter_hosted", "fncall_call_entry_hosted"]),
    ] {
        let case = Case { signal: libc::SIGUSR2, ..case(hosted, entry, CF) };
        let (hits, shared) = inject(case, &places(&routines));
        assert_eq!(shared.kicks.load(Relaxed), 0);
        let lost = shared.lost.load(Relaxed);
        assert_eq!(
            lost,
            0,
            "walks that did not reach the outermost frames, the last at {:#x} = {}",
            shared.lost_at.load(Relaxed),
            text::name_of(shared.lost_at.load(Relaxed) as u64)
        );
        assert!(shared.walked.load(Relaxed) > hits.len() / 2, "{} walks", shared.walked.load(Relaxed));
    }
}

// Entering a context in a handler, wherever the handler came while a run was under way.

/// Whether runs are hosted, the context that SIGUSR1 runs, and the page to report to.
static NESTED: [AtomicUsize; 3] = [const { AtomicUsize::new(0) }; 3];

fn catch_nested(case: Case, shared: &Shared, nested: &mut Context) {
    let values = [usize::from(case.hosted), &raw mut *nested as usize, &raw const *shared as usize];
    for (slot, value) in NESTED.iter().zip(values) {
        slot.store(value, Relaxed);
    }
    // SAFETY: the handler touches what it is given here, and uses no TLS.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_nested as *const () as usize;
        action.sa_flags = case.handler;
        libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut());
    }
}

extern "C" fn on_nested(_: i32) {
    let [hosted, context, shared] = NESTED.each_ref().map(|slot| slot.load(Relaxed));
    // SAFETY: `catch_nested` stored them; both live as long as the child.
    let (cx, shared) = unsafe { (&mut *(context as *mut Context), &*(shared as *const Shared)) };
    let before = cx.user.general;
    // SAFETY: the programs of this file leave the kernel alone.
    unsafe { if hosted != 0 { cx.run() } else { cx.run_bare() } }
    let refused = cx.user.trap_num == TRAP_REENTRY && cx.user.general == before;
    (if refused { &shared.refused } else { &shared.ran }).fetch_add(1, Relaxed);
}

/// The instructions of these two, the way in and the way out, that run while `Anchor::mode` does not say "kernel".
fn under_way([enter, leave]: [&str; 2]) -> BTreeSet<u64> {
    let sets_mode = |instruction: &Instruction, mode: u8| {
        instruction.mnemonic() == Mnemonic::Mov
            && instruction.segment_prefix() == Register::GS
            && instruction.op1_kind() == OpKind::Immediate8
            && instruction.immediate8() == mode
    };
    let (enter, leave) = (text::routine(enter), text::routine(leave));
    let begin = enter.iter().position(|i| sets_mode(i, 2)).expect("the mark at the beginning");
    let end = leave.iter().position(|i| sets_mode(i, 0)).expect("the mark at the end");
    enter[begin + 1..].iter().chain(&leave[..=end]).map(Instruction::ip).collect()
}

#[test]
fn a_run_in_a_handler_that_interrupted_another_run_is_refused() {
    type Routine = unsafe extern "sysv64" fn();
    let bare = ["fncall_enter_bare", "fncall_jump_entry_bare"];
    let bare_call = ["fncall_enter_bare", "fncall_call_entry_bare"];
    let bare_iret = ["fncall_enter_bare_iret", "fncall_jump_entry_bare"];
    let hosted = ["fncall_enter_hosted", "fncall_jump_entry_hosted"];
    let hosted_call = ["fncall_enter_hosted", "fncall_call_entry_hosted"];
    let hosted_iret = ["fncall_enter_hosted_iret", "fncall_jump_entry_hosted"];
    let cases: [(bool, Routine, usize, [&str; 2]); 6] = [
        (false, checked_jump_bare, CF, bare),
        (false, checked_call, CF, bare_call),
        (false, checked_jump_bare, CF | DF, bare_iret),
        (true, checked_jump_hosted, CF, hosted),
        (true, checked_call, CF, hosted_call),
        (true, checked_jump_hosted, CF | DF, hosted_iret),
    ];
    for (hosted, entry, flags, routines) in cases {
        // On the signal stack at any instruction. On the stack that was interrupted where that is one: `iretq` has the
        // anchor for a stack, and where a run is under way.
        for handler in if flags & DF == 0 { &[libc::SA_ONSTACK, 0][..] } else { &[libc::SA_ONSTACK] } {
            let case = Case { signal: libc::SIGUSR1, handler: *handler, ..case(hosted, entry, flags) };
            let places = if *handler == 0 { under_way(routines) } else { places(&routines) };
            let (hits, shared) = inject(case, &places);
            assert!(hits.len() > 30, "{routines:?}");
            let [ran, refused] = [&shared.ran, &shared.refused].map(|n| n.load(Relaxed));
            assert_eq!((refused, ran), (hits.len(), 0), "{routines:?}, flags of the handler {handler:#x}");
        }
    }
}

/// The context is what the child holds, so that the size of its stack stays small.
const _: () = assert!(size_of::<Context>() < 4096);
