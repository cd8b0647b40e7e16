/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Port 0x61 of a PC, "NMI status and control" (82371SB datasheet, 3.2.7): the gate and the output of timer channel 2,
 * and the speaker's data bit.
 *
 * With the timer in the kernel the port is answered there; here is the section of the stream.
 *
 * Modelled: bits 0 (gate), 1 (speaker data), 4 (refresh toggles with each read), 5 (channel 2's output).
 * Left out on purpose: sound, and the parity and channel check bits, which read as zero.
 */
#include "hw/isa/isa.h"
#include "hw/misc/pc-ports.h"
#include "hw/timer/i8254.h"
#include "memory/memory.h"
#include "migration/vmstate.h"

#define GATE_2 0x01
#define SPEAKER_DATA 0x02
#define REFRESH 0x10
#define OUTPUT_2 0x20

struct pcspk {
    struct device dev;
    uint8_t data_on;
    uint8_t dummy_refresh_clock; /* 0 or REFRESH */

    uint32_t iobase;
    struct device *pit;
    struct memory_region region;
};

static uint64_t pcspk_read(void *opaque, hwaddr offset, unsigned size)
{
    struct pcspk *spk = opaque;

    spk->dummy_refresh_clock ^= REFRESH;
    return (i8254_isa_gate(spk->pit, 2) ? GATE_2 : 0) | (spk->data_on ? SPEAKER_DATA : 0) | spk->dummy_refresh_clock |
           (i8254_isa_output(spk->pit, 2) ? OUTPUT_2 : 0);
}

static void pcspk_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    struct pcspk *spk = opaque;

    i8254_isa_set_gate(spk->pit, 2, value & GATE_2);
    spk->data_on = !!(value & SPEAKER_DATA);
}

static const struct memory_region_ops pcspk_ops = { .read = pcspk_read, .write = pcspk_write, .max_access = 1 };

static void pcspk_reset(struct device *dev)
{
    struct pcspk *spk = (struct pcspk *)dev;

    spk->data_on = 0;
    spk->dummy_refresh_clock = 0;
    if (i8254_isa_has_speaker(spk->pit)) {
        i8254_isa_set_speaker(spk->pit, false);
    }
}

static bool pcspk_pre_save(void *opaque, GError **error)
{
    struct pcspk *spk = opaque;

    if (i8254_isa_has_speaker(spk->pit)) {
        spk->data_on = i8254_isa_speaker(spk->pit);
    }
    return true;
}

static bool pcspk_post_load(void *opaque, int version, GError **error)
{
    struct pcspk *spk = opaque;

    if (spk->data_on > 1 || (spk->dummy_refresh_clock & ~REFRESH)) {
        return error_setf(error, "data_on %u, dummy_refresh_clock 0x%x: should be 0 or 1, and 0 or 0x10",
                          spk->data_on, spk->dummy_refresh_clock);
    }
    if (i8254_isa_has_speaker(spk->pit)) {
        i8254_isa_set_speaker(spk->pit, spk->data_on);
    }
    return true;
}

static const struct vmstate_field pcspk_fields[] = {
    VMSTATE_UINT8(data_on, struct pcspk),
    VMSTATE_UINT8(dummy_refresh_clock, struct pcspk),
    VMSTATE_END
};

static const struct vmstate_description vmstate_pcspk = {
    .name = "pcspk", .version = 1, .minimum_version = 1,
    .pre_save = pcspk_pre_save,
    .post_load = pcspk_post_load,
    .fields = pcspk_fields,
};

static bool pcspk_realize(struct device *dev, GError **error)
{
    struct pcspk *spk = (struct pcspk *)dev;

    if (!spk->pit) {
        return error_setf(error, "isa-pcspk needs an isa-pit, whose channel 2 it drives");
    }
    memory_region_init_io(&spk->region, &pcspk_ops, spk, "pcspk", 1);
    memory_region_add(&system_io, spk->iobase, &spk->region, 0);
    return true;
}

static void pcspk_unrealize(struct device *dev)
{
    struct pcspk *spk = (struct pcspk *)dev;

    memory_region_remove(&spk->region);
    memory_region_cleanup(&spk->region);
}

static const struct property pcspk_properties[] = {
    PROPERTY(UINT32, "iobase", struct pcspk, iobase, 0x61, "its port"),
    PROPERTY_END
};

const struct device_type pcspk_type = {
    .name = "isa-pcspk",
    .bus = "ISA",
    .category = "Misc",
    .description = "PC speaker port",
    .size = sizeof(struct pcspk),
    .properties = pcspk_properties,
    .vmstate = &vmstate_pcspk,
    .realize = pcspk_realize,
    .unrealize = pcspk_unrealize,
    .reset = pcspk_reset,
};

struct device *pcspk_create(struct device *pit, GError **error)
{
    struct device *dev = device_new(&pcspk_type, error);

    if (!dev) {
        return NULL;
    }
    ((struct pcspk *)dev)->pit = pit;
    if (!device_realize(dev, NULL, error)) {
        device_free(dev);
        return NULL;
    }
    return dev;
}
