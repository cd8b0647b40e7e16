/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Model-specific registers. Which of them a vCPU has is the kernel's word (KVM_GET_MSR_INDEX_LIST); one that it then
 * refuses to give or to take is named in a warning, once, and left out from there on: a guest moves on without it,
 * where an abort would lose all of it.
 */
#include "accel/kvm/internal.h"
#include "util/clock.h"

#define FIELD(name) offsetof(struct x86_cpu, name)

/* On the wire and in *cpu; in the order in which they are put. */
static const struct msr {
    uint32_t index;
    unsigned count;     /* consecutive indices, as many uint64_t in struct x86_cpu */
    size_t offset;
    bool on_put_all;    /* put after a reset or a load only: putting it while the guest runs on would be noticed */
    bool unlisted;      /* the kernel has it, though its list does not say so */
    bool needs_apic;    /* the kernel has it with its own local APIC only, though its list says so */
} msrs[] = {
    { 0x3b, 1, FIELD(tsc_adjust), .on_put_all = true },
    { 0x34, 1, FIELD(beyond.smi_count) },
    { 0x48, 1, FIELD(beyond.spec_ctrl) },
    { 0xe1, 1, FIELD(beyond.umwait) },
    { 0x122, 1, FIELD(beyond.tsx_ctrl) },
    { 0x174, 1, FIELD(sysenter_cs) },
    { 0x175, 1, FIELD(sysenter_esp) },
    { 0x176, 1, FIELD(sysenter_eip) },
    { 0x17a, 1, FIELD(mcg_status) },
    { 0x17b, 1, FIELD(mcg_ctl) },
    { 0x1a0, 1, FIELD(misc_enable), .on_put_all = true },
    { 0x200, 2 * MTRR_VARIABLE, FIELD(mtrr_var), .on_put_all = true, .unlisted = true },
    { 0x250, 1, FIELD(mtrr_fixed[0]), .on_put_all = true, .unlisted = true },
    { 0x258, 2, FIELD(mtrr_fixed[1]), .on_put_all = true, .unlisted = true },
    { 0x268, 8, FIELD(mtrr_fixed[3]), .on_put_all = true, .unlisted = true },
    { 0x277, 1, FIELD(pat) },
    { 0x2ff, 1, FIELD(mtrr_deftype), .on_put_all = true, .unlisted = true },
    { 0x6e1, 1, FIELD(beyond.pkrs) },
    { 0xd90, 1, FIELD(beyond.bndcfgs) },
    { 0xda0, 1, FIELD(beyond.xss) },
    { 0xc0000081, 1, FIELD(star) },
    { 0xc0000082, 1, FIELD(lstar) },
    { 0xc0000083, 1, FIELD(cstar) },
    { 0xc0000084, 1, FIELD(fmask) },
    { 0xc0000102, 1, FIELD(kernel_gs_base) },
    { 0xc0000103, 1, FIELD(tsc_aux) },
    { 0xc001011f, 1, FIELD(beyond.virt_ssbd) },
    { 0x4b564d00, 1, FIELD(beyond.wall_clock_msr), .on_put_all = true },
    { 0x4b564d01, 1, FIELD(beyond.system_time_msr), .on_put_all = true },
    { 0x4b564d02, 1, FIELD(beyond.async_pf_en_msr), .on_put_all = true, .needs_apic = true },
    { 0x4b564d03, 1, FIELD(beyond.steal_time_msr), .on_put_all = true },
    { 0x4b564d04, 1, FIELD(beyond.pv_eoi_en_msr), .on_put_all = true, .needs_apic = true },
    { 0x4b564d05, 1, FIELD(beyond.poll_control_msr), .on_put_all = true },
    { 0x4b564d06, 1, FIELD(beyond.async_pf_int_msr), .on_put_all = true, .needs_apic = true },
};
#define MSR_TSC 0x10
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_MC0_CTL 0x400
#define MAX_MSRS 128

/* A batch as KVM_GET_MSRS and KVM_SET_MSRS take it, and where each value lives. */
struct batch {
    struct kvm_msrs header;
    struct kvm_msr_entry entries[MAX_MSRS];
    uint64_t *fields[MAX_MSRS];
};

static GHashTable *available; /* indices; read only once set up, but for refused ones under the lock below */
static GMutex lock;           /* guards `available`; innermost */

bool kvm_msr_init(GError **error)
{
    struct kvm_msr_list count = { 0 };
    g_autofree struct kvm_msr_list *list = NULL;
    int result;

    kvm_system_ioctl(KVM_GET_MSR_INDEX_LIST, &count); /* E2BIG, and how many */
    list = g_malloc0(sizeof(*list) + count.nmsrs * sizeof(list->indices[0]));
    list->nmsrs = count.nmsrs;
    result = kvm_system_ioctl(KVM_GET_MSR_INDEX_LIST, list);
    if (result < 0) {
        return error_setf_errno(error, -result, "ioctl(KVM_GET_MSR_INDEX_LIST) failed");
    }
    g_clear_pointer(&available, g_hash_table_destroy);
    available = g_hash_table_new(NULL, NULL);
    for (uint32_t i = 0; i < list->nmsrs; i++) {
        g_hash_table_add(available, GUINT_TO_POINTER(list->indices[i]));
    }
    for (size_t i = 0; i < G_N_ELEMENTS(msrs); i++) {
        for (unsigned j = 0; msrs[i].unlisted && j < msrs[i].count; j++) {
            g_hash_table_add(available, GUINT_TO_POINTER(msrs[i].index + j));
        }
        if (msrs[i].needs_apic && !kvm_options.irqchip) {
            g_hash_table_remove(available, GUINT_TO_POINTER(msrs[i].index));
        }
    }
    for (unsigned i = 0; kvm_check_extension(KVM_CAP_MCE) > 0 && i < MCE_BANKS * 4; i++) {
        g_hash_table_add(available, GUINT_TO_POINTER(MSR_MC0_CTL + i));
    }
    return true;
}

