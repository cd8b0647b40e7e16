/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The CPU's sections: golden bytes, round trip, damaged input. */
#include "migration/stream.h"
#include "target/i386/vmstate.h"
#include "tcg-bench.h"

static GByteArray *save(const struct vmstate_description *vmsd, struct x86_cpu *cpu)
{
    struct stream *s = stream_new_memory_output();
    GByteArray *bytes = g_byte_array_new();
    GError *error = NULL;

    g_assert_true(vmstate_save_body(s, vmsd, x86_cpu_vmstate_opaque(cpu), NULL, &error));
    g_assert_no_error(error);
    g_byte_array_append(bytes, stream_memory_data(s)->data, stream_memory_data(s)->len);
    stream_free(s);
    return bytes;
}

static bool load(const struct vmstate_description *vmsd, struct x86_cpu *cpu, GByteArray *bytes, GError **error)
{
    struct stream *s = stream_new_memory_input(bytes->data, bytes->len);
    bool ok = vmstate_load_body(s, vmsd, x86_cpu_vmstate_opaque(cpu), vmsd->version, error);
    stream_free(s);
    return ok;
}

static uint32_t be32(const GByteArray *bytes, size_t at)
{
    return (uint32_t)bytes->data[at] << 24 | bytes->data[at + 1] << 16 | bytes->data[at + 2] << 8 |
           bytes->data[at + 3];
}

static void put_be32(GByteArray *bytes, size_t at, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        bytes->data[at + i] = value >> (24 - 8 * i);
    }
}

/* Places of some fields in the section's body. */
enum {
    AT_EIP = 16 * 8, AT_EFLAGS = AT_EIP + 8, AT_HFLAGS = AT_EFLAGS + 8, AT_FPREGS = AT_HFLAGS + 4 + 8,
    AT_SEGS = AT_FPREGS + 80, AT_CR0 = AT_SEGS + 10 * 20 + 20, AT_CR4 = AT_CR0 + 24, AT_MXCSR = AT_CR4 + 8 + 64 + 4,
    AT_EFER = AT_MXCSR + 4 + 256, BODY = 1817,
};

/* A CPU after reset: what stock sends, by size and in its telling places. */
static void test_golden_reset(void)
{
    GByteArray *bytes;

    bench_reset();
    bytes = save(&vmstate_x86_cpu, vcpus[0]);
    g_assert_cmpuint(bytes->len, ==, BODY); /* stock adds cpu/poll_control_msr, an MSR that its CPU has not got */
    g_assert_cmphex(be32(bytes, AT_EIP + 4), ==, 0xfff0);
    g_assert_cmphex(be32(bytes, AT_EFLAGS + 4), ==, 2);
    g_assert_cmphex(be32(bytes, AT_HFLAGS), ==, 0x40);
    g_assert_cmphex(be32(bytes, AT_SEGS + 20), ==, 0xf000);         /* CS: selector, base, limit, flags */
    g_assert_cmphex(be32(bytes, AT_SEGS + 20 + 8), ==, 0xffff0000);
    g_assert_cmphex(be32(bytes, AT_SEGS + 20 + 16), ==, 0x9b00);
    g_assert_cmphex(be32(bytes, AT_CR0 + 4), ==, 0x60000010);
    g_assert_cmphex(be32(bytes, AT_MXCSR), ==, 0x1f80);
    g_byte_array_unref(bytes);
}

/* The mode that stock's hflags give for a Linux kernel in 64-bit mode. */
static void test_golden_long_mode(void)
{
    struct x86_cpu *cpu = vcpus[0];
    GByteArray *bytes;

    bench_reset();
    bench_long_mode(cpu, 0x1234, true);
    cpu->cr4 = 0x6b0;
    x86_cpu_update_mode(cpu);
    bytes = save(&vmstate_x86_cpu, cpu);
    g_assert_cmphex(be32(bytes, AT_HFLAGS), ==, 0x0040c2b0);
    g_byte_array_unref(bytes);
}

