//! Where instructions begin.
//!
//! Forward from a known boundary there is nothing to decide. Backward, x86 cannot be decoded, so the
//! boundaries before a site come from one of two sources:
//!
//! - the function's first byte, if the caller knows it, decoded forward up to the site;
//! - *self-synchronisation*: decoding is started at every byte of a zone before the site, and the
//!   streams that arrive at the site are compared. The program's own stream is one of them: code has a
//!   boundary in any 15 consecutive bytes, and where data precedes the code, the boundary after it is
//!   a start of the zone too. So a boundary that *every* arriving stream shares is a boundary of the
//!   program's own stream. Streams that step over the site are not the program's.
//!
//! Who calls it: `choose`, once per site. Deciding who jumps where is `targets`' part.

use alloc::vec;
use alloc::vec::Vec;

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic};

use crate::{Code, List};

/// How far back decoding is started, in bytes. Short jumps reach 128 bytes; the rest is for streams
/// to meet.
const ZONE: u64 = 352;

/// A boundary is believed only if all streams begun at least this many bytes before it share it.
/// Streams begun later had no time to meet.
const SETTLE: usize = 24;

/// … and if at least this many streams say so.
const WITNESSES: usize = 12;

/// Decodes single instructions of `Code` at any address.
pub(crate) struct Reader<'a> {
    decoder: Decoder<'a>,
    code: Code<'a>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(code: &Code<'a>) -> Self {
        Reader { decoder: Decoder::with_ip(64, code.bytes, code.base, DecoderOptions::NONE), code: *code }
    }

    /// The instruction at `addr`; `None` if it is not visible in whole, or none at all.
    pub(crate) fn at(&mut self, addr: u64) -> Option<Instruction> {
        let offset = usize::try_from(addr.checked_sub(self.code.base)?).ok()?;
        if offset >= self.code.bytes.len() {
            return None;
        }
        self.decoder.set_position(offset).ok()?;
        self.decoder.set_ip(addr);
        let insn = self.decoder.decode();
        (!insn.is_invalid()).then_some(insn)
    }

    /// Offset in bytes of the 4-byte displacement of `insn`, which was decoded last.
    pub(crate) fn displacement32(&self, insn: &Instruction) -> Option<usize> {
        let offsets = self.decoder.get_constant_offsets(insn);
        (offsets.displacement_size() == 4).then(|| offsets.displacement_offset())
    }
}

/// What is before a site.
#[derive(Default)]
pub(crate) struct Before {
    /// The certain instructions, in order; the last one ends where the site begins. Empty if nothing
    /// is certain.
    pub(crate) certain: List<Instruction>,
    /// What may be instructions before those, as far as short jumps reach.
    pub(crate) possible: List<Instruction>,
    /// The site's two bytes seem to be the end of a longer instruction, a `syscall` with a prefix. The
    /// prefix would then belong to whatever is put there.
    pub(crate) prefixed: bool,
}

/// Finds out what is before `site`.
pub(crate) fn before(code: &Code, site: u64, function: Option<(u64, u64)>) -> Before {
    let mut reader = Reader::new(code);
    let start = function.map(|(start, _)| start).filter(|&start| start <= site && start >= code.base);
    let zone = Zone::new(code, &mut reader, site);
    let first = zone.certain_from(&mut reader, start).map(|first| zone.low + first as u64);
    let certain = match (first, start) {
        (Some(first), _) => chain(&mut reader, first, site),
        // The zone says nothing; the long way from the function's first byte is as good.
        (None, Some(start)) => chain(&mut reader, start, site),
        (None, None) => None,
    }
    .unwrap_or_default();
    let from = certain.first().map_or(site, Instruction::ip);
    let offsets = (0..from.saturating_sub(zone.low) as usize).filter(|&i| zone.arrives[i]);
    let possible = offsets.filter_map(|i| reader.at(zone.low + i as u64)).collect();
    let prefixed = certain.is_empty() && zone.is_prefixed(&mut reader);
    Before { certain, possible, prefixed }
}

/// The instructions from `from` on, if they lead exactly to `to`.
fn chain(reader: &mut Reader, from: u64, to: u64) -> Option<List<Instruction>> {
    let mut insns = Vec::new();
    let mut at = from;
    while at < to {
        let insn = reader.at(at)?;
        at = insn.next_ip();
        insns.push(insn);
    }
    (at == to).then_some(insns)
}

