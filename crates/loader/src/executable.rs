//! An ELF image as a mapping plan: which pages of the file go where, what follows them, where to start.
//! See elf(5); the verdicts on odd files are those of Linux's own ELF loader.
//!
//! ```text
//!            one segment                            what backs it
//!   vaddr + mem_len  ┌──────────────────┐
//!                    │ zeroes           │ anonymous, `zero_prot`
//!   vaddr + file_len ├──────────────────┤
//!          zero_from │┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄│ file page, cleared from here to its end
//!                    │ contents         │ private file mapping, `prot`
//!              vaddr └──────────────────┘ `file_offset`
//! ```

use alloc::vec::Vec;

use linux_raw_sys::elf_uapi::{
    ELFMAG, EM_X86_64, ET_DYN, ET_EXEC, PF_R, PF_W, PF_X, PT_GNU_EH_FRAME, PT_GNU_STACK, PT_INTERP, PT_LOAD,
};
use linux_raw_sys::errno::{EINVAL, EIO};
use linux_raw_sys::general::{PATH_MAX, PROT_EXEC, PROT_READ, PROT_WRITE};

use crate::raw::{EHDR_LEN, FileHeader, PHDR_LEN, ProgramHeader};
use crate::{LoadError, PAGE_SIZE, ReadAt, TASK_SIZE, page_down, page_up, read_full};

/// Linux reads at most this many bytes of program headers.
const MAX_PHDRS_LEN: usize = 65536;

/// The lowest address an unprivileged program may map (`vm.mmap_min_addr`): NULL has to fault.
const MMAP_MIN_ADDR: u64 = 65536;

/// The largest offset a file can have (`loff_t`).
const MAX_OFFSET: u64 = i64::MAX as u64;

/// Where an image may be put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// At its own addresses only (`ET_EXEC`).
    Fixed,
    /// Anywhere (`ET_DYN`): position-independent programs and shared objects, the dynamic loader among them.
    Relocatable,
}

/// Memory protection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prot {
    /// Pages can be read.
    pub read: bool,
    /// Pages can be written.
    pub write: bool,
    /// Pages can be executed.
    pub exec: bool,
}

impl Prot {
    /// As `PROT_*` bits for mmap(2).
    #[must_use]
    pub fn bits(self) -> u32 {
        [(self.read, PROT_READ), (self.write, PROT_WRITE), (self.exec, PROT_EXEC)]
            .iter()
            .filter(|(on, _)| *on)
            .fold(0, |bits, (_, bit)| bits | bit)
    }
}

/// A `PT_LOAD` segment in whole pages. Addresses are the file's own: add the bias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// First page.
    pub vaddr: u64,
    /// Offset of the first page in the file, page aligned. Meaningless when `file_len` is 0.
    pub file_offset: u64,
    /// Bytes mapped from the file, page aligned, so up to a page more than the segment has (those bytes stay
    /// visible unless `zero_from` covers them). May reach past the end of the file, as mmap(2) allows.
    pub file_len: u64,
    /// Clear from this address to the end of its page, the last one of the file mapping.
    pub zero_from: Option<u64>,
    /// Bytes in all, page aligned: beyond `file_len` lies zeroed anonymous memory.
    pub mem_len: u64,
    /// Protection of the file mapping.
    pub prot: Prot,
    /// Protection of the anonymous part: always writable, whatever the segment says.
    pub zero_prot: Prot,
}

/// A sound ELF image and how to map it. Addresses are the file's own: add the bias to each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executable {
    /// Fixed or relocatable.
    pub kind: Kind,
    /// Address of the first instruction.
    pub entry: u64,
    /// In the order of the program headers, which is the order to map them in: later ones replace earlier
    /// ones where pages overlap. Never empty; no segment is.
    pub segments: Vec<Segment>,
    /// Path of the dynamic loader, up to its first NUL. May be empty, which to Linux is the current directory:
    /// `EACCES`, as for any directory.
    pub interpreter: Option<Vec<u8>>,
    /// For `AT_PHDR`: address of the program headers in memory; 0 when no segment holds them.
    pub phdr_vaddr: u64,
    /// For `AT_PHNUM`.
    pub phnum: u16,
    /// For `AT_PHENT`: bytes per program header.
    pub phentsize: u16,
    /// Lowest and one past the highest page of all segments.
    pub span: (u64, u64),
    /// Largest alignment that a segment asks for: a power of two, at least a page.
    pub align: u64,
    /// End of the highest segment, not rounded: the heap (brk(2)) begins at the next page.
    pub brk: u64,
    /// Lowest and one past the highest byte of executable segments, as in `/proc/PID/stat`.
    pub code: (u64, u64),
    /// Where the last segment begins and where the contents of the highest end, as in `/proc/PID/stat`.
    pub data: (u64, u64),
    /// The stack must be executable (`PT_GNU_STACK`). Without that header it is not.
    pub exec_stack: bool,
    /// Address and length of `.eh_frame_hdr`, for [`function_range`](crate::function_range).
    pub eh_frame_hdr: Option<(u64, u64)>,
}

/// Read the image of a program.
///
/// A file that names an interpreter *and* has a bad segment is reported for its segment, though Linux would
/// have tried to open the interpreter first.
pub fn parse(src: &dyn ReadAt) -> Result<Executable, LoadError> {
    // A short file is padded with zeroes as in Linux, where the header comes from the 256-byte head.
    let mut bytes = [0; EHDR_LEN];
    read_full(src, 0, &mut bytes)?;
    let header = FileHeader::decode(&bytes);
    if header.magic != ELFMAG[..4] {
        return Err(LoadError::NotElf);
    }
    if !is_loadable_type(&header) {
        return Err(LoadError::BadHeader("neither an executable nor a shared object"));
    }
    let phdrs = program_headers(src, &header)?;
    let interpreter = interpreter_path(src, &phdrs)?;
    plan(src, &header, &phdrs, interpreter)
}

/// Read the image that a program names as its interpreter. What that names as its own is ignored: there are
/// no chains.
pub fn parse_interpreter(src: &dyn ReadAt) -> Result<Executable, LoadError> {
    let mut bytes = [0; EHDR_LEN];
    if !read_full(src, 0, &mut bytes)? {
        return Err(LoadError::Io(EIO as i32));
    }
    let header = FileHeader::decode(&bytes);
    if header.magic != ELFMAG[..4] {
        return Err(LoadError::NotElf.in_interpreter());
    }
    let phdrs = program_headers(src, &header).map_err(LoadError::in_interpreter)?;
    if !is_loadable_type(&header) {
        return Err(LoadError::BadSegment("the interpreter is neither an executable nor a shared object"));
    }
    plan(src, &header, &phdrs, None)
}

fn is_loadable_type(header: &FileHeader) -> bool {
    matches!(u32::from(header.e_type), ET_EXEC | ET_DYN)
}

/// Read and decode all program headers: never more than 64 KiB of them.
fn program_headers(src: &dyn ReadAt, header: &FileHeader) -> Result<Vec<ProgramHeader>, LoadError> {
    if u32::from(header.e_machine) != EM_X86_64 {
        return Err(LoadError::WrongArchitecture { machine: header.e_machine });
    }
    if usize::from(header.e_phentsize) != PHDR_LEN {
        // Linux never looks at the class, but a 32-bit header has other numbers here.
        return Err(if header.class == 1 {
            LoadError::WrongClass
        } else {
            LoadError::BadHeader("program headers of the wrong size")
        });
    }
    let count = usize::from(header.e_phnum);
    if count == 0 {
        return Err(LoadError::BadHeader("no program headers"));
    }
    if count * PHDR_LEN > MAX_PHDRS_LEN {
        return Err(LoadError::BadHeader("too many program headers"));
    }
    let mut bytes = alloc::vec![0; count * PHDR_LEN];
    let whole = header.e_phoff <= MAX_OFFSET && read_full(src, header.e_phoff, &mut bytes).unwrap_or(false);
    if !whole {
        return Err(LoadError::Truncated);
    }
    Ok(bytes.as_chunks().0.iter().map(ProgramHeader::decode).collect())
}

/// The path in the first `PT_INTERP`, if there is one.
fn interpreter_path(src: &dyn ReadAt, phdrs: &[ProgramHeader]) -> Result<Option<Vec<u8>>, LoadError> {
    let Some(phdr) = phdrs.iter().find(|phdr| phdr.p_type == PT_INTERP) else { return Ok(None) };
    if phdr.p_filesz < 2 || phdr.p_filesz > u64::from(PATH_MAX) {
        return Err(LoadError::BadHeader("the interpreter's path has an impossible length"));
    }
    if phdr.p_offset > MAX_OFFSET - phdr.p_filesz {
        return Err(LoadError::BadInterpreterPath { errno: EINVAL as i32 });
    }
    let mut path = alloc::vec![0; phdr.p_filesz as usize];
    if !read_full(src, phdr.p_offset, &mut path)? {
        return Err(LoadError::BadInterpreterPath { errno: EIO as i32 });
    }
    if path.last() != Some(&0) {
        return Err(LoadError::BadHeader("the interpreter's path has no NUL at its end"));
    }
    path.truncate(path.iter().position(|&b| b == 0).unwrap_or(path.len()));
    Ok(Some(path))
}

