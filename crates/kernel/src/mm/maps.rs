//! What /proc tells of an address space: the text of `maps`, the numbers of `status`, `stat` and `statm` (proc(5)).

use super::layout::TASK_SIZE;
use super::space::{AddressSpace, Bounds};
use super::tree::Sizes;
use super::vma::{Backing, PAGE_SIZE, VmFlags, Vma};
use crate::vfs::{Dentry, File};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::{self, Write};

/// Where names begin: what Linux pads to (`seq_setwidth` in `show_map_vma`).
pub(super) const NAME_COLUMN: usize = 73;

/// The page of vsyscalls above user space, where the host has one: it answers calls there itself.
const VSYSCALL: &str =
    "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";

/// Sizes and addresses of an address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VmStats {
    /// Sizes of the mappings in bytes: `VmSize`, `VmData` (with the stack's not counted), `VmExe`+`VmLib`, `VmStk`,
    /// `VmLck`.
    pub sizes: Sizes,
    /// Largest `total` there was, in bytes (`VmPeak`).
    pub peak: usize,
    /// How many mappings programs see.
    pub count: usize,
    /// Code, data, heap, stack.
    pub bounds: Bounds,
}

/// A line being written.
pub(super) struct Line<'a>(pub &'a mut Vec<u8>);

impl Write for Line<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.0.extend_from_slice(s.as_bytes());
        Ok(())
    }
}

/// What lies behind a mapping, for one line.
enum Behind {
    Nothing,
    /// In brackets.
    Named(&'static str),
    /// `[anon:…]`
    Anonymous(Arc<[u8]>),
    SharedAnonymous(u64, u64),
    File(Arc<File>, u64),
}

/// One mapping, as a query of /proc/PID/maps tells it.
pub struct Mapping {
    /// First address.
    pub start: usize,
    /// The one behind the last.
    pub end: usize,
    /// Protection, and whether it is shared (`MAYSHARE`).
    pub flags: VmFlags,
    /// Device of the file behind it, 0 without one.
    pub dev: u64,
    /// Its inode number.
    pub ino: u64,
    /// Where in it the mapping begins, in bytes.
    pub offset: u64,
    /// The last column of its line, maybe empty.
    pub name: Vec<u8>,
}

impl Behind {
    /// Device, inode number and offset.
    fn place(&self) -> (u64, u64, u64) {
        match self {
            Behind::File(file, offset) => match file.inode.stat() {
                Ok(stat) => (stat.dev, stat.ino, *offset),
                Err(_) => (0, 0, *offset),
            },
            // Device 0:1 is where Linux keeps its nameless shmem files.
            Behind::SharedAnonymous(number, offset) => (1, *number, *offset),
            _ => (0, 0, 0),
        }
    }

    /// The last column.
    fn name(&self, flags: VmFlags, root: &Arc<Dentry>) -> Vec<u8> {
        let mut name = Vec::new();
        match self {
            Behind::Nothing => {}
            Behind::Named(known) => name.extend_from_slice(known.as_bytes()),
            Behind::Anonymous(given) => {
                name.extend_from_slice(if flags.contains(VmFlags::MAYSHARE) {
                    b"[anon_shmem:"
                } else {
                    b"[anon:"
                });
                name.extend_from_slice(given);
                name.push(b']');
            }
            Behind::SharedAnonymous(..) => name.extend_from_slice(b"/dev/zero (deleted)"),
            Behind::File(file, _) => file_name(&mut name, file, root),
        }
        name
    }
}

impl AddressSpace {
    /// The text of /proc/PID/maps, with paths as they are from `root`.
    pub fn maps_text(&self, root: &Arc<Dentry>) -> Vec<u8> {
        let mut text = Vec::new();
        self.each_line(root, |_, line| text.extend_from_slice(line));
        if super::layout::host_has_vsyscall() {
            text.extend_from_slice(VSYSCALL.as_bytes());
        }
        text
    }

