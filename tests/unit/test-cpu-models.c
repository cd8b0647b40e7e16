/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -cpu and CPUID: under the software CPU against figures taken from QEMU 7.2, and under KVM with the kernel's answers
 * recorded, against what QEMU 7.2 gave the same kernel; on hosts made up for what that one lacks.
 */
#include "accel/kvm/internal.h"
#include "target/i386/cpu-models.h"

static const struct x86_cpu_model *expect_model(const char *text, struct x86_features *features)
{
    GError *error = NULL;
    const struct x86_cpu_model *model = x86_cpu_model_parse(text, features, &error);

    g_assert_no_error(error);
    g_assert_nonnull(model);
    return model;
}

static void expect_parse_error(const char *text, const char *part)
{
    struct x86_features features;
    GError *error = NULL;

    g_assert_null(x86_cpu_model_parse(text, &features, &error));
    g_assert_nonnull(error);
    g_test_message("%s: %s", text, error->message);
    g_assert_nonnull(strstr(error->message, part));
    g_error_free(error);
}

/* Warnings, one to a line. */
static GString *warnings;

static bool keep_warning(const char *text)
{
    g_string_append(warnings, text);
    return true;
}

static void expect_warnings(const char *text, const char *first, const char *second)
{
    struct x86_features features;

    warnings = g_string_new(NULL);
    error_report_hook = keep_warning;
    expect_model(text, &features);
    error_report_hook = NULL;
    g_test_message("%s: %s", text, warnings->str);
    g_assert_true(first ? strstr(warnings->str, first) != NULL : warnings->len == 0);
    g_assert_true(!second || strstr(warnings->str, second));
    g_string_free(warnings, TRUE);
}

static void expect_leaves(const struct x86_cpu *cpu, const uint32_t (*leaves)[6], size_t count)
{
    uint32_t out[4];

    for (size_t i = 0; i < count; i++) {
        x86_cpuid(cpu, leaves[i][0], leaves[i][1], out);
        g_test_message("leaf %08x.%u: %08x %08x %08x %08x", leaves[i][0], leaves[i][1], out[0], out[1], out[2],
                       out[3]);
        g_assert_cmpmem(out, sizeof(out), leaves[i] + 2, 16);
    }
}

/* --- the software CPU --- */

static void test_software_models(void)
{
    struct x86_features features;
    const struct x86_cpu_model *model = expect_model("qemu64,+popcnt,-nx,ssse3=on,lahf_lm=off", &features);

    g_assert_cmpstr(x86_cpu_model_name(model), ==, "qemu64");
    g_assert_true(x86_feature(&features, FEAT_1_ECX, 23));
    g_assert_true(x86_feature(&features, FEAT_1_ECX, 9));
    g_assert_false(x86_feature(&features, FEAT_8000_0001_EDX, 20));
    g_assert_false(x86_feature(&features, FEAT_8000_0001_ECX, 0));
    expect_parse_error("quantum", "'quantum'");
    expect_parse_error("qemu64,+warp", "'warp'");
    expect_parse_error("max,sse2=maybe", "sse2");
    expect_parse_error("", "''");
    expect_parse_error("host", "'host' requires KVM");
    expect_parse_error("qemu64,migratable=off", "'migratable'");
    expect_parse_error("qemu64,kvm=on", "kvm=on");
    expect_parse_error("qemu64,tsc-frequency=1000000000", "tsc-frequency");
    expect_parse_error("qemu64,phys-bits=36", "phys-bits=36");
    expect_parse_error("qemu64,phys-bits=20", "between 32 and 52");
    expect_parse_error("qemu64,phys-bits=many", "many");
    g_autofree char *help = x86_cpu_help();
    g_assert_nonnull(strstr(help, "qemu64"));
    g_assert_nonnull(strstr(help, " kvmclock kvm-nopiodelay"));
}

