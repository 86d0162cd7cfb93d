//! What `fncall run --stats` tells of sites: how many were patched by which route, which were left as traps and why.

use crate::mm::space::Inner;
use crate::mm::vma::Backing;
use crate::stats;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use host::mutex::Mutex;
use rewriter::{Refusal, Route};

/// Why a trap was left a trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Left {
    /// The rewriter has refused.
    Refused(Refusal),
    /// It was patched, and the program jumped to the `syscall` itself.
    Bypassed,
    /// The mapping is shared, writable, or the host's own.
    Mapping,
    /// Other threads were running, and the patch needs them stopped.
    Threads,
    /// The host did not let its code be written.
    Host,
    /// There are too many patches.
    Full,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Left::Refused(refusal) => refusal.fmt(f),
            Left::Bypassed => f.write_str("the program jumps around the patch"),
            Left::Mapping => f.write_str("code that is shared, writable or the host's is not patched"),
            Left::Threads => f.write_str("other threads were running"),
            Left::Host => f.write_str("the host did not let the code be written"),
            Left::Full => f.write_str("too many patches"),
        }
    }
}

const ROUTES: [(Route, &str); 5] = [
    (Route::Island, "unused bytes nearby"),
    (Route::MovBefore, "mov before"),
    (Route::Preceding, "instructions before"),
    (Route::Following, "instructions behind"),
    (Route::Around, "instructions on both sides"),
];

static PATCHED: [AtomicU64; ROUTES.len()] = [const { AtomicU64::new(0) }; ROUTES.len()];

/// So many sites are listed at most.
const MAX_SITES: usize = 1024;
/// So many of them are shown.
const SHOWN: usize = 20;

/// File and offset in it, or nothing and an address; why; how many traps.
type Sites = BTreeMap<(Vec<u8>, usize, Left), u64>;

static LEFT: Mutex<Sites> = Mutex::new(BTreeMap::new());

/// Counts a patch.
pub fn patched(route: Route) {
    if let Some(at) = ROUTES.iter().position(|(each, _)| *each == route) {
        PATCHED[at].fetch_add(1, Relaxed);
    }
}

/// Counts a trap that stays one.
pub fn left(inner: &Inner, site: usize, why: Left) {
    if !stats::enabled() {
        return;
    }
    let (name, at) = match inner.tree.find(site).map(|vma| (vma.start, &vma.backing)) {
        Some((start, Backing::File(file, offset))) => {
            let name = file.dentry.as_ref().map(|dentry| dentry.name()).unwrap_or_default();
            (name, site - start + *offset as usize)
        }
        Some((start, Backing::Special(name))) => (name.as_bytes().to_vec(), site - start),
        _ => (Vec::new(), site),
    };
    let mut sites = LEFT.lock();
    if sites.len() < MAX_SITES || sites.contains_key(&(name.clone(), at, why)) {
        *sites.entry((name, at, why)).or_default() += 1;
    }
}

/// Sites patched by route and sites left as traps, for `--stats`.
pub fn write_stats(out: &mut String) {
    // A `String` never fails.
    let _ = write!(out, "sites patched:");
    let mut total = 0;
    for ((_, name), count) in ROUTES.iter().zip(&PATCHED) {
        let count = count.load(Relaxed);
        total += count;
        if count > 0 {
            let _ = write!(out, " {count} by {name},");
        }
    }
    let _ = writeln!(out, " {total} in all");
    let mut sites: Vec<_> = LEFT.lock().iter().map(|(key, count)| (key.clone(), *count)).collect();
    sites.sort_by_key(|(_, count)| core::cmp::Reverse(*count));
    if !sites.is_empty() {
        let _ = writeln!(out, "sites left as traps: {}", sites.len());
    }
    for ((name, at, why), count) in sites.iter().take(SHOWN) {
        let name = if name.is_empty() { b"(anonymous)" } else { &name[..] };
        let _ = writeln!(out, "  {:>10}  {}+{at:#x}: {why}", count, name.escape_ascii());
    }
}
