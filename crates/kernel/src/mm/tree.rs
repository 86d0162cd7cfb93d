//! The mappings of an address space, sorted, split and merged as Linux does, and the search for free addresses.
//!
//! Pure bookkeeping: no host call, no lock. Mappings are kept by their *end*, so that the first one that ends
//! behind an address (`find_vma`) is one step, and one that grows or shrinks at its start, as top-down
//! allocation makes them do, keeps its key.

use super::vma::{PAGE_SIZE, VmFlags, Vma, page_up};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Bytes kept free below a mapping that grows downwards (`stack_guard_gap`).
pub const STACK_GUARD_GAP: usize = 256 * PAGE_SIZE;

/// Sizes of all mappings together, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// All.
    pub total: usize,
    /// Private and writable, stacks not counted (`RLIMIT_DATA`).
    pub data: usize,
    /// Executable and not writable.
    pub exec: usize,
    /// Growing downwards.
    pub stack: usize,
    /// Locked (`RLIMIT_MEMLOCK`).
    pub locked: usize,
}

impl Sizes {
    fn of(vma: &Vma) -> Sizes {
        let when = |yes: bool| if yes { vma.len() } else { 0 };
        let flags = vma.flags;
        let counts = vma.is_visible();
        Sizes {
            total: when(counts),
            data: when(counts && flags.is_data()),
            exec: when(counts && flags.contains(VmFlags::EXEC) && !flags.contains(VmFlags::WRITE)),
            stack: when(counts && flags.contains(VmFlags::GROWSDOWN)),
            locked: when(flags.contains(VmFlags::LOCKED)),
        }
    }

    fn add(&mut self, o: Sizes) {
        self.total += o.total;
        self.data += o.data;
        self.exec += o.exec;
        self.stack += o.stack;
        self.locked += o.locked;
    }

    fn sub(&mut self, o: Sizes) {
        self.total -= o.total;
        self.data -= o.data;
        self.exec -= o.exec;
        self.stack -= o.stack;
        self.locked -= o.locked;
    }
}

/// Mappings that were cut out, lowest first. One is the common case, and costs no allocation.
#[derive(Debug, Default)]
pub struct Removed {
    first: Option<Vma>,
    more: Vec<Vma>,
}

impl Removed {
    fn push(&mut self, vma: Vma) {
        if self.first.is_none() {
            self.first = Some(vma);
        } else {
            self.more.push(vma);
        }
    }

    /// Whether nothing was cut out.
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }
}

impl Extend<Vma> for Removed {
    fn extend<T: IntoIterator<Item = Vma>>(&mut self, vmas: T) {
        vmas.into_iter().for_each(|vma| self.push(vma));
    }
}

impl IntoIterator for Removed {
    type Item = Vma;
    type IntoIter = core::iter::Chain<core::option::IntoIter<Vma>, alloc::vec::IntoIter<Vma>>;
    fn into_iter(mut self) -> Self::IntoIter {
        self.first.take().into_iter().chain(core::mem::take(&mut self.more))
    }
}

impl Drop for Removed {
    /// Tells the files of what is dropped, and not put back elsewhere.
    fn drop(&mut self) {
        for vma in self.first.iter().chain(&self.more) {
            vma.tell_unmapped();
        }
    }
}

/// Where the top-down search may begin.
#[derive(Clone, Copy, Debug, Default)]
struct SearchHint {
    /// The window's end it was made for.
    high: usize,
    /// No gap above this address is larger than `skipped`.
    from: usize,
    /// The largest gap passed over, in bytes.
    skipped: usize,
}

/// All mappings of one address space.
#[derive(Clone, Debug, Default)]
pub struct VmaTree {
    by_end: BTreeMap<usize, Vma>,
    sizes: Sizes,
    hint: SearchHint,
}

impl VmaTree {
    /// How many mappings there are.
    #[inline]
    pub fn count(&self) -> usize {
        self.by_end.len()
    }

