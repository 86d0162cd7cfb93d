//! Patched system-call sites: a `syscall` that trapped becomes a jump into the kernel.
//!
//! What to write is the `rewriter`'s decision; the memory for trampolines, the protection of pages, the other
//! threads and the books are kept here.
//!
//! ```text
//! code        what happens on a trap; where an instruction pointer really is
//! code/table  the patches of one address space
//! code/area   memory for trampolines
//! code/image  plans that other mappings of the same file can use; bounds of functions
//! code/stats  what --stats tells
//! ```
//!
//! Only private, executable mappings that the program may not write at the moment are patched. Programs that read
//! their own code find the jumps; programs that make it writable find the original bytes again.

mod area;
mod image;
mod stats;
mod table;

pub use stats::write_stats;
pub(super) use table::Patches;

use super::space::{AddressSpace, Inner};
use super::vma::{VmFlags, page_down, page_up};
use crate::task::Current;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use host::code::CodeWrite;
use image::Image;
use linux_raw_sys::general as g;
use rewriter::{Code, Hints, Patch, Refusal, State, Store, Write};
use stats::Left;
use table::Known;

/// Whether any plan was made in this instance.
static PLANNED: AtomicBool = AtomicBool::new(false);

/// Bytes on each side of a site that the rewriter sees.
const VIEW: usize = 4096;
/// How much of a function it sees at most when that was not enough.
const WIDE_VIEW: usize = 64 << 10;
/// So many traps of a site before it is worth planning a patch; a plan costs as much as some tens of traps.
const TRAPS_BEFORE_PLAN: u32 = 4;
/// So many before a plan that is there is carried out, which costs as much as some traps: most programs start, do little
/// and end.
const TRAPS_BEFORE_CARRYING_OUT: u32 = 3;
/// So many before the first plan of an instance: the tables that the decoder makes then cost as much as some hundred
/// traps, which a program that does little never makes.
const TRAPS_BEFORE_FIRST_PLAN: u32 = 16;
/// Patches other than the one at hand must lie so near to compete for the same bytes.
const NEIGHBOURHOOD: usize = 1024;

/// A system call came by SIGSYS: patch the site (`rip - 2`) if that can be done, and set `rip` to where the
/// program goes on.
#[cold]
pub fn on_trap(cur: &mut Current<'_>) {
    let regs = cur.user.regs();
    let (rip, rax) = (regs.rip, regs.rax);
    let alone = is_alone(cur);
    let mut inner = cur.mm.inner.lock();
    if inner.on_trap(rip.wrapping_sub(2), rax as u64, alone) {
        let rip = inner.patches.current_ip(rip);
        drop(inner);
        cur.user.regs_mut().rip = rip;
    }
}

/// Whether nobody else can be in the middle of the program's code: a child of vfork(2) shares the address space.
fn is_alone(cur: &Current<'_>) -> bool {
    let threads = cur.process().tasks.lock().len();
    threads == 1 && Arc::strong_count(cur.mm) <= 2
}

/// The process is about to be copied (fork(2)): patches the sites where earlier copies have trapped. Each of them may call
/// there only once, and would never find the patch worth while.
pub fn before_fork(cur: &mut Current<'_>) {
    let alone = is_alone(cur);
    let mut inner = cur.mm.inner.lock();
    let wanted = inner.patches.wanted_by_children(TRAPS_BEFORE_PLAN);
    if wanted.is_empty() {
        return;
    }
    for (site, traps, rax) in wanted {
        if inner.patches.at_site(site).is_none() && inner.patchable(site).is_some() {
            match inner.patch(site, rax, alone, traps.max(TRAPS_BEFORE_FIRST_PLAN)) {
                Ok(_) | Err(Left::Threads) => {}
                Err(why) => inner.patches.refuse(site, why),
            }
        }
    }
    let rip = inner.patches.current_ip(cur.user.regs().rip);
    drop(inner);
    cur.user.regs_mut().rip = rip;
}

/// A breakpoint trap: when it is a guard of a patch that was being made, the thread goes on where the bytes have gone,
/// and the answer is `true`.
pub(super) fn on_breakpoint(cur: &mut Current<'_>) -> bool {
    let at = cur.user.regs().rip.wrapping_sub(1);
    // Whoever was making the patch holds the lock until it is whole.
    let moved = cur.mm.inner.lock().patches.moved_to(at);
    if let Some(to) = moved {
        cur.user.regs_mut().rip = to;
    }
    moved.is_some()
}

