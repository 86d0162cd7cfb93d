//! A small ELF image made by hand, to be bent in every direction. Shared by the test programs here.
#![allow(dead_code, reason = "each test program uses its own part")]

/// `exit(42)`.
pub const CODE: [u8; 12] = [0xbf, 42, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05];

pub const PT_LOAD: u32 = 1;
pub const PT_INTERP: u32 = 3;
pub const PF_X: u32 = 1;
pub const PF_W: u32 = 2;
pub const PF_R: u32 = 4;

pub const ET_EXEC: u16 = 2;
pub const ET_DYN: u16 = 3;

/// Where the images of these tests are linked to.
pub const BASE: u64 = 0x40_0000;

#[derive(Debug, Clone, Copy)]
pub struct Phdr {
    pub kind: u32,
    pub flags: u32,
    pub offset: u64,
    pub vaddr: u64,
    pub filesz: u64,
    pub memsz: u64,
    pub align: u64,
}

/// Everything of an image that a test may want to spoil. `bytes()` lays it down: header, program headers,
/// then `code` at `code_at`, then nothing.
#[derive(Debug, Clone)]
pub struct Image {
    pub magic: [u8; 4],
    pub class: u8,
    pub kind: u16,
    pub machine: u16,
    pub entry: u64,
    pub phoff: u64,
    pub phentsize: u16,
    pub phnum: Option<u16>,
    pub phdrs: Vec<Phdr>,
    pub pieces: Vec<(usize, Vec<u8>)>,
    pub cut: Option<usize>,
}

impl Image {
    /// One read-only executable segment over the whole file, the code at offset 0x400.
    pub fn new(kind: u16) -> Self {
        let base = if kind == ET_EXEC { BASE } else { 0 };
        let load = Phdr {
            kind: PT_LOAD,
            flags: PF_R | PF_X,
            offset: 0,
            vaddr: base,
            filesz: 0x40c,
            memsz: 0x40c,
            align: 4096,
        };
        Self {
            magic: *b"\x7fELF",
            class: 2,
            kind,
            machine: 62,
            entry: base + 0x400,
            phoff: 64,
            phentsize: 56,
            phnum: None,
            phdrs: vec![load],
            pieces: vec![(0x400, CODE.to_vec())],
            cut: None,
        }
    }

    /// Add a writable segment of the file's second page.
    pub fn with_data(mut self) -> Self {
        let vaddr = self.phdrs[0].vaddr + 0x1000;
        self.phdrs.push(Phdr {
            kind: PT_LOAD,
            flags: PF_R | PF_W,
            offset: 0x1000,
            vaddr,
            filesz: 0x10,
            memsz: 0x2010,
            align: 4096,
        });
        self.pieces.push((0x1000, vec![7; 0x20]));
        self
    }

    /// Name an interpreter.
    pub fn with_interpreter(mut self, path: &[u8]) -> Self {
        let len = path.len() as u64;
        let phdr =
            Phdr { kind: PT_INTERP, flags: PF_R, offset: 0x600, vaddr: 0, filesz: len, memsz: len, align: 1 };
        self.phdrs.insert(0, phdr);
        self.pieces.push((0x600, path.to_vec()));
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = self.magic.to_vec();
        out.extend([self.class, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        out.extend(self.kind.to_le_bytes());
        out.extend(self.machine.to_le_bytes());
        out.extend(1_u32.to_le_bytes());
        out.extend(self.entry.to_le_bytes());
        out.extend(self.phoff.to_le_bytes());
        out.extend(0_u64.to_le_bytes());
        out.extend(0_u32.to_le_bytes());
        out.extend(64_u16.to_le_bytes());
        out.extend(self.phentsize.to_le_bytes());
        out.extend(self.phnum.unwrap_or(self.phdrs.len() as u16).to_le_bytes());
        out.extend([64, 0, 0, 0, 0, 0]);
        for phdr in &self.phdrs {
            out.extend(phdr.kind.to_le_bytes());
            out.extend(phdr.flags.to_le_bytes());
            for word in [phdr.offset, phdr.vaddr, phdr.vaddr, phdr.filesz, phdr.memsz, phdr.align] {
                out.extend(word.to_le_bytes());
            }
        }
        for (at, piece) in &self.pieces {
            if out.len() < at + piece.len() {
                out.resize(at + piece.len(), 0);
            }
            out[*at..at + piece.len()].copy_from_slice(piece);
        }
        if let Some(cut) = self.cut {
            out.truncate(cut);
        }
        out
    }
}
