//! Memory for trampolines: small areas of the kernel's in user space, within reach of the code they serve.
//!
//! ```text
//!   code      ┌──────────────┐
//!             │ jmp ─────┐   │
//!             └──────────┼───┘
//!                        │      at most 2 GiB
//!   area      ┌──────────▼───┐
//!             │ trampolines  │  read and execute; programs do not see it in /proc/PID/maps
//!             └──────────────┘
//! ```
//!
//! An area lies away from what grows: neither right below a mapping nor right behind a heap. A program that maps
//! something over it by force gets the room: see `evict_code`.

use crate::mm::layout::{TASK_SIZE, mmap_min_addr};
use crate::mm::space::Inner;
use crate::mm::vma::{Backing, PAGE_SIZE, VmFlags, Vma, page_down};
use crate::vfs::MmapSource;
use linux_raw_sys::general as g;

/// Bytes of an area: room for more than a thousand trampolines.
pub const AREA_LEN: usize = 64 << 10;
/// Free bytes kept on both sides of a new area.
const MARGIN: usize = 1 << 20;
/// Distances from the code to try, downwards before upwards.
const DISTANCES: [usize; 6] = [64 << 20, 256 << 20, 512 << 20, 1 << 30, 1280 << 20, 1536 << 20];
/// A trampoline may be so far from its site.
const REACH: usize = (2 << 30) - (1 << 20);

/// One area.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    /// First address.
    pub start: usize,
    /// Bytes given out, when it does not belong to an image, whose own books count.
    pub used: usize,
    /// The image that it belongs to: number and where it is mapped.
    pub image: Option<(u64, usize)>,
}

impl Inner {
    /// Room for one trampoline near `site`, in an area that belongs to no image.
    pub(super) fn room_near(&mut self, site: usize) -> Option<usize> {
        let need = rewriter::trampoline_max_len();
        let fits = |area: &&Area| {
            area.image.is_none() && area.used + need <= AREA_LEN && area.start.abs_diff(site) < REACH
        };
        if let Some(area) = self.patches.areas().iter().find(fits) {
            return Some(area.start + area.used);
        }
        let start = self.find_area(site)?;
        self.map_area(start, None)?;
        Some(start)
    }

    /// Counts `len` bytes at `at`, which [`room_near`](Self::room_near) answered, as used.
    pub(super) fn use_room(&mut self, at: usize, len: usize) {
        if let Some(area) = self
            .patches
            .areas_mut()
            .iter_mut()
            .find(|area| area.image.is_none() && area.start + area.used == at)
        {
            // Trampolines begin at words of their own, so that the address in each is aligned more often.
            area.used += len.next_multiple_of(16);
        }
    }

    /// A free place for an area near `site`.
    pub(super) fn find_area(&self, site: usize) -> Option<usize> {
        let site = page_down(site);
        let down = DISTANCES.iter().filter_map(|&distance| site.checked_sub(distance));
        // Programs at low addresses: below them, in the middle of what is free there.
        let below = self.tree.iter().next().map(|first| page_down(first.start / 2));
        let up = DISTANCES.iter().filter_map(|&distance| site.checked_add(distance));
        down.chain(below).chain(up).find(|&start| start.abs_diff(site) < REACH && self.area_is_free(start))
    }

    /// Whether an area can be at `start`.
    pub(super) fn area_is_free(&self, start: usize) -> bool {
        let margin = MARGIN.min(start / 4);
        let Some(end) = start.checked_add(AREA_LEN + margin).filter(|&end| end <= TASK_SIZE) else {
            return false;
        };
        start >= mmap_min_addr().max(PAGE_SIZE) && self.tree.is_free(start - margin, end)
    }

    /// Maps an area.
    pub(super) fn map_area(&mut self, start: usize, image: Option<(u64, usize)>) -> Option<()> {
        let flags = VmFlags::READ | VmFlags::EXEC | VmFlags::KERNEL | VmFlags::DONTDUMP;
        let vma = Vma { start, end: start + AREA_LEN, flags, backing: Backing::Anonymous(None) };
        self.install(vma, &MmapSource::Anonymous, g::MAP_PRIVATE, false).ok()?;
        self.patches.areas_mut().push(Area { start, used: 0, image });
        Some(())
    }
}
