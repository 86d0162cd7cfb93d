//! The promises of `run_bare`, in a hosted process: the user code here does not touch `fs`, and between two runs
//! the test only does what keeps the upper halves of the vector registers alive. Two test binaries include this: one
//! uses `wrgsbase`, the other does as if the host did not allow it.

use std::arch::global_asm;

use super::common::{self, AVX, has, kick_me_later, program};
use fncall::{Context, GeneralRegs, TRAP_KICK, TRAP_SYSCALL};

/// A fresh thread, prepared as the including file wants it.
fn on_thread<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    super::prepare();
    common::on_thread(body)
}

global_asm!(
    ".globl user_add, user_dump, user_xmm, user_ymm, user_ymm_spin, user_red_zone, user_call, user_flags, user_read_flags",
    ".globl user_control, user_read, user_write, user_ud2, user_int3, user_div, user_nop, user_spin, user_getpid, user_getpid_after, user_getpid_end",
    ".macro FN_SYSCALL",
    "lea rcx, [rip + 777f]",
    "jmp fncall_jump_entry_bare",
    "777:",
    ".endm",
    // Adds 10 to every register but rsp, rcx, r11, and calls; then subtracts 20 and calls.
    "user_add:",
    ".irp r, rax,rbx,rdx,rsi,rdi,rbp,r8,r9,r10,r12,r13,r14,r15",
    "add \\r, 10",
    ".endr",
    "FN_SYSCALL",
    ".irp r, rax,rbx,rdx,rsi,rdi,rbp,r8,r9,r10,r12,r13,r14,r15",
    "sub \\r, 20",
    ".endr",
    "FN_SYSCALL",
    "ud2",
    // Writes all registers below rsp as in GeneralRegs, then calls.
    "user_dump:",
    "mov [rsp - 160], rax",
    "mov [rsp - 152], rbx",
    "mov [rsp - 144], rcx",
    "mov [rsp - 136], rdx",
    "mov [rsp - 128], rsi",
    "mov [rsp - 120], rdi",
    "mov [rsp - 112], rbp",
    "mov [rsp - 104], rsp",
    "mov [rsp - 96], r8",
    "mov [rsp - 88], r9",
    "mov [rsp - 80], r10",
    "mov [rsp - 72], r11",
    "mov [rsp - 64], r12",
    "mov [rsp - 56], r13",
    "mov [rsp - 48], r14",
    "mov [rsp - 40], r15",
    "lea rsp, [rsp - 160]",
    "pushfq",
    "pop rax",
    "FN_SYSCALL",
    "ud2",
    // Adds 1 to every byte of xmm0..15 (xmm15 holds the ones) and calls, twice.
    "user_xmm:",
    "2:",
    ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14",
    "paddb xmm\\n, xmm15",
    ".endr",
    "FN_SYSCALL",
    "jmp 2b",
    // Fills ymm0..15 from rdi, calls, stores them to rsi, calls.
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
    // The same, but spins in between until a kick has moved rip on.
    "user_ymm_spin:",
    ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "vmovups ymm\\n, [rdi + 32*\\n]",
    ".endr",
    "2: cmp qword ptr [rdx], 0",
    "je 2b",
    ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "vmovups [rsi + 32*\\n], ymm\\n",
    ".endr",
    "FN_SYSCALL",
    "ud2",
    // Fills the red zone, calls, sums it up.
    "user_red_zone:",
    "mov rax, 1",
    ".irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16",
    "mov [rsp - 8*\\n], rax",
    ".endr",
    "FN_SYSCALL",
    "xor eax, eax",
    ".irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16",
    "add rax, [rsp - 8*\\n]",
    ".endr",
    "FN_SYSCALL",
    "ud2",
    // The call entry keeps r11 and rcx.
    "user_call:",
    "mov r11, 0x1111",
    "mov rcx, 0x2222",
    "call syscall_fn_entry",
    "lea rax, [r11 + rcx]",
    "call syscall_fn_entry",
    "ud2",
    // rflags from rdi, call, rflags to rax, call.
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
    // Only reads rflags.
    "user_read_flags:",
    "pushfq",
    "pop rax",
    "push 2",
    "popfq",
    "FN_SYSCALL",
    "ud2",
    // MXCSR and the x87 control word from rdi, call, to rsi, call.
    "user_control:",
    "ldmxcsr [rdi]",
    "fldcw [rdi + 4]",
    "FN_SYSCALL",
    "stmxcsr [rsi]",
    "fnstcw [rsi + 4]",
    "FN_SYSCALL",
    "ud2",
    // Faults.
    "user_read:",
    "mov rax, [rdi]",
    "FN_SYSCALL",
    "ud2",
    "user_write:",
    "mov [rdi], rax",
    "ud2",
    "user_ud2:",
    "ud2",
    "user_int3:",
    "int3",
    "FN_SYSCALL",
    "user_div:",
    "div rdi",
    "user_nop:",
    "nop",
    "nop",
    "nop",
    "FN_SYSCALL",
    "nop",
    "nop",
    "ud2",
    "user_spin:",
    "inc rax",
    "jmp user_spin",
    "user_getpid:",
    "mov eax, 39",
    "syscall",
    "user_getpid_after:",
    "FN_SYSCALL",
    "user_getpid_end:",
);

