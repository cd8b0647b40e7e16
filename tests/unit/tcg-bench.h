/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine for tests of the software CPU: RAM at 0, two vCPUs, port 0xf4 that ends a run with a value, an MMIO
 * register page. Guest code is assembled into the test program itself and copied in.
 */
#ifndef FERRY_TESTS_TCG_BENCH_H
#define FERRY_TESTS_TCG_BENCH_H

#include "accel/accel.h"
#include "accel/tcg/mem.h"
#include "accel/vcpu.h"
#include "memory/memory.h"
#include "target/i386/cpu.h"

#define BENCH_RAM (64ull << 20)
#define BENCH_MMIO 0xfe000000ull /* reads count, writes are remembered */
#define BENCH_CPUS 2

/* Where bench_long_mode() puts things; guests may use RAM from 0x100000 on. */
#define BENCH_GDT 0x1000u
#define BENCH_IDT 0x2000u
#define BENCH_TSS 0x3000u
#define BENCH_STUBS 0x4000u  /* 16 bytes for each vector: ends the run with 0x100 + vector */
#define BENCH_IST1 0xa000u   /* stack tops */
#define BENCH_RSP0 0xb000u
#define BENCH_STACK 0xc000u
#define BENCH_USER_STACK 0xd000u
#define BENCH_PML4 0x10000u  /* identity map of 4 GiB: PML4, PDPT, 4 PDs of 2 MiB pages, one PT for the first 2 MiB */
#define BENCH_PDPT 0x11000u
#define BENCH_PD 0x12000u
#define BENCH_PT 0x16000u
#define BENCH_CODE 0x20000u

enum {
    BENCH_CS32 = 0x08, BENCH_DS = 0x10, BENCH_CS64 = 0x18, BENCH_CS16 = 0x20, BENCH_UCS32 = 0x2b, BENCH_UDS = 0x33,
    BENCH_UCS64 = 0x3b, BENCH_TSS_SEL = 0x40, BENCH_GATE = 0x50, BENCH_TSS2_SEL = 0x60, BENCH_GDT_END = 0x6f,
};

extern struct ram_block *bench_ram;
extern uint8_t *bench_mem;  /* its host address: guest-physical 0 */
extern uint64_t bench_mmio_value, bench_mmio_writes;

/* Guest code: GUEST_CODE(name, "64", "assembly") gives name_begin[] and name_end[]. */
#define GUEST_CODE(name, bits, text)                                                                             \
    __asm__(".pushsection .rodata\n.code" bits "\n" #name "_begin:\n" text "\n" #name "_end:\n.code64\n.popsection"); \
    extern const uint8_t name##_begin[], name##_end[]
#define GUEST_PUT(name, address) memcpy(bench_mem + (address), name##_begin, name##_end - name##_begin)

/* Once, first. `cpu_model`: as -cpu. */
void bench_init(const char *cpu_model);
/* The same with one vCPU and -icount. */
void bench_init_icount(const char *cpu_model, const char *icount);
/* All vCPUs paused and reset, memory zeroed, everything cached flushed. */
void bench_reset(void);
/* The vCPU to 64-bit mode at `rip`, CPL 0, tables as above (made anew if `tables`), SSE on, interrupts off. */
void bench_long_mode(struct x86_cpu *cpu, uint64_t rip, bool tables);
/* The same to 32-bit protected mode, flat, paging off. */
void bench_protected_mode(struct x86_cpu *cpu, uint32_t rip);
/* Runs until a vCPU writes to port 0xf4, then pauses all; the value. Fails the test after ten seconds. */
uint32_t bench_run(void);
/* The same, in two halves. */
void bench_go(void);
uint32_t bench_wait(void);
bool bench_finished(void);

void bench_gate64(unsigned vector, uint64_t target, unsigned dpl, unsigned ist);
void bench_gate32(unsigned vector, uint32_t target, unsigned dpl, unsigned type);

static inline uint64_t *bench_pte(uint64_t va) /* of the first 2 MiB */
{
    return (uint64_t *)(bench_mem + BENCH_PT) + (va >> 12);
}
static inline uint64_t bench_ld64(uint64_t gpa)
{
    uint64_t value;
    memcpy(&value, bench_mem + gpa, sizeof(value));
    return value;
}
static inline void bench_st64(uint64_t gpa, uint64_t value)
{
    memcpy(bench_mem + gpa, &value, sizeof(value));
}
static inline void bench_st32(uint64_t gpa, uint32_t value)
{
    memcpy(bench_mem + gpa, &value, sizeof(value));
}

#endif
