//! A kernel as a course on operating systems would build it: several tasks with stacks of their own, taking turns; a
//! timer that takes the processor away from those that do not give it back; five system calls; pages that appear
//! when they are first touched; and the end of a task that divides by zero.
//!
//! `cargo run -p fncall --example toy-kernel`

use std::collections::VecDeque;

use fncall::{Context, FaultAction, HandlerConfig, TRAP_KICK, TRAP_SYSCALL};

/// The programs. They are Rust functions here, but the kernel knows their first instruction only. They must not use
/// what needs a C library's TLS (println, panics).
mod user {
    use std::arch::asm;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    pub const SYS_WRITE: usize = 1;
    pub const SYS_SCHED_YIELD: usize = 24;
    pub const SYS_GETPID: usize = 39;
    pub const SYS_EXIT: usize = 60;
    /// Not one of Linux's: the base of the memory that appears on demand.
    pub const SYS_HEAP: usize = 1000;

    fn syscall(nr: usize, a: [usize; 3]) -> usize {
        let ret;
        // SAFETY: the entry keeps every register but rax; what the kernel does is the call's contract.
        unsafe {
            asm!("call {entry}", entry = sym fncall::syscall_fn_entry, inlateout("rax") nr => ret,
                in("rdi") a[0], in("rsi") a[1], in("rdx") a[2]);
        }
        ret
    }

    fn write(text: &[u8]) {
        syscall(SYS_WRITE, [1, text.as_ptr() as usize, text.len()]);
    }

    fn exit(code: usize) -> ! {
        // SAFETY: as above; this call does not come back.
        unsafe {
            asm!("call {entry}", "ud2", entry = sym fncall::syscall_fn_entry, in("rax") SYS_EXIT,
                in("rdi") code, options(noreturn));
        }
    }

    static GO: AtomicUsize = AtomicUsize::new(0);

    /// Waits for `setter` without ever giving the processor back: without the timer it would wait for ever.
    pub extern "sysv64" fn spinner() -> ! {
        let mut rounds = 0usize;
        while GO.load(Relaxed) == 0 {
            rounds = rounds.wrapping_add(1);
        }
        write(b"spinner: somebody else ran while I did not let go\n");
        exit(0)
    }

    pub extern "sysv64" fn setter() -> ! {
        for _ in 0..3 {
            syscall(SYS_SCHED_YIELD, [0; 3]);
        }
        write(b"setter: go\n");
        GO.store(1, Relaxed);
        exit(0)
    }

    /// Touches four pages that are not there.
    pub extern "sysv64" fn toucher() -> ! {
        let heap = syscall(SYS_HEAP, [0; 3]) as *mut usize;
        let mut sum = 0;
        for page in [0, 3, 7, 3, 15] {
            // SAFETY: the kernel promises 16 pages of 512 words.
            unsafe {
                let word = heap.add(512 * page);
                word.write_volatile(word.read_volatile() + page);
                sum += word.read_volatile();
            }
        }
        exit(sum)
    }

    pub extern "sysv64" fn divider() -> ! {
        let pid = syscall(SYS_GETPID, [0; 3]);
        // SAFETY: it is not; that is the point.
        unsafe { asm!("xor edx, edx", "div {0}", in(reg) 0usize, inout("rax") pid => _, out("rdx") _) };
        exit(0)
    }
}

/// Memory of the host: readable and writable, or only reserved.
fn map(len: usize, prot: i32) -> usize {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping where the host likes.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), len, prot, flags, -1, 0) };
    assert_ne!(at, libc::MAP_FAILED, "mmap: {}", std::io::Error::last_os_error());
    at as usize
}

const PAGE: usize = 4096;
const HEAP_LEN: usize = 16 * PAGE;
const STACK_LEN: usize = 64 << 10;

struct Task {
    pid: usize,
    name: &'static str,
    /// In a box: between two runs a part of its registers may still be in the processor, and it must not move.
    context: Box<Context>,
    heap: usize,
    faults: usize,
}

