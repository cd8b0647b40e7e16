/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the CPU's section carries for accelerators other than the software CPU: golden bytes of its subsections, round
 * trips, what a CPU's features allow, and what the software CPU does with what another one was delivering.
 */
#include <linux/kvm.h>
#include <time.h>

#include "migration/blocker.h"
#include "migration/stream.h"
#include "target/i386/cpu-models.h"
#include "target/i386/vmstate-wire.h"
#include "target/i386/vmstate.h"
#include "tcg-bench.h"
#include "util/clock.h"

#define BODY 1817

static GByteArray *save(struct x86_cpu *cpu)
{
    struct stream *s = stream_new_memory_output();
    GByteArray *bytes = g_byte_array_new();
    GError *error = NULL;

    g_assert_true(vmstate_save_body(s, &vmstate_x86_cpu, x86_cpu_vmstate_opaque(cpu), NULL, &error));
    g_assert_no_error(error);
    g_byte_array_append(bytes, stream_memory_data(s)->data, stream_memory_data(s)->len);
    stream_free(s);
    return bytes;
}

static bool load(struct x86_cpu *cpu, const GByteArray *bytes, size_t length, GError **error)
{
    struct stream *s = stream_new_memory_input(bytes->data, length);
    bool ok = vmstate_load_body(s, &vmstate_x86_cpu, x86_cpu_vmstate_opaque(cpu), vmstate_x86_cpu.version, error);

    if (ok && stream_position(s) != length) { /* half a name is left alone: the section's footer is missed there */
        ok = error_setf(error, "%zu bytes left over", length - (size_t)stream_position(s));
    }
    stream_free(s);
    return ok;
}

static void put_be(GByteArray *bytes, uint64_t value, unsigned size)
{
    for (unsigned i = size; i-- > 0;) {
        g_byte_array_append(bytes, (const uint8_t[]) { value >> 8 * i }, 1);
    }
}

static void put_subsection(GByteArray *bytes, const char *name)
{
    put_be(bytes, 5, 1);
    put_be(bytes, strlen(name), 1);
    g_byte_array_append(bytes, (const uint8_t *)name, strlen(name));
    put_be(bytes, 1, 4);
}

/* A CPU with everything, as KVM might have one: its own features and XSAVE layout while a test runs. */
static struct x86_cpu_model wide_model;

static void widen(struct x86_cpu *cpu)
{
    wide_model = *cpu->model;
    for (unsigned i = XSAVE_AVX; i < XSAVE_COMPONENTS; i++) {
        wide_model.xsave[i] = (struct xsave_component) { 64, 576 + 64 * i };
    }
    cpu->model = &wide_model;
    memset(&cpu->features, 0xff, sizeof(cpu->features));
    cpu->features.words[FEAT_8000_0007_EDX] = 0;
}

static const struct x86_cpu_model *narrow_model;
static struct x86_features narrow_features;

static void begin(void)
{
    bench_reset();
    for (int i = 0; i < BENCH_CPUS; i++) {
        vcpus[i]->model = narrow_model;
        vcpus[i]->features = narrow_features;
        vcpus[i]->beyond.tsc_khz = 0;
        vcpus[i]->halted = false;
    }
}

/* Everything set, each field to its own value. */
static void fill(struct x86_beyond *b)
{
    uint8_t *bytes = (uint8_t *)b;

    for (size_t i = 0; i < sizeof(*b); i++) {
        bytes[i] = i * 7 + 1;
    }
    b->pkrs = 0x11223344;
    b->umwait = 0x22334455;
    b->tsx_ctrl = 3;
    b->tsc_khz = 2100000;
    b->xss = 0;
    b->interrupt_injected = 0x31;
    b->exception_nr = EXCP_UD;
    b->exception_injected = b->soft_interrupt = b->nmi_injected = true;
    b->exception_pending = b->has_error_code = b->has_payload = b->nmi_pending = false;
    b->error_code = 0;
    b->mp_state = KVM_MP_STATE_RUNNABLE;
    b->tsc_deadline = 0; /* the APIC's, here */
    b->payload = 0;
}

