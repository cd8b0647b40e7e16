/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many guest instructions a second the software CPU runs, on small loops that each lean on one thing. Not a test:
 * `ninja -C build tests/unit/bench-mips && build/tests/unit/bench-mips`.
 */
#include <stdio.h>
#include <time.h>

#include "tcg-bench.h"
#include "util/main-loop.h"

#define STOP "out %eax, $0xf4\n1: cli\nhlt\njmp 1b\n"

GUEST_CODE(alu, "64", "mov $20000000, %ecx\n"
           "2: add %rcx, %rax\n xor %rax, %rbx\n lea 3(%rbx,%rax,2), %rdx\n shr $3, %rdx\n and $0xff, %edx\n dec %ecx\n"
           "jnz 2b\n" STOP);
GUEST_CODE(memory, "64", "mov $20000000, %ecx\n mov $0x100000, %ebx\n"
           "2: mov (%rbx), %rax\n add 8(%rbx), %rax\n mov %rax, 16(%rbx)\n movzbl 3(%rbx), %edx\n"
           "mov %edx, 24(%rbx,%rdx,4)\n dec %ecx\n jnz 2b\n" STOP);
GUEST_CODE(calls, "64", "mov $10000000, %ecx\n mov $0x110000, %esp\n"
           "2: call 3f\n dec %ecx\n jnz 2b\n jmp 4f\n"
           "3: push %rbp\n mov %rsp, %rbp\n push %rbx\n mov %rcx, %rbx\n test %ebx, %ebx\n je 5f\n add $1, %rax\n"
           "5: pop %rbx\n pop %rbp\n ret\n 4:" STOP);
GUEST_CODE(branches, "64", "mov $20000000, %ecx\n"
           "2: imul $1103515245, %eax, %eax\n add $12345, %eax\n test $0x10000, %eax\n jz 3f\n inc %edx\n"
           "3: cmp $1000, %ax\n ja 4f\n inc %ebx\n 4: dec %ecx\n jnz 2b\n" STOP);
GUEST_CODE(list, "64", "mov $0x100000, %ebx\n mov $500, %ecx\n"
           "2: lea 16(%rbx), %rax\n mov %rax, (%rbx)\n mov %rcx, 8(%rbx)\n mov %rax, %rbx\n dec %ecx\n jnz 2b\n"
           "movq $0, (%rbx)\n mov $40000, %edx\n"
           "3: mov $0x100000, %ebx\n xor %eax, %eax\n"
           "4: add 8(%rbx), %rax\n mov (%rbx), %rbx\n test %rbx, %rbx\n jnz 4b\n dec %edx\n jnz 3b\n" STOP);
GUEST_CODE(pages, "64", "mov $2000, %r11d\n"
           "1: mov $0x100000, %edi\n lea 0x10000(%rdi), %rsi\n mov $0xffffffff, %eax\n"
           "2: mov %eax, 0x30(%rdi)\n add $0x40, %rdi\n cmp %rsi, %rdi\n jne 2b\n mov $0x100000, %edi\n jmp 4f\n"
           "3: mov %r9, %rax\n movslq 0x34(%rdi), %rcx\n or %rdx, %rax\n or %r8, %rax\n or %rcx, %rax\n jne 5f\n"
           "add $0x40, %rdi\n cmp %rsi, %rdi\n je 5f\n"
           "4: mov (%rdi), %rdx\n mov 0x30(%rdi), %eax\n mov 0x18(%rdi), %r9\n mov 0x38(%rdi), %r8\n"
           "and $0x3fffffff, %edx\n cmp $-1, %eax\n je 3b\n 5: dec %r11d\n jnz 1b\n" STOP);
GUEST_CODE(copy, "64", "mov $20000, %edx\n cld\n"
           "2: mov $0x100000, %esi\n mov $0x104000, %edi\n mov $2048, %ecx\n rep movsq\n dec %edx\n jnz 2b\n" STOP);

static void run(const char *name, const uint8_t *begin, const uint8_t *end)
{
    struct timespec from, to;

    bench_reset();
    bench_long_mode(vcpus[0], BENCH_CODE, true);
    memcpy(bench_mem + BENCH_CODE, begin, end - begin);
    uint64_t before = vcpus[0]->instructions;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    bench_run();
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    double seconds = (to.tv_sec - from.tv_sec) + (to.tv_nsec - from.tv_nsec) * 1e-9;
    printf("%-10s %8.1f million instructions a second\n", name, (vcpus[0]->instructions - before) / seconds / 1e6);
}

int main(int argc, char **argv)
{
    bench_init("max");
    run("alu", alu_begin, alu_end);
    run("memory", memory_begin, memory_end);
    run("calls", calls_begin, calls_end);
    run("branches", branches_begin, branches_end);
    run("list", list_begin, list_end);
    run("pages", pages_begin, pages_end);
    run("copy", copy_begin, copy_end);
    return 0;
}