static void test_software_check(void)
{
    struct x86_features features;

    expect_warnings("qemu64,+popcnt", NULL, NULL);
    expect_warnings("qemu64,+svm,avx=on", "TCG doesn't support requested feature: CPUID.01H:ECX.avx [bit 28]",
                    "CPUID.80000001H:ECX.svm [bit 2]");
    expect_warnings("qemu64,+kvmclock", "CPUID.40000001H:EAX.kvmclock [bit 0]",
                    "CPUID.40000001H:EAX.kvmclock [bit 3]");
    expect_warnings("qemu64,+svm,check=off", NULL, NULL);
    expect_warnings("qemu64,+svm,-svm", NULL, NULL); /* the last word counts */
    expect_model("qemu64,+svm,check=off", &features);
    g_assert_false(x86_feature(&features, FEAT_8000_0001_ECX, 2));
    expect_parse_error("qemu64,+svm,+popcnt,enforce",
                       "TCG doesn't support requested features: CPUID.80000001H:ECX.svm");
}

/* What a processor says that it is can be given; what is given is where qom-get finds it. */
static void test_identity(void)
{
    struct x86_features features;
    uint32_t out[4];
    const struct x86_cpu_model *model =
        expect_model("qemu64,family=21,model=0x6b,stepping=3,vendor=GenuineIntel,model-id=A CPU,min-level=20", &features);
    struct x86_cpu cpu = { .model = model, .features = features };

    x86_cpuid(&cpu, 1, 0, out);
    g_assert_cmphex(out[0], ==, 0x00660fb3); /* stock's for these */
    x86_cpuid(&cpu, 0, 0, out);
    g_assert_cmpuint(out[0], ==, 20);
    g_assert_cmpmem(&out[1], 4, "Genu", 4);
    x86_cpuid(&cpu, 0x80000002, 0, out);
    g_assert_cmpmem(out, 16, "A CPU\0\0\0\0\0\0\0\0\0\0", 16);
    g_assert_cmpuint(model->options.family, ==, 21);
    g_assert_cmpuint(model->options.model, ==, 0x6b);
    model = expect_model("qemu64", &features);
    g_assert_cmpuint(model->options.family, ==, 15);
    g_assert_cmpstr(model->options.model_id, ==, "QEMU Virtual CPU version 2.5+");
    g_assert_cmpuint(model->options.phys_bits, ==, 40);
    expect_parse_error("qemu64,vendor=Acme", "vendor=Acme");
    expect_parse_error("qemu64,stepping=16", "between 0 and 15");
    expect_parse_error("qemu64,family=x", "family");
    expect_parse_error("qemu64,model-id=0123456789012345678901234567890123456789012345678", "0 to 48");
}

/* `base` has nothing but what it is given, and the leaves to show that. */
static void test_base(void)
{
    struct x86_features features;
    const struct x86_cpu_model *model = expect_model("base", &features);

    for (unsigned word = 0; word < FEAT_WORDS; word++) {
        g_assert_cmphex(features.words[word], ==, 0);
    }
    g_assert_cmpuint(model->level, ==, 0);
    model = expect_model("base,+smep,+lm", &features);
    g_assert_cmpuint(model->level, ==, 7);
    g_assert_cmphex(model->xlevel, ==, 0x80000001);
}

static void test_missing(void)
{
    struct x86_features features;
    const struct x86_cpu_model *model = expect_model("qemu64,+svm,check=off", &features);

    g_assert_cmphex(model->missing.words[FEAT_8000_0001_ECX], ==, 1u << 2);
    g_assert_cmphex(model->missing.words[FEAT_1_ECX], ==, 0);
}

/* Leaf, subleaf, EAX, EBX, ECX, EDX of stock's qemu64, where SVM does not come into it. */
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

static void test_software_cpuid(void)
{
    struct x86_cpu cpu = { 0 };
    uint32_t out[4];

    cpu.model = expect_model("qemu64", &cpu.features);
    expect_leaves(&cpu, qemu64_leaves, G_N_ELEMENTS(qemu64_leaves));
    cpu.cr4 = CR4_OSXSAVE;
    x86_cpuid(&cpu, 1, 0, out);
    g_assert_true(out[2] >> 27 & 1);
}

