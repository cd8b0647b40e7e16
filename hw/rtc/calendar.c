/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The MC146818's registers (datasheet table 3): BCD or binary, 12 or 24 hours, and the alarm's "don't care" codes. */
#include <time.h>

#include "hw/rtc/calendar.h"

#define PM 0x80
#define DONT_CARE 0xc0
#define DAY_SECONDS 86400

static uint8_t encode(const uint8_t *cmos, int value)
{
    return cmos[RTC_REG_B] & REG_B_BINARY ? (uint8_t)value : (uint8_t)(value / 10 << 4 | value % 10);
}

static int decode(const uint8_t *cmos, uint8_t value)
{
    return cmos[RTC_REG_B] & REG_B_BINARY ? value : (value >> 4) * 10 + (value & 0x0f);
}

static uint8_t encode_hour(const uint8_t *cmos, int hour)
{
    int half = hour % 12 ? hour % 12 : 12;

    if (cmos[RTC_REG_B] & REG_B_24H) {
        return encode(cmos, hour);
    }
    return encode(cmos, half) | (hour >= 12 ? PM : 0);
}

static int decode_hour(const uint8_t *cmos, uint8_t value)
{
    if (cmos[RTC_REG_B] & REG_B_24H) {
        return decode(cmos, value);
    }
    return decode(cmos, value & 0x7f) % 12 + (value & PM ? 12 : 0);
}

void calendar_to_cmos(uint8_t *cmos, int64_t seconds)
{
    time_t time = (time_t)seconds;
    struct tm tm;
    int year;

    if (!gmtime_r(&time, &tm)) {
        return; /* no such year; the registers stay */
    }
    year = tm.tm_year + 1900;
    cmos[RTC_SECONDS] = encode(cmos, tm.tm_sec);
    cmos[RTC_MINUTES] = encode(cmos, tm.tm_min);
    cmos[RTC_HOURS] = encode_hour(cmos, tm.tm_hour);
    cmos[RTC_DAY_OF_WEEK] = encode(cmos, tm.tm_wday + 1);
    cmos[RTC_DAY] = encode(cmos, tm.tm_mday);
    cmos[RTC_MONTH] = encode(cmos, tm.tm_mon + 1);
    cmos[RTC_YEAR] = encode(cmos, (year % 100 + 100) % 100);
    cmos[RTC_CENTURY] = encode(cmos, year / 100 % 100);
}

int64_t calendar_from_cmos(const uint8_t *cmos)
{
    struct tm tm = {
        .tm_sec = decode(cmos, cmos[RTC_SECONDS]),
        .tm_min = decode(cmos, cmos[RTC_MINUTES]),
        .tm_hour = decode_hour(cmos, cmos[RTC_HOURS]),
        .tm_mday = decode(cmos, cmos[RTC_DAY]),
        .tm_mon = decode(cmos, cmos[RTC_MONTH]) - 1,
        .tm_year = decode(cmos, cmos[RTC_YEAR]) + decode(cmos, cmos[RTC_CENTURY]) * 100 - 1900,
    };

    return timegm(&tm);
}

static bool alarm_matches(const uint8_t *cmos, uint8_t alarm, uint8_t now)
{
    return (alarm & DONT_CARE) == DONT_CARE || alarm == now;
}

int64_t calendar_seconds_to_alarm(const uint8_t *cmos, int64_t seconds)
{
    int64_t now = (seconds % DAY_SECONDS + DAY_SECONDS) % DAY_SECONDS;

    for (int64_t n = 1; n <= DAY_SECONDS;) { /* skips whole hours and minutes: 24 + 60 + 60 steps */
        int t = (int)((now + n) % DAY_SECONDS);

        if (!alarm_matches(cmos, cmos[RTC_HOURS_ALARM], encode_hour(cmos, t / 3600))) {
            n += 3600 - t % 3600;
        } else if (!alarm_matches(cmos, cmos[RTC_MINUTES_ALARM], encode(cmos, t / 60 % 60))) {
            n += 60 - t % 60;
        } else if (!alarm_matches(cmos, cmos[RTC_SECONDS_ALARM], encode(cmos, t % 60))) {
            n++;
        } else {
            return n;
        }
    }
    return -1;
}
