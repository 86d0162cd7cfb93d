//! The promises of `run`, with `wrfsbase`.

mod common;
#[path = "common/hosted_cases.rs"]
mod hosted_cases;

fn prepare() {
    common::handlers();
}
