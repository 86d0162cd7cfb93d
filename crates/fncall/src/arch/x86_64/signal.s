# Where the host starts a signal handler, and where the handler returns to. On the thread's signal stack.

# In: rdi = signal, rsi = siginfo, rdx = ucontext, [rsp] = fncall_restorer. The host has cleared DF and TF, but
# AC and NT are still the user's, and with AC ordinary kernel code may fault.
.p2align 4
.globl fncall_signal_entry
.hidden fncall_signal_entry
.type fncall_signal_entry, @function
fncall_signal_entry:
    .cfi_startproc
    push 0x202
    .cfi_adjust_cfa_offset 8
    popfq
    .cfi_adjust_cfa_offset -8
    jmp {ON_SIGNAL}
    .cfi_endproc
.size fncall_signal_entry, . - fncall_signal_entry

# rt_sigreturn. Debuggers know a signal frame by exactly these bytes; the nop keeps them from looking one byte
# back into another function.
    nop
.p2align 4
.globl fncall_restorer
.hidden fncall_restorer
.type fncall_restorer, @function
fncall_restorer:
    mov rax, 15
    syscall
.size fncall_restorer, . - fncall_restorer
    ud2

.globl fncall_text_end
.hidden fncall_text_end
fncall_text_end:
