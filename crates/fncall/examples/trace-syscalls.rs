//! A tracer in the same process: a function runs as a user program, uses the C library as it likes, and every
//! `syscall` instruction that it meets there is shown and passed on to the host. Nothing is patched: Syscall User
//! Dispatch turns the instruction into SIGSYS, and the crate turns that into a system call like any other.
//!
//! `cargo run -p fncall --example trace-syscalls`

use std::arch::asm;
use std::ffi::CStr;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};

use fncall::{Context, FaultAction, HandlerConfig, TRAP_SYSCALL};

/// The program under observation: ordinary calls of the C library, which itself knows nothing.
extern "sysv64" fn program() -> ! {
    // SAFETY: the paths are C strings, and the buffer is as long as it says.
    unsafe {
        let mut buf = [0u8; 16];
        let fd = libc::open(c"/dev/zero".as_ptr(), libc::O_RDONLY);
        libc::read(fd, buf.as_mut_ptr().cast(), buf.len());
        libc::close(fd);
        libc::open(c"/no/such/file".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        libc::write(1, c"seen from inside\n".as_ptr().cast(), 17);
        libc::_exit(3)
    }
}

/// What the host looks at for every `syscall` outside this executable: 1 is SIGSYS, 0 lets it pass.
static SELECTOR: AtomicU8 = AtomicU8::new(0);

/// A host call; negative results are negated error numbers.
fn host(nr: usize, a: [usize; 6]) -> isize {
    let ret;
    // SAFETY: the program asked for it, and gets what it asked for.
    unsafe {
        asm!("syscall", inlateout("rax") nr => ret, in("rdi") a[0], in("rsi") a[1], in("rdx") a[2],
            in("r10") a[3], in("r8") a[4], in("r9") a[5], lateout("rcx") _, lateout("r11") _);
    }
    ret
}

/// The call as strace would show it.
fn describe(nr: usize, a: [usize; 6]) -> String {
    let fd = |fd: usize| match fd as i32 {
        libc::AT_FDCWD => "AT_FDCWD".into(),
        fd => fd.to_string(),
    };
    match nr as i64 {
        libc::SYS_openat => {
            // SAFETY: the program above gives C strings only; a tracer of strangers would copy with care.
            let path = unsafe { CStr::from_ptr(a[1] as *const _) };
            format!("openat({}, {path:?}, {:#o})", fd(a[0]), a[2])
        }
        libc::SYS_read => format!("read({}, …, {})", fd(a[0]), a[2]),
        libc::SYS_write => format!("write({}, …, {})", fd(a[0]), a[2]),
        libc::SYS_close => format!("close({})", fd(a[0])),
        libc::SYS_exit_group => format!("exit_group({})", a[0]),
        _ => format!("system call {nr}({:#x}, {:#x}, {:#x}, …)", a[0], a[1], a[2]),
    }
}

unsafe extern "C" {
    // From the linker: where this executable's own code begins and ends.
    static __executable_start: u8;
    static etext: u8;
}

fn main() {
    let cfg = HandlerConfig {
        kick_signal: libc::SIGURG,
        kernel_fault: |_| FaultAction::Die,
        kernel_kick: |_, _| (),
    };
    let own = &raw const __executable_start as usize..&raw const etext as usize;
    // SAFETY: nobody else handles these signals. The range holds the crate's code and `host`; the selector is a
    // static. The kernel's other host calls go through the C library while the selector says 0.
    unsafe {
        fncall::install_handlers(&cfg).expect("signal handlers");
        fncall::enable_sud(own.start, own.len(), SELECTOR.as_ptr())
            .expect("Syscall User Dispatch (Linux 5.11)");
    }
    let mut stack = vec![0u128; 4096];
    let mut context = Context::new();
    context.user.set_ip(program as *const () as usize);
    context.user.set_sp(stack.as_mut_ptr_range().end as usize - 8);
    loop {
        SELECTOR.store(1, SeqCst);
        // SAFETY: the program leaves the kernel's memory alone; the context stays where it is.
        unsafe { context.run() };
        SELECTOR.store(0, SeqCst);
        if context.user.trap_num != TRAP_SYSCALL {
            println!("trap {} at {:#x}", context.user.trap_num, context.user.get_ip());
            return;
        }
        let (nr, args) = (context.user.get_syscall_num(), context.user.get_syscall_args());
        if nr as i64 == libc::SYS_exit_group {
            println!("{} = ?", describe(nr, args));
            return;
        }
        let ret = host(nr, args);
        match ret {
            -4095..0 => {
                println!("{} = {}", describe(nr, args), std::io::Error::from_raw_os_error(-ret as i32))
            }
            _ => println!("{} = {ret}", describe(nr, args)),
        }
        context.user.set_syscall_ret(ret as usize);
    }
}