static bool is_available(uint32_t index)
{
    g_mutex_lock(&lock);
    bool found = g_hash_table_contains(available, GUINT_TO_POINTER(index));
    g_mutex_unlock(&lock);
    return found;
}

static void leave_out(uint32_t index, const char *what, uint64_t value)
{
    g_mutex_lock(&lock);
    bool known = g_hash_table_remove(available, GUINT_TO_POINTER(index));
    g_mutex_unlock(&lock);
    if (known) {
        warn_report("kvm: the kernel refuses to %s MSR 0x%x (0x%" G_GINT64_MODIFIER "x): left out from here on", what,
                    index, value);
    }
}

static void batch_add(struct batch *batch, uint32_t index, uint64_t *field)
{
    if (is_available(index)) {
        g_assert(batch->header.nmsrs < MAX_MSRS);
        batch->fields[batch->header.nmsrs] = field;
        batch->entries[batch->header.nmsrs++] = (struct kvm_msr_entry) { .index = index };
    }
}

static void batch_fill(struct batch *batch, struct x86_cpu *cpu, bool all)
{
    for (size_t i = 0; i < G_N_ELEMENTS(msrs); i++) {
        for (unsigned j = 0; j < msrs[i].count && (all || !msrs[i].on_put_all); j++) {
            batch_add(batch, msrs[i].index + j, (uint64_t *)((char *)cpu + msrs[i].offset) + j);
        }
    }
    for (unsigned i = 0; all && i < MIN(cpu->mcg_cap & 0xff, (uint64_t)MCE_BANKS) * 4; i++) {
        batch_add(batch, MSR_MC0_CTL + i, &cpu->mce_banks[i]);
    }
}

/* The kernel stops at the first one that it refuses: name it, and go on behind it. */
static bool batch_run(struct x86_cpu *cpu, struct batch *batch, unsigned long request, const char *what,
                      GError **error)
{
    uint32_t done = 0, total = batch->header.nmsrs;
    struct {
        struct kvm_msrs header;
        struct kvm_msr_entry entries[MAX_MSRS];
    } rest;

    while (done < total) {
        rest.header = (struct kvm_msrs) { .nmsrs = total - done };
        memcpy(rest.entries, batch->entries + done, (total - done) * sizeof(rest.entries[0]));
        int result = kvm_vcpu_ioctl(cpu, request, &rest);
        if (result < 0) {
            return error_setf_errno(error, -result, "kvm: vCPU %d: MSRs cannot be %s", cpu->index, what);
        }
        memcpy(batch->entries + done, rest.entries, result * sizeof(rest.entries[0]));
        done += result;
        if (done < total) {
            leave_out(batch->entries[done].index, what, batch->entries[done].data);
            batch->fields[done++] = NULL;
        }
    }
    return true;
}

/*
 * The time stamp counter has no field of its own for this: a CPU's tsc_offset is relative to virtual_ticks(), for
 * every accelerator. A stream of stock QEMU's brings the value itself.
 */
static void tsc_read(struct x86_cpu *cpu, uint64_t value)
{
    cpu->beyond.tsc = value;
    cpu->tsc_offset = (int64_t)(value - virtual_ticks());
}

static uint64_t tsc_to_put(const struct x86_cpu *cpu)
{
    return cpu->beyond.tsc ? cpu->beyond.tsc : virtual_ticks() + (uint64_t)cpu->tsc_offset;
}

bool kvm_get_msrs(struct x86_cpu *cpu, GError **error)
{
    struct batch batch = { 0 };
    uint64_t tsc = 0;

    batch_add(&batch, MSR_TSC, &tsc);
    if (kvm_irqchip_in_kernel()) {
        batch_add(&batch, MSR_TSC_DEADLINE, &cpu->beyond.tsc_deadline);
    }
    batch_fill(&batch, cpu, true);
    if (!batch_run(cpu, &batch, KVM_GET_MSRS, "give", error)) {
        return false;
    }
    for (uint32_t i = 0; i < batch.header.nmsrs; i++) {
        if (batch.fields[i]) {
            *batch.fields[i] = batch.entries[i].data;
        }
    }
    tsc_read(cpu, tsc);
    return true;
}

/* The counter first: others, such as the deadline, go by it. */
bool kvm_put_msrs(struct x86_cpu *cpu, GError **error)
{
    struct batch batch = { 0 };
    uint64_t tsc = tsc_to_put(cpu);

    if (cpu->kvm->put_all) {
        batch_add(&batch, MSR_TSC, &tsc);
    }
    batch_fill(&batch, cpu, cpu->kvm->put_all);
    if (kvm_irqchip_in_kernel()) {
        batch_add(&batch, MSR_TSC_DEADLINE, &cpu->beyond.tsc_deadline);
    }
    for (uint32_t i = 0; i < batch.header.nmsrs; i++) {
        batch.entries[i].data = *batch.fields[i];
    }
    return batch_run(cpu, &batch, KVM_SET_MSRS, "take", error);
}
