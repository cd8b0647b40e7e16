/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The 8254 programmable interval timer: the chip alone (time is passed in), and the ISA device around it. */
#ifndef FERRY_HW_TIMER_I8254_H
#define FERRY_HW_TIMER_I8254_H

#include <stdbool.h>
#include <stdint.h>

#include "hw/core/device.h"
#include "hw/core/irq.h"

#define I8254_HZ 1193182
#define I8254_CHANNELS 3

/* One counter. In the order of the stream. */
struct i8254_channel {
    int32_t count;           /* 1 to 65536 (10000 in BCD) */
    uint16_t latched_count;
    uint8_t count_latched;   /* 0, or the access mode the latch was taken in */
    uint8_t status_latched;
    uint8_t status;
    uint8_t read_state;      /* which byte comes next: an access mode; LSB_MSB_HIGH is the second of two */
    uint8_t write_state;
    uint8_t write_latch;     /* the low byte, until the high one comes */
    uint8_t rw_mode;
    uint8_t mode;            /* 0 to 5 */
    uint8_t bcd;
    uint8_t gate;
    int64_t count_load_time; /* ns: when the count began */
    int64_t next_transition_time; /* ns, of the output; for channel 0, whose output is an interrupt */
    uint32_t irq_disabled;   /* another timer (HPET) owns IRQ 0; kept for the stream */
};

struct i8254 {
    struct i8254_channel channels[I8254_CHANNELS];
};

void i8254_reset(struct i8254 *chip, int64_t now);
/* offset 0..2: the counters; 3: control. Times are ns of one clock, never before what was passed earlier. */
uint8_t i8254_read(struct i8254 *chip, unsigned offset, int64_t now);
void i8254_write(struct i8254 *chip, unsigned offset, uint8_t value, int64_t now);
void i8254_set_gate(struct i8254 *chip, int channel, bool gate, int64_t now);
bool i8254_output(const struct i8254 *chip, int channel, int64_t now);
/* When the output next changes after `now`, or -1: not by itself. */
int64_t i8254_next_transition(const struct i8254 *chip, int channel, int64_t now);
/* The counter's value now. */
uint16_t i8254_count(const struct i8254 *chip, int channel, int64_t now);
/* Checks what was loaded. */
bool i8254_check(const struct i8254 *chip, GError **error);

extern const struct vmstate_description vmstate_i8254_channel; /* over struct i8254_channel */

/* The ISA device "isa-pit": ports 0x40–0x43, channel 0 to IRQ 0, channel 2 for the speaker. */
extern const struct device_type i8254_isa_type;
struct device *i8254_isa_create(GError **error);
/* For port 0x61. */
bool i8254_isa_output(struct device *dev, int channel);
bool i8254_isa_gate(struct device *dev, int channel);
void i8254_isa_set_gate(struct device *dev, int channel, bool gate);
/* The kernel's has port 0x61 as well, and with it the speaker's data bit. */
bool i8254_isa_has_speaker(struct device *dev);
bool i8254_isa_speaker(struct device *dev);
void i8254_isa_set_speaker(struct device *dev, bool data);

#endif
