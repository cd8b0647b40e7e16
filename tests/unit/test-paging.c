/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The page walk and its faults, case by case: SDM 3A chapter 4. */
#include "target/i386/mmu.h"
#include "tcg-bench.h"

#define STOP "out %eax, $0xf4\n1: cli\nhlt\njmp 1b\n"
#define TARGET 0x140000u
#define DONE 1u
#define FAULT (0x100 + EXCP_PF)

/* The access under test, then a stop. */
GUEST_CODE(do_read, "64", "mov 0x140000, %ecx\n mov $1, %eax\n" STOP);
GUEST_CODE(do_write, "64", "mov %ecx, 0x140000\n mov $1, %eax\n" STOP);
GUEST_CODE(do_fetch, "64", "mov $0x140000, %ecx\n jmp *%rcx");
GUEST_CODE(target, "64", "mov $1, %eax\n" STOP);

enum { KERNEL, USER };
enum { WP = 1, SMEP = 2, SMAP = 4, AC = 8, NO_NXE = 16 };

struct page_case {
    const char *name;
    uint64_t pte;      /* low bits and NX; the address is added */
    uint64_t pde_and;  /* what the page directory entry keeps */
    enum x86_access access;
    int user;
    unsigned options;
    int error;         /* -1: no fault */
};

#define P 1
#define W 2
#define U 4
#define NX (1ull << 63)
#define RD X86_ACCESS_READ
#define WR X86_ACCESS_WRITE
#define EX X86_ACCESS_FETCH

static const struct page_case cases[] = {
    { "kernel read", P, ~0ull, RD, KERNEL, WP, -1 },
    { "not present", W | U, ~0ull, RD, KERNEL, WP, 0 },
    { "not present write", 0, ~0ull, WR, KERNEL, WP, PF_W },
    { "not present user", 0, ~0ull, RD, USER, WP, PF_U },
    { "not present user write", 0, ~0ull, WR, USER, WP, PF_W | PF_U },
    { "not present fetch", 0, ~0ull, EX, KERNEL, WP, PF_ID },
    { "not present fetch without NX", 0, ~0ull, EX, KERNEL, WP | NO_NXE, 0 },
    { "not present fetch with SMEP", 0, ~0ull, EX, KERNEL, WP | NO_NXE | SMEP, PF_ID },
    { "read-only, WP", P, ~0ull, WR, KERNEL, WP, PF_P | PF_W },
    { "read-only, no WP", P, ~0ull, WR, KERNEL, 0, -1 },
    { "read-only user, no WP", P | U, ~0ull, WR, USER, 0, PF_P | PF_W | PF_U },
    { "read-only by directory", P | W, ~(uint64_t)W, WR, KERNEL, WP, PF_P | PF_W },
    { "writable", P | W, ~0ull, WR, KERNEL, WP, -1 },
    { "user reads supervisor", P | W, ~0ull, RD, USER, WP, PF_P | PF_U },
    { "user fetches supervisor", P | W, ~0ull, EX, USER, WP, PF_P | PF_U | PF_ID },
    { "user by directory", P | W | U, ~(uint64_t)U, RD, USER, WP, PF_P | PF_U },
    { "user reads", P | U, ~0ull, RD, USER, WP, -1 },
    { "user writes", P | W | U, ~0ull, WR, USER, WP, -1 },
    { "NX fetch", P | NX, ~0ull, EX, KERNEL, WP, PF_P | PF_ID },
    { "NX read", P | NX, ~0ull, RD, KERNEL, WP, -1 },
    { "NX user fetch", P | U | NX, ~0ull, EX, USER, WP, PF_P | PF_U | PF_ID },
    { "NX reserved", P | NX, ~0ull, RD, KERNEL, WP | NO_NXE, PF_P | PF_RSVD },
    { "reserved address bit", P | 1ull << 45, ~0ull, RD, KERNEL, WP, PF_P | PF_RSVD },
    { "reserved address bit, user write", P | W | U | 1ull << 51, ~0ull, WR, USER, WP, PF_P | PF_RSVD | PF_W | PF_U },
    { "SMEP", P | W | U, ~0ull, EX, KERNEL, WP | SMEP, PF_P | PF_ID },
    { "SMEP, supervisor page", P, ~0ull, EX, KERNEL, WP | SMEP, -1 },
    { "SMEP, user itself", P | U, ~0ull, EX, USER, WP | SMEP, -1 },
    { "SMAP read", P | W | U, ~0ull, RD, KERNEL, WP | SMAP, PF_P },
    { "SMAP write", P | W | U, ~0ull, WR, KERNEL, WP | SMAP, PF_P | PF_W },
    { "SMAP with AC", P | W | U, ~0ull, WR, KERNEL, WP | SMAP | AC, -1 },
    { "SMAP, supervisor page", P | W, ~0ull, WR, KERNEL, WP | SMAP, -1 },
    { "SMAP, user itself", P | W | U, ~0ull, WR, USER, WP | SMAP, -1 },
    { "ignored bits", P | 0xe00 | 0x7ffull << 52, ~0ull, RD, KERNEL, WP, -1 },
};

