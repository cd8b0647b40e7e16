/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 256 vectors into one frame (struct trap_frame), and the way into and out of ring 3. */
    .text
    .code64
    .macro stub vector
    .balign 16
    .if (\vector == 8) || (\vector >= 10 && \vector <= 14) || (\vector == 17) || (\vector == 21)
    .else
    pushq $0
    .endif
    pushq $\vector
    jmp trap_common
    .endm

    .balign 16
    .globl trap_stubs
trap_stubs:
    .set i, 0
    .rept 256
    .balign 32
    stub i
    .set i, i + 1
    .endr

trap_common:
    pushq %rax
    pushq %rbx
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %rbp
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, %rdi
    cld
    movq %rsp, %rbp
    andq $~15, %rsp
    call trap_dispatch
    movq %rbp, %rsp
    .globl trap_return
trap_return:
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rbp
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rbx
    popq %rax
    addq $16, %rsp
    iretq

    /* int catch_enter(struct catch_context *): saves where to come back to; 0 at first, then 1. */
    .globl catch_enter
catch_enter:
    movq %rbx, 0(%rdi)
    movq %rbp, 8(%rdi)
    movq %r12, 16(%rdi)
    movq %r13, 24(%rdi)
    movq %r14, 32(%rdi)
    movq %r15, 40(%rdi)
    movq %rsp, 48(%rdi)
    movq (%rsp), %rax
    movq %rax, 56(%rdi)
    xorl %eax, %eax
    ret

    /* void catch_leave(struct catch_context *): catch_enter returns 1. */
    .globl catch_leave
catch_leave:
    movq 0(%rdi), %rbx
    movq 8(%rdi), %rbp
    movq 16(%rdi), %r12
    movq 24(%rdi), %r13
    movq 32(%rdi), %r14
    movq 40(%rdi), %r15
    movq 48(%rdi), %rsp
    movq 56(%rdi), %rax
    movq %rax, (%rsp)
    movl $1, %eax
    ret

    /* void user_enter(code, opaque, stack): ring 3, interrupts off; comes back only by a trap. */
    .globl user_enter
user_enter:
    pushq $0x2b
    pushq %rdx
    pushq $2
    pushq $0x33
    leaq user_start(%rip), %rax
    pushq %rax
    movq %rdi, %rax
    movq %rsi, %rdi
    iretq
user_start:
    call *%rax
    int $0x80
    .section .note.GNU-stack, "", @progbits