unsafe extern "sysv64" {
    fn user_add();
    fn user_dump();
    fn user_xmm();
    fn user_ymm();
    fn user_ymm_spin();
    fn user_red_zone();
    fn user_call();
    fn user_flags();
    fn user_read_flags();
    fn user_control();
    fn user_read();
    fn user_write();
    fn user_ud2();
    fn user_int3();
    fn user_div();
    fn user_nop();
    fn user_spin();
    fn user_getpid();
    fn user_getpid_after();
    fn user_getpid_end();
}

/// Runs and expects a system call by an entry.
fn call(context: &mut Context) {
    // SAFETY: the user programs of this file leave the kernel's memory alone.
    unsafe { context.run_bare() };
    assert_eq!(context.user.trap_num, TRAP_SYSCALL, "{context:?}");
    assert_eq!(context.user.error_code, 0);
    assert!(!context.via_trap);
}

/// Runs and returns the trap.
fn trap(context: &mut Context) -> usize {
    // SAFETY: as above.
    unsafe { context.run_bare() };
    context.user.trap_num
}

#[test]
fn registers_go_in_and_come_out() {
    on_thread(|| {
        let mut cx = program(user_add);
        let before = cx.user.general;
        cx.user.general = GeneralRegs {
            rax: 0,
            rbx: 1,
            rdx: 3,
            rsi: 4,
            rdi: 5,
            rbp: 6,
            r8: 8,
            r9: 9,
            r10: 10,
            r12: 12,
            r13: 13,
            r14: 14,
            r15: 15,
            ..before
        };
        call(&mut cx);
        let g = cx.user.general;
        let want = GeneralRegs {
            rax: 10,
            rbx: 11,
            rcx: g.rip,
            rdx: 13,
            rsi: 14,
            rdi: 15,
            rbp: 16,
            rsp: before.rsp,
            r8: 18,
            r9: 19,
            r10: 20,
            r11: g.rflags,
            r12: 22,
            r13: 23,
            r14: 24,
            r15: 25,
            ..g
        };
        assert_eq!(g, want);
        call(&mut cx);
        assert_eq!(cx.user.general.rax, 10usize.wrapping_sub(20));
        assert_eq!(cx.user.general.r15, 5);
    });
}

