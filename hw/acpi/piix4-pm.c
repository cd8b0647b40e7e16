/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel 82371AB (PIIX4) function 3, power management, datasheet 290562 chapter 7, as ACPI 1.0 chapter 4.7 uses it:
 * PM1 event and control blocks and the PM timer at PMBASE, the SMI command port 0xb2/0xb3, and a general-purpose
 * event block at 0xafe0 that QEMU's pc has in addition.
 *
 * A reset leaves PMBASE at 0x600 and enabled, as firmware would. Modelled: the power button, soft off (S5), the timer
 * with its overflow event, SCI, hot plug of PCI devices (pci-hotplug.c). Left out: S3 and S4 (not in the DSDT), SMM,
 * the SMBus host, CPU and memory hotplug; what the stream carries of them goes through unchanged.
 */
#include <inttypes.h>
#include <string.h>

#include "hw/acpi/pci-hotplug.h"
#include "hw/acpi/piix4-pm.h"
#include "migration/vmstate.h"
#include "system/runstate.h"
#include "trace/hw_acpi.h"
#include "util/clock.h"

#define PM_BASE_REGISTER 0x40
#define PM_ENABLE_REGISTER 0x80
#define PM_IO_SIZE 64
#define PM_TIMER_HZ 3579545
#define PM_TIMER_HALF 0x800000u /* bit 23 toggles this often */

#define PM1_TMR (1u << 0)
#define PM1_GBL (1u << 5)
#define PM1_PWRBTN (1u << 8)
#define PM1_RTC (1u << 10)
#define PM1_SCI_SOURCES (PM1_TMR | PM1_GBL | PM1_PWRBTN | PM1_RTC)
#define PM1_CNT_SCI_EN (1u << 0)
#define PM1_CNT_SLP_EN (1u << 13)
#define PM1_CNT_SLP_TYP(_cnt) ((_cnt) >> 10 & 7)
#define SLP_TYP_S5 0

/* The SMBus host's registers as after its reset: for the stream. */
struct pm_smbus_state {
    uint8_t stat, ctl, cmd, addr, data0, data1;
    uint32_t index;
    uint8_t data[32];
    uint8_t auxctl, blkdata;
    bool i2c_enable, op_done, in_i2c_block_read, start_on_status_read;
};

struct piix4_pm {
    struct pci_device pci;
    uint16_t pm1_sts, pm1_en, pm1_cnt;
    uint8_t apmc, apms;
    struct pm_smbus_state smb;
    struct timer overflow_timer; /* pending while TMR_EN is set and TMR_STS clear */
    int64_t overflow_ticks;      /* when TMR_STS is next set */
    uint16_t gpe_sts, gpe_en;
    uint32_t memory_hotplug_selector; /* for the stream */
    struct acpi_pci_hotplug hotplug;
    struct irq *sci;
    struct memory_region io, event_block, control_block, timer_block, apm_ports, gpe_ports;
};

/* --- Time and SCI --- */

static int64_t pm_timer_ticks(int64_t ns)
{
    return (unsigned __int128)ns * PM_TIMER_HZ / NSEC_PER_SEC;
}

static int64_t pm_timer_ns(int64_t ticks)
{
    return ((unsigned __int128)ticks * NSEC_PER_SEC + PM_TIMER_HZ - 1) / PM_TIMER_HZ;
}

static uint16_t pm1_status(struct piix4_pm *d)
{
    if (pm_timer_ticks(vm_clock_ns(VM_CLOCK_VIRTUAL)) >= d->overflow_ticks) {
        d->pm1_sts |= PM1_TMR;
    }
    return d->pm1_sts;
}

static void pm_update_irq(struct piix4_pm *d)
{
    uint16_t status = pm1_status(d);

    irq_set(d->sci, (status & d->pm1_en & PM1_SCI_SOURCES) || (d->gpe_sts & d->gpe_en));
    if ((d->pm1_en & PM1_TMR) && !(status & PM1_TMR)) {
        timer_set(&d->overflow_timer, pm_timer_ns(d->overflow_ticks));
    } else {
        timer_cancel(&d->overflow_timer);
    }
}

