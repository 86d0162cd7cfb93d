//! What the host has mapped in user space at boot, read from its /proc/self/maps.

use super::layout::{HostLayout, HostRange, Layout, set_host_layout};
use super::space::AddressSpace;
use super::vma::page_down;
use alloc::sync::Arc;
use alloc::vec::Vec;
use host::io::IoDst;
use host::layout::{KERNEL_END, KERNEL_START};
use linux_raw_sys::general as g;

impl AddressSpace {
    /// The empty address space of the first process; what the host mapped (stack, vdso) is reserved.
    pub fn new_for_boot() -> Arc<AddressSpace> {
        let maps = read_file(b"/proc/self/maps");
        set_host_layout(HostLayout {
            vsyscall: maps.as_ref().is_some_and(|text| text.ends_with(b"[vsyscall]\n")),
            ranges: maps.map_or_else(without_proc, |text| parse_maps(&text)),
            mmap_min_addr: read_file(b"/proc/sys/vm/mmap_min_addr")
                .and_then(|text| core::str::from_utf8(&text).ok()?.trim().parse().ok())
                .unwrap_or(65536),
        });
        AddressSpace::new(Layout::default())
    }
}

/// The whole of a host file; `None` when it cannot be read.
pub(super) fn read_file(path: &[u8]) -> Option<Vec<u8>> {
    let file = host::file::open(None, path, g::O_RDONLY, 0, 0).ok()?;
    let mut text = Vec::new();
    let mut buf = [0; 2048];
    loop {
        // Not to be interrupted: a signal that waits is delivered only after this.
        match file.read_at(&mut IoDst::kernel(&mut buf), text.len() as u64, usize::MAX) {
            Ok(0) => return Some(text),
            Ok(count) => text.extend_from_slice(&buf[..count]),
            Err(_) => return None,
        }
    }
}

/// The lines of a maps file outside the kernel.
fn parse_maps(text: &[u8]) -> Vec<HostRange> {
    let mut ranges: Vec<HostRange> = Vec::new();
    for line in text.split(|&b| b == b'\n') {
        let Ok(line) = core::str::from_utf8(line) else { continue };
        let mut words = line.split_ascii_whitespace();
        let (Some(range), Some(perms)) = (words.next(), words.next()) else { continue };
        let Some((start, end)) = range.split_once('-') else { continue };
        let parse = |hex| usize::from_str_radix(hex, 16).ok();
        let (Some(mut start), Some(end)) = (parse(start), parse(end)) else { continue };
        // The page of vsyscalls above user space is none of ours.
        let kernel = start >= KERNEL_START && end <= KERNEL_END;
        if kernel || end > super::layout::TASK_SIZE {
            continue;
        }
        let prot = perms.bytes().zip([b'r', b'w', b'x']).enumerate();
        let prot = prot.fold(0, |prot, (bit, (is, wanted))| prot | u32::from(is == wanted) << bit);
        let shown = match words.nth(3) {
            Some("[vdso]") => Some(("[vdso]", prot)),
            Some("[vvar]") => Some(("[vvar]", prot)),
            Some("[vvar_vclock]") => Some(("[vvar_vclock]", prot)),
            Some("[stack]") => {
                // It may still grow, as deep as boot needs.
                start = page_down(start.saturating_sub(1 << 20));
                None
            }
            // What is left of the command that carried the kernel here, and with it nobody who could use it.
            _ if host::boot::in_place() && host::memory::unmap(start, end - start).is_ok() => continue,
            _ => None,
        };
        ranges.push(HostRange { start, end, shown });
    }
    ranges
}

/// Without /proc: what the auxiliary vector and the stack pointer tell, generously.
fn without_proc() -> Vec<HostRange> {
    let around = |at: usize, below: usize, above: usize| HostRange {
        start: page_down(at.saturating_sub(below)),
        end: page_down(at.saturating_add(above)).min(super::layout::TASK_SIZE),
        shown: None,
    };
    let mut ranges = Vec::new();
    if host::boot::host_stack() != 0 {
        ranges.push(around(host::boot::host_stack(), 8 << 20, 8 << 20));
    }
    if let Some(vdso) = host::boot::host_auxv(linux_raw_sys::auxvec::AT_SYSINFO_EHDR as usize) {
        ranges.push(around(vdso, 64 << 10, 64 << 10));
    }
    ranges
}
