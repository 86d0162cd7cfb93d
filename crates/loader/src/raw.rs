//! ELF records as they lie in a file: little-endian, 64-bit, at any alignment. Decoding only; what a value
//! means is judged by the callers. See elf(5).

use core::mem::{offset_of, size_of};

use linux_raw_sys::elf_uapi::{elf64_hdr, elf64_phdr, elf64_shdr, elf64_sym};

/// Decode the little-endian field `$field` of the C struct `$record` from the bytes of one record.
macro_rules! field {
    ($bytes:expr, $record:ty, $field:ident, $int:ty) => {{
        const START: usize = offset_of!($record, $field);
        let mut value = [0; size_of::<$int>()];
        value.copy_from_slice(&$bytes[START..START + size_of::<$int>()]);
        <$int>::from_le_bytes(value)
    }};
}

/// Length of each record in a file, in bytes.
pub(crate) const EHDR_LEN: usize = size_of::<elf64_hdr>();
pub(crate) const PHDR_LEN: usize = size_of::<elf64_phdr>();
pub(crate) const SHDR_LEN: usize = size_of::<elf64_shdr>();
pub(crate) const SYM_LEN: usize = size_of::<elf64_sym>();

/// The ELF header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileHeader {
    pub magic: [u8; 4],
    /// `e_ident[EI_CLASS]`: 1 is 32-bit, 2 is 64-bit.
    pub class: u8,
    pub e_type: u16,
    pub e_machine: u16,
    pub e_entry: u64,
    pub e_phoff: u64,
    pub e_shoff: u64,
    pub e_phentsize: u16,
    pub e_phnum: u16,
    pub e_shentsize: u16,
    pub e_shnum: u16,
}

impl FileHeader {
    pub(crate) fn decode(b: &[u8; EHDR_LEN]) -> Self {
        Self {
            magic: [b[0], b[1], b[2], b[3]],
            class: b[4],
            e_type: field!(b, elf64_hdr, e_type, u16),
            e_machine: field!(b, elf64_hdr, e_machine, u16),
            e_entry: field!(b, elf64_hdr, e_entry, u64),
            e_phoff: field!(b, elf64_hdr, e_phoff, u64),
            e_shoff: field!(b, elf64_hdr, e_shoff, u64),
            e_phentsize: field!(b, elf64_hdr, e_phentsize, u16),
            e_phnum: field!(b, elf64_hdr, e_phnum, u16),
            e_shentsize: field!(b, elf64_hdr, e_shentsize, u16),
            e_shnum: field!(b, elf64_hdr, e_shnum, u16),
        }
    }
}

/// A program header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProgramHeader {
    pub p_type: u32,
    pub p_flags: u32,
    pub p_offset: u64,
    pub p_vaddr: u64,
    pub p_filesz: u64,
    pub p_memsz: u64,
    pub p_align: u64,
}

impl ProgramHeader {
    pub(crate) fn decode(b: &[u8; PHDR_LEN]) -> Self {
        Self {
            p_type: field!(b, elf64_phdr, p_type, u32),
            p_flags: field!(b, elf64_phdr, p_flags, u32),
            p_offset: field!(b, elf64_phdr, p_offset, u64),
            p_vaddr: field!(b, elf64_phdr, p_vaddr, u64),
            p_filesz: field!(b, elf64_phdr, p_filesz, u64),
            p_memsz: field!(b, elf64_phdr, p_memsz, u64),
            p_align: field!(b, elf64_phdr, p_align, u64),
        }
    }
}

/// A section header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SectionHeader {
    pub sh_type: u32,
    pub sh_offset: u64,
    pub sh_size: u64,
    /// For a symbol table: the section that holds its names.
    pub sh_link: u32,
    pub sh_entsize: u64,
}

impl SectionHeader {
    pub(crate) fn decode(b: &[u8; SHDR_LEN]) -> Self {
        Self {
            sh_type: field!(b, elf64_shdr, sh_type, u32),
            sh_offset: field!(b, elf64_shdr, sh_offset, u64),
            sh_size: field!(b, elf64_shdr, sh_size, u64),
            sh_link: field!(b, elf64_shdr, sh_link, u32),
            sh_entsize: field!(b, elf64_shdr, sh_entsize, u64),
        }
    }
}

/// A symbol.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Symbol {
    pub st_name: u32,
    /// `STT_*`: the low half of `st_info`.
    pub kind: u8,
    pub st_shndx: u16,
    pub st_value: u64,
    pub st_size: u64,
}

impl Symbol {
    pub(crate) fn decode(b: &[u8; SYM_LEN]) -> Self {
        Self {
            st_name: field!(b, elf64_sym, st_name, u32),
            kind: field!(b, elf64_sym, st_info, u8) & 0xf,
            st_shndx: field!(b, elf64_sym, st_shndx, u16),
            st_value: field!(b, elf64_sym, st_value, u64),
            st_size: field!(b, elf64_sym, st_size, u64),
        }
    }
}
