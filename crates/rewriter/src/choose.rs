//! Chooses between the routes: collects every possible patch, rates them, builds the best.
//!
//! The order of worth: a patch that no interrupted thread can be inside of; then one that no jump is
//! seen to bypass; then one that needs a single store; then the routes in the order of [`Route`]; then the one that moves least.

use alloc::vec;
use alloc::vec::Vec;

use iced_x86::Instruction;

use crate::island;
use crate::patch::{INT3, NOP, Patch, guarded, in_one_word, plain};
use crate::relocate::displacement;
use crate::stream;
use crate::targets::{self, Targets};
use crate::trampoline::{Contents, build};
use crate::window::{Window, windows};
use crate::{Code, Hints, JUMP_LEN, List, Refusal, Route, SYSCALL_LEN};

/// How far from a site short jumps to its neighbourhood may come from, and islands may lie.
const SHORT_REACH: u64 = 288;

/// How much is searched for jumps on each side of a site whose function is not known.
const UNKNOWN_REACH: u64 = 4096;

/// Programs live far below this address.
const HIGHEST: u64 = 1 << 62;

/// Decides how the `syscall` instruction at `site` becomes a jump to a trampoline at `trampoline_at`
/// that enters the kernel at `entry`.
///
/// `site` is the address of an instruction that was executed (the saved `rip` of the trap minus 2).
/// `trampoline_at` has to be within 2 GiB of it; the trampoline's length is known only afterwards and is
/// at most [`trampoline_max_len`](crate::trampoline_max_len). Nothing is written.
///
/// # Errors
///
/// The site has to stay a trap; it is no use asking again unless `code` or `hints` differ.
pub fn plan(code: &Code, site: u64, hints: &Hints, trampoline_at: u64, entry: u64) -> Result<Patch, Refusal> {
    known(code, site, hints, trampoline_at, entry)?.best(true)
}

/// As [`plan`], but never answers with a patch that has [`Patch::quiesce`] set: for a caller that has
/// other threads running and will not stop them.
///
/// # Errors
///
/// As [`plan`], and [`Refusal::NeedsStop`] if only such a patch was found.
pub fn plan_without_stop(
    code: &Code,
    site: u64,
    hints: &Hints,
    trampoline_at: u64,
    entry: u64,
) -> Result<Patch, Refusal> {
    known(code, site, hints, trampoline_at, entry)?.best(false)
}

/// Gathers what can be known without deciding anything, if there is a site at all.
fn known<'a>(
    code: &'a Code<'a>,
    site: u64,
    hints: &'a Hints<'a>,
    trampoline_at: u64,
    entry: u64,
) -> Result<Site<'a>, Refusal> {
    // No address sum below can overflow then.
    if code.base.max(site).max(trampoline_at) >= HIGHEST || code.bytes.len() as u64 >= HIGHEST {
        return Err(Refusal::OutOfReach);
    }
    if code.get(site, SYSCALL_LEN as usize) != Some(&[0x0f, 0x05]) {
        return Err(Refusal::NotSyscall);
    }
    if hints.is_fixed(site, site + SYSCALL_LEN) {
        return Err(Refusal::Fixed);
    }
    // Leaves room for the trampoline itself and the bytes around the site.
    if trampoline_at.abs_diff(site) > i32::MAX as u64 - 4096 {
        return Err(Refusal::OutOfReach);
    }
    let before = stream::before(code, site, hints.function);
    if before.prefixed {
        return Err(Refusal::NotSyscall);
    }
    Ok(Site::new(code, site, hints, trampoline_at, entry, before))
}

/// What is known around one site.
struct Site<'a> {
    code: &'a Code<'a>,
    site: u64,
    hints: &'a Hints<'a>,
    trampoline_at: u64,
    entry: u64,
    /// The certain instructions from some way before the site to some way behind it.
    insns: List<Instruction>,
    /// Index of the site in `insns`.
    index: usize,
    /// Jumps of `insns`, and long ones from anywhere that is visible.
    near: Targets,
}

/// A possible patch and how it rates: the less, the better.
struct Candidate<'w> {
    rating: (bool, bool, bool, Route, u64),
    place: Place<'w>,
}

enum Place<'w> {
    Island(island::Slot),
    Window(&'w Window<'w>),
}

