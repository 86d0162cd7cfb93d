# The way out: the user leaves where it would have executed `syscall`. Two contracts:
#
#   jump entry  rcx = where to go on, r11 free, all else as for `syscall`; touches no user stack.
#               Afterwards the context has rcx = rip and r11 = rflags, as after `syscall`.
#   call entry  called: the return address is on the user's stack and is popped; every register is kept.
#
# and two kinds, as for the way in: bare keeps the xmm and leaves the rest in the processor, hosted takes
# everything from the user that the kernel's C library may change.
#
# All leave on the kernel's stack with eax = 1. Between `_begin` and `_end` a kick only sets the flag, because the
# context is half written. The instructions before `_begin` count as the user's own.

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

# From the user's stack to the kernel's, where rbx, rbp and the address to go back to wait.
.macro FNCALL_SWITCH_STACK
    mov [r11 + {RSP}], rsp
    mov rsp, gs:[{KERNEL_RSP}]
    .cfi_def_cfa rsp, 24
    .cfi_rel_offset rip, 16
    .cfi_rel_offset rbp, 8
    .cfi_rel_offset rbx, 0
.endm

# rax = the user's flags, which no instruction of the entry has changed yet.
.macro FNCALL_READ_FLAGS
    pushfq
    .cfi_adjust_cfa_offset 8
    pop rax
    .cfi_adjust_cfa_offset -8
.endm

.macro FNCALL_STORE_EXTENDED_bare
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    movaps [r11 + {XMM} + 16*\n], xmm\n
    .endr
.endm

.macro FNCALL_COLD_bare
.endm

# With the usual control word the x87 registers stay in the processor, and the kernel finds its own control word
# there. fs comes last: wrfsbase waits for everything before it, and is the dearest instruction of a round trip. Loses
# rax, and with FNCALL_COLD_hosted rcx, rdx, rsi, rdi, r12.
.macro FNCALL_STORE_EXTENDED_hosted
    cmp byte ptr gs:[{VECTORS}], 1
    ja 3f
    je 2f
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    movaps [r11 + {BLOCK} + 64*\n], xmm\n
    .endr
    jmp 4f
2:  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    vmovaps [r11 + {BLOCK} + 64*\n], ymm\n
    .endr
    vzeroupper                          # the kernel may use legacy SSE, slow with dirty upper halves
    jmp 4f
3:  .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    vmovaps [r11 + {BLOCK} + 64*\n], zmm\n
    .endr
    .irp n, 0,1,2,3,4,5,6,7
    kmovq [r11 + {BLOCK} + 2048 + 8*\n], k\n
    .endr
    vzeroupper
4:  stmxcsr [r11 + {MXCSR}]
    ldmxcsr [rip + fncall_kernel_mxcsr] # a load alone is cheaper than a look whether it is needed
    fnstcw [r11 + {FCW}]
    mov byte ptr [r11 + {X87_IN_IMAGE}], 0
    cmp word ptr [r11 + {FCW}], 0x37f
    jne 9f
12: cmp byte ptr gs:[{NO_FSGSBASE}], 0
    jne 5f
    rdfsbase rax
    mov [r11 + {FSBASE}], rax
    mov rax, gs:[{KERNEL_FSBASE}]
    wrfsbase rax
6:
.endm

# Out of the way, but before the routine's `_end`.
.macro FNCALL_COLD_hosted
    .cfi_restore_state
5:  mov r12, r11
    lea rsi, [r12 + {FSBASE}]
    mov edi, 0x1003                     # arch_prctl(ARCH_GET_FS, &fsbase)
    mov eax, 158
    syscall
    mov rsi, gs:[{KERNEL_FSBASE}]
    mov edi, 0x1002                     # arch_prctl(ARCH_SET_FS, kernel_fsbase)
    mov eax, 158
    syscall
    mov r11, r12
    jmp 6b
9:  mov eax, 1
    xor edx, edx
    xsave64 [r11 + {IMAGE}]             # an unmasked exception may be pending: it stays the user's
    fninit
    mov byte ptr [r11 + {X87_IN_IMAGE}], 1
    jmp 12b
.endm

