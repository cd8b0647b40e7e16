/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ways between rings: SYSCALL, SYSENTER, call gates, IRET, the stacks that the TSS gives, double faults. */
#include "system.h"

struct seen {
    uint64_t rsp, rcx, r11, flags, cs, ss, frame[4], count;
};
extern volatile struct seen seen;
extern struct {
    uint64_t offset;
    uint16_t selector;
} __attribute__((packed)) gate_pointer;
extern char syscall_entry[], syscall_entry_compat[], sysenter_entry[], gate_entry[];
extern char user_syscall_back[], user_gate_back[];
void user_syscall(void *out);
void user_sysenter(void *out);
void user_gate(void *out);
void user_compat(void *unused);
void iret_q(void *frame);
void iret_l(void *frame);
uint64_t iret_same(void);

#define FLAG_CF 1u
#define FLAG_DF 0x400u
#define FLAG_NT 0x4000u
#define USER_CODE32 (SEL_FREE | 3)

static volatile uint64_t out[4];

/* Some of stock QEMU's answers are known to be wrong: those are asked for only by `COMMAND strict`. */
static bool strict(int argc, char **argv)
{
    return argc > 1 && strcmp(argv[1], "strict") == 0;
}

static void do_syscall(void *unused) { __asm__ volatile("syscall" ::: "rcx", "r11", "memory"); }

static void do_sysret(void *unused) { __asm__ volatile("sysretq"); }

static bool run_syscall(int argc, char **argv)
{
    struct trap_frame f;
    wrmsr(MSR_STAR, 0x20ull << 48 | 0x08ull << 32);
    wrmsr(MSR_LSTAR, (uint64_t)syscall_entry);
    wrmsr(MSR_CSTAR, (uint64_t)syscall_entry_compat);
    wrmsr(MSR_FMASK, FLAG_DF);
    memset((void *)&seen, 0, sizeof(seen));
    CHECK(user_run(user_syscall, (void *)out, &f) == 0x80, "vector %lu rip 0x%lx error 0x%lx", f.vector, f.rip,
          f.error);
    CHECK(f.cs == 0x33 && f.ss == 0x2b, "back with cs 0x%lx ss 0x%lx", f.cs, f.ss);
    CHECK(seen.count == 1 && seen.cs == 0x08 && seen.ss == 0x10, "entered %lu times, cs 0x%lx ss 0x%lx", seen.count,
          seen.cs, seen.ss);
    CHECK(seen.rcx == (uint64_t)user_syscall_back, "rcx 0x%lx", seen.rcx);
    CHECK((seen.r11 & (FLAG_CF | FLAG_DF)) == (FLAG_CF | FLAG_DF), "r11 0x%lx", seen.r11);
    CHECK((seen.flags & FLAG_DF) == 0, "FMASK left flags 0x%lx", seen.flags);
    CHECK(!strict(argc, argv) || (seen.flags & FLAG_CF), "FMASK left flags 0x%lx", seen.flags);
    CHECK((out[3] & (FLAG_CF | FLAG_DF)) == (FLAG_CF | FLAG_DF), "flags 0x%lx after SYSRET", out[3]);
    CHECK(out[0] == 0 && out[1] == seen.rcx, "rsp moved by %ld, rcx 0x%lx", out[0], out[1]);

    gdt_set(SEL_FREE, 0x00cffb000000ffffull);
    CHECK(user_run(user_compat, NULL, &f) == 0x80, "compat: vector %lu rip 0x%lx", f.vector, f.rip);
    CHECK(seen.count == 2 && f.cs == 0x23 && f.rax == 2 && f.rbx == 0x1234, "compat: %lu entries, cs 0x%lx rax 0x%lx",
          seen.count, f.cs, f.rax);

    uint64_t efer = rdmsr(MSR_EFER);
    wrmsr(MSR_EFER, efer & ~1ull);
    int vector = user_run(do_syscall, NULL, &f);
    wrmsr(MSR_EFER, efer);
    CHECK(vector == 6, "SYSCALL without SCE: vector %d", vector);
    CHECK(user_run(do_sysret, NULL, &f) == 13 && f.error == 0, "SYSRET in ring 3: vector %lu", f.vector);
    return true;
}

