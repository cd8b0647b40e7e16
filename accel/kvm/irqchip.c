/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel-irqchip=on: local APICs, IOAPIC and 8259s in the kernel (KVM_CREATE_IRQCHIP), and the table that says where
 * each GSI goes.
 *
 * GSIs 0 to 15 are the ISA lines: at an 8259, and at the IOAPIC's pin of that number, 0 at pin 2 (which has no line
 * of its own: IRQ 2 is the cascade). 16 to 23 are pins of the IOAPIC alone. From 24 on they are messages, for
 * eventfds that interrupt without anybody here (KVM_IRQFD).
 */
#include "accel/kvm/internal.h"

#include <errno.h>

#define ISA_LINES 16
#define PIC_INPUTS 8
#define MESSAGES_FROM KVM_IOAPIC_NUM_PINS

static GArray *routes; /* struct kvm_irq_routing_entry; type 0: a message's that is free. Big lock */

static void add_route(uint32_t gsi, uint32_t chip, uint32_t pin)
{
    struct kvm_irq_routing_entry entry = {
        .gsi = gsi, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = { .irqchip = chip, .pin = pin },
    };

    g_array_append_val(routes, entry);
}

static void add_lines(void)
{
    for (uint32_t line = 0; line < ISA_LINES; line++) {
        add_route(line, line < PIC_INPUTS ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE, line % PIC_INPUTS);
    }
    for (uint32_t line = 0; line < KVM_IOAPIC_NUM_PINS; line++) {
        if (line != 2) {
            add_route(line, KVM_IRQCHIP_IOAPIC, line == 0 ? 2 : line);
        }
    }
}

static int commit_routes(void)
{
    size_t bytes = routes->len * sizeof(struct kvm_irq_routing_entry);
    g_autofree struct kvm_irq_routing *table = g_malloc0(sizeof(*table) + bytes);

    for (guint i = 0; i < routes->len; i++) {
        const struct kvm_irq_routing_entry *entry = &g_array_index(routes, struct kvm_irq_routing_entry, i);
        if (entry->type) {
            table->entries[table->nr++] = *entry;
        }
    }
    return kvm_vm_ioctl(KVM_SET_GSI_ROUTING, table);
}

/* --- creation --- */

static const struct {
    unsigned capability;
    const char *name;
} needed[] = {
    { KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP" },
    { KVM_CAP_IRQ_ROUTING, "KVM_CAP_IRQ_ROUTING" },
    { KVM_CAP_PIT2, "KVM_CAP_PIT2" },
    { KVM_CAP_PIT_STATE2, "KVM_CAP_PIT_STATE2" },
    { KVM_CAP_SIGNAL_MSI, "KVM_CAP_SIGNAL_MSI" },
};

bool kvm_irqchip_create(GError **error)
{
    int result;

    for (size_t i = 0; i < G_N_ELEMENTS(needed); i++) {
        if (!kvm_check_extension(needed[i].capability)) {
            return error_set_class(error, FERRY_ERROR_KVM_MISSING_CAP,
                                   "kernel-irqchip=on: this kernel's KVM lacks %s; try kernel-irqchip=off",
                                   needed[i].name);
        }
    }
    result = kvm_vm_ioctl(KVM_CREATE_IRQCHIP, NULL);
    if (result < 0) {
        return error_setf_errno(error, -result, "kernel-irqchip=on: KVM_CREATE_IRQCHIP failed");
    }
    routes = g_array_new(false, true, sizeof(struct kvm_irq_routing_entry));
    add_lines();
    result = commit_routes();
    return result == 0 || error_setf_errno(error, -result, "kernel-irqchip=on: KVM_SET_GSI_ROUTING failed");
}

bool kvm_irqchip_get(struct kvm_irqchip *chip, GError **error)
{
    int result = kvm_vm_ioctl(KVM_GET_IRQCHIP, chip);

    return result >= 0 || error_setf_errno(error, -result, "kvm: KVM_GET_IRQCHIP of chip %u failed", chip->chip_id);
}

bool kvm_irqchip_set(struct kvm_irqchip *chip, GError **error)
{
    int result = kvm_vm_ioctl(KVM_SET_IRQCHIP, chip);

    return result >= 0 || error_setf_errno(error, -result, "kvm: KVM_SET_IRQCHIP of chip %u failed", chip->chip_id);
}

/* --- lines and messages --- */

void kvm_irq_line(unsigned gsi, bool level)
{
    struct kvm_irq_level line = { .irq = gsi, .level = level };
    int result = kvm_vm_ioctl(KVM_IRQ_LINE, &line);

    if (result < 0) { /* only a kernel without controllers refuses */
        g_error("kvm: KVM_IRQ_LINE of GSI %u fails: %s", gsi, g_strerror(-result));
    }
}

/* That it reaches nobody is the guest's affair: it wrote the address. */
void kvm_signal_msi(uint64_t address, uint32_t data)
{
    struct kvm_msi msi = { .address_lo = (uint32_t)address, .address_hi = address >> 32, .data = data };

    if (kvm_vm_ioctl(KVM_SIGNAL_MSI, &msi) < 0) {
        guest_error("MSI 0x%" G_GINT64_MODIFIER "x, data 0x%x: no local APIC takes it", address, data);
    }
}

/* --- eventfds that interrupt --- */

/* A free entry among the messages, or a new one. */
static struct kvm_irq_routing_entry *new_route(void)
{
    struct kvm_irq_routing_entry entry = { 0 };
    uint32_t top = MESSAGES_FROM;

    for (guint i = 0; i < routes->len; i++) {
        struct kvm_irq_routing_entry *each = &g_array_index(routes, struct kvm_irq_routing_entry, i);
        if (!each->type && each->gsi >= MESSAGES_FROM) {
            return each;
        }
        top = MAX(top, each->gsi + 1);
    }
    entry.gsi = top;
    g_array_append_val(routes, entry);
    return &g_array_index(routes, struct kvm_irq_routing_entry, routes->len - 1);
}

int kvm_msi_route_add(uint64_t address, uint32_t data)
{
    struct kvm_irq_routing_entry *entry;
    int result;

    if (!kvm_irqchip_in_kernel() || !kvm_check_extension(KVM_CAP_IRQFD)) {
        return -ENOTSUP;
    }
    entry = new_route();
    entry->type = KVM_IRQ_ROUTING_MSI;
    entry->u.msi = (struct kvm_irq_routing_msi) {
        .address_lo = (uint32_t)address, .address_hi = address >> 32, .data = data,
    };
    result = commit_routes();
    if (result < 0) {
        entry->type = 0;
        return result;
    }
    return (int)entry->gsi;
}

void kvm_msi_route_remove(int gsi)
{
    for (guint i = 0; i < routes->len; i++) {
        struct kvm_irq_routing_entry *entry = &g_array_index(routes, struct kvm_irq_routing_entry, i);
        if (entry->gsi == (uint32_t)gsi) {
            entry->type = 0;
        }
    }
    commit_routes();
}

int kvm_irqfd_assign(int gsi, int fd)
{
    struct kvm_irqfd irqfd = { .fd = (uint32_t)fd, .gsi = (uint32_t)gsi };

    return kvm_vm_ioctl(KVM_IRQFD, &irqfd);
}

void kvm_irqfd_remove(int gsi, int fd)
{
    struct kvm_irqfd irqfd = { .fd = (uint32_t)fd, .gsi = (uint32_t)gsi, .flags = KVM_IRQFD_FLAG_DEASSIGN };

    kvm_vm_ioctl(KVM_IRQFD, &irqfd);
}