/* QEMU 7.2's subsections in its order, written down from its tables. */
static void put_expected(GByteArray *e, const struct x86_beyond *b)
{
    put_subsection(e, "cpu/async_pf_msr");
    put_be(e, b->async_pf_en_msr, 8);
    put_subsection(e, "cpu/async_pf_int_msr");
    put_be(e, b->async_pf_int_msr, 8);
    put_subsection(e, "cpu/async_pv_eoi_msr");
    put_be(e, b->pv_eoi_en_msr, 8);
    put_subsection(e, "cpu/steal_time_msr");
    put_be(e, b->steal_time_msr, 8);
    put_subsection(e, "cpu/poll_control_msr");
    put_be(e, b->poll_control_msr, 8);
    put_subsection(e, "cpu/mpx");
    for (int i = 0; i < 8; i++) {
        put_be(e, b->bnd_regs[i / 2][i % 2], 8);
    }
    put_be(e, b->bndcfgu, 8);
    put_be(e, b->bndstatus, 8);
    put_be(e, b->bndcfgs, 8);
    put_subsection(e, "cpu/avx512");
    for (int i = 0; i < 8; i++) {
        put_be(e, b->opmask[i], 8);
    }
    for (int i = 0; i < 64; i++) {
        put_be(e, b->zmmh[i / 4][i % 4], 8);
    }
    for (int i = 0; i < 128; i++) {
        put_be(e, b->zmm_hi16[i / 8][i % 8], 8);
    }
    put_subsection(e, "cpu/umwait");
    put_be(e, b->umwait, 4);
    put_subsection(e, "cpu/tsc_khz");
    put_be(e, b->tsc_khz, 8);
    put_subsection(e, "cpu/msr_smi_count");
    put_be(e, b->smi_count, 8);
    put_subsection(e, "cpu/pkru");
    put_be(e, b->pkru, 4);
    put_subsection(e, "cpu/pkrs");
    put_be(e, b->pkrs, 4);
    put_subsection(e, "cpu/spec_ctrl");
    put_be(e, b->spec_ctrl, 8);
    put_subsection(e, "cpu/virt_ssbd");
    put_be(e, b->virt_ssbd, 8);
    put_subsection(e, "cpu/msr_tsx_ctrl");
    put_be(e, b->tsx_ctrl, 4);
}

static void test_golden_subsections(void)
{
    GByteArray *bytes, *expected = g_byte_array_new();

    begin();
    widen(vcpus[0]);
    fill(&vcpus[0]->beyond);
    bytes = save(vcpus[0]);
    put_expected(expected, &vcpus[0]->beyond);
    g_assert_cmpmem(bytes->data + BODY, bytes->len - BODY, expected->data, expected->len);
    /* The last of the main fields: system time, wall clock, XCR0, XSTATE_BV, YMM's upper halves. */
    g_byte_array_set_size(expected, 0);
    put_be(expected, vcpus[0]->beyond.system_time_msr, 8);
    put_be(expected, vcpus[0]->beyond.wall_clock_msr, 8);
    put_be(expected, 1, 8);
    put_be(expected, 0x2ff, 8);
    for (int i = 0; i < 32; i++) {
        put_be(expected, vcpus[0]->beyond.ymmh[i / 2].q[i % 2], 8);
    }
    g_assert_cmpmem(bytes->data + BODY - expected->len, expected->len, expected->data, expected->len);
    g_byte_array_unref(expected);
    g_byte_array_unref(bytes);
}

static void test_round_trip(void)
{
    const struct x86_beyond *before = &vcpus[0]->beyond;
    GByteArray *bytes, *again;
    GError *error = NULL;

    begin();
    widen(vcpus[0]);
    widen(vcpus[1]);
    fill(&vcpus[0]->beyond);
    vcpus[0]->xcr0 = 0x2ff;
    vcpus[0]->cr4 = CR4_VME | CR4_LA57 | CR4_PCIDE | 1u << 22 /* PKE */ | CR4_OSXSAVE;
    bytes = save(vcpus[0]);
    g_assert_true(load(vcpus[1], bytes, bytes->len, &error));
    g_assert_no_error(error);
    g_assert_cmpmem(vcpus[1]->beyond.ymmh, sizeof(before->ymmh), before->ymmh, sizeof(before->ymmh));
    g_assert_cmphex(vcpus[1]->beyond.pkrs, ==, before->pkrs);
    g_assert_cmphex(vcpus[1]->beyond.steal_time_msr, ==, before->steal_time_msr);
    g_assert_cmpint(vcpus[1]->beyond.interrupt_injected, ==, 0x31);
    g_assert_cmpint(vcpus[1]->beyond.exception_nr, ==, EXCP_UD);
    g_assert_true(vcpus[1]->beyond.exception_injected);
    g_assert_cmphex(vcpus[1]->xcr0, ==, 0x2ff);
    g_assert_cmphex(vcpus[1]->cr4, ==, vcpus[0]->cr4);
    again = save(vcpus[1]);
    g_assert_cmpmem(again->data, again->len, bytes->data, bytes->len);
    g_byte_array_unref(again);
    g_byte_array_unref(bytes);
    begin(); /* nothing of it is delivered to the next test's guest */
}

