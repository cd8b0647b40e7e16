/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The RTC's registers as numbers and as a calendar. Pure. */
#ifndef FERRY_HW_RTC_CALENDAR_H
#define FERRY_HW_RTC_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

enum {
    RTC_SECONDS = 0, RTC_SECONDS_ALARM = 1, RTC_MINUTES = 2, RTC_MINUTES_ALARM = 3, RTC_HOURS = 4,
    RTC_HOURS_ALARM = 5, RTC_DAY_OF_WEEK = 6, RTC_DAY = 7, RTC_MONTH = 8, RTC_YEAR = 9, RTC_REG_A = 10,
    RTC_REG_B = 11, RTC_REG_C = 12, RTC_REG_D = 13, RTC_CENTURY = 0x32,
};

#define REG_B_24H 0x02
#define REG_B_BINARY 0x04

/*
 * Seconds since 1970 to the time registers and back; register B says which form. Values out of range are carried
 * over.
 */
void calendar_to_cmos(uint8_t *cmos, int64_t seconds);
int64_t calendar_from_cmos(const uint8_t *cmos);
/* How many seconds after `seconds` the alarm next matches, 1 to 86400; -1: never. */
int64_t calendar_seconds_to_alarm(const uint8_t *cmos, int64_t seconds);

#endif
