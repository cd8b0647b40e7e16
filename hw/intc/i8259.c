/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The 8259A pair of a PC (Intel 8259A datasheet, 231468; edge/level registers as in the 82371SB, section 3.2.10).
 *
 * Modelled: ICW1–4, OCW1–3, fixed and rotating priority, specific and non-specific EOI, automatic EOI, special mask,
 * special fully nested mode, polling, spurious IRQ 7 and 15, ELCR.
 * Left out on purpose: 8080 mode's three-byte CALL, buffered mode (pins only), single mode
 * (a pair is a pair; the bit is kept).
 */
#include <string.h>

#include "hw/core/irq-registry.h"
#include "hw/intc/apic.h"
#include "hw/intc/i8259-internal.h"
#include "hw/isa/isa.h"
#include "memory/memory.h"
#include "migration/vmstate.h"
#include "trace/hw_intc.h"

#define ICW1_SELECT 0x10 /* else OCW2, OCW3 */
#define ICW1_ICW4 0x01
#define ICW1_SINGLE 0x02
#define ICW1_LEVEL 0x08
#define ICW4_8086 0x01
#define ICW4_AUTO_EOI 0x02
#define ICW4_SFNM 0x10
#define OCW3_SELECT 0x08
#define OCW3_POLL 0x04
#define POLL_VALID 0x80
#define CASCADE_LINE 2

struct i8259 *i8259_pair[2];
static struct irq pair_inputs[16], cascade;

/* 0 is the highest, 8: none is set. */
static int highest_priority(const struct i8259 *pic, uint8_t mask)
{
    int priority = 0;

    if (!mask) {
        return 8;
    }
    while (!(mask >> ((priority + pic->priority_add) & 7) & 1)) {
        priority++;
    }
    return priority;
}

/* The input to be served next, or -1. */
static int requested_input(const struct i8259 *pic)
{
    int request = highest_priority(pic, pic->irr & (uint8_t)~pic->imr);
    uint8_t in_service = pic->isr;

    if (request == 8) {
        return -1;
    }
    if (pic->special_mask) {
        in_service &= (uint8_t)~pic->imr;
    }
    if (pic->special_fully_nested_mode && pic->master) {
        in_service &= (uint8_t)~(1 << CASCADE_LINE); /* the slave sorts out its own */
    }
    return request < highest_priority(pic, in_service) ? (request + pic->priority_add) & 7 : -1;
}

static void i8259_update_irq(struct i8259 *pic)
{
    bool level = requested_input(pic) >= 0;

    if (level != pic->output_level) {
        pic->output_level = level;
        irq_set(pic->output, level);
    }
}

/* The slave's output is one too: its own requests are the latches. */
static uint8_t level_triggered(const struct i8259 *pic)
{
    return pic->elcr | (pic->master ? 1 << CASCADE_LINE : 0);
}

static void i8259_set_input(struct i8259 *pic, int n, bool level)
{
    uint8_t bit = (uint8_t)(1 << n);

    if (level != !!(pic->last_irr & bit)) {
        trace_i8259_set_input(pic->master ? "master" : "slave", n, level);
    }
    if (level_triggered(pic) & bit) {
        pic->irr = level ? pic->irr | bit : pic->irr & (uint8_t)~bit;
    } else if (level && !(pic->last_irr & bit)) {
        pic->irr |= bit;
    } /* an edge stays requested until acknowledged: the part wants its input held that long, our devices pulse */
    pic->last_irr = level ? pic->last_irr | bit : pic->last_irr & (uint8_t)~bit;
    i8259_update_irq(pic);
}

static void pair_set_input(void *opaque, int n, bool level)
{
    i8259_set_input(i8259_pair[n / 8], n % 8, level);
}

static void cascade_set(void *opaque, int n, bool level)
{
    i8259_set_input(i8259_pair[0], CASCADE_LINE, level);
}

static void input_acknowledged(struct i8259 *pic, int n)
{
    if (!pic->auto_eoi) {
        pic->isr |= (uint8_t)(1 << n);
    } else if (pic->rotate_on_auto_eoi) {
        pic->priority_add = (uint8_t)((n + 1) & 7);
    }
    if (!(level_triggered(pic) >> n & 1)) {
        pic->irr &= (uint8_t)~(1 << n); /* a level stays until its device drops it */
    }
    i8259_update_irq(pic);
}

