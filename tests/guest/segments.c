/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Segments: what loading them checks, what 32-bit code may reach through them, FS and GS in 64-bit code. */
#include "system.h"

#define SEL_TEST (SEL_FREE + 0x40)
#define DESC_PRESENT (0x80ull << 40)

static void do_load_ds(void *selector) { __asm__ volatile("mov %0, %%ds" ::"r"((uint32_t)(uint64_t)selector)); }
static void do_load_ss(void *selector) { __asm__ volatile("mov %0, %%ss" ::"r"((uint32_t)(uint64_t)selector)); }
static void do_load_cs(void *unused) { __asm__ volatile(".byte 0x8e, 0xc8"); }
static void do_stack(void *unused)
{
    __asm__ volatile("mov %%rsp, %%rdx; mov %0, %%rsp; push %%rax; mov %%rdx, %%rsp" ::"r"(0x8000000000000000ull)
                     : "rdx", "memory");
}

#define LOAD_FAULTS(load, selector, want, code)                                                                      \
    do {                                                                                                             \
        int vector_ = trap_catch(load, (void *)(uint64_t)(selector), &f);                                            \
        CHECK(vector_ == (want) && f.error == (code), "selector 0x%x: %d error 0x%lx",                               \
              (selector), vector_, f.error);                                                                         \
    } while (0)

static bool check_loads(void)
{
    struct trap_frame f;
    gdt_set(SEL_TEST, DESC_DATA & ~DESC_PRESENT);
    LOAD_FAULTS(do_load_ds, SEL_TEST, 11, SEL_TEST);
    LOAD_FAULTS(do_load_ss, SEL_TEST, 12, SEL_TEST);
    gdt_set(SEL_TEST, 0x00cf99000000ffffull); /* code that cannot be read */
    LOAD_FAULTS(do_load_ds, SEL_TEST, 13, SEL_TEST);
    LOAD_FAULTS(do_load_ss, SEL_CODE64, 13, SEL_CODE64);
    gdt_set(SEL_TEST, 0x00cf91000000ffffull); /* read only data */
    LOAD_FAULTS(do_load_ss, SEL_TEST, 13, SEL_TEST);
    LOAD_FAULTS(do_load_ss, 0x2b, 13, 0x28); /* user data */
    LOAD_FAULTS(do_load_ds, 0x1000, 13, 0x1000);
    LOAD_FAULTS(do_load_ds, 0x1004, 13, 0x1004); /* there is no LDT */
    LOAD_FAULTS(do_load_cs, 0, 6, f.error);
    LOAD_FAULTS(do_load_ds, 0, -1, f.error);
    LOAD_FAULTS(do_load_ds, SEL_DATA, -1, f.error);
    gdt_set(SEL_TEST, DESC_DATA & ~(1ull << 40));
    LOAD_FAULTS(do_load_ds, SEL_TEST, -1, f.error);
    CHECK(gdt_get(SEL_TEST) == DESC_DATA, "accessed bit: 0x%lx", gdt_get(SEL_TEST));
    CHECK(user_run(do_load_ds, (void *)SEL_DATA, &f) == 13 && f.error == SEL_DATA, "ring 3 loads ring 0's data: %lu",
          f.vector);
    return true;
}

/* A stack at a non-canonical address is a stack fault, not a protection fault. */
static bool check_stack_fault(void)
{
    struct trap_frame f;
    idt_set_ist(12, 1);
    idt_set_ist(13, 1);
    int vector = trap_catch(do_stack, NULL, &f);
    idt_set_ist(12, 0);
    idt_set_ist(13, 0);
    CHECK(vector == 12 && f.error == 0 && f.rsp == 0x8000000000000000ull, "%d error 0x%lx rsp 0x%lx", vector, f.error,
          f.rsp);
    return true;
}

static bool check_inspection(void)
{
    uint32_t rights = 0, limit = 0;
    bool ok, read, write;
    gdt_set(SEL_TEST, 0x0040910012345678ull | 0x000a000000000000ull); /* read only, 32-bit, limit 0xa5678 bytes */
    __asm__ volatile("lar %2, %0; setz %1" : "=r"(rights), "=q"(ok) : "r"(SEL_TEST));
    CHECK(ok && (rights & 0xf0ff00) == 0x409100, "LAR 0x%x", rights);
    __asm__ volatile("lsl %2, %0; setz %1" : "=r"(limit), "=q"(ok) : "r"(SEL_TEST));
    CHECK(ok && limit == 0xa5678, "LSL 0x%x", limit);
    __asm__ volatile("lsl %2, %0; setz %1" : "=r"(limit), "=q"(ok) : "r"(SEL_DATA));
    CHECK(ok && limit == 0xffffffff, "LSL 0x%x", limit);
    __asm__ volatile("verr %w2; setz %0; verw %w2; setz %1" : "=&q"(read), "=&q"(write) : "r"(SEL_TEST));
    CHECK(read && !write, "VERR %d VERW %d", read, write);
    __asm__ volatile("lar %2, %0; setz %1" : "+r"(rights), "=q"(ok) : "r"(0x1000));
    CHECK(!ok, "LAR beyond the table");
    return true;
}