#[test]
fn no_register_is_lost_on_the_way_in() {
    on_thread(|| {
        let mut cx = program(user_dump);
        let top = cx.user.general.rsp;
        for (n, reg) in registers(&mut cx.user.general).into_iter().enumerate() {
            *reg = 0x1000 + n;
        }
        cx.user.general.rsp = top;
        let before = cx.user.general;
        call(&mut cx);
        // SAFETY: the user wrote 16 words there.
        let seen = unsafe { *(cx.user.general.rsp as *const [usize; 16]) };
        let b = before;
        let want = [
            b.rax, b.rbx, b.rcx, b.rdx, b.rsi, b.rdi, b.rbp, b.rsp, b.r8, b.r9, b.r10, b.r11, b.r12, b.r13,
            b.r14, b.r15,
        ];
        assert_eq!(seen, want);
    });
}

fn registers(g: &mut GeneralRegs) -> [&mut usize; 16] {
    [
        &mut g.rax, &mut g.rbx, &mut g.rcx, &mut g.rdx, &mut g.rsi, &mut g.rdi, &mut g.rbp, &mut g.rsp,
        &mut g.r8, &mut g.r9, &mut g.r10, &mut g.r11, &mut g.r12, &mut g.r13, &mut g.r14, &mut g.r15,
    ]
}

fn xmm(image: &[u8], n: usize) -> [u8; 16] {
    image[160 + 16 * n..176 + 16 * n].try_into().unwrap()
}

/// An image with xmm n full of n.
fn patterned() -> Vec<u8> {
    let mut image = vec![0; fncall::xstate_frame_size()];
    Context::new().save_xstate(&mut image);
    for n in 0..16 {
        image[160 + 16 * n..176 + 16 * n].fill(n as u8);
    }
    image[160 + 15 * 16..160 + 16 * 16].fill(1);
    image
}

#[test]
fn sixteen_xmm_survive() {
    on_thread(|| {
        let mut cx = program(user_xmm);
        cx.load_xstate(&patterned()).unwrap();
        for round in 1..=3u8 {
            call(&mut cx);
            let mut image = vec![0; fncall::xstate_frame_size()];
            assert_eq!(cx.save_xstate(&mut image), image.len());
            for n in 0..15 {
                assert_eq!(xmm(&image, n), [n as u8 + round; 16], "xmm{n}");
            }
        }
    });
}

fn ymm_pattern() -> Vec<u8> {
    (0..512).map(|n| (n * 7 + 3) as u8).collect()
}

#[test]
fn upper_halves_survive_a_system_call() {
    if !has(AVX) {
        return;
    }
    on_thread(|| {
        let (from, mut to) = (ymm_pattern(), vec![0u8; 512]);
        let mut cx = program(user_ymm);
        cx.user.general.rdi = from.as_ptr() as usize;
        cx.user.general.rsi = to.as_mut_ptr() as usize;
        // SAFETY: as in `call`; nothing in between that could use AVX.
        unsafe {
            cx.run_bare();
            cx.run_bare();
        }
        assert_eq!(from, to);
    });
}

#[test]
fn upper_halves_survive_another_context() {
    if !has(AVX) {
        return;
    }
    on_thread(|| {
        let (from, mut to) = (ymm_pattern(), vec![0u8; 512]);
        let zero = vec![0u8; 512];
        let mut cx = program(user_ymm);
        cx.user.general.rdi = from.as_ptr() as usize;
        cx.user.general.rsi = to.as_mut_ptr() as usize;
        let mut other = program(user_ymm);
        other.user.general.rdi = zero.as_ptr() as usize;
        // SAFETY: as in `call`; nothing in between that could use AVX.
        unsafe {
            cx.run_bare();
            other.run_bare();
            cx.run_bare();
        }
        assert_eq!(from, to);
    });
}