# The reason of the return, and a kernel without the user's odd flags. Loses rax.
.macro FNCALL_FINISH
    mov qword ptr [r11 + {TRAP_NUM}], {TRAP_SYSCALL}
    mov qword ptr [r11 + {ERROR_CODE}], 0
    mov byte ptr [r11 + {VIA_TRAP}], 0
    test dword ptr [r11 + {RFLAGS}], {UNWANTED_FLAGS}
    jnz fncall_exit_clean_flags
.endm

# Back into `run`. Not ret: the predictor's return stack belongs to the user's calls.
.macro FNCALL_TAIL
    .cfi_remember_state
    mov byte ptr gs:[{MODE}], {IN_KERNEL}
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
.endm

.macro FNCALL_JUMP_ENTRY kind
.p2align 6
.globl fncall_jump_entry_\kind, fncall_jump_entry_\kind\()_begin, fncall_jump_entry_\kind\()_end
.hidden fncall_jump_entry_\kind\()_begin, fncall_jump_entry_\kind\()_end
.type fncall_jump_entry_\kind, @function
fncall_jump_entry_\kind:
    .cfi_startproc
    .cfi_register rip, rcx
    mov r11, gs:[{CURRENT}]
fncall_jump_entry_\kind\()_begin:
    mov byte ptr gs:[{MODE}], {SWITCHING}
    FNCALL_STORE_GENERAL
    mov [r11 + {RIP}], rcx
    FNCALL_SWITCH_STACK
    FNCALL_READ_FLAGS
    mov [r11 + {RFLAGS}], rax
    mov [r11 + {R11}], rax
    FNCALL_STORE_EXTENDED_\kind
    FNCALL_FINISH
    FNCALL_TAIL
    FNCALL_COLD_\kind
fncall_jump_entry_\kind\()_end:
    .cfi_endproc
.size fncall_jump_entry_\kind, . - fncall_jump_entry_\kind
.endm

.macro FNCALL_CALL_ENTRY kind
.p2align 4
.globl fncall_call_entry_\kind, fncall_call_entry_\kind\()_begin, fncall_call_entry_\kind\()_end
.hidden fncall_call_entry_\kind, fncall_call_entry_\kind\()_begin, fncall_call_entry_\kind\()_end
.type fncall_call_entry_\kind, @function
fncall_call_entry_\kind:
    .cfi_startproc
    pop qword ptr gs:[{ANCHOR_RIP}]     # the return address; a bad stack faults here, as the user's fault
    .cfi_adjust_cfa_offset -8           # what was popped is still below rsp
fncall_call_entry_\kind\()_begin:
    mov gs:[{SCRATCH}], r11
    mov r11, gs:[{CURRENT}]
    mov byte ptr gs:[{MODE}], {SWITCHING}
    FNCALL_STORE_GENERAL
    mov rax, gs:[{ANCHOR_RIP}]
    mov [r11 + {RIP}], rax
    mov rax, gs:[{SCRATCH}]
    mov [r11 + {R11}], rax
    FNCALL_SWITCH_STACK
    FNCALL_READ_FLAGS
    mov [r11 + {RFLAGS}], rax
    FNCALL_STORE_EXTENDED_\kind
    FNCALL_FINISH
    FNCALL_TAIL
    FNCALL_COLD_\kind
fncall_call_entry_\kind\()_end:
    .cfi_endproc
.size fncall_call_entry_\kind, . - fncall_call_entry_\kind
.endm

FNCALL_JUMP_ENTRY bare
FNCALL_JUMP_ENTRY hosted
FNCALL_CALL_ENTRY bare
FNCALL_CALL_ENTRY hosted

# What programs written for the original contract call. The last run has set where it leads.
.p2align 6
.globl syscall_fn_entry
.type syscall_fn_entry, @function
syscall_fn_entry:
    .cfi_startproc
    jmp qword ptr gs:[{CALL_ENTRY}]
    .cfi_endproc
.size syscall_fn_entry, . - syscall_fn_entry

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
    FNCALL_TAIL
    .cfi_endproc
.size fncall_exit_clean_flags, . - fncall_exit_clean_flags

fncall_kernel_mxcsr:
    .long 0x1f80
