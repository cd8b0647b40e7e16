/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See tcg-bench.h. */
#include <string.h>

#include "accel/icount.h"
#include "tcg-bench.h"
#include "util/keyval.h"
#include "util/main-loop.h"

struct ram_block *bench_ram;
uint8_t *bench_mem;
uint64_t bench_mmio_value, bench_mmio_writes;

static struct memory_region ram_region, exit_region, mmio_region;
static GCond done_cond;
static bool done;
static uint32_t done_value;

static void exit_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    if (!done) {
        done = true;
        done_value = value;
        g_cond_broadcast(&done_cond);
    }
}

static uint64_t mmio_read(void *opaque, hwaddr offset, unsigned size)
{
    return bench_mmio_value + offset;
}

static void mmio_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    bench_mmio_value = value;
    bench_mmio_writes++;
}

static const struct memory_region_ops exit_ops = { .write = exit_write, .max_access = 4 };
static const struct memory_region_ops mmio_ops = { .read = mmio_read, .write = mmio_write, .max_access = 8 };

static void init(const char *cpu_model, int cpus, const char *icount)
{
    struct x86_features features;
    GError *error = NULL;
    const struct x86_cpu_model *model;

    main_loop_init();
    memory_init();
    bench_ram = ram_block_new("bench.ram", BENCH_RAM, &error);
    g_assert_no_error(error);
    bench_mem = bench_ram->host;
    memory_region_init_ram(&ram_region, bench_ram, "bench.ram", BENCH_RAM);
    memory_region_add(&system_memory, 0, &ram_region, 0);
    memory_region_init_io(&exit_region, &exit_ops, NULL, "exit", 4);
    memory_region_add(&system_io, 0xf4, &exit_region, 0);
    memory_region_init_io(&mmio_region, &mmio_ops, NULL, "mmio", 0x1000);
    memory_region_add(&system_memory, BENCH_MMIO, &mmio_region, 0);
    accel_configure(NULL, &error);
    g_assert_no_error(error);
    if (icount) {
        struct keyval *options = keyval_parse("-icount", icount, "shift", &error);
        g_assert_true(icount_configure(options, &error));
        keyval_free(options);
    }
    model = x86_cpu_model_parse(cpu_model, &features, &error);
    g_assert_no_error(error);
    for (int i = 0; i < cpus; i++) {
        vcpu_new(model, &features, &error);
        g_assert_no_error(error);
    }
    vcpus_start(&error);
    g_assert_no_error(error);
}

void bench_init(const char *cpu_model)
{
    init(cpu_model, BENCH_CPUS, NULL);
}

void bench_init_icount(const char *cpu_model, const char *icount)
{
    init(cpu_model, 1, icount);
}

void bench_reset(void)
{
    vcpus_pause_all();
    memset(bench_mem, 0, BENCH_RAM);
    VCPU_FOREACH(cpu) {
        x86_cpu_reset(cpu, false);
        cpu->halted = true;
    }
    accel->flush();
    bench_mmio_value = bench_mmio_writes = 0;
    done = false;
}

void bench_go(void)
{
    done = false;
    vcpus_resume_all();
}

bool bench_finished(void)
{
    return done;
}

G_GNUC_NORETURN static void give_up(void)
{
    GString *text = g_string_new(NULL);
    x86_cpu_describe(vcpus[0], text);
    g_error("the guest did not end its run\n%s", text->str);
}

uint32_t bench_wait(void)
{
    int64_t until = g_get_monotonic_time() + 10 * G_TIME_SPAN_SECOND;

    while (!done) {
        big_unlock();
        g_usleep(200);
        big_lock();
        if (g_get_monotonic_time() > until) {
            give_up();
        }
    }
    vcpus_pause_all();
    return done_value;
}

uint32_t bench_run(void)
{
    bench_go();
    return bench_wait();
}

/* --- tables --- */

