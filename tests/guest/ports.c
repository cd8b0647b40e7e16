/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Access sizes: ports, string I/O, MMIO; and model specific registers. */
#include "hardware.h"
#include "system.h"

static void select_config(uint32_t at) { outl(0xcf8, 0x80000000u | at); }

/* The host bridge's configuration space by all sizes, and by string instructions. */
static bool run_ports(int argc, char **argv)
{
    select_config(0);
    uint32_t id = inl(0xcfc);
    CHECK(id == 0x12378086, "host bridge 0x%x", id);
    CHECK(inw(0xcfc) == 0x8086 && inw(0xcfe) == 0x1237, "by words: 0x%x 0x%x", inw(0xcfc), inw(0xcfe));
    for (int i = 0; i < 4; i++) {
        CHECK(inb(0xcfc + i) == (id >> i * 8 & 0xff), "byte %d: 0x%x", i, inb(0xcfc + i));
    }
    uint32_t words[4] = { 0 };
    void *to = words;
    uint64_t n = 4;
    __asm__ volatile("rep insl" : "+D"(to), "+c"(n) : "d"(0xcfc) : "memory");
    CHECK(words[0] == id && words[3] == id && n == 0 && to == words + 4, "rep insl: 0x%x 0x%x", words[0], words[3]);
    const uint8_t text[] = "A";
    const void *from = text;
    __asm__ volatile("outsb" : "+S"(from) : "d"(0x80) : "memory");
    CHECK(from == text + 1, "outsb moved by %ld", (const uint8_t *)from - text);
    CHECK(inb(0x2f0) == 0xff && inw(0x2f0) == 0xffff && inl(0x2f0) == 0xffffffff, "an absent port reads 0x%x",
          inl(0x2f0));

    /* The RTC's pair: a byte each, also as one word to 0x70 (index, then data). */
    uint8_t old = cmos_read(0x30);
    outw(0x70, 0x5a30);
    CHECK(cmos_read(0x30) == 0x5a, "outw to 0x70: 0x%x", cmos_read(0x30));
    cmos_write(0x30, old);
    CHECK((apic_read(APIC_VERSION) & 0xff) >= 0x10, "local APIC version 0x%x", apic_read(APIC_VERSION));
    uint32_t version = ioapic_read(1);
    CHECK((version >> 16 & 0xff) == 23, "I/O APIC version 0x%x", version);
    return true;
}

static void do_rdmsr(void *msr) { rdmsr((uint64_t)msr); }
static void do_in(void *unused) { inb(0x80); }

static bool run_msr(int argc, char **argv)
{
    struct trap_frame f;
    CHECK(rdmsr(0x1b) == 0xfee00900, "APIC base 0x%lx", rdmsr(0x1b));
    CHECK((rdmsr(MSR_EFER) & 0xd01) == 0xd01, "EFER 0x%lx", rdmsr(MSR_EFER));
    CHECK(rdmsr(0x277) == 0x0007040600070406ull, "PAT 0x%lx", rdmsr(0x277));
    CHECK(rdmsr(0xfe) == 0x508, "MTRRcap 0x%lx", rdmsr(0xfe));
    CHECK(rdmsr(0x12345678) == 0, "an unknown one reads 0x%lx", rdmsr(0x12345678));
    uint64_t a = rdtsc(), b = rdmsr(0x10), c = rdtsc();
    bool strict = argc > 1; /* stock QEMU's software CPU has no such register */
    CHECK(!strict || (a <= b && b <= c), "TSC 0x%lx, 0x%lx, 0x%lx", a, b, c);
    if (strict) {
        wrmsr(0x10, 1ull << 50);
        uint64_t t = rdtsc();
        CHECK(t >> 50 == 1 && t < (1ull << 50) + 100000000000ull, "TSC 0x%lx after it was set to 2^50", t);
        wrmsr(0x10, c);
    }
    CHECK(user_run(do_rdmsr, (void *)0x1b, &f) == 13, "RDMSR in ring 3: %lu", f.vector);
    CHECK(user_run(do_in, NULL, &f) == 13, "IN in ring 3 without permission: %lu", f.vector);
    return true;
}

const struct command port_commands[] = {
    { "ports", "access sizes of ports and registers", run_ports },
    { "msr", "model specific registers", run_msr },
    { NULL, NULL, NULL },
};
