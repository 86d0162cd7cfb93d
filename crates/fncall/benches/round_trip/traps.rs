//! What costs more than a round trip: two contexts in turn, faults, kicks; and the host's signals beside them.

use std::arch::global_asm;
use std::hint::black_box;

use fncall::{Context, FaultAction, HandlerConfig, TRAP_KICK};

use super::{answer, ns_per_call, program};

const KICK: i32 = libc::SIGURG;
const CALLS: u32 = 50_000;

global_asm!(
    ".globl bench_state_bare, bench_state_hosted, bench_fault, bench_fault_end, bench_kick",
    // Has all of its extended state in use, up to ymm (r9: the processor has them), and makes system calls.
    ".macro IN_USE",
    "fldpi",
    "test r9, r9",
    "jz 3f",
    ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
    "vcmpps ymm\\n, ymm\\n, ymm\\n, 15",
    ".endr",
    "3:",
    ".endm",
    "bench_state_bare:",
    "IN_USE",
    "2: mov eax, 110",
    "lea rcx, [rip + 2b]",
    "jmp fncall_jump_entry_bare",
    "bench_state_hosted:",
    "IN_USE",
    "2: mov eax, 110",
    "lea rcx, [rip + 2b]",
    "jmp fncall_jump_entry_hosted",
    // Reads where nothing is. The kernel lets it go on behind.
    "bench_fault:",
    "xor eax, eax",
    "bench_fault_at: mov rax, [rax]",
    "bench_fault_end: ret",
    "jmp bench_fault",
    // Sends itself a kick: tgkill(rdi, rsi, rdx).
    "bench_kick:",
    "2: mov eax, 234",
    "syscall",
    "jmp 2b",
);

unsafe extern "sysv64" {
    fn bench_state_bare();
    fn bench_state_hosted();
    fn bench_fault();
    fn bench_fault_end();
    fn bench_kick();
}

/// The host's signal stack for this thread.
pub fn prepare() {
    let stack = libc::stack_t {
        ss_sp: Box::leak(vec![0u8; 64 << 10].into_boxed_slice()).as_mut_ptr().cast(),
        ss_flags: 0,
        ss_size: 64 << 10,
    };
    let cfg = HandlerConfig { kick_signal: KICK, kernel_fault: |_| FaultAction::Die, kernel_kick: |_, _| () };
    // SAFETY: the stack is leaked; nobody else handles these signals.
    unsafe {
        assert_eq!(libc::sigaltstack(&stack, std::ptr::null_mut()), 0);
        fncall::install_handlers(&cfg).expect("signal handlers");
    }
}

/// Two contexts in turn: the extended state of both moves at every system call. Nanoseconds for one exchange.
pub struct Exchange([Box<Context>; 2]);

impl Exchange {
    pub fn new(hosted: bool) -> Self {
        let entry = if hosted { bench_state_hosted } else { bench_state_bare };
        Exchange([(); 2].map(|()| {
            let mut context = program(entry);
            context.user.general.r9 = usize::from(std::is_x86_feature_detected!("avx"));
            context
        }))
    }

    #[inline(never)]
    pub fn hosted(&mut self) -> f64 {
        let [a, b] = &mut self.0;
        ns_per_call(CALLS, || {
            // SAFETY: the programs leave everything alone; the contexts stay in their boxes.
            unsafe { a.run() };
            answer(&mut a.user);
            std::mem::swap(a, b); // the boxes, not what is in them
        })
    }

    #[inline(never)]
    pub fn bare(&mut self) -> f64 {
        let [a, b] = &mut self.0;
        ns_per_call(CALLS, || {
            // SAFETY: as above; nothing here uses AVX or x87.
            unsafe { a.run_bare() };
            answer(&mut a.user);
            std::mem::swap(a, b);
        })
    }
}

/// Runs `body` while a signal has a handler of the C library's.
fn with_handler(
    signo: i32,
    handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::ucontext_t),
    body: impl FnOnce() -> f64,
) -> f64 {
    // SAFETY: the handlers below touch their frame only; the old action is put back.
    unsafe {
        let (mut action, mut old): (libc::sigaction, libc::sigaction) =
            (std::mem::zeroed(), std::mem::zeroed());
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        assert_eq!(libc::sigaction(signo, &action, &mut old), 0);
        let ns = body();
        assert_eq!(libc::sigaction(signo, &old, std::ptr::null_mut()), 0);
        ns
    }
}

extern "C" fn step_over(_: i32, _: *mut libc::siginfo_t, uc: *mut libc::ucontext_t) {
    // SAFETY: the host's frame.
    unsafe { (*uc).uc_mcontext.gregs[libc::REG_RIP as usize] = bench_fault_end as *const () as i64 };
}

extern "C" fn nothing(_: i32, _: *mut libc::siginfo_t, _: *mut libc::ucontext_t) {}

/// A fault and a handler that steps over it, without this crate.
#[inline(never)]
pub fn host_fault() -> f64 {
    with_handler(libc::SIGSEGV, step_over, || {
        // SAFETY: the handler leads behind the faulting instruction.
        ns_per_call(CALLS, || unsafe { bench_fault() })
    })
}

/// A signal to this thread and an empty handler.
#[inline(never)]
pub fn host_signal() -> f64 {
    let [pid, tid, _] = ids();
    with_handler(libc::SIGUSR1, nothing, || {
        // SAFETY: the signal has a handler.
        ns_per_call(CALLS, || {
            // SAFETY: the call touches no memory, and the signal has a handler.
            _ = black_box(unsafe { libc::syscall(libc::SYS_tgkill, pid, tid, libc::SIGUSR1) })
        })
    })
}

fn ids() -> [usize; 3] {
    // SAFETY: plain host calls.
    unsafe { [libc::getpid() as usize, libc::gettid() as usize, KICK as usize] }
}

pub fn fault_program() -> Box<Context> {
    program(bench_fault)
}

/// A fault, to the kernel and back behind it.
#[inline(never)]
pub fn fault(context: &mut Context, hosted: bool) -> f64 {
    ns_per_call(CALLS, || {
        context.user.set_ip(bench_fault as *const () as usize);
        // SAFETY: the program only reads where nothing is.
        unsafe { if hosted { context.run() } else { context.run_bare() } }
        assert_eq!(context.user.trap_num, 14);
    })
}

pub fn kick_program() -> Box<Context> {
    let mut context = program(bench_kick);
    let g = &mut context.user.general;
    [g.rdi, g.rsi, g.rdx] = ids();
    context
}

/// A kick that finds the program running, to the kernel and back.
#[inline(never)]
pub fn kick(context: &mut Context, hosted: bool) -> f64 {
    ns_per_call(CALLS, || {
        // SAFETY: the program only kicks itself.
        unsafe { if hosted { context.run() } else { context.run_bare() } }
        assert_eq!(context.user.trap_num, TRAP_KICK);
    })
}
