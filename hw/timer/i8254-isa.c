/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The 8254 on the ISA bus: ports 0x40 to 0x43, channel 0's output on IRQ 0. The chip is i8254.c; here are the virtual
 * clock, the timer that follows channel 0's output, and the section of the stream.
 *
 * A guest can ask for a period of a few clocks. Since no guest may keep the main loop busy, transitions of a channel
 * with a shorter period than 20 µs are put off.
 *
 * On a busy host the timer may come late by several periods. The chip would have raised as many interrupts, and
 * guests count them (Linux gives up if it sees fewer than four in 40 ms of its TSC); so they come one after the
 * other, each with some time for the guest to take it, up to a bound of lateness beyond which they are lost.
 */
#include <inttypes.h>

#include "hw/isa/isa.h"
#include "hw/timer/i8254-internal.h"
#include "migration/vmstate.h"
#include "trace/hw_timer.h"

#define MIN_COUNT 24 /* 20 µs */
#define MIN_TRANSITION_NS (10 * NSEC_PER_USEC)
#define CATCH_UP_NS (100 * NSEC_PER_MSEC)
#define CATCH_UP_PACE_NS (100 * NSEC_PER_USEC)

/* Arms for channel 0's next change of output, at `next` (-1: none) but not before `earliest`. */
static void i8254_isa_arm(struct i8254_isa *pit, int64_t next, int64_t earliest)
{
    pit->chip.channels[0].next_transition_time = next;
    if (next >= 0) {
        timer_set(&pit->timer, MAX(next, earliest));
    } else {
        timer_cancel(&pit->timer);
    }
}

/* Puts channel 0's output on the line, and arms for its next change. */
static void i8254_isa_update_irq(struct i8254_isa *pit, int64_t now)
{
    struct i8254_channel *ch = &pit->chip.channels[0];

    if (ch->irq_disabled) {
        timer_cancel(&pit->timer);
        return;
    }
    irq_set(pit->irq, i8254_output(&pit->chip, 0, now));
    i8254_isa_arm(pit, i8254_next_transition(&pit->chip, 0, now),
                  ch->count < MIN_COUNT ? now + MIN_TRANSITION_NS : 0);
}

/* Shows the changes that are due, up to the first rise: that is an interrupt, and the guest should see it. */
static void timer_expired(void *opaque)
{
    struct i8254_isa *pit = opaque;
    struct i8254_channel *ch = &pit->chip.channels[0];
    int64_t now = vm_clock_ns(VM_CLOCK_VIRTUAL), at = ch->next_transition_time;
    bool high = false;

    while (at >= 0 && at <= now && !high) {
        high = i8254_output(&pit->chip, 0, at);
        irq_set(pit->irq, high);
        at = i8254_next_transition(&pit->chip, 0, at);
    }
    if (at < 0 || ch->irq_disabled || ch->count < MIN_COUNT || now - at > CATCH_UP_NS) {
        i8254_isa_update_irq(pit, now);
    } else {
        i8254_isa_arm(pit, at, now + (at <= now ? CATCH_UP_PACE_NS : 0));
    }
}

/* Whether a write may change channel 0's output. (Others must not lose what it has to catch up.) */
static bool write_concerns_irq(unsigned offset, uint8_t value)
{
    return offset == 0 || (offset == 3 && value < 0x40 && (value & 0x30));
}

static uint64_t i8254_isa_read(void *opaque, hwaddr offset, unsigned size)
{
    struct i8254_isa *pit = opaque;

    return i8254_read(&pit->chip, (unsigned)offset, vm_clock_ns(VM_CLOCK_VIRTUAL));
}

static void i8254_isa_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    struct i8254_isa *pit = opaque;
    int64_t now = vm_clock_ns(VM_CLOCK_VIRTUAL);

    trace_i8254_write((unsigned)offset, (unsigned)value, now);
    i8254_write(&pit->chip, (unsigned)offset, (uint8_t)value, now);
    if (write_concerns_irq((unsigned)offset, (uint8_t)value)) {
        i8254_isa_update_irq(pit, now);
    }
}

static const struct memory_region_ops i8254_isa_ops = {
    .read = i8254_isa_read, .write = i8254_isa_write, .max_access = 1,
};

/* The registers are needed here now, wherever they live. */
static struct i8254_isa *fetched(struct device *dev)
{
    struct i8254_isa *pit = (struct i8254_isa *)dev;
    GError *error = NULL;

    if (pit->fetch && !pit->fetch(pit, &error)) {
        error_report_free(error);
    }
    return pit;
}

static void store(struct i8254_isa *pit)
{
    GError *error = NULL;

    if (pit->store && !pit->store(pit, &error)) {
        error_report_free(error);
    }
}

bool i8254_isa_output(struct device *dev, int channel)
{
    return i8254_output(&fetched(dev)->chip, channel, vm_clock_ns(VM_CLOCK_VIRTUAL));
}

