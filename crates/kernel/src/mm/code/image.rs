//! What is known of mapped files: plans made for one mapping serve every other mapping of the same file.
//!
//! A plan refers to the code and to its trampoline by distances only. As long as the trampolines of a file lie at
//! the same distance from it in every process, a plan is good for all of them, moved as a whole; and planning is
//! what patching costs most. Whether the bytes are those that were planned for is looked at each time.

use super::View;
use super::area::AREA_LEN;
use crate::mm::space::Inner;
use crate::mm::vma::Backing;
use crate::vfs::{File, Inode};
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use host::io::IoDst;
use host::mutex::Mutex;
use loader::ReadAt;
use rewriter::Patch;

/// So many files are remembered; the one that was used longest ago goes.
const MAX_IMAGES: usize = 64;
/// The largest table of functions that is read.
const MAX_EH_FRAME_HDR: u64 = 4 << 20;

/// Bytes of room for a trampoline whose length is not known yet.
const SLOT: usize = 192;
const _: () = assert!(SLOT.is_multiple_of(16));

/// What is remembered of one file.
struct Plans {
    /// Its number, for the areas that belong to it.
    id: u64,
    inode: Weak<dyn Inode>,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    /// How far below the file's first byte (where it would be mapped) the trampolines begin.
    distance: Option<usize>,
    /// Bytes of trampolines given out.
    used: usize,
    /// By site, as if the file were mapped from address 0 on.
    patches: BTreeMap<u64, Arc<Patch>>,
    /// Where the table of functions is; `None`: not looked for yet.
    functions: Option<Option<Functions>>,
}

/// The table that the linker makes of a file's functions.
#[derive(Clone)]
struct Functions {
    /// Contents of `.eh_frame_hdr`.
    table: Arc<Vec<u8>>,
    /// Its address when the file is mapped from address 0 on (by file offset).
    at: u64,
}

/// The images, last used last.
static IMAGES: Mutex<Vec<Arc<Plans>>> = Mutex::new(Vec::new());

static LAST_ID: AtomicU64 = AtomicU64::new(0);

/// A mapped file in an address space.
pub struct Image {
    plans: Arc<Plans>,
    /// Where the file's first byte would be mapped.
    base: usize,
    file: Arc<File>,
}

/// The file that is mapped at `site`.
pub fn of(inner: &Inner, site: usize) -> Option<Image> {
    let vma = inner.tree.find(site)?;
    let Backing::File(file, offset) = &vma.backing else { return None };
    let base = vma.start.wrapping_sub(*offset as usize);
    let mut images = IMAGES.lock();
    let same = |plans: &Arc<Plans>| core::ptr::addr_eq(plans.inode.as_ptr(), Arc::as_ptr(&file.inode));
    let plans = match images.iter().position(same) {
        // While the weak reference is there the address cannot be another inode's.
        Some(at) => images.remove(at),
        None => {
            images.retain(|plans| plans.inode.strong_count() > 0);
            if images.len() >= MAX_IMAGES {
                images.remove(0);
            }
            let id = LAST_ID.fetch_add(1, Relaxed);
            Arc::new(Plans { id, inode: Arc::downgrade(&file.inode), books: Mutex::default() })
        }
    };
    images.push(plans.clone());
    Some(Image { plans, base, file: file.clone() })
}

impl Image {
    /// The plan for `site`, if there is one.
    pub fn planned(&self, site: usize) -> Option<Patch> {
        let books = self.plans.books.lock();
        let patch = books.patches.get(&(site.wrapping_sub(self.base) as u64))?;
        Some(patch.moved_by(self.base as u64))
    }

    /// The plans for sites in `range`.
    pub fn planned_in(&self, range: Range<usize>) -> Vec<Patch> {
        let file = |addr: usize| addr.wrapping_sub(self.base) as u64;
        let range = file(range.start)..file(range.end);
        if range.start >= range.end {
            return Vec::new();
        }
        let books = self.plans.books.lock();
        books.patches.range(range).map(|(_, patch)| patch.moved_by(self.base as u64)).collect()
    }

