//! The name of the code at an address, from an image's symbol tables: for reports such as `--stats`, never
//! for decisions. The full table (`.symtab`) is asked first, the dynamic one when the file is stripped.

use alloc::vec::Vec;

use linux_raw_sys::elf_uapi::{ELFMAG, SHN_UNDEF, SHT_DYNSYM, SHT_SYMTAB, STT_FUNC, STT_NOTYPE};

use crate::raw::{EHDR_LEN, FileHeader, SHDR_LEN, SYM_LEN, SectionHeader, Symbol};
use crate::{ReadAt, read_full};

/// `STT_GNU_IFUNC`: libc's memcpy and friends.
const STT_GNU_IFUNC: u8 = 10;

/// Symbols looked at in one table: the largest browsers have about a million.
const MAX_SYMBOLS: u64 = 4 << 20;

/// Symbols read at a time, on the heap.
const CHUNK: usize = 512;

/// Longest name given back in bytes; mangled ones can be absurd.
const MAX_NAME: usize = 255;

/// The nearest symbol at or below `vaddr` (an address as in the file, before any bias) that names code: its
/// name, cut at 255 bytes, and how many bytes past it `vaddr` lies. `None` without a fitting symbol.
pub fn symbolize(src: &dyn ReadAt, vaddr: u64) -> Option<(Vec<u8>, u64)> {
    let mut bytes = [0; EHDR_LEN];
    read_full(src, 0, &mut bytes).ok().filter(|whole| *whole)?;
    let header = FileHeader::decode(&bytes);
    if header.magic != ELFMAG[..4] || usize::from(header.e_shentsize) != SHDR_LEN {
        return None;
    }
    [SHT_SYMTAB, SHT_DYNSYM].iter().find_map(|&kind| {
        let table = (0..header.e_shnum)
            .map_while(|index| section(src, &header, index.into()))
            .find(|section| section.sh_type == kind)?;
        let best = nearest(src, &table, vaddr)?;
        let names = section(src, &header, table.sh_link)?;
        let name = name(src, &names, best.st_name)?;
        (!name.is_empty()).then(|| (name, vaddr - best.st_value))
    })
}

fn section(src: &dyn ReadAt, header: &FileHeader, index: u32) -> Option<SectionHeader> {
    if index >= header.e_shnum.into() {
        return None;
    }
    let at = header.e_shoff.checked_add(u64::from(index) * SHDR_LEN as u64)?;
    let mut bytes = [0; SHDR_LEN];
    read_full(src, at, &mut bytes).ok().filter(|whole| *whole)?;
    Some(SectionHeader::decode(&bytes))
}

/// The symbol with the highest address not above `vaddr`; of several there, the first that is a function.
fn nearest(src: &dyn ReadAt, table: &SectionHeader, vaddr: u64) -> Option<Symbol> {
    if table.sh_entsize != SYM_LEN as u64 {
        return None;
    }
    let total = (table.sh_size / SYM_LEN as u64).min(MAX_SYMBOLS);
    let mut bytes = alloc::vec![0; CHUNK * SYM_LEN];
    let mut best: Option<Symbol> = None;
    let mut index = 0;
    while index < total {
        let count = (total - index).min(CHUNK as u64) as usize;
        let chunk = &mut bytes[..count * SYM_LEN];
        let at = table.sh_offset.checked_add(index * SYM_LEN as u64)?;
        if !read_full(src, at, chunk).ok()? {
            break;
        }
        for symbol in chunk.as_chunks().0.iter().map(Symbol::decode) {
            if fits(&symbol, vaddr) && best.is_none_or(|best| rank(&symbol) > rank(&best)) {
                best = Some(symbol);
            }
        }
        index += count as u64;
    }
    best
}

fn rank(symbol: &Symbol) -> (u64, bool) {
    (symbol.st_value, symbol.kind == STT_FUNC as u8)
}

/// Whether a symbol names code at or below `vaddr` and, if it says how long it is, around it.
fn fits(symbol: &Symbol, vaddr: u64) -> bool {
    let is_code = [STT_FUNC as u8, STT_GNU_IFUNC, STT_NOTYPE as u8].contains(&symbol.kind);
    let defined = u32::from(symbol.st_shndx) != SHN_UNDEF && symbol.st_value != 0;
    let reaches = |from: u64| symbol.st_size == 0 || vaddr - from < symbol.st_size;
    is_code && defined && symbol.st_value <= vaddr && reaches(symbol.st_value)
}

fn name(src: &dyn ReadAt, names: &SectionHeader, index: u32) -> Option<Vec<u8>> {
    let room = names.sh_size.checked_sub(index.into())?.min(MAX_NAME as u64) as usize;
    let mut name = alloc::vec![0; room];
    let at = names.sh_offset.checked_add(index.into())?;
    let count = src.read_at(at, &mut name).ok()?;
    name.truncate(count);
    name.truncate(name.iter().position(|&b| b == 0).unwrap_or(name.len()));
    Some(name)
}
