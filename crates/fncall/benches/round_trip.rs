//! One round trip against one host system call, in alternating runs of one process. Prints nanoseconds and ratios to
//! the host; asserts nothing.

use std::arch::global_asm;
use std::hint::black_box;
use std::time::Instant;

use fncall::{Anchor, Context};

global_asm!(
    ".globl bench_user_bare",
    // A program that does what a libc wrapper does: call, number, system call, ret.
    "bench_user_bare:",
    "2: call 3f",
    "jmp 2b",
    "3: mov eax, 110",
    "lea rcx, [rip + 4f]",
    "jmp fncall_jump_entry_bare",
    "4: ret",
);

unsafe extern "sysv64" {
    fn bench_user_bare();
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
fn answer(context: &mut Context) {
    match black_box(context.user.get_syscall_num()) {
        110 => context.user.set_syscall_ret(1),
        _ => context.user.set_syscall_ret(usize::MAX - 37),
    }
}

fn ns_per_call(mut call: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..CALLS {
        call();
    }
    start.elapsed().as_nanos() as f64 / f64::from(CALLS)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let anchor = Box::leak(Box::new(Anchor::new()));
    // SAFETY: leaked; nothing else uses gs.
    unsafe { fncall::install_thread(anchor, std::ptr::null_mut(), 0) }.unwrap();
    let mut bare = program(bench_user_bare);
    let (mut host_ns, mut bare_ns) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        // SAFETY: getppid touches nothing.
        host_ns.push(ns_per_call(|| drop(black_box(unsafe { libc::syscall(libc::SYS_getppid) }))));
        bare_ns.push(ns_per_call(|| {
            // SAFETY: the user program above leaves everything alone.
            unsafe { bare.run_bare() };
            answer(&mut bare);
        }));
    }
    let host = median(host_ns);
    println!("{:32} {host:8.1} ns  1.00 × host", "host getppid");
    for (name, ns) in [("run_bare", median(bare_ns))] {
        println!("{name:32} {ns:8.1} ns  {:.2} × host", ns / host);
    }
}