static void test_topology(void)
{
    struct x86_cpu cpu = { .apic_id = 3 };
    uint32_t out[4];

    cpu.model = expect_model("qemu64", &cpu.features);
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

/* --- KVM, recorded: Linux 6.1 on an AMD processor with AVX2 and protection keys --- */

#define INDEXED KVM_CPUID_FLAG_SIGNIFCANT_INDEX
static const struct kvm_cpuid_entry2 recorded[] = {
    { 0x00000000, 0, 0, 0x0000000d, 0x68747541, 0x444d4163, 0x69746e65 },
    { 0x00000001, 0, 0, 0x00060fb1, 0x00020800, 0x76f83203, 0x0f8bfbfd },
    { 0x00000006, 0, 0, 0x00000004, 0x00000000, 0x00000000, 0x00000000 },
    { 0x00000007, 0, INDEXED, 0x00000000, 0x019803ab, 0x0001020c, 0x20000000 },
    { 0x0000000d, 0, INDEXED, 0x00000207, 0x00000a88, 0x00000a88, 0x00000000 },
    { 0x0000000d, 1, INDEXED, 0x00000005, 0x00000000, 0x00000000, 0x00000000 },
    { 0x0000000d, 2, INDEXED, 0x00000100, 0x00000240, 0x00000000, 0x00000000 },
    { 0x0000000d, 9, INDEXED, 0x00000008, 0x00000a80, 0x00000000, 0x00000000 },
    { 0x80000000, 0, 0, 0x8000000a, 0x68747541, 0x444d4163, 0x69746e65 },
    { 0x80000001, 0, 0, 0x00060fb1, 0x00000000, 0x00000077, 0xedd3fbfd },
    { 0x80000006, 0, 0, 0x00000000, 0x42004200, 0x02008140, 0x00808140 },
    { 0x80000008, 0, 0, 0x00003928, 0x04000000, 0x00001001, 0x00000000 },
    { 0x8000000a, 0, 0, 0x00000001, 0x00000008, 0x00000000, 0x10010021 },
    { 0x40000000, 0, 0, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x0000004d },
    { 0x40000001, 0, 0, 0x01007efb, 0x00000000, 0x00000000, 0x00000000 },
};

/* What the kernel was asked, and how it answers: these win over accel/kvm/kvm.c's. */
static struct kernel {
    GArray *table;             /* KVM_SET_CPUID2's entries */
    uint64_t arch_capabilities;
    uint32_t capabilities[8];
    int64_t tsc_khz, tsc_set;
    bool refuse_msr;
} kernel;

int kvm_check_extension(unsigned capability)
{
    for (size_t i = 0; i < G_N_ELEMENTS(kernel.capabilities); i++) {
        if (capability && kernel.capabilities[i] == capability) {
            return 1;
        }
    }
    return 0;
}

int kvm_system_ioctl(unsigned long request, void *argument)
{
    struct kvm_cpuid2 *cpuid = argument;
    struct kvm_msrs *msrs = argument;

    if (request == KVM_GET_MSRS) {
        g_assert_cmphex(msrs->entries[0].index, ==, 0x10a);
        msrs->entries[0].data = kernel.arch_capabilities;
        return 1;
    }
    g_assert_cmphex(request, ==, KVM_GET_SUPPORTED_CPUID);
    g_assert_cmpuint(cpuid->nent, >=, G_N_ELEMENTS(recorded));
    memcpy(cpuid->entries, recorded, sizeof(recorded));
    cpuid->nent = G_N_ELEMENTS(recorded);
    return 0;
}

int kvm_vcpu_ioctl(struct x86_cpu *cpu, unsigned long request, void *argument)
{
    const struct kvm_cpuid2 *cpuid = argument;

    switch (request) {
    case KVM_GET_TSC_KHZ:
        return kernel.tsc_khz;
    case KVM_SET_TSC_KHZ:
        kernel.tsc_set = (intptr_t)argument;
        return 0;
    case KVM_SET_MSRS:
        kernel.arch_capabilities = ((struct kvm_msrs *)argument)->entries[0].data;
        return kernel.refuse_msr ? 0 : 1;
    }
    g_assert_cmphex(request, ==, KVM_SET_CPUID2);
    g_array_append_vals(kernel.table, cpuid->entries, cpuid->nent);
    return 0;
}

static void kernel_begin(bool irqchip)
{
    kernel = (struct kernel) {
        .table = g_array_new(FALSE, FALSE, sizeof(struct kvm_cpuid_entry2)), .tsc_khz = 2100000,
        .capabilities = { KVM_CAP_GET_MSR_FEATURES, KVM_CAP_TSC_DEADLINE_TIMER },
    };
    kvm_options.irqchip = irqchip;
    accel = &accel_kvm;
}

static void kernel_end(void)
{
    g_array_unref(kernel.table);
    accel = NULL;
}

/* The recorded processor's brand and address width come from the processor under us. */
static bool is_of_this_processor(uint32_t leaf)
{
    return leaf >= 0x80000002 && leaf <= 0x80000004;
}

/* Stock's KVM_SET_CPUID2 for these, as recorded, for the second of two threads of a core. */
static const uint32_t stock_qemu64[][6] = {
    { 0x40000000, 0, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x0000004d },
    { 0x40000001, 0, 0x0100007b, 0x00000000, 0x00000000, 0x00000000 },
    { 0x00000000, 0, 0x0000000d, 0x68747541, 0x444d4163, 0x69746e65 },
    { 0x00000001, 0, 0x00060fb1, 0x01020800, 0x80202001, 0x178bfbfd },
    { 0x00000005, 0, 0x00000000, 0x00000000, 0x00000003, 0x00000000 },
    { 0x0000000b, 0, 0x00000001, 0x00000002, 0x00000100, 0x00000001 },
    { 0x0000000b, 1, 0x00000001, 0x00000002, 0x00000201, 0x00000001 },
    { 0x0000000b, 2, 0x00000000, 0x00000000, 0x00000002, 0x00000001 },
    { 0x80000000, 0, 0x8000000a, 0x68747541, 0x444d4163, 0x69746e65 },
    { 0x80000001, 0, 0x00060fb1, 0x00000000, 0x00000003, 0x2193fbfd },
    { 0x80000002, 0, 0x554d4551, 0x72695620, 0x6c617574, 0x55504320 },
    { 0x80000003, 0, 0x72657620, 0x6e6f6973, 0x352e3220, 0x0000002b },
    { 0x80000005, 0, 0x01ff01ff, 0x01ff01ff, 0x40020140, 0x40020140 },
    { 0x80000006, 0, 0x00000000, 0x42004200, 0x02008140, 0x00808140 },
    { 0x80000008, 0, 0x00003028, 0x00000000, 0x00001001, 0x00000000 },
};

/* Less SVM; leaf 0xd's size for what XCR0 enables (EBX) is that of a vCPU after reset, which the kernel keeps up. */
static const uint32_t stock_host[][6] = {
    { 0x40000000, 0, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x0000004d },
    { 0x40000001, 0, 0x01007afb, 0x00000000, 0x00000000, 0x00000000 },
    { 0x00000000, 0, 0x0000000d, 0x68747541, 0x444d4163, 0x69746e65 },
    { 0x00000001, 0, 0x00060fb1, 0x01020800, 0xf7f83203, 0x1f8bfbfd },
    { 0x00000005, 0, 0x00000000, 0x00000000, 0x00000003, 0x00000000 },
    { 0x00000006, 0, 0x00000004, 0x00000000, 0x00000000, 0x00000000 },
    { 0x00000007, 0, 0x00000000, 0x019803ab, 0x0001020c, 0x20000000 },
    { 0x0000000b, 0, 0x00000001, 0x00000002, 0x00000100, 0x00000001 },
    { 0x0000000b, 1, 0x00000001, 0x00000002, 0x00000201, 0x00000001 },
    { 0x0000000b, 2, 0x00000000, 0x00000000, 0x00000002, 0x00000001 },
    { 0x0000000d, 0, 0x00000207, 0x00000240, 0x00000a88, 0x00000000 },
    { 0x0000000d, 1, 0x00000005, 0x00000348, 0x00000000, 0x00000000 },
    { 0x0000000d, 2, 0x00000100, 0x00000240, 0x00000000, 0x00000000 },
    { 0x0000000d, 9, 0x00000008, 0x00000a80, 0x00000000, 0x00000000 },
    { 0x80000000, 0, 0x8000000a, 0x68747541, 0x444d4163, 0x69746e65 },
    { 0x80000001, 0, 0x00060fb1, 0x00000000, 0x00000073, 0xedd3fbfd },
    { 0x80000005, 0, 0x01ff01ff, 0x01ff01ff, 0x40020140, 0x40020140 },
    { 0x80000006, 0, 0x00000000, 0x42004200, 0x02008140, 0x00808140 },
};

static void expect_table(const char *text, const uint32_t (*expected)[6], size_t count)
{
    struct x86_cpu cpu = { .index = 1, .apic_id = 1 };
    GError *error = NULL;
    size_t n = 0;

    kernel_begin(true);
    x86_topology = (struct x86_topology) { 1, 1, 2 };
    cpu.model = expect_model(text, &cpu.features);
    g_assert_true(kvm_cpuid_set(&cpu, &error));
    g_assert_no_error(error);
    for (guint i = 0; i < kernel.table->len; i++) {
        const struct kvm_cpuid_entry2 *e = &g_array_index(kernel.table, struct kvm_cpuid_entry2, i);
        const uint32_t got[6] = { e->function, e->index, e->eax, e->ebx, e->ecx, e->edx };
        g_test_message("%08x.%u: %08x %08x %08x %08x", got[0], got[1], got[2], got[3], got[4], got[5]);
        if (n == count || (expected[n][0] != e->function && is_of_this_processor(e->function))) {
            continue; /* what follows is this processor's: see below */
        }
        g_assert_cmpmem(got, sizeof(got), expected[n++], sizeof(got));
    }
    g_assert_cmpuint(n, ==, count);
    x86_topology = (struct x86_topology) { 1, 1, 1 };
    kernel_end();
}

static void test_kvm_tables(void)
{
    expect_table("qemu64", stock_qemu64, G_N_ELEMENTS(stock_qemu64));
    expect_table("host", stock_host, G_N_ELEMENTS(stock_host));
    expect_table("max", stock_host, G_N_ELEMENTS(stock_host));
    /* kvm=off hides the hypervisor's leaves, and nothing else */
    expect_table("host,kvm=off", stock_host + 2, G_N_ELEMENTS(stock_host) - 2);
}

static void test_kvm_check(void)
{
    struct x86_features features;

    kernel_begin(true);
    expect_warnings("qemu64", NULL, NULL);
    expect_warnings("host", NULL, NULL);
    expect_warnings("qemu64,+avx512f,+pcid", "host doesn't support requested feature: CPUID.01H:ECX.pcid [bit 17]",
                    "host doesn't support requested feature: CPUID.07H:EBX.avx512f [bit 16]");
    expect_warnings("host,+svm", "CPUID.80000001H:ECX.svm [bit 2]", NULL); /* its state would be lost */
    expect_warnings("qemu64,phys-bits=33", "does not match phys-bits property (33)", NULL);
    expect_parse_error("qemu64,+avx512f,enforce", "Host doesn't support requested features: CPUID.07H:EBX.avx512f");
    expect_parse_error("qemu64,migratable=off", "'migratable'");
    expect_parse_error("host,+bogus", "'bogus' of 'host' not found");
    expect_model("qemu64,-kvmclock,+kvm-hint-dedicated,+kvm_pv_ipi", &features);
    g_assert_cmphex(features.words[FEAT_KVM], ==, 0x01000872);
    g_assert_cmphex(features.words[FEAT_KVM_HINTS], ==, 1);
    expect_model("host,migratable=off", &features);
    g_assert_cmphex(features.words[FEAT_KVM], ==, 0x01007efb); /* a bit without a name, too */
    kernel_end();
}

/* With the controllers outside, what belongs to a local APIC in the kernel is not there. */
static void test_kvm_without_irqchip(void)
{
    struct x86_features features;

    kernel_begin(false);
    expect_warnings("qemu64", NULL, NULL);
    expect_model("max", &features);
    g_assert_false(x86_feature(&features, FEAT_1_ECX, 21)); /* x2apic */
    g_assert_false(x86_feature(&features, FEAT_1_ECX, 24)); /* tsc-deadline */
    g_assert_true(x86_feature(&features, FEAT_1_ECX, 31));
    g_assert_cmphex(features.words[FEAT_KVM], ==, 0x0100322b);
    expect_warnings("qemu64,+x2apic", "CPUID.01H:ECX.x2apic [bit 21]", NULL);
    kernel_end();
}

static void test_kvm_arch_capabilities(void)
{
    struct x86_cpu cpu = { 0 };

    kernel_begin(true);
    kernel.arch_capabilities = 0x3b;
    cpu.model = expect_model("qemu64,+arch-capabilities,+rdctl-no", &cpu.features);
    g_assert_cmphex(cpu.features.words[FEAT_ARCH_CAPABILITIES], ==, 1);
    g_assert_true(kvm_cpuid_set(&cpu, NULL));
    g_assert_cmphex(kernel.arch_capabilities, ==, 1);
    kernel.arch_capabilities = 0x3b;
    expect_warnings("qemu64,+arch-capabilities,+taa-no", "MSR(10AH).taa-no [bit 8]", NULL);
    cpu.model = expect_model("qemu64,+rdctl-no", &cpu.features); /* nothing without the MSR */
    g_assert_cmphex(cpu.features.words[FEAT_ARCH_CAPABILITIES], ==, 0);
    cpu.model = expect_model("host", &cpu.features);
    kernel.refuse_msr = true;
    warnings = g_string_new(NULL);
    error_report_hook = keep_warning;
    g_assert_true(kvm_cpuid_set(&cpu, NULL)); /* named, and lived with */
    error_report_hook = NULL;
    g_assert_nonnull(strstr(warnings->str, "0x10a"));
    g_string_free(warnings, TRUE);
    kernel_end();
}

/* --- the counter's frequency --- */

static void test_tsc_frequency(void)
{
    struct x86_cpu cpu = { 0 };
    GError *error = NULL;

    kernel_begin(true);
    cpu.model = expect_model("qemu64", &cpu.features);
    g_assert_true(kvm_tsc_init(&cpu, &error));
    g_assert_cmpint(cpu.beyond.tsc_khz, ==, 2100000);
    cpu.model = expect_model("qemu64,tsc-frequency=2000000000", &cpu.features);
    g_assert_false(kvm_tsc_init(&cpu, &error)); /* no scaling here */
    g_assert_nonnull(strstr(error->message, "2000000 kHz"));
    g_clear_error(&error);
    kernel.capabilities[2] = KVM_CAP_TSC_CONTROL;
    g_assert_true(kvm_tsc_init(&cpu, &error));
    g_assert_cmpint(cpu.beyond.tsc_khz, ==, 2000000);
    g_assert_cmpint(kernel.tsc_set, ==, 2000000);
    expect_parse_error("host,tsc-frequency=5", "tsc-frequency=5");
    kernel_end();
}

static void test_tsc_arrives(void)
{
    struct x86_cpu cpu = { .beyond.tsc_khz = 2100400 };

    kernel_begin(true);
    warnings = g_string_new(NULL);
    error_report_hook = keep_warning;
    kvm_tsc_put(&cpu); /* 190 ppm off: as good as the same */
    g_assert_cmpuint(warnings->len, ==, 0);
    cpu.beyond.tsc_khz = 2900000;
    kvm_tsc_put(&cpu);
    kvm_tsc_put(&cpu);
    g_assert_nonnull(strstr(warnings->str, "VM (2900000 kHz) and host (2100000 kHz)"));
    g_assert_null(strstr(strstr(warnings->str, "mismatch") + 1, "mismatch")); /* once */
    kernel.capabilities[2] = KVM_CAP_TSC_CONTROL;
    kvm_tsc_put(&cpu);
    g_assert_cmpint(kernel.tsc_set, ==, 2900000);
    error_report_hook = NULL;
    g_string_free(warnings, TRUE);
    kernel_end();
}

/* --- a host made up: Intel, AVX-512, MPX, protection keys, invariant TSC, 46 address bits --- */

static void made_up_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    static const uint32_t leaves[][6] = {
        { 0, 0, 0x1f, 0x756e6547, 0x6c65746e, 0x49656e69 },
        { 1, 0, 0x50654, 0, 0xf6fa3203, 0x0f8bfbff },
        { 7, 0, 0, 0xd19f4fbb, 0x8, 0x84000000 },
        { 0xd, 2, 256, 576 }, { 0xd, 3, 64, 960 }, { 0xd, 4, 64, 1024 }, { 0xd, 5, 64, 1088 }, { 0xd, 6, 512, 1152 },
        { 0xd, 7, 1024, 1664 }, { 0xd, 9, 8, 2688 },
        { 0x80000000, 0, 0x80000008 },
        { 0x80000001, 0, 0, 0, 0x121, 0x2c100800 },
        { 0x80000002, 0, 0x65746e49, 0x2952286c, 0, 0 },
        { 0x80000007, 0, 0, 0, 0, 0x100 },
        { 0x80000008, 0, 0x302e },
    };

    memset(out, 0, 16);
    for (size_t i = 0; i < G_N_ELEMENTS(leaves); i++) {
        if (leaves[i][0] == leaf && leaves[i][1] == subleaf) {
            memcpy(out, leaves[i] + 2, 16);
        }
    }
}

