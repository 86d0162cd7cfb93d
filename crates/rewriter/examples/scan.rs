//! Plans every `syscall` of ELF files and reports which route was found, or why none was.
//!
//! ```sh
//! cargo run --release -p rewriter --example scan -- [-v] [--blind] [--repeat] FILE…
//! ```
//!
//! `-v` prints one line for each site, `--blind` withholds the functions' bounds, `--repeat`
//! plans each site a hundred times more, for measuring. Functions come from
//! `.eh_frame` and the symbol tables; the sites are found by decoding the executable sections. The
//! trampolines are imagined 256 MiB further up. Each patch is applied to a copy of the section before
//! the next site is planned, so that sites compete for islands as they would in memory.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::{env, fs};

use object::{Object, ObjectSection, ObjectSymbol, SectionKind};
use rewriter::{Code, Hints, plan};

#[path = "../tests/common/elf.rs"]
mod elf;

fn main() -> ExitCode {
    let (mut verbose, mut blind, mut repeat, mut files) = (false, false, 0, Vec::new());
    for arg in env::args().skip(1) {
        match arg.as_str() {
            "-v" => verbose = true,
            "--blind" => blind = true,
            "--repeat" => repeat = 100,
            _ => files.push(arg),
        }
    }
    let mut total = Tally::default();
    for file in &files {
        match scan(file, verbose, blind, repeat) {
            Ok(tally) => {
                println!("{file}: {tally}");
                total.add(&tally);
            }
            Err(error) => eprintln!("{file}: {error}"),
        }
    }
    println!("total: {total}");
    ExitCode::SUCCESS
}

#[derive(Default)]
struct Tally {
    sites: usize,
    patched: usize,
    quiesce: usize,
    bypassed: usize,
    by_outcome: BTreeMap<String, usize>,
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.sites += other.sites;
        self.patched += other.patched;
        self.quiesce += other.quiesce;
        self.bypassed += other.bypassed;
        for (outcome, count) in &other.by_outcome {
            *self.by_outcome.entry(outcome.clone()).or_default() += count;
        }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let percent = 100.0 * self.patched as f64 / self.sites.max(1) as f64;
        write!(f, "{} of {} sites ({percent:.1} %)", self.patched, self.sites)?;
        write!(f, ", {} need a stop, {} may be bypassed", self.quiesce, self.bypassed)?;
        self.by_outcome.iter().try_for_each(|(outcome, count)| write!(f, "; {outcome}: {count}"))
    }
}

fn scan(path: &str, verbose: bool, blind: bool, repeat: u32) -> Result<Tally, Box<dyn std::error::Error>> {
    let data = fs::read(path)?;
    let file = object::File::parse(&*data)?;
    let functions = elf::functions(&file)?;
    let mut tally = Tally::default();
    for section in file.sections().filter(|section| section.kind() == SectionKind::Text) {
        let (base, mut bytes) = (section.address(), section.data()?.to_vec());
        let mut fixed = Vec::new();
        for site in elf::sites(&Code { base, bytes: &bytes }, &functions) {
            let code = Code { base, bytes: &bytes };
            // As a kernel would see it: a page on each side.
            let function = functions.range(..=site).next_back().map(|(&start, &end)| (start, end));
            let function = function.filter(|&(_, end)| site < end);
            let low = site.saturating_sub(4096).min(function.map_or(u64::MAX, |f| f.0)).max(code.base);
            let high = (site + 4096).max(function.map_or(0, |f| f.1)).min(code.end());
            let view = Code {
                base: low,
                bytes: &code.bytes[(low - code.base) as usize..(high - code.base) as usize],
            };
            // `rax` of a path that loads it just before; others are not known before they are run.
            let at = (site - code.base) as usize;
            let rax = match at.checked_sub(5).map(|from| &code.bytes[from..at]) {
                Some([0xb8, a, b, c, d]) => u32::from_le_bytes([*a, *b, *c, *d]).into(),
                _ => likely_rax(&code, site, function),
            };
            let near = |&(start, end): &(u64, u64)| start < high && end > low;
            let near: Vec<_> = fixed.iter().copied().filter(near).collect();
            let hints = Hints { function: function.filter(|_| !blind), rax, fixed: &near };
            for _ in 0..repeat {
                std::hint::black_box(plan(&view, site, &hints, site + (256 << 20), 0x7fff_0000_0000).is_ok());
            }
            let mut note = "";
            let outcome = match plan(&view, site, &hints, site + (256 << 20), 0x7fff_0000_0000) {
                Ok(patch) => {
                    tally.patched += 1;
                    tally.quiesce += usize::from(patch.quiesce);
                    note = if patch.bypassed { ", may be bypassed" } else { "" };
                    tally.bypassed += usize::from(patch.bypassed);
                    for write in &patch.writes {
                        let at = (write.addr - base) as usize;
                        assert_eq!(bytes[at..at + write.old.len()], write.old);
                        bytes[at..at + write.bytes.len()].copy_from_slice(&write.bytes);
                    }
                    fixed.extend(patch.fixed);
                    format!("{:?}", patch.route)
                }
                Err(refusal) => format!("refused, {refusal}"),
            };
            if verbose {
                let within = function.map_or_else(String::new, |(start, _)| {
                    let name = file.symbols().chain(file.dynamic_symbols()).find(|s| s.address() == start);
                    let name = name.and_then(|s| s.name().ok()).unwrap_or("?").to_owned();
                    format!(" {name}+{:#x}", site - start)
                });
                println!("{path} {site:#x}{within}: {outcome}{note}");
            }
            tally.sites += 1;
            *tally.by_outcome.entry(outcome).or_default() += 1;
        }
    }
    Ok(tally)
}

/// The last immediate loaded into `eax` before the site, in the function or 64 bytes back.
fn likely_rax(code: &Code, site: u64, function: Option<(u64, u64)>) -> u64 {
    let from = function.map_or(site.saturating_sub(64).max(code.base), |(start, _)| start.max(code.base));
    let starts = rewriter::instruction_starts(code, from, site);
    let bytes = |at: u64| &code.bytes[(at - code.base) as usize..];
    let load = starts.iter().rev().take(16).find_map(|&at| match bytes(at) {
        [0xb8, a, b, c, d, ..] | [0x48, 0xc7, 0xc0, a, b, c, d, ..] => {
            Some(u32::from_le_bytes([*a, *b, *c, *d]).into())
        }
        _ => None,
    });
    load.unwrap_or(0)
}
