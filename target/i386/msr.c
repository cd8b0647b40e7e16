/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Model-specific registers: a table of those that exist, sorted by number. Others read as 0 and ignore writes,
 * traced: guests probe for dozens, and stock does the same.
 *
 * An entry is a field of struct x86_cpu with the bits that may be written, or a pair of functions.
 */
#include "accel/tcg/mem.h"
#include "target/i386/mmu.h"
#include "target/i386/system.h"
#include "trace/target_i386.h"
#include "util/clock.h"

struct msr {
    uint32_t first, count;  /* `count` registers from `first` on */
    uint16_t offset, stride; /* of the uint64_t field, where there are no functions */
    uint64_t writable;      /* bits; others in a write raise #GP unless `ignore` */
    bool ignore;            /* writes of other bits are dropped */
    bool canonical;
    uint64_t constant;      /* offset 0: read only, this value */
    bool (*read)(struct x86_cpu *cpu, uint32_t index, uint64_t *value);
    bool (*write)(struct x86_cpu *cpu, uint32_t index, uint64_t value);
};

/* --- those with behaviour --- */

static bool tsc_read(struct x86_cpu *cpu, uint32_t index, uint64_t *value)
{
    *value = virtual_ticks() + cpu->tsc_offset;
    return true;
}

static bool tsc_write(struct x86_cpu *cpu, uint32_t index, uint64_t value)
{
    int64_t offset = value - virtual_ticks();
    cpu->tsc_adjust += offset - cpu->tsc_offset; /* SDM 3B 17.17.3: both move together */
    cpu->tsc_offset = offset;
    return true;
}

static bool tsc_adjust_write(struct x86_cpu *cpu, uint32_t index, uint64_t value)
{
    cpu->tsc_offset += value - cpu->tsc_adjust;
    cpu->tsc_adjust = value;
    return true;
}

static bool apic_base_read(struct x86_cpu *cpu, uint32_t index, uint64_t *value)
{
    *value = 0;
    if (cpu->apic_ops) {
        x86_device_begin(cpu);
        *value = cpu->apic_ops->get_base(cpu->apic);
        x86_device_end(cpu);
    }
    return true;
}

static bool apic_base_write(struct x86_cpu *cpu, uint32_t index, uint64_t value)
{
    if (value & (1 << 10) || value >> x86_phys_bits(cpu)) { /* no x2APIC */
        return false;
    }
    if (cpu->apic_ops) {
        x86_device_begin(cpu);
        cpu->apic_ops->set_base(cpu->apic, value);
        x86_device_end(cpu);
    }
    return true;
}

static bool tsc_deadline_read(struct x86_cpu *cpu, uint32_t index, uint64_t *value)
{
    *value = 0;
    if (cpu->apic_ops) {
        x86_device_begin(cpu);
        *value = cpu->apic_ops->get_tsc_deadline(cpu->apic);
        x86_device_end(cpu);
    }
    return true;
}

static bool tsc_deadline_write(struct x86_cpu *cpu, uint32_t index, uint64_t value)
{
    if (cpu->apic_ops && x86_feature(&cpu->features, FEAT_1_ECX, 24)) {
        x86_device_begin(cpu);
        cpu->apic_ops->set_tsc_deadline(cpu->apic, value);
        x86_device_end(cpu);
    }
    return true;
}

static bool efer_write(struct x86_cpu *cpu, uint32_t index, uint64_t value)
{
    const struct x86_features *f = &cpu->features;
    uint64_t allowed = EFER_LMA;

    allowed |= x86_feature(f, FEAT_8000_0001_EDX, 11) ? EFER_SCE : 0;
    allowed |= x86_feature(f, FEAT_8000_0001_EDX, 29) ? EFER_LME : 0;
    allowed |= x86_feature(f, FEAT_8000_0001_EDX, 20) ? EFER_NXE : 0;
    allowed |= x86_feature(f, FEAT_8000_0001_EDX, 25) ? EFER_FFXSR : 0;
    if (value & ~allowed || (cpu->cr0 & CR0_PG && (value ^ cpu->efer) & EFER_LME)) {
        return false;
    }
    x86_cpu_set_efer(cpu, (value & ~(uint64_t)EFER_LMA) | (cpu->efer & EFER_LMA));
    return true;
}

static bool pat_write(struct x86_cpu *cpu, uint32_t index, uint64_t value)
{
    for (int i = 0; i < 8; i++) {
        uint8_t type = value >> 8 * i;
        if (type > 7 || type == 2 || type == 3) {
            return false;
        }
    }
    cpu->pat = value;
    return true;
}

static bool fs_base_read(struct x86_cpu *cpu, uint32_t index, uint64_t *value)
{
    *value = cpu->segs[index == 0xc0000100 ? S_FS : S_GS].base;
    return true;
}

static bool fs_base_write(struct x86_cpu *cpu, uint32_t index, uint64_t value)
{
    if (!x86_is_canonical(value)) {
        return false;
    }
    cpu->segs[index == 0xc0000100 ? S_FS : S_GS].base = value;
    return true;
}

