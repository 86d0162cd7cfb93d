//! The system-call table as text, for people: `fncall syscalls`.

use alloc::string::String;
use core::fmt::Write as _;

use super::table::{COUNT, Support, entry};

/// One line for each system call of Linux: number, name, support, note; at the end the sums.
pub fn list() -> String {
    let mut text = String::new();
    let mut sums = [0; 3];
    for (number, entry) in (0..COUNT).filter_map(|number| Some((number, entry(number)?))) {
        let (index, support) = match entry.support {
            Support::Full => (0, "full"),
            Support::Partial => (1, "partial"),
            Support::None => (2, "none"),
        };
        sums[index] += 1;
        let line = alloc::format!("{number:>3}  {:<24} {support:<8} {}", entry.name, entry.note);
        // Writing to a string never fails.
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let [full, partial, none] = sums;
    let _ = writeln!(text, "\n{full} full, {partial} partial, {none} not there (ENOSYS)");
    text
}
