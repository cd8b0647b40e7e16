/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Local APICs in the kernel (KVM_CREATE_IRQCHIP), over the software APIC's struct: their section of the stream,
 * reset, and `info lapic`. The kernel takes interrupts, sends them and halts vCPUs; it also moves an AP from INIT to
 * SIPI.
 *
 * The timer: the kernel has it as the registers show it, an initial and a current count, and starts to count from the
 * latter when it is given both (KVM_SET_LAPIC). Our stream has the virtual time at which the count was loaded. A
 * one-shot count that has run out goes to the kernel as no count at all: from a current count of zero it would make
 * one more interrupt. The deadline is an MSR (x86_beyond.tsc_deadline).
 *
 * IA32_APIC_BASE and CR8 are among the CPU's registers (KVM_GET_SREGS). `base` and `tpr` follow when those are
 * fetched.
 */
#include <string.h>

#include "accel/kvm.h"
#include "accel/vcpu.h"
#include "hw/intc/apic-internal.h"
#include "hw/intc/apic-kvm.h"

/* Offsets in the register page (SDM 3A, table 11-1). */
enum {
    OFFSET_ID = 0x20, OFFSET_TPR = 0x80, OFFSET_LDR = 0xd0, OFFSET_DFR = 0xe0, OFFSET_SVR = 0xf0, OFFSET_ISR = 0x100,
    OFFSET_TMR = 0x180, OFFSET_IRR = 0x200, OFFSET_ESR = 0x280, OFFSET_LVT_CMCI = 0x2f0, OFFSET_ICR = 0x300,
    OFFSET_LVT = 0x320, OFFSET_INITIAL_COUNT = 0x380, OFFSET_CURRENT_COUNT = 0x390, OFFSET_DIVIDE = 0x3e0,
};
#define STEP 0x10
#define MSR_APIC_BASE 0x1b

static uint32_t get(const struct kvm_lapic_state *state, unsigned offset)
{
    uint32_t value;

    memcpy(&value, state->regs + offset, sizeof(value));
    return value;
}

static void put(struct kvm_lapic_state *state, unsigned offset, uint32_t value)
{
    memcpy(state->regs + offset, &value, sizeof(value));
}

static void get_words(const struct kvm_lapic_state *state, unsigned offset, uint32_t *words, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        words[i] = get(state, offset + i * STEP);
    }
}

static void put_words(struct kvm_lapic_state *state, unsigned offset, const uint32_t *words, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        put(state, offset + i * STEP, words[i]);
    }
}

/* --- The timer --- */

static uint32_t timer_mode(const struct apic *apic)
{
    return apic->lvt[LVT_TIMER] & LVT_TIMER_MODE;
}

static void timer_to_kvm(const struct apic *apic, int64_t now, struct kvm_lapic_state *state)
{
    uint64_t ticks = now <= apic->load_time ? 0 : (uint64_t)(now - apic->load_time) >> apic->count_shift;
    uint64_t count = apic->initial_count;
    bool runs = count && timer_mode(apic) != LVT_TIMER_DEADLINE;

    if (timer_mode(apic) == LVT_TIMER_PERIODIC) {
        ticks %= count + 1;
    }
    if (!runs || (ticks > count && apic->timer_expiry < 0)) {
        return;
    }
    ticks = MIN(ticks, count);
    put(state, OFFSET_INITIAL_COUNT, (uint32_t)count);
    put(state, OFFSET_CURRENT_COUNT, (uint32_t)CLAMP(count - ticks, 1, count)); /* 0 would be "over" */
}

static bool is_delivered(const struct apic *apic, unsigned vector)
{
    return (apic->irr[vector / 32] | apic->isr[vector / 32]) >> vector % 32 & 1;
}

/*
 * The kernel's timer runs on while the vCPU does not. What has expired meanwhile waits outside of the registers for
 * the next KVM_RUN, and is not told: so a count that is over, and whose interrupt is nowhere, is due now. A guest may
 * see a second interrupt of a one-shot count that it is through with; without its first it might wait for ever.
 */