static bool mce_bank_write(struct x86_cpu *cpu, uint32_t index, uint64_t value)
{
    unsigned at = index - 0x400;
    /* Control: all zeros or ones; status: only cleared; address and misc: anything. */
    if ((at % 4 == 0 && value != 0 && value != UINT64_MAX) || (at % 4 == 1 && value != 0)) {
        return false;
    }
    cpu->mce_banks[at] = value;
    return true;
}

static bool mcg_ctl_write(struct x86_cpu *cpu, uint32_t index, uint64_t value)
{
    if (value != 0 && value != UINT64_MAX) {
        return false;
    }
    cpu->mcg_ctl = value;
    return true;
}

static bool microcode_write(struct x86_cpu *cpu, uint32_t index, uint64_t value)
{
    return true; /* loading an update: nothing happens */
}

#define FIELD(field) .offset = offsetof(struct x86_cpu, field), .stride = 8
#define ALL .writable = UINT64_MAX

static const struct msr msrs[] = {
    { 0x10, 1, .read = tsc_read, .write = tsc_write },
    { 0x1b, 1, .read = apic_base_read, .write = apic_base_write },
    { 0x3b, 1, FIELD(tsc_adjust), .write = tsc_adjust_write },
    { 0x8b, 1, .constant = 0x01000065ull, .write = microcode_write },
    { 0xfe, 1, .constant = 0x508, .ignore = true }, /* MTRRCAP: fixed ranges, 8 variable ones, write-combining */
    { 0x174, 1, FIELD(sysenter_cs), .writable = 0xffff, .ignore = true },
    { 0x175, 1, FIELD(sysenter_esp), ALL },
    { 0x176, 1, FIELD(sysenter_eip), ALL },
    { 0x179, 1, FIELD(mcg_cap), .ignore = true },
    { 0x17a, 1, FIELD(mcg_status), ALL },
    { 0x17b, 1, FIELD(mcg_ctl), .write = mcg_ctl_write },
    { 0x198, 1, .constant = 0x00000400000003e8ull, .ignore = true }, /* performance status: 1000, 4.0 */
    { 0x1a0, 1, FIELD(misc_enable), ALL },
    { 0x200, 2 * MTRR_VARIABLE, FIELD(mtrr_var), ALL },
    { 0x250, 1, FIELD(mtrr_fixed[0]), ALL },
    { 0x258, 2, FIELD(mtrr_fixed[1]), ALL },
    { 0x268, 8, FIELD(mtrr_fixed[3]), ALL },
    { 0x277, 1, FIELD(pat), .write = pat_write },
    { 0x2ff, 1, FIELD(mtrr_deftype), ALL },
    { 0x400, 4 * MCE_BANKS, FIELD(mce_banks), .write = mce_bank_write },
    { 0x6e0, 1, .read = tsc_deadline_read, .write = tsc_deadline_write },
    { 0xc0000080, 1, FIELD(efer), .write = efer_write },
    { 0xc0000081, 1, FIELD(star), ALL },
    { 0xc0000082, 1, FIELD(lstar), ALL, .canonical = true },
    { 0xc0000083, 1, FIELD(cstar), ALL, .canonical = true },
    { 0xc0000084, 1, FIELD(fmask), .writable = 0xffffffff, .ignore = true },
    { 0xc0000100, 2, .read = fs_base_read, .write = fs_base_write },
    { 0xc0000102, 1, FIELD(kernel_gs_base), ALL, .canonical = true },
    { 0xc0000103, 1, FIELD(tsc_aux), .writable = 0xffffffff, .ignore = true },
};

static const struct msr *find(uint32_t index)
{
    for (size_t i = 0; i < G_N_ELEMENTS(msrs); i++) {
        if (index - msrs[i].first < msrs[i].count) {
            return &msrs[i];
        }
    }
    return NULL;
}

static uint64_t *field(struct x86_cpu *cpu, const struct msr *msr, uint32_t index)
{
    return (uint64_t *)((char *)cpu + msr->offset + (index - msr->first) * msr->stride);
}

bool x86_msr_read(struct x86_cpu *cpu, uint32_t index, uint64_t *value)
{
    const struct msr *msr = find(index);

    if (!msr) {
        trace_msr_unknown_read(cpu->index, index);
        *value = 0;
        return true;
    }
    if (msr->read) {
        return msr->read(cpu, index, value);
    }
    *value = msr->offset ? *field(cpu, msr, index) : msr->constant;
    return true;
}

bool x86_msr_write(struct x86_cpu *cpu, uint32_t index, uint64_t value)
{
    const struct msr *msr = find(index);

    if (!msr) {
        trace_msr_unknown_write(cpu->index, index, value);
        return true;
    }
    if (msr->write) {
        return msr->write(cpu, index, value);
    }
    if ((value & ~msr->writable && !msr->ignore) || (msr->canonical && !x86_is_canonical(value))) {
        return false;
    }
    if (msr->offset) {
        uint64_t *at = field(cpu, msr, index);
        *at = (*at & ~msr->writable) | (value & msr->writable);
    }
    return true;
}