static void put_descriptor(unsigned selector, uint32_t base, uint32_t limit, uint32_t flags)
{
    uint64_t low = (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16;
    uint64_t high = flags | (limit & 0xf0000) | (base & 0xff000000) | (base >> 16 & 0xff);
    bench_st64(BENCH_GDT + (selector & ~7u), (low & 0xffffffff) | high << 32 | (uint64_t)(base >> 16 & 0xff) << 32);
}

static void put_tables(void)
{
    static const uint8_t stub[] = {
        0xb8, 0, 0, 0, 0,  /* mov $0x100 + vector, %eax */
        0xe7, 0xf4,        /* out %eax, $0xf4 */
        0xfa, 0xf4,        /* 1: cli; hlt */
        0xeb, 0xfc,        /* jmp 1b */
    };

    put_descriptor(BENCH_CS32, 0, 0xfffff, 0xc09b00);
    put_descriptor(BENCH_DS, 0, 0xfffff, 0xc09300);
    put_descriptor(BENCH_CS64, 0, 0xfffff, 0xa09b00);
    put_descriptor(BENCH_CS16, 0, 0xffff, 0x009b00);
    put_descriptor(BENCH_UCS32, 0, 0xfffff, 0xc0fb00);
    put_descriptor(BENCH_UDS, 0, 0xfffff, 0xc0f300);
    put_descriptor(BENCH_UCS64, 0, 0xfffff, 0xa0fb00);
    put_descriptor(BENCH_TSS_SEL, BENCH_TSS, 0xfff, 0x008b00);
    for (unsigned vector = 0; vector < 256; vector++) {
        uint8_t *at = bench_mem + BENCH_STUBS + 16 * vector;
        memcpy(at, stub, sizeof(stub));
        at[1] = vector;
        at[2] = 1;
    }
}

void bench_gate64(unsigned vector, uint64_t target, unsigned dpl, unsigned ist)
{
    uint64_t gate = (target & 0xffff) | BENCH_CS64 << 16 | (uint64_t)(0x8e00 | dpl << 13 | ist) << 32 |
                    (target & 0xffff0000) << 32;
    bench_st64(BENCH_IDT + 16 * vector, gate);
    bench_st64(BENCH_IDT + 16 * vector + 8, target >> 32);
}

void bench_gate32(unsigned vector, uint32_t target, unsigned dpl, unsigned type)
{
    uint64_t gate = (target & 0xffff) | BENCH_CS32 << 16 | (uint64_t)(0x8000 | dpl << 13 | type << 8) << 32 |
                    (uint64_t)(target & 0xffff0000) << 32;
    bench_st64(BENCH_IDT + 8 * vector, gate);
}

static void put_long_tables(void)
{
    put_tables();
    for (unsigned vector = 0; vector < 256; vector++) {
        bench_gate64(vector, BENCH_STUBS + 16 * vector, 0, 0);
    }
    bench_st64(BENCH_TSS + 4, BENCH_RSP0);
    bench_st64(BENCH_TSS + 0x24, BENCH_IST1);
    bench_st64(BENCH_PML4, BENCH_PDPT | 7);
    for (unsigned i = 0; i < 4; i++) {
        bench_st64(BENCH_PDPT + 8 * i, (BENCH_PD + 0x1000 * i) | 7);
    }
    for (uint64_t i = 0; i < 2048; i++) {
        bench_st64(BENCH_PD + 8 * i, i << 21 | 0x87);
    }
    bench_st64(BENCH_PD, BENCH_PT | 7);
    for (uint64_t i = 0; i < 512; i++) {
        bench_st64(BENCH_PT + 8 * i, i << 12 | 7);
    }
}

static struct x86_segment segment(uint16_t selector, uint32_t flags)
{
    return (struct x86_segment) { .selector = selector, .limit = 0xffffffff, .flags = flags };
}

static void set_segments(struct x86_cpu *cpu, struct x86_segment code)
{
    for (int i = 0; i < S_COUNT; i++) {
        cpu->segs[i] = segment(BENCH_DS, 0xc09300);
    }
    cpu->segs[S_CS] = code;
    cpu->gdt = (struct x86_segment) { .base = BENCH_GDT, .limit = BENCH_GDT_END };
    cpu->idt = (struct x86_segment) { .base = BENCH_IDT, .limit = 0xfff };
    cpu->tr = (struct x86_segment) { .selector = BENCH_TSS_SEL, .base = BENCH_TSS, .limit = 0xfff, .flags = 0x8b00 };
}

void bench_long_mode(struct x86_cpu *cpu, uint64_t rip, bool tables)
{
    if (tables) {
        put_long_tables();
    }
    set_segments(cpu, segment(BENCH_CS64, 0xa09b00));
    cpu->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_PGE;
    cpu->cr3 = BENCH_PML4;
    cpu->efer = EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE;
    cpu->cr0 = CR0_PG | CR0_PE | CR0_WP | CR0_NE | CR0_MP | CR0_ET;
    cpu->regs[R_RIP] = rip;
    cpu->regs[R_RSP] = BENCH_STACK - 0x200 * cpu->index;
    cpu->cpl = 0;
    cpu->halted = false;
    x86_cpu_update_mode(cpu);
    tlb_flush(cpu, true);
}

void bench_protected_mode(struct x86_cpu *cpu, uint32_t rip)
{
    put_tables();
    for (unsigned vector = 0; vector < 256; vector++) {
        bench_gate32(vector, BENCH_STUBS + 16 * vector, 0, 14);
    }
    bench_st32(BENCH_TSS + 4, BENCH_RSP0);
    bench_st32(BENCH_TSS + 8, BENCH_DS);
    set_segments(cpu, segment(BENCH_CS32, 0xc09b00));
    cpu->cr0 = CR0_PE | CR0_NE | CR0_ET;
    cpu->regs[R_RIP] = rip;
    cpu->regs[R_RSP] = BENCH_STACK;
    cpu->cpl = 0;
    cpu->halted = false;
    x86_cpu_update_mode(cpu);
    tlb_flush(cpu, true);
}