impl<'a> Site<'a> {
    fn new(
        code: &'a Code,
        site: u64,
        hints: &'a Hints,
        trampoline_at: u64,
        entry: u64,
        before: stream::Before,
    ) -> Self {
        let stream::Before { certain: mut insns, possible, .. } = before;
        let index = insns.len();
        insns.extend(stream::after(code, site, site.saturating_add(SHORT_REACH)));
        let mut near = Targets::new();
        near.add(&possible);
        near.add(&insns);
        near.scan(code, site.saturating_sub(SHORT_REACH), site.saturating_add(SHORT_REACH));
        Site { code, site, hints, trampoline_at, entry, insns, index, near: near.finish() }
    }

    fn best(&self, may_stop: bool) -> Result<Patch, Refusal> {
        let (before, rest) = self.insns.split_at(self.index);
        let behind = rest.get(1..).unwrap_or_default();
        let (windows, mut why) = windows(before, behind, self.site, self.hints);

        let mut candidates: List<Candidate> = Vec::new();
        if let Some(slot) = island::find(&self.insns, self.site, self.hints, &self.near) {
            let word = in_one_word(self.site, SYSCALL_LEN as usize);
            let rating = (false, false, !word, Route::Island, 0);
            candidates.push(Candidate { rating, place: Place::Island(slot) });
        }
        for window in &windows {
            match self.check(window) {
                Ok(()) => candidates.push(self.rate(window)),
                Err(refusal) => why = why.max(refusal),
            }
        }
        candidates.sort_by_key(|candidate| candidate.rating);

        // Found out only if it matters: it takes decoding the whole function.
        let mut function: Option<Result<Targets, Refusal>> = None;
        for candidate in &candidates {
            let built = match &candidate.place {
                Place::Island(slot) => self.build_island(slot),
                Place::Window(window) => {
                    let entered = match window.second {
                        None => Ok(()),
                        Some(_) if !may_stop => Err(Refusal::NeedsStop),
                        Some(second) => {
                            let targets = function.get_or_insert_with(|| self.function_targets());
                            targets.as_ref().map_err(|&refusal| refusal).and_then(|targets| {
                                match targets.any(second, window.end) {
                                    true => Err(Refusal::BranchTarget),
                                    false if targets.indirect => Err(Refusal::IndirectBranch),
                                    false => Ok(()),
                                }
                            })
                        }
                    };
                    entered.and_then(|()| self.build_window(window))
                }
            };
            match built {
                Ok(patch) => return Ok(patch),
                Err(refusal) => why = why.max(refusal),
            }
        }
        Err(why)
    }

    /// The tests of a window that need no knowledge of the whole function.
    fn check(&self, window: &Window) -> Result<(), Refusal> {
        if self.hints.is_fixed(window.start, window.end.max(self.site)) {
            return Err(Refusal::Fixed);
        }
        if window.contradicts(self.hints) {
            return Err(Refusal::OtherPath);
        }
        // With a single instruction overwritten this is a jump into the middle of it: the decoding
        // must be wrong.
        if self.near.any(window.start + 1, window.end) {
            return Err(Refusal::BranchTarget);
        }
        Ok(())
    }

    fn rate<'w>(&self, window: &'w Window<'w>) -> Candidate<'w> {
        let bypassed = self.is_bypassed(window);
        let word = in_one_word(window.start, JUMP_LEN as usize);
        let moved = self.site.saturating_sub(window.start);
        let rating = (window.second.is_some(), bypassed, !word, window.route(self.site), moved);
        Candidate { rating, place: Place::Window(window) }
    }

    /// Whether a jump is seen that leads around the window, between it and the site.
    fn is_bypassed(&self, window: &Window) -> bool {
        window.end <= self.site && self.near.any(window.end, self.site + 1)
    }