static void test_round_trip(void)
{
    struct x86_cpu *cpu = vcpus[0], *other = vcpus[1];
    GByteArray *bytes, *again;
    GError *error = NULL;

    bench_reset();
    bench_long_mode(cpu, 0xffffffff81000000, true);
    for (int i = 0; i < 16; i++) {
        cpu->regs[i] = 0x1111111111111111ull * i;
        cpu->xmm[i].q[0] = i;
        cpu->xmm[i].q[1] = ~(uint64_t)i;
    }
    x86_flags_set(cpu, 0x8d5 | EFLAGS_IF, 0xffffffff);
    cpu->interrupt_shadow = true;
    cpu->nmi_blocked = true;
    cpu->fpu.top = 5;
    cpu->fpu.empty = 0x7f;
    cpu->fpu.status = 0x4100;
    cpu->fpu.regs[7].mantissa = 0x8000000000000001ull;
    cpu->fpu.regs[7].exponent = 0xbfff;
    cpu->fpu.ip = 0x1234;
    cpu->tsc_adjust = 77;
    cpu->misc_enable = 0x40001;
    cpu->lstar = 0xffffffff81800000;
    cpu->kernel_gs_base = 0xffff888000000000;
    cpu->mtrr_var[3].mask = 5;
    other->halted = false; /* cpu_common's */
    bytes = save(&vmstate_x86_cpu, cpu);
    g_assert_true(load(&vmstate_x86_cpu, other, bytes, &error));
    g_assert_no_error(error);
    g_assert_cmpmem(other->regs, sizeof(cpu->regs), cpu->regs, sizeof(cpu->regs));
    g_assert_cmpmem(other->xmm, sizeof(cpu->xmm), cpu->xmm, sizeof(cpu->xmm));
    g_assert_cmphex(x86_flags_get(other), ==, x86_flags_get(cpu));
    g_assert_cmpuint(other->fpu.top, ==, 5);
    g_assert_cmphex(other->fpu.empty, ==, 0x7f);
    g_assert_cmphex(other->fpu.status, ==, 0x4100);
    g_assert_true(other->interrupt_shadow);
    g_assert_true(other->nmi_blocked);
    g_assert_cmpuint(other->cpl, ==, 0);
    g_assert_cmpuint(other->tsc_adjust, ==, 77);
    again = save(&vmstate_x86_cpu, other);
    g_assert_cmpmem(again->data, again->len, bytes->data, bytes->len);
    g_byte_array_unref(bytes);
    g_byte_array_unref(again);
}

static void expect_refused(size_t at, uint32_t value, const char *field)
{
    GByteArray *bytes;
    GError *error = NULL;

    bench_reset();
    bench_long_mode(vcpus[0], 0x1000, true);
    bytes = save(&vmstate_x86_cpu, vcpus[0]);
    put_be32(bytes, at, value);
    g_assert_false(load(&vmstate_x86_cpu, vcpus[1], bytes, &error));
    g_assert_nonnull(error);
    g_assert_nonnull(strstr(error->message, field));
    g_error_free(error);
    g_byte_array_unref(bytes);
}

static void test_damaged(void)
{
    GByteArray *bytes;
    GError *error = NULL;

    expect_refused(AT_CR0 + 4, 0x80000000, "cr[0]");  /* paging without protection */
    expect_refused(AT_CR0, 1, "cr[0]");
    expect_refused(AT_CR4 + 4, 0x10000620, "cr[4]");
    expect_refused(AT_MXCSR, 0x11f80, "mxcsr");       /* would fault on the host */
    expect_refused(AT_EFER + 4, 0x100, "efer");       /* LME and paging without LMA */
    expect_refused(AT_FPREGS - 2, 0x00010000, "fpregs_format");
    bench_reset();
    bytes = save(&vmstate_x86_cpu, vcpus[0]);
    g_byte_array_set_size(bytes, 900);
    g_assert_false(load(&vmstate_x86_cpu, vcpus[1], bytes, &error));
    g_assert_nonnull(error);
    g_error_free(error);
    g_byte_array_unref(bytes);
}

static void test_common(void)
{
    GByteArray *bytes;

    bench_reset();
    vcpus[0]->halted = true;
    vcpus[0]->interrupt_request = CPU_INTERRUPT_NMI | CPU_INTERRUPT_HARD;
    bytes = save(&vmstate_x86_cpu_common, vcpus[0]);
    g_assert_cmpmem(bytes->data, bytes->len, "\0\0\0\1\0\0\2\2", 8);
    put_be32(bytes, 4, 0xffffffff);
    g_assert_true(load(&vmstate_x86_cpu_common, vcpus[1], bytes, NULL));
    g_assert_true(vcpus[1]->halted);
    g_assert_cmphex(vcpus[1]->interrupt_request, ==, 0x0e52); /* unknown bits are dropped */
    vcpus[0]->interrupt_request = vcpus[1]->interrupt_request = 0;
    g_byte_array_unref(bytes);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init("max");
    g_test_add_func("/cpu/golden-reset", test_golden_reset);
    g_test_add_func("/cpu/golden-long-mode", test_golden_long_mode);
    g_test_add_func("/cpu/round-trip", test_round_trip);
    g_test_add_func("/cpu/damaged", test_damaged);
    g_test_add_func("/cpu/common", test_common);
    return g_test_run();
}