/// How a kernel delivers a signal: the state goes to a frame, the handler finds a fresh one, and the frame's comes back.
#[test]
fn state_goes_to_a_frame_and_comes_back() {
    if !has(AVX) {
        return;
    }
    on_thread(|| {
        let (from, mut to) = (ymm_pattern(), vec![0xaau8; 512]);
        let mut frame = vec![0; fncall::xstate_frame_size()];
        let mut cx = program(user_ymm);
        cx.user.general.rdi = from.as_ptr() as usize;
        cx.user.general.rsi = to.as_mut_ptr() as usize;
        call(&mut cx);
        assert_eq!(cx.push_xstate(|_| Err("no room")), Err("no room"));
        // The state is where it was: the first push changed nothing. Copies may use AVX now, it is in the frame.
        cx.push_xstate(|image| {
            frame.copy_from_slice(image);
            Ok::<_, ()>(())
        })
        .unwrap();
        let interrupted = cx.user;
        for n in 0..16 {
            assert_eq!(frame[160 + 16 * n..][..16], from[32 * n..][..16], "low half of ymm{n}");
            assert_eq!(frame[576 + 16 * n..][..16], from[32 * n + 16..][..16], "high half of ymm{n}");
        }
        cx.push_xstate(|image| if image[512] & 4 == 0 { Ok(()) } else { Err("AVX is in use") }).unwrap();
        call(&mut cx);
        assert!(to.iter().all(|byte| *byte == 0), "a handler starts afresh");
        cx.user = interrupted;
        cx.pop_xstate(|image| {
            image.copy_from_slice(&frame);
            image.len()
        })
        .unwrap();
        call(&mut cx);
        assert_eq!(from, to);
        assert_eq!(cx.pop_xstate(|_| 511), Err(fncall::BadXstate));
        cx.user = interrupted;
        call(&mut cx);
        assert!(to.iter().all(|byte| *byte == 0), "what cannot be loaded leaves a fresh state");
    });
}

/// The same with x87: registers that are not in their initial state come back, and are gone meanwhile.
#[test]
fn x87_goes_to_a_frame_and_comes_back() {
    on_thread(|| {
        let mut frame = vec![0; fncall::xstate_frame_size()];
        Context::new().save_xstate(&mut frame);
        frame[0] = 0x7f;
        frame[1] = 0x0c; // round towards zero
        frame[2] = 0;
        frame[3] = 0x38; // top 7
        frame[4] = 0x80; // st(0) in use
        frame[32..42].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f]); // 1.0
        let mut cx = program(user_nop);
        call(&mut cx);
        for _ in 0..2 {
            let load = |image: &mut [u8]| {
                image.copy_from_slice(&frame);
                image.len()
            };
            cx.pop_xstate(load).unwrap();
            let mut seen = vec![0; frame.len()];
            cx.push_xstate(|image| {
                seen.copy_from_slice(image);
                Ok::<_, ()>(())
            })
            .unwrap();
            assert_eq!(seen[..6], frame[..6]);
            assert_eq!(seen[32..160], frame[32..160]);
            cx.push_xstate(|image| {
                seen.copy_from_slice(image);
                Ok::<_, ()>(())
            })
            .unwrap();
            assert_eq!(seen[..6], [0x7f, 3, 0, 0, 0, 0]);
            assert!(seen[32..160].iter().all(|byte| *byte == 0));
        }
    });
}

#[test]
fn upper_halves_survive_a_kick() {
    if !has(AVX) {
        return;
    }
    on_thread(|| {
        let (from, mut to) = (ymm_pattern(), vec![0u8; 512]);
        let mut go = 0usize;
        let mut cx = program(user_ymm_spin);
        cx.user.general.rdi = from.as_ptr() as usize;
        cx.user.general.rsi = to.as_mut_ptr() as usize;
        cx.user.general.rdx = &raw mut go as usize;
        let kicker = kick_me_later();
        assert_eq!(trap(&mut cx), TRAP_KICK);
        cx.detach(); // the join may use AVX
        kicker.join().unwrap();
        // SAFETY: the user reads it; no reference is alive.
        unsafe { (&raw mut go).write_volatile(1) };
        call(&mut cx);
        assert_eq!(from, to);
    });
}