static void put_code(const struct page_case *c)
{
    if (c->access == X86_ACCESS_READ) {
        GUEST_PUT(do_read, BENCH_CODE);
    } else if (c->access == X86_ACCESS_WRITE) {
        GUEST_PUT(do_write, BENCH_CODE);
    } else {
        GUEST_PUT(do_fetch, BENCH_CODE);
        GUEST_PUT(target, TARGET);
    }
}

static void prepare(const struct page_case *c)
{
    struct x86_cpu *cpu = vcpus[0];

    bench_reset();
    bench_long_mode(cpu, BENCH_CODE, true);
    put_code(c);
    /* All but the pages that user code runs on are the supervisor's, so that SMAP and SMEP leave handlers alone. */
    for (unsigned i = 0; i < 512; i++) {
        bool user_page = c->user && (i == BENCH_CODE >> 12 || i == (BENCH_USER_STACK >> 12) - 1);
        *bench_pte((uint64_t)i << 12) = (uint64_t)i << 12 | (user_page ? 7 : 3);
    }
    *bench_pte(TARGET) = TARGET | c->pte;
    bench_st64(BENCH_PD, bench_ld64(BENCH_PD) & c->pde_and);
    cpu->cr0 = (cpu->cr0 & ~(uint64_t)CR0_WP) | (c->options & WP ? CR0_WP : 0);
    cpu->cr4 |= (c->options & SMEP ? CR4_SMEP : 0) | (c->options & SMAP ? CR4_SMAP : 0);
    cpu->eflags |= c->options & AC ? EFLAGS_AC : 0;
    cpu->efer &= c->options & NO_NXE ? ~(uint64_t)EFER_NXE : UINT64_MAX;
    if (c->user) {
        cpu->cpl = 3;
        cpu->segs[S_CS].selector = BENCH_UCS64;
        cpu->segs[S_CS].flags |= 3 << SEG_DPL_SHIFT;
        cpu->segs[S_SS].selector = BENCH_UDS;
        cpu->segs[S_SS].flags |= 3 << SEG_DPL_SHIFT;
        cpu->regs[R_RSP] = BENCH_USER_STACK;
    }
    x86_cpu_update_mode(cpu);
    tlb_flush(cpu, true);
}

static void test_page_case(gconstpointer opaque)
{
    const struct page_case *c = opaque;
    struct x86_cpu *cpu = vcpus[0];
    uint64_t *pte = bench_pte(TARGET), before;
    uint32_t end;

    prepare(c);
    before = *pte;
    if (c->pde_and != ~0ull) { /* the handler's stack lies under it too: walk only */
        struct x86_translation walk;
        struct flat_view *view = flat_view_get(&address_space_memory);
        uint32_t error = 0;
        g_assert_false(x86_walk(cpu, view, TARGET, c->access, c->user ? MMU_USER : MMU_KERNEL, &walk, &error));
        g_assert_cmphex(error, ==, c->error);
        g_assert_cmphex(*pte, ==, before);
        flat_view_put(view);
        return;
    }
    end = bench_run();
    if (c->error < 0) {
        g_assert_cmphex(end, ==, DONE); /* the TSS has an I/O bitmap of zeros: OUT is allowed */
        g_assert_cmphex(*pte, ==, before | 0x20 | (c->access == X86_ACCESS_WRITE ? 0x40 : 0));
        return;
    }
    g_assert_cmphex(end, ==, FAULT);
    g_assert_cmphex(cpu->cr2, ==, TARGET);
    g_assert_cmphex(bench_ld64(cpu->regs[R_RSP]), ==, c->error);
    g_assert_cmphex(bench_ld64(cpu->regs[R_RSP] + 8), ==, c->access == X86_ACCESS_FETCH ? TARGET : BENCH_CODE);
    g_assert_cmphex(*pte, ==, before); /* neither A nor D */
}

