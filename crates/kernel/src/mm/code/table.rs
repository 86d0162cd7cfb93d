//! The patches of one address space, and what is remembered of sites that have none.

use super::area::Area;
use super::stats::Left;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use hashbrown::HashMap;
use host::mutex::Mutex;
use rewriter::Patch;

/// So many sites without a patch are remembered; past that all are forgotten and looked at anew.
const MAX_KNOWN: usize = 4096;
/// So many patches at most: what runs code it makes itself could have any number of sites.
const MAX_PATCHES: usize = 1 << 16;
/// So many patches are remembered whose trampolines are gone.
const MAX_GHOSTS: usize = 64;
/// A refused site is looked at again when it has trapped so often: the code may be another by then.
const TRAPS_BEFORE_ANOTHER_LOOK: u32 = 1 << 16;

/// What is known of a site without a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It has trapped so often, this time included.
    Traps(u32),
    /// It cannot be patched.
    Refused(Left),
}

/// The patches of one address space.
#[derive(Debug, Default)]
pub struct Patches {
    table: Arc<Table>,
    /// Traps, and why there is no patch.
    known: HashMap<usize, (u32, Option<Left>)>,
    /// Where its children have trapped, once there are some.
    of_children: Option<Arc<Traps>>,
    /// The same of the one it was copied from.
    of_siblings: Option<Arc<Traps>>,
}

/// Where copies of an address space have trapped: in each of them it may be once only, but in every one again, unless
/// the next ones are made with a patch there.
#[derive(Debug, Default)]
pub struct Traps {
    /// Some have become many.
    many: AtomicBool,
    /// By site: how often, and `rax` at the last one. A leaf lock.
    sites: Mutex<HashMap<usize, (u32, u64)>>,
}

/// So many such sites are counted at once.
const MAX_TRAPS: usize = 256;

