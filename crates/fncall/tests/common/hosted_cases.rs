//! The promises of `run`, as a macro-free module that two test binaries include: one uses `wrfsbase`, the other
//! does as if the host did not allow it. `prepare()` of the including file decides.

use std::arch::{asm, global_asm};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use fncall::{Context, TRAP_KICK, TRAP_REENTRY, TRAP_SYSCALL};

use super::common::{self, AVX, AVX512, has, program};

global_asm!(
    ".globl user_count, user_tls, user_set_fs, user_zmm, user_ymm, user_xmm, user_zmm_spin, user_control, user_x87, user_x87_pending, user_flags, user_x87_fwait",
    ".globl user_signal, user_read, user_spin, user_call, user_pause, user_fs_read, bare_count",
    ".macro FN_SYSCALL",
    "lea rcx, [rip + 777f]",
    "jmp fncall_jump_entry_hosted",
    "777:",
    ".endm",
    // Adds 1 to rax and calls, for ever.
    "user_count:",
    "2: inc rax",
    "FN_SYSCALL",
    "jmp 2b",
    // The same for a bare run.
    "bare_count:",
    "2: inc rax",
    "lea rcx, [rip + 2b]",
    "jmp fncall_jump_entry_bare",
    // rax = fs:0, and 7 to fs:48, where a C library keeps its pointer guard.
    "user_tls:",
    "mov rax, fs:0",
    "mov qword ptr fs:48, 7",
    "FN_SYSCALL",
    "mov rax, fs:48",
    "mov rbx, fs:[-8]",
    "FN_SYSCALL",
    "ud2",
    // Changes its own fs base.
    "user_set_fs:",
    "wrfsbase rdi",
    "FN_SYSCALL",
    "rdfsbase rax",
    "FN_SYSCALL",
    "ud2",
    "user_fs_read:",
    "mov rax, fs:0",
    "FN_SYSCALL",
    "ud2",
    // All vector registers from rdi, call, to rsi, call.
    ".macro LOAD_ZMM",
    ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
    "vmovups zmm\\n, [rdi + 64*\\n]",
    ".endr",
    ".irp n, 0,1,2,3,4,5,6,7",
    "kmovq k\\n, [rdi + 2048 + 8*\\n]",
    ".endr",
    ".endm",
    ".macro STORE_ZMM",
    ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
    "vmovups [rsi + 64*\\n], zmm\\n",
    ".endr",
    ".irp n, 0,1,2,3,4,5,6,7",
    "kmovq [rsi + 2048 + 8*\\n], k\\n",
    ".endr",
    ".endm",
    "user_zmm:",
    "LOAD_ZMM",
    "FN_SYSCALL",
    "STORE_ZMM",
    "FN_SYSCALL",
    "ud2",
    "user_ymm:",
    ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "vmovups ymm\\n, [rdi + 32*\\n]",
    ".endr",
    "FN_SYSCALL",
    ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "vmovups [rsi + 32*\\n], ymm\\n",
    ".endr",
    "FN_SYSCALL",
    "ud2",
    "user_xmm:",
    ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "movups xmm\\n, [rdi + 16*\\n]",
    ".endr",
    "FN_SYSCALL",
    ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "movups [rsi + 16*\\n], xmm\\n",
    ".endr",
    "FN_SYSCALL",
    "ud2",
    // The same with a wait for [rdx] in between, so that a kick comes there.
    "user_zmm_spin:",
    "LOAD_ZMM",
    "2: cmp qword ptr [rdx], 0",
    "je 2b",
    "STORE_ZMM",
    "FN_SYSCALL",
    "ud2",
    "user_control:",
    "ldmxcsr [rdi]",
    "fldcw [rdi + 4]",
    "FN_SYSCALL",
    "stmxcsr [rsi]",
    "fnstcw [rsi + 4]",
    "FN_SYSCALL",
    "ud2",
    // pi on the x87 stack, call, to [rsi], call.
    "user_x87:",
    "fldpi",
    "FN_SYSCALL",
    "fstp qword ptr [rsi]",
    "FN_SYSCALL",
    "ud2",
    // 1 / 0 with the exception unmasked, left pending, call; then let it happen.
    "user_x87_pending:",
    "fldcw [rdi]",
    "fld1",
    "fldz",
    "fdivp",
    "FN_SYSCALL",
    "FN_SYSCALL",
    "user_x87_fwait:",
    "fwait",
    "FN_SYSCALL",
    "ud2",
    "user_flags:",
    "push rdi",
    "popfq",
    "FN_SYSCALL",
    "pushfq",
    "pop rax",
    "push 2",
    "popfq",
    "FN_SYSCALL",
    "ud2",
    "user_read:",
    "mov rax, [rdi]",
    "FN_SYSCALL",
    "ud2",
    // Sends itself a signal by the host: tgkill(rdi, rsi, rdx). Then a system call.
    "user_signal:",
    "mov eax, 234",
    "syscall",
    "FN_SYSCALL",
    "ud2",
    "user_spin:",
    "inc rax",
    "jmp user_spin",
    "user_call:",
    "mov r11, 0x1111",
    "mov rcx, 0x2222",
    "call syscall_fn_entry",
    "lea rax, [r11 + rcx]",
    "call syscall_fn_entry",
    "ud2",
);

