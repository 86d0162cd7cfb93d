//! The round trip of the crate `trapframe`, in the same form as `round_trip`, which starts it; alone:
//! `cargo run --release --manifest-path crates/fncall/benches/trapframe/Cargo.toml`

#[path = "../../round_trip/measure.rs"]
mod measure;

use std::arch::global_asm;
use std::hint::black_box;

use measure::{median, ns_per_call};
use trapframe::UserContext;

global_asm!(
    ".globl bench_user_call",
    "bench_user_call:",
    "2: call 3f",
    "jmp 2b",
    "3: mov eax, 110",
    "call syscall_fn_entry",
    "ret",
);

unsafe extern "sysv64" {
    fn bench_user_call();
}

const CALLS: u32 = 300_000;
const ROUNDS: usize = 15;

fn main() {
    let stack = Box::leak(vec![0u128; 1024].into_boxed_slice());
    let mut context = UserContext::default();
    context.general.rip = bench_user_call as *const () as usize;
    context.general.rsp = stack.as_mut_ptr_range().end as usize;
    let (mut host, mut crate_ns) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        // SAFETY: getppid touches nothing.
        host.push(ns_per_call(CALLS, || _ = black_box(unsafe { libc::syscall(libc::SYS_getppid) })));
        crate_ns.push(ns_per_call(CALLS, || {
            context.run_fncall();
            context.general.rax = black_box(1);
        }));
    }
    let (host, ns) = (median(&mut host), median(&mut crate_ns));
    println!("  {:34} {host:8.1} ns   1.00 × host getppid", "host getppid");
    println!("  {:34} {ns:8.1} ns  {:5.2} × host getppid", "trapframe 0.11, run_fncall", ns / host);
}
