//! The promises of `run` on a machine whose vector registers are ymm.

mod common;
#[path = "common/hosted_cases.rs"]
mod hosted_cases;

fn prepare() {
    fncall::keep_only(common::AVX);
    common::handlers();
}
