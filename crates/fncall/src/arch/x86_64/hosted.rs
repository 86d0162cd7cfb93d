//! Hosted threads: those of a program with a C library. They get their anchor by themselves, at the first run, from
//! fresh host memory, together with a signal stack and what [`UserContext::run_fncall`] needs. A thread's memory
//! is used again for another thread after it has ended; nothing tells this crate when that is, so the host is asked.

use core::ptr::null_mut;
use core::sync::atomic::{AtomicI32, AtomicPtr, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed};

use super::anchor::{Anchor, current_anchor, install_thread};
use super::context::Context;
use super::linux;
use super::regs::UserContext;

/// Bytes below the initial TLS block's base, for the variables of the program (zero).
pub const INITIAL_TLS_BELOW: usize = 4096;

/// Bytes from the initial TLS block's base on. The first word holds the base itself, as the ABI wants it.
pub const INITIAL_TLS_ABOVE: usize = 4096;

const SIGNAL_STACK_LEN: usize = 64 << 10;

/// The memory of a hosted thread, from the host, zeroed.
#[repr(C, align(4096))]
pub(crate) struct HostedBlock {
    tls: [u8; INITIAL_TLS_BELOW + INITIAL_TLS_ABOVE],
    /// The anchor of a thread that had none.
    anchor: Anchor,
    /// What `run_fncall` runs: the vector registers live here between its runs.
    own: Context,
    /// The block's thread; 0 before its first.
    tid: AtomicI32,
    next: AtomicPtr<HostedBlock>,
    signal_stack: [u8; SIGNAL_STACK_LEN],
}

/// All blocks of this process. Blocks are only added.
static BLOCKS: AtomicPtr<HostedBlock> = AtomicPtr::new(null_mut());

/// The calling thread's anchor. The thread gets one, and a signal stack, if it has none.
#[inline(always)]
pub(crate) fn anchor() -> &'static Anchor {
    match current_anchor() {
        Some(anchor) => anchor,
        None => new_anchor(),
    }
}

/// # Panics
/// When the host has no memory, or refuses the signal stack or `gs`.
#[cold]
#[inline(never)]
fn new_anchor() -> &'static Anchor {
    let block = claim_block();
    // SAFETY: the block belongs to this thread from now on and is never given back to the host.
    unsafe {
        (&raw mut (*block).anchor).write(Anchor::new());
        (*block).anchor.block.store(block, Relaxed);
        let stack = (&raw mut (*block).signal_stack).cast();
        install_thread(&raw mut (*block).anchor, stack, SIGNAL_STACK_LEN)
            .expect("the host refuses a signal stack or a gs base");
        &(*block).anchor
    }
}

/// The block of a thread that has an anchor.
#[inline(always)]
fn block(anchor: &Anchor) -> *mut HostedBlock {
    let block = anchor.block.load(Relaxed);
    if !block.is_null() {
        return block;
    }
    new_block(anchor)
}

#[cold]
#[inline(never)]
fn new_block(anchor: &Anchor) -> *mut HostedBlock {
    let block = claim_block();
    anchor.block.store(block, Relaxed);
    block
}

/// A block for the calling thread: that of a thread that has ended, or a new one.
fn claim_block() -> *mut HostedBlock {
    const ESRCH: isize = -3;
    let me = linux::gettid();
    let mut block = BLOCKS.load(Acquire);
    // SAFETY: blocks on the list are never unmapped.
    while let Some(candidate) = unsafe { block.as_ref() } {
        let owner = candidate.tid.load(Relaxed);
        // A number that is mine now belonged to a thread that has ended.
        let free = owner == me || linux::tgkill(owner, 0) == ESRCH;
        if free && candidate.tid.compare_exchange(owner, me, AcqRel, Relaxed).is_ok() {
            // SAFETY: the exchange made it ours, and its thread has ended.
            unsafe {
                (&raw mut (*block).tls).write_bytes(0, 1);
                (&raw mut (*block).own).write(Context::new());
            }
            return block;
        }
        block = candidate.next.load(Relaxed);
    }
    let block = linux::mmap_anonymous(size_of::<HostedBlock>())
        .expect("no memory for a thread's anchor")
        .cast::<HostedBlock>();
    // SAFETY: fresh memory of this size, aligned to a page.
    unsafe {
        (&raw mut (*block).own).write(Context::new());
        (*block).tid.store(me, Relaxed);
        let mut head = BLOCKS.load(Relaxed);
        loop {
            (*block).next.store(head, Relaxed);
            match BLOCKS.compare_exchange_weak(head, block, AcqRel, Relaxed) {
                Ok(_) => return block,
                Err(now) => head = now,
            }
        }
    }
}

/// The base of the thread's initial TLS block.
pub(crate) fn initial_tls(anchor: &Anchor) -> usize {
    let block = block(anchor);
    // SAFETY: the block is this thread's; the word is inside `tls` and aligned.
    unsafe {
        let base = (&raw mut (*block).tls).cast::<u8>().add(INITIAL_TLS_BELOW).cast::<usize>();
        base.write(base as usize);
        base as usize
    }
}

impl UserContext {
    /// Runs the user program until it calls [`crate::syscall_fn_entry`]; then `trap_num` is 0x100 and `error_code`
    /// is 0. After [`crate::install_handlers`] it also comes back on faults and kicks, as
    /// [`crate::Context::run`] does.
    ///
    /// This is the original contract, kept as a safe function so that programs written for it compile. *Safe is a
    /// promise of the caller's here that the compiler cannot see*: the user program runs in this address space
    /// and may do anything, and a wrong `rip` or `rsp` is executed as it stands. New code should prefer
    /// [`crate::Context::run`], which says so.
    ///
    /// A `UserContext` has no room for vector registers. They are kept in the thread's anchor: what one program
    /// leaves there is what the next `run_fncall` on the thread starts with, whichever context it is given.
    ///
    /// # Panics
    /// When the host refuses memory for the thread's first run.
    #[inline(always)]
    pub fn run_fncall(&mut self) {
        let block = block(anchor());
        // SAFETY: the block is this thread's, and only this function uses `own`, not reentrantly: the thread is
        // in `run` meanwhile. That the program behaves is the promise described above.
        unsafe {
            let own = &mut (*block).own;
            copy_words(self, &mut own.user);
            own.run();
            copy_words(&own.user, self);
        }
    }
}

/// Word by word: a wider load right behind the entry's 8-byte stores would wait until they reach the cache.
#[inline(always)]
fn copy_words(from: &UserContext, to: &mut UserContext) {
    const WORDS: usize = size_of::<UserContext>() / size_of::<usize>();
    let (from, to) = ((&raw const *from).cast::<usize>(), (&raw mut *to).cast::<usize>());
    for n in 0..WORDS {
        // SAFETY: both are `WORDS` words; volatile so that the copies are not merged.
        unsafe { to.add(n).write_volatile(from.add(n).read_volatile()) };
    }
}
