/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -cpu, CPUID against figures taken from QEMU 7.2, and the CPU's sections: golden bytes, round trip, damaged input.
 */
#include "migration/stream.h"
#include "target/i386/vmstate.h"
#include "tcg-bench.h"

/* --- -cpu --- */

static void expect_parse_error(const char *text, const char *part)
{
    struct x86_features features;
    GError *error = NULL;

    g_assert_null(x86_cpu_model_parse(text, &features, &error));
    g_assert_nonnull(error);
    g_assert_nonnull(strstr(error->message, part));
    g_error_free(error);
}

static void test_models(void)
{
    struct x86_features features;
    const struct x86_cpu_model *model =
        x86_cpu_model_parse("qemu64,+popcnt,-nx,ssse3=on,lahf_lm=off", &features, NULL);

    g_assert_nonnull(model);
    g_assert_cmpstr(x86_cpu_model_name(model), ==, "qemu64");
    g_assert_true(x86_feature(&features, FEAT_1_ECX, 23));
    g_assert_true(x86_feature(&features, FEAT_1_ECX, 9));
    g_assert_false(x86_feature(&features, FEAT_8000_0001_EDX, 20));
    g_assert_false(x86_feature(&features, FEAT_8000_0001_ECX, 0));
    expect_parse_error("quantum", "'quantum'");
    expect_parse_error("qemu64,+warp", "'warp'");
    expect_parse_error("qemu64,+svm", "'svm'");
    expect_parse_error("qemu64,+avx", "'avx'");
    expect_parse_error("max,sse2=maybe", "sse2=maybe");
    expect_parse_error("", "''");
    g_assert_nonnull(x86_cpu_model_parse("qemu64,+svm,check", &features, NULL)); /* warned about, dropped */
    g_assert_false(x86_feature(&features, FEAT_8000_0001_ECX, 2));
    g_autofree char *help = x86_cpu_help();
    g_assert_nonnull(strstr(help, "qemu64"));
}

/* --- CPUID: leaf, subleaf, EAX, EBX, ECX, EDX of stock's qemu64, where SVM does not come into it --- */

static const uint32_t qemu64_leaves[][6] = {
    { 0x00000000, 0, 0x0000000d, 0x68747541, 0x444d4163, 0x69746e65 },
    { 0x00000001, 0, 0x00060fb1, 0x00000800, 0x80002001, 0x078bfbfd },
    { 0x00000002, 0, 0, 0, 0, 0 },
    { 0x00000004, 0, 0, 0, 0, 0 },
    { 0x00000005, 0, 0, 0, 3, 0 },
    { 0x00000007, 0, 0, 0, 0, 0 },
    { 0x0000000b, 0, 0, 1, 0x100, 0 },
    { 0x0000000b, 1, 0, 1, 0x201, 0 },
    { 0x0000000b, 2, 0, 0, 2, 0 },
    { 0x0000000d, 0, 0, 0, 0, 0 },
    { 0x40000000, 0, 0x40000001, 0x54474354, 0x43544743, 0x47435447 },
    { 0x80000000, 0, 0x8000000a, 0x68747541, 0x444d4163, 0x69746e65 },
    { 0x80000001, 0, 0x00060fb1, 0, 0x00000001, 0x2193fbfd },
    { 0x80000002, 0, 0x554d4551, 0x72695620, 0x6c617574, 0x55504320 },
    { 0x80000003, 0, 0x72657620, 0x6e6f6973, 0x352e3220, 0x0000002b },
    { 0x80000004, 0, 0, 0, 0, 0 },
    { 0x80000005, 0, 0x01ff01ff, 0x01ff01ff, 0x40020140, 0x40020140 },
    { 0x80000006, 0, 0x00000000, 0x42004200, 0x02008140, 0x00808140 },
    { 0x80000008, 0, 0x00003028, 0, 0, 0 },
    { 0x80000009, 0, 0, 0, 0, 0 },
    { 0xc0000000, 0, 0, 0, 0, 0 },
};