impl AddressSpace {
    /// The address in the program's own code that `rip` stands for: what signal frames and reports show.
    pub fn original_ip(&self, rip: usize) -> usize {
        self.inner.lock().patches.original_ip(rip)
    }

    /// Where a thread that was stopped at `rip` goes on: somewhere else, when the code there has moved since.
    pub fn current_ip(&self, rip: usize) -> usize {
        self.inner.lock().patches.current_ip(rip)
    }
}

impl Inner {
    /// Handles a trap at `site`; whether anything was patched.
    fn on_trap(&mut self, site: usize, rax: u64, alone: bool) -> bool {
        if let Some(patch) = self.patches.at_site(site) {
            if read_around(&patch).is_some_and(|view| patch.state(&view.code()) == State::Patched) {
                // The program has jumped to the `syscall` itself, around the jump.
                stats::left(self, site, Left::Bypassed);
                return false;
            }
            // Somebody has written there: it is other code now.
            self.patches.forget_site(site);
        }
        let known = self.patches.count_trap(site);
        self.patches.tell_parent(site, rax, TRAPS_BEFORE_PLAN);
        let verdict = match known {
            Known::Refused(why) => Err(why),
            Known::Traps(_) if self.patchable(site).is_none() => Err(Left::Mapping),
            Known::Traps(traps) => self.patch(site, rax, alone, traps),
        };
        match verdict {
            Ok(patched) => patched,
            Err(why) => {
                // What only needs to be alone may go better later.
                if why != Left::Threads {
                    self.patches.refuse(site, why);
                }
                stats::left(self, site, why);
                if crate::boot::config().is_some_and(|config| config.strict) {
                    host::boot::die(format_args!(
                        "the system call at {site:#x} cannot be patched ({why}), and --strict was asked for"
                    ));
                }
                false
            }
        }
    }

    /// Start, end and protection of the mapping around `site`, if code there may be patched.
    fn patchable(&self, site: usize) -> Option<(usize, usize, u32)> {
        let vma = self.tree.find(site)?;
        let never = VmFlags::WRITE | VmFlags::SHARED | VmFlags::MAYSHARE | VmFlags::HOST | VmFlags::KERNEL;
        let fine = vma.flags.contains(VmFlags::EXEC | VmFlags::MAYWRITE) && !vma.flags.intersects(never);
        (fine && site + 2 <= vma.end).then(|| (vma.start, vma.end, vma.flags.prot()))
    }

    /// Patches `site`; `Ok(false)`: not yet.
    fn patch(&mut self, site: usize, rax: u64, alone: bool, traps: u32) -> Result<bool, Left> {
        let image = image::of(self, site);
        if let Some(image) = &image
            && let Some(patch) = image.planned(site)
            && (alone || !patch.quiesce)
        {
            if traps < TRAPS_BEFORE_CARRYING_OUT {
                return Ok(false);
            }
            if self.carry_out(patch, alone, Some(image)).is_ok() {
                return Ok(true);
            }
        }
        let enough = if PLANNED.load(Relaxed) { TRAPS_BEFORE_PLAN } else { TRAPS_BEFORE_FIRST_PLAN };
        if traps < enough {
            return Ok(false);
        }
        PLANNED.store(true, Relaxed);
        let (at, image) = match image.map(|image| (image.room(self), image)) {
            Some((Some(at), image)) => (at, Some(image)),
            _ => (self.room_near(site).ok_or(Left::Refused(Refusal::OutOfReach))?, None),
        };
        let made = self.plan(site, rax, at, image.as_ref()).map_err(Left::Refused).and_then(|patch| {
            if patch.quiesce && !alone {
                return Err(Left::Threads);
            }
            self.carry_out(patch.clone(), alone, image.as_ref()).map(|()| patch)
        });
        match (&image, &made) {
            (Some(image), Ok(patch)) => image.remember(patch),
            (Some(image), Err(_)) => image.give_back(at, 0),
            (None, Ok(patch)) => self.use_room(at, patch.trampoline.len()),
            (None, Err(_)) => {}
        }
        made.map(|_| true)
    }