static void pm_timer_expired(void *opaque)
{
    pm_update_irq(opaque);
}

/* --- PM1 event block: status (write 1 to clear), enable --- */

static uint64_t pm1_event_read(void *opaque, hwaddr offset, unsigned size)
{
    struct piix4_pm *d = opaque;
    uint16_t value = offset < 2 ? pm1_status(d) : d->pm1_en;

    return value >> (offset & 1) * 8;
}

static void pm1_event_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    struct piix4_pm *d = opaque;
    unsigned shift = (offset & 1) * 8;
    uint16_t mask = size == 2 ? 0xffff : 0xff << shift, bits = value << shift;

    if (offset >= 2) {
        d->pm1_en = (d->pm1_en & ~mask) | (bits & mask);
    } else {
        if (pm1_status(d) & bits & mask & PM1_TMR) {
            int64_t now = pm_timer_ticks(vm_clock_ns(VM_CLOCK_VIRTUAL));
            d->overflow_ticks = (now + PM_TIMER_HALF) & ~(int64_t)(PM_TIMER_HALF - 1);
        }
        d->pm1_sts &= ~(bits & mask);
    }
    pm_update_irq(d);
}

/* --- PM1 control block --- */

static uint64_t pm1_control_read(void *opaque, hwaddr offset, unsigned size)
{
    return ((struct piix4_pm *)opaque)->pm1_cnt >> offset * 8;
}

static void pm1_control_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    struct piix4_pm *d = opaque;
    uint16_t mask = size == 2 ? 0xffff : 0xff << offset * 8;
    uint16_t control = (d->pm1_cnt & ~mask) | (value << offset * 8 & mask);

    d->pm1_cnt = control & ~PM1_CNT_SLP_EN;
    if (!(control & PM1_CNT_SLP_EN)) {
        return;
    }
    trace_piix4_pm_sleep(PM1_CNT_SLP_TYP(control));
    if (PM1_CNT_SLP_TYP(control) == SLP_TYP_S5) {
        system_shutdown_request(SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
    } else {
        guest_error("ACPI: sleep type %u is not one that the DSDT offers", PM1_CNT_SLP_TYP(control));
    }
}

/* --- PM timer: with SMP it is the guest's clock source, so no lock on the way --- */

static uint64_t pm_timer_read(void *opaque, hwaddr offset, unsigned size)
{
    return pm_timer_ticks(vm_clock_ns(VM_CLOCK_VIRTUAL)) & 0xffffff;
}

static void pm_timer_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    /* read-only */
}

/* --- SMI command and status --- */

static uint64_t apm_read(void *opaque, hwaddr offset, unsigned size)
{
    const struct piix4_pm *d = opaque;

    return offset ? d->apms : d->apmc;
}

static void apm_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    struct piix4_pm *d = opaque;

    if (offset) {
        d->apms = value;
        return;
    }
    d->apmc = value;
    if (value == PIIX4_ACPI_ENABLE) {
        d->pm1_cnt |= PM1_CNT_SCI_EN;
    } else if (value == PIIX4_ACPI_DISABLE) {
        d->pm1_cnt &= ~PM1_CNT_SCI_EN;
    }
}

/* --- General-purpose events: two bytes of status (write 1 to clear), two of enable --- */

static uint64_t gpe_read(void *opaque, hwaddr offset, unsigned size)
{
    const struct piix4_pm *d = opaque;

    return (offset < 2 ? d->gpe_sts : d->gpe_en) >> (offset & 1) * 8 & 0xff;
}

static void gpe_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    struct piix4_pm *d = opaque;
    unsigned shift = (offset & 1) * 8;
    uint16_t bits = (value & 0xff) << shift;

    if (offset < 2) {
        d->gpe_sts &= ~bits;
    } else {
        d->gpe_en = (d->gpe_en & ~(0xff << shift)) | bits;
    }
    pm_update_irq(d);
}

static void gpe_raise(void *opaque)
{
    struct piix4_pm *d = opaque;

    d->gpe_sts |= 1u << ACPI_PCI_HOTPLUG_GPE;
    pm_update_irq(d);
}

static const struct memory_region_ops event_ops = { .read = pm1_event_read, .write = pm1_event_write,
                                                    .max_access = 2 };
