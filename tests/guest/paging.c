/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Paging further: large pages, global pages, SMEP, SMAP, WP, invalidation, faults in mid-instruction, control
 * registers.
 */
#include "system.h"

#define LARGE_VA (TEST_VA + (2 << 20))
#define ERR_P 1u
#define ERR_W 2u
#define ERR_U 4u
#define ERR_RSVD 8u
#define ERR_I 16u

static volatile uint64_t *const va = (volatile uint64_t *)TEST_VA;
static volatile uint64_t *const large = (volatile uint64_t *)LARGE_VA;

static void do_read(void *at) { (void)*(volatile uint64_t *)at; }
static void do_write(void *at) { *(volatile uint64_t *)at = 0x99; }
static void do_call(void *at) { ((void (*)(void))at)(); }

static void set_cr0(void *v) { write_cr0((uint64_t)v); }
static void set_cr4(void *v) { write_cr4((uint64_t)v); }
static void set_efer(void *v) { wrmsr(MSR_EFER, (uint64_t)v); }

static bool check_large(void)
{
    struct trap_frame f;
    uint64_t page = ((uint64_t)page_alloc(1024) + 0x1fffff) & ~0x1fffffull;
    uint64_t *pde = map_test_large(PTE_P | PTE_W, page);
    CHECK(large[5] == 0 && (*pde & (PTE_A | PTE_D)) == PTE_A, "entry 0x%lx after a read", *pde);
    large[512 * 511] = 7;
    CHECK((*pde & (PTE_A | PTE_D)) == (PTE_A | PTE_D), "entry 0x%lx after a write", *pde);
    CHECK(((uint64_t *)page)[512 * 511] == 7, "wrong page written");
    *pde = page | PTE_P | PTE_PS;
    invlpg(LARGE_VA + 0x123456); /* any address inside */
    CHECK(trap_catch(do_write, (void *)LARGE_VA, &f) == 14 && f.error == (ERR_P | ERR_W), "%lu error 0x%lx", f.vector,
          f.error);
    *pde = page | PTE_P | PTE_W | PTE_PS | 1ull << 13;
    invlpg(LARGE_VA);
    CHECK(trap_catch(do_read, (void *)LARGE_VA, &f) == 14 && (f.error & ERR_RSVD), "reserved bit 13: %lu error 0x%lx",
          f.vector, f.error);
    *pde = 0;
    invlpg(LARGE_VA);
    return true;
}

/* A new entry counts after INVLPG, after CR3 unless global, after PGE goes off and on. */
static bool check_invalidation(void)
{
    uint64_t a, b;
    map_test_page(PTE_P | PTE_W, &a);
    uint64_t *pte = map_test_page(PTE_P | PTE_W, &b);
    *(uint64_t *)a = 0xa;
    *(uint64_t *)b = 0xb;
    CHECK(*va == 0xb, "0x%lx", *va);
    *pte = a | PTE_P | PTE_W;
    invlpg(TEST_VA);
    CHECK(*va == 0xa, "INVLPG: 0x%lx", *va);
    *pte = b | PTE_P | PTE_W;
    write_cr3(read_cr3());
    CHECK(*va == 0xb, "CR3: 0x%lx", *va);
    write_cr4(read_cr4() | CR4_PGE);
    *pte = a | PTE_P | PTE_W | PTE_G;
    invlpg(TEST_VA);
    CHECK(*va == 0xa, "global: 0x%lx", *va);
    *pte = b | PTE_P | PTE_W | PTE_G;
    invlpg(TEST_VA);
    CHECK(*va == 0xb, "INVLPG of a global page: 0x%lx", *va);
    *pte = a | PTE_P | PTE_W | PTE_G;
    write_cr4(read_cr4() & ~CR4_PGE);
    CHECK(*va == 0xa, "PGE off: 0x%lx", *va);
    *pte = b | PTE_P | PTE_W;
    uint64_t cr0 = read_cr0();
    write_cr3(read_cr3());
    write_cr0(cr0);
    CHECK(*va == 0xb, "0x%lx", *va);
    return true;
}

static bool check_supervisor(void)
{
    struct trap_frame f;
    uint64_t page, *pte = map_test_page(PTE_P, &page);
    write_cr0(read_cr0() & ~0x10000ull);
    int vector = trap_catch(do_write, (void *)TEST_VA, &f);
    write_cr0(read_cr0() | 0x10000ull);
    CHECK(vector == -1 && *(uint64_t *)page == 0x99, "without WP: %d", vector);
    CHECK((*pte & PTE_D), "entry 0x%lx", *pte);
    CHECK(trap_catch(do_write, (void *)TEST_VA, &f) == 14 && f.error == (ERR_P | ERR_W), "with WP: %lu error 0x%lx",
          f.vector, f.error);

    map_test_page(PTE_P | PTE_W | PTE_U, &page);
    *(uint8_t *)page = 0xc3;
    CHECK(trap_catch(do_call, (void *)TEST_VA, &f) == -1, "user code from ring 0: %lu", f.vector);
    return true;
}

