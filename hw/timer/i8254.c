/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The 8254 programmable interval timer (Intel datasheet 231164), pure: no bus, no clock, no line. Three counters at
 * 1.193182 MHz.
 *
 * Modelled: modes 0 to 5 with gate, binary and BCD, counter latch, read-back of count and status, all access modes.
 * Left out on purpose: null count (a count is taken at once, without the CLK edge that loads it), and finishing the
 * period in hand when modes 2 and 3 get a new count: it starts at once.
 */
#include <inttypes.h>

#include "hw/timer/i8254.h"
#include "migration/vmstate.h"
#include "util/clock.h"

/* Access modes (control word bits 5 and 4), and the state between the two bytes of LSB_MSB. */
enum { ACCESS_LATCH = 0, ACCESS_LSB = 1, ACCESS_MSB = 2, ACCESS_LSB_MSB = 3, ACCESS_LSB_MSB_HIGH = 4 };

#define CONTROL_READ_BACK 3
#define READ_BACK_NO_COUNT 0x20
#define READ_BACK_NO_STATUS 0x10
#define STATUS_OUTPUT 0x80

/*
 * Input clocks in `ns`, and the first ns at which `clocks` have passed; 128 bits, as 63-bit times come from streams.
 */
static uint64_t clocks_of(int64_t ns)
{
    return ns <= 0 ? 0 : (uint64_t)((unsigned __int128)ns * I8254_HZ / NSEC_PER_SEC);
}

static int64_t ns_of(uint64_t clocks)
{
    unsigned __int128 ns = ((unsigned __int128)clocks * NSEC_PER_SEC + I8254_HZ - 1) / I8254_HZ;

    return ns > INT64_MAX ? INT64_MAX : (int64_t)ns;
}

static uint64_t clocks_since_load(const struct i8254_channel *ch, int64_t now)
{
    return now <= ch->count_load_time ? 0 : clocks_of((int64_t)((uint64_t)now - (uint64_t)ch->count_load_time));
}

/* Modes 1 and 5 count from a gate's edge, the others while it is high. */
static bool gate_triggers(const struct i8254_channel *ch)
{
    return ch->mode == 1 || ch->mode == 5;
}

static uint32_t binary_count(const struct i8254_channel *ch, uint64_t clocks)
{
    uint32_t count = (uint32_t)ch->count;

    switch (ch->mode) {
    case 2:
        return count - (uint32_t)(clocks % count);
    case 3: /* down by two, twice a period; an odd count is one longer in its first half */
        return count - (uint32_t)(2 * clocks % count);
    default:
        return (uint32_t)(count - clocks) & 0xffff; /* goes on below zero */
    }
}

uint16_t i8254_count(const struct i8254 *chip, int channel, int64_t now)
{
    const struct i8254_channel *ch = &chip->channels[channel];
    uint64_t clocks = clocks_since_load(ch, now);
    uint32_t n;

    if (!ch->bcd) {
        return (uint16_t)binary_count(ch, clocks);
    }
    n = ch->mode == 2 || ch->mode == 3 ? binary_count(ch, clocks) % 10000
                                       : (uint32_t)((uint64_t)ch->count + 10000 - clocks % 10000) % 10000;
    return (uint16_t)(n / 1000 << 12 | n / 100 % 10 << 8 | n / 10 % 10 << 4 | n % 10);
}

bool i8254_output(const struct i8254 *chip, int channel, int64_t now)
{
    const struct i8254_channel *ch = &chip->channels[channel];
    uint64_t clocks = clocks_since_load(ch, now);
    uint32_t count = (uint32_t)ch->count;

    switch (ch->mode) {
    case 0:
    case 1:
        return clocks >= count;
    case 2: /* low for the last clock of each period */
        return !ch->gate || count == 1 || clocks % count != count - 1;
    case 3:
        return !ch->gate || clocks % count < (count + 1) / 2;
    default: /* 4, 5: low for one clock */
        return clocks != count;
    }
}