#[test]
fn a_detached_context_moves_to_another_thread() {
    if !has(AVX) {
        return;
    }
    let from = ymm_pattern();
    let from_at = from.as_ptr() as usize;
    let mut to = vec![0u8; 512];
    let to_at = to.as_mut_ptr() as usize;
    let cx = on_thread(move || {
        let mut cx = Box::new(program(user_ymm));
        cx.user.general.rdi = from_at;
        cx.user.general.rsi = to_at;
        // SAFETY: as in `call`.
        unsafe { cx.run_bare() };
        cx.detach();
        cx
    });
    on_thread(move || {
        let mut cx = cx;
        call(&mut cx);
    });
    assert_eq!(from, to);
}

#[test]
fn a_clone_has_the_live_state_too() {
    if !has(AVX) {
        return;
    }
    on_thread(|| {
        let (from, mut to) = (ymm_pattern(), vec![0u8; 512]);
        let mut cx = program(user_ymm);
        cx.user.general.rdi = from.as_ptr() as usize;
        // SAFETY: as in `call`; nothing in between that could use AVX.
        unsafe { cx.run_bare() };
        let mut child = cx.clone();
        child.user.general.rsi = to.as_mut_ptr() as usize;
        call(&mut child);
        assert_eq!(from, to);
    });
}

#[test]
fn control_words_survive() {
    on_thread(|| {
        let control = [0x3f80u32, 0x027f];
        let mut seen = [0u32; 2];
        let mut cx = program(user_control);
        cx.user.general.rdi = &raw const control as usize;
        cx.user.general.rsi = &raw mut seen as usize;
        call(&mut cx);
        call(&mut cx);
        assert_eq!(std::hint::black_box(seen), control);
        drop(cx);
        let normal = [0x1f80u32, 0x037f];
        // SAFETY: puts back what the test thread had.
        unsafe { std::arch::asm!("ldmxcsr [{0}]", "fldcw [{0} + 4]", in(reg) &normal) };
    });
}

#[test]
fn the_red_zone_survives_a_jump_entry() {
    on_thread(|| {
        let mut cx = program(user_red_zone);
        call(&mut cx);
        call(&mut cx);
        assert_eq!(cx.user.general.rax, 16);
    });
}

#[test]
fn the_call_entry_keeps_every_register() {
    on_thread(|| {
        let mut cx = program(user_call);
        let rsp = cx.user.general.rsp;
        call(&mut cx);
        assert_eq!((cx.user.general.r11, cx.user.general.rcx), (0x1111, 0x2222));
        assert_eq!(cx.user.general.rsp, rsp);
        call(&mut cx);
        assert_eq!(cx.user.general.rax, 0x3333);
    });
}

#[test]
fn flags_survive() {
    on_thread(|| {
        const CF: usize = 1;
        const ALL: usize = 0x8d5; // CF PF AF ZF SF OF
        const DF: usize = 0x400;
        const AC: usize = 0x4_0000;
        const ID: usize = 0x20_0000;
        for flags in [0, CF, 4, 0x10, 0x40, 0x80, 0x800, ALL, DF, DF | ALL, AC, ID, AC | DF | ID | CF] {
            let mut cx = program(user_flags);
            cx.user.general.rdi = flags;
            call(&mut cx);
            let own: usize;
            // SAFETY: reads the flags.
            unsafe { std::arch::asm!("pushfq", "pop {}", out(reg) own) };
            assert_eq!(own & (DF | AC | ID), 0, "the kernel runs with the user's flags");
            assert_eq!(cx.user.general.rflags, flags | 0x202);
            assert_eq!(cx.user.general.r11, flags | 0x202);
            call(&mut cx);
            assert_eq!(cx.user.general.rax, flags | 0x202, "after the system call");

            let mut cx = program(user_read_flags);
            cx.user.general.rflags = flags;
            call(&mut cx);
            assert_eq!(cx.user.general.rax, flags | 0x202, "set by the kernel");
        }
    });
}

