//! Functions and `syscall` sites of ELF files, for the tests on real binaries and the `scan` example.

use std::collections::BTreeMap;

use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};
use rewriter::Code;

/// Start and end of every function known.
pub fn functions(file: &object::File) -> Result<BTreeMap<u64, u64>, Box<dyn std::error::Error>> {
    use gimli::{BaseAddresses, CieOrFde, EhFrame, LittleEndian, UnwindSection};
    let mut functions = BTreeMap::new();
    let symbols = file.symbols().chain(file.dynamic_symbols());
    for symbol in symbols.filter(|s| s.kind() == SymbolKind::Text && s.size() > 0) {
        functions.insert(symbol.address(), symbol.address() + symbol.size());
    }
    if let Some(section) = file.section_by_name(".eh_frame") {
        let data = section.data()?;
        let frame = EhFrame::new(data, LittleEndian);
        let bases = BaseAddresses::default().set_eh_frame(section.address());
        let mut entries = frame.entries(&bases);
        while let Some(entry) = entries.next()? {
            if let CieOrFde::Fde(partial) = entry {
                let fde = partial.parse(|_, bases, offset| frame.cie_from_offset(bases, offset))?;
                functions.insert(fde.initial_address(), fde.initial_address() + fde.len());
            }
        }
    }
    Ok(functions)
}

/// The `syscall` instructions of a section. Decoding begins anew at every function, so that data
/// between them does no harm.
pub fn sites(code: &Code, functions: &BTreeMap<u64, u64>) -> Vec<u64> {
    let mut sites = Vec::new();
    let mut at = code.base;
    while at < code.end() {
        let next = functions.range(at + 1..).next().map_or(code.end(), |(&start, _)| start.min(code.end()));
        let starts = rewriter::instruction_starts(code, at, next);
        let is_site = |&at: &u64| code.bytes[(at - code.base) as usize..].starts_with(&[0x0f, 0x05]);
        sites.extend(starts.iter().copied().filter(is_site));
        at = match starts.last() {
            // Stopped early at bytes that are no instruction.
            Some(&last) if last + 15 < next => last + 1,
            _ => next,
        };
    }
    sites.sort_unstable();
    sites.dedup();
    sites
}