int64_t i8254_next_transition(const struct i8254 *chip, int channel, int64_t now)
{
    const struct i8254_channel *ch = &chip->channels[channel];
    uint64_t clocks = clocks_since_load(ch, now), count = (uint64_t)ch->count, base, next;
    int64_t delta;

    switch (ch->mode) {
    case 0:
    case 1:
        next = clocks < count ? count : 0;
        break;
    case 2:
        base = clocks - clocks % count;
        next = !ch->gate || count == 1 ? 0 : clocks - base == count - 1 ? base + count : base + count - 1;
        break;
    case 3:
        base = clocks - clocks % count;
        next = !ch->gate || count == 1 ? 0
               : clocks - base < (count + 1) / 2 ? base + (count + 1) / 2 : base + count;
        break;
    default:
        next = clocks < count ? count : clocks == count ? count + 1 : 0;
        break;
    }
    if (!next) {
        return -1;
    }
    delta = ns_of(next);
    if (delta > INT64_MAX - MAX(ch->count_load_time, 0)) {
        return -1;
    }
    return MAX(ch->count_load_time + delta, now + 1); /* rounding must not give `now` back, or a caller would spin */
}

static void load_count(struct i8254_channel *ch, unsigned value, int64_t now)
{
    if (ch->bcd) {
        unsigned n = (value >> 12) * 1000 + (value >> 8 & 15) * 100 + (value >> 4 & 15) * 10 + (value & 15);

        ch->count = n % 10000 ? (int32_t)(n % 10000) : 10000; /* digits above nine are no BCD: any value will do */
    } else {
        ch->count = value ? (int32_t)value : 0x10000;
    }
    ch->count_load_time = now;
}

void i8254_set_gate(struct i8254 *chip, int channel, bool gate, int64_t now)
{
    struct i8254_channel *ch = &chip->channels[channel];
    bool rising = gate && !ch->gate;

    ch->gate = gate;
    if (rising && (gate_triggers(ch) || ch->mode == 2 || ch->mode == 3)) {
        ch->count_load_time = now; /* these start over */
    }
    /*
     * Modes 0 and 4 only hold their count while the gate is low; the stream has no place for a held count, so they
     * run on.
     */
}

static void latch_count(struct i8254 *chip, int channel, int64_t now)
{
    struct i8254_channel *ch = &chip->channels[channel];

    if (!ch->count_latched) { /* a second latch command is ignored until the first was read */
        ch->latched_count = i8254_count(chip, channel, now);
        ch->count_latched = ch->rw_mode;
    }
}

static void latch_status(struct i8254 *chip, int channel, int64_t now)
{
    struct i8254_channel *ch = &chip->channels[channel];

    if (!ch->status_latched) {
        ch->status = (uint8_t)((i8254_output(chip, channel, now) ? STATUS_OUTPUT : 0) | ch->rw_mode << 4 |
                               ch->mode << 1 | ch->bcd);
        ch->status_latched = 1;
    }
}

static void read_back(struct i8254 *chip, uint8_t value, int64_t now)
{
    for (int channel = 0; channel < I8254_CHANNELS; channel++) {
        if (!(value & 2 << channel)) {
            continue;
        }
        if (!(value & READ_BACK_NO_COUNT)) {
            latch_count(chip, channel, now);
        }
        if (!(value & READ_BACK_NO_STATUS)) {
            latch_status(chip, channel, now);
        }
    }
}

static void control_write(struct i8254 *chip, uint8_t value, int64_t now)
{
    int channel = value >> 6, access = value >> 4 & 3;
    struct i8254_channel *ch;

    if (channel == CONTROL_READ_BACK) {
        read_back(chip, value, now);
        return;
    }
    if (access == ACCESS_LATCH) {
        latch_count(chip, channel, now);
        return;
    }
    ch = &chip->channels[channel];
    ch->rw_mode = ch->read_state = ch->write_state = (uint8_t)access;
    ch->mode = value >> 1 & 7;
    if (ch->mode > 5) {
        ch->mode &= 3; /* bit 2 is "don't care" in modes 2 and 3 */
    }
    ch->bcd = value & 1;
    ch->count_latched = ch->status_latched = 0;
    if (ch->bcd && ch->count > 10000) {
        ch->count = 10000;
    }
}

void i8254_write(struct i8254 *chip, unsigned offset, uint8_t value, int64_t now)
{
    struct i8254_channel *ch;

    offset &= 3;
    if (offset == 3) {
        control_write(chip, value, now);
        return;
    }
    ch = &chip->channels[offset];
    switch (ch->write_state) {
    case ACCESS_LSB:
        load_count(ch, value, now);
        break;
    case ACCESS_MSB:
        load_count(ch, (unsigned)value << 8, now);
        break;
    case ACCESS_LSB_MSB:
        ch->write_latch = value;
        ch->write_state = ACCESS_LSB_MSB_HIGH;
        break;
    case ACCESS_LSB_MSB_HIGH:
        load_count(ch, ch->write_latch | (unsigned)value << 8, now);
        ch->write_state = ACCESS_LSB_MSB;
        break;
    default: /* no control word yet */
        load_count(ch, value, now);
        break;
    }
}