int i8259_acknowledge(void)
{
    struct i8259 *master = i8259_pair[0], *slave = i8259_pair[1];
    int n;

    if (!master || !slave) {
        return -1;
    }
    n = requested_input(master);
    if (n < 0) {
        return master->irq_base + 7; /* gone before INTA: spurious */
    }
    if (n == CASCADE_LINE) {
        int m = requested_input(slave);
        int vector = slave->irq_base + (m < 0 ? 7 : m);

        if (m >= 0) {
            input_acknowledged(slave, m);
        } else {
            master->irr &= (uint8_t)~(1 << CASCADE_LINE); /* as a stream may have left it */
        }
        input_acknowledged(master, CASCADE_LINE);
        trace_i8259_acknowledge(vector);
        return vector & 0xff;
    }
    input_acknowledged(master, n);
    trace_i8259_acknowledge(master->irq_base + n);
    return (master->irq_base + n) & 0xff;
}

/* --- Registers --- */

static void icw1_write(struct i8259 *pic, uint8_t value)
{
    /*
     * What ICW1 resets (datasheet, "Initialization sequence"); the lines' levels stay, so that no edge is invented.
     */
    pic->irr &= level_triggered(pic);
    pic->imr = pic->isr = 0;
    pic->priority_add = 0;
    pic->read_reg_select = 0;
    pic->poll = 0;
    pic->special_mask = 0;
    pic->auto_eoi = 0;
    pic->rotate_on_auto_eoi = 0;
    pic->special_fully_nested_mode = 0;
    pic->init_state = 1;
    pic->init4 = value & ICW1_ICW4;
    pic->single_mode = value & ICW1_SINGLE;
    if (value & ICW1_LEVEL) {
        guest_error("i8259: level-triggered by ICW1 is not supported, ELCR is");
    }
}

static void end_of_interrupt(struct i8259 *pic, int n, bool rotate)
{
    pic->isr &= (uint8_t)~(1 << n);
    if (rotate) {
        pic->priority_add = (uint8_t)((n + 1) & 7);
    }
}

static void ocw2_write(struct i8259 *pic, uint8_t value)
{
    int level = value & 7;
    int served = highest_priority(pic, pic->isr);

    switch (value >> 5) {
    case 0: /* rotate in automatic EOI mode: off, on */
    case 4:
        pic->rotate_on_auto_eoi = value >> 7;
        break;
    case 1: /* non-specific EOI, with rotation */
    case 5:
        if (served < 8) {
            end_of_interrupt(pic, (served + pic->priority_add) & 7, value >> 7);
        }
        break;
    case 3: /* specific EOI, with rotation */
    case 7:
        end_of_interrupt(pic, level, value >> 7);
        break;
    case 6: /* set priority */
        pic->priority_add = (uint8_t)((level + 1) & 7);
        break;
    }
}

static void ocw3_write(struct i8259 *pic, uint8_t value)
{
    pic->poll = !!(value & OCW3_POLL);
    if (value & 2) {
        pic->read_reg_select = value & 1;
    }
    if (value & 0x40) {
        pic->special_mask = value >> 5 & 1;
    }
}

static void even_write(struct i8259 *pic, uint8_t value)
{
    if (value & ICW1_SELECT) {
        icw1_write(pic, value);
    } else if (value & OCW3_SELECT) {
        ocw3_write(pic, value);
    } else {
        ocw2_write(pic, value);
    }
}

static void odd_write(struct i8259 *pic, uint8_t value)
{
    switch (pic->init_state) {
    case 1: /* ICW2 */
        pic->irq_base = value & 0xf8;
        pic->init_state = pic->single_mode ? (pic->init4 ? 3 : 0) : 2;
        break;
    case 2: /* ICW3: the cascade is wired */
        pic->init_state = pic->init4 ? 3 : 0;
        break;
    case 3: /* ICW4 */
        pic->special_fully_nested_mode = !!(value & ICW4_SFNM);
        pic->auto_eoi = !!(value & ICW4_AUTO_EOI);
        pic->init_state = 0;
        break;
    default: /* OCW1 */
        pic->imr = value;
        break;
    }
}