/// The streams of the zone before a site, by byte offset from `low`; offset `len` is the site.
struct Zone {
    low: u64,
    /// Length of the instruction at each byte, 0 for none.
    lens: Vec<u8>,
    /// Whether the stream from each byte arrives at the site.
    arrives: Vec<bool>,
}

impl Zone {
    fn new(code: &Code, reader: &mut Reader, site: u64) -> Zone {
        let low = site.saturating_sub(ZONE).max(code.base);
        let len = site.saturating_sub(low) as usize;
        let lens: Vec<u8> =
            (0..len as u64).map(|i| reader.at(low + i).map_or(0, |insn| insn.len() as u8)).collect();
        let mut zone = Zone { low, lens, arrives: Vec::new() };
        zone.arrives = zone.arriving_at(len);
        zone
    }

    fn next(&self, i: usize) -> Option<usize> {
        let len = usize::from(*self.lens.get(i)?);
        (len != 0).then_some(i + len)
    }

    /// Whether the stream from each byte arrives at offset `to`.
    fn arriving_at(&self, to: usize) -> Vec<bool> {
        let mut arrives = vec![false; to + 1];
        arrives[to] = true;
        for i in (0..to).rev() {
            arrives[i] = self.next(i).is_some_and(|next| next <= to && arrives[next]);
        }
        arrives
    }

    /// Whether more streams see the site as the tail of a longer instruction (`syscall` with a
    /// prefix) than as one of its own.
    fn is_prefixed(&self, reader: &mut Reader) -> bool {
        let Some(last) = self.lens.len().checked_sub(1) else { return false };
        let count = |arrives: &[bool]| arrives.iter().filter(|&&arrives| arrives).count();
        reader.at(self.low + last as u64).is_some_and(|insn| insn.mnemonic() == Mnemonic::Syscall)
            && count(&self.arriving_at(last)) > count(&self.arrives)
    }

    /// The boundaries on the stream from offset `from`, which arrives.
    fn boundaries(&self, from: usize) -> Vec<usize> {
        let site = self.lens.len();
        core::iter::successors(Some(from), |&i| self.next(i)).take_while(|&i| i < site).collect()
    }

    /// The first boundary on the stream from offset `from` from which on every boundary before `to`
    /// is shared by all arriving streams that had time to meet.
    fn first_certain(&self, from: usize, to: usize) -> Option<usize> {
        let mut on_chain = vec![false; self.arrives.len()];
        let chain = self.boundaries(from);
        for &i in &chain {
            on_chain[i] = true;
        }
        // Where the stream from each byte joins the chain.
        let site = self.lens.len();
        let mut joins = vec![site; site + 1];
        for i in (0..site).rev() {
            joins[i] = match self.next(i) {
                _ if on_chain[i] => i,
                Some(next) if next < site => joins[next],
                _ => site,
            };
        }
        let mut first = None;
        let (mut seen, mut witnesses, mut last_join) = (0, 0, 0);
        for &boundary in chain.iter().filter(|&&boundary| boundary < to) {
            while seen + SETTLE <= boundary {
                if self.arrives[seen] {
                    witnesses += 1;
                    last_join = last_join.max(joins[seen]);
                }
                seen += 1;
            }
            if witnesses < WITNESSES || last_join > boundary {
                first = None;
            } else if first.is_none() {
                first = Some(boundary);
            }
        }
        first
    }

    /// Offset of the boundary from which on the boundaries before the site are certain, given the
    /// function's first byte if it is known.
    fn certain_from(&self, reader: &mut Reader, start: Option<u64>) -> Option<usize> {
        let earliest = self.arrives.iter().position(|&arrives| arrives)?;
        let known = start.filter(|&start| start >= self.low).map(|start| (start - self.low) as usize);
        match known {
            // A function whose instructions step over the site: the hint is wrong, or there is data
            // in the function. Nothing is certain then.
            Some(known) if !self.arrives[known] => None,
            // What precedes the function counts only if it leads to the function's first byte.
            Some(known) if self.boundaries(earliest).contains(&known) => {
                Some(self.first_certain(earliest, known).unwrap_or(known))
            }
            Some(known) => Some(known),
            None if self.is_prefixed(reader) => None,
            None => self.first_certain(earliest, self.lens.len()),
        }
    }
}