    /// Their sizes.
    #[inline]
    pub fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// All, lowest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Vma> {
        self.by_end.values()
    }

    /// The first mapping that ends behind `addr` (`find_vma`): the one around it or the next above.
    #[inline]
    pub fn find_next(&self, addr: usize) -> Option<&Vma> {
        self.by_end.range(addr.checked_add(1)?..).next().map(|(_, vma)| vma)
    }

    /// The mapping around `addr`.
    #[inline]
    pub fn find(&self, addr: usize) -> Option<&Vma> {
        self.find_next(addr).filter(|vma| vma.start <= addr)
    }

    /// The last mapping that ends at or below `addr`.
    pub fn find_prev(&self, addr: usize) -> Option<&Vma> {
        self.by_end.range(..=addr).next_back().map(|(_, vma)| vma)
    }

    /// The mappings that meet `start..end`, lowest first, whole.
    pub fn overlapping(&self, start: usize, end: usize) -> impl Iterator<Item = &Vma> {
        let from = start.saturating_add(1);
        self.by_end.range(from..).map(|(_, vma)| vma).take_while(move |vma| vma.start < end)
    }

    /// Whether nothing meets `start..end`.
    pub fn is_free(&self, start: usize, end: usize) -> bool {
        self.find_next(start).is_none_or(|vma| vma.start >= end)
    }

    /// Whether `start..end` lies in one mapping that has none of these flags.
    #[inline]
    pub fn is_inside_one(&self, start: usize, end: usize, without: VmFlags) -> bool {
        self.find(start).is_some_and(|vma| end <= vma.end && !vma.flags.intersects(without))
    }

    /// Whether `start..end` is mapped without a gap.
    pub fn is_covered(&self, start: usize, end: usize) -> bool {
        let mut at = start;
        for vma in self.overlapping(start, end) {
            if vma.start > at {
                return false;
            }
            at = vma.end;
        }
        at >= end
    }

    /// How many mappings more there will be when `start..end` has been cut out.
    pub fn splits_of(&self, start: usize, end: usize) -> usize {
        match self.find(start) {
            Some(vma) if vma.start < start && end < vma.end => 1,
            _ => 0,
        }
    }

    /// Enters a mapping where nothing is, merged with its neighbours where that is possible.
    pub fn insert(&mut self, mut vma: Vma) {
        debug_assert!(vma.start < vma.end && self.is_free(vma.start, vma.end));
        self.sizes.add(Sizes::of(&vma));
        let (start, end) = (vma.start, vma.end);
        let mut near = self.by_end.range_mut(start..);
        let (mut low, mut high) = (None, near.next().map(|(_, vma)| vma));
        if high.as_ref().is_some_and(|first| first.end == start) {
            low = high;
            high = near.next().map(|(_, vma)| vma);
        }
        let low = low.filter(|low| low.merges_with(&vma));
        let merged_low = low.is_some();
        if let Some(low) = low {
            // The lower one's object and offset hold for the whole.
            vma.start = low.start;
            core::mem::swap(&mut vma.backing, &mut low.backing);
        }
        match high.filter(|high| vma.merges_with(high)) {
            Some(high) => {
                high.start = vma.start;
                high.backing = vma.backing;
            }
            None => {
                self.by_end.insert(end, vma);
            }
        }
        if merged_low {
            self.by_end.remove(&start);
        }
    }

    /// Takes `start..end` out, the gap not being one to look for.
    fn cut(&mut self, start: usize, end: usize) -> Removed {
        let mut removed = Removed::default();
        while let Some((_, vma)) = self.by_end.range_mut(start + 1..).next() {
            if vma.start >= end {
                break;
            }
            let key = vma.end;
            let piece = if start <= vma.start && key <= end {
                match self.by_end.remove(&key) {
                    Some(piece) => piece,
                    None => break,
                }
            } else {
                let mut piece = vma.clone();
                if piece.end > end {
                    // The tail keeps its place.
                    piece.end = end;
                    vma.trim_start(end);
                } else {
                    self.by_end.remove(&key);
                }
                if piece.start < start {
                    let body = piece.split_off(start);
                    self.by_end.insert(start, piece);
                    piece = body;
                }
                piece
            };
            self.sizes.sub(Sizes::of(&piece));
            removed.push(piece);
        }
        removed
    }

    /// Cuts out `start..end`; answers the pieces, lowest first, for the caller to drop outside its lock.
    pub fn remove(&mut self, start: usize, end: usize) -> Removed {
        let removed = self.cut(start, end);
        if !removed.is_empty() && end > self.hint.from {
            // The gap that has arisen may reach above `from`: begin the next search at its top.
            let top = self.find_next(end).map_or(self.hint.high, |vma| vma.start);
            self.hint.from = self.hint.from.max(top.min(self.hint.high));
        }
        removed
    }

    /// Applies `change` to everything mapped in `start..end`, splitting before and merging after.
    pub fn update(&mut self, start: usize, end: usize, mut change: impl FnMut(&mut Vma)) {
        for mut piece in self.cut(start, end) {
            let range = (piece.start, piece.end);
            change(&mut piece);
            debug_assert_eq!(range, (piece.start, piece.end));
            self.insert(piece);
        }
    }

    /// Extends the mapping that starts at `old` downwards to `new`: the host has done so on a fault.
    pub fn grow_down(&mut self, old: usize, new: usize) {
        let Some(vma) = self.by_end.range_mut(old + 1..).next().map(|(_, vma)| vma) else { return };
        if vma.start == old && new < old {
            self.sizes.sub(Sizes::of(vma));
            vma.start = new;
            self.sizes.add(Sizes::of(vma));
        }
    }

    /// Where what lies above `vma`'s lower neighbour may begin at most: a gap stays below growing mappings.
    fn start_gap(vma: &Vma) -> usize {
        if vma.flags.contains(VmFlags::GROWSDOWN) {
            vma.start.saturating_sub(STACK_GUARD_GAP)
        } else {
            vma.start
        }
    }

    /// Whether a mapping of `len` bytes fits at `addr`, gaps below growing mappings respected.
    pub fn fits(&self, addr: usize, len: usize) -> bool {
        match addr.checked_add(len) {
            Some(end) => self.find_next(addr).is_none_or(|vma| end <= Self::start_gap(vma)),
            None => false,
        }
    }

    /// The highest address in `low..high` where `len` bytes are free, a multiple of `align` (a power of two).
    pub fn find_top_down(&mut self, low: usize, high: usize, len: usize, align: usize) -> Option<usize> {
        if self.hint.high != high {
            self.hint = SearchHint { high, from: high, skipped: 0 };
        }
        // Only the plain search keeps the hint: an aligned one passes over gaps that are large enough.
        let plain = align <= PAGE_SIZE;
        let mut ceiling = high;
        if len > self.hint.skipped {
            ceiling = self.hint.from;
        } else if plain {
            self.hint = SearchHint { high, from: high, skipped: 0 };
        }
        // A mapping that straddles the ceiling lowers it.
        if let Some(above) = self.find_next(ceiling.saturating_sub(1)) {
            ceiling = ceiling.min(Self::start_gap(above));
        }
        let mut hint = self.hint;
        let mut found = None;
        let mut floors = self.by_end.range(..=ceiling).rev().map(|(_, vma)| vma);
        loop {
            let below = floors.next();
            let floor = below.map_or(low, |vma| vma.end.max(low));
            if let Some(at) = ceiling.checked_sub(len) {
                let at = at & !(align - 1);
                if at >= floor {
                    found = Some(at);
                    hint.from = ceiling;
                    break;
                }
            }
            hint.skipped = hint.skipped.max(ceiling.saturating_sub(floor));
            match below {
                Some(vma) if vma.start > low => ceiling = ceiling.min(Self::start_gap(vma)),
                _ => {
                    hint.from = low;
                    break;
                }
            }
        }
        if plain {
            self.hint = hint;
        }
        found
    }

    /// The lowest address in `low..high` where `len` bytes are free, a multiple of `align` (a power of two).
    pub fn find_bottom_up(&self, low: usize, high: usize, len: usize, align: usize) -> Option<usize> {
        let fit = |from: usize| {
            let at = from.checked_add(align - 1)? & !(align - 1);
            Some((at, at.checked_add(len)?))
        };
        let mut floor = page_up(low);
        let mut above = self.by_end.range(low + 1..).map(|(_, vma)| vma);
        loop {
            let next = above.next();
            let (at, end) = fit(floor)?;
            let ceiling = next.map_or(high, |vma| Self::start_gap(vma).min(high));
            if end <= ceiling {
                return Some(at);
            }
            floor = next?.end;
            if floor >= high {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests;