/* A stream that ends anywhere but behind the body or a subsection is refused, and nothing else happens. */
static void test_truncated(void)
{
    GByteArray *bytes;
    unsigned loaded = 0;

    begin();
    widen(vcpus[0]);
    widen(vcpus[1]);
    fill(&vcpus[0]->beyond);
    bytes = save(vcpus[0]);
    for (size_t length = 0; length < bytes->len; length++) {
        GError *error = NULL;
        if (load(vcpus[1], bytes, length, &error)) {
            g_assert_no_error(error);
            g_assert_cmpuint(length, >=, BODY);
            loaded++;
        } else {
            g_assert_nonnull(error);
            g_error_free(error);
        }
    }
    g_assert_cmpuint(loaded, ==, 15); /* behind the body, and behind each but the last of 15 subsections */
    g_byte_array_unref(bytes);
    begin();
}

/* --- what a CPU can have --- */

static void expect_refused(GByteArray *bytes, const char *part)
{
    GError *error = NULL;

    g_assert_false(load(vcpus[1], bytes, bytes->len, &error));
    g_assert_nonnull(error);
    g_test_message("%s", error->message);
    g_assert_nonnull(strstr(error->message, part));
    g_error_free(error);
    g_byte_array_unref(bytes);
}

static void test_features(void)
{
    GByteArray *bytes;
    GError *error = NULL;

    begin();
    widen(vcpus[0]);
    vcpus[0]->xcr0 = 7;
    expect_refused(save(vcpus[0]), "'env.xcr0' is 0x7, but this CPU has no AVX");
    vcpus[0]->xcr0 = 0x203;
    expect_refused(save(vcpus[0]), "has no PKU");
    vcpus[0]->xcr0 = 0x20003;
    expect_refused(save(vcpus[0]), "has no AMX");
    vcpus[0]->xcr0 = 1;
    vcpus[0]->cr4 = CR4_PCIDE;
    expect_refused(save(vcpus[0]), "'env.cr[4]'");
    vcpus[0]->cr4 = 1u << 13; /* VMXE, which no model has */
    widen(vcpus[1]);
    expect_refused(save(vcpus[0]), "'env.cr[4]'");
    vcpus[0]->cr4 = 0;
    vcpus[0]->xcr0 = 0xb; /* half of MPX */
    expect_refused(save(vcpus[0]), "'env.xcr0'");
    vcpus[0]->xcr0 = 0xe3; /* AVX-512 without AVX */
    expect_refused(save(vcpus[0]), "'env.xcr0'");
    vcpus[0]->xcr0 = 6;
    expect_refused(save(vcpus[0]), "'env.xcr0'");
    vcpus[0]->xcr0 = 7;
    bytes = save(vcpus[0]);
    g_assert_true(load(vcpus[1], bytes, bytes->len, &error));
    g_assert_no_error(error);
    g_byte_array_unref(bytes);
}

