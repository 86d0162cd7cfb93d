//! A core file from its first byte to its last (`elf_core_dump`, elf(5)): header, program headers, notes, memory. The
//! memory goes through one buffer; pages of zeros become holes.

use super::memory::{Memory, Pages};
use super::notes::{self, Note};
use super::sink::{Sink, Stopped};
use super::threads::Snapshot;
use super::{arch, filter};
use crate::mm::{AddressSpace, PAGE_SIZE, Vma};
use crate::signal::SigInfo;
use crate::task::Process;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;
use linux_raw_sys::elf_uapi as elf;

const EHDR_LEN: usize = size_of::<elf::elf64_hdr>();
const PHDR_LEN: usize = size_of::<elf::elf64_phdr>();
const SHDR_LEN: usize = size_of::<elf::elf64_shdr>();
/// Bytes of memory read at once.
const BLOCK: usize = 64 << 10;

/// What is to be written.
pub struct Core<'a> {
    /// The process; its other threads sleep.
    pub process: &'a Arc<Process>,
    /// Its memory.
    pub mm: &'a AddressSpace,
    /// The signal.
    pub info: &'a SigInfo,
    /// Its threads, the one that took the signal first.
    pub threads: &'a [Snapshot],
}

/// A mapping and how much of it is written.
struct Segment {
    vma: Vma,
    len: usize,
}

impl Core<'_> {
    /// Writes it all.
    pub fn write(&self, sink: &mut Sink<'_>) -> Result<(), Stopped> {
        let memory = Memory::open(sink.stop);
        let vmas = self.mm.visible_mappings();
        let writer = self.threads.first().map_or(0, |thread| thread.tid);
        let process_notes = notes::of_process(self.process, self.info, writer, &vmas);
        let filter = self.process.coredump_filter.load(Relaxed);
        let segments: Vec<Segment> = vmas
            .into_iter()
            .map(|vma| Segment { len: filter::dumped_len(&vma, filter, &memory), vma })
            .collect();
        let headers = segments.len() + 1;
        let many = headers >= elf::PN_XNUM as usize;
        let notes_at = EHDR_LEN + headers * PHDR_LEN;
        let last_note = arch::final_note();
        let notes_len = self.notes_len(&process_notes, &last_note);
        let data_at = (notes_at + notes_len).next_multiple_of(PAGE_SIZE);
        let data_len: usize = segments.iter().map(|segment| segment.len).sum();

        sink.emit(&file_header(headers, many.then_some(data_at + data_len)))?;
        sink.emit(&program_header(elf::PT_NOTE, 0, notes_at, (0, notes_len, 0), 4))?;
        let mut at = data_at;
        for Segment { vma, len } in &segments {
            // The bits of access have another order there.
            let prot = vma.flags.prot();
            let flags = (prot & 1) << 2 | prot & 2 | prot >> 2 & 1;
            let place = (vma.start, *len, vma.len());
            sink.emit(&program_header(elf::PT_LOAD, flags, at, place, PAGE_SIZE))?;
            at += len;
        }
        self.write_notes(&process_notes, sink)?;
        sink.emit(&bytes_of(&[last_note]))?;
        sink.align(PAGE_SIZE as u64)?;
        let mut buffer = alloc::vec![0; BLOCK];
        for segment in &segments {
            segment.write(&memory, &mut buffer, sink)?;
        }
        if many {
            sink.emit(&extended_numbering(headers))?;
        }
        sink.finish()
    }

    fn notes_len(&self, process_notes: &[Note], last_note: &Note) -> usize {
        let once = bytes_of(process_notes.iter().chain([last_note])).len();
        // The notes of all threads are equally long.
        let of_each = self.threads.first().map_or(0, |thread| {
            let (status, rest) = notes::of_thread(self.process, 0, thread);
            bytes_of(rest.iter().chain([&status])).len()
        });
        once + of_each * self.threads.len()
    }

    fn write_notes(&self, process_notes: &[Note], sink: &mut Sink<'_>) -> Result<(), Stopped> {
        for (n, thread) in self.threads.iter().enumerate() {
            let (status, rest) = notes::of_thread(self.process, self.info.signo(), thread);
            let about_process = if n == 0 { process_notes } else { &[] };
            for note in [&status].into_iter().chain(about_process).chain(&rest) {
                sink.emit(&bytes_of([note]))?;
            }
        }
        Ok(())
    }
}

impl Segment {
    fn write(&self, memory: &Memory<'_>, buffer: &mut [u8], sink: &mut Sink<'_>) -> Result<(), Stopped> {
        let (start, end) = (self.vma.start, self.vma.start + self.len);
        if !filter::is_sparse(&self.vma) {
            return write_range(start, end, memory, buffer, sink);
        }
        let mut at = start;
        let mut result = Ok(());
        memory.runs(start, end, Pages::Touched, |from, to| {
            result = sink.skip((from - at) as u64);
            if result.is_ok() {
                result = write_range(from, to, memory, buffer, sink);
            }
            at = to;
            result.is_ok()
        });
        result?;
        sink.skip((end - at) as u64)
    }
}

