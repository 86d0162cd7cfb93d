//! The promises of `run` on a machine whose vector registers are ymm.

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
    fncall::keep_only(common::AVX);
    common::handlers();
}