impl Traps {
    fn count(&self, site: usize, rax: u64, many: u32) {
        let mut sites = self.sites.lock();
        if sites.len() >= MAX_TRAPS && !sites.contains_key(&site) {
            sites.clear();
        }
        let (count, last) = sites.entry(site).or_default();
        *count = count.saturating_add(1);
        *last = rax;
        if *count >= many {
            self.many.store(true, Relaxed);
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Table {
    by_site: BTreeMap<u64, Arc<Patch>>,
    /// Site by start of the trampoline.
    by_trampoline: BTreeMap<u64, u64>,
    areas: Vec<Area>,
    /// All bytes of all patches lie in this range; empty without any.
    span: (u64, u64),
    /// Patches that were undone because something else was mapped over their trampolines.
    ghosts: Vec<Arc<Patch>>,
}

impl Table {
    /// The patch whose trampoline `rip` lies in.
    fn around(&self, rip: u64) -> Option<&Arc<Patch>> {
        let (_, site) = self.by_trampoline.range(..=rip).next_back()?;
        self.by_site.get(site).filter(|patch| rip - patch.trampoline_at < patch.trampoline.len() as u64)
    }
}

impl Patches {
    /// Those of a copy of the address space: fork(2) copies the code, patches and all.
    pub fn of_child(&mut self) -> Patches {
        let of_siblings = Some(self.of_children.get_or_insert_default().clone());
        Patches { table: self.table.clone(), known: HashMap::new(), of_children: None, of_siblings }
    }

    /// Tells the address space that this is a copy of where it has trapped; `many` times make a patch worth while.
    pub fn tell_parent(&self, site: usize, rax: u64, many: u32) {
        if let Some(traps) = &self.of_siblings {
            traps.count(site, rax, many);
        }
    }

    /// Sites, with how often and `rax`, where children have trapped `many` times or more since this was asked last.
    pub fn wanted_by_children(&self, many: u32) -> Vec<(usize, u32, u64)> {
        let Some(traps) = self.of_children.as_ref().filter(|traps| traps.many.swap(false, Relaxed)) else {
            return Vec::new();
        };
        let mut wanted: Vec<_> = traps
            .sites
            .lock()
            .extract_if(|_, (count, _)| *count >= many)
            .map(|(site, (n, rax))| (site, n, rax))
            .collect();
        wanted.retain(|(site, ..)| !matches!(self.known.get(site), Some((_, Some(_)))));
        wanted
    }

    /// Whether `start..end` is surely without patches: told by one look, for programs that map and unmap a lot.
    #[inline]
    pub fn none_near(&self, start: usize, end: usize) -> bool {
        let (low, high) = self.table.span;
        end as u64 <= low || start as u64 >= high
    }

    /// The patch of a site.
    pub fn at_site(&self, site: usize) -> Option<Arc<Patch>> {
        self.table.by_site.get(&(site as u64)).cloned()
    }

    /// Enters a patch that was made.
    pub fn insert(&mut self, patch: Patch) {
        self.known.remove(&(patch.site as usize));
        let table = Arc::make_mut(&mut self.table);
        for &(from, to) in &patch.fixed {
            let (low, high) = table.span;
            table.span = if low == high { (from, to) } else { (low.min(from), high.max(to)) };
        }
        table.by_trampoline.insert(patch.trampoline_at, patch.site);
        table.by_site.insert(patch.site, Arc::new(patch));
    }

    /// Forgets the patch of a site; its trampoline stays, somebody may be in it.
    pub fn forget_site(&mut self, site: usize) {
        let table = Arc::make_mut(&mut self.table);
        if let Some(patch) = table.by_site.remove(&(site as u64)) {
            table.by_trampoline.remove(&patch.trampoline_at);
        }
    }

    /// Forgets a patch that was undone, but not where its trampoline led.
    pub fn haunt(&mut self, patch: Arc<Patch>) {
        self.forget_site(patch.site as usize);
        let ghosts = &mut Arc::make_mut(&mut self.table).ghosts;
        if ghosts.len() == MAX_GHOSTS {
            ghosts.remove(0);
        }
        ghosts.push(patch);
    }

    /// The patches that have bytes in `start..end`.
    pub fn meeting(&self, start: usize, end: usize) -> Vec<Arc<Patch>> {
        let (start, end) = (start as u64, end as u64);
        // No patch reaches further from its site than that.
        let reach = start.saturating_sub(512)..end.saturating_add(512);
        let meets = |patch: &&Arc<Patch>| patch.fixed.iter().any(|&(from, to)| from < end && start < to);
        self.table.by_site.range(reach).map(|(_, patch)| patch).filter(meets).cloned().collect()
    }

    /// The patches whose trampolines begin in `start..end`.
    pub fn with_trampoline_in(&self, start: usize, end: usize) -> Vec<Arc<Patch>> {
        let sites = self.table.by_trampoline.range(start as u64..end as u64).map(|(_, site)| site);
        sites.filter_map(|site| self.table.by_site.get(site).cloned()).collect()
    }

    /// Whether `start..end` holds some of a trampoline that is in use.
    pub fn is_trampoline(&self, start: usize, end: usize) -> bool {
        let before = self.table.by_trampoline.range(..end as u64).next_back();
        let patch = before.and_then(|(_, site)| self.table.by_site.get(site));
        patch.is_some_and(|patch| patch.trampoline_at + patch.trampoline.len() as u64 > start as u64)
    }

    /// The bytes taken by patches whose sites are in `range`.
    pub fn fixed_in(&self, range: &Range<usize>) -> Vec<(u64, u64)> {
        let near = range.start as u64..range.end as u64;
        self.table.by_site.range(near).flat_map(|(_, patch)| patch.fixed.iter().copied()).collect()
    }

    /// Counts a trap of a site without a patch.
    pub fn count_trap(&mut self, site: usize) -> Known {
        if self.known.len() >= MAX_KNOWN && !self.known.contains_key(&site) {
            self.known.clear();
        }
        let full = self.table.by_site.len() >= MAX_PATCHES;
        let (traps, refused) = self.known.entry(site).or_default();
        *traps = traps.saturating_add(1);
        if *traps == TRAPS_BEFORE_ANOTHER_LOOK {
            *refused = None;
        }
        match refused {
            Some(why) => Known::Refused(*why),
            None if full => Known::Refused(Left::Full),
            None => Known::Traps(*traps),
        }
    }

    /// Remembers that a site cannot be patched.
    pub fn refuse(&mut self, site: usize, why: Left) {
        if self.known.len() >= MAX_KNOWN && !self.known.contains_key(&site) {
            self.known.clear();
        }
        self.known.entry(site).or_default().1 = Some(why);
    }

    /// Where code that was at `rip` is now, if it has moved.
    pub fn moved_to(&self, rip: usize) -> Option<usize> {
        let near = (rip as u64).saturating_sub(64)..(rip as u64).saturating_add(64);
        let moved = |(_, patch): (_, &Arc<Patch>)| patch.moved_to(rip as u64);
        self.table.by_site.range(near).find_map(moved).map(|to| to as usize)
    }

    /// Where a thread that was stopped at `rip` goes on.
    pub fn current_ip(&self, rip: usize) -> usize {
        if let Some(ghost) = self.table.ghosts.iter().rev().find_map(|patch| patch.origin(rip as u64))
            && self.table.around(rip as u64).is_none()
        {
            return ghost as usize;
        }
        self.moved_to(rip).unwrap_or(rip)
    }

    /// The address in the program's own code that `rip` stands for.
    pub fn original_ip(&self, rip: usize) -> usize {
        let origin = self.table.around(rip as u64).and_then(|patch| patch.origin(rip as u64));
        origin.map_or(rip, |origin| origin as usize)
    }

    /// The trampoline areas.
    pub fn areas(&self) -> &[Area] {
        &self.table.areas
    }

    /// The trampoline areas, to change.
    pub fn areas_mut(&mut self) -> &mut Vec<Area> {
        &mut Arc::make_mut(&mut self.table).areas
    }

    /// Starts of the areas that meet `start..end`.
    pub fn areas_meeting(&self, start: usize, end: usize) -> Vec<usize> {
        let meets = |area: &&Area| area.start < end && start < area.start + super::area::AREA_LEN;
        self.table.areas.iter().filter(meets).map(|area| area.start).collect()
    }

    /// Forgets an area.
    pub fn drop_area(&mut self, start: usize) {
        self.areas_mut().retain(|area| area.start != start);
    }
}