impl Task {
    fn new(pid: usize, name: &'static str, entry: extern "sysv64" fn() -> !) -> Task {
        let stack = map(STACK_LEN, libc::PROT_READ | libc::PROT_WRITE);
        let mut context = Box::new(Context::new());
        context.user.set_ip(entry as *const () as usize);
        // As if it had been called: the return address's place is on top.
        context.user.set_sp(stack + STACK_LEN - 8);
        Task { pid, name, context, heap: map(HEAP_LEN, libc::PROT_NONE), faults: 0 }
    }
}

/// What becomes of a task after it came back.
enum Next {
    Run,
    Requeue,
    Ended(String),
}

fn syscall(task: &mut Task) -> Next {
    let [a, b, c, ..] = task.context.user.get_syscall_args();
    let ret = match task.context.user.get_syscall_num() {
        // SAFETY: an address that is not the task's makes the host say EFAULT.
        user::SYS_WRITE if a == 1 => match unsafe { libc::write(1, b as *const _, c) } {
            -1 => -std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO) as usize,
            written => written as usize,
        },
        user::SYS_GETPID => task.pid,
        user::SYS_HEAP => task.heap,
        user::SYS_SCHED_YIELD => {
            task.context.user.set_syscall_ret(0);
            return Next::Requeue;
        }
        user::SYS_EXIT => return Next::Ended(format!("exit({a})")),
        _ => -libc::ENOSYS as usize,
    };
    task.context.user.set_syscall_ret(ret);
    Next::Run
}

/// A page of the heap that was touched for the first time appears; every other fault ends the task.
fn page_fault(task: &mut Task) -> Next {
    let addr = task.context.fault.addr;
    if !(task.heap..task.heap + HEAP_LEN).contains(&addr) {
        return Next::Ended(format!("page fault at {addr:#x}"));
    }
    let page = (addr & !(PAGE - 1)) as *mut libc::c_void;
    // SAFETY: a page of the task's own reservation.
    let ret = unsafe { libc::mprotect(page, PAGE, libc::PROT_READ | libc::PROT_WRITE) };
    assert_eq!(ret, 0, "mprotect: {}", std::io::Error::last_os_error());
    task.faults += 1;
    Next::Run
}

/// Kicks this thread every two milliseconds.
fn start_timer() {
    let every = libc::timespec { tv_sec: 0, tv_nsec: 2_000_000 };
    let spec = libc::itimerspec { it_interval: every, it_value: every };
    // SAFETY: writes to locals; the handler of the signal is installed.
    unsafe {
        let mut event: libc::sigevent = std::mem::zeroed();
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = libc::SIGURG;
        event.sigev_notify_thread_id = libc::gettid();
        let mut timer = std::mem::zeroed();
        assert_eq!(libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer), 0);
        assert_eq!(libc::timer_settime(timer, 0, &spec, std::ptr::null_mut()), 0);
    }
}

fn main() {
    let cfg = HandlerConfig {
        kick_signal: libc::SIGURG,
        kernel_fault: |_| FaultAction::Die,
        kernel_kick: |_, _| (),
    };
    // SAFETY: nobody else in this process handles these signals.
    unsafe { fncall::install_handlers(&cfg) }.expect("signal handlers");
    let mut queue = VecDeque::from([
        Task::new(1, "spinner", user::spinner),
        Task::new(2, "setter", user::setter),
        Task::new(3, "toucher", user::toucher),
        Task::new(4, "divider", user::divider),
    ]);
    start_timer();
    let mut ticks = 0usize;
    while let Some(mut task) = queue.pop_front() {
        let next = loop {
            // SAFETY: the tasks leave the kernel's memory alone; a context stays in its box.
            unsafe { task.context.run() };
            let next = match task.context.user.trap_num {
                TRAP_SYSCALL => syscall(&mut task),
                TRAP_KICK => {
                    ticks += 1;
                    Next::Requeue
                }
                14 => page_fault(&mut task),
                trap => Next::Ended(format!("trap {trap}")),
            };
            if !matches!(next, Next::Run) {
                break next;
            }
        };
        match next {
            Next::Ended(why) => {
                println!("{} {}: {why}, {} pages on demand", task.pid, task.name, task.faults)
            }
            _ => queue.push_back(task),
        }
    }
    println!("all tasks ended; the timer took the processor away: {}", if ticks > 0 { "yes" } else { "no" });
}
