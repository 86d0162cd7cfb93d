//! Differences from the host that are known and not mended yet: `tests/known-differences.txt`. A case named there that
//! differs counts as ignored, with the reason; one that does not is an ordinary success.

/// `NAME: REASON` a line; `#` begins a comment. The name stands for all flavours of a case.
const LIST: &str = include_str!("../known-differences.txt");

/// Why the case is known to differ, if it is.
pub fn reason(case: &str) -> Option<&'static str> {
    let plain = case.split([' ', '[', '(']).next().unwrap_or(case);
    LIST.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| *name == plain)
        .map(|(_, reason)| reason)
}