    /// Asks the rewriter, with little first, with the whole function when that is not enough.
    fn plan(
        &self,
        site: usize,
        rax: u64,
        trampoline_at: usize,
        image: Option<&Image>,
    ) -> Result<Patch, Refusal> {
        let (start, end, _) = self.patchable(site).ok_or(Refusal::NotSyscall)?;
        let near = site.saturating_sub(NEIGHBOURHOOD)..site.saturating_add(NEIGHBOURHOOD);
        let mut fixed = self.patches.fixed_in(&near);
        // Plans of a file must not contradict each other, made here or not.
        let planned = image.map(|image| image.planned_in(near)).unwrap_or_default();
        fixed.extend(planned.iter().flat_map(|patch| patch.fixed.iter().copied()));
        let entry = host::user::jump_entry() as u64;
        let ask = |low: usize, high: usize, function: Option<(u64, u64)>| {
            let view = View::read(low.max(start), high.min(end)).ok_or(Refusal::Cut)?;
            let hints = Hints { function, rax, fixed: &fixed };
            rewriter::plan(&view.code(), site as u64, &hints, trampoline_at as u64, entry)
        };
        let (low, high) = (site.saturating_sub(VIEW), site + VIEW);
        match ask(low, high, None) {
            Err(why @ (Refusal::NotSyscall | Refusal::Fixed | Refusal::OutOfReach)) => Err(why),
            Err(why) => {
                let Some((from, to)) = image::function_around(self, site) else { return Err(why) };
                if to - from > WIDE_VIEW as u64 {
                    return Err(why);
                }
                ask(low.min(from as usize), high.max(to as usize), Some((from, to)))
            }
            done => done,
        }
    }

    /// Makes a patch, and with it all others that are planned for its pages: what they cost is making pages
    /// writable, and a copy of each.
    fn carry_out(&mut self, patch: Patch, alone: bool, image: Option<&Image>) -> Result<(), Left> {
        let (start, end, prot) = self.patchable(patch.site as usize).ok_or(Left::Mapping)?;
        self.may_carry_out(&patch, alone, (start, end))?;
        let mut patches = alloc::vec![patch];
        if let Some(image) = image {
            image.ensure_area(self).ok_or(Left::Refused(Refusal::OutOfReach))?;
            let pages = pages_of(&patches[0]);
            for other in image.planned_in(pages.clone()) {
                let (low, high) = (pages.start as u64, pages.end as u64);
                let here = other.fixed.iter().all(|&(from, to)| low <= from && to <= high);
                let free = patches.iter().all(|patch| !overlap(&patch.fixed, &other.fixed));
                let wanted = here && free && (alone || !other.quiesce);
                if wanted && self.may_carry_out(&other, alone, (start, end)).is_ok() {
                    patches.push(other);
                }
            }
        }
        let trampoline = |patch| {
            let Patch { trampoline_at, trampoline, .. }: &Patch = patch;
            CodeWrite { addr: *trampoline_at as usize, bytes: trampoline, whole_word: false }
        };
        let trampolines: Vec<_> = patches.iter().map(trampoline).collect();
        host::code::write(g::PROT_READ | g::PROT_EXEC, &trampolines, false).map_err(|_| Left::Host)?;
        let writes: Vec<_> = patches.iter().flat_map(|patch| &patch.writes).map(code_write).collect();
        host::code::write(prot, &writes, !alone).map_err(|_| Left::Host)?;
        for patch in patches {
            stats::patched(patch.route);
            self.patches.insert(patch);
        }
        Ok(())
    }

    /// Whether a planned patch fits what is in memory now, in the mapping `start..end`.
    fn may_carry_out(&self, patch: &Patch, alone: bool, (start, end): (usize, usize)) -> Result<(), Left> {
        let view = read_around(patch).ok_or(Left::Mapping)?;
        let inside = view.base >= start && view.base + view.bytes.len() <= end;
        if !inside || patch.state(&view.code()) != State::Original {
            return Err(Left::Mapping);
        }
        let site = patch.site as usize;
        let near = site.saturating_sub(NEIGHBOURHOOD)..site.saturating_add(NEIGHBOURHOOD);
        let at = patch.trampoline_at as usize;
        if overlap(&self.patches.fixed_in(&near), &patch.fixed)
            || self.patches.is_trampoline(at, at + patch.trampoline.len())
        {
            return Err(Left::Refused(Refusal::Fixed));
        }
        if !alone && patch.writes.len() > 1 && !host::code::can_synchronize() {
            return Err(Left::Threads);
        }
        Ok(())
    }

    /// `start..end` is about to be unmapped: patches in it are gone, those at its borders are undone.
    pub(super) fn forget_code(&mut self, start: usize, end: usize) {
        if self.patches.none_near(start, end) {
            return;
        }
        for patch in self.patches.meeting(start, end) {
            if !lies_in(&patch, start, end) {
                self.undo(&patch);
            }
            self.patches.forget_site(patch.site as usize);
        }
    }