/// The instructions from `from` on, up to `to`, the end of the visible bytes, or the first bytes that
/// are no instruction.
pub(crate) fn after(code: &Code, from: u64, to: u64) -> List<Instruction> {
    let mut reader = Reader::new(code);
    let mut insns = Vec::new();
    let mut at = from;
    while at < to {
        let Some(insn) = reader.at(at) else { break };
        at = insn.next_ip();
        insns.push(insn);
    }
    insns
}

/// Addresses of the instructions met when decoding `code` from `from` up to `to` (exclusive), for tests
/// and tools. Ends early at bytes that are no instruction.
pub fn instruction_starts(code: &Code, from: u64, to: u64) -> Vec<u64> {
    after(code, from, to).iter().map(Instruction::ip).collect()
}

/// Hands every instruction met between `from` and `to` to `found`; steps over bytes that are none.
pub(crate) fn sweep(code: &Code, from: u64, to: u64, mut found: impl FnMut(Instruction)) {
    let mut reader = Reader::new(code);
    let mut at = from;
    while at < to {
        at = match reader.at(at) {
            Some(insn) => {
                found(insn);
                insn.next_ip()
            }
            None => at + 1,
        };
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use alloc::collections::BTreeSet;

    use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};

    use super::*;

    /// Every few instructions of this test's own functions stand for a site. Whatever is called certain
    /// there has to be what decoding from the functions' starts shows; and it should be called certain
    /// nearly always.
    #[test]
    fn streams_meet_on_true_boundaries() {
        let data = std::fs::read("/proc/self/exe").unwrap();
        let file = object::File::parse(&*data).unwrap();
        let text = file.section_by_name(".text").unwrap();
        let code = Code { base: text.address(), bytes: text.data().unwrap() };
        let functions: BTreeSet<_> = file
            .symbols()
            .filter(|s| s.kind() == SymbolKind::Text && s.size() > 200)
            .map(|s| (s.address(), s.address() + s.size()))
            .filter(|&(start, end)| start >= code.base && end <= code.end())
            .collect();
        let (mut sites, mut certain) = (0, 0);
        for (start, end) in functions.into_iter().step_by(7) {
            let truth = instruction_starts(&code, start, end);
            // The view of a caller that sees no further than a page.
            let low = start.saturating_sub(4096).max(code.base);
            let view = Code { base: low, bytes: code.get(low, (end - low) as usize).unwrap() };
            for &site in truth.iter().skip(20).step_by(29) {
                let found = before(&view, site, None).certain;
                sites += 1;
                certain += usize::from(!found.is_empty());
                for insn in found.iter().filter(|insn| insn.ip() >= start) {
                    assert!(truth.binary_search(&insn.ip()).is_ok(), "{:#x} before {site:#x}", insn.ip());
                }
            }
        }
        assert!(sites > 100);
        assert!(certain * 100 >= sites * 98, "{certain} of {sites}");
    }

    #[test]
    fn too_few_bytes_are_not_certain() {
        let bytes = [0x89, 0xd8, 0x89, 0xd8, 0x0f, 0x05];
        assert!(before(&Code { base: 0x1000, bytes: &bytes }, 0x1004, None).certain.is_empty());
        let known = before(&Code { base: 0x1000, bytes: &bytes }, 0x1004, Some((0x1000, 0x1006)));
        assert_eq!(known.certain.len(), 2);
    }

    #[test]
    fn a_prefix_belongs_to_the_site() {
        // push rax …; data16 syscall: decoding arrives before the prefix.
        let mut bytes = alloc::vec![0x50; 200];
        bytes.extend([0x66, 0x0f, 0x05, 0x31, 0xc0, 0x31, 0xc0, 0xc3]);
        let code = Code { base: 0x1000, bytes: &bytes };
        for function in [None, Some((0x1000, 0x1000 + 208))] {
            let found = before(&code, 0x1000 + 201, function);
            assert!(found.certain.is_empty() && found.prefixed);
            let hints = crate::Hints { function, ..Default::default() };
            let plan = crate::plan(&code, 0x1000 + 201, &hints, 0x2000, 0x3000);
            assert_eq!(plan, Err(crate::Refusal::NotSyscall));
        }
        // mov rdi, [rax + 0x48]: the byte is a displacement.
        bytes[197..201].copy_from_slice(&[0x48, 0x8b, 0x78, 0x48]);
        assert!(!before(&Code { base: 0x1000, bytes: &bytes }, 0x1000 + 201, None).certain.is_empty());
    }
}