static void timer_from_kvm(struct apic *apic, int64_t now, const struct kvm_lapic_state *state)
{
    uint64_t count = get(state, OFFSET_INITIAL_COUNT), left = MIN(get(state, OFFSET_CURRENT_COUNT), count);
    uint64_t period = (count + 1) << apic->count_shift;
    uint64_t passed = left ? (count - left) << apic->count_shift : period;

    apic->initial_count = (uint32_t)count;
    apic->load_time = now - (int64_t)MIN(passed, (uint64_t)now);
    apic->next_time = apic->load_time + (int64_t)period;
    apic->timer_expiry = -1;
    bool over = !left && timer_mode(apic) == LVT_TIMER_ONE_SHOT &&
                is_delivered(apic, apic->lvt[LVT_TIMER] & LVT_VECTOR);
    if (count && !over && timer_mode(apic) != LVT_TIMER_DEADLINE && !(apic->lvt[LVT_TIMER] & LVT_MASKED)) {
        apic->timer_expiry = apic->next_time;
    }
}

/* --- All registers --- */

void apic_to_kvm(const struct apic *apic, int64_t now, struct kvm_lapic_state *state)
{
    memset(state, 0, sizeof(*state));
    put(state, OFFSET_ID, (uint32_t)apic->id << 24);
    put(state, OFFSET_TPR, apic->tpr);
    put(state, OFFSET_LDR, (uint32_t)apic->log_dest << 24);
    put(state, OFFSET_DFR, (uint32_t)apic->dest_model << 28 | 0x0fffffff);
    put(state, OFFSET_SVR, apic->svr);
    put_words(state, OFFSET_ISR, apic->isr, APIC_WORDS);
    put_words(state, OFFSET_TMR, apic->tmr, APIC_WORDS);
    put_words(state, OFFSET_IRR, apic->irr, APIC_WORDS);
    put(state, OFFSET_ESR, apic->esr);
    put(state, OFFSET_LVT_CMCI, LVT_MASKED); /* not in the stream */
    put_words(state, OFFSET_ICR, apic->icr, 2);
    put_words(state, OFFSET_LVT, apic->lvt, LVT_COUNT);
    put(state, OFFSET_DIVIDE, apic->divide_conf);
    timer_to_kvm(apic, now, state);
}

void apic_from_kvm(struct apic *apic, int64_t now, const struct kvm_lapic_state *state)
{
    unsigned code;

    apic->id = get(state, OFFSET_ID) >> 24;
    apic->tpr = (uint8_t)get(state, OFFSET_TPR);
    apic->svr = get(state, OFFSET_SVR);
    apic->log_dest = get(state, OFFSET_LDR) >> 24;
    apic->dest_model = get(state, OFFSET_DFR) >> 28;
    get_words(state, OFFSET_ISR, apic->isr, APIC_WORDS);
    get_words(state, OFFSET_TMR, apic->tmr, APIC_WORDS);
    get_words(state, OFFSET_IRR, apic->irr, APIC_WORDS);
    get_words(state, OFFSET_LVT, apic->lvt, LVT_COUNT);
    apic->esr = get(state, OFFSET_ESR);
    get_words(state, OFFSET_ICR, apic->icr, 2);
    apic->divide_conf = get(state, OFFSET_DIVIDE) & 0xb;
    code = (apic->divide_conf & 3) | (apic->divide_conf >> 1 & 4);
    apic->count_shift = (int32_t)((code + 1) & 7);
    timer_from_kvm(apic, now, state);
}

/* --- Between here and the kernel --- */

static bool vcpu_ioctl(struct apic *apic, unsigned long request, void *argument, const char *what, GError **error)
{
    int result = kvm_vcpu_ioctl(apic->cpu, request, argument);

    return result >= 0 || error_setf_errno(error, -result, "kvm: %s failed for the local APIC of vCPU %d", what,
                                           apic->cpu->index);
}

/* What an AP that waits for INIT or SIPI does here, in the software APIC's words. */
static void wait_from_kvm(struct apic *apic)
{
    uint32_t state = apic->cpu->beyond.mp_state;

    apic->wait_for_sipi = state == KVM_MP_STATE_UNINITIALIZED || state == KVM_MP_STATE_INIT_RECEIVED;
    apic->sipi_vector = (uint8_t)apic->cpu->sipi_vector;
}

struct fetch {
    struct apic *apic;
    struct kvm_lapic_state state;
    bool ok;
    GError **error;
};

static void do_fetch(struct x86_cpu *cpu, void *opaque)
{
    struct fetch *f = opaque;

    f->ok = vcpu_ioctl(f->apic, KVM_GET_LAPIC, &f->state, "KVM_GET_LAPIC", f->error);
}