    /// `start..end` is about to be replaced: patches in it are gone, and those whose trampolines lie there are
    /// undone. A thread that is to go on in such a trampoline is sent back to the original code.
    pub(super) fn evict_code(&mut self, start: usize, end: usize) {
        self.forget_code(start, end);
        for area in self.patches.areas_meeting(start, end) {
            for patch in self.patches.with_trampoline_in(area, area + area::AREA_LEN) {
                self.undo(&patch);
                self.patches.haunt(patch);
            }
            self.patches.drop_area(area);
            // What the newcomer does not cover goes too.
            if host::memory::unmap(area, area::AREA_LEN).is_ok() {
                self.tree.remove(area, area + area::AREA_LEN);
            }
        }
    }

    /// `start..end` is about to be written or moved by the program: its bytes become the original ones.
    pub(super) fn restore_code(&mut self, start: usize, end: usize) {
        self.restore_if(start, end, |_| true);
    }

    /// `start..end` is about to get another protection: patches lie on one side of a border only, so that what holds
    /// for one of their bytes holds for all.
    pub(super) fn settle_code(&mut self, start: usize, end: usize) {
        self.restore_if(start, end, |patch| !lies_in(patch, start, end));
    }

    /// Takes those patches in and at `start..end` back that `chosen` names.
    fn restore_if(&mut self, start: usize, end: usize, chosen: impl Fn(&Patch) -> bool) {
        if self.patches.none_near(start, end) {
            return;
        }
        for patch in self.patches.meeting(start, end).into_iter().filter(|patch| chosen(patch)) {
            self.undo(&patch);
            self.patches.forget_site(patch.site as usize);
        }
    }

    /// Takes the stores of a patch back, unless the program has overwritten them.
    fn undo(&self, patch: &Patch) {
        let Some(view) = read_around(patch) else { return };
        if patch.state(&view.code()) != State::Patched {
            return;
        }
        let Some(vma) = self.tree.find(patch.site as usize) else { return };
        if let Err(errno) = store(vma.flags.prot(), &patch.undo()) {
            host::log!(Error, "cannot take the patch at {:#x} back: {errno}", patch.site);
        }
    }
}

/// Whether no byte that `patch` relies on is outside `start..end`.
fn lies_in(patch: &Patch, start: usize, end: usize) -> bool {
    patch.fixed.iter().all(|&(from, to)| start as u64 <= from && to <= end as u64)
}

/// Whether any two of the ranges meet.
fn overlap(some: &[(u64, u64)], others: &[(u64, u64)]) -> bool {
    some.iter().any(|&(from, to)| others.iter().any(|&(a, b)| a < to && from < b))
}

/// A store of the rewriter as one for the host.
fn code_write(write: &Write) -> CodeWrite<'_> {
    CodeWrite { addr: write.addr as usize, bytes: &write.bytes, whole_word: write.store == Store::Word }
}

/// A copy of some code.
struct View {
    base: usize,
    bytes: Vec<u8>,
}

impl View {
    fn read(start: usize, end: usize) -> Option<View> {
        let mut bytes = alloc::vec![0; end.checked_sub(start)?];
        (usercopy::copy_from_user(&mut bytes, start) == 0).then_some(View { base: start, bytes })
    }

    fn code(&self) -> Code<'_> {
        Code { base: self.base as u64, bytes: &self.bytes }
    }
}

/// All bytes that a patch writes.
fn read_around(patch: &Patch) -> Option<View> {
    let start = patch.writes.iter().map(|write| write.addr).min()?;
    let end = patch.writes.iter().map(|write| write.addr + write.bytes.len() as u64).max()?;
    View::read(start as usize, end as usize)
}

/// Makes the stores of one patch, in pages that have the protection `prot`.
fn store(prot: u32, writes: &[Write]) -> crate::Result<()> {
    let writes: Vec<_> = writes.iter().map(code_write).collect();
    host::code::write(prot, &writes, true)
}

/// The pages that a patch writes.
fn pages_of(patch: &Patch) -> Range<usize> {
    let start = patch.writes.iter().map(|write| write.addr as usize).min().unwrap_or(0);
    let end = patch.writes.iter().map(|write| write.addr as usize + write.bytes.len()).max().unwrap_or(0);
    page_down(start)..page_up(end)
}