static void i8259_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    struct i8259 *pic = opaque;

    if (offset == 0) {
        even_write(pic, (uint8_t)value);
    } else {
        odd_write(pic, (uint8_t)value);
    }
    i8259_update_irq(pic);
}

static uint8_t poll_read(struct i8259 *pic)
{
    int n = requested_input(pic);

    pic->poll = 0;
    if (n < 0) {
        return 0;
    }
    input_acknowledged(pic, n);
    return (uint8_t)(POLL_VALID | n);
}

static uint64_t i8259_read(void *opaque, hwaddr offset, unsigned size)
{
    struct i8259 *pic = opaque;

    if (pic->poll) {
        return poll_read(pic);
    }
    if (offset == 0) {
        return pic->read_reg_select ? pic->isr : pic->irr;
    }
    return pic->imr;
}

static void elcr_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    struct i8259 *pic = opaque;

    pic->elcr = (uint8_t)value & pic->elcr_mask;
    pic->irr = (pic->irr & (uint8_t)~pic->elcr) | (pic->last_irr & pic->elcr);
    i8259_update_irq(pic);
}

static uint64_t elcr_read(void *opaque, hwaddr offset, unsigned size)
{
    return ((struct i8259 *)opaque)->elcr;
}

static const struct memory_region_ops i8259_ops = { .read = i8259_read, .write = i8259_write, .max_access = 1 };
static const struct memory_region_ops elcr_ops = { .read = elcr_read, .write = elcr_write, .max_access = 1 };

/* What the registers say takes effect. */
static bool registers_changed(struct i8259 *pic, GError **error)
{
    if (pic->store) {
        return pic->store(pic, error);
    }
    i8259_update_irq(pic);
    return true;
}

void i8259_reset(struct device *dev)
{
    struct i8259 *pic = (struct i8259 *)dev;
    GError *error = NULL;

    icw1_write(pic, ICW1_SELECT);
    pic->init_state = 0;
    pic->irq_base = 0;
    pic->irr = pic->elcr = pic->last_irr = 0;
    if (!registers_changed(pic, &error)) {
        error_report_free(error);
    }
}

static bool i8259_pre_save(void *opaque, GError **error)
{
    struct i8259 *pic = opaque;

    return !pic->fetch || pic->fetch(pic, error);
}

static bool i8259_post_load(void *opaque, int version, GError **error)
{
    struct i8259 *pic = opaque;

    if (pic->priority_add > 7) {
        return error_setf(error, "priority_add %u: should be 0 to 7", pic->priority_add);
    }
    if (pic->init_state > 3) {
        return error_setf(error, "init_state %u: should be 0 to 3", pic->init_state);
    }
    if (pic->elcr & ~pic->elcr_mask) {
        return error_setf(error, "elcr 0x%x: only 0x%x can be level-triggered", pic->elcr, pic->elcr_mask);
    }
    return registers_changed(pic, error);
}

static const struct vmstate_field i8259_fields[] = {
    VMSTATE_UINT8(last_irr, struct i8259),
    VMSTATE_UINT8(irr, struct i8259),
    VMSTATE_UINT8(imr, struct i8259),
    VMSTATE_UINT8(isr, struct i8259),
    VMSTATE_UINT8(priority_add, struct i8259),
    VMSTATE_UINT8(irq_base, struct i8259),
    VMSTATE_UINT8(read_reg_select, struct i8259),
    VMSTATE_UINT8(poll, struct i8259),
    VMSTATE_UINT8(special_mask, struct i8259),
    VMSTATE_UINT8(init_state, struct i8259),
    VMSTATE_UINT8(auto_eoi, struct i8259),
    VMSTATE_UINT8(rotate_on_auto_eoi, struct i8259),
    VMSTATE_UINT8(special_fully_nested_mode, struct i8259),
    VMSTATE_UINT8(init4, struct i8259),
    VMSTATE_UINT8(single_mode, struct i8259),
    VMSTATE_UINT8(elcr, struct i8259),
    VMSTATE_END
};

const struct vmstate_description vmstate_i8259 = {
    .name = "i8259", .version = 1, .minimum_version = 1,
    .pre_save = i8259_pre_save,
    .post_load = i8259_post_load,
    .fields = i8259_fields,
};

