/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The far ends of SYSCALL, SYSENTER and call gates, and the ring 3 code that uses them. */
    .text
    .code64
    /* What the kernel side saw. Keep in step with privilege.c. */
    .set SEEN_RSP, 0
    .set SEEN_RCX, 8
    .set SEEN_R11, 16
    .set SEEN_FLAGS, 24
    .set SEEN_CS, 32
    .set SEEN_SS, 40
    .set SEEN_FRAME, 48         /* four words of the call gate's frame */
    .set SEEN_COUNT, 80

    .macro note_entry
    movq %rsp, seen + SEEN_RSP
    movq %rcx, seen + SEEN_RCX
    movq %r11, seen + SEEN_R11
    movq $entry_stack_top, %rsp
    pushfq
    popq seen + SEEN_FLAGS
    movl %cs, %eax
    movl %eax, seen + SEEN_CS
    movl %ss, %eax
    movl %eax, seen + SEEN_SS
    incq seen + SEEN_COUNT
    movq seen + SEEN_RSP, %rsp
    .endm

    .globl syscall_entry, syscall_entry_compat, sysenter_entry, gate_entry
syscall_entry:
    note_entry
    movq seen + SEEN_RCX, %rcx
    movq seen + SEEN_R11, %r11
    sysretq
syscall_entry_compat:           /* CSTAR: from 32-bit code, back to 32-bit code */
    note_entry
    movq seen + SEEN_RCX, %rcx
    movq seen + SEEN_R11, %r11
    sysretl
sysenter_entry:                 /* RDX and RCX carry where to go back to */
    note_entry
    movq seen + SEEN_RCX, %rcx
    sysexitq
gate_entry:
    note_entry
    movq seen + SEEN_RSP, %rsp
    movq 0(%rsp), %rax
    movq %rax, seen + SEEN_FRAME
    movq 8(%rsp), %rax
    movq %rax, seen + SEEN_FRAME + 8
    movq 16(%rsp), %rax
    movq %rax, seen + SEEN_FRAME + 16
    movq 24(%rsp), %rax
    movq %rax, seen + SEEN_FRAME + 24
    lretq

    .globl user_syscall, user_syscall_back, user_sysenter, user_gate, user_gate_back, user_compat
    /* void user_syscall(uint64_t out[4]): RSP, RCX, R11, flags after the SYSCALL. */
user_syscall:
    stc
    std
    movq %rsp, %rdx
    syscall
user_syscall_back:
    pushfq
    popq 24(%rdi)
    cld
    movq %rsp, 0(%rdi)
    subq %rdx, 0(%rdi)
    movq %rcx, 8(%rdi)
    movq %r11, 16(%rdi)
    ret
user_sysenter:
    movq %rsp, %rcx
    leaq 1f(%rip), %rdx
    sysenter
1:  movq $0x5e5e, (%rdi)
    ret
user_gate:
    movq %rsp, %rdx
    rex.W lcall *gate_pointer
user_gate_back:
    movq %rsp, 0(%rdi)
    subq %rdx, 0(%rdi)
    movl %cs, %eax
    movl %eax, 8(%rdi)
    movl %ss, %eax
    movl %eax, 16(%rdi)
    ret

    /* Ring 3, 32-bit: a SYSCALL from compatibility mode, then a trap. */
user_compat:
    movl $stack_compat_top, %esp
    pushq $0x4b                 /* user 32-bit code, set by privilege.c */
    leaq 1f(%rip), %rax
    pushq %rax
    lretq
    .code32
1:  movl $0x1234, %ebx
    .byte 0x0f, 0x05            /* syscall, which the assembler will not take in 32-bit code for every CPU */
    movl $1, %eax
    .byte 0x40                  /* inc: still 32-bit code */
    int $0x80
    .code64

    /* void iret_with(uint64_t frame[5]): loads the frame by IRETQ, by IRETL from 32-bit words. */
    .globl iret_q, iret_l
iret_q:
    pushq 32(%rdi)
    pushq 24(%rdi)
    pushq 16(%rdi)
    pushq 8(%rdi)
    pushq 0(%rdi)
    iretq
iret_l:
    subq $20, %rsp
    movl 0(%rdi), %eax
    movl %eax, 0(%rsp)
    movl 8(%rdi), %eax
    movl %eax, 4(%rsp)
    movl 16(%rdi), %eax
    movl %eax, 8(%rsp)
    movl 24(%rdi), %eax
    movl %eax, 12(%rsp)
    movl 32(%rdi), %eax
    movl %eax, 16(%rsp)
    iretl

    /* uint64_t iret_same(void): IRETQ to ring 0 always pops SS and RSP in 64-bit mode; returns the flags it set. */
    .globl iret_same
iret_same:
    movq %rsp, %rdx
    movl %ss, %eax
    pushq %rax
    pushq %rdx
    pushq $0x8d7                /* OF SF ZF AF PF CF and bit 1 */
    pushq $0x08
    leaq 1f(%rip), %rax
    pushq %rax
    iretq
1:  pushfq
    popq %rax
    ret

    .data
    .balign 8
    .globl seen, gate_pointer
seen: .fill 12, 8, 0
gate_pointer:
    .quad 0
    .word 0x58
    .bss
    .balign 16
    .skip 4096
entry_stack_top:
    .skip 4096
stack_compat_top:
    .section .note.GNU-stack, "", @progbits
