/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The MC146818 real-time clock with 114 bytes of battery-backed RAM (Motorola datasheet MC146818/D; ports, IRQ 8 and
 * the century byte as on a PC/AT).
 *
 * Modelled: the calendar in all its forms, SET and divider reset, update in progress, alarm, periodic and
 * update-ended interrupts.
 * Left out on purpose: daylight saving (DSE), square wave output, the periodic flag while its interrupt is off.
 *
 * The time is not counted, it is a sum: base_rtc seconds, plus `offset` ns, plus what the clock has advanced since
 * last_update. The registers are filled in when they are read. One timer stands for the update cycles of interest:
 * the next one while UF is clear, else the alarm.
 */
#include <inttypes.h>
#include <string.h>

#include "hw/isa/isa.h"
#include "hw/rtc/calendar.h"
#include "hw/rtc/mc146818rtc.h"
#include "memory/memory.h"
#include "migration/vmstate.h"
#include "trace/hw_rtc.h"
#include "util/bitmap.h"

#define CMOS_SIZE 128
#define REG_A_UIP 0x80
#define REG_A_DIVIDER 0x70
#define REG_A_DIVIDER_RESET 0x60 /* and 0x70 */
#define REG_A_RATE 0x0f
#define REG_B_SET 0x80
#define REG_B_PIE 0x40
#define REG_B_AIE 0x20
#define REG_B_UIE 0x10
#define REG_B_SQWE 0x08
#define REG_C_IRQF 0x80
#define REG_C_PF 0x40
#define REG_C_AF 0x20
#define REG_C_UF 0x10
#define REG_D_VALID 0x80

#define UPDATE_HOLD_NS 244140 /* UIP comes up this long before an update */
#define XTAL_HZ 32768
#define MAX_BASE_RTC 253402300800ull /* the year 10000 */

struct mc146818rtc {
    struct device dev;
    /* In the order of the stream. Times are ns of rtc_clock(). */
    uint8_t cmos_data[CMOS_SIZE];
    uint8_t cmos_index;
    struct timer periodic_timer;
    int64_t next_periodic_time;
    uint32_t irq_coalesced;     /* of other lost-tick policies; kept for the stream */
    uint32_t period;            /* of the periodic interrupt in XTAL_HZ clocks; 0: off */
    uint64_t base_rtc;          /* s since 1970 at last_update */
    uint64_t last_update;
    int64_t offset;             /* ns to be added to base_rtc */
    struct timer update_timer;
    uint64_t next_alarm_time;
    uint16_t irq_reinject_on_ack_count;

    uint32_t iobase, irq_number;
    struct irq *irq;
    struct memory_region region;
};

static int64_t clock_now(void)
{
    return vm_clock_ns(rtc_clock());
}

static bool rtc_running(const struct mc146818rtc *rtc)
{
    return !(rtc->cmos_data[RTC_REG_B] & REG_B_SET) &&
           (rtc->cmos_data[RTC_REG_A] & REG_A_DIVIDER_RESET) != REG_A_DIVIDER_RESET;
}

/*
 * The guest's time in ns since 1970. All parts are bounded (post_load), so that it fits: 2^63 ns are 292 years, hence
 * 128 bits.
 */
static __int128 guest_time_ns(const struct mc146818rtc *rtc, int64_t now)
{
    return (__int128)rtc->base_rtc * NSEC_PER_SEC + ((__int128)now - (__int128)rtc->last_update) + rtc->offset;
}

static int64_t floor_seconds(__int128 ns)
{
    return (int64_t)(ns / NSEC_PER_SEC) - (ns % NSEC_PER_SEC < 0);
}

static void rtc_update_irq(struct mc146818rtc *rtc)
{
    uint8_t *c = &rtc->cmos_data[RTC_REG_C];
    bool raise = *c & rtc->cmos_data[RTC_REG_B] & (REG_B_PIE | REG_B_AIE | REG_B_UIE);

    *c = (*c & (uint8_t)~REG_C_IRQF) | (raise ? REG_C_IRQF : 0);
    irq_set(rtc->irq, raise);
}

/* The registers, from the running time. */
static void refresh_registers(struct mc146818rtc *rtc, int64_t now)
{
    calendar_to_cmos(rtc->cmos_data, floor_seconds(guest_time_ns(rtc, now)));
}

/* The running time, from the registers; `offset` ns into the second. */
static void adopt_registers(struct mc146818rtc *rtc, int64_t now, int64_t offset)
{
    rtc->base_rtc = (uint64_t)CLAMP(calendar_from_cmos(rtc->cmos_data), 0, (int64_t)MAX_BASE_RTC - 1);
    rtc->last_update = (uint64_t)now;
    rtc->offset = offset;
}

/* Arms for the next update cycle of interest. */
static void arm_update(struct mc146818rtc *rtc, int64_t now)
{
    __int128 guest = guest_time_ns(rtc, now);
    int64_t seconds = floor_seconds(guest);
    int64_t to_next = (int64_t)((__int128)(seconds + 1) * NSEC_PER_SEC - guest), alarm;

    if (!rtc_running(rtc)) {
        timer_cancel(&rtc->update_timer);
        return;
    }
    alarm = calendar_seconds_to_alarm(rtc->cmos_data, seconds);
    rtc->next_alarm_time = alarm < 0 ? INT64_MAX : (uint64_t)(now + to_next + (alarm - 1) * NSEC_PER_SEC);
    if (!(rtc->cmos_data[RTC_REG_C] & REG_C_UF)) {
        timer_set(&rtc->update_timer, now + to_next);
    } else if (!(rtc->cmos_data[RTC_REG_C] & REG_C_AF) && alarm >= 0) {
        timer_set(&rtc->update_timer, (int64_t)rtc->next_alarm_time);
    } else {
        timer_cancel(&rtc->update_timer);
    }
}

static void update_expired(void *opaque)
{
    struct mc146818rtc *rtc = opaque;
    int64_t now = clock_now();

    rtc->cmos_data[RTC_REG_C] |= REG_C_UF;
    if ((uint64_t)now >= rtc->next_alarm_time) {
        rtc->cmos_data[RTC_REG_C] |= REG_C_AF;
    }
    rtc_update_irq(rtc);
    arm_update(rtc, now);
}

/* Clocks between periodic interrupts (datasheet table 5), or 0. */
static uint32_t periodic_clocks(const struct mc146818rtc *rtc)
{
    unsigned rate = rtc->cmos_data[RTC_REG_A] & REG_A_RATE;

    if (!rate || !(rtc->cmos_data[RTC_REG_B] & REG_B_PIE) ||
        (rtc->cmos_data[RTC_REG_A] & REG_A_DIVIDER_RESET) == REG_A_DIVIDER_RESET) {
        return 0;
    }
    return 1u << ((rate <= 2 ? rate + 7 : rate) - 1);
}

/* Ticks are multiples of the period since the clock's zero; those that were missed are dropped. */
static void arm_periodic(struct mc146818rtc *rtc, int64_t now)
{
    uint64_t clocks, next;

    rtc->period = periodic_clocks(rtc);
    if (!rtc->period) {
        timer_cancel(&rtc->periodic_timer);
        return;
    }
    clocks = (uint64_t)((unsigned __int128)MAX(now, 0) * XTAL_HZ / NSEC_PER_SEC);
    next = clocks - clocks % rtc->period + rtc->period;
    rtc->next_periodic_time = (int64_t)((unsigned __int128)next * NSEC_PER_SEC / XTAL_HZ) + 1;
    timer_set(&rtc->periodic_timer, rtc->next_periodic_time);
}

static void periodic_expired(void *opaque)
{
    struct mc146818rtc *rtc = opaque;

    rtc->cmos_data[RTC_REG_C] |= REG_C_PF;
    rtc_update_irq(rtc);
    arm_periodic(rtc, clock_now());
}

/* --- Registers --- */

static void reg_a_write(struct mc146818rtc *rtc, uint8_t value, int64_t now)
{
    bool was_running = rtc_running(rtc);

    if (was_running) {
        refresh_registers(rtc, now);
    }
    rtc->cmos_data[RTC_REG_A] = value & (uint8_t)~REG_A_UIP;
    if (rtc_running(rtc) && !was_running) {
        adopt_registers(rtc, now, NSEC_PER_SEC / 2); /* the first update is half a second after the reset ends */
    }
}

static void reg_b_write(struct mc146818rtc *rtc, uint8_t value, int64_t now)
{
    bool was_running = rtc_running(rtc);

    if (was_running) {
        refresh_registers(rtc, now); /* in the old form; a guest that changes the form sets the time anew */
    }
    if (value & REG_B_SET) {
        value &= (uint8_t)~REG_B_UIE; /* SET clears it */
    }
    rtc->cmos_data[RTC_REG_B] = value;
    if (rtc_running(rtc) && !was_running) {
        __int128 rest = guest_time_ns(rtc, now) % NSEC_PER_SEC;
        adopt_registers(rtc, now, (int64_t)(rest < 0 ? rest + NSEC_PER_SEC : rest)); /* the divider ran on */
    }
    rtc_update_irq(rtc);
}

/* Within bounds even between a load that was refused and the end of the program. */
static uint8_t selected(const struct mc146818rtc *rtc)
{
    return rtc->cmos_index % CMOS_SIZE;
}

/* Date and time, which the running clock keeps elsewhere (refresh_registers()). */
static bool is_calendar(uint8_t index)
{
    const uint64_t registers = BIT(RTC_SECONDS) | BIT(RTC_MINUTES) | BIT(RTC_HOURS) | BIT(RTC_DAY_OF_WEEK) |
                               BIT(RTC_DAY) | BIT(RTC_MONTH) | BIT(RTC_YEAR) | BIT(RTC_CENTURY);
    return index < 64 && registers >> index & 1;
}

static int64_t second_part(const struct mc146818rtc *rtc, int64_t now)
{
    int64_t rest = (int64_t)(guest_time_ns(rtc, now) % NSEC_PER_SEC);

    return rest < 0 ? rest + NSEC_PER_SEC : rest;
}

static void calendar_write(struct mc146818rtc *rtc, uint8_t index, uint8_t value, int64_t now)
{
    if (!rtc_running(rtc)) {
        rtc->cmos_data[index] = value;
        return;
    }
    int64_t rest = second_part(rtc, now);
    refresh_registers(rtc, now);
    rtc->cmos_data[index] = value;
    adopt_registers(rtc, now, rest);
    arm_update(rtc, now);
}

static void cmos_write(struct mc146818rtc *rtc, uint8_t value)
{
    int64_t now = clock_now();
    uint8_t index = selected(rtc);

    if (is_calendar(index)) {
        calendar_write(rtc, index, value, now);
        return;
    }
    switch (index) {
    case RTC_SECONDS_ALARM:
    case RTC_MINUTES_ALARM:
    case RTC_HOURS_ALARM:
        rtc->cmos_data[index] = value;
        arm_update(rtc, now);
        break;
    case RTC_REG_A:
        reg_a_write(rtc, value, now);
        arm_periodic(rtc, now);
        arm_update(rtc, now);
        break;
    case RTC_REG_B:
        reg_b_write(rtc, value, now);
        arm_periodic(rtc, now);
        arm_update(rtc, now);
        break;
    case RTC_REG_C:
    case RTC_REG_D:
        break; /* read only */
    default:
        rtc->cmos_data[index] = value;
        break;
    }
}

static bool update_in_progress(const struct mc146818rtc *rtc, int64_t now)
{
    return rtc_running(rtc) && second_part(rtc, now) >= NSEC_PER_SEC - UPDATE_HOLD_NS;
}

static uint8_t reg_c_read(struct mc146818rtc *rtc, int64_t now)
{
    uint8_t value = rtc->cmos_data[RTC_REG_C];

    rtc->cmos_data[RTC_REG_C] = 0;
    rtc_update_irq(rtc);
    if (value & (REG_C_UF | REG_C_AF)) {
        arm_update(rtc, now);
    }
    return value;
}

static uint8_t cmos_read(struct mc146818rtc *rtc)
{
    int64_t now = clock_now();

    if (is_calendar(selected(rtc)) && rtc_running(rtc)) {
        refresh_registers(rtc, now);
    }
    switch (selected(rtc)) {
    case RTC_REG_A:
        return rtc->cmos_data[RTC_REG_A] | (update_in_progress(rtc, now) ? REG_A_UIP : 0);
    case RTC_REG_C:
        return reg_c_read(rtc, now);
    }
    return rtc->cmos_data[selected(rtc)];
}

static uint64_t rtc_read(void *opaque, hwaddr offset, unsigned size)
{
    struct mc146818rtc *rtc = opaque;
    uint8_t value = offset == 0 ? 0xff : cmos_read(rtc); /* the index is write-only */

    trace_rtc_read(rtc->cmos_index, value);
    return value;
}

static void rtc_write(void *opaque, hwaddr offset, uint64_t value, unsigned size)
{
    struct mc146818rtc *rtc = opaque;

    if (offset == 0) {
        rtc->cmos_index = value & 0x7f; /* bit 7 masks NMI on a PC; nothing here raises one */
    } else {
        trace_rtc_write(rtc->cmos_index, (unsigned)value);
        cmos_write(rtc, (uint8_t)value);
    }
}

static const struct memory_region_ops rtc_ops = { .read = rtc_read, .write = rtc_write, .max_access = 1 };