static bool is_intel(void)
{
    uint32_t r[4];
    cpuid(0, 0, r);
    return r[1] == 0x756e6547;
}

/* AMD's processors refuse SYSENTER in long mode. */
static bool run_sysenter(int argc, char **argv)
{
    struct trap_frame f;
    wrmsr(0x174, 0x08);
    wrmsr(0x175, tss_stack(0));
    wrmsr(0x176, (uint64_t)sysenter_entry);
    CHECK(rdmsr(0x174) == 0x08 && rdmsr(0x175) == tss_stack(0) && rdmsr(0x176) == (uint64_t)sysenter_entry,
          "MSRs do not keep");
    memset((void *)&seen, 0, sizeof(seen));
    out[0] = 0;
    int vector = user_run(user_sysenter, (void *)out, &f);
    if (!is_intel()) {
        CHECK(vector == 6 && seen.count == 0, "AMD: vector %d", vector);
        return true;
    }
    CHECK(vector == 0x80, "vector %d rip 0x%lx", vector, f.rip);
    CHECK(seen.count == 1 && seen.cs == 0x08 && seen.ss == 0x10, "cs 0x%lx ss 0x%lx", seen.cs, seen.ss);
    CHECK(out[0] == 0x5e5e && f.cs == 0x2b && f.ss == 0x33, "cs 0x%lx ss 0x%lx", f.cs, f.ss);
    return true;
}

static bool run_gates(int argc, char **argv)
{
    struct trap_frame f;
    uint64_t at = (uint64_t)gate_entry;
    uint64_t low = (at & 0xffff) | 0x08 << 16 | 0xecull << 40 | (at >> 16 & 0xffff) << 48;
    gdt_set(0x58, low);
    gdt_set(0x60, at >> 32);
    memset((void *)&seen, 0, sizeof(seen));
    CHECK(user_run(user_gate, (void *)out, &f) == 0x80, "vector %lu error 0x%lx rip 0x%lx", f.vector, f.error, f.rip);
    CHECK(seen.count == 1 && (seen.cs & 0xffff) == 0x08 && (seen.ss & 0xffff) == 0, "cs 0x%lx ss 0x%lx", seen.cs,
          seen.ss);
    CHECK(seen.rsp == tss_stack(0) - 32, "on stack 0x%lx, want 0x%lx", seen.rsp, tss_stack(0) - 32);
    CHECK(seen.frame[0] == (uint64_t)user_gate_back && seen.frame[1] == 0x33 && seen.frame[3] == 0x2b,
          "frame 0x%lx 0x%lx 0x%lx 0x%lx", seen.frame[0], seen.frame[1], seen.frame[2], seen.frame[3]);
    CHECK(out[0] == 0 && (out[1] & 0xffff) == 0x33 && (out[2] & 0xffff) == 0x2b,
          "back: rsp moved %ld cs 0x%lx ss 0x%lx", out[0], out[1], out[2]);
    gdt_set(0x58, low & ~(0x60ull << 40)); /* DPL 0 */
    CHECK(user_run(user_gate, (void *)out, &f) == 13 && f.error == 0x58, "DPL 0: vector %lu error 0x%lx", f.vector,
          f.error);
    gdt_set(0x58, low & ~(0x80ull << 40)); /* not present */
    CHECK(user_run(user_gate, (void *)out, &f) == 11 && f.error == 0x58, "absent: vector %lu error 0x%lx", f.vector,
          f.error);
    gdt_set(0x58, low);
    gdt_set(0x60, 0x8000);
    CHECK(user_run(user_gate, (void *)out, &f) == 13, "far away: vector %lu error 0x%lx", f.vector, f.error);
    return true;
}

static uint64_t frame_at;
static struct trap_frame frame_seen;

