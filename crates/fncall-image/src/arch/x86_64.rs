//! First instructions and memory routines, x86-64.
//!
//! The memory routines are what the compiler calls where C has `memcpy` and friends. They use general registers
//! and the string instructions only: the vector registers are the program's. Short blocks are moved by two
//! overlapping words, those up to 512 bytes (the kernel's own structures) by words, long ones by `rep movsb`, which
//! this architecture makes fast (FSRM/ERMS) once it has begun.

use core::arch::global_asm;

global_asm!(
    r#"
    .pushsection .text.fncall_start,"ax",@progbits
    .global _start
    .type _start,@function
_start:
    .cfi_startproc
    .cfi_undefined rip              # the outermost frame
    xor ebp, ebp
    mov rdi, rsp                    # argc, argv, envp, auxv
    and rsp, -16
    call fncall_start
    ud2
    .cfi_endproc
    .size _start, . - _start

    # memcpy(rdi = dst, rsi = src, rdx = len) -> rax = dst
    .p2align 4
    .global memcpy
    .type memcpy,@function
memcpy:
    .cfi_startproc
    mov rax, rdi
    cmp rdx, 16
    ja 2f
    cmp rdx, 8
    jae 8f
    cmp rdx, 4
    jae 4f
    test rdx, rdx
    jz 1f
    movzx ecx, byte ptr [rsi]       # 1 to 3 bytes: first, middle, last
    movzx r8d, byte ptr [rsi + rdx - 1]
    mov r9, rdx
    shr r9
    movzx r10d, byte ptr [rsi + r9]
    mov [rdi], cl
    mov [rdi + r9], r10b
    mov [rdi + rdx - 1], r8b
1:  ret
4:  mov ecx, [rsi]                  # 4 to 7 bytes: two words that overlap
    mov r8d, [rsi + rdx - 4]
    mov [rdi], ecx
    mov [rdi + rdx - 4], r8d
    ret
8:  mov rcx, [rsi]                  # 8 to 16 bytes
    mov r8, [rsi + rdx - 8]
    mov [rdi], rcx
    mov [rdi + rdx - 8], r8
    ret
2:  cmp rdx, 128
    ja 3f
    lea rcx, [rdx - 8]              # offset of the last word
    mov r8, [rsi + rcx]
    xor r9d, r9d
5:  mov r10, [rsi + r9]
    mov [rdi + r9], r10
    add r9, 8
    cmp r9, rcx
    jb 5b
    mov [rdi + rcx], r8
    ret
3:  cmp rdx, 512
    ja 7f
    lea rcx, [rdx - 32]             # offset of the last four words
    xor r9d, r9d
6:  mov r8, [rsi + r9]
    mov r10, [rsi + r9 + 8]
    mov r11, [rsi + r9 + 16]
    mov rdx, [rsi + r9 + 24]
    mov [rdi + r9], r8
    mov [rdi + r9 + 8], r10
    mov [rdi + r9 + 16], r11
    mov [rdi + r9 + 24], rdx
    add r9, 32
    cmp r9, rcx
    jb 6b
    mov r8, [rsi + rcx]
    mov r10, [rsi + rcx + 8]
    mov r11, [rsi + rcx + 16]
    mov rdx, [rsi + rcx + 24]
    mov [rdi + rcx], r8
    mov [rdi + rcx + 8], r10
    mov [rdi + rcx + 16], r11
    mov [rdi + rcx + 24], rdx
    ret
7:  mov rcx, rdx
    rep movsb
    ret
    .cfi_endproc
    .size memcpy, . - memcpy

    # memmove(rdi = dst, rsi = src, rdx = len) -> rax = dst
    .p2align 4
    .global memmove
    .type memmove,@function
memmove:
    .cfi_startproc
    mov rax, rdi
    mov rcx, rdi
    sub rcx, rsi
    cmp rcx, rdx
    jb 2f                           # dst inside src..src+len: from the end
    mov rcx, rdx                    # forwards, also when the destination overlaps from below
    cmp rdx, 64
    jae 1f
6:  sub rcx, 8
    jb 7f
    mov r8, [rsi]
    mov [rdi], r8
    add rsi, 8
    add rdi, 8
    jmp 6b
7:  add rcx, 8
    jz 9f
8:  mov r8b, [rsi]
    mov [rdi], r8b
    inc rsi
    inc rdi
    dec rcx
    jnz 8b
9:  ret
1:  rep movsb
    ret
2:  mov rcx, rdx
3:  cmp rcx, 8
    jb 4f
    mov r8, [rsi + rcx - 8]
    mov [rdi + rcx - 8], r8
    sub rcx, 8
    jmp 3b
4:  test rcx, rcx
    jz 5f
    mov r8b, [rsi + rcx - 1]
    mov [rdi + rcx - 1], r8b
    dec rcx
    jmp 4b
5:  ret
    .cfi_endproc
    .size memmove, . - memmove

    # memset(rdi = dst, esi = byte, rdx = len) -> rax = dst
    .p2align 4
    .global memset
    .type memset,@function
memset:
    .cfi_startproc
    mov r9, rdi
    movzx eax, sil
    mov rcx, 0x0101010101010101
    imul rax, rcx                   # the byte, eight times
    cmp rdx, 8
    jb 2f
    cmp rdx, 512
    ja 3f
    lea rcx, [rdx - 8]
    xor r8d, r8d
    cmp rdx, 64
    jb 1f
    lea r10, [rdx - 32]             # offset of the last four words
5:  mov [rdi + r8], rax
    mov [rdi + r8 + 8], rax
    mov [rdi + r8 + 16], rax
    mov [rdi + r8 + 24], rax
    add r8, 32
    cmp r8, r10
    jbe 5b
    cmp r8, rcx
    jae 6f
1:  mov [rdi + r8], rax
    add r8, 8
    cmp r8, rcx
    jb 1b
6:  mov [rdi + rcx], rax
    mov rax, r9
    ret
2:  test rdx, rdx
    jz 4f
    mov [rdi], al
    inc rdi
    dec rdx
    jmp 2b
3:  mov rcx, rdx
    rep stosb
4:  mov rax, r9
    ret
    .cfi_endproc
    .size memset, . - memset

    # memcmp, bcmp(rdi, rsi, rdx = len) -> eax: difference of the first bytes that differ
    .p2align 4
    .global memcmp
    .type memcmp,@function
    .global bcmp
    .type bcmp,@function
memcmp:
bcmp:
    .cfi_startproc
1:  cmp rdx, 8
    jb 2f
    mov rax, [rdi]
    mov rcx, [rsi]
    cmp rax, rcx
    jne 5f
    add rdi, 8
    add rsi, 8
    sub rdx, 8
    jmp 1b
2:  test rdx, rdx
    jz 4f
3:  movzx eax, byte ptr [rdi]
    movzx ecx, byte ptr [rsi]
    sub eax, ecx
    jne 6f
    inc rdi
    inc rsi
    dec rdx
    jnz 3b
4:  xor eax, eax
6:  ret
5:  bswap rax                       # big-endian order is the order of the bytes
    bswap rcx
    cmp rax, rcx
    sbb eax, eax
    or eax, 1
    ret
    .cfi_endproc
    .size memcmp, . - memcmp

    # strlen(rdi) -> rax
    .p2align 4
    .global strlen
    .type strlen,@function
strlen:
    .cfi_startproc
    xor eax, eax
1:  cmp byte ptr [rdi + rax], 0
    je 2f
    inc rax
    jmp 1b
2:  ret
    .cfi_endproc
    .size strlen, . - strlen
    .popsection
"#
);

/// Named by the unwind tables of the precompiled core library; nothing unwinds here.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// Referenced by the precompiled alloc library for unwinding, which cannot begin: panics abort.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    host::boot::die(format_args!("kernel bug: unwinding"))
}
