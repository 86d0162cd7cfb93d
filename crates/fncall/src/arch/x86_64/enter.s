# The way in. A routine per kind of entry:
#
#   bare          arithmetic flags only; what is not loaded here is live in the processor
#   bare_iret     the same, but every flag (DF TF AC NT ID) through iretq
#   hosted        also fs, all vector registers, MXCSR and the x87 control word
#   hosted_iret   both
#
# In:   rdi = the context, rsp = the kernel's stack with the address to go back to on top.
# Out:  to the user with the context's registers; nothing is pushed to or read from the user's stack.
#       Comes back to the address on the kernel's stack with eax = 1 when the user has left (by an entry or a
#       trap), or with eax = 0 when this routine may not be used now (see `Anchor::fast_bare`).
# Lost on the way back: all but rbx, rbp, rsp, gs (the caller names them).
#
# Between `_check` and `_end` nothing has been written but the anchor: a kick or a fault there is undone by
# going to `fncall_exit_tail`. Everything before `_check` is ordinary kernel code.

.macro FNCALL_LOAD_XMM
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    movaps xmm\n, [rdi + {XMM} + 16*\n]
    .endr
.endm

# Loads the vector registers from where FNCALL_STORE_VECTORS put them. No flag the user sees is loaded yet.
.macro FNCALL_LOAD_VECTORS
    cmp byte ptr gs:[{VECTORS}], 1
    ja 3f
    je 2f
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    movaps xmm\n, [rdi + {BLOCK} + 64*\n]
    .endr
    jmp 4f
2:  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    vmovaps ymm\n, [rdi + {BLOCK} + 64*\n]
    .endr
    jmp 4f
3:  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    vmovaps zmm\n, [rdi + {BLOCK} + 64*\n]
    .endr
    .irp n, 0,1,2,3,4,5,6,7
    kmovq k\n, [rdi + {BLOCK} + 2048 + 8*\n]
    .endr
4:
.endm

# What a hosted kernel has to give up: fs, vector registers, MXCSR, x87 control word. Loses rax, rcx, rdx, rsi, r12.
.macro FNCALL_LOAD_HOSTED
    mov rsi, [rdi + {FSBASE}]
    lea rax, [rsi - 1]                  # zero, or not in the user half: somebody else's business
    shr rax, 47
    jnz fncall_enter_refused
    cmp byte ptr gs:[{NO_FSGSBASE}], 0
    jne 5f
    wrfsbase rsi
6:  cmp byte ptr [rdi + {X87_IN_IMAGE}], 0
    jne 7f
8:  FNCALL_LOAD_VECTORS
    ldmxcsr [rdi + {MXCSR}]
.endm

# Out of the way, but before the routine's `_end`.
.macro FNCALL_LOAD_HOSTED_COLD
    .cfi_restore_state
5:  mov r12, rdi
    mov eax, 158                        # arch_prctl(ARCH_SET_FS, fsbase)
    mov edi, 0x1002
    syscall
    mov rdi, r12
    test eax, eax
    jz 6b
    jmp fncall_enter_refused
7:  fxrstor64 [rdi + {IMAGE}]           # not fldcw, which would raise an exception that is pending
    jmp 8b
.endm

# All general registers but rsp, rip and rdi. No flag changes.
.macro FNCALL_LOAD_GENERAL
    mov rax, [rdi + {RAX}]
    mov rbx, [rdi + {RBX}]
    mov rcx, [rdi + {RCX}]
    mov rdx, [rdi + {RDX}]
    mov rsi, [rdi + {RSI}]
    mov rbp, [rdi + {RBP}]
    mov r8,  [rdi + {R8}]
    mov r9,  [rdi + {R9}]
    mov r10, [rdi + {R10}]
    mov r11, [rdi + {R11}]
    mov r12, [rdi + {R12}]
    mov r13, [rdi + {R13}]
    mov r14, [rdi + {R14}]
    mov r15, [rdi + {R15}]
.endm

# The kernel's frame while the user runs, high addresses on top:
#
#                   address to go back to
#                   rbp
#   kernel_rsp ──►  rbx
.macro FNCALL_SAVE_KERNEL
    .cfi_startproc
    push rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbp, 0
    push rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbx, 0
    mov byte ptr gs:[{MODE}], {SWITCHING}
    mov gs:[{KERNEL_RSP}], rsp
.endm

# OF from bit 11 of rax, SF ZF AF PF CF from its low byte. Loses rax, rcx.
.macro FNCALL_LOAD_FLAGS
    mov ecx, eax
    shr ecx, 11
    and ecx, 1
    mov ah, al
    add cl, 0x7f                        # overflows when OF is to be 1
    sahf
.endm

# The frame of iretq, in the anchor: rip, cs, rflags, rsp, ss. Loses rax, rcx, rdx.
.macro FNCALL_FILL_IRET
    mov rdx, [rdi + {RIP}]
    mov gs:[{IRET}], rdx
    mov ecx, cs
    mov gs:[{IRET} + 8], rcx
    mov rax, [rdi + {RFLAGS}]
    and eax, {USER_FLAGS}
    or  eax, 0x202
    mov gs:[{IRET} + 16], rax
    mov rdx, [rdi + {RSP}]
    mov gs:[{IRET} + 24], rdx
    mov ecx, ss
    mov gs:[{IRET} + 32], rcx
.endm

.globl fncall_text_start
.hidden fncall_text_start
fncall_text_start:

.p2align 6
.globl fncall_enter_bare, fncall_enter_bare_check, fncall_enter_bare_end
.hidden fncall_enter_bare, fncall_enter_bare_check, fncall_enter_bare_end
.type fncall_enter_bare, @function
fncall_enter_bare:
    FNCALL_SAVE_KERNEL
fncall_enter_bare_check:
    cmp gs:[{FAST_BARE}], rdi                # kicked, or another context is live?
    jne fncall_enter_refused
    mov rax, [rdi + {RFLAGS}]
    test eax, {SLOW_FLAGS}
    jnz fncall_enter_refused
    mov rcx, [rdi + {RIP}]
    mov gs:[{ANCHOR_RIP}], rcx
    FNCALL_LOAD_XMM
    FNCALL_LOAD_FLAGS
    FNCALL_LOAD_GENERAL
    mov byte ptr gs:[{MODE}], {IN_USER}
    mov rsp, [rdi + {RSP}]
    .cfi_undefined rip
    mov rdi, [rdi + {RDI}]
    jmp qword ptr gs:[{ANCHOR_RIP}]
fncall_enter_bare_end:
    .cfi_endproc
.size fncall_enter_bare, . - fncall_enter_bare

.p2align 4
.globl fncall_enter_bare_iret, fncall_enter_bare_iret_check, fncall_enter_bare_iret_end
.hidden fncall_enter_bare_iret, fncall_enter_bare_iret_check, fncall_enter_bare_iret_end
.type fncall_enter_bare_iret, @function
fncall_enter_bare_iret:
    FNCALL_SAVE_KERNEL
fncall_enter_bare_iret_check:
    cmp gs:[{FAST_BARE}], rdi
    jne fncall_enter_refused
    FNCALL_FILL_IRET
    FNCALL_LOAD_XMM
    FNCALL_LOAD_GENERAL
    mov byte ptr gs:[{MODE}], {IN_USER}
    mov rsp, gs:[{THIS}]
    .cfi_undefined rip
    lea rsp, [rsp + {IRET}]
    mov rdi, [rdi + {RDI}]
    iretq
fncall_enter_bare_iret_end:
    .cfi_endproc
.size fncall_enter_bare_iret, . - fncall_enter_bare_iret

.p2align 6
.globl fncall_enter_hosted, fncall_enter_hosted_check, fncall_enter_hosted_end
.hidden fncall_enter_hosted, fncall_enter_hosted_check, fncall_enter_hosted_end
.type fncall_enter_hosted, @function
fncall_enter_hosted:
    FNCALL_SAVE_KERNEL
fncall_enter_hosted_check:
    cmp gs:[{FAST_HOSTED}], rdi
    jne fncall_enter_refused
    test dword ptr [rdi + {RFLAGS}], {SLOW_FLAGS}
    jnz fncall_enter_refused
    FNCALL_LOAD_HOSTED
    mov rcx, [rdi + {RIP}]
    mov gs:[{ANCHOR_RIP}], rcx
    mov rax, [rdi + {RFLAGS}]
    FNCALL_LOAD_FLAGS
    FNCALL_LOAD_GENERAL
    mov byte ptr gs:[{MODE}], {IN_USER}
    mov rsp, [rdi + {RSP}]
    .cfi_remember_state
    .cfi_undefined rip
    mov rdi, [rdi + {RDI}]
    jmp qword ptr gs:[{ANCHOR_RIP}]
    FNCALL_LOAD_HOSTED_COLD
fncall_enter_hosted_end:
    .cfi_endproc
.size fncall_enter_hosted, . - fncall_enter_hosted

.p2align 4
.globl fncall_enter_hosted_iret, fncall_enter_hosted_iret_check, fncall_enter_hosted_iret_end
.hidden fncall_enter_hosted_iret, fncall_enter_hosted_iret_check, fncall_enter_hosted_iret_end
.type fncall_enter_hosted_iret, @function
fncall_enter_hosted_iret:
    FNCALL_SAVE_KERNEL
fncall_enter_hosted_iret_check:
    cmp gs:[{FAST_HOSTED}], rdi
    jne fncall_enter_refused
    FNCALL_FILL_IRET
    FNCALL_LOAD_HOSTED
    FNCALL_LOAD_GENERAL
    mov byte ptr gs:[{MODE}], {IN_USER}
    mov rsp, gs:[{THIS}]
    .cfi_remember_state
    .cfi_undefined rip
    lea rsp, [rsp + {IRET}]
    mov rdi, [rdi + {RDI}]
    iretq
    FNCALL_LOAD_HOSTED_COLD
fncall_enter_hosted_iret_end:
    .cfi_endproc
.size fncall_enter_hosted_iret, . - fncall_enter_hosted_iret

# Not now: back to the caller with eax = 0. Nothing has been loaded yet.
.p2align 4
.type fncall_enter_refused, @function
fncall_enter_refused:
    .cfi_startproc
    .cfi_adjust_cfa_offset 16
    .cfi_rel_offset rbp, 8
    .cfi_rel_offset rbx, 0
    mov byte ptr gs:[{MODE}], {IN_KERNEL}
    pop rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbx
    pop rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbp
    xor eax, eax
    pop rdx
    .cfi_adjust_cfa_offset -8
    .cfi_register rip, rdx
    jmp rdx                             # not ret: the predictor's return stack belongs to the user's calls
    .cfi_endproc
.size fncall_enter_refused, . - fncall_enter_refused
