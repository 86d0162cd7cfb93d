//! A decided patch: what to store where, in which order, and how to take it back.
//!
//! Who makes it: `choose`. Who carries it out: the caller of the crate.

use alloc::vec;
use alloc::vec::Vec;

use crate::{Code, List, Moved, Route};

/// `int3`, which guards bytes while they change and fills those that nobody reaches.
pub(crate) const INT3: u8 = 0xcc;

/// What is left of cut padding.
pub(crate) const NOP: u8 = 0x90;

/// How a [`Write`] is to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Store {
    /// Nobody executes these bytes at that moment: store them in any way.
    Plain,
    /// Others may be executing these bytes, which lie in one aligned 8-byte word: read the word,
    /// replace these bytes in it, and store the word with one aligned 8-byte store.
    Word,
}

/// One store into the program's code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Address of the first byte.
    pub addr: u64,
    /// What to store.
    pub bytes: Vec<u8>,
    /// What is there before this store, for verifying and taking back.
    pub old: Vec<u8>,
    /// How to store it.
    pub store: Store,
}

/// What the bytes of a patch look like in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// As they were when the patch was planned.
    Original,
    /// As the patch leaves them.
    Patched,
    /// Neither, or not visible: half done, or the program has written there.
    Other,
}

/// How one site becomes a jump.
///
/// # Carrying it out
///
/// 1. Place [`trampoline`](Self::trampoline) at the address given to [`plan`](crate::plan), executable,
///    and remember [`moved`](Self::moved).
/// 2. If [`quiesce`](Self::quiesce) is set and other threads can run this code: see there first.
/// 3. For each of [`writes`](Self::writes), in order: check that memory still holds `old`, store
///    `bytes` as `store` says, then make all other threads' instruction streams see it
///    (`membarrier(PRIVATE_EXPEDITED_SYNC_CORE)`) before the next write. With a single thread, or none
///    that can run this code, any store will do and no barrier is needed.
///
/// A patch whose bytes lie in one aligned word needs one [`Store::Word`]. The others are guarded: `int3`
/// goes over the first byte, then the rest is stored, then the first byte. A thread that meets the guard
/// gets a breakpoint trap with `rip - 1` in `moved`: resume it at the new address.
///
/// # While it is in place
///
/// - A context about to be resumed with `rip` at an old address of `moved` goes on at the new one.
/// - An interrupted context whose `rip` lies in the trampoline is shown to the program (signal frames,
///   fault addresses, unwinding) as [`origin`](Self::origin) says.
/// - `resume - 2` makes the call again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// Which way was found.
    pub route: Route,
    /// Address of the `syscall` instruction.
    pub site: u64,
    /// Address of the trampoline.
    pub trampoline_at: u64,
    /// The trampoline's bytes.
    pub trampoline: Vec<u8>,
    /// The stores, in the order that is safe.
    pub writes: Vec<Write>,
    /// Old and new address of every instruction that has a copy in the trampoline, in order. The site
    /// is among them. Overwritten instructions all are; those that stayed readable may be.
    pub moved: Vec<Moved>,
    /// Where the program goes on after the call: what `rcx` is when the kernel is entered.
    pub resume: u64,
    /// The overwritten bytes contain an instruction boundary besides the first: a thread interrupted
    /// just there would find itself inside the jump. Before the writes, bring every other thread of the
    /// address space to a stop whose `rip` the kernel sees, and send it on through `moved`. Patches
    /// without this mark have no such place.
    pub quiesce: bool,
    /// A jump is seen that leads to between the overwritten bytes and the site: the program may still
    /// come to `syscall` itself. If the site traps again, it may be planned again, with this `fixed`.
    pub bypassed: bool,
    /// What belongs to this patch while it is in place: pass it on as
    /// [`Hints::fixed`](crate::Hints::fixed) for later sites, and for this one if it traps again. The
    /// ranges begin with the one around the jump that the program meets; empty ones are addresses that
    /// the trampoline leads to.
    pub fixed: Vec<(u64, u64)>,
    /// The jump back at the trampoline's end, and where it leads.
    pub(crate) back: Option<Moved>,
}

impl Patch {
    /// The stores that take the patch back, in order, under the same rules as the forward ones.
    ///
    /// A thread may still be in the trampoline, or be going to resume there: keep the trampoline until
    /// none is.
    pub fn undo(&self) -> Vec<Write> {
        let back = |write: &Write| Write {
            addr: write.addr,
            bytes: write.old.clone(),
            old: write.bytes.clone(),
            store: write.store,
        };
        self.writes.iter().rev().map(back).collect()
    }

