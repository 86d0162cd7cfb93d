//! The anchor: one block per host thread, found through `gs`. It holds what the entry code needs when every
//! register still belongs to the user. Also here: the thread's `fs` base and the kick flag. Written by `run`,
//! by the entry assembly and by the signal handler of the same thread, never by another thread.

use core::arch::asm;
use core::mem::offset_of;
use core::ptr::null_mut;
use core::sync::atomic::{
    AtomicPtr, AtomicU8, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
    compiler_fence,
};

use super::context::Context;
use super::hosted::HostedBlock;
use super::{cpu, linux};

/// What `gs` points to on a thread that enters user programs.
///
/// It must not move and must live as long as the thread. All fields but the kernel's own word are private.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Anchor {
    /// The anchor's own address, so that `mov reg, gs:[0]` finds it.
    pub(crate) this: AtomicPtr<Anchor>,
    /// The kernel's stack pointer while the user runs; there lie rbx, rbp and the address to go back to.
    pub(crate) kernel_rsp: AtomicUsize,
    /// The context that is entered now, or was last.
    pub(crate) current: AtomicPtr<Context>,
    /// The only context that `run_bare` may enter without a look at the rest of this block; null after a kick.
    pub(crate) fast_bare: AtomicPtr<Context>,
    /// The same for `run`. At most one of the two is not null.
    pub(crate) fast_hosted: AtomicPtr<Context>,
    /// The user's rip, for the last jump in and the first pop out.
    pub(crate) rip: AtomicUsize,
    /// The user's r11 on its way to the context.
    pub(crate) scratch: AtomicUsize,
    /// What runs on the thread: [`IN_KERNEL`], [`IN_USER`] or [`SWITCHING`].
    pub(crate) mode: AtomicU8,
    /// Whether a kick came while the kernel ran.
    pub(crate) kicked: AtomicU8,
    /// Whether the kernel has `fs` for itself while it runs: 1 after a `run`, 0 after a `run_bare`.
    pub(crate) hosted: AtomicU8,
    /// The vector registers a hosted run switches: 0 xmm, 1 ymm, 2 zmm and k.
    pub(crate) vectors: AtomicU8,
    /// 1 where `fs` is switched by host calls.
    pub(crate) no_fsgsbase: AtomicU8,
    /// The kernel's `fs` base, of a hosted run.
    pub(crate) kernel_fsbase: AtomicUsize,
    /// The context whose extended state is in the processor, or null.
    pub(crate) live: AtomicPtr<Context>,
    /// Where `syscall_fn_entry` goes on: the bare or the hosted call entry.
    pub(crate) call_entry: AtomicUsize,
    /// The kernel's own word, see [`set_anchor_data`].
    pub(crate) user_data: AtomicUsize,
    /// What hosted runs on this thread need besides, or null.
    pub(crate) block: AtomicPtr<HostedBlock>,
    /// The thread's signal stack, where no run may begin: the next signal would overwrite it.
    pub(crate) signal_stack: AtomicUsize,
    /// Its length in bytes.
    pub(crate) signal_stack_len: AtomicUsize,
    /// What `iretq` pops: rip, cs, rflags, rsp, ss.
    pub(crate) iret: [AtomicUsize; 5],
}

const _: () = assert!(offset_of!(Anchor, this) == 0);

/// `Anchor::mode`: code of the kernel.
pub(crate) const IN_KERNEL: u8 = 0;
/// `Anchor::mode`: code of the user.
pub(crate) const IN_USER: u8 = 1;
/// `Anchor::mode`: neither may run here now, a context or the anchor is half written.
pub(crate) const SWITCHING: u8 = 2;

/// While it lives, every run on the thread is refused.
pub(crate) struct Switching<'a> {
    anchor: &'a Anchor,
    before: u8,
}

impl<'a> Switching<'a> {
    pub(crate) fn on(anchor: &'a Anchor) -> Self {
        let before = anchor.mode.load(Relaxed);
        anchor.mode.store(SWITCHING, Relaxed);
        compiler_fence(SeqCst); // a handler on this thread sees it before anything is touched
        Switching { anchor, before }
    }
}

impl Drop for Switching<'_> {
    fn drop(&mut self) {
        compiler_fence(SeqCst);
        self.anchor.mode.store(self.before, Relaxed);
    }
}