static const struct memory_region_ops control_ops = {
    .read = pm1_control_read, .write = pm1_control_write, .max_access = 2,
};
static const struct memory_region_ops timer_ops = {
    .read = pm_timer_read, .write = pm_timer_write, .min_access = 4, .max_access = 4, .lockless = true,
};
static const struct memory_region_ops apm_ops = { .read = apm_read, .write = apm_write, .max_access = 1 };
static const struct memory_region_ops gpe_ops = { .read = gpe_read, .write = gpe_write, .max_access = 1 };

/* --- Configuration space --- */

static void pm_update_mapping(struct piix4_pm *d)
{
    uint16_t base = pci_word(d->pci.config + PM_BASE_REGISTER) & 0xffc0;

    memory_transaction_begin();
    memory_region_set_enabled(&d->io, d->pci.config[PM_ENABLE_REGISTER] & 1);
    memory_region_set_address(&d->io, base);
    memory_transaction_commit();
}

static void pm_config_write(struct pci_device *pci, uint32_t address, uint32_t value, unsigned size)
{
    pci_default_config_write(pci, address, value, size);
    if (address <= PM_ENABLE_REGISTER && address + size > PM_BASE_REGISTER) {
        pm_update_mapping((struct piix4_pm *)pci);
    }
}

/* The power button. A guest that has not enabled it does not notice. */
static void pm_powerdown(void *opaque)
{
    struct piix4_pm *d = opaque;

    if (d->pm1_en & PM1_PWRBTN) {
        d->pm1_sts |= PM1_PWRBTN;
        pm_update_irq(d);
    }
}

/* --- Life --- */

static void pm_reset(struct device *dev)
{
    struct piix4_pm *d = (struct piix4_pm *)dev;
    uint8_t *config = d->pci.config;

    memset(config + 0x40, 0, PCI_CONFIG_SIZE - 0x40);
    pci_put_long(config + PM_BASE_REGISTER, PIIX4_PM_BASE | 1);
    config[PM_ENABLE_REGISTER] = 1;
    config[0x5b] = 0x02; /* APMC_EN: SMI commands count */
    config[0x5f] = 0x10; /* DEVRESD..J: which devices are decoded, for firmware */
    config[0x63] = 0x60;
    config[0x67] = 0x08;
    d->pm1_sts = d->pm1_en = d->pm1_cnt = 0;
    d->apmc = d->apms = 0;
    d->gpe_sts = d->gpe_en = 0;
    d->overflow_ticks = 0;
    d->smb = (struct pm_smbus_state){ .op_done = true };
    d->memory_hotplug_selector = 0;
    pm_update_mapping(d);
    pm_update_irq(d);
}

static bool pm_post_load(void *opaque, int version, GError **error)
{
    struct piix4_pm *d = opaque;

    if (d->overflow_ticks < 0 || d->overflow_ticks > pm_timer_ticks(INT64_MAX)) {
        return error_setf(error, "ar.tmr.overflow_time %" PRId64 " is not a time of this clock", d->overflow_ticks);
    }
    if (d->smb.index >= sizeof(d->smb.data)) {
        return error_setf(error, "smb_index %u is past its buffer of %zu bytes", d->smb.index, sizeof(d->smb.data));
    }
    pm_update_mapping(d);
    return true;
}