/* SMEP, SMAP: code, stack and tables must be on supervisor pages, so the first gigabyte's user bit goes meanwhile. */
extern uint64_t boot_pdpt[512];
static bool check_smep_smap(void)
{
    struct trap_frame f;
    uint64_t page;
    int run = 0, read = 0, clac = 0, stac = 0;
    if (!cpuid_bit(7, 1, 7) || !cpuid_bit(7, 1, 20)) {
        return true;
    }
    map_test_page(PTE_P | PTE_W | PTE_U, &page);
    *(uint8_t *)page = 0xc3;
    for (int i = 0; i < 4; i++) {
        boot_pdpt[i] &= ~PTE_U;
    }
    write_cr3(read_cr3());
    write_cr4(read_cr4() | CR4_SMEP);
    run = trap_catch(do_call, (void *)TEST_VA, &f);
    uint64_t run_error = f.error;
    write_cr4((read_cr4() & ~CR4_SMEP) | CR4_SMAP);
    read = trap_catch(do_read, (void *)TEST_VA, &f);
    uint64_t read_error = f.error;
    __asm__ volatile("stac");
    stac = trap_catch(do_read, (void *)TEST_VA, &f);
    __asm__ volatile("clac");
    clac = trap_catch(do_write, (void *)TEST_VA, &f);
    write_cr4(read_cr4() & ~CR4_SMAP);
    for (int i = 0; i < 4; i++) {
        boot_pdpt[i] |= PTE_U;
    }
    write_cr3(read_cr3());
    CHECK(run == 14 && run_error == (ERR_P | ERR_I), "SMEP: %d error 0x%lx", run, run_error);
    CHECK(read == 14 && read_error == ERR_P, "SMAP: %d error 0x%lx", read, read_error);
    CHECK(stac == -1 && clac == 14, "STAC: %d, CLAC: %d", stac, clac);
    return true;
}

/* Two pages side by side at TEST_VA that are not neighbours in memory. */
static bool check_crossing(void)
{
    struct trap_frame f;
    uint64_t first, second;
    uint64_t *pte = map_test_page(PTE_P | PTE_W, &second);
    pte[1] = pte[0];
    map_test_page(PTE_P | PTE_W, &first);
    invlpg(TEST_VA + 4096);
    volatile uint64_t *at = (volatile uint64_t *)(TEST_VA + 4093);
    *at = 0x1122334455667788ull;
    CHECK(*at == 0x1122334455667788ull, "0x%lx", *at);
    CHECK(*(uint8_t *)(first + 4093) == 0x88 && *(uint8_t *)(first + 4095) == 0x66 &&
              *(uint32_t *)second == 0x22334455,
          "first %x second %x", *(uint8_t *)(first + 4093), *(uint32_t *)second);
    CHECK((pte[0] & PTE_D) && (pte[1] & PTE_D), "dirty bits");
    __asm__ volatile("lock addq $1, %0" : "+m"(*at));
    CHECK(*at == 0x1122334455667789ull, "locked: 0x%lx", *at);

    /* An instruction over the boundary. */
    static const uint8_t load[] = { 0xb8, 1, 2, 3, 4, 0xc3 };
    memcpy((void *)(TEST_VA + 4094), load, sizeof(load));
    uint32_t got = ((uint32_t(*)(void))(TEST_VA + 4094))();
    CHECK(got == 0x04030201, "0x%x", got);
    *(uint8_t *)second = 9; /* a change in its second half */
    got = ((uint32_t(*)(void))(TEST_VA + 4094))();
    CHECK(got == 0x04030901, "0x%x", got);

    /* The second page refuses: nothing is written to the first. */
    *at = 0;
    pte[1] = second | PTE_P;
    invlpg(TEST_VA + 4096);
    CHECK(trap_catch(do_write, (void *)at, &f) == 14 && f.error == (ERR_P | ERR_W) && read_cr2() == TEST_VA + 4096,
          "%lu error 0x%lx cr2 0x%lx", f.vector, f.error, read_cr2());
    CHECK(*at == 0, "half written: 0x%lx", *at);
    memcpy((void *)(first + 4094), load, 2);
    pte[1] = second | PTE_P | PTE_W | PTE_NX;
    invlpg(TEST_VA + 4096);
    CHECK(trap_catch(do_call, (void *)(TEST_VA + 4094), &f) == 14 && read_cr2() == TEST_VA + 4096 &&
              f.rip == TEST_VA + 4094,
          "%lu cr2 0x%lx rip 0x%lx", f.vector, read_cr2(), f.rip);
    pte[1] = 0;
    invlpg(TEST_VA + 4096);
    return true;
}