fn bytes_of<'a>(notes: impl IntoIterator<Item = &'a Note>) -> Vec<u8> {
    let mut bytes = Vec::new();
    notes.into_iter().for_each(|note| note.write(&mut bytes));
    bytes
}

/// Pages that cannot be read become holes, too.
fn write_range(
    start: usize,
    end: usize,
    memory: &Memory<'_>,
    buffer: &mut [u8],
    sink: &mut Sink<'_>,
) -> Result<(), Stopped> {
    let mut at = start;
    while at < end {
        let wanted = (end - at).min(buffer.len());
        let read = memory.read(at, &mut buffer[..wanted]) / PAGE_SIZE * PAGE_SIZE;
        for page in buffer[..read].chunks_exact(PAGE_SIZE) {
            if is_zero(page) {
                sink.skip(PAGE_SIZE as u64)?;
            } else {
                sink.emit(page)?;
            }
        }
        at += read;
        if read < wanted {
            sink.skip(PAGE_SIZE as u64)?;
            at += PAGE_SIZE;
        }
    }
    Ok(())
}

fn is_zero(page: &[u8]) -> bool {
    page.as_chunks::<8>().0.iter().all(|word| u64::from_ne_bytes(*word) == 0)
}

/// `extended`: where the section header is that says how many program headers there are.
fn file_header(headers: usize, extended: Option<usize>) -> [u8; EHDR_LEN] {
    let mut header = [0; EHDR_LEN];
    header[..4].copy_from_slice(b"\x7fELF");
    header[4] = elf::ELFCLASS64 as u8;
    header[5] = elf::ELFDATA2LSB as u8;
    header[6] = elf::EV_CURRENT as u8;
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(16, &(elf::ET_CORE as u16).to_le_bytes());
    put(18, &arch::MACHINE.to_le_bytes());
    put(20, &elf::EV_CURRENT.to_le_bytes());
    put(32, &(EHDR_LEN as u64).to_le_bytes());
    put(52, &(EHDR_LEN as u16).to_le_bytes());
    put(54, &(PHDR_LEN as u16).to_le_bytes());
    put(56, &(headers.min(elf::PN_XNUM as usize) as u16).to_le_bytes());
    if let Some(at) = extended {
        put(40, &(at as u64).to_le_bytes());
        put(58, &(SHDR_LEN as u16).to_le_bytes());
        put(60, &1u16.to_le_bytes());
    }
    header
}

/// `place`: address, bytes in the file, bytes in memory.
fn program_header(
    kind: u32,
    flags: u32,
    offset: usize,
    place: (usize, usize, usize),
    align: usize,
) -> [u8; PHDR_LEN] {
    let mut header = [0; PHDR_LEN];
    header[..4].copy_from_slice(&kind.to_le_bytes());
    header[4..8].copy_from_slice(&flags.to_le_bytes());
    // Offset, virtual and physical address, the two lengths, alignment.
    let words = [offset, place.0, 0, place.1, place.2, align];
    for (to, word) in header[8..].chunks_exact_mut(8).zip(words) {
        to.copy_from_slice(&(word as u64).to_le_bytes());
    }
    header
}

/// The section header for more than 65534 program headers (`fill_extnum_info`).
fn extended_numbering(headers: usize) -> [u8; SHDR_LEN] {
    let mut header = [0; SHDR_LEN];
    // How many sections, and how many program headers.
    header[32..40].copy_from_slice(&1u64.to_le_bytes());
    header[44..48].copy_from_slice(&(headers as u32).to_le_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn u64_at(bytes: &[u8], at: usize) -> u64 {
        u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
    }

    #[test]
    fn headers_are_those_of_the_specification() {
        let header = file_header(3, None);
        assert_eq!(header[..8], *b"\x7fELF\x02\x01\x01\0");
        assert_eq!((header[16], header[18], header[56]), (4, 62, 3));
        assert_eq!(u64_at(&header, 32), 64);
        assert_eq!(u64_at(&header, 40), 0);
        let load = program_header(elf::PT_LOAD, 5, 0x2000, (0x40_0000, 0x1000, 0x3000), 4096);
        assert_eq!((load[0], load[4]), (1, 5));
        let words: Vec<u64> = (1..7).map(|n| u64_at(&load, n * 8)).collect();
        assert_eq!(words, [0x2000, 0x40_0000, 0, 0x1000, 0x3000, 0x1000]);
    }

    #[test]
    fn more_program_headers_than_fit_are_counted_in_a_section_header() {
        let header = file_header(70_000, Some(0x1234_5000));
        assert_eq!(header[56..58], [0xff, 0xff]);
        assert_eq!(u64_at(&header, 40), 0x1234_5000);
        assert_eq!((header[58], header[60]), (64, 1));
        assert_eq!(extended_numbering(70_000)[44..48], 70_000u32.to_le_bytes());
    }
}