#define FIELD(_name, _struct, _member, _type, _info) \
    { .name = _name, .offset = offsetof(_struct, _member), .size = sizeof(_type), .info = &vmstate_info_##_info }

/* Parts of struct piix4_pm, so their offsets are its own. */
static const struct vmstate_description vmstate_apm = {
    .name = "APM State",
    .version = 1,
    .minimum_version = 1,
    .fields = (const struct vmstate_field[]){
        VMSTATE_UINT8(apmc, struct piix4_pm),
        VMSTATE_UINT8(apms, struct piix4_pm),
        VMSTATE_END
    },
};

static const struct vmstate_description vmstate_gpe = {
    .name = "gpe",
    .version = 1,
    .minimum_version = 1,
    .fields = (const struct vmstate_field[]){
        FIELD("sts", struct piix4_pm, gpe_sts, uint16_t, uint16),
        FIELD("en", struct piix4_pm, gpe_en, uint16_t, uint16),
        VMSTATE_END
    },
};

static const struct vmstate_description vmstate_smbus = {
    .name = "pmsmb",
    .version = 1,
    .minimum_version = 1,
    .fields = (const struct vmstate_field[]){
        FIELD("smb_stat", struct pm_smbus_state, stat, uint8_t, uint8),
        FIELD("smb_ctl", struct pm_smbus_state, ctl, uint8_t, uint8),
        FIELD("smb_cmd", struct pm_smbus_state, cmd, uint8_t, uint8),
        FIELD("smb_addr", struct pm_smbus_state, addr, uint8_t, uint8),
        FIELD("smb_data0", struct pm_smbus_state, data0, uint8_t, uint8),
        FIELD("smb_data1", struct pm_smbus_state, data1, uint8_t, uint8),
        FIELD("smb_index", struct pm_smbus_state, index, uint32_t, uint32),
        { .name = "smb_data", .offset = offsetof(struct pm_smbus_state, data), .size = 1, .count = 32,
          .flags = VMS_ARRAY,
          .info = &vmstate_info_uint8 },
        FIELD("smb_auxctl", struct pm_smbus_state, auxctl, uint8_t, uint8),
        FIELD("smb_blkdata", struct pm_smbus_state, blkdata, uint8_t, uint8),
        VMSTATE_BOOL(i2c_enable, struct pm_smbus_state),
        VMSTATE_BOOL(op_done, struct pm_smbus_state),
        VMSTATE_BOOL(in_i2c_block_read, struct pm_smbus_state),
        FIELD("start_transaction_on_status_read", struct pm_smbus_state, start_on_status_read, bool, bool),
        VMSTATE_END
    },
};

static const struct vmstate_description vmstate_hotplug_status = {
    .name = "acpi_pcihp_pci_status",
    .version = 1,
    .minimum_version = 1,
    .fields = (const struct vmstate_field[]){
        VMSTATE_UINT32(up, struct acpi_pci_hotplug_status),
        VMSTATE_UINT32(down, struct acpi_pci_hotplug_status),
        VMSTATE_END
    },
};

static const struct vmstate_description vmstate_memory_hotplug = {
    .name = "memory hotplug state",
    .version = 1,
    .minimum_version = 1,
    .fields = (const struct vmstate_field[]){
        FIELD("selector", struct piix4_pm, memory_hotplug_selector, uint32_t, uint32),
        VMSTATE_END
    },
};

static const struct vmstate_description vmstate_pm_memhp = {
    .name = "piix4_pm/memhp",
    .version = 1,
    .minimum_version = 1,
    .fields = (const struct vmstate_field[]){
        { .name = "acpi_memory_hotplug", .size = sizeof(struct piix4_pm), .flags = VMS_STRUCT,
          .vmsd = &vmstate_memory_hotplug },
        VMSTATE_END
    },
};

static const struct vmstate_description vmstate_pm = {
    .name = "piix4_pm",
    .version = 3,
    .minimum_version = 3,
    .post_load = pm_post_load,
    .fields = (const struct vmstate_field[]){
        { .name = "parent_obj", .offset = offsetof(struct piix4_pm, pci), .size = sizeof(struct pci_device),
          .flags = VMS_STRUCT, .vmsd = &vmstate_pci_device },
        FIELD("ar.pm1.evt.sts", struct piix4_pm, pm1_sts, uint16_t, uint16),
        FIELD("ar.pm1.evt.en", struct piix4_pm, pm1_en, uint16_t, uint16),
        FIELD("ar.pm1.cnt.cnt", struct piix4_pm, pm1_cnt, uint16_t, uint16),
        { .name = "apm", .size = sizeof(struct piix4_pm), .flags = VMS_STRUCT, .vmsd = &vmstate_apm },
        { .name = "smb", .offset = offsetof(struct piix4_pm, smb), .size = sizeof(struct pm_smbus_state),
          .flags = VMS_STRUCT, .vmsd = &vmstate_smbus, .version = 3 },
        FIELD("ar.tmr.timer", struct piix4_pm, overflow_timer, struct timer, timer),
        FIELD("ar.tmr.overflow_time", struct piix4_pm, overflow_ticks, int64_t, int64),
        { .name = "ar.gpe", .size = sizeof(struct piix4_pm), .flags = VMS_STRUCT, .vmsd = &vmstate_gpe },
        FIELD("acpi_pci_hotplug.hotplug_select", struct piix4_pm, hotplug.select, uint32_t, uint32),
        { .name = "acpi_pci_hotplug.acpi_pcihp_pci_status", .offset = offsetof(struct piix4_pm, hotplug.status),
          .size = sizeof(struct acpi_pci_hotplug_status), .count = ACPI_PCI_HOTPLUG_BUSES,
          .flags = VMS_STRUCT | VMS_ARRAY, .vmsd = &vmstate_hotplug_status, .version = 1 },
        FIELD("acpi_pci_hotplug.acpi_index", struct piix4_pm, hotplug.acpi_index, uint32_t, uint32),
        VMSTATE_END
    },
    .subsections = (const struct vmstate_description *const[]){ &vmstate_pm_memhp, NULL },
};

static bool pm_realize(struct pci_device *pci, GError **error)
{
    struct piix4_pm *d = (struct piix4_pm *)pci;

    pci->config[PCI_STATUS] = 0x80; /* fast back-to-back */
    pci->config[PCI_STATUS + 1] = 0x02; /* medium DEVSEL */
    pci->config[PCI_INTERRUPT_PIN] = 1;
    timer_init(&d->overflow_timer, VM_CLOCK_VIRTUAL, pm_timer_expired, d);

    memory_region_init_container(&d->io, "piix4-pm", PM_IO_SIZE);
    memory_region_set_enabled(&d->io, false);
    memory_region_init_io(&d->event_block, &event_ops, d, "acpi-evt", 4);
    memory_region_add(&d->io, 0, &d->event_block, 0);
    memory_region_init_io(&d->control_block, &control_ops, d, "acpi-cnt", 2);
    memory_region_add(&d->io, 4, &d->control_block, 0);
    memory_region_init_io(&d->timer_block, &timer_ops, d, "acpi-tmr", 4);
    memory_region_add(&d->io, 8, &d->timer_block, 0);
    /* The guest may move it over anything: below the fixed devices, of which none has this priority. */
    memory_region_add(&system_io, PIIX4_PM_BASE, &d->io, -1);
    memory_region_init_io(&d->apm_ports, &apm_ops, d, "apm-io", 2);
    memory_region_add(&system_io, PIIX4_SMI_PORT, &d->apm_ports, 0);
    memory_region_init_io(&d->gpe_ports, &gpe_ops, d, "acpi-gpe0", 4);
    memory_region_add(&system_io, PIIX4_GPE0_BASE, &d->gpe_ports, 0);
    acpi_pci_hotplug_init(&d->hotplug, pci->bus, gpe_raise, d);
    system_powerdown_notify(pm_powerdown, d);
    return true;
}

static const struct pci_device_ops pm_ops = {
    .vendor_id = 0x8086,
    .device_id = 0x7113,
    .class_id = 0x0680,
    .revision = 3,
    .realize = pm_realize,
    .config_write = pm_config_write,
};

const struct device_type piix4_pm_type = {
    .name = "PIIX4_PM",
    .bus = "PCI",
    .category = "Bridge",
    .description = "PM",
    .size = sizeof(struct piix4_pm),
    .vmstate = &vmstate_pm,
    .ops = &pm_ops,
    .realize = pci_device_realize,
    .unrealize = pci_device_unrealize,
    .reset = pm_reset,
};

bool piix4_pm_create(struct pci_bus *bus, struct irq *sci, GError **error)
{
    struct piix4_pm *d = (struct piix4_pm *)device_new(&piix4_pm_type, error);

    if (!d) {
        return false;
    }
    d->sci = sci;
    d->pci.devfn_property = PCI_DEVFN(1, 3);
    if (!device_realize(&d->pci.device, &bus->bus, error)) {
        device_free(&d->pci.device);
        return false;
    }
    return true;
}
