//! The promises of `run_bare`, with `wrgsbase`.

#[path = "common/bare_cases.rs"]
mod bare_cases;
mod common;

fn prepare() {}