/* The byte of `count` that `state` asks for; moves the state on. */
static uint8_t next_byte(uint8_t *state, uint16_t count)
{
    switch (*state) {
    case ACCESS_MSB:
        return count >> 8;
    case ACCESS_LSB_MSB:
        *state = ACCESS_LSB_MSB_HIGH;
        return (uint8_t)count;
    case ACCESS_LSB_MSB_HIGH:
        *state = ACCESS_LSB_MSB;
        return count >> 8;
    default:
        return (uint8_t)count;
    }
}

uint8_t i8254_read(struct i8254 *chip, unsigned offset, int64_t now)
{
    struct i8254_channel *ch;
    uint8_t value;

    offset &= 3;
    if (offset == 3) {
        return 0; /* the control word cannot be read */
    }
    ch = &chip->channels[offset];
    if (ch->status_latched) {
        ch->status_latched = 0;
        return ch->status;
    }
    if (ch->count_latched) {
        bool first_of_two = ch->count_latched == ACCESS_LSB_MSB;

        value = next_byte(&ch->count_latched, ch->latched_count);
        if (!first_of_two) {
            ch->count_latched = 0;
        }
        return value;
    }
    return next_byte(&ch->read_state, i8254_count(chip, (int)offset, now));
}

void i8254_reset(struct i8254 *chip, int64_t now)
{
    for (int channel = 0; channel < I8254_CHANNELS; channel++) {
        chip->channels[channel] = (struct i8254_channel){
            .mode = 3, .gate = channel != 2, .count = 0x10000, .count_load_time = now,
        };
    }
}

bool i8254_check(const struct i8254 *chip, GError **error)
{
    for (int channel = 0; channel < I8254_CHANNELS; channel++) {
        const struct i8254_channel *ch = &chip->channels[channel];

        if (ch->count < 1 || ch->count > 0x10000) {
            return error_setf(error, "channels[%d].count %d: should be 1 to 65536", channel, ch->count);
        }
        if (ch->mode > 5 || ch->bcd > 1 || ch->rw_mode > ACCESS_LSB_MSB) {
            return error_setf(error, "channels[%d]: mode %u, bcd %u, rw_mode %u: no such mode", channel, ch->mode,
                              ch->bcd, ch->rw_mode);
        }
        if (ch->read_state > ACCESS_LSB_MSB_HIGH || ch->write_state > ACCESS_LSB_MSB_HIGH ||
            ch->count_latched > ACCESS_LSB_MSB_HIGH) {
            return error_setf(error, "channels[%d]: read_state %u, write_state %u, count_latched %u: at most 4",
                              channel, ch->read_state, ch->write_state, ch->count_latched);
        }
        if (ch->count_load_time < 0) {
            return error_setf(error, "channels[%d].count_load_time %" PRId64 ": is negative", channel,
                              ch->count_load_time);
        }
    }
    return true;
}

static const struct vmstate_field i8254_channel_fields[] = {
    VMSTATE_INT32(count, struct i8254_channel),
    VMSTATE_UINT16(latched_count, struct i8254_channel),
    VMSTATE_UINT8(count_latched, struct i8254_channel),
    VMSTATE_UINT8(status_latched, struct i8254_channel),
    VMSTATE_UINT8(status, struct i8254_channel),
    VMSTATE_UINT8(read_state, struct i8254_channel),
    VMSTATE_UINT8(write_state, struct i8254_channel),
    VMSTATE_UINT8(write_latch, struct i8254_channel),
    VMSTATE_UINT8(rw_mode, struct i8254_channel),
    VMSTATE_UINT8(mode, struct i8254_channel),
    VMSTATE_UINT8(bcd, struct i8254_channel),
    VMSTATE_UINT8(gate, struct i8254_channel),
    VMSTATE_INT64(count_load_time, struct i8254_channel),
    VMSTATE_INT64(next_transition_time, struct i8254_channel),
    VMSTATE_END
};

const struct vmstate_description vmstate_i8254_channel = {
    .name = "pit channel", .version = 2, .minimum_version = 2,
    .fields = i8254_channel_fields,
};
