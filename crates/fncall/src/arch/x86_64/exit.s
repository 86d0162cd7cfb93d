# The way out: the user leaves where it would have executed `syscall`. Two contracts:
#
#   jump entry  rcx = where to go on, r11 free, all else as for `syscall`; touches no user stack.
#               Afterwards the context has rcx = rip and r11 = rflags, as after `syscall`.
#   call entry  called: the return address is on the user's stack and is popped; every register is kept.
#
# Both leave through `fncall_exit_tail` on the kernel's stack. Between `_begin` and `_end` a kick only sets the
# flag, because the context is half written. The instructions before `_begin` count as the user's own.

# All general registers but rsp, rip, r11 to the context in r11. No flag changes.
.macro FNCALL_STORE_GENERAL
    mov [r11 + {RAX}], rax
    mov [r11 + {RBX}], rbx
    mov [r11 + {RCX}], rcx
    mov [r11 + {RDX}], rdx
    mov [r11 + {RSI}], rsi
    mov [r11 + {RDI}], rdi
    mov [r11 + {RBP}], rbp
    mov [r11 + {R8}],  r8
    mov [r11 + {R9}],  r9
    mov [r11 + {R10}], r10
    mov [r11 + {R12}], r12
    mov [r11 + {R13}], r13
    mov [r11 + {R14}], r14
    mov [r11 + {R15}], r15
.endm

.macro FNCALL_STORE_XMM
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    movaps [r11 + {XMM} + 16*\n], xmm\n
    .endr
.endm

# The reason of the return.
.macro FNCALL_STORE_REASON
    mov qword ptr [r11 + {TRAP_NUM}], {TRAP_SYSCALL}
    mov qword ptr [r11 + {ERROR_CODE}], 0
    mov byte ptr [r11 + {VIA_TRAP}], 0
.endm

.p2align 6
.globl fncall_jump_entry_bare, fncall_jump_entry_bare_begin, fncall_jump_entry_bare_end
.hidden fncall_jump_entry_bare_begin, fncall_jump_entry_bare_end
.type fncall_jump_entry_bare, @function
fncall_jump_entry_bare:
    .cfi_startproc
    .cfi_register rip, rcx
    mov r11, gs:[{CURRENT}]
fncall_jump_entry_bare_begin:
    mov byte ptr gs:[{IN_USER}], 0
    FNCALL_STORE_GENERAL
    mov [r11 + {RIP}], rcx
    mov [r11 + {RSP}], rsp
    mov rsp, gs:[{KERNEL_RSP}]
    .cfi_def_cfa rsp, 24
    .cfi_rel_offset rbp, 8
    .cfi_rel_offset rbx, 0
    .cfi_rel_offset rip, 16
    pushfq
    .cfi_adjust_cfa_offset 8
    pop rax
    .cfi_adjust_cfa_offset -8
    mov [r11 + {RFLAGS}], rax
    mov [r11 + {R11}], rax
    FNCALL_STORE_XMM
    FNCALL_STORE_REASON
    test eax, {UNWANTED_FLAGS}
    jnz fncall_exit_clean_flags
fncall_jump_entry_bare_end:
    pop rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbx
    pop rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbp
    mov eax, 1
    pop rdx
    .cfi_adjust_cfa_offset -8
    .cfi_register rip, rdx
    jmp rdx                             # not ret: the predictor's return stack belongs to the user's calls
    .cfi_endproc
.size fncall_jump_entry_bare, . - fncall_jump_entry_bare

# What programs written for the original contract call.
.p2align 6
.globl syscall_fn_entry
.type syscall_fn_entry, @function
syscall_fn_entry:
    .cfi_startproc
    jmp qword ptr gs:[{CALL_ENTRY}]
    .cfi_endproc
.size syscall_fn_entry, . - syscall_fn_entry

.p2align 4
.globl fncall_call_entry_bare, fncall_call_entry_bare_begin, fncall_call_entry_bare_end
.hidden fncall_call_entry_bare, fncall_call_entry_bare_begin, fncall_call_entry_bare_end
.type fncall_call_entry_bare, @function
fncall_call_entry_bare:
    .cfi_startproc
    pop qword ptr gs:[{ANCHOR_RIP}]     # the return address; a bad stack faults here, as the user's fault
    .cfi_undefined rip
fncall_call_entry_bare_begin:
    mov gs:[{SCRATCH}], r11
    mov r11, gs:[{CURRENT}]
    mov byte ptr gs:[{IN_USER}], 0
    FNCALL_STORE_GENERAL
    mov rax, gs:[{ANCHOR_RIP}]
    mov [r11 + {RIP}], rax
    mov rax, gs:[{SCRATCH}]
    mov [r11 + {R11}], rax
    mov [r11 + {RSP}], rsp
    mov rsp, gs:[{KERNEL_RSP}]
    .cfi_def_cfa rsp, 24
    .cfi_rel_offset rbp, 8
    .cfi_rel_offset rbx, 0
    .cfi_rel_offset rip, 16
    pushfq
    .cfi_adjust_cfa_offset 8
    pop rax
    .cfi_adjust_cfa_offset -8
    mov [r11 + {RFLAGS}], rax
    FNCALL_STORE_XMM
    FNCALL_STORE_REASON
    test eax, {UNWANTED_FLAGS}
    jnz fncall_exit_clean_flags
fncall_call_entry_bare_end:
    jmp fncall_exit_tail
    .cfi_endproc
.size fncall_call_entry_bare, . - fncall_call_entry_bare

# The user left DF, AC, NT or ID set: the kernel wants none of them. They are in the context already.
.p2align 4
.globl fncall_exit_tail
.hidden fncall_exit_tail
.type fncall_exit_clean_flags, @function
fncall_exit_clean_flags:
    .cfi_startproc
    .cfi_def_cfa rsp, 24
    .cfi_rel_offset rbp, 8
    .cfi_rel_offset rbx, 0
    push 0x202
    .cfi_adjust_cfa_offset 8
    popfq
    .cfi_adjust_cfa_offset -8
# In: rsp = kernel_rsp. Where the signal handler resumes the kernel, too.
fncall_exit_tail:
    pop rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbx
    pop rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbp
    mov eax, 1
    pop rdx
    .cfi_adjust_cfa_offset -8
    .cfi_register rip, rdx
    jmp rdx
    .cfi_endproc
.size fncall_exit_clean_flags, . - fncall_exit_clean_flags
