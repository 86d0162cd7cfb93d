//! The promises of `run` on a machine whose vector registers are xmm.

mod common;
#[path = "common/hosted_cases.rs"]
mod hosted_cases;

fn prepare() {
    fncall::keep_only(0);
    common::handlers();
}