void mc146818rtc_set_cmos(struct device *dev, unsigned address, uint8_t value)
{
    g_assert(address > RTC_REG_D && address < CMOS_SIZE);
    ((struct mc146818rtc *)dev)->cmos_data[address] = value;
}

static void set_word(struct device *dev, unsigned address, uint64_t value)
{
    uint16_t word = (uint16_t)MIN(value, UINT16_MAX);

    mc146818rtc_set_cmos(dev, address, (uint8_t)word);
    mc146818rtc_set_cmos(dev, address + 1, word >> 8);
}

/* Four bits for each of three devices, 0: none. Bit 0 of 0x38: do not check the floppy's signature. */
static void set_boot_order(struct device *dev, const char *order)
{
    static const char letters[] = "acdn"; /* floppy is 1 */
    uint8_t codes[3] = { 0 };

    for (size_t i = 0; i < sizeof(codes) && order[i]; i++) {
        codes[i] = (uint8_t)(strchr(letters, order[i]) - letters + 1);
    }
    mc146818rtc_set_cmos(dev, 0x3d, codes[1] << 4 | codes[0]);
    mc146818rtc_set_cmos(dev, 0x38, codes[2] << 4);
}

void mc146818rtc_set_pc_cmos(struct device *dev, uint64_t ram_below_4g, uint64_t ram_above_4g, int cpus,
                             const char *boot_order)
{
    uint64_t kib = ram_below_4g >> 10, blocks = ram_above_4g >> 16;

    set_word(dev, 0x15, MIN(kib, 640));                     /* base memory, KiB */
    set_word(dev, 0x17, kib > 1024 ? kib - 1024 : 0);       /* extended memory, KiB, */
    set_word(dev, 0x30, kib > 1024 ? kib - 1024 : 0);       /* and as POST found it */
    set_word(dev, 0x34, kib > 16384 ? (kib - 16384) / 64 : 0); /* between 16 MiB and 4 GiB, 64 KiB blocks */
    set_word(dev, 0x5b, blocks & 0xffff);                   /* from 4 GiB, 64 KiB blocks, three bytes */
    mc146818rtc_set_cmos(dev, 0x5d, (uint8_t)(blocks >> 16));
    mc146818rtc_set_cmos(dev, 0x14, 0x06);                  /* equipment: coprocessor, pointing device */
    set_boot_order(dev, boot_order);
    mc146818rtc_set_cmos(dev, 0x5f, (uint8_t)(cpus - 1));
}

/* RESET (datasheet, "RESET"): interrupts off, flags clear; calendar, alarm and RAM stay. */
static void rtc_reset(struct device *dev)
{
    struct mc146818rtc *rtc = (struct mc146818rtc *)dev;
    int64_t now = clock_now();

    rtc->cmos_data[RTC_REG_B] &= (uint8_t)~(REG_B_PIE | REG_B_AIE | REG_B_UIE | REG_B_SQWE);
    rtc->cmos_data[RTC_REG_C] = 0;
    rtc_update_irq(rtc);
    arm_periodic(rtc, now);
    arm_update(rtc, now);
}

static bool rtc_pre_save(void *opaque, GError **error)
{
    struct mc146818rtc *rtc = opaque;

    if (rtc_running(rtc)) {
        refresh_registers(rtc, clock_now());
    }
    return true;
}

static bool rtc_post_load(void *opaque, int version, GError **error)
{
    struct mc146818rtc *rtc = opaque;

    if (rtc->cmos_index >= CMOS_SIZE) {
        return error_setf(error, "cmos_index %u: should be at most 127", rtc->cmos_index);
    }
    if (rtc->base_rtc >= MAX_BASE_RTC) {
        return error_setf(error, "base_rtc %" PRIu64 ": is past the year 9999", rtc->base_rtc);
    }
    if (rtc->last_update > INT64_MAX || rtc->offset < 0 || rtc->offset >= NSEC_PER_SEC) {
        return error_setf(error, "last_update %" PRIu64 ", offset %" PRId64 ": out of range", rtc->last_update,
                          rtc->offset);
    }
    if (rtc_clock() == VM_CLOCK_REALTIME) {
        adopt_registers(rtc, clock_now(), rtc->offset); /* another host's monotonic clock says nothing here */
    }
    arm_periodic(rtc, clock_now());
    if (rtc_clock() == VM_CLOCK_REALTIME) {
        arm_update(rtc, clock_now());
    } /* else update_timer is as the stream had it, and fires at once if that came due on the way */
    return true;
}