/* --- the other formats, by walks alone --- */

static bool walk(uint64_t va, enum x86_access access, unsigned mmu, struct x86_translation *result, uint32_t *error)
{
    struct flat_view *view = flat_view_get(&address_space_memory);
    bool ok = x86_walk(vcpus[0], view, va, access, mmu, result, error);
    flat_view_put(view);
    return ok;
}

#define TABLES 0x180000u

static void test_32bit_paging(void)
{
    struct x86_cpu *cpu = vcpus[0];
    struct x86_translation t;
    uint32_t error = 0;

    bench_reset();
    bench_protected_mode(cpu, BENCH_CODE);
    cpu->cr0 |= CR0_PG | CR0_WP;
    cpu->cr3 = TABLES;
    bench_st32(TABLES + 4 * 1, (TABLES + 0x1000) | 7);            /* 4 MiB..: table */
    bench_st32(TABLES + 0x1000 + 4 * 3, 0x00345000 | 5);          /* read-only user page */
    bench_st32(TABLES + 4 * 2, 0x00c00000 | 0x87 | 0x2000 | 0x60); /* 4 MiB page, PSE-36: bit 32 of the address */
    bench_st32(TABLES + 4 * 3, 0x00c00000 | 0x87 | 1 << 21);      /* reserved bit */

    g_assert_true(walk(0x00403abc, X86_ACCESS_READ, MMU_USER, &t, &error));
    g_assert_cmphex(t.gpa, ==, 0x00345abc);
    g_assert_cmpuint(t.prot & X86_PROT_WRITE, ==, 0);
    g_assert_cmphex(*(uint32_t *)(bench_mem + TABLES + 4), ==, (TABLES + 0x1000) | 0x27);
    g_assert_false(walk(0x00403abc, X86_ACCESS_WRITE, MMU_USER, &t, &error));
    g_assert_cmphex(error, ==, PF_P | PF_W | PF_U);
    g_assert_false(walk(0x00404000, X86_ACCESS_READ, MMU_KERNEL, &t, &error));
    g_assert_cmphex(error, ==, 0);
    /* Without CR4.PSE bit 7 is ignored: the entry is a table, at 0xc00000, which is empty. */
    cpu->cr4 = 0;
    g_assert_false(walk(0x00812345, X86_ACCESS_READ, MMU_KERNEL, &t, &error));
    g_assert_cmphex(error, ==, 0);
    cpu->cr4 = CR4_PSE;
    g_assert_true(walk(0x00812345, X86_ACCESS_READ, MMU_KERNEL, &t, &error));
    g_assert_cmphex(t.gpa, ==, 0x100c12345);
    g_assert_cmpuint(t.page_bits, ==, 22);
    g_assert_false(walk(0x00c00000, X86_ACCESS_READ, MMU_KERNEL, &t, &error));
    g_assert_cmphex(error, ==, PF_P | PF_RSVD);
}

static void test_pae_paging(void)
{
    struct x86_cpu *cpu = vcpus[0];
    struct x86_translation t;
    uint32_t error = 0;

    bench_reset();
    bench_protected_mode(cpu, BENCH_CODE);
    cpu->cr0 |= CR0_PG | CR0_WP;
    cpu->cr4 = CR4_PAE | CR4_PGE;
    cpu->efer = EFER_NXE;
    cpu->cr3 = TABLES + 0x20; /* 32-byte aligned */
    bench_st64(TABLES + 0x20 + 8 * 3, (TABLES + 0x1000) | 1); /* 3 GiB..; no rights bits here */
    bench_st64(TABLES + 0x20 + 8 * 2, (TABLES + 0x1000) | 3); /* W is reserved */
    bench_st64(TABLES + 0x1000, 0x12 * 0x200000ull | 0x187 | NX | 0x60); /* global 2 MiB page */
    bench_st64(TABLES + 0x1000 + 8, (TABLES + 0x2000) | 7);
    bench_st64(TABLES + 0x2000 + 8, 0xab1234000ull | 7);

    g_assert_true(walk(0xc0012345, X86_ACCESS_READ, MMU_KERNEL, &t, &error));
    g_assert_cmphex(t.gpa, ==, 0x12 * 0x200000ull + 0x12345);
    g_assert_true(t.global);
    g_assert_cmpuint(t.page_bits, ==, 21);
    g_assert_cmpuint(t.prot & X86_PROT_FETCH, ==, 0);
    g_assert_true(walk(0xc0201fff, X86_ACCESS_WRITE, MMU_USER, &t, &error));
    g_assert_cmphex(t.gpa, ==, 0xab1234fffull);
    g_assert_cmphex(bench_ld64(TABLES + 0x20 + 8 * 3), ==, (TABLES + 0x1000) | 1); /* no A bit there */
    g_assert_cmphex(bench_ld64(TABLES + 0x2000 + 8), ==, 0xab1234000ull | 0x67);
    g_assert_false(walk(0x80000000, X86_ACCESS_READ, MMU_KERNEL, &t, &error));
    g_assert_cmphex(error, ==, PF_P | PF_RSVD);
    g_assert_false(walk(0x40000000, X86_ACCESS_READ, MMU_USER, &t, &error));
    g_assert_cmphex(error, ==, PF_U);
}

