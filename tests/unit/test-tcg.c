/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The software CPU's run loop, blocks and memory: running, MMIO, code that changes, several vCPUs, the dirty log. */
#include "memory/guest-copy.h"
#include "tcg-bench.h"
#include "util/main-loop.h"

#define STOP "out %eax, $0xf4\n1: cli\nhlt\njmp 1b\n"
#define STOP_SIZE 6

/* --- running --- */

GUEST_CODE(sum, "64",
           "xor %eax, %eax\n mov $1000, %ecx\n"
           "2: add %ecx, %eax\n dec %ecx\n jnz 2b\n" STOP);

static void test_loop(void)
{
    bench_reset();
    bench_long_mode(vcpus[0], BENCH_CODE, true);
    GUEST_PUT(sum, BENCH_CODE);
    g_assert_cmpuint(bench_run(), ==, 500500);
    g_assert_cmpuint(vcpus[0]->instructions, >=, 3002);
}

/* Stores and loads that cross pages, the second one elsewhere in physical memory. */
GUEST_CODE(crossing, "64",
           "movabs $0x1122334455667788, %rax\n mov %rax, 0x100ffd\n"
           "mov 0x100ffd, %rbx\n cmp %rax, %rbx\n mov $1, %eax\n je 2f\n xor %eax, %eax\n 2:\n" STOP);

static void test_page_crossing(void)
{
    bench_reset();
    bench_long_mode(vcpus[0], BENCH_CODE, true);
    *bench_pte(0x101000) = 0x130000 | 7;
    GUEST_PUT(crossing, BENCH_CODE);
    g_assert_cmpuint(bench_run(), ==, 1);
    g_assert_cmphex(bench_mem[0x100ffd], ==, 0x88);
    g_assert_cmphex(bench_mem[0x100fff], ==, 0x66);
    g_assert_cmphex(bench_mem[0x130000], ==, 0x55);
    g_assert_cmphex(bench_mem[0x130004], ==, 0x11);
    g_assert_cmphex(bench_mem[0x101000], ==, 0);
}

/* An instruction over the page boundary, each page mapped elsewhere; then its second page is mapped to other code. */
GUEST_CODE(imm1, "64", "mov $0x11223344, %eax\n" STOP);

static void test_instruction_crosses_page(void)
{
    bench_reset();
    bench_long_mode(vcpus[0], 0x100ffe, true);
    *bench_pte(0x101000) = 0x130000 | 7;
    memcpy(bench_mem + 0x100ffe, imm1_begin, 2);
    memcpy(bench_mem + 0x130000, imm1_begin + 2, imm1_end - imm1_begin - 2);
    memcpy(bench_mem + 0x131000, imm1_begin + 2, imm1_end - imm1_begin - 2);
    bench_mem[0x131000] = 0x99;
    g_assert_cmphex(bench_run(), ==, 0x11223344);
    *bench_pte(0x101000) = 0x131000 | 7;
    vcpus[0]->regs[R_RIP] = 0x100ffe;
    vcpus[0]->halted = false;
    tlb_flush(vcpus[0], false);
    g_assert_cmphex(bench_run(), ==, 0x11229944);
    /* The second page changes under the block. */
    bench_mem[0x131001] = 0x77;
    ram_block_mark_dirty(bench_ram, 0x131000, 4);
    vcpus[0]->regs[R_RIP] = 0x100ffe;
    vcpus[0]->halted = false;
    g_assert_cmphex(bench_run(), ==, 0x11779944);
}

GUEST_CODE(mmio, "64",
           "mov $0xfe000000, %edi\n movl $41, (%rdi)\n mov 1(%rdi), %eax\n lock incl (%rdi)\n"
           "movzbl (%rdi), %ebx\n add %ebx, %eax\n" STOP);

static void test_mmio(void)
{
    bench_reset();
    bench_long_mode(vcpus[0], BENCH_CODE, true);
    GUEST_PUT(mmio, BENCH_CODE);
    bench_run();
    g_assert_cmpuint(bench_mmio_value, ==, 42);
    g_assert_cmpuint(bench_mmio_writes, ==, 2);
    g_assert_cmpuint(vcpus[0]->regs[R_RBX], ==, 42);
}

