//! One round trip against one host system call, an exchange of contexts, faults and kicks against the host's signals,
//! in alternating runs of one process. Prints nanoseconds and ratios to what the host needs for the same; asserts
//! nothing about time.

mod measure;
mod traps;

use std::arch::global_asm;
use std::hint::black_box;
use std::process::Command;

use fncall::{Anchor, Context, UserContext};
use measure::{median, ns_per_call};

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

#[inline(never)]
fn host() -> f64 {
    // SAFETY: getppid touches nothing.
    ns_per_call(CALLS, || _ = black_box(unsafe { libc::syscall(libc::SYS_getppid) }))
}

#[inline(never)]
fn bare(context: &mut Context) -> f64 {
    ns_per_call(CALLS, || {
        // SAFETY: the user programs above leave everything alone.
        unsafe { context.run_bare() };
        answer(&mut context.user);
    })
}

#[inline(never)]
fn hosted(context: &mut Context) -> f64 {
    ns_per_call(CALLS, || {
        // SAFETY: as above.
        unsafe { context.run() };
        answer(&mut context.user);
    })
}

#[inline(never)]
fn original(context: &mut UserContext) -> f64 {
    ns_per_call(CALLS, || {
        context.run_fncall();
        answer(context);
    })
}

/// A line of the report: what it is, the line it is compared with, and its measurements.
struct Row {
    name: &'static str,
    host: usize,
    ns: Vec<f64>,
}

/// Runs all of `measure` in turn, `rounds` times.
fn report(title: &str, rounds: usize, measure: &mut [(&'static str, usize, &mut dyn FnMut() -> f64)]) {
    let mut rows: Vec<Row> =
        measure.iter().map(|(name, host, _)| Row { name, host: *host, ns: vec![] }).collect();
    for _ in 0..rounds {
        for (row, (.., run)) in rows.iter_mut().zip(measure.iter_mut()) {
            row.ns.push(run());
        }
    }
    let medians: Vec<f64> = rows.iter_mut().map(|row| median(&mut row.ns)).collect();
    println!("{title}");
    for (row, ns) in rows.iter().zip(&medians) {
        println!("  {:34} {ns:8.1} ns  {:5.2} × {}", row.name, ns / medians[row.host], rows[row.host].name);
    }
}

/// The crate `trapframe` defines the same symbol as this one, so it has a program of its own.
fn trapframe() {
    println!("one system call, by the crate this one grew out of");
    let status = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--release", "--locked", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/trapframe/Cargo.toml"))
        .args(["--target-dir", concat!(env!("CARGO_TARGET_TMPDIR"), "/trapframe")])
        // The compiler that built this, wherever it is started from.
        .env("RUSTC", std::path::Path::new(env!("CARGO")).with_file_name("rustc"))
        .status();
    if !status.is_ok_and(|status| status.success()) {
        println!("  not measured: it could not be built");
    }
}

fn main() {
    traps::prepare();
    let anchor = Box::leak(Box::new(Anchor::new()));
    // SAFETY: leaked; nothing else uses gs.
    unsafe { fncall::install_thread(anchor, std::ptr::null_mut(), 0) }.unwrap();
    let mut jump = program(bench_user_bare);
    let mut call = program(bench_user_call);
    let mut jump_hosted = program(bench_user_hosted);
    let mut plain = program(bench_user_call).user;
    report(
        "one system call",
        ROUNDS,
        &mut [
            ("host getppid", 0, &mut host),
            ("run_bare, jump entry", 0, &mut || bare(&mut jump)),
            ("run_bare, call entry", 0, &mut || bare(&mut call)),
            ("run, jump entry", 0, &mut || hosted(&mut jump_hosted)),
            ("run_fncall, call entry", 0, &mut || original(&mut plain)),
        ],
    );
    trapframe();
    let (mut two_bare, mut two_hosted) = (traps::Exchange::new(false), traps::Exchange::new(true));
    report(
        "one exchange of two contexts, with all of their extended state",
        ROUNDS,
        &mut [
            ("host getppid", 0, &mut host),
            ("run_bare", 0, &mut || two_bare.bare()),
            ("run", 0, &mut || two_hosted.hosted()),
        ],
    );
    let (mut faults, mut faults_hosted) = (traps::fault_program(), traps::fault_program());
    let (mut kicks, mut kicks_hosted) = (traps::kick_program(), traps::kick_program());
    report(
        "one trap",
        ROUNDS,
        &mut [
            ("host fault, handler steps over", 0, &mut traps::host_fault),
            ("fault, run_bare", 0, &mut || traps::fault(&mut faults, false)),
            ("fault, run", 0, &mut || traps::fault(&mut faults_hosted, true)),
            ("host signal to itself", 3, &mut traps::host_signal),
            ("kick, run_bare", 3, &mut || traps::kick(&mut kicks, false)),
            ("kick, run", 3, &mut || traps::kick(&mut kicks_hosted, true)),
        ],
    );
    // From here on for the whole process: last.
    fncall::without_fsgsbase();
    let (mut jump_hosted, mut plain) = (program(bench_user_hosted), program(bench_user_call).user);
    report(
        "one system call, on a host without FSGSBASE",
        5,
        &mut [
            ("host getppid", 0, &mut host),
            ("run_bare, jump entry", 0, &mut || bare(&mut jump)),
            ("run, jump entry", 0, &mut || hosted(&mut jump_hosted)),
            ("run_fncall, call entry", 0, &mut || original(&mut plain)),
        ],
    );
}
