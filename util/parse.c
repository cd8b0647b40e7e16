/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values of options: booleans, numbers, sizes. Whole strings only. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/keyval.h"

bool parse_bool(const char *name, const char *text, bool *value, GError **error)
{
    static const char *const words[][2] = { { "off", "on" }, { "no", "yes" }, { "false", "true" }, { "n", "y" } };
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        for (int v = 0; v < 2; v++) {
            if (!strcmp(text, words[i][v])) {
                *value = v;
                return true;
            }
        }
    }
    return error_setf(error, "Parameter '%s' expects 'on' or 'off', not '%s'", name, text);
}

/* Digits at *text, decimal or 0x…; no sign, no space. */
static bool parse_digits(const char **text, uint64_t *value)
{
    if (!isdigit((unsigned char)**text)) {
        return false;
    }
    bool hex = (*text)[0] == '0' && ((*text)[1] == 'x' || (*text)[1] == 'X');
    if (hex && !isxdigit((unsigned char)(*text)[2])) {
        return false;
    }
    char *end;
    errno = 0;
    *value = strtoull(*text, &end, hex ? 16 : 10);
    *text = end;
    return errno == 0;
}

bool parse_uint(const char *name, const char *text, uint64_t *value, uint64_t max, GError **error)
{
    uint64_t number;
    const char *p = text;
    if (!parse_digits(&p, &number) || *p) {
        return error_setf(error, "Parameter '%s' expects a number, not '%s'", name, text);
    }
    if (number > max) {
        return error_setf(error, "Parameter '%s' expects a number of at most %" G_GUINT64_FORMAT ", not '%s'", name,
                          max, text);
    }
    *value = number;
    return true;
}

static int unit_shift(char unit)
{
    static const char units[] = "BKMGTPE";
    const char *found = unit ? strchr(units, g_ascii_toupper(unit)) : NULL;
    return found ? 10 * (int)(found - units) : -1;
}

bool parse_size(const char *name, const char *text, uint64_t *value, char unit, GError **error)
{
    const char *p = text;
    uint64_t whole;
    double fraction = 0;
    bool good = parse_digits(&p, &whole);
    if (good && *p == '.' && isdigit((unsigned char)p[1])) {
        double weight = 0.1;
        for (p++; isdigit((unsigned char)*p); p++, weight /= 10) {
            fraction += (*p - '0') * weight;
        }
    }
    int shift = unit_shift(good && *p ? *p++ : unit ? unit : 'B');
    if (!good || shift < 0 || *p || (fraction > 0 && shift == 0)) {
        return error_setf(error,
                          "Parameter '%s' expects a size (a number with an optional suffix B, K, M, G, T, P or E), "
                          "not '%s'",
                          name, text);
    }
    uint64_t part = (uint64_t)(fraction * (double)(1ull << shift)); /* below one unit */
    if (whole > (UINT64_MAX - part) >> shift) {
        return error_setf(error, "Parameter '%s' expects a size below 2^64 bytes, not '%s'", name, text);
    }
    *value = (whole << shift) + part;
    return true;
}