unsafe extern "sysv64" {
    fn user_count();
    fn bare_count();
    fn user_tls();
    fn user_set_fs();
    fn user_fs_read();
    fn user_zmm();
    fn user_ymm();
    fn user_xmm();
    fn user_zmm_spin();
    fn user_control();
    fn user_x87();
    fn user_x87_pending();
    fn user_x87_fwait();
    fn user_flags();
    fn user_read();
    fn user_signal();
    fn user_spin();
    fn user_call();
}

/// Runs and returns the trap.
fn trap(context: &mut Context) -> usize {
    // SAFETY: the user programs of this file leave the kernel's memory alone.
    unsafe { context.run() };
    context.user.trap_num
}

fn call(context: &mut Context) {
    assert_eq!(trap(context), TRAP_SYSCALL, "{context:?}");
    assert_eq!(context.user.error_code, 0);
    assert!(!context.via_trap);
}

/// As hostile as a C library may be to the vector registers.
fn dirty_vectors() {
    if has(AVX512) {
        // SAFETY: names what it loses.
        unsafe {
            asm!(
                ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
                "vpternlogd zmm\\n, zmm\\n, zmm\\n, 0xff",
                ".endr",
                ".irp n, 1,2,3,4,5,6,7",
                "kxnorq k\\n, k\\n, k\\n",
                ".endr",
                out("k1") _, out("k2") _, out("k3") _, out("k4") _, out("k5") _, out("k6") _, out("k7") _,
                clobber_abi("sysv64"),
            )
        };
    } else if has(AVX) {
        // SAFETY: names what it loses.
        unsafe {
            asm!(
                ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
                "vcmpps ymm\\n, ymm\\n, ymm\\n, 15",
                ".endr",
                clobber_abi("sysv64"),
            )
        };
    } else {
        // SAFETY: names what it loses.
        unsafe {
            asm!(
                ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
                "pcmpeqd xmm\\n, xmm\\n",
                ".endr",
                clobber_abi("sysv64"),
            )
        };
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 7 + n / 256 + 3) as u8).collect()
}

/// A program that keeps vector registers, and how many bytes of them, if the processor has them.
fn vector_program() -> (Context, usize) {
    if has(AVX512) {
        (program(user_zmm), 2048 + 64)
    } else if has(AVX) {
        (program(user_ymm), 512)
    } else {
        (program(user_xmm), 256)
    }
}

#[test]
fn programs_run_on_a_thread_that_nobody_prepared() {
    super::prepare();
    std::thread::spawn(|| {
        let mut cx = program(user_count);
        for n in 1..100 {
            call(&mut cx);
            assert_eq!(cx.user.general.rax, n);
        }
    })
    .join()
    .unwrap();
}

#[test]
fn many_contexts_share_a_thread() {
    super::prepare();
    let mut contexts: Vec<Context> = (0..50).map(|_| program(user_count)).collect();
    for round in 1..=4 {
        for (n, cx) in contexts.iter_mut().enumerate() {
            cx.user.general.rbx = n;
            call(cx);
            assert_eq!((cx.user.general.rax, cx.user.general.rbx), (round, n));
        }
    }
}

