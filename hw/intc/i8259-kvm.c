/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pair of 8259As in the kernel (KVM_CREATE_IRQCHIP): "kvm-i8259". It answers its ports there; here are its
 * section of the stream and its reset, over the software chip's struct. Its lines are GSIs: accel/kvm/irqchip.c.
 *
 * The kernel pulses the cascade where the software chip holds it, so the master's request for it may be set without
 * the slave having any, or the reverse. Both sort that out when the slave's outputs are next looked at.
 * The bit for a single chip is not there, and means nothing in a pair.
 */
#include "accel/kvm.h"
#include "hw/intc/i8259-internal.h"
#include "hw/intc/i8259-kvm.h"

void i8259_to_kvm(const struct i8259 *pic, struct kvm_pic_state *state)
{
    *state = (struct kvm_pic_state) {
        .last_irr = pic->last_irr,
        .irr = pic->irr,
        .imr = pic->imr,
        .isr = pic->isr,
        .priority_add = pic->priority_add,
        .irq_base = pic->irq_base,
        .read_reg_select = pic->read_reg_select,
        .poll = pic->poll,
        .special_mask = pic->special_mask,
        .init_state = pic->init_state,
        .auto_eoi = pic->auto_eoi,
        .rotate_on_auto_eoi = pic->rotate_on_auto_eoi,
        .special_fully_nested_mode = pic->special_fully_nested_mode,
        .init4 = pic->init4,
        .elcr = pic->elcr,
        .elcr_mask = pic->elcr_mask,
    };
}

void i8259_from_kvm(struct i8259 *pic, const struct kvm_pic_state *state)
{
    pic->last_irr = state->last_irr;
    pic->irr = state->irr;
    pic->imr = state->imr;
    pic->isr = state->isr;
    pic->priority_add = state->priority_add & 7;
    pic->irq_base = state->irq_base;
    pic->read_reg_select = state->read_reg_select;
    pic->poll = state->poll;
    pic->special_mask = state->special_mask;
    pic->init_state = state->init_state & 3;
    pic->auto_eoi = state->auto_eoi;
    pic->rotate_on_auto_eoi = state->rotate_on_auto_eoi;
    pic->special_fully_nested_mode = state->special_fully_nested_mode;
    pic->init4 = state->init4;
    pic->single_mode = 0;
    pic->elcr = state->elcr & pic->elcr_mask;
}

static uint32_t chip_id(const struct i8259 *pic)
{
    return pic->master ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE;
}

static bool fetch(struct i8259 *pic, GError **error)
{
    struct kvm_irqchip chip = { .chip_id = chip_id(pic) };

    if (!kvm_irqchip_get(&chip, error)) {
        return false;
    }
    i8259_from_kvm(pic, &chip.chip.pic);
    return true;
}

static bool store(struct i8259 *pic, GError **error)
{
    struct kvm_irqchip chip = { .chip_id = chip_id(pic) };

    i8259_to_kvm(pic, &chip.chip.pic);
    return kvm_irqchip_set(&chip, error);
}

static bool i8259_kvm_realize(struct device *dev, GError **error)
{
    struct i8259 *pic = (struct i8259 *)dev;

    if (!kvm_irqchip_in_kernel()) {
        return error_setf(error, "kvm-i8259 needs -accel kvm,kernel-irqchip=on");
    }
    if (!i8259_join_pair(pic, error)) {
        return false;
    }
    pic->fetch = fetch;
    pic->store = store;
    i8259_reset(dev);
    return true;
}

static void i8259_kvm_unrealize(struct device *dev)
{
    struct i8259 *pic = (struct i8259 *)dev;

    i8259_pair[pic->master ? 0 : 1] = NULL;
}

const struct device_type i8259_kvm_type = {
    .name = "kvm-i8259",
    .parents = (const char *const[]){ "pic-common", NULL },
    .bus = "ISA",
    .category = "Misc",
    .description = "8259A interrupt controller in the kernel",
    .size = sizeof(struct i8259),
    .properties = i8259_properties,
    .vmstate = &vmstate_i8259,
    .realize = i8259_kvm_realize,
    .unrealize = i8259_kvm_unrealize,
    .reset = i8259_reset,
};

bool i8259_kvm_create(GError **error)
{
    return i8259_create_pair(&i8259_kvm_type, (struct irq *const[2]){ NULL, NULL }, error);
}