static bool check_bases(void)
{
    static volatile uint64_t words[2] = { 0x1111, 0x2222 };
    uint64_t got, other;
    wrmsr(MSR_GS_BASE, (uint64_t)&words[0]);
    wrmsr(MSR_KERNEL_GS_BASE, (uint64_t)&words[1]);
    wrmsr(MSR_FS_BASE, (uint64_t)&words[1] - 0x1000);
    __asm__ volatile("mov %%gs:0, %0; mov %%fs:0x1000, %1" : "=r"(got), "=r"(other));
    CHECK(got == 0x1111 && other == 0x2222, "gs 0x%lx fs 0x%lx", got, other);
    __asm__ volatile("swapgs; mov %%gs:0, %0" : "=r"(got));
    CHECK(got == 0x2222 && rdmsr(MSR_KERNEL_GS_BASE) == (uint64_t)&words[0], "swapgs: 0x%lx", got);
    __asm__ volatile("mov %0, %%gs; mov %0, %%fs" ::"r"(SEL_DATA));
    CHECK(rdmsr(MSR_GS_BASE) == 0 && rdmsr(MSR_FS_BASE) == 0, "bases after a load: 0x%lx 0x%lx", rdmsr(MSR_GS_BASE),
          rdmsr(MSR_FS_BASE));
    wrmsr(MSR_GS_BASE, 0);
    wrmsr(MSR_KERNEL_GS_BASE, 0);
    return true;
}

static bool run_segments(int argc, char **argv)
{
    return check_loads() && check_inspection() && check_bases();
}

/* 32-bit code: loads the selector in EDX into ES or SS and touches [EAX] through it. */
static const uint8_t read_es[] = { 0x8e, 0xc2, 0x26, 0x8b, 0x00, 0xc3 };  /* mov es, edx; mov eax, es:[eax]; ret */
static const uint8_t write_es[] = { 0x8e, 0xc2, 0x26, 0x89, 0x00, 0xc3 }; /* mov es, edx; mov es:[eax], eax; ret */
static const uint8_t read_cs[] = { 0x2e, 0x8b, 0x00, 0xc3 };                    /* mov eax, cs:[eax]; ret */
static const uint8_t push_ss[] = { 0x89, 0xe1, 0x8c, 0xd3, 0x8e, 0xd2, 0x89,
                                   0xc4, 0x50, 0x8e, 0xd3, 0x89, 0xcc, 0xc3 };
/* mov ecx, esp; mov ebx, ss; mov ss, edx; mov esp, eax; push eax; mov ss, ebx; mov esp, ecx; ret */

static struct {
    const uint8_t *code;
    uint32_t eax, edx;
} probe;
static void do_probe(void *unused) { call32(probe.code, probe.eax, probe.edx); }

static int touch(const uint8_t *code, size_t size, uint64_t descriptor, uint32_t at, struct trap_frame *f)
{
    static uint8_t *copy;
    if (!copy) {
        copy = page_alloc(1);
    }
    memcpy(copy, code, size);
    gdt_set(SEL_TEST, descriptor);
    probe.code = copy;
    probe.eax = at;
    probe.edx = SEL_TEST;
    return trap_catch(do_probe, NULL, f);
}

#define TOUCH(code, descriptor, at, want)                                                                            \
    do {                                                                                                             \
        int vector_ = touch(code, sizeof(code), descriptor, at, &f);                                                 \
        CHECK(vector_ == (want) && (vector_ < 0 || f.error == 0), "%s at 0x%x: %d error 0x%lx", #code, \
              (uint32_t)(at), vector_, f.error); \
    } while (0)

/* Stock QEMU's software CPU checks none of this. */
static bool run_limits(int argc, char **argv)
{
    if (!check_stack_fault()) {
        return false;
    }
    static uint32_t area[1024] __attribute__((aligned(4096)));
    struct trap_frame f;
    uint64_t base = (uint64_t)area;
    uint64_t bytes = (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56; /* byte granular */
    uint64_t small = bytes | 0x0040930000000000ull | 0xff;
    TOUCH(read_es, small, 0xfc, -1);
    TOUCH(read_es, small, 0xfd, 13);
    TOUCH(read_es, small, 0x100, 13);
    TOUCH(read_es, small, 0xffffffff, 13);
    TOUCH(write_es, small, 0xfc, -1);
    TOUCH(write_es, small, 0xfd, 13);
    TOUCH(write_es, small & ~(2ull << 40), 0x10, 13); /* read only */
    TOUCH(read_es, small & ~(2ull << 40), 0x10, -1);
    uint64_t down = bytes | 0x0040970000000000ull | 0xff; /* expands down: valid above the limit */
    TOUCH(read_es, down, 0xfc, 13);
    TOUCH(read_es, down, 0x100, -1);
    TOUCH(push_ss, small, 0x100, -1);
    idt_set_ist(12, 1); /* where it points is no stack for the fault */
    TOUCH(push_ss, small, 0x102, 12);
    TOUCH(push_ss, small, 0, 12);
    idt_set_ist(12, 0);
    static const uint8_t null_es[] = { 0x31, 0xd2, 0x8e, 0xc2, 0x26, 0x8b, 0x00, 0xc3 }; /* xor edx, edx; … */
    TOUCH(null_es, small, 0, 13);
    TOUCH(read_cs, small, (uint32_t)base, -1);
    gdt_set(SEL_TEST, DESC_DATA);
    return true;
}

const struct command segment_commands[] = {
    { "segments", "loading, inspecting, FS and GS", run_segments },
    { "limits", "what 32-bit code may reach", run_limits },
    { NULL, NULL, NULL },
};