static void do_rep(void *unused)
{
    __asm__ volatile("rep movsb" ::"S"(TEST_VA + 4000), "D"(TEST_VA), "c"(200) : "memory");
}
static void do_push(void *unused)
{
    __asm__ volatile("mov %%rsp, %%r12; mov %0, %%rsp; push $1; mov %%r12, %%rsp" ::"r"(TEST_VA + 8192)
                     : "r12", "memory");
}
static void do_cmpxchg(void *at)
{
    __asm__ volatile("lock cmpxchgq %%rcx, (%0)" ::"r"(at), "a"(1ull), "c"(2ull) : "memory", "cc");
}
static void do_pop_mem(void *at)
{
    __asm__ volatile("push $77; mov %%rsp, %%r12; popq (%0); nop" ::"r"(at) : "r12", "memory");
}

/* What a fault in mid-instruction leaves: REP its progress, everything else nothing. */
static bool check_restart(void)
{
    struct trap_frame f;
    uint64_t page, *pte = map_test_page(PTE_P | PTE_W, &page);
    pte[1] = 0;
    invlpg(TEST_VA + 4096);
    CHECK(trap_catch(do_rep, NULL, &f) == 14 && read_cr2() == TEST_VA + 4096, "%lu cr2 0x%lx", f.vector, read_cr2());
    CHECK(f.rcx == 104 && f.rsi == TEST_VA + 4096 && f.rdi == TEST_VA + 96, "rcx %lu rsi 0x%lx rdi 0x%lx", f.rcx,
          f.rsi, f.rdi);
    idt_set_ist(14, 1);
    int vector = trap_catch(do_push, NULL, &f);
    idt_set_ist(14, 0);
    CHECK(vector == 14 && f.rsp == TEST_VA + 8192 && f.error == ERR_W, "%lu rsp 0x%lx", f.vector, f.rsp);
    *pte = page | PTE_P;
    invlpg(TEST_VA);
    *(uint64_t *)page = 5;
    CHECK(trap_catch(do_cmpxchg, (void *)TEST_VA, &f) == 14 && f.error == (ERR_P | ERR_W) && f.rax == 1,
          "%lu error 0x%lx rax %lu", f.vector, f.error, f.rax);
    CHECK(trap_catch(do_pop_mem, (void *)TEST_VA, &f) == 14 && f.rsp == f.r12, "pop: %lu rsp moved by %ld", f.vector,
          f.rsp - f.r12);
    return true;
}

/* Stock QEMU's software CPU lets most of this pass. */
static bool run_control(int argc, char **argv)
{
    struct trap_frame f;
    uint64_t cr0 = read_cr0(), cr4 = read_cr4(), efer = rdmsr(MSR_EFER);
    CHECK(trap_catch(set_cr0, (void *)(cr0 & ~1ull), &f) == 13, "PG without PE: %lu", f.vector);
    CHECK(trap_catch(set_cr0, (void *)((cr0 | 1 << 29) & ~(1ull << 30)), &f) == 13, "NW without CD: %lu", f.vector);
    CHECK(trap_catch(set_cr0, (void *)(cr0 | 1ull << 32), &f) == 13, "CR0's upper half: %lu", f.vector);
    CHECK(trap_catch(set_cr4, (void *)(cr4 & ~0x20ull), &f) == 13, "PAE off in long mode: %lu", f.vector);
    CHECK(trap_catch(set_cr4, (void *)(cr4 | 1ull << 31), &f) == 13, "CR4 bit 31: %lu", f.vector);
    CHECK(cpuid_bit(1, 2, 17) || trap_catch(set_cr4, (void *)(cr4 | 1ull << 17), &f) == 13, "PCIDE without PCID: %lu",
          f.vector);
    CHECK(cpuid_bit(7, 1, 7) || trap_catch(set_cr4, (void *)(cr4 | CR4_SMEP), &f) == 13, "CR4.SMEP without SMEP: %lu",
          f.vector);
    CHECK(trap_catch(set_efer, (void *)(efer & ~0x100ull), &f) == 13, "LME off under paging: %lu", f.vector);
    CHECK(trap_catch(set_efer, (void *)(efer | 1ull << 40), &f) == 13, "EFER bit 40: %lu", f.vector);
    CHECK(read_cr0() == cr0 && read_cr4() == cr4 && rdmsr(MSR_EFER) == efer, "changed by what was refused");
    CHECK(user_run(set_cr0, (void *)cr0, &f) == 13 && user_run(set_efer, (void *)efer, &f) == 13, "ring 3");
    return true;
}

static bool run_paging2(int argc, char **argv)
{
    return check_large() && check_invalidation() && check_supervisor() && check_smep_smap() && check_crossing() &&
           check_restart();
}

const struct command paging_commands[] = {
    { "paging2", "large and global pages, SMEP, SMAP, WP, crossing, restarts", run_paging2 },
    { "control", "what control registers refuse", run_control },
    { NULL, NULL, NULL },
};
