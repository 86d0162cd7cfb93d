//! The promises of `run_bare`, where the host does not allow `wrgsbase`.

#[path = "common/bare_cases.rs"]
mod bare_cases;
mod common;

fn prepare() {
    fncall::without_fsgsbase();
}