static void note_frame(struct trap_frame *frame)
{
    frame_at = (uint64_t)frame;
    frame_seen = *frame;
}
static void do_int81(void *unused) { __asm__ volatile("int $0x81"); }
static void do_int82(void *unused) { __asm__ volatile("int $0x82"); }
static void do_ud(void *unused) { __asm__ volatile("ud2"); }
static void do_nothing(void *unused) {}
static void do_gp(void *unused) { (void)*(volatile uint64_t *)0x8000000000000000ull; }
static void do_pf(void *unused) { (void)*(volatile uint64_t *)(TEST_VA + (1ull << 38)); }

/*
 * Which stack a trap runs on: the interrupted one, ring 0's from the TSS, or one of the table's. Frames are 16 byte
 * aligned.
 */
static bool check_stacks(bool exact)
{
    uint64_t here;
    trap_set_handler(0x81, note_frame);
    __asm__ volatile("mov %%rsp, %0" : "=r"(here));
    do_int81(NULL);
    CHECK(frame_at < here && frame_at > here - 1024 && (frame_at + sizeof(frame_seen)) % 16 == 0,
          "frame at 0x%lx, stack 0x%lx", frame_at, here);
    CHECK(frame_seen.ss == SEL_DATA && frame_seen.rsp <= here && frame_seen.rsp > here - 1024, "ss 0x%lx rsp 0x%lx",
          frame_seen.ss, frame_seen.rsp);
    idt_set_ist(0x81, 1);
    do_int81(NULL);
    idt_set_ist(0x81, 0);
    CHECK(frame_at == tss_stack(1) - sizeof(frame_seen), "IST: frame at 0x%lx, want 0x%lx", frame_at,
          tss_stack(1) - sizeof(frame_seen));
    trap_set_handler(0x81, NULL);
    struct trap_frame f;
    trap_set_handler(13, NULL);
    CHECK(user_run(do_int81, NULL, &f) == 13 && (!exact || f.error == (0x81 * 8 | 2)),
          "INT over a gate of ring 0: vector %lu error 0x%lx", f.vector, f.error);
    CHECK(user_run(do_nothing, NULL, &f) == 0x80 && f.ss == 0x2b && f.cs == 0x33, "ss 0x%lx cs 0x%lx", f.ss, f.cs);
    return true;
}

/*
 * A fault while one is delivered: contributory ones and page faults make a double fault, others come one after the
 * other.
 */
static bool check_double_fault(bool exact)
{
    struct trap_frame f;
    uint64_t absent[2] = { 0x0000ee0000080000ull & ~(0x80ull << 40), 0 }, old[2], old_pf[2];
    idt_set_raw(0x82, absent, NULL);
    CHECK(trap_catch(do_int82, NULL, &f) == 11 && (!exact || f.error == (0x82 * 8 | 2)), "vector %lu error 0x%lx",
          f.vector, f.error);
    idt_set_raw(6, absent, old);
    int vector = trap_catch(do_ud, NULL, &f);
    idt_set_raw(6, old, NULL);
    CHECK(vector == 11 && (!exact || f.error == (6 * 8 | 3)), "#UD without a gate: vector %d error 0x%lx", vector,
          f.error);
    idt_set_raw(13, absent, old);
    vector = trap_catch(do_gp, NULL, &f);
    CHECK(vector == 8 && f.error == 0, "#GP without a gate: vector %d error 0x%lx", vector, f.error);
    idt_set_raw(13, old, NULL);
    idt_set_raw(14, absent, old_pf);
    vector = trap_catch(do_pf, NULL, &f);
    idt_set_raw(14, old_pf, NULL);
    CHECK(vector == 8 && f.error == 0, "#PF without a gate: vector %d error 0x%lx", vector, f.error);
    uint64_t bad_selector[2] = { 0x00008e0001f80000ull | ((uint64_t)do_gp & 0xffff), 0 };
    idt_set_raw(14, bad_selector, old_pf);
    vector = trap_catch(do_pf, NULL, &f);
    idt_set_raw(14, old_pf, NULL);
    CHECK(vector == 8, "#PF with a bad selector: vector %d", vector);
    return true;
}

static bool run_stacks(int argc, char **argv)
{
    return check_stacks(strict(argc, argv)) && check_double_fault(strict(argc, argv));
}