#[test]
fn the_c_library_keeps_its_tls_and_the_program_has_its_own() {
    super::prepare();
    let kernel_word = || {
        let (base, guard): (usize, usize);
        // SAFETY: reads the C library's own words.
        unsafe { asm!("mov {}, fs:0", "mov {}, fs:48", out(reg) base, out(reg) guard) };
        (base, guard)
    };
    let before = kernel_word();
    let mut cx = program(user_tls);
    call(&mut cx);
    assert_eq!(kernel_word(), before);
    let tls = cx.user.general.fsbase;
    assert_eq!(cx.user.general.rax, tls, "the self pointer");
    assert_ne!(tls, before.0);
    call(&mut cx);
    assert_eq!((cx.user.general.rax, cx.user.general.rbx), (7, 0));
    assert_eq!(kernel_word(), before);

    let own = [0usize; 16];
    let mut cx = program(user_fs_read);
    cx.user.set_tls(own.as_ptr() as usize);
    call(&mut cx);
    assert_eq!((cx.user.general.rax, cx.user.general.fsbase), (0, own.as_ptr() as usize));
}

#[test]
fn a_program_may_set_its_own_fs_base() {
    super::prepare();
    let own = [0usize; 16];
    let mut cx = program(user_set_fs);
    cx.user.general.rdi = own.as_ptr() as usize;
    call(&mut cx);
    assert_eq!(cx.user.general.fsbase, own.as_ptr() as usize);
    call(&mut cx);
    assert_eq!(cx.user.general.rax, own.as_ptr() as usize);
}

#[test]
fn a_garbage_fs_base_is_a_trap() {
    super::prepare();
    for garbage in [0x8000_0000_0000_0000, usize::MAX, 1 << 47, 0xffff_8000_0000_0000, (1 << 47) - 1] {
        let mut cx = program(user_fs_read);
        cx.user.set_tls(garbage);
        let before = cx.user.general;
        let trap_num = trap(&mut cx);
        if garbage < 1 << 47 && trap_num == 14 {
            continue; // canonical: the access faults instead
        }
        assert_eq!(trap_num, 13, "{garbage:#x}");
        assert_eq!(cx.user.general, before);
    }
    let mut cx = program(user_fs_read);
    cx.user.set_tls(0x1000);
    assert_eq!(trap(&mut cx), 14);
    assert_eq!(cx.fault.addr, 0x1000);
    assert_eq!(cx.user.general.fsbase, 0x1000);
}

#[test]
fn all_vector_registers_survive_a_system_call() {
    super::prepare();
    let (mut cx, len) = vector_program();
    let (from, mut to) = (pattern(len), vec![0u8; len]);
    cx.user.general.rdi = from.as_ptr() as usize;
    cx.user.general.rsi = to.as_mut_ptr() as usize;
    call(&mut cx);
    dirty_vectors();
    call(&mut cx);
    assert_eq!(from, to);
}

#[test]
fn all_vector_registers_survive_another_context_and_another_thread() {
    super::prepare();
    let (mut cx, len) = vector_program();
    let (from, mut to) = (pattern(len), vec![0u8; len]);
    cx.user.general.rdi = from.as_ptr() as usize;
    cx.user.general.rsi = to.as_mut_ptr() as usize;
    call(&mut cx);
    let (mut other, _) = vector_program();
    let zero = vec![0u8; len];
    other.user.general.rdi = zero.as_ptr() as usize;
    call(&mut other);
    cx.detach();
    let mut cx = Box::new(cx);
    std::thread::spawn(move || {
        dirty_vectors();
        call(&mut cx);
    })
    .join()
    .unwrap();
    assert_eq!(from, to);
}

#[test]
fn an_image_carries_all_vector_registers() {
    super::prepare();
    let (mut cx, len) = vector_program();
    let (from, mut to) = (pattern(len), vec![0u8; len]);
    cx.user.general.rdi = from.as_ptr() as usize;
    call(&mut cx);
    let mut image = vec![0; fncall::xstate_frame_size()];
    assert_eq!(cx.save_xstate(&mut image), image.len());
    let mut next = Context::new();
    next.user = cx.user;
    drop(cx);
    next.load_xstate(&image).unwrap();
    next.user.general.rsi = to.as_mut_ptr() as usize;
    dirty_vectors();
    call(&mut next);
    assert_eq!(from, to);
    // A fresh program starts with zeros.
    next.reset_xstate();
    next.user.set_ip(cx_store_entry());
    dirty_vectors();
    call(&mut next);
    assert_eq!(to, vec![0; len]);
    // The same by way of a signal frame.
    let taken = next.pop_xstate(|area| {
        area.copy_from_slice(&image);
        area.len()
    });
    assert_eq!(taken, Ok(()));
    next.user.set_ip(cx_store_entry());
    dirty_vectors();
    call(&mut next);
    assert_eq!(from, to);
    let pushed = next.push_xstate(|area| if area[..] == image[..] { Ok(()) } else { Err("other bytes") });
    assert_eq!(pushed, Ok(()));
    next.user.set_ip(cx_store_entry());
    dirty_vectors();
    call(&mut next);
    assert_eq!(to, vec![0; len]);
}

