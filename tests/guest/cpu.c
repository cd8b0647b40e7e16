/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Faults, paging and privilege: what a user-level differential test cannot see. */
#include "system.h"

extern uint64_t boot_pml4[512];


static uint64_t *test_pt, *test_pd;

/* A 4 KiB mapping of one fresh page at TEST_VA; returns its PTE. */
uint64_t *map_test_page(uint64_t flags, uint64_t *page)
{
    if (!test_pt) {
        uint64_t *pdpt = page_alloc(1);
        test_pd = page_alloc(1);
        test_pt = page_alloc(1);
        boot_pml4[128] = (uint64_t)pdpt | 7;
        pdpt[0] = (uint64_t)test_pd | 7;
        test_pd[0] = (uint64_t)test_pt | 7;
    }
    *page = (uint64_t)page_alloc(1);
    test_pt[0] = *page | flags;
    invlpg(TEST_VA);
    return test_pt;
}

uint64_t *map_test_large(uint64_t flags, uint64_t page)
{
    uint64_t unused;
    map_test_page(0, &unused);
    test_pd[1] = page | flags | PTE_PS;
    invlpg(TEST_VA + (2 << 20));
    return &test_pd[1];
}

static void do_read(void *at) { (void)*(volatile uint64_t *)at; }
static void do_write(void *at) { *(volatile uint64_t *)at = 0x1122334455667788ull; }
static void do_ud(void *unused) { __asm__ volatile("ud2"); }
static void do_div(void *unused) { __asm__ volatile("xorl %%ecx, %%ecx; divl %%ecx" ::: "eax", "ecx", "edx"); }
static void do_int3(void *unused) { __asm__ volatile("int3"); }
static void do_gp(void *unused) { (void)*(volatile uint64_t *)0x8000000000000000ull; }
static void do_cli(void *unused) { __asm__ volatile("cli"); }
static void do_call(void *at) { ((void (*)(void))at)(); }

static bool run_faults(int argc, char **argv)
{
    struct trap_frame f;
    CHECK(trap_catch(do_ud, NULL, &f) == 6, "vector %lu", f.vector);
    CHECK(*(uint16_t *)f.rip == 0x0b0f, "rip 0x%lx is not at the ud2", f.rip);
    CHECK(trap_catch(do_div, NULL, &f) == 0, "vector %lu", f.vector);
    CHECK(trap_catch(do_int3, NULL, &f) == 3, "vector %lu", f.vector);
    CHECK(*(uint8_t *)(f.rip - 1) == 0xcc, "rip 0x%lx is not behind the int3", f.rip);
    CHECK(trap_catch(do_gp, NULL, &f) == 13 && f.error == 0, "vector %lu error 0x%lx", f.vector, f.error);
    CHECK(user_run(do_cli, NULL, &f) == 13 && (f.cs & 3) == 3, "vector %lu cs 0x%lx", f.vector, f.cs);
    return true;
}