#[test]
fn page_faults_come_back_with_address_and_code() {
    on_thread(|| {
        let mut cx = program(user_read);
        cx.user.general.rdi = 0x18;
        assert_eq!(trap(&mut cx), 14);
        assert_eq!((cx.fault.addr, cx.user.error_code), (0x18, 4));
        assert_eq!((cx.fault.signo, cx.fault.code), (11, 1));
        assert_eq!(cx.user.get_ip(), user_read as *const () as usize);
        // A fault is repaired and the instruction runs again.
        let value = 0x1234usize;
        cx.user.general.rdi = &raw const value as usize;
        call(&mut cx);
        assert_eq!(cx.user.general.rax, 0x1234);

        let mut cx = program(user_write);
        cx.user.general.rdi = 0x18;
        assert_eq!(trap(&mut cx), 14);
        assert_eq!((cx.fault.addr, cx.user.error_code), (0x18, 6));
    });
}

#[test]
fn exceptions_come_back_with_their_vector() {
    on_thread(|| {
        let mut cx = program(user_read);
        cx.user.general.rdi = 0x8000_0000_0000_0000;
        assert_eq!(trap(&mut cx), 13);
        let mut cx = program(user_ud2);
        assert_eq!(trap(&mut cx), 6);
        assert_eq!(cx.user.get_ip(), user_ud2 as *const () as usize);
        let mut cx = program(user_div);
        assert_eq!(trap(&mut cx), 0);
        let mut cx = program(user_int3);
        assert_eq!(trap(&mut cx), 3);
        assert_eq!(cx.user.get_ip(), user_int3 as *const () as usize + 1);
        call(&mut cx);
    });
}

#[test]
fn a_bad_rip_is_the_users_fault() {
    on_thread(|| {
        for flags in [0x202, 0x602] {
            let mut cx = program(user_nop);
            cx.user.set_ip(0x8000_0000_0000_0000);
            cx.user.general.rflags = flags;
            assert_eq!(trap(&mut cx), 13);
            assert_eq!(cx.user.get_ip(), 0x8000_0000_0000_0000);
            cx.user.set_ip(0x10);
            assert_eq!(trap(&mut cx), 14);
            assert_eq!((cx.fault.addr, cx.user.error_code & 5), (0x10, 4));
            cx.user.set_ip(user_nop as *const () as usize);
            call(&mut cx);
        }
    });
}

#[test]
fn single_steps_stop_after_each_instruction() {
    on_thread(|| {
        let start = user_nop as *const () as usize;
        let mut cx = program(user_nop);
        cx.user.general.rflags |= 0x100;
        for n in 1..=3 {
            assert_eq!(trap(&mut cx), 1);
            assert_eq!(cx.user.get_ip(), start + n);
        }
        assert_eq!(trap(&mut cx), 1); // lea
        call(&mut cx); // the jump to the entry counts as the system call
        assert_eq!(cx.user.general.rflags & 0x100, 0x100);
        let after = cx.user.get_ip();
        assert_eq!(cx.user.general.rcx, after);
        assert_eq!(trap(&mut cx), 1);
        assert_eq!(cx.user.get_ip(), after + 1);
        cx.user.general.rflags &= !0x100;
        assert_eq!(trap(&mut cx), 6);
    });
}

#[test]
fn a_kick_stops_a_computation() {
    on_thread(|| {
        let mut cx = program(user_spin);
        let mut last = 0;
        for _ in 0..3 {
            let kicker = kick_me_later();
            assert_eq!(trap(&mut cx), TRAP_KICK);
            assert!(cx.user.general.rax > last, "the program did not go on");
            last = cx.user.general.rax;
            kicker.join().unwrap();
        }
    });
}

#[test]
fn a_kick_before_the_run_is_not_lost() {
    on_thread(|| {
        let mut cx = program(user_add);
        cx.user.general.rax = 1;
        let before = cx.user;
        // SAFETY: a signal to this thread, whose handler is installed.
        unsafe { libc::raise(common::KICK) };
        assert!(fncall::was_kicked());
        assert_eq!(trap(&mut cx), TRAP_KICK);
        assert_eq!(cx.user.general, before.general);
        assert!(!fncall::was_kicked());
        call(&mut cx);
        assert_eq!(cx.user.general.rax, 11);
        // SAFETY: as above.
        unsafe { libc::raise(common::KICK) };
        fncall::clear_kick();
        call(&mut cx);
    });
}