static void test_cpuid(void)
{
    struct x86_cpu cpu = { 0 };
    uint32_t out[4];

    cpu.model = x86_cpu_model_parse("qemu64", &cpu.features, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(qemu64_leaves); i++) {
        const uint32_t *leaf = qemu64_leaves[i];
        x86_cpuid(&cpu, leaf[0], leaf[1], out);
        g_test_message("leaf %08x.%u", leaf[0], leaf[1]);
        g_assert_cmpmem(out, sizeof(out), leaf + 2, 16);
    }
    cpu.cr4 = CR4_OSXSAVE;
    x86_cpuid(&cpu, 1, 0, out);
    g_assert_true(out[2] >> 27 & 1);
}

static void test_cpuid_topology(void)
{
    struct x86_cpu cpu = { .apic_id = 3 };
    uint32_t out[4];

    cpu.model = x86_cpu_model_parse("qemu64", &cpu.features, NULL);
    x86_topology = (struct x86_topology) { 1, 4, 1 };
    x86_cpuid(&cpu, 1, 0, out);
    g_assert_cmphex(out[1], ==, 0x03040800);
    g_assert_true(out[3] >> 28 & 1);
    x86_cpuid(&cpu, 0xb, 1, out);
    g_assert_cmpuint(out[0], ==, 2);
    g_assert_cmpuint(out[1], ==, 4);
    g_assert_cmpuint(out[3], ==, 3);
    x86_cpuid(&cpu, 0x80000008, 0, out);
    g_assert_cmphex(out[2], ==, 0x2003);
    /* Three cores take two bits, so the second package's ids begin at 8. */
    x86_topology = (struct x86_topology) { 2, 3, 2 };
    g_assert_cmphex(x86_apic_id(1), ==, 1);
    g_assert_cmphex(x86_apic_id(5), ==, 5);
    g_assert_cmphex(x86_apic_id(6), ==, 8);
    g_assert_cmphex(x86_apic_id(11), ==, 13);
    x86_topology = (struct x86_topology) { 1, 1, 1 };
}

/* --- vmstate --- */

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
    AT_EFER = AT_MXCSR + 4 + 256, BODY = 1817, SUBSECTION = 34,
};

/* A CPU after reset: what stock sends, by size and in its telling places. */
static void test_golden_reset(void)
{
    GByteArray *bytes;

    bench_reset();
    bytes = save(&vmstate_x86_cpu, vcpus[0]);
    g_assert_cmpuint(bytes->len, ==, BODY + SUBSECTION);
    g_assert_cmphex(be32(bytes, AT_EIP + 4), ==, 0xfff0);
    g_assert_cmphex(be32(bytes, AT_EFLAGS + 4), ==, 2);
    g_assert_cmphex(be32(bytes, AT_HFLAGS), ==, 0x40);
    g_assert_cmphex(be32(bytes, AT_SEGS + 20), ==, 0xf000);         /* CS: selector, base, limit, flags */
    g_assert_cmphex(be32(bytes, AT_SEGS + 20 + 8), ==, 0xffff0000);
    g_assert_cmphex(be32(bytes, AT_SEGS + 20 + 16), ==, 0x9b00);
    g_assert_cmphex(be32(bytes, AT_CR0 + 4), ==, 0x60000010);
    g_assert_cmphex(be32(bytes, AT_MXCSR), ==, 0x1f80);
    g_assert_cmpmem(bytes->data + BODY, 2, "\x05\x14", 2);
    g_assert_cmpmem(bytes->data + BODY + 2, 20, "cpu/poll_control_msr", 20);
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
    g_test_add_func("/cpu/models", test_models);
    g_test_add_func("/cpu/cpuid", test_cpuid);
    g_test_add_func("/cpu/cpuid-topology", test_cpuid_topology);
    g_test_add_func("/cpu/golden-reset", test_golden_reset);
    g_test_add_func("/cpu/golden-long-mode", test_golden_long_mode);
    g_test_add_func("/cpu/round-trip", test_round_trip);
    g_test_add_func("/cpu/damaged", test_damaged);
    g_test_add_func("/cpu/common", test_common);
    return g_test_run();
}