static bool reinject_needed(const void *opaque)
{
    return ((const struct mc146818rtc *)opaque)->irq_reinject_on_ack_count;
}

static const struct vmstate_field reinject_fields[] = {
    VMSTATE_UINT16(irq_reinject_on_ack_count, struct mc146818rtc),
    VMSTATE_END
};

static const struct vmstate_description vmstate_reinject = {
    .name = "mc146818rtc/irq_reinject_on_ack_count", .version = 1, .minimum_version = 1,
    .needed = reinject_needed,
    .fields = reinject_fields,
};

static const struct vmstate_description *const rtc_subsections[] = { &vmstate_reinject, NULL };

static const struct vmstate_field rtc_fields[] = {
    VMSTATE_BUFFER(cmos_data, struct mc146818rtc),
    VMSTATE_UINT8(cmos_index, struct mc146818rtc),
    VMSTATE_UNUSED(7 * 4),
    VMSTATE_TIMER(periodic_timer, struct mc146818rtc),
    VMSTATE_INT64(next_periodic_time, struct mc146818rtc),
    VMSTATE_UNUSED(3 * 8),
    VMSTATE_UINT32_V(irq_coalesced, struct mc146818rtc, 2),
    VMSTATE_UINT32_V(period, struct mc146818rtc, 2),
    VMSTATE_UINT64_V(base_rtc, struct mc146818rtc, 3),
    VMSTATE_UINT64_V(last_update, struct mc146818rtc, 3),
    VMSTATE_INT64(offset, struct mc146818rtc),
    VMSTATE_TIMER(update_timer, struct mc146818rtc),
    VMSTATE_UINT64_V(next_alarm_time, struct mc146818rtc, 3),
    VMSTATE_END
};

static const struct vmstate_description vmstate_rtc = {
    .name = "mc146818rtc", .version = 3, .minimum_version = 3,
    .pre_save = rtc_pre_save,
    .post_load = rtc_post_load,
    .fields = rtc_fields,
    .subsections = rtc_subsections,
};

static bool rtc_realize(struct device *dev, GError **error)
{
    struct mc146818rtc *rtc = (struct mc146818rtc *)dev;
    int64_t now = clock_now();

    if (rtc->irq_number >= ISA_IRQS) {
        return error_setf(error, "mc146818rtc irq %u: should be 0 to 15", rtc->irq_number);
    }
    rtc->irq = isa_get_irq((int)rtc->irq_number);
    rtc->cmos_data[RTC_REG_A] = 0x26; /* 32.768 kHz crystal, 1024 Hz */
    rtc->cmos_data[RTC_REG_B] = REG_B_24H;
    rtc->cmos_data[RTC_REG_D] = REG_D_VALID;
    rtc->base_rtc = (uint64_t)CLAMP(rtc_start_time(), 0, (int64_t)MAX_BASE_RTC - 1);
    rtc->last_update = (uint64_t)now;
    refresh_registers(rtc, now);
    timer_init(&rtc->periodic_timer, rtc_clock(), periodic_expired, rtc);
    timer_init(&rtc->update_timer, rtc_clock(), update_expired, rtc);
    arm_update(rtc, now);
    memory_region_init_io(&rtc->region, &rtc_ops, rtc, "rtc", 2);
    memory_region_add(&system_io, rtc->iobase, &rtc->region, 0);
    return true;
}

static void rtc_unrealize(struct device *dev)
{
    struct mc146818rtc *rtc = (struct mc146818rtc *)dev;

    timer_cancel(&rtc->periodic_timer);
    timer_cancel(&rtc->update_timer);
    memory_region_remove(&rtc->region);
    memory_region_cleanup(&rtc->region);
}

static const struct property rtc_properties[] = {
    PROPERTY(UINT32, "iobase", struct mc146818rtc, iobase, 0x70, "first of its two ports"),
    PROPERTY(UINT32, "irq", struct mc146818rtc, irq_number, 8, "ISA line"),
    PROPERTY_END
};

const struct device_type mc146818rtc_type = {
    .name = "mc146818rtc",
    .bus = "ISA",
    .category = "Misc",
    .description = "Real-time clock and CMOS RAM",
    .size = sizeof(struct mc146818rtc),
    .properties = rtc_properties,
    .vmstate = &vmstate_rtc,
    .realize = rtc_realize,
    .unrealize = rtc_unrealize,
    .reset = rtc_reset,
};

struct device *mc146818rtc_create(GError **error)
{
    return isa_create(&mc146818rtc_type, error);
}