/* A guest of KVM's that uses nothing but what the software CPU builds. */
static void test_to_software(void)
{
    GByteArray *bytes;
    GError *error = NULL;

    begin();
    widen(vcpus[0]);
    vcpus[0]->xcr0 = 3;
    vcpus[0]->cr4 = CR4_OSXSAVE | CR4_OSFXSR | CR4_PAE | CR4_SMEP;
    vcpus[0]->beyond.pkru = 0x55555554; /* as Linux sets it up, whether or not it is then used */
    vcpus[0]->beyond.system_time_msr = 0x12345001;
    bytes = save(vcpus[0]);
    g_assert_true(load(vcpus[1], bytes, bytes->len, &error));
    g_assert_no_error(error);
    /* what came in goes out again */
    g_byte_array_unref(bytes);
    bytes = save(vcpus[1]);
    g_assert_true(load(vcpus[0], bytes, bytes->len, &error));
    g_assert_no_error(error);
    g_assert_cmphex(vcpus[0]->beyond.pkru, ==, 0x55555554);
    g_assert_cmphex(vcpus[0]->beyond.system_time_msr, ==, 0x12345001);
    g_byte_array_unref(bytes);
}

static void test_out_of_range(void)
{
    struct x86_beyond *b = &vcpus[0]->beyond;
    GByteArray *bytes;

    begin();
    b->interrupt_injected = 0x100;
    expect_refused(save(vcpus[0]), "'env.interrupt_injected' is 0x100");
    b->interrupt_injected = -1;
    b->exception_nr = 32;
    expect_refused(save(vcpus[0]), "'env.exception_nr' is 0x20");
    b->exception_nr = EXCP_NMI;
    expect_refused(save(vcpus[0]), "'env.exception_nr'");
    b->exception_nr = -1;
    b->xss = 0x100;
    expect_refused(save(vcpus[0]), "'env.xss' is 0x100");
    b->xss = 0;
    b->tsc_khz = -5;
    expect_refused(save(vcpus[0]), "'env.tsc_khz'");
    b->tsc_khz = 1ll << 31;
    expect_refused(save(vcpus[0]), "'env.tsc_khz' is 0x80000000");
    b->tsc_khz = 0;
    vcpus[0]->dr[7] = 1ull << 32;
    expect_refused(save(vcpus[0]), "'env.dr[7]'");
    vcpus[0]->dr[7] = 0x400;
    bytes = save(vcpus[0]);
    bytes->data[16 * 8 + 16 + 1] |= 0x20; /* hflags: a nested guest runs */
    expect_refused(bytes, "'env.hflags'");
    bytes = save(vcpus[0]);
    put_subsection(bytes, "cpu/nested_state");
    expect_refused(bytes, "'cpu/nested_state'");
}

static bool waits_for_sipi(void *apic)
{
    return true;
}

static uint64_t no_deadline(void *apic)
{
    return 0;
}

/* Its APIC's flag tells a vCPU that waits for its SIPI from one that sleeps, if it does not run. */
static void test_sipi(void)
{
    static const struct x86_apic_ops ops = { .waits_for_sipi = waits_for_sipi, .get_tsc_deadline = no_deadline };
    struct wire *w = x86_cpu_vmstate_opaque(vcpus[0]);

    begin();
    vcpus[0]->apic_ops = &ops;
    g_byte_array_unref(save(vcpus[0]));
    g_assert_cmpuint(w->b.mp_state, ==, KVM_MP_STATE_RUNNABLE);
    vcpus[0]->halted = true;
    g_byte_array_unref(save(vcpus[0]));
    g_assert_cmpuint(w->b.mp_state, ==, KVM_MP_STATE_INIT_RECEIVED);
    vcpus[0]->halted = false;
    vcpus[0]->apic_ops = NULL;
}

/* A vCPU of KVM's that waits, which cpu_common need not say. */
static void test_waiting(void)
{
    GByteArray *bytes;

    begin();
    vcpus[0]->halted = true;
    bytes = save(vcpus[0]);
    g_assert_true(load(vcpus[1], bytes, bytes->len, NULL));
    g_assert_true(vcpus[1]->halted);
    g_assert_cmpuint(vcpus[1]->beyond.mp_state, ==, KVM_MP_STATE_HALTED);
    g_byte_array_unref(bytes);
    vcpus[0]->halted = false;
    bytes = save(vcpus[0]);
    g_assert_true(load(vcpus[1], bytes, bytes->len, NULL)); /* from a software CPU: the state is in `halted` only */
    g_assert_true(vcpus[1]->halted);
    g_assert_cmpuint(vcpus[1]->beyond.mp_state, ==, KVM_MP_STATE_HALTED);
    vcpus[1]->halted = false;
    g_assert_true(load(vcpus[1], bytes, bytes->len, NULL));
    g_assert_false(vcpus[1]->halted);
    g_byte_array_unref(bytes);
}

