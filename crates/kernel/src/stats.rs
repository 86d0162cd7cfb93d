//! Counters behind `fncall run --stats`.