    /// Everything the function jumps to.
    fn function_targets(&self) -> Result<Targets, Refusal> {
        let (code, site) = (self.code, self.site);
        let known = self.hints.function.filter(|&(start, end)| (start..end).contains(&site));
        let (from, to) = match known {
            Some((start, end)) if start < code.base || end > code.end() => return Err(Refusal::Cut),
            Some(function) => function,
            None => (
                site.saturating_sub(UNKNOWN_REACH).max(code.base),
                site.saturating_add(UNKNOWN_REACH).min(code.end()),
            ),
        };
        let certain = self.insns.first().map_or(site, Instruction::ip).max(from);
        let mut insns = Vec::new();
        stream::sweep(code, from, certain, |insn| insns.push(insn));
        stream::sweep(code, certain, to, |insn| insns.push(insn));
        let function = match known {
            Some(_) => &insns[..],
            None => targets::function_around(&insns, site),
        };
        let mut targets = Targets::new();
        targets.add(&insns);
        targets.indirect = function.iter().any(targets::is_indirect);
        targets.scan(code, site.saturating_sub(SHORT_REACH), site.saturating_add(SHORT_REACH));
        Ok(targets.finish())
    }

    fn build_island(&self, slot: &island::Slot) -> Result<Patch, Refusal> {
        let contents = Contents { site: self.site, before: &[], behind: None };
        let short = slot.start.wrapping_sub(self.site + SYSCALL_LEN).cast_signed();
        let short = i8::try_from(short).map_err(|_| Refusal::OutOfReach)?;
        let jump = jump(slot.start, self.trampoline_at)?;
        // What the island leaves of the `nop`s it cuts stays padding, for the next site.
        let end = slot.start + JUMP_LEN;
        let (from, to) = slot.cut;
        let mut writes = Vec::new();
        writes.extend(plain(slot.start, self.bytes(slot.start, end)?, &jump));
        for (from, to) in [(from, slot.start), (end, to)] {
            writes.extend(plain(from, self.bytes(from, to)?, &vec![NOP; (to - from) as usize]));
        }
        writes.extend(guarded(self.site, &[0x0f, 0x05], &[0xeb, short.cast_unsigned()]));
        let fixed = vec![(self.site, self.site + SYSCALL_LEN), (slot.start, end)];
        self.patch(Route::Island, &contents, writes, fixed)
    }

    fn build_window(&self, window: &Window) -> Result<Patch, Refusal> {
        let behind = (window.end > self.site).then_some(window.behind);
        let contents = Contents { site: self.site, before: window.before, behind };
        let jump = jump(window.start, self.trampoline_at)?;
        let fill_at = window.start + JUMP_LEN;
        let fill = vec![INT3; (window.end - fill_at) as usize];
        let mut writes = guarded(window.start, self.bytes(window.start, fill_at)?, &jump);
        writes.extend(plain(fill_at, self.bytes(fill_at, window.end)?, &fill));
        // Up to the site, though not all is overwritten: interrupted contexts may stand there.
        let fixed = vec![(window.start, window.end.max(self.site))];
        let patch = self.patch(window.route(self.site), &contents, writes, fixed)?;
        Ok(Patch { quiesce: window.second.is_some(), bypassed: self.is_bypassed(window), ..patch })
    }

    fn patch(
        &self,
        route: Route,
        contents: &Contents,
        writes: List<crate::Write>,
        mut fixed: List<(u64, u64)>,
    ) -> Result<Patch, Refusal> {
        let built = build(self.code, self.trampoline_at, self.entry, contents)?;
        // From now on jumps come out of the trampoline that later plans cannot see.
        let moved = contents.before.iter().chain(contents.behind.unwrap_or_default());
        let leads_to = moved.filter_map(targets::target).chain(built.back.map(|(_, to)| to));
        let resumes = (built.resume == self.site + SYSCALL_LEN).then_some(built.resume);
        fixed.extend(leads_to.chain(resumes).map(|at| (at, at)));
        Ok(Patch {
            route,
            site: self.site,
            trampoline_at: self.trampoline_at,
            trampoline: built.bytes,
            writes,
            moved: built.moved,
            resume: built.resume,
            quiesce: false,
            bypassed: false,
            fixed,
            back: built.back,
        })
    }

    fn bytes(&self, from: u64, to: u64) -> Result<&'a [u8], Refusal> {
        self.code.get(from, (to - from) as usize).ok_or(Refusal::Cut)
    }
}

/// `jmp rel32` at `at` to `target`.
fn jump(at: u64, target: u64) -> Result<[u8; JUMP_LEN as usize], Refusal> {
    let [a, b, c, d] = displacement(target, at.wrapping_add(JUMP_LEN))?.to_le_bytes();
    Ok([0xe9, a, b, c, d])
}