/* --- the counter --- */

static void test_tsc(void)
{
    struct x86_cpu_model model;
    GByteArray *bytes;
    GError *error = NULL;

    begin();
    virtual_clock_stop();
    vcpus[0]->tsc_offset = 123456789;
    vcpus[0]->beyond.tsc_khz = virtual_ticks_hz() / 1000;
    bytes = save(vcpus[0]);
    g_assert_true(load(vcpus[1], bytes, bytes->len, &error));
    g_assert_no_error(error);
    g_assert_cmpint(vcpus[1]->tsc_offset, ==, 123456789);
    g_assert_cmphex(vcpus[1]->beyond.tsc, ==, virtual_ticks() + 123456789);
    g_assert_cmpint(vcpus[1]->beyond.tsc_khz, ==, vcpus[0]->beyond.tsc_khz);
    x86_cpu_reset(vcpus[1], false); /* a reset does not change the counter's frequency */
    g_assert_cmpint(vcpus[1]->beyond.tsc_khz, ==, vcpus[0]->beyond.tsc_khz);
    /* Another one than -cpu asks for. */
    model = *narrow_model;
    model.tsc_khz = 1000000;
    vcpus[1]->model = &model;
    expect_refused(bytes, "'env.tsc_khz'");
    vcpus[1]->model = narrow_model;
}

/* glib's sleep, counted. */
static unsigned sleeps;

void g_usleep(gulong us)
{
    struct timespec time = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };

    sleeps++;
    nanosleep(&time, NULL);
}

/*
 * To measure the host's counter takes 20 ms of sleep, which a guest that is on its way does not need: where the kernel
 * scales its counter, nothing here asks. Each process measures once, hence one of its own.
 */
static void test_tsc_without_measuring(void)
{
    struct tcg_cpu *tcg;
    GByteArray *bytes;

    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
        g_test_trap_assert_passed();
        return;
    }
    begin();
    tcg = vcpus[1]->tcg;
    vcpus[0]->beyond.tsc_khz = 2000000;
    bytes = save(vcpus[0]);
    sleeps = 0;
    vcpus[1]->tcg = NULL;
    g_assert_true(load(vcpus[1], bytes, bytes->len, NULL));
    g_assert_cmpuint(sleeps, ==, 0);
    vcpus[1]->tcg = tcg;
    g_assert_true(load(vcpus[1], bytes, bytes->len, NULL));
    g_assert_cmpuint(sleeps, ==, 1); /* the software CPU does not scale, and says so where it matters */
}

/* With an invariant counter, a guest moves only at a frequency that was asked for. */
static void test_invariant_counter(void)
{
    static struct x86_cpu cpu = { .index = 8 };
    static struct x86_cpu_model model;
    GError *error = NULL;

    begin();
    model = *narrow_model;
    model.tsc_khz = 1000000;
    cpu.features.words[FEAT_8000_0007_EDX] = 1u << 8;
    cpu.model = &model;
    g_assert_true(x86_cpu_vmstate_register(&cpu, &error));
    g_assert_true(migration_check_blockers(&error));
    cpu.index++;
    cpu.model = narrow_model;
    g_assert_true(x86_cpu_vmstate_register(&cpu, &error));
    g_assert_false(migration_check_blockers(&error));
    g_assert_nonnull(strstr(error->message, "invtsc"));
    g_clear_error(&error);
    cpu.index++; /* another vCPU of the same kind is no other reason */
    g_assert_true(x86_cpu_vmstate_register(&cpu, &error));
    g_assert_cmpuint(migration_blockers()->len, ==, 1);
}

/* --- what was being delivered --- */