static void test_long_large_pages(void)
{
    struct x86_cpu *cpu = vcpus[0];
    struct x86_translation t;
    uint32_t error = 0;
    uint64_t gpa;

    bench_reset();
    bench_long_mode(cpu, BENCH_CODE, true);
    bench_st64(BENCH_PDPT + 8 * 5, 7ull << 30 | 0x87);
    bench_st64(BENCH_PDPT + 8 * 6, 7ull << 30 | 0x87 | 1 << 20); /* reserved: not 1 GiB aligned */
    bench_st64(BENCH_PD + 8 * 4, 9ull << 21 | 0x87 | 1 << 13);   /* reserved: not 2 MiB aligned */
    bench_st64(BENCH_PML4 + 8, BENCH_PDPT | 0x87);               /* PS is reserved there */

    g_assert_true(walk((5ull << 30) + 0x12345678, X86_ACCESS_READ, MMU_KERNEL, &t, &error));
    g_assert_cmphex(t.gpa, ==, (7ull << 30) + 0x12345678);
    g_assert_cmpuint(t.page_bits, ==, 30);
    g_assert_false(walk(6ull << 30, X86_ACCESS_READ, MMU_KERNEL, &t, &error));
    g_assert_cmphex(error, ==, PF_P | PF_RSVD);
    g_assert_false(walk(8 << 20, X86_ACCESS_WRITE, MMU_KERNEL, &t, &error));
    g_assert_cmphex(error, ==, PF_P | PF_RSVD | PF_W);
    g_assert_false(walk(1ull << 39, X86_ACCESS_READ, MMU_KERNEL, &t, &error));
    g_assert_cmphex(error, ==, PF_P | PF_RSVD);
    /* 2 MiB pages: A and D in the directory entry. */
    g_assert_true(walk(0x600123, X86_ACCESS_WRITE, MMU_KERNEL, &t, &error));
    g_assert_cmphex(bench_ld64(BENCH_PD + 8 * 3), ==, 0x600000 | 0xe7);
    /* A debugger's walk leaves no trace. */
    g_assert_true(x86_debug_translate(cpu, 0xa00123, &gpa));
    g_assert_cmphex(gpa, ==, 0xa00123);
    g_assert_cmphex(bench_ld64(BENCH_PD + 8 * 5), ==, 0xa00000 | 0x87);
    g_assert_false(x86_debug_translate(cpu, 1ull << 47, &gpa));
    /* With five levels, which another accelerator's guest may have, there is one more table on top. */
    bench_st64(BENCH_PDPT + 8 * 9, BENCH_PML4 | 7);
    cpu->cr3 = BENCH_PDPT;
    cpu->cr4 |= CR4_LA57;
    g_assert_true(x86_debug_translate(cpu, (9ull << 48) + 0xa00123, &gpa));
    g_assert_cmphex(gpa, ==, 0xa00123);
    g_assert_false(x86_debug_translate(cpu, 1ull << 56, &gpa));
    cpu->cr4 &= ~CR4_LA57;
    /* Tables outside RAM: not present. */
    cpu->cr3 = 0x8000000000ull - 0x1000;
    g_assert_false(walk(0, X86_ACCESS_READ, MMU_KERNEL, &t, &error));
    g_assert_cmphex(error, ==, 0);
}

