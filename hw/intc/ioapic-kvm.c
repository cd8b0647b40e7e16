/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The IOAPIC in the kernel (KVM_CREATE_IRQCHIP): "kvm-ioapic", version 0x11. It answers at its address there; here
 * are its section of the stream and its reset, over the software chip's struct. Its lines are GSIs:
 * accel/kvm/irqchip.c.
 *
 * The kernel gives back an edge that it has not delivered as a request in irr, and so do we; it keeps the reserved
 * bits of entries as the guest wrote them, which have no meaning and no place in the stream.
 */
#include "accel/kvm.h"
#include "hw/intc/ioapic-internal.h"
#include "hw/intc/ioapic-kvm.h"

G_STATIC_ASSERT(IOAPIC_PINS == KVM_IOAPIC_NUM_PINS);

void ioapic_to_kvm(const struct ioapic *ioapic, struct kvm_ioapic_state *state)
{
    *state = (struct kvm_ioapic_state) {
        .base_address = IOAPIC_ADDRESS,
        .id = ioapic->id,
        .ioregsel = ioapic->select,
        .irr = ioapic->irr,
    };
    for (int pin = 0; pin < IOAPIC_PINS; pin++) {
        state->redirtbl[pin].bits = ioapic->entries[pin];
    }
}

void ioapic_from_kvm(struct ioapic *ioapic, const struct kvm_ioapic_state *state)
{
    ioapic->id = state->id & 0x0f;
    ioapic->select = (uint8_t)state->ioregsel;
    ioapic->irr = state->irr & ((1u << IOAPIC_PINS) - 1);
    for (int pin = 0; pin < IOAPIC_PINS; pin++) {
        ioapic->entries[pin] = state->redirtbl[pin].bits & IOAPIC_ENTRY_KNOWN;
    }
}

static bool fetch(struct ioapic *ioapic, GError **error)
{
    struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

    if (!kvm_irqchip_get(&chip, error)) {
        return false;
    }
    ioapic_from_kvm(ioapic, &chip.chip.ioapic);
    return true;
}

static bool store(struct ioapic *ioapic, GError **error)
{
    struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

    ioapic_to_kvm(ioapic, &chip.chip.ioapic);
    return kvm_irqchip_set(&chip, error);
}

static bool ioapic_kvm_realize(struct device *dev, GError **error)
{
    struct ioapic *ioapic = (struct ioapic *)dev;

    if (!kvm_irqchip_in_kernel()) {
        return error_setf(error, "kvm-ioapic needs -accel kvm,kernel-irqchip=on");
    }
    if (!ioapic_become_the_one(ioapic, error)) {
        return false;
    }
    ioapic->fetch = fetch;
    ioapic->store = store;
    ioapic_reset(dev);
    return true;
}

const struct device_type ioapic_kvm_type = {
    .name = "kvm-ioapic",
    .parents = (const char *const[]){ "ioapic-common", NULL },
    .category = "Misc",
    .description = "I/O interrupt controller in the kernel",
    .size = sizeof(struct ioapic),
    .vmstate = &vmstate_ioapic,
    .realize = ioapic_kvm_realize,
    .reset = ioapic_reset,
};

bool ioapic_kvm_create(GError **error)
{
    struct device *dev = device_new(&ioapic_kvm_type, error);

    if (!dev) {
        return false;
    }
    if (!device_realize(dev, &system_bus, error)) {
        device_free(dev);
        return false;
    }
    return true;
}
