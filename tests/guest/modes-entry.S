/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Out of 64-bit mode and back: compatibility mode for a call, and one long trip through 32-bit protected mode without
 * paging, 16-bit protected mode and real mode. What each stop saw goes into mode_results (modes.c looks at it).
 */
    .text
    .code64
    .macro save_registers
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    .endm
    .macro restore_registers
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    .endm

    .globl call32
call32:
    save_registers
    movl %esi, %eax
    movq %rdi, %rcx
    pushq $0x18
    leaq 1f(%rip), %rsi
    pushq %rsi
    lretq
    .code32
1:  call *%ecx
    ljmp $0x08, $2f
    .code64
2:  movl %eax, %eax
    restore_registers
    ret

    /* Results, by dword. Keep in step with modes.c. */
    .set RESULT_EFER, 0         /* EFER with paging off */
    .set RESULT_PM_INT, 4       /* INT 0x40 in protected mode: CS of the frame << 16 | EFLAGS & 0xffff */
    .set RESULT_PM_UD, 8        /* offset of the #UD from its instruction */
    .set RESULT_PM_GP, 12       /* error code of a bad selector */
    .set RESULT_PM_INC, 16      /* one byte INC, which is a REX prefix in 64-bit mode */
    .set RESULT_PM_PUSHA, 20    /* bytes that PUSHA and PUSH took */
    .set RESULT_RM_CR0, 24
    .set RESULT_RM_INT, 28      /* INT in real mode: CS << 16 | IP distance */
    .set RESULT_RM_FLAGS, 32    /* FLAGS in the handler << 16 | FLAGS pushed */
    .set RESULT_RM_SEG, 36      /* linear address reached by ES:DI */
    .set RESULT_RM_WRAP, 40     /* bytes read by LODSB at 0xffff and 0 << 16 | SI afterwards */
    .set RESULT_RM_LOOP, 44     /* LOOP with ECX = 0x10002: turns by CX */
    .set RESULT_RM_OPSIZE, 48   /* 32-bit add in 16-bit code */
    .set RESULT_RM_DIV, 52      /* IP distance of a divide error */
    .set RESULT_RM_FAR, 56      /* far call's CS seen by the callee */
    .set RESULT_RM_STACK, 60    /* bytes taken by PUSH word, PUSH dword, PUSHA */
    .set RESULT_BACK_EFER, 64

    .globl mode_trip, mode_results, mode_real_code, mode_real_end, mode_real_int, mode_real_div, mode_idt32
    .set REAL, 0x9000           /* where modes.c copies mode_real_code */
mode_trip:
    save_registers
    sidt trip_idtr
    movq %rsp, trip_rsp
    pushq $0x18
    leaq 1f(%rip), %rsi
    pushq %rsi
    lretq

    .code32
1:  movl %cr0, %eax             /* paging off: long mode is no longer active */
    andl $0x7fffffff, %eax
    movl %eax, %cr0
    movl $0xc0000080, %ecx
    rdmsr
    movl %eax, mode_results + RESULT_EFER
    andl $~0x100, %eax
    wrmsr
    movl %cr4, %eax
    andl $~0x20, %eax
    movl %eax, %cr4
    lidt idtr32
    int $0x40
    movl $0, %eax
trip_ud:
    ud2
    movl $0xffff, %eax
trip_gp:
    movl %eax, %es              /* beyond the table */
    movl $0x20, %eax
    movl %eax, %es
    movl $41, %eax
    .byte 0x40
    movl %eax, mode_results + RESULT_PM_INC
    movl %esp, %ebx
    pusha
    pushl $5
    pushw $6
    subl %esp, %ebx
    movl %ebx, mode_results + RESULT_PM_PUSHA
    popw %cx
    popl %ecx
    popa
    ljmp $0x48, $(REAL + real_protected - mode_real_code)

int40_32:
    pushl %eax
    movl 8(%esp), %eax
    shll $16, %eax
    movw 12(%esp), %ax
    movl %eax, mode_results + RESULT_PM_INT
    popl %eax
    iretl
ud_32:
    pushl %eax
    movl 4(%esp), %eax
    subl $trip_ud, %eax
    movl %eax, mode_results + RESULT_PM_UD
    addl $2, 4(%esp)
    popl %eax
    iretl
gp_32:
    popl mode_results + RESULT_PM_GP
    addl $2, (%esp)
    iretl

    .code16
mode_real_code:
real_protected:
    movw $0x50, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl %cr0, %eax
    andb $0xfe, %al
    movl %eax, %cr0
    ljmp $(REAL >> 4), $(real_start - mode_real_code)