    /// Hands out the line of each mapping, with its first address and the one behind its last.
    pub(super) fn each_line(&self, root: &Arc<Dentry>, mut then: impl FnMut((usize, usize), &[u8])) {
        // Paths and attributes are looked up without the lock: they ask the file systems.
        let mut line = Vec::with_capacity(128);
        for (start, end, flags, behind) in &self.visible() {
            line.clear();
            write_line(&mut line, root, *start, *end, *flags, behind);
            then((*start, *end), &line);
        }
    }

    /// The first mapping that ends behind `addr` and that `wanted` takes, by its flags and whether it is of a file.
    /// Only the one at `addr`, or the first gap or refusal ends the search, unless `or_next`.
    pub fn find_mapping(
        &self,
        root: &Arc<Dentry>,
        addr: usize,
        or_next: bool,
        wanted: impl Fn(VmFlags, bool) -> bool,
    ) -> Option<Mapping> {
        for (start, end, flags, behind) in self.visible().into_iter().filter(|each| each.1 > addr) {
            if !or_next && start > addr {
                return None;
            }
            let of_file = matches!(behind, Behind::File(..) | Behind::SharedAnonymous(..));
            if wanted(flags, of_file) {
                let (dev, ino, offset) = behind.place();
                let name = behind.name(flags, root);
                return Some(Mapping { start, end, flags, dev, ino, offset, name });
            }
            if !or_next {
                return None;
            }
        }
        None
    }

    /// What programs see, by address.
    fn visible(&self) -> Vec<(usize, usize, VmFlags, Behind)> {
        let mut lines: Vec<(usize, usize, VmFlags, Behind)> = Vec::new();
        {
            let mut inner = self.inner.lock();
            // Growth can be seen only in the calling process's own memory; another's is as of its last look.
            if crate::task::current_task().is_some_and(|task| core::ptr::eq(&**task.process.mm.lock(), self))
            {
                inner.sync_growth(0, TASK_SIZE);
            }
            let bounds = inner.bounds;
            let visible = inner.tree.iter().filter(|vma| vma.is_visible());
            lines.extend(visible.map(|vma| (vma.start, vma.end, vma.flags, behind(vma, &bounds))));
        }
        lines
    }

    /// The mappings that programs see, in the calling thread's address space, the page of vsyscalls too.
    pub fn visible_mappings(&self) -> Vec<Vma> {
        let mut inner = self.inner.lock();
        inner.sync_growth(0, TASK_SIZE);
        let mut all: Vec<Vma> = inner.tree.iter().filter(|vma| vma.is_visible()).cloned().collect();
        if super::layout::host_has_vsyscall() {
            let start = 0xffff_ffff_ff60_0000;
            let backing = Backing::Special("[vsyscall]");
            all.push(Vma { start, end: start + PAGE_SIZE, flags: VmFlags::EXEC, backing });
        }
        all
    }

    /// Whether it is the calling thread's.
    pub(super) fn is_current(&self) -> bool {
        let Some(task) = crate::task::current_task() else { return false };
        // Only tried: a caller may hold it, and who changes it now is not looking at /proc.
        task.process.mm.try_lock().is_some_and(|mm| core::ptr::eq(&**mm, self))
    }

    /// Bytes in memory, and those of them that belong to files: the host's count for the host process `pid` that lives
    /// in it, with the few pages of the kernel's code among them; what it last was when that cannot be read.
    pub fn resident(&self, pid: i32) -> (usize, usize) {
        let path = alloc::format!("/proc/{pid}/status");
        if let Some(status) = super::host_ranges::read_file(path.as_bytes()) {
            let kib = |name: &str| {
                let text = core::str::from_utf8(&status).ok()?;
                let value = text.lines().find_map(|line| line.strip_prefix(name))?;
                value.trim().strip_suffix(" kB")?.trim().parse::<usize>().ok()
            };
            // The third kind, shared memory, is nearly all the kernel's heap.
            if let (Some(anonymous), Some(file)) = (kib("RssAnon:"), kib("RssFile:")) {
                let resident = ((anonymous + file) << 10, file << 10);
                self.inner.lock().resident = resident;
            }
        }
        self.inner.lock().resident
    }

