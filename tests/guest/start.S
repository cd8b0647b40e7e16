/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entry of the bare-metal test guest: PVH (32-bit protected mode, flat segments, paging off, EBX = hvm_start_info),
 * then long mode with the first 4 GiB mapped one to one by 2 MiB pages.
 */
    .section .note.pvh, "a", @note
    .long 4, 4, 18              /* name size, value size, XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .long start32

    .text
    .code32
    .globl start32
start32:
    cld
    movl $stack_top, %esp
    movl %ebx, %edi             /* hvm_start_info, first argument of guest_main */

    /* Four page directories of 512 entries of 2 MiB: present, writable, user, large. */
    movl $boot_pd, %ecx
    movl $0x87, %eax
    xorl %edx, %edx
1:  movl %eax, (%ecx)
    movl %edx, 4(%ecx)
    addl $8, %ecx
    addl $0x200000, %eax
    jnc 1b

    movl $boot_pd + 0x0007, boot_pdpt
    movl $boot_pd + 0x1007, boot_pdpt + 8
    movl $boot_pd + 0x2007, boot_pdpt + 16
    movl $boot_pd + 0x3007, boot_pdpt + 24
    movl $boot_pdpt + 7, boot_pml4

    call enter_long             /* pops its return address in 64-bit mode */
    .code64
    xorl %ebp, %ebp
    call guest_main
1:  cli
    hlt
    jmp 1b

    /*
     * Switches on PAE, long mode and paging; returns to a 32-bit return address in 64-bit mode. Uses EAX, ECX, EDX.
     */
    .code32
enter_long:
    popl %esi
    movl %cr4, %eax
    orl $0x620, %eax            /* PAE, OSFXSR, OSXMMEXCPT */
    movl %eax, %cr4
    movl $boot_pml4, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x901, %eax            /* LME, NXE, SCE */
    wrmsr
    movl %cr0, %eax
    andl $~0xc, %eax            /* EM, TS */
    orl $0x80010023, %eax       /* PG, WP, NE, MP, PE */
    movl %eax, %cr0
    lgdt boot_gdtr
    ljmp $0x08, $1f
    .code64
1:  movl $0x10, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    movl %esi, %esi
    movl %esp, %esp
    jmp *%rsi

    /*
     * Application processors: copied to 0x8000 (SIPI vector 8). Real mode, then the same way up. ap_stack and
     * ap_entry are set by smp.c before each start.
     */
    .code16
    .globl ap_trampoline, ap_trampoline_end
ap_trampoline:
    cli
    xorw %ax, %ax
    movw %ax, %ds
    lgdtl (ap_gdtr - ap_trampoline + 0x8000)
    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    ljmpl $0x18, $ap_start32
ap_gdtr:
    .word boot_gdt_end - boot_gdt - 1
    .long boot_gdt
ap_trampoline_end:

    .code32
ap_start32:
    movl $0x20, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl ap_stack, %esp
    call enter_long
    .code64
    movq ap_entry, %rax
    call *%rax
1:  cli
    hlt
    jmp 1b

    .globl ap_stack, ap_entry
    .data
ap_stack: .quad 0
ap_entry: .quad 0

    .balign 16
    .globl boot_gdt
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff    /* 08: code, 64-bit */
    .quad 0x00cf93000000ffff    /* 10: data */
    .quad 0x00cf9b000000ffff    /* 18: code, 32-bit */
    .quad 0x00cf93000000ffff    /* 20: data */
    .quad 0x00cff3000000ffff    /* 28: user data */
    .quad 0x00affb000000ffff    /* 30: user code, 64-bit */
    .globl boot_gdt_tss
boot_gdt_tss:
    .quad 0, 0                  /* 38: TSS, filled in by traps.c */
    .globl boot_gdt_free
boot_gdt_free:
    .fill 24, 8, 0              /* 48: for the tests (gdt_set) */
boot_gdt_end:
boot_gdtr:
    .word boot_gdt_end - boot_gdt - 1
    .quad boot_gdt

    .bss
    .balign 4096
    .globl boot_pml4, boot_pdpt
boot_pml4: .skip 4096
boot_pdpt: .skip 4096
boot_pd:   .skip 4 * 4096
    .balign 16
    .skip 65536
stack_top:
    .section .note.GNU-stack, "", @progbits