bool i8259_join_pair(struct i8259 *pic, GError **error)
{
    int which = pic->master ? 0 : 1;

    if (i8259_pair[which]) {
        return error_setf(error, "there is a %s i8259 already", pic->master ? "master" : "slave");
    }
    i8259_pair[which] = pic;
    return true;
}

static bool i8259_realize(struct device *dev, GError **error)
{
    struct i8259 *pic = (struct i8259 *)dev;

    if (!i8259_join_pair(pic, error)) {
        return false;
    }
    memory_region_init_io(&pic->region, &i8259_ops, pic, "pic", 2);
    memory_region_add(&system_io, pic->iobase, &pic->region, 0);
    memory_region_init_io(&pic->elcr_region, &elcr_ops, pic, "elcr", 1);
    memory_region_add(&system_io, pic->elcr_address, &pic->elcr_region, 0);
    i8259_reset(dev);
    return true;
}

static void i8259_unrealize(struct device *dev)
{
    struct i8259 *pic = (struct i8259 *)dev;

    memory_region_remove(&pic->region);
    memory_region_cleanup(&pic->region);
    memory_region_remove(&pic->elcr_region);
    memory_region_cleanup(&pic->elcr_region);
    i8259_pair[pic->master ? 0 : 1] = NULL;
}

const struct property i8259_properties[] = {
    PROPERTY(UINT32, "iobase", struct i8259, iobase, 0x20, "first of its two ports"),
    PROPERTY(UINT32, "elcr_addr", struct i8259, elcr_address, 0x4d0, "port of its edge/level register"),
    PROPERTY(UINT8, "elcr_mask", struct i8259, elcr_mask, 0xf8, "inputs that can be level-triggered"),
    PROPERTY(BOOL, "master", struct i8259, master, true, "drives the CPU"),
    PROPERTY_END
};

const struct device_type i8259_type = {
    .name = "isa-i8259",
    .parents = (const char *const[]){ "pic-common", NULL },
    .bus = "ISA",
    .category = "Misc",
    .description = "8259A interrupt controller",
    .size = sizeof(struct i8259),
    .properties = i8259_properties,
    .vmstate = &vmstate_i8259,
    .realize = i8259_realize,
    .unrealize = i8259_unrealize,
    .reset = i8259_reset,
};

static bool create_one(const struct device_type *type, bool master, struct irq *output, GError **error)
{
    struct device *dev = device_new(type, error);

    if (!dev) {
        return false;
    }
    if (!master) {
        device_set(dev, "iobase", "0xa0");
        device_set(dev, "elcr_addr", "0x4d1");
        device_set(dev, "elcr_mask", "0xde");
        device_set(dev, "master", "off");
    }
    ((struct i8259 *)dev)->output = output;
    if (!device_realize(dev, NULL, error)) {
        device_free(dev);
        return false;
    }
    return true;
}

bool i8259_create_pair(const struct device_type *type, struct irq *const outputs[2], GError **error)
{
    return create_one(type, true, outputs[0], error) && create_one(type, false, outputs[1], error);
}

struct irq *i8259_create(struct irq *intr, GError **error)
{
    cascade = (struct irq){ .set = cascade_set };
    irq_init_array(pair_inputs, 16, pair_set_input, NULL);
    irq_inputs_register("i8259", pair_inputs, 16);
    if (!i8259_create_pair(&i8259_type, (struct irq *const[2]){ intr, &cascade }, error)) {
        return NULL;
    }
    apic_extint_acknowledge = i8259_acknowledge;
    return pair_inputs;
}

char *i8259_describe(void)
{
    GString *text = g_string_new(NULL);

    for (int i = 1; i >= 0; i--) {
        struct i8259 *pic = i8259_pair[i];

        if (pic && i8259_pre_save(pic, NULL)) {
            g_string_append_printf(text, "pic%d: irr=%02x imr=%02x isr=%02x hprio=%d irq_base=%02x rr_sel=%d "
                                   "elcr=%02x fnm=%d\n", i, pic->irr, pic->imr, pic->isr, pic->priority_add,
                                   pic->irq_base, pic->read_reg_select, pic->elcr, pic->special_fully_nested_mode);
        }
    }
    return g_string_free(text, FALSE);
}