static uint32_t made_up_features(enum x86_feature_word word)
{
    uint32_t out[4];

    made_up_cpuid(x86_feature_sources[word].leaf, x86_feature_sources[word].subleaf, out);
    return out[x86_feature_sources[word].reg];
}

static const struct accel_ops made_up = {
    .name = "made-up", .supported_features = made_up_features, .supported_cpuid = made_up_cpuid,
};

/* Stock's for three cores of two threads: caches and topology. */
static const uint32_t intel_leaves[][6] = {
    { 0x00000000, 0, 0x0000001f, 0x756e6547, 0x6c65746e, 0x49656e69 },
    { 0x00000002, 0, 0x00000001, 0x00000000, 0x0000004d, 0x002c307d },
    { 0x00000004, 0, 0x08000121, 0x01c0003f, 0x0000003f, 0x00000001 },
    { 0x00000004, 1, 0x08000122, 0x01c0003f, 0x0000003f, 0x00000001 },
    { 0x00000004, 2, 0x08004143, 0x03c0003f, 0x00000fff, 0x00000001 },
    { 0x00000004, 3, 0x0801c163, 0x03c0003f, 0x00003fff, 0x00000006 },
    { 0x00000004, 4, 0, 0, 0, 0 },
    { 0x0000000b, 1, 0x00000003, 0x00000006, 0x00000201, 0x00000000 },
    /* components 0..7 and 9; their offsets are the host's; XCR0 is 1 */
    { 0x0000000d, 0, 0x000002ff, 0x00000240, 0x00000a88, 0x00000000 },
    { 0x0000000d, 1, 0x00000000, 0x00000a08, 0x00000000, 0x00000000 },
    { 0x0000000d, 6, 0x00000200, 0x00000480, 0x00000000, 0x00000000 },
    { 0x0000000d, 8, 0, 0, 0, 0 },
    { 0x80000001, 0, 0x00050654, 0x00000000, 0x00000121, 0x2c100800 },
    { 0x80000007, 0, 0, 0, 0, 0 },
    { 0x80000008, 0, 0x0000302e, 0x00000000, 0x00003005, 0x00000000 },
};