/* --- code that changes --- */

/* Overwrites the immediate of the next instruction but one, in its own block. */
GUEST_CODE(smc, "64",
           "movb $5, 3f+1(%rip)\n nop\n 3: mov $1, %eax\n" STOP);

static void test_smc_own_block(void)
{
    bench_reset();
    bench_long_mode(vcpus[0], BENCH_CODE, true);
    GUEST_PUT(smc, BENCH_CODE);
    g_assert_cmpuint(bench_run(), ==, 5);
}

/* A loop whose body counts by an immediate that grows each time round. */
GUEST_CODE(smc_loop, "64",
           "xor %eax, %eax\n mov $100, %ecx\n"
           "2: incb 3f+2(%rip)\n 3: add $0, %eax\n dec %ecx\n jnz 2b\n" STOP);

static void test_smc_loop(void)
{
    bench_reset();
    bench_long_mode(vcpus[0], BENCH_CODE, true);
    GUEST_PUT(smc_loop, BENCH_CODE);
    g_assert_cmpuint(bench_run(), ==, 5050);
}

/* REP MOVSB over the code behind it. */
GUEST_CODE(smc_rep, "64",
           "mov $0x100000, %esi\n lea 3f(%rip), %rdi\n mov $5, %ecx\n rep movsb\n 3: mov $1, %eax\n" STOP);

static void test_smc_rep(void)
{
    static const uint8_t code[5] = { 0xb8, 0x21, 0x43, 0x65, 0x07 };
    bench_reset();
    bench_long_mode(vcpus[0], BENCH_CODE, true);
    GUEST_PUT(smc_rep, BENCH_CODE);
    memcpy(bench_mem + 0x100000, code, 5);
    g_assert_cmphex(bench_run(), ==, 0x07654321);
}

/* Data beside code in one page: stores must not cost the code, nor be lost. */
GUEST_CODE(mixed, "64",
           "mov $100000, %ecx\n 2: incl 3f(%rip)\n dec %ecx\n jnz 2b\n mov 3f(%rip), %eax\n" STOP
           ".balign 128\n 3: .long 0");

static void test_code_and_data_in_page(void)
{
    bench_reset();
    bench_long_mode(vcpus[0], BENCH_CODE, true);
    GUEST_PUT(mixed, BENCH_CODE);
    g_assert_cmpuint(bench_run(), ==, 100000);
}

/* vCPU 0 spins in a loop of two blocks until another (a device, a vCPU) has patched it. */
GUEST_CODE(spin, "64", "2: mov $1, %eax\n cmp $1, %eax\n je 2b\n" STOP);

static void test_dma_to_running_code(void)
{
    uint8_t imm = 9;
    bench_reset();
    bench_long_mode(vcpus[0], BENCH_CODE, true);
    GUEST_PUT(spin, BENCH_CODE);
    bench_go();
    big_unlock();
    g_usleep(2000);
    big_lock();
    address_space_write(&address_space_memory, BENCH_CODE + 1, &imm, 1);
    g_assert_cmpuint(bench_wait(), ==, 9);
}

GUEST_CODE(patcher, "64", "mov $3000000, %ecx\n 2: dec %ecx\n jnz 2b\n movb $7, 0x20001\n 1: cli\n hlt\n jmp 1b");

static void test_other_vcpu_patches_code(void)
{
    bench_reset();
    bench_long_mode(vcpus[0], BENCH_CODE, true);
    bench_long_mode(vcpus[1], BENCH_CODE + 0x1000, false);
    GUEST_PUT(spin, BENCH_CODE);
    GUEST_PUT(patcher, BENCH_CODE + 0x1000);
    g_assert_cmpuint(bench_run(), ==, 7);
}

/* Two RAM blocks take turns at one guest-physical address, as PAM does it: each with its own code. */
GUEST_CODE(first_ram, "64", "mov $1, %eax\n" STOP);
GUEST_CODE(second_ram, "64", "mov $2, %eax\n" STOP);

static uint32_t run_again(uint64_t rip)
{
    vcpus[0]->regs[R_RIP] = rip;
    vcpus[0]->halted = false;
    return bench_run();
}