static int iret_fault(void (*iret)(void *), uint64_t rip, uint64_t cs, uint64_t flags, uint64_t rsp, uint64_t ss,
                      struct trap_frame *f)
{
    uint64_t words[5] = { rip, cs, flags, rsp, ss };
    return trap_catch(iret, words, f);
}

static uint8_t iret_stack[4096] __attribute__((aligned(16)));

static bool run_iret(int argc, char **argv)
{
    struct trap_frame f;
    uint64_t rsp = (uint64_t)(iret_stack + sizeof(iret_stack)), ud = (uint64_t)do_ud;
    uint64_t flags = iret_same();
    CHECK((flags & 0xcd7) == 0x8d7, "flags 0x%lx", flags);
    CHECK(iret_fault(iret_q, ud, 0x33, 2, rsp, 0x2b, &f) == 6 && f.cs == 0x33 && f.rsp == rsp,
          "to ring 3: %lu cs 0x%lx rsp 0x%lx", f.vector, f.cs, f.rsp);
    CHECK(iret_fault(iret_l, ud, 0x33, 2, rsp, 0x2b, &f) == 6 && f.cs == 0x33 && f.rsp == rsp,
          "IRETL: %lu cs 0x%lx rsp 0x%lx error 0x%lx", f.vector, f.cs, f.rsp, f.error);
    CHECK(iret_fault(iret_q, ud, SEL_CODE64, 2, rsp, 0, &f) == 6 && f.ss == 0, "null SS in ring 0: %lu ss 0x%lx",
          f.vector, f.ss);
    CHECK(iret_fault(iret_q, ud, 0x33, 2, rsp, 0, &f) == 13 && f.error == 0, "null SS in ring 3: %lu error 0x%lx",
          f.vector, f.error);
    CHECK(iret_fault(iret_q, ud, 0, 2, rsp, 0x2b, &f) == 13 && f.error == 0, "null CS: %lu error 0x%lx", f.vector,
          f.error);
    CHECK(iret_fault(iret_q, ud, 0x28, 2, rsp, 0x2b, &f) == 13 && f.error == 0x28, "CS of data: %lu error 0x%lx",
          f.vector, f.error);
    CHECK(iret_fault(iret_q, ud, 0x33, 2, rsp, 0x10, &f) == 13 && f.error == 0x10, "SS of ring 0: %lu error 0x%lx",
          f.vector, f.error);
    CHECK(iret_fault(iret_q, ud, 0x7fff0, 2, rsp, 0x2b, &f) == 13 && f.error == 0xfff0,
          "CS beyond the table: %lu error 0x%lx", f.vector, f.error);
    gdt_set(SEL_FREE, DESC_CODE32 & ~(0x80ull << 40));
    CHECK(iret_fault(iret_q, ud, SEL_FREE, 2, rsp, SEL_DATA, &f) == 11 && f.error == SEL_FREE,
          "absent CS: %lu error 0x%lx", f.vector, f.error);
    CHECK(iret_fault(iret_q, ud, SEL_CODE64, FLAG_NT | 2, rsp, SEL_DATA, &f) == 6 && (f.rflags & FLAG_NT),
          "NT is a flag to load: %lu", f.vector);
    __asm__ volatile("pushfq; orq $0x4000, (%%rsp); popfq" ::: "memory", "cc");
    int vector = iret_fault(iret_q, ud, SEL_CODE64, 2, rsp, SEL_DATA, &f);
    __asm__ volatile("pushfq; andq $~0x4000, (%%rsp); popfq" ::: "memory", "cc");
    CHECK(vector == 13 && f.error == 0, "IRET with NT: %d error 0x%lx", vector, f.error);
    return true;
}

const struct command privilege_commands[] = {
    { "syscall", "SYSCALL and SYSRET, 64 and 32-bit", run_syscall },
    { "sysenter", "SYSENTER and SYSEXIT, or #UD for AMD", run_sysenter },
    { "gates", "call gates from ring 3", run_gates },
    { "stacks", "TSS and IST stacks, double faults", run_stacks },
    { "iret", "IRET and what it refuses", run_iret },
    { NULL, NULL, NULL },
};