/* INVLPG and CR3 writes: old translations go, global ones stay over MOV CR3. */
GUEST_CODE(invlpg, "64",
           "mov 0x140000, %eax\n movq $0x142003, 0x16a00\n invlpg 0x140000\n mov 0x140000, %ebx\n"
           "movq $0x143003, 0x16a00\n mov %cr3, %rcx\n mov %rcx, %cr3\n mov 0x140000, %edx\n"
           "mov 0x141000, %esi\n movq $0x144103, 0x16a08\n mov %rcx, %cr3\n mov 0x141000, %edi\n"
           "mov %cr4, %r8\n btc $7, %r8\n mov %r8, %cr4\n mov 0x141000, %ebp\n" STOP);

static void test_tlb_flushes(void)
{
    struct x86_cpu *cpu = vcpus[0];

    bench_reset();
    bench_long_mode(cpu, BENCH_CODE, true);
    GUEST_PUT(invlpg, BENCH_CODE);
    for (unsigned i = 0; i < 5; i++) {
        bench_st32(0x140000 + 0x1000 * i, 10 + i);
    }
    *bench_pte(0x141000) |= 0x100; /* global */
    g_assert_cmpuint(bench_run(), ==, 10);
    g_assert_cmpuint(cpu->regs[R_RBX], ==, 12);
    g_assert_cmpuint(cpu->regs[R_RDX], ==, 13);
    g_assert_cmpuint(cpu->regs[R_RSI], ==, 11);
    g_assert_cmpuint(cpu->regs[R_RDI], ==, 11);
    g_assert_cmpuint(cpu->regs[R_RBP], ==, 14);
}

/* INVLPG of one address takes the whole large page with it: data and code of other pieces. */
GUEST_CODE(invlpg_large, "64",
           "mov 0x601000, %ebp\n mov $0x602000, %edi\n call *%rdi\n mov %ebx, %esi\n movq $0xa00087, 0x12018\n "
           "invlpg 0x600123\n"
           "mov 0x601000, %eax\n mov $0x602000, %edi\n call *%rdi\n" STOP);
GUEST_CODE(return_one, "64", "mov $1, %ebx\n ret");
GUEST_CODE(return_two, "64", "mov $2, %ebx\n ret");

static void test_invlpg_large(void)
{
    struct x86_cpu *cpu = vcpus[0];

    bench_reset();
    bench_long_mode(cpu, BENCH_CODE, true);
    GUEST_PUT(invlpg_large, BENCH_CODE);
    GUEST_PUT(return_one, 0x602000);
    GUEST_PUT(return_two, 0xa02000);
    bench_st32(0x601000, 10);
    bench_st32(0xa01000, 12);
    g_assert_cmpuint(bench_run(), ==, 12);
    g_assert_cmpuint(cpu->regs[R_RBP], ==, 10);
    g_assert_cmpuint(cpu->regs[R_RSI], ==, 1);
    g_assert_cmpuint(cpu->regs[R_RBX], ==, 2);
}

/* Non-canonical addresses: #GP, #SS through the stack. */
GUEST_CODE(noncanonical, "64", "movabs $0x800000000000, %rcx\n mov (%rcx), %eax\n" STOP);
GUEST_CODE(noncanonical_stack, "64", "movabs $0x800000000000, %rbp\n mov (%rbp), %eax\n" STOP);

static void test_noncanonical(void)
{
    bench_reset();
    bench_long_mode(vcpus[0], BENCH_CODE, true);
    GUEST_PUT(noncanonical, BENCH_CODE);
    g_assert_cmphex(bench_run(), ==, 0x100 + EXCP_GP);
    bench_reset();
    bench_long_mode(vcpus[0], BENCH_CODE, true);
    GUEST_PUT(noncanonical_stack, BENCH_CODE);
    g_assert_cmphex(bench_run(), ==, 0x100 + EXCP_SS);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init("max");
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/paging/%s", cases[i].name);
        g_test_add_data_func(path, &cases[i], test_page_case);
    }
    g_test_add_func("/paging/32-bit", test_32bit_paging);
    g_test_add_func("/paging/pae", test_pae_paging);
    g_test_add_func("/paging/large", test_long_large_pages);
    g_test_add_func("/paging/tlb-flushes", test_tlb_flushes);
    g_test_add_func("/paging/invlpg-large", test_invlpg_large);
    g_test_add_func("/paging/non-canonical", test_noncanonical);
    return g_test_run();
}