/// Where the vector program goes on after its first system call: just behind the load.
fn cx_store_entry() -> usize {
    let (mut cx, len) = vector_program();
    let zero = vec![0u8; len];
    cx.user.general.rdi = zero.as_ptr() as usize;
    call(&mut cx);
    cx.user.get_ip()
}

#[test]
fn all_vector_registers_survive_a_kick() {
    super::prepare();
    if !has(AVX512) {
        return;
    }
    let mut cx = program(user_zmm_spin);
    let (from, mut to) = (pattern(2112), vec![0u8; 2112]);
    let mut go = 0usize;
    cx.user.general.rdi = from.as_ptr() as usize;
    cx.user.general.rsi = to.as_mut_ptr() as usize;
    cx.user.general.rdx = &raw mut go as usize;
    // Twice: once from a context that was just attached, once from one that was interrupted.
    for _ in 0..2 {
        let kicker = common::kick_me_later();
        assert_eq!(trap(&mut cx), TRAP_KICK);
        kicker.join().unwrap();
        dirty_vectors();
    }
    // SAFETY: the user reads it; no reference is alive.
    unsafe { (&raw mut go).write_volatile(1) };
    call(&mut cx);
    assert_eq!(from, to);
}

#[test]
fn the_kernel_has_default_control_words_and_the_program_its_own() {
    super::prepare();
    let own_words = || {
        let mut words = [0u32; 2];
        // SAFETY: writes to `words`.
        unsafe { asm!("stmxcsr [{0}]", "fnstcw [{0} + 4]", in(reg) &mut words) };
        [words[0] & 0xffc0, words[1]]
    };
    for control in [[0x3f80u32, 0x027f], [0x9f80, 0x0f7f], [0x1fa0, 0x037f], [0x1d80, 0x037e]] {
        let mut seen = [0u32; 2];
        let mut cx = program(user_control);
        cx.user.general.rdi = &raw const control as usize;
        cx.user.general.rsi = &raw mut seen as usize;
        call(&mut cx);
        assert_eq!(own_words(), [0x1f80, 0x037f]);
        cx.detach();
        assert_eq!(own_words(), [0x1f80, 0x037f]);
        call(&mut cx);
        assert_eq!(own_words(), [0x1f80, 0x037f]);
        assert_eq!(std::hint::black_box(seen), control);
    }
}

#[test]
fn x87_values_survive() {
    super::prepare();
    for detach in [false, true] {
        let mut seen = 0f64;
        let mut cx = program(user_x87);
        cx.user.general.rsi = &raw mut seen as usize;
        call(&mut cx);
        if detach {
            cx.detach();
            // SAFETY: the kernel's x87 stack is to be empty now; the detached context has its own copy.
            unsafe {
                asm!("fninit", out("st(0)") _, out("st(1)") _, out("st(2)") _, out("st(3)") _,
                out("st(4)") _, out("st(5)") _, out("st(6)") _, out("st(7)") _)
            };
        }
        call(&mut cx);
        assert_eq!(std::hint::black_box(seen), std::f64::consts::PI);
    }
}

/// Needs an x87 that works: a pending exception of the user would show up here.
fn kernel_uses_x87() {
    let one = 1f64;
    let mut two = 0f64;
    // SAFETY: leaves the x87 stack as it was.
    unsafe {
        asm!("fld qword ptr [{0}]", "fadd st, st", "fstp qword ptr [{1}]", "fwait", in(reg) &one, in(reg) &mut two)
    };
    assert_eq!(std::hint::black_box(two), 2.0);
}