#[test]
fn a_fault_in_the_kernel_is_repaired_by_the_hook() {
    on_thread(|| {
        let (value, mut failed) = (42usize, 0);
        // SAFETY: `test_peek` may fault; the hook repairs it.
        unsafe {
            assert_eq!(common::test_peek(&raw const value as usize, &mut failed), 42);
            assert_eq!(failed, 0);
            common::test_peek(8, &mut failed);
            assert_eq!(failed, 1);
        }
        // And between two runs.
        let mut cx = program(user_add);
        call(&mut cx);
        // SAFETY: as above.
        unsafe { common::test_peek(8, &mut failed) };
        call(&mut cx);
    });
}

#[test]
fn a_syscall_instruction_comes_back_under_sud() {
    on_thread(|| {
        // The only code outside the allowed range is at this low address.
        const AT: usize = 0x1_0000_0000;
        let code = user_getpid as *const () as usize;
        let len = user_getpid_end as *const () as usize - code;
        let after = AT + user_getpid_after as *const () as usize - code;
        // SAFETY: a fresh mapping; the code is position independent up to its end; the rest of the process is in
        // the allowed range.
        unsafe {
            let page = libc::mmap(
                AT as *mut _,
                4096,
                libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE,
                -1,
                0,
            );
            assert_eq!(page as usize, AT);
            std::ptr::copy_nonoverlapping(code as *const u8, AT as *mut u8, len);
            fncall::enable_sud(AT + 4096, (1 << 47) - AT - 8192, std::ptr::null()).unwrap();
        }
        let mut cx = program(user_getpid);
        cx.user.set_ip(AT);
        cx.user.general.rdi = 7;
        assert_eq!(trap(&mut cx), TRAP_SYSCALL);
        assert!(cx.via_trap);
        assert_eq!(cx.user.get_syscall_num(), 39);
        assert_eq!(cx.user.get_syscall_args()[0], 7);
        assert_eq!(cx.user.get_ip(), after);
        assert_eq!(cx.fault.arch, 0xc000_003e);
        cx.user.set_syscall_ret(0x4242);
        // It went on to the end of the page of zeros: `add [rax], al` with rax = 0x4242.
        cx.user.set_ip(user_add as *const () as usize);
        call(&mut cx);
        assert_eq!(cx.user.general.rax, 0x4242 + 10);
        // SAFETY: no user program runs any more.
        unsafe { fncall::disable_sud() }.unwrap();
    });
}

#[test]
fn bad_images_are_refused_and_change_nothing() {
    on_thread(|| {
        let good = patterned();
        let mut cx = program(user_xmm);
        cx.load_xstate(&good).unwrap();
        let bad = |change: fn(&mut Vec<u8>)| {
            let mut image = good.clone();
            change(&mut image);
            image
        };
        let cases = [
            bad(|image| image.truncate(511)),
            bad(|image| image[27] = 0x80),       // reserved MXCSR bit
            bad(|image| image[512 + 7] = 0x40),  // a component nobody has
            bad(|image| image[512 + 15] = 0x80), // compacted
            bad(|image| image[512 + 40] = 1),    // reserved header byte
        ];
        for (n, image) in cases.iter().enumerate() {
            assert_eq!(cx.load_xstate(image), Err(fncall::BadXstate), "case {n}");
        }
        call(&mut cx);
        let mut image = vec![0; fncall::xstate_frame_size()];
        cx.save_xstate(&mut image);
        assert_eq!(xmm(&image, 3), [4; 16]);
        cx.reset_xstate();
        cx.save_xstate(&mut image);
        assert_eq!(xmm(&image, 3), [0; 16]);
    });
}
