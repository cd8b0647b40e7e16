/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The MC146818 real-time clock and its CMOS RAM ("mc146818rtc", ports 0x70 and 0x71, IRQ 8). Big lock held. */
#ifndef FERRY_HW_RTC_MC146818RTC_H
#define FERRY_HW_RTC_MC146818RTC_H

#include "hw/core/device.h"
#include "util/clock.h"

struct keyval;

extern const struct device_type mc146818rtc_type;

struct device *mc146818rtc_create(GError **error);
/*
 * A byte of the CMOS RAM as the machine's firmware would have left it. Not for the clock's own registers, 0 to 0xd.
 */
void mc146818rtc_set_cmos(struct device *dev, unsigned address, uint8_t value);
/* All that a PC's firmware and kernel look for: memory sizes, equipment, boot order, CPU count. */
void mc146818rtc_set_pc_cmos(struct device *dev, uint64_t ram_below_4g, uint64_t ram_above_4g, int cpus,
                             const char *boot_order);

/* -rtc base=utc|localtime|DATE,clock=host|rt|vm,driftfix=none. Before the device is made. */
bool rtc_configure(struct keyval *options, GError **error);
/*
 * What was configured: the clock that the RTC runs by, and the time (s since 1970, as its registers show it) it
 * starts at.
 */
enum vm_clock rtc_clock(void);
int64_t rtc_start_time(void);

#endif