impl Anchor {
    /// An anchor that no thread uses yet.
    pub const fn new() -> Self {
        Anchor {
            this: AtomicPtr::new(null_mut()),
            kernel_rsp: AtomicUsize::new(0),
            current: AtomicPtr::new(null_mut()),
            fast_bare: AtomicPtr::new(null_mut()),
            fast_hosted: AtomicPtr::new(null_mut()),
            rip: AtomicUsize::new(0),
            scratch: AtomicUsize::new(0),
            mode: AtomicU8::new(IN_KERNEL),
            kicked: AtomicU8::new(0),
            hosted: AtomicU8::new(0),
            vectors: AtomicU8::new(0),
            no_fsgsbase: AtomicU8::new(0),
            kernel_fsbase: AtomicUsize::new(0),
            live: AtomicPtr::new(null_mut()),
            call_entry: AtomicUsize::new(0),
            user_data: AtomicUsize::new(0),
            block: AtomicPtr::new(null_mut()),
            signal_stack: AtomicUsize::new(0),
            signal_stack_len: AtomicUsize::new(0),
            iret: [const { AtomicUsize::new(0) }; 5],
        }
    }

    /// Whether the thread of this anchor is in user mode, or was when the host ended it.
    pub fn is_in_user(&self) -> bool {
        self.mode.load(Relaxed) == IN_USER
    }

    /// Forgets that `context` is in the processor.
    pub(crate) fn forget(&self, context: *const Context) {
        if core::ptr::eq(self.live.load(Relaxed), context) {
            self.live.store(null_mut(), Relaxed);
            self.refuse_fast();
        }
    }

    /// Whether no run may begin now: one is under way, or this is a signal handler on the signal stack.
    #[inline(always)]
    pub(crate) fn is_busy(&self) -> bool {
        let above = cpu::rsp().wrapping_sub(self.signal_stack.load(Relaxed));
        self.mode.load(Relaxed) != IN_KERNEL || above < self.signal_stack_len.load(Relaxed)
    }

    /// Makes the next run look at the anchor.
    pub(crate) fn refuse_fast(&self) {
        self.fast_bare.store(null_mut(), Relaxed);
        self.fast_hosted.store(null_mut(), Relaxed);
    }
}

/// Name, offset and length in bytes of the fields that one round trip uses. For pictures and debuggers; no contract.
#[doc(hidden)]
pub const ANCHOR_FIELDS: [(&str, usize, usize); 12] = [
    ("this", offset_of!(Anchor, this), 8),
    ("current", offset_of!(Anchor, current), 8),
    ("fast_hosted", offset_of!(Anchor, fast_hosted), 8),
    ("kernel_rsp", offset_of!(Anchor, kernel_rsp), 8),
    ("kernel_fsbase", offset_of!(Anchor, kernel_fsbase), 8),
    ("call_entry", offset_of!(Anchor, call_entry), 8),
    ("rip", offset_of!(Anchor, rip), 8),
    ("scratch", offset_of!(Anchor, scratch), 8),
    ("mode", offset_of!(Anchor, mode), 1),
    ("hosted", offset_of!(Anchor, hosted), 1),
    ("vectors", offset_of!(Anchor, vectors), 1),
    ("no_fsgsbase", offset_of!(Anchor, no_fsgsbase), 1),
];

impl Default for Anchor {
    fn default() -> Self {
        Self::new()
    }
}

/// 0 not asked yet, 1 the host allows `wrfsbase` and friends, 2 it does not.
static FSGSBASE: AtomicU8 = AtomicU8::new(0);

/// Whether `rdgsbase` and friends work here. One host call the first time.
#[inline(always)]
pub(crate) fn has_fsgsbase() -> bool {
    match FSGSBASE.load(Relaxed) {
        0 => ask_fsgsbase(),
        answer => answer == 1,
    }
}

#[cold]
fn ask_fsgsbase() -> bool {
    let yes = linux::fsgsbase_in_auxv();
    FSGSBASE.store(if yes { 1 } else { 2 }, Relaxed);
    yes
}

/// From now on this process does as if the host did not allow `wrfsbase` and friends. For tests.
#[doc(hidden)]
pub fn without_fsgsbase() {
    FSGSBASE.store(2, Relaxed);
}

#[inline(always)]
pub(crate) fn gsbase() -> usize {
    if has_fsgsbase() {
        // SAFETY: the host allows it.
        return unsafe { cpu::rdgsbase() };
    }
    let mut base = 0usize;
    // SAFETY: the call writes one word to `base`.
    unsafe { linux::arch_prctl(linux::ARCH_GET_GS, &raw mut base as usize) };
    base
}

/// The calling thread's anchor, or `None` where no anchor was installed. Works on any thread, at any time.
#[inline]
pub fn current_anchor() -> Option<&'static Anchor> {
    let base = gsbase() as *const Anchor;
    // SAFETY: a gs base that is not null was set by `install_thread`, whose caller promised that the anchor
    // lives as long as the thread.
    unsafe { base.as_ref() }
}

/// The calling thread's anchor, quicker than [`current_anchor`].
///
/// # Safety
/// An anchor is installed on this thread.
#[inline(always)]
pub(crate) unsafe fn this_anchor() -> &'static Anchor {
    let anchor: *const Anchor;
    // SAFETY: gs points to an anchor, whose first word is its own address.
    unsafe {
        asm!("mov {}, gs:[0]", out(reg) anchor, options(nostack, preserves_flags, pure, readonly));
        &*anchor
    }
}

