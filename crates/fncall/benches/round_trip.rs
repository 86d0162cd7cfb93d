//! One round trip against one host system call, in alternating runs of one process. Prints nanoseconds and ratios to
//! the host; asserts nothing.

use std::arch::global_asm;
use std::hint::black_box;
use std::time::Instant;

use fncall::{Anchor, Context, UserContext};

global_asm!(
    ".globl bench_user_bare, bench_user_hosted, bench_user_call",
    // A program that does what a libc wrapper does: call, number, system call, ret.
    "bench_user_bare:",
    "2: call 3f",
    "jmp 2b",
    "3: mov eax, 110",
    "lea rcx, [rip + 4f]",
    "jmp fncall_jump_entry_bare",
    "4: ret",
    "bench_user_hosted:",
    "2: call 3f",
    "jmp 2b",
    "3: mov eax, 110",
    "lea rcx, [rip + 4f]",
    "jmp fncall_jump_entry_hosted",
    "4: ret",
    // The original contract.
    "bench_user_call:",
    "2: call 3f",
    "jmp 2b",
    "3: mov eax, 110",
    "call syscall_fn_entry",
    "ret",
);

unsafe extern "sysv64" {
    fn bench_user_bare();
    fn bench_user_hosted();
    fn bench_user_call();
}

const CALLS: u32 = 1_000_000;
const ROUNDS: usize = 15;

fn program(entry: unsafe extern "sysv64" fn()) -> Box<Context> {
    let stack = Box::leak(vec![0u128; 1024].into_boxed_slice());
    let mut context = Box::new(Context::new());
    context.user.set_ip(entry as *const () as usize);
    context.user.set_sp(stack.as_mut_ptr_range().end as usize);
    context
}

#[inline(never)]
fn answer(context: &mut UserContext) {
    match black_box(context.get_syscall_num()) {
        110 => context.set_syscall_ret(1),
        _ => context.set_syscall_ret(usize::MAX - 37),
    }
}

/// Inlined with its body: as in a kernel, the loop that enters the program and the dispatch are one function. A
/// function that returns between two runs would be one `ret` too many for the predictor's return stack.
#[inline(always)]
fn ns_per_call(mut call: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..CALLS {
        call();
    }
    start.elapsed().as_nanos() as f64 / f64::from(CALLS)
}

#[inline(never)]
fn host() -> f64 {
    // SAFETY: getppid touches nothing.
    ns_per_call(|| _ = black_box(unsafe { libc::syscall(libc::SYS_getppid) }))
}

#[inline(never)]
fn bare(context: &mut Context) -> f64 {
    ns_per_call(|| {
        // SAFETY: the user programs above leave everything alone.
        unsafe { context.run_bare() };
        answer(&mut context.user);
    })
}

#[inline(never)]
fn hosted(context: &mut Context) -> f64 {
    ns_per_call(|| {
        // SAFETY: as above.
        unsafe { context.run() };
        answer(&mut context.user);
    })
}

#[inline(never)]
fn original(context: &mut UserContext) -> f64 {
    ns_per_call(|| {
        context.run_fncall();
        answer(context);
    })
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let anchor = Box::leak(Box::new(Anchor::new()));
    // SAFETY: leaked; nothing else uses gs.
    unsafe { fncall::install_thread(anchor, std::ptr::null_mut(), 0) }.unwrap();
    let mut jump = program(bench_user_bare);
    let mut call = program(bench_user_call);
    let mut jump_hosted = program(bench_user_hosted);
    let mut plain = program(bench_user_call).user;
    let mut rows = [
        "host getppid",
        "run_bare, jump entry",
        "run_bare, call entry",
        "run, jump entry",
        "run_fncall, call entry",
    ]
    .map(|name| (name, vec![]));
    for _ in 0..ROUNDS {
        let round =
            [host(), bare(&mut jump), bare(&mut call), hosted(&mut jump_hosted), original(&mut plain)];
        for ((_, all), ns) in rows.iter_mut().zip(round) {
            all.push(ns);
        }
    }
    let host = median(&mut rows[0].1);
    for (name, mut all) in rows {
        let ns = median(&mut all);
        println!("{name:28} {ns:8.1} ns  {:5.2} × host", ns / host);
    }
}