static void test_ram_behind_address_changes(void)
{
    struct ram_block *ram = ram_block_new("over.ram", 0x1000, NULL);
    static struct memory_region over;

    bench_reset();
    bench_long_mode(vcpus[0], BENCH_CODE, true);
    GUEST_PUT(first_ram, BENCH_CODE);
    memcpy(ram->host, second_ram_begin, second_ram_end - second_ram_begin);
    memory_region_init_ram(&over, ram, "over.ram", 0x1000);
    g_assert_cmpuint(bench_run(), ==, 1);
    memory_region_add(&system_memory, BENCH_CODE, &over, 1);
    g_assert_cmpuint(run_again(BENCH_CODE), ==, 2);
    memory_region_remove(&over);
    g_assert_cmpuint(run_again(BENCH_CODE), ==, 1);
}

/*
 * A block maps its own page elsewhere, the TLB forgets the page by itself, and the next block comes from there.
 * Mapped as before, the first block must lead to where it led at first.
 */
GUEST_CODE(remap_self, "64", "mov %rbx, (%rdi)\n mov (%rsi), %rax\n jmp 2f\n 2: mov $1, %eax\n" STOP);

static void test_page_changes_between_blocks(void)
{
    uint64_t here = BENCH_CODE | 7, there = (BENCH_CODE + 0x1000) | 7;

    bench_reset();
    bench_long_mode(vcpus[0], BENCH_CODE, true);
    GUEST_PUT(remap_self, BENCH_CODE);
    GUEST_PUT(remap_self, BENCH_CODE + 0x1000);
    bench_mem[BENCH_CODE + 0x1000 + (remap_self_end - remap_self_begin) - STOP_SIZE - 4] = 2;
    vcpus[0]->regs[R_RDI] = BENCH_PT + (BENCH_CODE >> 12) * 8;
    vcpus[0]->regs[R_RSI] = BENCH_CODE + TLB_SIZE * 4096; /* the same place in the TLB */
    vcpus[0]->regs[R_RBX] = there;
    g_assert_cmpuint(bench_run(), ==, 2);
    *bench_pte(BENCH_CODE) = here;
    tlb_flush(vcpus[0], true);
    vcpus[0]->regs[R_RBX] = here;
    g_assert_cmpuint(run_again(BENCH_CODE), ==, 1);
}

/* --- several vCPUs --- */

GUEST_CODE(atomics, "64",
           "mov $200000, %ecx\n 2: lock incq 0x100000\n lock xadd %rax, 0x100008\n dec %ecx\n jnz 2b\n"
           "mov $1, %eax\n lock xadd %eax, 0x100010\n cmp $1, %eax\n jne 1f\n" STOP);

static void test_smp_atomics(void)
{
    bench_reset();
    GUEST_PUT(atomics, BENCH_CODE);
    bench_long_mode(vcpus[0], BENCH_CODE, true);
    bench_long_mode(vcpus[1], BENCH_CODE, false);
    bench_run();
    g_assert_cmpuint(bench_ld64(0x100000), ==, 400000);
}

/* --- the dirty log --- */

/* Counts up in 64 pages for ever; each page holds one counter. */
GUEST_CODE(writer, "64",
           "2: mov $0x200000, %edi\n mov $64, %ecx\n inc %rax\n 3: mov %rax, (%rdi)\n lock incq 8(%rdi)\n"
           "add $4096, %rdi\n dec %ecx\n jnz 3b\n testb $1, 0x1f0000\n jz 2b\n" STOP);

#define WRITER_PAGES 64
#define WRITER_FIRST (0x200000 / 4096)

/*
 * What a migration does: take, arm, copy the taken pages. When the guest has stopped, what was never taken again must
 * equal the copy.
 */
