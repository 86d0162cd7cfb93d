//! fncall
#![no_std]

/// x
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
#[allow(missing_docs)]
pub struct GeneralRegs {
    pub rax: usize,
    pub rbx: usize,
    pub rcx: usize,
    pub rdx: usize,
    pub rsi: usize,
    pub rdi: usize,
    pub rbp: usize,
    pub rsp: usize,
    pub r8: usize,
    pub r9: usize,
    pub r10: usize,
    pub r11: usize,
    pub r12: usize,
    pub r13: usize,
    pub r14: usize,
    pub r15: usize,
    pub rip: usize,
    pub rflags: usize,
    pub fsbase: usize,
    pub gsbase: usize,
}
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, Default)]
pub struct UserContext {
    pub general: GeneralRegs,
    pub trap_num: usize,
    pub error_code: usize,
}
#[allow(missing_docs)]
pub struct Context {
    pub user: UserContext,
}
#[allow(missing_docs, clippy::new_without_default)]
impl Context {
    pub fn new() -> Self {
        Context { user: UserContext::default() }
    }
}