static void test_exceptions_on_the_wire(void)
{
    struct x86_beyond *b = &vcpus[0]->beyond;
    struct wire *w = x86_cpu_vmstate_opaque(vcpus[0]);

    begin();
    *b = (struct x86_beyond) { .exception_nr = EXCP_PF, .exception_injected = true, .has_error_code = true,
                               .error_code = 6, .interrupt_injected = -1, .poll_control_msr = 1 };
    g_byte_array_unref(save(vcpus[0]));
    g_assert_cmpint(w->b.exception_nr, ==, -1); /* the instruction raises it again */
    *b = (struct x86_beyond) { .exception_nr = EXCP_DB, .exception_pending = true, .has_payload = true,
                               .payload = 0xffff4ff0, .interrupt_injected = -1, .poll_control_msr = 1 };
    g_byte_array_unref(save(vcpus[0]));
    g_assert_cmpint(w->b.exception_nr, ==, EXCP_DB);
    g_assert_cmphex(w->dr[6], ==, 0xffff4ff0);
    b->exception_nr = EXCP_PF;
    b->payload = 0x1234;
    g_byte_array_unref(save(vcpus[0]));
    g_assert_cmphex(w->cr2, ==, 0x1234);
    begin();
}

/* The first vCPU arrives with these, and runs: which vector does it come to? */
static uint32_t run_with(const struct x86_beyond *b)
{
    GByteArray *bytes;
    uint32_t result;

    vcpus[0]->beyond = *b;
    bytes = save(vcpus[0]);
    g_assert_true(load(vcpus[0], bytes, bytes->len, NULL));
    g_byte_array_unref(bytes);
    result = bench_run();
    g_assert_cmpint(vcpus[0]->beyond.interrupt_injected, ==, -1);
    g_assert_cmpint(vcpus[0]->beyond.exception_nr, ==, -1);
    return result;
}

GUEST_CODE(ends, "64", "mov $1, %eax\n out %eax, $0xf4\n 1: cli\n hlt\n jmp 1b\n");

static struct x86_beyond arrival(void)
{
    bench_reset();
    bench_long_mode(vcpus[0], BENCH_CODE, true);
    GUEST_PUT(ends, BENCH_CODE);
    return (struct x86_beyond) { .interrupt_injected = -1, .exception_nr = -1, .poll_control_msr = 1 };
}

static void test_software_delivers(void)
{
    struct x86_beyond b;

    begin();
    b = arrival();
    g_assert_cmphex(run_with(&b), ==, 1);
    b = arrival();
    b.interrupt_injected = 0x31;
    g_assert_cmphex(run_with(&b), ==, 0x131);
    b = arrival();
    b.exception_nr = EXCP_UD;
    g_assert_cmphex(run_with(&b), ==, 0x100 + EXCP_UD);
    b = arrival();
    b.exception_nr = EXCP_GP;
    b.has_error_code = true;
    g_assert_cmphex(run_with(&b), ==, 0x100 + EXCP_GP);
    b = arrival();
    b.nmi_injected = true;
    g_assert_cmphex(run_with(&b), ==, 0x100 + EXCP_NMI);
    g_assert_true(vcpus[0]->nmi_blocked);
    b = arrival();
    b.nmi_pending = true;
    g_assert_cmphex(run_with(&b), ==, 0x100 + EXCP_NMI);
    /* INT n has not run yet, and will */
    b = arrival();
    b.interrupt_injected = 0x31;
    b.soft_interrupt = true;
    g_assert_cmphex(run_with(&b), ==, 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bench_init("max");
    narrow_model = vcpus[0]->model;
    narrow_features = vcpus[0]->features;
    g_test_add_func("/cpu-beyond/golden-subsections", test_golden_subsections);
    g_test_add_func("/cpu-beyond/round-trip", test_round_trip);
    g_test_add_func("/cpu-beyond/truncated", test_truncated);
    g_test_add_func("/cpu-beyond/features", test_features);
    g_test_add_func("/cpu-beyond/to-software", test_to_software);
    g_test_add_func("/cpu-beyond/out-of-range", test_out_of_range);
    g_test_add_func("/cpu-beyond/sipi", test_sipi);
    g_test_add_func("/cpu-beyond/waiting", test_waiting);
    g_test_add_func("/cpu-beyond/tsc", test_tsc);
    g_test_add_func("/cpu-beyond/tsc-without-measuring", test_tsc_without_measuring);
    g_test_add_func("/cpu-beyond/invariant-counter", test_invariant_counter);
    g_test_add_func("/cpu-beyond/exceptions-on-the-wire", test_exceptions_on_the_wire);
    g_test_add_func("/cpu-beyond/software-delivers", test_software_delivers);
    return g_test_run();
}