/* A vCPU that runs must come out of the kernel for it, and does it on its own thread. */
static bool fetch(struct apic *apic, GError **error)
{
    struct fetch f = { .apic = apic, .error = error };

    if (apic->cpu->stopped) {
        do_fetch(apic->cpu, &f);
    } else {
        cpu_run_on(apic->cpu, do_fetch, &f);
    }
    if (f.ok) {
        apic_from_kvm(apic, vm_clock_ns(VM_CLOCK_VIRTUAL), &f.state);
        apic->tsc_deadline = apic->cpu->beyond.tsc_deadline;
        wait_from_kvm(apic);
    }
    return f.ok;
}

/* vCPUs are paused. The base first: it says how the kernel reads the ID. */
static bool store(struct apic *apic, GError **error)
{
    struct {
        struct kvm_msrs header;
        struct kvm_msr_entry entry;
    } base = { .header.nmsrs = 1, .entry = { .index = MSR_APIC_BASE, .data = apic->base } };
    struct kvm_lapic_state state;

    apic_to_kvm(apic, vm_clock_ns(VM_CLOCK_VIRTUAL), &state);
    return vcpu_ioctl(apic, KVM_SET_MSRS, &base, "KVM_SET_MSRS", error) &&
           vcpu_ioctl(apic, KVM_SET_LAPIC, &state, "KVM_SET_LAPIC", error);
}

/* --- What the CPU calls: registers that it has too; nothing that the kernel does --- */

static int none_to_acknowledge(void *opaque)
{
    return -1;
}

static bool nothing_pending(void *opaque)
{
    return false;
}

static void set_base(void *opaque, uint64_t value)
{
    ((struct apic *)opaque)->base = (uint32_t)value;
}

static uint64_t get_base(void *opaque)
{
    return ((struct apic *)opaque)->base;
}

static void set_tpr(void *opaque, uint8_t cr8)
{
    struct apic *apic = opaque;

    if (apic->tpr >> 4 != cr8) { /* CR8 is its upper half */
        apic->tpr = (uint8_t)(cr8 << 4);
    }
}

static uint8_t get_tpr(void *opaque)
{
    return ((struct apic *)opaque)->tpr >> 4;
}

static void init_reset(void *opaque)
{
    /* INIT is the kernel's */
}

static bool no_sipi(void *opaque, uint8_t *vector)
{
    return false;
}

static bool waits_for_sipi(void *opaque)
{
    return ((struct apic *)opaque)->wait_for_sipi;
}

static uint64_t get_tsc_deadline(void *opaque)
{
    return ((struct apic *)opaque)->cpu->beyond.tsc_deadline;
}

static void set_tsc_deadline(void *opaque, uint64_t value)
{
    ((struct apic *)opaque)->cpu->beyond.tsc_deadline = value;
}

static const struct x86_apic_ops ops = {
    .acknowledge = none_to_acknowledge,
    .poll = nothing_pending,
    .set_base = set_base,
    .get_base = get_base,
    .set_tpr = set_tpr,
    .get_tpr = get_tpr,
    .init_reset = init_reset,
    .take_sipi = no_sipi,
    .waits_for_sipi = waits_for_sipi,
    .get_tsc_deadline = get_tsc_deadline,
    .set_tsc_deadline = set_tsc_deadline,
};

/* --- Messages: a device's write to the APICs' window --- */

static uint64_t window_read(void *opaque, hwaddr offset, unsigned size)
{
    return UINT64_MAX;
}

static void window_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    if (size == 4 && (!vcpu_current() || offset >= 0x1000)) { /* a vCPU whose APIC is off has no registers there */
        kvm_signal_msi(APIC_BASE_ADDRESS + offset, (uint32_t)value);
    }
}

static const struct memory_region_ops window_ops = {
    .read = window_read, .write = window_write, .min_access = 1, .max_access = 4,
};

bool apic_kvm_create(struct x86_cpu *cpu, GError **error)
{
    struct apic *apic = g_new0(struct apic, 1);

    apic->fetch = fetch;
    apic->store = store;
    if (!apic_attach(apic, cpu, &ops, &window_ops, error)) {
        g_free(apic);
        return false;
    }
    return true;
}
