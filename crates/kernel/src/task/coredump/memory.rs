//! The memory of the process that dumps core, through the host's /proc/self/mem: that reads what the program may not.

use crate::mm::PAGE_SIZE;
use alloc::vec::Vec;
use host::file::HostFd;
use host::io::IoDst;

/// Bits of an entry of /proc/self/pagemap (`Documentation/admin-guide/mm/pagemap.rst`).
const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
const OF_A_FILE: u64 = 1 << 61;
/// Pages asked about at once.
const ENTRIES: usize = 2048;

/// What of a mapping is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// Everything that was ever touched.
    Touched,
    /// Of a private mapping of a file: what was written.
    Own,
}

/// The memory of the calling process.
pub struct Memory<'a> {
    stop: &'a dyn Fn() -> bool,
    mem: Option<HostFd>,
    pagemap: Option<HostFd>,
}

impl<'a> Memory<'a> {
    /// Where the host has no /proc, only what the program may read can be read, and all of it counts as touched.
    /// `stop` is asked now and then.
    pub fn open(stop: &'a dyn Fn() -> bool) -> Memory<'a> {
        let open = |path: &[u8]| host::file::open(None, path, 0, 0, 0).ok();
        Memory { stop, mem: open(b"/proc/self/mem"), pagemap: open(b"/proc/self/pagemap") }
    }

    /// Fills `buf` from `addr` on; answers how many bytes could be read.
    pub fn read(&self, addr: usize, buf: &mut [u8]) -> usize {
        let len = buf.len();
        match &self.mem {
            Some(mem) => mem.read(&mut IoDst::kernel(buf), Some(addr as u64)).unwrap_or(0),
            None => len - usercopy::copy_from_user(buf, addr),
        }
    }

    /// Calls `then` with the first and the last address of each run of `pages` in `start..end`, in order, until it
    /// answers `false` or there is nothing more to do.
    pub fn runs(&self, start: usize, end: usize, pages: Pages, mut then: impl FnMut(usize, usize) -> bool) {
        let Some(pagemap) = &self.pagemap else {
            then(start, end);
            return;
        };
        let mut bytes: Vec<u8> = alloc::vec![0; ENTRIES * 8];
        let mut run: Option<usize> = None;
        let mut at = start;
        while at < end && !(self.stop)() {
            let wanted = ((end - at) / PAGE_SIZE).min(ENTRIES) * 8;
            let offset = (at / PAGE_SIZE * 8) as u64;
            let count = pagemap.read(&mut IoDst::kernel(&mut bytes[..wanted]), Some(offset)).unwrap_or(0);
            if count < 8 {
                // Better too much than too little.
                run.get_or_insert(at);
                break;
            }
            for entry in bytes[..count].as_chunks::<8>().0 {
                let entry = u64::from_le_bytes(*entry);
                let touched = entry & (PRESENT | SWAPPED) != 0;
                let meant = touched && (pages == Pages::Touched || entry & OF_A_FILE == 0);
                match run {
                    None if meant => run = Some(at),
                    Some(from) if !meant => {
                        run = None;
                        if !then(from, at) {
                            return;
                        }
                    }
                    _ => {}
                }
                at += PAGE_SIZE;
            }
        }
        if let Some(from) = run {
            then(from, end);
        }
    }

    /// Whether there are any of `pages`.
    pub fn has(&self, start: usize, end: usize, pages: Pages) -> bool {
        let mut any = false;
        self.runs(start, end, pages, |_, _| {
            any = true;
            false
        });
        any
    }
}