#[test]
fn a_pending_x87_exception_is_the_users_own() {
    super::prepare();
    for detach in [false, true] {
        let control = 0x037bu16;
        let mut cx = program(user_x87_pending);
        cx.user.general.rdi = &raw const control as usize;
        call(&mut cx);
        kernel_uses_x87();
        if detach {
            cx.detach();
            kernel_uses_x87();
        }
        let mut other = program(user_count);
        call(&mut other);
        call(&mut cx);
        kernel_uses_x87();
        assert_eq!(trap(&mut cx), 16);
        kernel_uses_x87();
        assert_eq!(cx.user.get_ip(), user_x87_fwait as *const () as usize);
        assert_eq!(cx.fault.signo, 8);
    }
}

#[test]
fn flags_survive_and_the_kernel_has_none() {
    super::prepare();
    const UNWANTED: usize = 0x24_4500; // TF DF NT AC ID
    for flags in [0, 1, 0x8d5, 0x400, 0x400 | 0x8d5, 0x4_0000, 0x20_0000, 0x4000] {
        let mut cx = program(user_flags);
        cx.user.general.rdi = flags;
        call(&mut cx);
        let own: usize;
        // SAFETY: reads the flags.
        unsafe { asm!("pushfq", "pop {}", out(reg) own) };
        assert_eq!(own & UNWANTED, 0);
        assert_eq!(cx.user.general.rflags, flags | 0x202);
        call(&mut cx);
        assert_eq!(cx.user.general.rax, flags | 0x202);
    }
}

#[test]
fn the_call_entry_keeps_every_register() {
    super::prepare();
    let mut cx = program(user_call);
    let rsp = cx.user.general.rsp;
    call(&mut cx);
    assert_eq!((cx.user.general.r11, cx.user.general.rcx), (0x1111, 0x2222));
    assert_eq!(cx.user.general.rsp, rsp);
    call(&mut cx);
    assert_eq!(cx.user.general.rax, 0x3333);
}

#[test]
fn page_faults_come_back() {
    super::prepare();
    let mut cx = program(user_read);
    cx.user.general.rdi = 0x18;
    assert_eq!(trap(&mut cx), 14);
    assert_eq!((cx.fault.addr, cx.user.error_code), (0x18, 4));
    let value = 77usize;
    cx.user.general.rdi = &raw const value as usize;
    call(&mut cx);
    assert_eq!(cx.user.general.rax, 77);
}

#[test]
fn a_bad_rip_is_the_users_fault() {
    super::prepare();
    for flags in [0x202, 0x602] {
        let mut cx = program(user_count);
        cx.user.set_ip(0x8000_0000_0000_0000);
        cx.user.general.rflags = flags;
        let before = cx.user.general.rip;
        assert_eq!(trap(&mut cx), 13);
        assert_eq!(cx.user.general.rip, before);
        cx.user.set_ip(user_count as *const () as usize);
        call(&mut cx);
    }
}

#[test]
fn a_kick_stops_a_computation() {
    super::prepare();
    let mut cx = program(user_spin);
    let mut last = 0;
    for _ in 0..3 {
        let kicker = common::kick_me_later();
        assert_eq!(trap(&mut cx), TRAP_KICK);
        assert!(cx.user.general.rax > last, "the program did not go on");
        last = cx.user.general.rax;
        kicker.join().unwrap();
    }
}

#[test]
fn a_thread_that_ended_leaves_its_memory_to_the_next() {
    super::prepare();
    let anchor_of_a_thread = || {
        std::thread::spawn(|| {
            call(&mut program(user_count));
            fncall::current_anchor().unwrap() as *const _ as usize
        })
        .join()
        .unwrap()
    };
    let anchors: std::collections::HashSet<usize> = (0..200).map(|_| anchor_of_a_thread()).collect();
    assert!(anchors.len() < 100, "{} anchors for 200 threads, one after the other", anchors.len());
}

#[test]
fn bare_and_hosted_runs_alternate() {
    super::prepare();
    let mut cx = program(user_count);
    for n in 1..=6 {
        if n % 2 == 0 {
            call(&mut cx);
        } else {
            call(&mut cx);
            cx.user.set_ip(bare_count as *const () as usize);
            // SAFETY: as in `trap`; the program does not touch fs.
            unsafe { cx.run_bare() };
            assert_eq!(cx.user.trap_num, TRAP_SYSCALL);
            cx.user.set_ip(user_count as *const () as usize);
        }
    }
    assert_eq!(cx.user.general.rax, 9);
}

