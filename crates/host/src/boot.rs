//! From the first instruction of the kernel image to safe Rust: reads what the host left on the stack, maps the
//! arena, moves to a kernel stack.
//!
//! ```text
//! the stack at the first instruction (System V ABI, "Process Initialization"), high addresses on top:
//!     auxv: (key, value) … (0, 0)
//!     environment pointers … 0
//!     argument pointers … 0
//! rsp argc
//! ```

use crate::arena::{self, Heap};
use crate::layout::{KERNEL_END, KERNEL_START};
use crate::thread::STACKS_LEN;
use crate::{check, syscall1, syscall3, syscall4};
use alloc::vec::Vec;
use core::ffi::CStr;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use linux_raw_sys::general as g;

/// Keys of the auxiliary vector below this are kept.
const AUXV_KEYS: usize = 64;

static AUXV: [AtomicUsize; AUXV_KEYS] = [const { AtomicUsize::new(0) }; AUXV_KEYS];
static HAVE: AtomicUsize = AtomicUsize::new(0);
static HOST_STACK: AtomicUsize = AtomicUsize::new(0);
/// The signal stack that belongs to the kernel stack that boot runs on; 0 once it was taken.
static FIRST_SIGNAL_STACK: AtomicUsize = AtomicUsize::new(0);

/// The signal stack of the thread that boots, for whom asks first.
pub(crate) fn take_signal_stack() -> Option<usize> {
    Some(FIRST_SIGNAL_STACK.swap(0, Relaxed)).filter(|&stack| stack != 0)
}

/// Size of a kernel stack in bytes.
pub const KERNEL_STACK_LEN: usize = 256 << 10;

/// What the image was started with.
#[derive(Debug)]
pub struct Boot {
    /// Arguments of the image.
    pub args: Vec<Vec<u8>>,
}

/// A value of the host's auxiliary vector (getauxval(3)).
pub fn host_auxv(key: usize) -> Option<usize> {
    let have = HAVE.load(Relaxed);
    (key < AUXV_KEYS && have & (1 << key) != 0).then(|| AUXV[key].load(Relaxed))
}

/// Where the host's initial stack lies: an address in it. The region around it belongs to the host.
pub fn host_stack() -> usize {
    HOST_STACK.load(Relaxed)
}

/// Called by the image's first instructions, on the host's stack, once: makes the arena and runs `main` on a
/// kernel stack.
///
/// # Safety
/// `sp` is the stack pointer the host started the process with.
pub unsafe fn start(sp: *const usize, heap: &Heap, main: extern "C" fn() -> !) -> ! {
    // SAFETY: the layout is that of the ABI, drawn above.
    unsafe {
        let argc = *sp;
        let mut at = sp.add(1 + argc + 1);
        while *at != 0 {
            at = at.add(1);
        }
        at = at.add(1);
        while *at != 0 {
            let (key, value) = (*at, *at.add(1));
            if key < AUXV_KEYS {
                AUXV[key].store(value, Relaxed);
                HAVE.store(HAVE.load(Relaxed) | 1 << key, Relaxed);
            }
            at = at.add(2);
        }
    }
    HOST_STACK.store(sp as usize, Relaxed);
    usercopy::set_kernel_range(KERNEL_START, KERNEL_END);
    // SAFETY: nothing runs yet but this thread, on the host's stack.
    if let Err(errno) = unsafe { arena::map(heap) } {
        die(format_args!("cannot set up the kernel's memory: {errno}"));
    }
    if let Some(vdso) = host_auxv(linux_raw_sys::auxvec::AT_SYSINFO_EHDR as usize) {
        // SAFETY: the host mapped its vdso there.
        if let Some(function) = unsafe { crate::arch::vdso_symbol(vdso, b"__vdso_clock_gettime") } {
            crate::clock::set_vdso_clock_gettime(function);
        }
    }
    match arena::stack(STACKS_LEN) {
        Ok(stacks) => {
            let top = stacks + KERNEL_STACK_LEN;
            FIRST_SIGNAL_STACK.store(top, Relaxed);
            // SAFETY: a fresh stack of that size; `main` never returns.
            unsafe { crate::arch::call_on_stack(top, main) }
        }
        Err(errno) => die(format_args!("cannot make a kernel stack: {errno}")),
    }
}

/// The arguments the image was started with.
pub fn args() -> Vec<Vec<u8>> {
    let sp = host_stack() as *const usize;
    if sp.is_null() {
        return Vec::new();
    }
    // SAFETY: `start` stored the stack pointer the host gave, whose layout is that of the ABI.
    unsafe {
        let argc = *sp;
        (1..=argc).map(|n| CStr::from_ptr(*sp.add(n) as *const _).to_bytes().to_vec()).collect()
    }
}

/// Whether the image was started in the process that carried it ([`crate::launch`]), of which all but the stack is to
/// be unmapped.
pub fn in_place() -> bool {
    args().get(2).is_some_and(|arg| arg == crate::launch::IN_PLACE.to_bytes())
}

/// Ends the whole host process with this exit code.
pub fn exit(code: i32) -> ! {
    loop {
        // SAFETY: does not return.
        unsafe { syscall1(g::__NR_exit_group, code as usize) };
    }
}

/// Says why and ends with 125, fncall's own failure.
pub fn die(reason: core::fmt::Arguments<'_>) -> ! {
    crate::log::message(reason);
    exit(125)
}

/// Real and effective user and group id of the host process, and its supplementary groups.
pub fn ids() -> ([u32; 4], Vec<u32>) {
    let mut groups = Vec::new();
    // SAFETY: the calls write at most the array given, and read nothing.
    unsafe {
        // Asked for their number first: room for the most there can be is 256 KiB of pages to touch.
        let count = check(syscall3(g::__NR_getgroups, 0, 0, 0)).unwrap_or(0);
        groups.resize(count, 0u32);
        let ids = [
            syscall1(g::__NR_getuid, 0) as u32,
            syscall1(g::__NR_geteuid, 0) as u32,
            syscall1(g::__NR_getgid, 0) as u32,
            syscall1(g::__NR_getegid, 0) as u32,
        ];
        let count =
            check(syscall3(g::__NR_getgroups, groups.len(), groups.as_mut_ptr() as usize, 0)).unwrap_or(0);
        groups.truncate(count);
        groups.shrink_to_fit();
        (ids, groups)
    }
}

/// Soft and hard limit of a resource of the host process.
pub fn host_limit(resource: u32) -> (u64, u64) {
    let mut limit = [0u64; 2];
    // SAFETY: writes one `struct rlimit64`.
    unsafe { syscall4(g::__NR_prlimit64, 0, resource as usize, 0, limit.as_mut_ptr() as usize) };
    (limit[0], limit[1])
}

/// Raises the soft limit on descriptors of the host process to the hard one: they are the kernel's, not the
/// program's, whose own limit is kept apart.
pub fn raise_descriptor_limit() {
    let (_, hard) = host_limit(g::RLIMIT_NOFILE);
    let limit = [hard, hard];
    // SAFETY: reads one `struct rlimit64`. A refusal leaves things as they are.
    unsafe { syscall4(g::__NR_prlimit64, 0, g::RLIMIT_NOFILE as usize, limit.as_ptr() as usize, 0) };
}

/// The host process's umask, which the program inherits; it is 0 on the host from then on, since modes of new
/// files are masked by the kernel.
pub fn host_umask() -> u32 {
    // SAFETY: no memory is involved.
    unsafe { syscall1(g::__NR_umask, 0) as u32 }
}