static void test_dirty_log_loses_nothing(void)
{
    unsigned long *taken = bitmap_new(BENCH_RAM / 4096);
    uint8_t *copy = g_malloc0(WRITER_PAGES * 4096);
    int64_t until = g_get_monotonic_time() + G_TIME_SPAN_SECOND * 6 / 10;
    unsigned syncs = 0;

    bench_reset();
    GUEST_PUT(writer, BENCH_CODE);
    bench_long_mode(vcpus[0], BENCH_CODE, true);
    bench_go();
    g_assert_true(accel->dirty_log_start(NULL));
    guest_copy_from(copy, bench_mem + 0x200000, WRITER_PAGES * 4096);
    big_unlock();
    while (g_get_monotonic_time() < until) {
        bitmap_clear(taken, WRITER_FIRST, WRITER_PAGES);
        accel_dirty_take(bench_ram, DIRTY_CLIENT_MIGRATION, WRITER_FIRST, WRITER_PAGES, taken);
        accel_dirty_arm();
        for (unsigned i = 0; i < WRITER_PAGES; i++) {
            if (bitmap_test(taken, WRITER_FIRST + i)) {
                guest_copy_from(copy + i * 4096, bench_mem + 0x200000 + i * 4096, 4096);
            }
        }
        syncs++;
    }
    big_lock();
    __atomic_store_n(&bench_mem[0x1f0000], 1, __ATOMIC_RELAXED);
    bench_wait();
    bitmap_clear(taken, WRITER_FIRST, WRITER_PAGES);
    accel_dirty_take(bench_ram, DIRTY_CLIENT_MIGRATION, WRITER_FIRST, WRITER_PAGES, taken);
    for (unsigned i = 0; i < WRITER_PAGES; i++) {
        if (!bitmap_test(taken, WRITER_FIRST + i)) {
            g_assert_cmpmem(copy + i * 4096, 4096, bench_mem + 0x200000 + i * 4096, 4096);
        }
    }
    g_assert_cmpuint(syncs, >, 100);
    g_test_message("%u syncs, counter %" G_GUINT64_FORMAT, syncs, bench_ld64(0x200000));
    accel->dirty_log_stop();
    bitmap_free(taken, BENCH_RAM / 4096);
    g_free(copy);
}

/* A vCPU that waits in a device for the big lock counts as armed, and logs what it writes afterwards. */
GUEST_CODE(device_writer, "64",
           "mov $0xfe000000, %edi\n 2: inc %rax\n mov %rax, 0x200000\n mov %eax, (%rdi)\n mov %rax, 0x200008\n"
           "testb $1, 0x1f0000\n jz 2b\n" STOP);

static void test_arm_with_big_lock_held(void)
{
    unsigned long *taken = bitmap_new(BENCH_RAM / 4096);
    uint64_t copy[2];

    bench_reset();
    GUEST_PUT(device_writer, BENCH_CODE);
    bench_long_mode(vcpus[0], BENCH_CODE, true);
    g_assert_true(accel->dirty_log_start(NULL));
    bench_go();
    for (int i = 0; i < 300; i++) {
        big_unlock();
        g_usleep(20);
        big_lock();
        g_usleep(20); /* the vCPU runs into the device meanwhile */
        bitmap_clear(taken, 0x200, 1);
        accel_dirty_take(bench_ram, DIRTY_CLIENT_MIGRATION, 0x200, 1, taken);
        accel_dirty_arm();
        if (bitmap_test(taken, 0x200)) {
            guest_copy_from(copy, bench_mem + 0x200000, sizeof(copy));
        }
    }
    __atomic_store_n(&bench_mem[0x1f0000], 1, __ATOMIC_RELAXED);
    bench_wait();
    bitmap_clear(taken, 0x200, 1);
    accel_dirty_take(bench_ram, DIRTY_CLIENT_MIGRATION, 0x200, 1, taken);
    if (!bitmap_test(taken, 0x200)) {
        g_assert_cmpmem(copy, sizeof(copy), bench_mem + 0x200000, sizeof(copy));
    }
    g_assert_cmpuint(bench_ld64(0x200000), >, 10);
    accel->dirty_log_stop();
    bitmap_free(taken, BENCH_RAM / 4096);
}

/* Page-table A and D bits are writes too. */
GUEST_CODE(touch, "64", "mov 0x140000, %eax\n mov %eax, 0x141000\n" STOP);

