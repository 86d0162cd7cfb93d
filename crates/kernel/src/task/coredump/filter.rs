//! What of each mapping goes into a core file: /proc/PID/coredump_filter and madvise(2) (`vma_dump_size`).

use super::memory::{Memory, Pages};
use crate::mm::{Backing, PAGE_SIZE, VmFlags, Vma};
use crate::vfs::{File, FileType};

/// Bits of the filter (core(5)).
const ANON_PRIVATE: u32 = 1;
const ANON_SHARED: u32 = 1 << 1;
const MAPPED_PRIVATE: u32 = 1 << 2;
const MAPPED_SHARED: u32 = 1 << 3;
const ELF_HEADERS: u32 = 1 << 4;

/// How many bytes from its first on.
pub fn dumped_len(vma: &Vma, filter: u32, memory: &Memory<'_>) -> usize {
    let wanted = |bit: u32| filter & bit != 0;
    let whole_if = |yes: bool| if yes { vma.len() } else { 0 };
    if matches!(vma.backing, Backing::Special(_)) {
        return vma.len();
    }
    if vma.flags.contains(VmFlags::DONTDUMP) {
        return 0;
    }
    if vma.flags.contains(VmFlags::SHARED) {
        let nameless = vma.file().is_none_or(|file| file.stat().is_ok_and(|stat| stat.nlink == 0));
        return whole_if(wanted(if nameless { ANON_SHARED } else { MAPPED_SHARED }));
    }
    let Some(file) = vma.file() else {
        // Memory that was never touched is nothing but its address.
        return whole_if(wanted(ANON_PRIVATE) && memory.has(vma.start, vma.end, Pages::Touched));
    };
    let written = || vma.flags.contains(VmFlags::OWN_PAGES) && memory.has(vma.start, vma.end, Pages::Own);
    if wanted(ANON_PRIVATE) && written() || wanted(MAPPED_PRIVATE) {
        return vma.len();
    }
    let at_start = matches!(vma.backing, Backing::File(_, 0));
    let header = wanted(ELF_HEADERS) && at_start && vma.flags.contains(VmFlags::READ);
    if header && (is_executable(file) || begins_as_elf(vma, memory)) { PAGE_SIZE } else { 0 }
}

/// Whether only pages that were touched can hold something.
pub fn is_sparse(vma: &Vma) -> bool {
    matches!(vma.backing, Backing::Anonymous(_))
}

fn is_executable(file: &File) -> bool {
    file.kind() == FileType::Regular && file.stat().is_ok_and(|stat| stat.mode & 0o111 != 0)
}

fn begins_as_elf(vma: &Vma, memory: &Memory<'_>) -> bool {
    let mut magic = [0; 4];
    memory.read(vma.start, &mut magic) == magic.len() && magic == *b"\x7fELF"
}