static void test_intel_host(void)
{
    struct x86_cpu cpu = { .xcr0 = 1 };
    uint32_t out[4];

    accel = &made_up;
    x86_topology = (struct x86_topology) { 1, 3, 2 };
    cpu.model = expect_model("host", &cpu.features);
    expect_leaves(&cpu, intel_leaves, G_N_ELEMENTS(intel_leaves));
    g_assert_cmphex(x86_xcr0_possible(&cpu), ==, 0x2ff);
    cpu.xcr0 = 7;
    x86_cpuid(&cpu, 0xd, 0, out);
    g_assert_cmphex(out[1], ==, 0x340);
    cpu.model = expect_model("host,-mpx,-avx512f,migratable=off", &cpu.features);
    g_assert_cmphex(x86_xcr0_possible(&cpu), ==, 0x207);
    x86_cpuid(&cpu, 0x80000007, 0, out);
    g_assert_cmphex(out[3], ==, 0x100); /* invtsc */
    cpu.model = expect_model("host,-xsave", &cpu.features);
    g_assert_cmphex(x86_xcr0_possible(&cpu), ==, 1);
    /* A model of the table has its own figures, but for the vendor's. */
    cpu.model = expect_model("qemu64", &cpu.features);
    x86_cpuid(&cpu, 0, 0, out);
    g_assert_cmphex(out[1], ==, 0x756e6547);
    x86_cpuid(&cpu, 0x80000001, 0, out);
    g_assert_cmphex(out[2], ==, 0x1);        /* CmpLegacy is AMD's */
    g_assert_cmphex(out[3], ==, 0x20100800); /* and so are the repeated bits */
    x86_cpuid(&cpu, 0x80000008, 0, out);
    g_assert_cmphex(out[0], ==, 0x3028);
    cpu.model = expect_model("qemu64,host-phys-bits=on", &cpu.features);
    x86_cpuid(&cpu, 0x80000008, 0, out);
    g_assert_cmphex(out[0], ==, 0x302e);
    x86_topology = (struct x86_topology) { 1, 1, 1 };
    accel = NULL;
}