/// Makes `anchor` the calling thread's anchor (`gs` base) and `alt_stack` its signal stack, so that it can
/// [`Context::run_bare`]. Replaces an earlier anchor of the thread.
///
/// `alt_len` is in bytes; a handler needs the host's `AT_MINSIGSTKSZ` and 4 KiB more. Pass a null `alt_stack` to
/// leave the thread's signal stack as it is. `Err` holds the host's error number.
///
/// # Safety
/// `anchor` and `alt_stack` must be valid and stay where they are until the thread ends or installs others, and
/// nobody else on the thread may use `gs`. No context may be live on the earlier anchor (see
/// [`Context::detach`]).
pub unsafe fn install_thread(anchor: *mut Anchor, alt_stack: *mut u8, alt_len: usize) -> Result<(), i32> {
    let (stack, len) = if alt_stack.is_null() {
        linux::current_sigaltstack()
    } else {
        // SAFETY: the caller gives the stack for good.
        let ret = unsafe { linux::sigaltstack(alt_stack, alt_len) };
        if ret < 0 {
            return Err(-ret as i32);
        }
        (alt_stack as usize, alt_len)
    };
    // SAFETY: the caller gives a valid anchor that no other thread uses.
    unsafe {
        (*anchor).this.store(anchor, Relaxed);
        (*anchor).signal_stack.store(stack, Relaxed);
        (*anchor).signal_stack_len.store(len, Relaxed);
    }
    if has_fsgsbase() {
        // SAFETY: the host allows it, and gs is ours by the caller's promise.
        unsafe { cpu::wrgsbase(anchor as usize) };
    } else {
        // SAFETY: sets the register only; gs is ours by the caller's promise.
        let ret = unsafe { linux::arch_prctl(linux::ARCH_SET_GS, anchor as usize) };
        if ret < 0 {
            return Err(-ret as i32);
        }
    }
    Ok(())
}

/// The kernel's own word in the calling thread's anchor; one load. 0 until it is set.
///
/// # Safety
/// An anchor is installed on this thread.
#[inline(always)]
pub unsafe fn anchor_data() -> usize {
    let data;
    // SAFETY: gs points to an anchor.
    unsafe {
        asm!("mov {}, gs:[{at}]", out(reg) data, at = const offset_of!(Anchor, user_data),
            options(nostack, preserves_flags, readonly));
    }
    data
}

/// Sets the word that [`anchor_data`] returns, for instance the address of the kernel's current thread.
///
/// # Safety
/// An anchor is installed on this thread.
#[inline(always)]
pub unsafe fn set_anchor_data(data: usize) {
    // SAFETY: passed on.
    unsafe { this_anchor() }.user_data.store(data, Relaxed);
}

/// Whether a kick reached the calling thread while the kernel ran and no run has reported it yet.
pub fn was_kicked() -> bool {
    current_anchor().is_some_and(|anchor| anchor.kicked.load(Relaxed) != 0)
}

/// Takes the kick back, so that the next run does not return at once with [`crate::TRAP_KICK`].
pub fn clear_kick() {
    if let Some(anchor) = current_anchor() {
        anchor.kicked.store(0, Relaxed);
    }
}

/// The calling thread's `fs` base, which is the user's in a freestanding kernel.
pub fn user_fsbase() -> usize {
    if has_fsgsbase() {
        // SAFETY: the host allows it.
        return unsafe { cpu::rdfsbase() };
    }
    let mut base = 0usize;
    // SAFETY: the call writes one word to `base`.
    unsafe { linux::arch_prctl(linux::ARCH_GET_FS, &raw mut base as usize) };
    base
}

/// Where the host's user half ends, with four levels of page tables.
pub(crate) const TASK_SIZE_MAX: usize = (1 << 47) - 4096;

/// Sets the calling thread's `fs` base. `Err` when the address is not in the user half of the address space,
/// where the host's `arch_prctl` says EPERM.
///
/// # Safety
/// The kernel itself must not use `fs`: it is a freestanding one.
#[allow(clippy::result_unit_err)] // there is one way to fail
pub unsafe fn set_user_fsbase(base: usize) -> Result<(), ()> {
    if base >= TASK_SIZE_MAX {
        return Err(());
    }
    // SAFETY: the address is valid, and the kernel does not use fs.
    unsafe { set_fsbase(base) };
    Ok(())
}

/// # Safety
/// `base` is canonical, and whatever runs next expects it.
pub(crate) unsafe fn set_fsbase(base: usize) {
    if has_fsgsbase() {
        // SAFETY: the host allows it; the rest is the caller's promise.
        unsafe { cpu::wrfsbase(base) };
    } else {
        // SAFETY: the caller's promise. It fails for addresses outside the user half only.
        unsafe { linux::arch_prctl(linux::ARCH_SET_FS, base) };
    }
}
