//! What the tests share: a thread that may run contexts, a stack for the user, and the handlers.
#![allow(dead_code)] // each test file uses its part

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use fncall::{Anchor, Context, FaultAction, HandlerConfig, KernelFault};

/// Components of the extended state, as in XCR0.
pub const AVX: u64 = 1 << 2;
pub const AVX512: u64 = 7 << 5;

/// Whether the crate keeps these components here.
pub fn has(components: u64) -> bool {
    fncall::xstate_features() & components == components
}

/// The kick of these tests: a real-time signal that nobody else uses.
pub const KICK: i32 = 40;

/// Prepares the calling thread. The memory stays: the thread may be kicked until it ends.
pub fn thread() {
    handlers();
    let alt = Box::leak(vec![0u8; 64 << 10].into_boxed_slice());
    let anchor = Box::leak(Box::new(Anchor::new()));
    // SAFETY: both are leaked, and nothing else in this process uses gs.
    unsafe { fncall::install_thread(anchor, alt.as_mut_ptr(), alt.len()) }.unwrap();
}

pub fn handlers() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let cfg = HandlerConfig { kick_signal: KICK, kernel_fault, kernel_kick };
        // SAFETY: nobody else in the test handles these signals; the hooks only touch registers and statics.
        unsafe { fncall::install_handlers(&cfg) }.unwrap();
    });
}

std::arch::global_asm!(
    // usize peek(usize addr, usize *failed): a load that may fault.
    ".globl test_peek, test_peek_load, test_peek_fixup",
    "test_peek:",
    "mov qword ptr [rsi], 0",
    "test_peek_load:",
    "mov rax, [rdi]",
    "ret",
    "test_peek_fixup:",
    "mov qword ptr [rsi], 1",
    "xor eax, eax",
    "ret",
);

unsafe extern "sysv64" {
    pub fn test_peek(addr: usize, failed: *mut usize) -> usize;
    fn test_peek_load();
    fn test_peek_fixup();
}

/// What protection keys there would be, on machines without; see [`protection_keys`].
pub static PKRU: AtomicU32 = AtomicU32::new(0);

/// The protection keys of the processor, or those that stand in for them.
pub fn protection_keys() -> u32 {
    let pkru;
    // SAFETY: only reads a register; where the instruction does not exist, `kernel_fault` is in its place.
    unsafe { std::arch::asm!("rdpkru", in("ecx") 0, inout("eax") 0 => pkru, out("edx") _) };
    pkru
}

fn kernel_fault(fault: &mut KernelFault<'_>) -> FaultAction {
    if fault.signo == libc::SIGILL {
        // SAFETY: the processor has just read an instruction there; these are three bytes long.
        match unsafe { *(*fault.rip as *const [u8; 3]) } {
            [0x0f, 0x01, 0xee] => *fault.rax = PKRU.load(Relaxed) as usize,
            [0x0f, 0x01, 0xef] => PKRU.store(*fault.rax as u32, Relaxed),
            _ => return FaultAction::Die,
        }
        *fault.rip += 3;
        return FaultAction::Resume;
    }
    if *fault.rip == test_peek_load as *const () as usize {
        *fault.rip = test_peek_fixup as *const () as usize;
        return FaultAction::Resume;
    }
    FaultAction::Die
}

fn kernel_kick(_rip: &mut usize, _rax: &mut usize) {}

/// A context that starts at `entry` on a stack of its own.
pub fn program(entry: unsafe extern "sysv64" fn()) -> Context {
    let stack = Box::leak(vec![0u128; 4096].into_boxed_slice());
    let mut context = Context::new();
    context.user.set_ip(entry as *const () as usize);
    context.user.set_sp(stack.as_mut_ptr_range().end as usize);
    context.user.general.rflags = 0x202;
    context
}

/// Runs on a fresh thread that is prepared, so that tests do not share an anchor.
pub fn on_thread<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    let worker = std::thread::spawn(|| {
        thread();
        body()
    });
    match worker.join() {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Kicks the calling thread from another one in a moment.
pub fn kick_me_later() -> std::thread::JoinHandle<()> {
    // SAFETY: plain host calls.
    let (pid, tid) = unsafe { (libc::getpid(), libc::gettid()) };
    std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(20));
        // SAFETY: the thread waits for this kick.
        assert_eq!(unsafe { libc::syscall(libc::SYS_tgkill, pid, tid, KICK) }, 0);
    })
}