/// Turn the program headers into segments and collect what the kernel wants to know about them.
fn plan(
    src: &dyn ReadAt,
    header: &FileHeader,
    phdrs: &[ProgramHeader],
    interpreter: Option<Vec<u8>>,
) -> Result<Executable, LoadError> {
    let mut image = Executable {
        kind: if u32::from(header.e_type) == ET_EXEC { Kind::Fixed } else { Kind::Relocatable },
        entry: header.e_entry,
        segments: Vec::new(),
        interpreter,
        phdr_vaddr: 0,
        phnum: header.e_phnum,
        phentsize: header.e_phentsize,
        span: (u64::MAX, 0),
        align: PAGE_SIZE,
        brk: 0,
        code: (u64::MAX, 0),
        data: (0, 0),
        exec_stack: false,
        eh_frame_hdr: None,
    };
    let size = src.size();
    for phdr in phdrs {
        match phdr.p_type {
            PT_LOAD => image.add_load(phdr, header.e_phoff, size)?,
            PT_GNU_STACK => image.exec_stack = phdr.p_flags & PF_X != 0,
            PT_GNU_EH_FRAME => image.eh_frame_hdr = Some((phdr.p_vaddr, phdr.p_memsz)),
            _ => {}
        }
    }
    if image.segments.is_empty() {
        return Err(LoadError::BadSegment("there is none to load"));
    }
    if image.kind == Kind::Fixed && image.span.0 < MMAP_MIN_ADDR {
        return Err(LoadError::BadSegment("below the lowest address a program may map"));
    }
    if image.code.0 > image.code.1 {
        image.code = (0, 0);
    }
    // With an interpreter the entry is only a number to hand on.
    if image.interpreter.is_none() && image.entry >= TASK_SIZE {
        return Err(LoadError::BadSegment("the entry is not a user address"));
    }
    Ok(image)
}

impl Executable {
    fn add_load(&mut self, phdr: &ProgramHeader, phoff: u64, file_size: u64) -> Result<(), LoadError> {
        let ProgramHeader { p_offset, p_vaddr, p_filesz, p_memsz, .. } = *phdr;
        if p_filesz > p_memsz {
            return Err(LoadError::BadSegment("more bytes in the file than in memory"));
        }
        if p_memsz > TASK_SIZE || p_vaddr > TASK_SIZE - p_memsz || p_vaddr == TASK_SIZE {
            return Err(LoadError::BadSegment("outside of user memory"));
        }
        // From here on sums of addresses stay below 2^48: no overflow.
        let too_big = || LoadError::TooBig;
        let vaddr = page_down(p_vaddr);
        let end = p_vaddr + p_memsz;
        let file_end = p_vaddr + p_filesz;
        let prot = Prot {
            read: phdr.p_flags & PF_R != 0,
            write: phdr.p_flags & PF_W != 0,
            exec: phdr.p_flags & PF_X != 0,
        };
        let mut segment = Segment {
            vaddr,
            file_offset: 0,
            file_len: 0,
            zero_from: None,
            mem_len: page_up(end).ok_or_else(too_big)? - vaddr,
            prot,
            zero_prot: Prot { read: true, write: true, exec: prot.exec },
        };
        if p_filesz > 0 {
            if p_offset % PAGE_SIZE != p_vaddr % PAGE_SIZE {
                return Err(LoadError::BadSegment("offset and address differ within a page"));
            }
            segment.file_offset = page_down(p_offset);
            segment.file_len = page_up(file_end).ok_or_else(too_big)? - vaddr;
            if segment.file_offset > MAX_OFFSET - segment.file_len {
                return Err(LoadError::BadSegment("offset beyond the end of any file"));
            }
            // Linux ignores that it cannot clear the tail of a segment it may not write.
            if p_memsz > p_filesz && file_end % PAGE_SIZE != 0 && prot.write {
                if p_offset + p_filesz - file_end % PAGE_SIZE >= file_size {
                    return Err(LoadError::BadSegment("its last page lies past the end of the file"));
                }
                segment.zero_from = Some(file_end);
            }
        }
        if phdr.p_align.is_power_of_two() {
            self.align = self.align.max(phdr.p_align);
        }
        if p_offset <= phoff && phoff - p_offset < p_filesz {
            self.phdr_vaddr = phoff - p_offset + p_vaddr;
        }
        self.span = (self.span.0.min(vaddr), self.span.1.max(vaddr + segment.mem_len));
        self.brk = self.brk.max(end);
        if prot.exec {
            self.code = (self.code.0.min(p_vaddr), self.code.1.max(file_end));
        }
        self.data = (self.data.0.max(p_vaddr), self.data.1.max(file_end));
        if segment.mem_len > 0 {
            self.segments.push(segment);
        }
        Ok(())
    }

    /// What to add to the image's own addresses so that its lowest page comes to lie at `at`, or as little
    /// below as the alignment asks for. 0 for an image that cannot be moved.
    ///
    /// Sums with the bias are to be wrapping ones: an image may be moved down. `TooBig` when it does not fit
    /// between the lowest address a program may map and the end of user memory.
    pub fn bias_at(&self, at: u64) -> Result<u64, LoadError> {
        if self.kind == Kind::Fixed {
            return Ok(0);
        }
        let bias = at.wrapping_sub(self.span.0) & !(self.align - 1);
        let start = self.span.0.wrapping_add(bias);
        let len = self.span.1 - self.span.0;
        if start < MMAP_MIN_ADDR || start > at || start > TASK_SIZE || len > TASK_SIZE - start {
            return Err(LoadError::TooBig);
        }
        Ok(bias)
    }

    /// The address (before the bias) at which a byte of the file is mapped, if it is.
    #[must_use]
    pub fn vaddr_of_offset(&self, offset: u64) -> Option<u64> {
        self.segments.iter().rev().find_map(|segment| {
            let within = offset.checked_sub(segment.file_offset)?;
            (within < segment.file_len).then(|| segment.vaddr + within)
        })
    }
}