    /// In a shared mapping: a number of the object behind `addr`, and where in it; `None` in a private one.
    pub fn shared_place(&self, addr: usize) -> Option<(u64, u64)> {
        let inner = self.inner.lock();
        let vma = inner.tree.find(addr).filter(|vma| vma.flags.contains(VmFlags::MAYSHARE))?;
        let within = (addr - vma.start) as u64;
        match &vma.backing {
            // Addresses of inodes are even, so the two kinds of numbers never meet.
            Backing::SharedAnonymous(number, offset) => Some((number << 1 | 1, offset + within)),
            Backing::File(file, offset) => {
                Some((Arc::as_ptr(&file.inode).cast::<u8>() as u64, offset + within))
            }
            _ => None,
        }
    }

    /// Sizes and addresses.
    pub fn vm_stats(&self) -> VmStats {
        let inner = self.inner.lock();
        VmStats {
            sizes: inner.tree.sizes(),
            peak: inner.peak.max(inner.tree.sizes().total),
            count: inner.tree.iter().filter(|vma| vma.is_visible()).count(),
            bounds: inner.bounds,
        }
    }
}

fn behind(vma: &Vma, bounds: &Bounds) -> Behind {
    match &vma.backing {
        Backing::File(file, offset) => Behind::File(file.clone(), *offset),
        Backing::SharedAnonymous(number, offset) => Behind::SharedAnonymous(*number, *offset),
        Backing::Special(name) => Behind::Named(name),
        Backing::Anonymous(_) if vma.start < bounds.brk && vma.end > bounds.start_brk => {
            Behind::Named("[heap]")
        }
        Backing::Anonymous(_) if vma.start <= bounds.start_stack && vma.end >= bounds.start_stack => {
            Behind::Named("[stack]")
        }
        Backing::Anonymous(Some(name)) => Behind::Anonymous(name.clone()),
        Backing::Anonymous(None) => Behind::Nothing,
    }
}

fn write_line(
    text: &mut Vec<u8>,
    root: &Arc<Dentry>,
    start: usize,
    end: usize,
    flags: VmFlags,
    behind: &Behind,
) {
    let (dev, ino, offset) = behind.place();
    let letter = |flag, letter| if flags.contains(flag) { letter } else { '-' };
    let (major, minor) = major_minor(dev);
    let line_start = text.len();
    // A `Vec` never fails.
    let _ = write!(
        Line(text),
        "{start:08x}-{end:08x} {}{}{}{} {offset:08x} {major:02x}:{minor:02x} {ino} ",
        letter(VmFlags::READ, 'r'),
        letter(VmFlags::WRITE, 'w'),
        letter(VmFlags::EXEC, 'x'),
        if flags.contains(VmFlags::MAYSHARE) { 's' } else { 'p' },
    );
    let name = behind.name(flags, root);
    if !name.is_empty() {
        text.resize(text.len().max(line_start + NAME_COLUMN), b' ');
        text.extend_from_slice(&name);
    }
    text.push(b'\n');
}

/// The halves of a device number.
pub fn major_minor(dev: u64) -> (u64, u64) {
    ((dev >> 8 & 0xfff) | (dev >> 32 & !0xfff), (dev & 0xff) | (dev >> 12 & !0xff))
}

/// The path of a mapped file; newlines are escaped, as nothing else is.
fn file_name(out: &mut Vec<u8>, file: &File, root: &Arc<Dentry>) {
    let Some(dentry) = &file.dentry else {
        out.extend(file.ops.link_text().unwrap_or_default());
        return;
    };
    let path = dentry.path_from(root).unwrap_or_else(|| {
        let mut name = b"(unreachable)/".to_vec();
        name.extend_from_slice(&dentry.name());
        name
    });
    for byte in path {
        if byte == b'\n' { out.extend_from_slice(b"\\012") } else { out.push(byte) }
    }
    if dentry.is_unlinked() {
        out.extend_from_slice(b" (deleted)");
    }
}