/// What the handler of SIGUSR1 runs, and what came of it.
static NESTED: AtomicPtr<Context> = AtomicPtr::new(null_mut());

extern "C" fn run_nested(_: i32) {
    // SAFETY: the test that sends the signal has put its context here.
    unsafe { (*NESTED.load(Relaxed)).run() };
}

#[test]
fn a_run_from_a_handler_that_interrupted_the_program_is_refused() {
    super::prepare();
    let (mut outer, mut inner) = (program(user_signal), program(user_count));
    let before = inner.user.general;
    NESTED.store(&raw mut inner, Relaxed);
    // SAFETY: nobody else uses SIGUSR1; the handler uses no TLS, and its stack is the signal stack.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = run_nested as *const () as usize;
        action.sa_flags = libc::SA_ONSTACK;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &action, null_mut()), 0);
        let g = &mut outer.user.general;
        (g.rdi, g.rsi, g.rdx) = (libc::getpid() as usize, libc::gettid() as usize, libc::SIGUSR1 as usize);
    }
    call(&mut outer);
    assert_eq!(outer.user.general.rax, 0, "tgkill");
    assert_eq!((inner.user.trap_num, inner.user.general), (TRAP_REENTRY, before));
    // Both still run.
    call(&mut inner);
    assert_eq!(inner.user.general.rax, 1);
    assert_eq!(trap(&mut outer), 6);
}

#[test]
fn a_run_in_a_handler_of_the_kernel_works_on_its_stack_and_is_refused_on_the_signal_stack() {
    super::prepare();
    std::thread::spawn(|| {
        let (mut outer, mut inner) = (program(user_count), program(user_count));
        call(&mut outer);
        for (round, (flags, trap)) in
            [(0, TRAP_SYSCALL), (libc::SA_ONSTACK, TRAP_REENTRY), (0, TRAP_SYSCALL)].into_iter().enumerate()
        {
            outer.detach();
            INNER.store(&raw mut inner, Relaxed);
            // SAFETY: nobody else uses SIGUSR2; the handler touches the context alone.
            unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = run_inner as *const () as usize;
                action.sa_flags = flags;
                assert_eq!(libc::sigaction(libc::SIGUSR2, &action, null_mut()), 0);
                libc::syscall(libc::SYS_tgkill, libc::getpid(), libc::gettid(), libc::SIGUSR2);
            }
            assert_eq!(inner.user.trap_num, trap);
            call(&mut outer);
            assert_eq!((outer.user.general.rax, inner.user.general.rax), (round + 2, 1 + round / 2));
        }
    })
    .join()
    .unwrap();
}

static INNER: AtomicPtr<Context> = AtomicPtr::new(null_mut());

extern "C" fn run_inner(_: i32) {
    // SAFETY: the test that sends the signal has put its context here.
    unsafe {
        (*INNER.load(Relaxed)).run();
        (*INNER.load(Relaxed)).detach();
    }
}

#[test]
fn single_steps_lead_through_the_call_entry_to_the_system_call() {
    super::prepare();
    let mut cx = program(user_call);
    cx.user.general.rflags |= 0x100;
    let start = user_call as *const () as usize;
    assert_eq!((trap(&mut cx), cx.user.get_ip()), (1, start + 7)); // mov r11
    assert_eq!((trap(&mut cx), cx.user.get_ip()), (1, start + 14)); // mov rcx
    let rsp = cx.user.general.rsp;
    assert_eq!((trap(&mut cx), cx.user.get_ip()), (1, fncall::syscall_fn_entry as *const () as usize));
    assert_eq!(cx.user.general.rsp, rsp - 8);
    assert_eq!(trap(&mut cx), 1); // the jump behind it
    call(&mut cx);
    assert_eq!((cx.user.general.r11, cx.user.general.rcx), (0x1111, 0x2222));
    assert_eq!((cx.user.general.rsp, cx.user.general.rflags & 0x100), (rsp, 0x100));
    assert_eq!(cx.user.get_ip(), start + 19);
    assert_eq!(trap(&mut cx), 1); // lea rax
    assert_eq!(cx.user.general.rax, 0x3333);
    cx.user.general.rflags &= !0x100;
    call(&mut cx);
}
