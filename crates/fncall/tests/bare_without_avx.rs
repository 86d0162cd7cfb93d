//! The promises of `run_bare` on a machine whose vector registers are xmm.

#[path = "common/bare_cases.rs"]
mod bare_cases;
mod common;

fn prepare() {
    fncall::keep_only(0);
}
