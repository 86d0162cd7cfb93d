//! The copy routines and their fixup table, x86-64.

use core::arch::global_asm;

// fncall_copy(rdi = dst, rsi = src, rdx = len) -> rax = bytes not copied
// fncall_clear(rdi = dst, rsi = len)           -> rax = bytes not written
// fncall_cmpxchg(rdi = word, rsi = &mut old, edx = new) -> rax = 0, or 4 on a fault
//
// Every instruction that may touch user memory carries a label of its own; `fixup` maps the label to the place
// that goes on. rcx always holds the bytes still to do when such an instruction faults: an interrupted `rep`
// leaves it so (SDM vol. 2B, REP), and the loops keep it so.
global_asm!(
    r#"
    .pushsection .text.fncall_usercopy,"ax",@progbits
    .p2align 4
    .global fncall_copy
    .type fncall_copy,@function
fncall_copy:
    .cfi_startproc
    mov rcx, rdx
    cmp rdx, 256                # struct statx; what is longer is worth the start of a `rep`
    ja 30f
10: cmp rcx, 8                  # eight bytes at a time while they last
    jb 20f
    .global fncall_copy_load8
fncall_copy_load8:
    mov rax, [rsi]
    .global fncall_copy_store8
fncall_copy_store8:
    mov [rdi], rax
    add rsi, 8
    add rdi, 8
    sub rcx, 8
    jmp 10b
    .global fncall_copy_tail
fncall_copy_tail:
20: cmp rcx, 4
    jb 25f
    .global fncall_copy_load4
fncall_copy_load4:
    mov eax, [rsi]
    .global fncall_copy_store4
fncall_copy_store4:
    mov [rdi], eax
    add rsi, 4
    add rdi, 4
    sub rcx, 4
    .global fncall_copy_bytes
fncall_copy_bytes:
25: test rcx, rcx               # then byte by byte, which faults exactly where memory ends
    jz 40f
    .global fncall_copy_load1
fncall_copy_load1:
    mov al, [rsi]
    .global fncall_copy_store1
fncall_copy_store1:
    mov [rdi], al
    inc rsi
    inc rdi
    dec rcx
    jmp 25b
    .global fncall_copy_rep
30:
fncall_copy_rep:
    rep movsb
40: xor eax, eax
    ret
    .global fncall_copy_fault
fncall_copy_fault:
    mov rax, rcx
    ret
    .cfi_endproc
    .size fncall_copy, . - fncall_copy

    .p2align 4
    .global fncall_clear
    .type fncall_clear,@function
fncall_clear:
    .cfi_startproc
    mov rcx, rsi
    xor eax, eax
    .global fncall_clear_rep
fncall_clear_rep:
    rep stosb
    xor eax, eax
    ret
    .cfi_endproc
    .size fncall_clear, . - fncall_clear

    .p2align 4
    .global fncall_cmpxchg
    .type fncall_cmpxchg,@function
fncall_cmpxchg:
    .cfi_startproc
    mov eax, [rsi]
    mov ecx, 4
    .global fncall_cmpxchg_op
fncall_cmpxchg_op:
    lock cmpxchg [rdi], edx
    mov [rsi], eax
    xor eax, eax
    ret
    .cfi_endproc
    .size fncall_cmpxchg, . - fncall_cmpxchg
    .popsection
"#
);

unsafe extern "sysv64" {
    fn fncall_copy(dst: *mut u8, src: *const u8, len: usize) -> usize;
    fn fncall_clear(dst: *mut u8, len: usize) -> usize;
    fn fncall_cmpxchg(word: *mut u32, old: *mut u32, new: u32) -> usize;
    fn fncall_copy_load8();
    fn fncall_copy_store8();
    fn fncall_copy_tail();
    fn fncall_copy_load4();
    fn fncall_copy_store4();
    fn fncall_copy_bytes();
    fn fncall_copy_load1();
    fn fncall_copy_store1();
    fn fncall_copy_rep();
    fn fncall_copy_fault();
    fn fncall_clear_rep();
    fn fncall_cmpxchg_op();
}

/// Copies `len` bytes; returns how many were not copied.
///
/// # Safety
/// The side that is kernel memory must be valid for `len` bytes; the other must not be kernel memory. A fault
/// handler must be installed that resumes at [`fixup`]'s answer.
#[inline]
pub unsafe fn copy(dst: *mut u8, src: *const u8, len: usize) -> usize {
    // SAFETY: passed on to the caller.
    unsafe { fncall_copy(dst, src, len) }
}

/// Writes `len` zero bytes; returns how many were not written.
///
/// # Safety
/// As [`copy`].
#[inline]
pub unsafe fn clear(dst: *mut u8, len: usize) -> usize {
    // SAFETY: passed on to the caller.
    unsafe { fncall_clear(dst, len) }
}

/// Compare-and-exchange on a user word; returns 0, or 4 when it faulted. `old` receives what was there.
///
/// # Safety
/// `word` is aligned and not kernel memory; as [`copy`] for faults.
pub unsafe fn cmpxchg_u32(word: *mut u32, old: &mut u32, new: u32) -> usize {
    // SAFETY: passed on to the caller; `old` is a live reference.
    unsafe { fncall_cmpxchg(word, old, new) }
}

/// Where a kernel-mode fault at instruction `rip` goes on, when `rip` belongs to a user copy.
pub fn fixup(rip: usize) -> Option<usize> {
    type Label = unsafe extern "sysv64" fn();
    let table: [(Label, Label); 9] = [
        // An eight- or four-byte access that faults is retried in smaller pieces: some of it may be there.
        (fncall_copy_load8, fncall_copy_tail),
        (fncall_copy_store8, fncall_copy_tail),
        (fncall_copy_load4, fncall_copy_bytes),
        (fncall_copy_store4, fncall_copy_bytes),
        (fncall_copy_load1, fncall_copy_fault),
        (fncall_copy_store1, fncall_copy_fault),
        (fncall_copy_rep, fncall_copy_fault),
        (fncall_clear_rep, fncall_copy_fault),
        (fncall_cmpxchg_op, fncall_copy_fault),
    ];
    table.iter().find(|(at, _)| *at as usize == rip).map(|(_, to)| *to as usize)
}