bool i8254_isa_gate(struct device *dev, int channel)
{
    return fetched(dev)->chip.channels[channel].gate;
}

void i8254_isa_set_gate(struct device *dev, int channel, bool gate)
{
    struct i8254_isa *pit = fetched(dev);

    i8254_set_gate(&pit->chip, channel, gate, vm_clock_ns(VM_CLOCK_VIRTUAL));
    store(pit);
}

bool i8254_isa_has_speaker(struct device *dev)
{
    return ((struct i8254_isa *)dev)->fetch;
}

bool i8254_isa_speaker(struct device *dev)
{
    return fetched(dev)->speaker_data;
}

void i8254_isa_set_speaker(struct device *dev, bool data)
{
    struct i8254_isa *pit = fetched(dev);

    pit->speaker_data = data;
    store(pit);
}

void i8254_isa_reset(struct device *dev)
{
    struct i8254_isa *pit = (struct i8254_isa *)dev;
    int64_t now = vm_clock_ns(VM_CLOCK_VIRTUAL);

    i8254_reset(&pit->chip, now);
    if (pit->store) {
        store(pit);
    } else {
        i8254_isa_update_irq(pit, now);
    }
}

static bool i8254_isa_pre_save(void *opaque, GError **error)
{
    struct i8254_isa *pit = opaque;

    return !pit->fetch || pit->fetch(pit, error);
}

static bool i8254_isa_post_load(void *opaque, int version, GError **error)
{
    struct i8254_isa *pit = opaque;
    struct i8254_channel *ch = &pit->chip.channels[0];

    if (!i8254_check(&pit->chip, error)) {
        return false;
    }
    if (ch->next_transition_time < -1) {
        return error_setf(error, "channels[0].next_transition_time %" PRId64 ": is negative",
                          ch->next_transition_time);
    }
    if (pit->store) {
        return pit->store(pit, error);
    }
    if (ch->next_transition_time >= 0 && !ch->irq_disabled) {
        /* The line as it was before that: our own reset left it elsewhere, and the edge must be one. */
        irq_set(pit->irq, !i8254_output(&pit->chip, 0, ch->next_transition_time));
        timer_set(&pit->timer, ch->next_transition_time);
    } else {
        timer_cancel(&pit->timer);
    }
    return true;
}

static const struct vmstate_field i8254_isa_fields[] = {
    { .name = "channels[0].irq_disabled", .offset = offsetof(struct i8254_isa, chip.channels[0].irq_disabled),
      .size = sizeof(uint32_t), .info = &vmstate_info_uint32, .version = 3 },
    { .name = "channels", .offset = offsetof(struct i8254_isa, chip.channels), .size = sizeof(struct i8254_channel),
      .count = I8254_CHANNELS, .flags = VMS_STRUCT | VMS_ARRAY, .vmsd = &vmstate_i8254_channel, .version = 2 },
    { .name = "channels[0].next_transition_time",
      .offset = offsetof(struct i8254_isa, chip.channels[0].next_transition_time), .size = sizeof(int64_t),
      .info = &vmstate_info_int64 },
    VMSTATE_END
};

const struct vmstate_description vmstate_i8254 = {
    .name = "i8254", .version = 3, .minimum_version = 2,
    .pre_save = i8254_isa_pre_save,
    .post_load = i8254_isa_post_load,
    .fields = i8254_isa_fields,
};

static bool i8254_isa_realize(struct device *dev, GError **error)
{
    struct i8254_isa *pit = (struct i8254_isa *)dev;

    pit->irq = isa_get_irq(0);
    timer_init(&pit->timer, VM_CLOCK_VIRTUAL, timer_expired, pit);
    memory_region_init_io(&pit->region, &i8254_isa_ops, pit, "pit", 4);
    memory_region_add(&system_io, pit->iobase, &pit->region, 0);
    i8254_isa_reset(dev);
    return true;
}

static void i8254_isa_unrealize(struct device *dev)
{
    struct i8254_isa *pit = (struct i8254_isa *)dev;

    timer_cancel(&pit->timer);
    memory_region_remove(&pit->region);
    memory_region_cleanup(&pit->region);
}

static const struct property i8254_isa_properties[] = {
    PROPERTY(UINT32, "iobase", struct i8254_isa, iobase, 0x40, "first of its four ports"),
    PROPERTY_END
};

const struct device_type i8254_isa_type = {
    .name = "isa-pit",
    .parents = (const char *const[]){ "pit-common", NULL },
    .bus = "ISA",
    .category = "Misc",
    .description = "8254 interval timer",
    .size = sizeof(struct i8254_isa),
    .properties = i8254_isa_properties,
    .vmstate = &vmstate_i8254,
    .realize = i8254_isa_realize,
    .unrealize = i8254_isa_unrealize,
    .reset = i8254_isa_reset,
};

struct device *i8254_isa_create(GError **error)
{
    return isa_create(&i8254_isa_type, error);
}
