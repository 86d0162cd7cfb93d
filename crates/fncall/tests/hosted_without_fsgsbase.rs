//! The promises of `run`, where the host does not allow `wrfsbase` and `fs` is switched by `arch_prctl`.

mod common;
#[path = "common/hosted_cases.rs"]
mod hosted_cases;

fn prepare() {
    fncall::without_fsgsbase();
    common::handlers();
}