    /// Where a new trampoline of this image goes; `None` when its area is full or its place taken. The room is as
    /// large as any trampoline: [`remember`](Self::remember) or [`give_back`](Self::give_back) take the rest back.
    pub fn room(&self, inner: &mut Inner) -> Option<usize> {
        let at = {
            let mut books = self.plans.books.lock();
            if books.used + SLOT > AREA_LEN {
                return None;
            }
            if books.distance.is_none() {
                let base = self.base;
                books.distance = Some(base.wrapping_sub(inner.find_area(base.max(1 << 16))?));
            }
            let at = self.base.wrapping_sub(books.distance?) + books.used;
            books.used += SLOT;
            at
        };
        if self.ensure_area(inner).is_none() {
            self.give_back(at, 0);
            return None;
        }
        Some(at)
    }

    /// Of the room at `at` only `used` bytes are needed. Room that others were given behind it stays where it is.
    pub fn give_back(&self, at: usize, used: usize) {
        let mut books = self.plans.books.lock();
        let Some(distance) = books.distance else { return };
        let offset = at.wrapping_sub(self.base.wrapping_sub(distance));
        if books.used == offset + SLOT {
            books.used = offset + used.next_multiple_of(16);
        }
    }

    /// Sees to it that the area for this image's trampolines is mapped.
    pub fn ensure_area(&self, inner: &mut Inner) -> Option<()> {
        let start = self.base.wrapping_sub(self.plans.books.lock().distance?);
        let own = Some((self.plans.id, self.base));
        if inner.patches.areas().iter().any(|area| area.start == start && area.image == own) {
            return Some(());
        }
        if !inner.area_is_free(start) {
            return None;
        }
        inner.map_area(start, own)
    }

    /// Keeps a plan for others.
    pub fn remember(&self, patch: &Patch) {
        self.give_back(patch.trampoline_at as usize, patch.trampoline.len());
        let moved = patch.moved_by((self.base as u64).wrapping_neg());
        let mut books = self.plans.books.lock();
        books.patches.insert(moved.site, Arc::new(moved));
    }
}

/// A file's bytes for the loader.
struct Source<'a>(&'a File);

impl ReadAt for Source<'_> {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, i32> {
        self.0.ops.read(&mut IoDst::kernel(buf), offset, false).map_err(|errno| errno.raw_os_error())
    }

    fn size(&self) -> u64 {
        self.0.inode.stat().map_or(0, |stat| stat.size)
    }
}

impl Functions {
    /// Reads the table of an ELF image.
    fn read(file: &File) -> Option<Functions> {
        let source = Source(file);
        let plan = loader::parse(&source).ok()?;
        let (vaddr, len) = plan.eh_frame_hdr?;
        if len > MAX_EH_FRAME_HDR {
            return None;
        }
        let holds = |s: &&loader::Segment| s.vaddr <= vaddr && vaddr - s.vaddr < s.file_len;
        let segment = plan.segments.iter().find(holds)?;
        let offset = vaddr - segment.vaddr + segment.file_offset;
        let mut table = alloc::vec![0; len as usize];
        let mut done = 0;
        while done < table.len() {
            match source.read_at(offset + done as u64, &mut table[done..]) {
                Ok(count @ 1..) => done += count,
                _ => return None,
            }
        }
        Some(Functions { table: Arc::new(table), at: vaddr })
    }
}

/// First and one past the last byte of the function around `site`, as its image's unwind tables tell.
pub fn function_around(inner: &Inner, site: usize) -> Option<(u64, u64)> {
    let image = of(inner, site)?;
    let functions = {
        let mut books = image.plans.books.lock();
        books.functions.get_or_insert_with(|| Functions::read(&image.file)).clone()?
    };
    // The table counts in addresses of the image. Text is mapped at one distance from them: that of its segment.
    let plan = loader::parse(&Source(&image.file)).ok()?;
    let offset = (site as u64).wrapping_sub(image.base as u64);
    let bias = (site as u64).wrapping_sub(plan.vaddr_of_offset(offset)?);
    let mut read = |at: u64, buf: &mut [u8]| {
        View::read(at as usize, (at as usize).saturating_add(buf.len())).is_some_and(|view| {
            buf.copy_from_slice(&view.bytes);
            true
        })
    };
    loader::function_range(&functions.table, functions.at.wrapping_add(bias), site as u64, &mut read)
}