    /// The same patch for code that lies `delta` bytes (a multiple of 8) further up, wrapping, with the trampoline
    /// and all that the code refers to moved alike: another process's mapping of the same file. The entry stays where
    /// it is. Whether the bytes there are the same, [`state`](Self::state) says.
    pub fn moved_by(&self, delta: u64) -> Patch {
        let add = |addr: u64| addr.wrapping_add(delta);
        let pair = |&(a, b): &(u64, u64)| (add(a), add(b));
        Patch {
            site: add(self.site),
            trampoline_at: add(self.trampoline_at),
            trampoline: self.trampoline.clone(),
            writes: self.writes.iter().map(|w| Write { addr: add(w.addr), ..w.clone() }).collect(),
            moved: self.moved.iter().map(pair).collect(),
            resume: add(self.resume),
            fixed: self.fixed.iter().map(pair).collect(),
            back: self.back.as_ref().map(pair),
            ..*self
        }
    }

    /// Where in the trampoline a context goes on that was to be resumed at `rip`.
    pub fn moved_to(&self, rip: u64) -> Option<u64> {
        self.moved.iter().find(|&&(old, _)| old == rip).map(|&(_, new)| new)
    }

    /// The address in the program's own code that an interrupted `rip` in the trampoline stands for.
    pub fn origin(&self, rip: u64) -> Option<u64> {
        let end = self.trampoline_at + self.trampoline.len() as u64;
        if !(self.trampoline_at..end).contains(&rip) {
            return None;
        }
        if let Some((back, leads_to)) = self.back
            && rip >= back
        {
            return Some(leads_to);
        }
        // The parts of ours (loading `rcx`, the jumps) stand for the instruction they belong to.
        self.moved.iter().rev().find(|&&(_, new)| new <= rip).map(|&(old, _)| old)
    }

    /// What the bytes of this patch look like in `code`.
    pub fn state(&self, code: &Code) -> State {
        let holds = |addr: u64, bytes: &[u8]| code.get(addr, bytes.len()) == Some(bytes);
        let (mut original, mut patched) = (true, true);
        for (addr, old, new) in self.net_changes() {
            original &= holds(addr, &[old]);
            patched &= holds(addr, &[new]);
        }
        match (original, patched) {
            (true, _) => State::Original,
            (_, true) => State::Patched,
            _ => State::Other,
        }
    }

    /// The ranges whose bytes are written, in the order of [`writes`](Self::writes); they may overlap.
    pub fn overwritten(&self) -> impl Iterator<Item = (u64, u64)> {
        self.writes.iter().map(|write| (write.addr, write.addr + write.bytes.len() as u64))
    }

    /// Address, first and last value of each byte written.
    fn net_changes(&self) -> List<(u64, u8, u8)> {
        let mut changes: List<(u64, u8, u8)> = Vec::new();
        for write in &self.writes {
            for (addr, (&old, &new)) in (write.addr..).zip(write.old.iter().zip(&write.bytes)) {
                match changes.iter_mut().find(|change| change.0 == addr) {
                    Some(change) => change.2 = new,
                    None => changes.push((addr, old, new)),
                }
            }
        }
        changes
    }
}

/// Where the jump at `at` leads if it is one of the two forms a patch leaves (`jmp rel32`, or
/// `jmp rel8` to one). A caller knows a patched site by this address being one of its trampolines'.
pub fn jump_target(code: &Code, at: u64) -> Option<u64> {
    let long = |at: u64| match *code.get(at, 5)? {
        [0xe9, a, b, c, d] => {
            Some(at.wrapping_add(5).wrapping_add_signed(i32::from_le_bytes([a, b, c, d]).into()))
        }
        _ => None,
    };
    match *code.get(at, 2)? {
        [0xeb, rel] => long(at.wrapping_add(2).wrapping_add_signed(rel.cast_signed().into())),
        _ => long(at),
    }
}

/// The stores that put `new` over `old` at `addr` while others may execute it from its first byte.
pub(crate) fn guarded(addr: u64, old: &[u8], new: &[u8]) -> List<Write> {
    if in_one_word(addr, new.len()) {
        return vec![Write { addr, bytes: new.into(), old: old.into(), store: Store::Word }];
    }
    let ([old_first, old_rest @ ..], [new_first, new_rest @ ..]) = (old, new) else { return Vec::new() };
    let byte = |old: u8, new: u8| Write { addr, bytes: vec![new], old: vec![old], store: Store::Word };
    vec![
        byte(*old_first, INT3),
        Write { addr: addr + 1, bytes: new_rest.into(), old: old_rest.into(), store: Store::Plain },
        byte(INT3, *new_first),
    ]
}

/// Whether `len` bytes at `addr` lie in one aligned 8-byte word.
pub(crate) fn in_one_word(addr: u64, len: usize) -> bool {
    addr % 8 + len as u64 <= 8
}

/// A store over bytes nobody executes; none if there is nothing to store.
pub(crate) fn plain(addr: u64, old: &[u8], new: &[u8]) -> Option<Write> {
    (!new.is_empty()).then(|| Write { addr, bytes: new.into(), old: old.into(), store: Store::Plain })
}