static bool run_paging(int argc, char **argv)
{
    struct trap_frame f;
    uint64_t page;
    uint64_t *pte = map_test_page(PTE_P | PTE_W, &page);
    volatile uint64_t *va = (void *)TEST_VA;
    CHECK(*va == 0, "fresh page reads 0x%lx", *va);
    CHECK((*pte & (PTE_A | PTE_D)) == PTE_A, "pte 0x%lx after a read", *pte);
    *va = 5;
    CHECK((*pte & (PTE_A | PTE_D)) == (PTE_A | PTE_D), "pte 0x%lx after a write", *pte);
    CHECK(*(uint64_t *)page == 5, "0x%lx", *(uint64_t *)page);

    pte = map_test_page(PTE_P, &page);
    CHECK(trap_catch(do_write, (void *)va, &f) == 14 && f.error == 3, "vector %lu error 0x%lx", f.vector, f.error);
    CHECK(read_cr2() == TEST_VA, "cr2 0x%lx", read_cr2());
    CHECK(!(*pte & PTE_D), "a refused write set D: 0x%lx", *pte);

    pte = map_test_page(0, &page);
    CHECK(trap_catch(do_read, (void *)va, &f) == 14 && f.error == 0, "vector %lu error 0x%lx", f.vector, f.error);
    CHECK(trap_catch(do_write, (char *)TEST_VA + 8, &f) == 14 && f.error == 2, "vector %lu error 0x%lx", f.vector,
          f.error);
    CHECK(read_cr2() == TEST_VA + 8, "cr2 0x%lx", read_cr2());

    pte = map_test_page(PTE_P | PTE_W, &page);
    CHECK(user_run(do_read, (void *)va, &f) == 14 && f.error == 5, "vector %lu error 0x%lx", f.vector, f.error);
    pte = map_test_page(PTE_P | PTE_W | PTE_U, &page);
    CHECK(user_run(do_write, (void *)va, &f) == 0x80, "vector %lu error 0x%lx", f.vector, f.error);
    CHECK(*(uint64_t *)page == 0x1122334455667788ull, "0x%lx", *(uint64_t *)page);

    pte = map_test_page(PTE_P | PTE_W | PTE_NX, &page);
    *(uint8_t *)page = 0xc3;
    CHECK(trap_catch(do_call, (void *)va, &f) == 14 && f.error == 0x11, "vector %lu error 0x%lx", f.vector, f.error);
    pte = map_test_page(PTE_P | PTE_W, &page);
    *(uint8_t *)page = 0xc3;
    CHECK(trap_catch(do_call, (void *)va, &f) == -1, "vector %lu", f.vector);

    pte = map_test_page(PTE_P | PTE_W | 1ull << 51, &page);
    CHECK(trap_catch(do_read, (void *)va, &f) == 14 && (f.error & 8), "reserved bit: vector %lu error 0x%lx",
          f.vector, f.error);
    return true;
}

/* Code that rewrites itself: the very next instruction, one in the same page, and one through another mapping. */
static bool run_selfmod(int argc, char **argv)
{
    uint8_t *code = page_alloc(1);
    uint32_t (*call)(void) = (void *)code;
    for (uint32_t i = 0; i < 1000; i++) {
        code[0] = 0xb8; /* mov $i, %eax; ret */
        memcpy(code + 1, &i, 4);
        code[5] = 0xc3;
        uint32_t got = call();
        CHECK(got == i, "call %u returned %u", i, got);
    }
    /* movb $0x42, 1f(%rip); mov $imm8…: the store changes the immediate of the instruction behind it. */
    static const uint8_t patch[] = { 0xc6, 0x05, 0x01, 0x00, 0x00, 0x00, 0x42, 0xb8, 0x00, 0x00, 0x00, 0x00, 0xc3 };
    memcpy(code, patch, sizeof(patch));
    uint32_t got = call();
    CHECK(got == 0x42, "patched code returned 0x%x", got);
    return true;
}

static bool run_cpuid(int argc, char **argv)
{
    uint32_t leaf = argc > 1 ? parse_number(argv[1]) : 0, sub = argc > 2 ? parse_number(argv[2]) : 0, a, b, c, d;
    __asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(leaf), "c"(sub));
    print("cpuid 0x%x.%u: 0x%x 0x%x 0x%x 0x%x\n", leaf, sub, a, b, c, d);
    return true;
}

/* A loop of register instructions, for measuring: millions of iterations of three. */
static bool run_spin(int argc, char **argv)
{
    uint64_t n = (argc > 1 ? parse_number(argv[1]) : 100) * 1000000, sum = 0, t = rdtsc();
    __asm__ volatile("1: add %1, %0; dec %1; jnz 1b" : "+r"(sum), "+r"(n)::"cc");
    print("sum %lu ticks %lu\n", sum, rdtsc() - t);
    return true;
}

const struct command cpu_commands[] = {
    { "faults", "exceptions and their frames", run_faults },
    { "paging", "accessed, dirty, write protection, user, NX, reserved bits", run_paging },
    { "selfmod", "self-modifying code", run_selfmod },
    { "cpuid", "[leaf [subleaf]]", run_cpuid },
    { "spin", "[millions]: a register loop", run_spin },
    { NULL, NULL, NULL },
};
