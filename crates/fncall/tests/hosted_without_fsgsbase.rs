//! The promises of `run`, where the host does not allow `wrfsbase` and `fs` is switched by `arch_prctl`.

mod common;
#[path = "common/hosted_cases.rs"]
mod hosted_cases;

std::arch::global_asm!(
    ".globl bare_count",
    "bare_count:",
    "inc rax",
    "lea rcx, [rip + bare_count]",
    "jmp fncall_jump_entry_bare",
);

unsafe extern "sysv64" {
    fn bare_count();
}

fn prepare() {
    fncall::without_fsgsbase();
    common::handlers();
}