static void test_accessed_dirty_logged(void)
{
    unsigned long *taken = bitmap_new(BENCH_RAM / 4096);

    bench_reset();
    GUEST_PUT(touch, BENCH_CODE);
    bench_long_mode(vcpus[0], BENCH_CODE, true);
    g_assert_true(accel->dirty_log_start(NULL));
    bench_run();
    g_assert_cmphex(*bench_pte(0x140000), ==, 0x140000 | 7 | 0x20);
    g_assert_cmphex(*bench_pte(0x141000), ==, 0x141000 | 7 | 0x60);
    accel_dirty_take(bench_ram, DIRTY_CLIENT_MIGRATION, 0, BENCH_RAM / 4096, taken);
    g_assert_true(bitmap_test(taken, BENCH_PT / 4096));
    g_assert_true(bitmap_test(taken, BENCH_PML4 / 4096));
    g_assert_true(bitmap_test(taken, 0x141));
    g_assert_false(bitmap_test(taken, 0x140));
    g_assert_false(bitmap_test(taken, BENCH_CODE / 4096));
    accel->dirty_log_stop();
    bitmap_free(taken, BENCH_RAM / 4096);
}

/* --- pause, work, topology --- */

static void count_call(struct x86_cpu *cpu, void *opaque)
{
    g_assert_true(vcpu_current() == cpu);
    ++*(int *)opaque;
}

static void test_pause_and_work(void)
{
    int calls = 0;
    uint64_t before;

    bench_reset();
    GUEST_PUT(spin, BENCH_CODE);
    bench_long_mode(vcpus[0], BENCH_CODE, true);
    bench_go();
    for (int i = 0; i < 50; i++) {
        vcpus_pause_all();
        g_assert_true(vcpus_paused());
        before = vcpus[0]->instructions;
        cpu_run_on(vcpus[0], count_call, &calls);
        cpu_run_on(vcpus[1], count_call, &calls);
        g_usleep(50);
        g_assert_cmpuint(vcpus[0]->instructions, ==, before);
        vcpus_resume_all();
        cpu_run_on(vcpus[0], count_call, &calls);
    }
    g_assert_cmpint(calls, ==, 150);
    vcpus_pause_all();
}

/* A region is placed over RAM while the guest spins on that RAM. */
GUEST_CODE(spin_memory, "64", "2: mov 0x180000, %eax\n test %eax, %eax\n jz 2b\n" STOP);

static void test_topology_change(void)
{
    static const struct memory_region_ops none;
    static struct memory_region over;

    bench_reset();
    GUEST_PUT(spin_memory, BENCH_CODE);
    bench_long_mode(vcpus[0], BENCH_CODE, true);
    memory_region_init_io(&over, &none, NULL, "over", 0x1000);
    bench_go();
    big_unlock();
    g_usleep(1000);
    big_lock();
    memory_region_add(&system_memory, 0x180000, &over, 1);
    g_assert_cmphex(bench_wait(), ==, 0xffffffff);
    memory_region_remove(&over);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init("max");
    g_test_add_func("/tcg/loop", test_loop);
    g_test_add_func("/tcg/page-crossing", test_page_crossing);
    g_test_add_func("/tcg/instruction-crosses-page", test_instruction_crosses_page);
    g_test_add_func("/tcg/mmio", test_mmio);
    g_test_add_func("/tcg/smc-own-block", test_smc_own_block);
    g_test_add_func("/tcg/smc-loop", test_smc_loop);
    g_test_add_func("/tcg/smc-rep", test_smc_rep);
    g_test_add_func("/tcg/code-and-data", test_code_and_data_in_page);
    g_test_add_func("/tcg/dma-to-code", test_dma_to_running_code);
    g_test_add_func("/tcg/other-vcpu-patches", test_other_vcpu_patches_code);
    g_test_add_func("/tcg/ram-behind-address", test_ram_behind_address_changes);
    g_test_add_func("/tcg/page-changes-between-blocks", test_page_changes_between_blocks);
    g_test_add_func("/tcg/smp-atomics", test_smp_atomics);
    g_test_add_func("/tcg/dirty-log", test_dirty_log_loses_nothing);
    g_test_add_func("/tcg/arm-under-big-lock", test_arm_with_big_lock_held);
    g_test_add_func("/tcg/accessed-dirty", test_accessed_dirty_logged);
    g_test_add_func("/tcg/pause-and-work", test_pause_and_work);
    g_test_add_func("/tcg/topology", test_topology_change);
    return g_test_run();
}