/* topoext: stock's leaves for the last of three cores of two threads. */
static void test_topoext(void)
{
    static const uint32_t leaves[][6] = {
        { 0x80000000, 0, 0x8000001e, 0x68747541, 0x444d4163, 0x69746e65 },
        { 0x80000001, 0, 0x00060fb1, 0x00000000, 0x00400003, 0x2193fbfd },
        { 0x8000001d, 0, 0x00004121, 0x0040003f, 0x000001ff, 0x00000001 },
        { 0x8000001d, 1, 0x00004122, 0x0040003f, 0x000001ff, 0x00000001 },
        { 0x8000001d, 2, 0x00004043, 0x03c0003f, 0x000001ff, 0x00000000 },
        { 0x8000001d, 3, 0x00014163, 0x03c0003f, 0x00003fff, 0x00000006 },
        { 0x8000001d, 4, 0, 0, 0, 0 },
        { 0x8000001e, 0, 0x00000005, 0x00000102, 0x00000000, 0x00000000 },
    };
    struct x86_cpu cpu = { .apic_id = 5 };

    kernel_begin(true);
    x86_topology = (struct x86_topology) { 1, 3, 2 };
    cpu.model = expect_model("qemu64,+topoext", &cpu.features);
    expect_leaves(&cpu, leaves, G_N_ELEMENTS(leaves));
    x86_topology = (struct x86_topology) { 1, 1, 1 };
    kernel_end();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cpu-models/identity", test_identity);
    g_test_add_func("/cpu-models/base", test_base);
    g_test_add_func("/cpu-models/missing", test_missing);
    g_test_add_func("/cpu-models/software", test_software_models);
    g_test_add_func("/cpu-models/software-check", test_software_check);
    g_test_add_func("/cpu-models/software-cpuid", test_software_cpuid);
    g_test_add_func("/cpu-models/topology", test_topology);
    g_test_add_func("/cpu-models/kvm-tables", test_kvm_tables);
    g_test_add_func("/cpu-models/kvm-check", test_kvm_check);
    g_test_add_func("/cpu-models/kvm-without-irqchip", test_kvm_without_irqchip);
    g_test_add_func("/cpu-models/kvm-arch-capabilities", test_kvm_arch_capabilities);
    g_test_add_func("/cpu-models/tsc-frequency", test_tsc_frequency);
    g_test_add_func("/cpu-models/tsc-arrives", test_tsc_arrives);
    g_test_add_func("/cpu-models/intel-host", test_intel_host);
    g_test_add_func("/cpu-models/topoext", test_topoext);
    return g_test_run();
}