real_start:
    movw %cs, %ax
    movw %ax, %ds
    xorw %ax, %ax
    movw %ax, %ss
    movl $0x8f00, %esp
    lidtl (real_idtr - mode_real_code)
    .set RESULTS, real_results - mode_real_code
    movl %cr0, %eax
    movl %eax, (RESULTS + RESULT_RM_CR0)

    std
    int $0x40
real_after_int:
    cld
    movw %bx, (RESULTS + RESULT_RM_FLAGS)
    movw %cx, (RESULTS + RESULT_RM_FLAGS + 2)

    movw $0x1234, %ax
    movw %ax, %es
    movw $0x5678, %di
    movl $0xabcd1234, %es:(%di)
    movw $0, %ax
    movw %ax, %es
    movl $0x12340 + 0x5678, %edi
    movzwl %di, %edi
    movw $0x1000, %ax
    movw %ax, %es
    movl %es:0x79b8, %eax       /* 0x10000 + 0x79b8 = 0x12340 + 0x5678 */
    movl %eax, (RESULTS + RESULT_RM_SEG)

    pushw %ds
    movw $0x2000, %ax
    movw %ax, %ds
    movb $0x5a, (0xffff)
    movb $0xa5, (0)
    movl $0x1ffff, %esi
    lodsb
    movb %al, %ah
    lodsb
    popw %ds
    movw %ax, (RESULTS + RESULT_RM_WRAP + 2)
    movw %si, (RESULTS + RESULT_RM_WRAP)

    movl $0x10002, %ecx
    xorw %ax, %ax
1:  incw %ax
    loop 1b
    movw %ax, (RESULTS + RESULT_RM_LOOP)
    movl $0x0001ffff, %eax
    addl $1, %eax
    movl %eax, (RESULTS + RESULT_RM_OPSIZE)

    xorw %cx, %cx
real_div:
    divw %cx
    movw %bx, (RESULTS + RESULT_RM_DIV)

    lcall $0, $(REAL + real_far - mode_real_code)
    movw %ax, (RESULTS + RESULT_RM_FAR)

    movw %sp, %bx
    pushw $1
    pushl $2
    pushaw
    subw %sp, %bx
    movw %bx, (RESULTS + RESULT_RM_STACK)

    lgdtl (real_gdtr - mode_real_code)
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    ljmpl $0x18, $trip_back
real_far:
    movw %cs, %ax
    addw $0x77, %ax
    lretw

    /* The handlers: BX and CX carry what was found. */
mode_real_int:
    movw %sp, %bp
    movw (%bp), %ax
    subw $(real_after_int - mode_real_code), %ax
    movw %ax, (RESULTS + RESULT_RM_INT)
    movw 2(%bp), %ax
    movw %ax, (RESULTS + RESULT_RM_INT + 2)
    movw 4(%bp), %bx
    pushfw
    popw %cx
    iretw
mode_real_div:
    movw %sp, %bp
    movw (%bp), %bx
    subw $(real_div - mode_real_code), %bx
    addw $2, (%bp)
    iretw
    .balign 4
real_idtr:
    .word 0x3ff
    .long 0
real_gdtr:
    .word 0xff
    .long boot_gdt
    .balign 4
real_results:
    .fill 17, 4, 0
mode_real_end:
    .set mode_real_results, real_results - mode_real_code
    .globl mode_real_results

    .code32
trip_back:
    movl $0x10, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl trip_rsp, %esp
    movl %cr4, %eax
    orl $0x20, %eax
    movl %eax, %cr4
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x100, %eax
    wrmsr
    movl %cr0, %eax
    orl $0x80000000, %eax
    movl %eax, %cr0
    ljmp $0x08, $1f
    .code64
1:  movl $0xc0000080, %ecx
    rdmsr
    movl %eax, mode_results + RESULT_BACK_EFER
    lidt trip_idtr
    movq trip_rsp, %rsp
    restore_registers
    ret

    .data
    .balign 8
trip_rsp: .quad 0
trip_idtr: .skip 16
mode_results: .fill 17, 4, 0
    .balign 8
mode_idt32:
    .fill 65, 8, 0
idtr32:
    .word 65 * 8 - 1
    .long mode_idt32
    .globl mode_handlers32
    .balign 8
mode_handlers32:
    .long 6, ud_32, 13, gp_32, 0x40, int40_32, 0, 0
    .section .note.GNU-stack, "", @progbits
