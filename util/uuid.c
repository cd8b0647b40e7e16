/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>

#include "util/uuid.h"

void uuid_parse(const char *text, uint8_t uuid[UUID_BYTES])
{
    for (int i = 0; i < UUID_BYTES; i++, text += 2) {
        text += *text == '-';
        uuid[i] = g_ascii_xdigit_value(text[0]) << 4 | g_ascii_xdigit_value(text[1]);
    }
}

char *uuid_format(const uint8_t uuid[UUID_BYTES])
{
    GString *text = g_string_new(NULL);

    for (int i = 0; i < UUID_BYTES; i++) {
        g_string_append_printf(text, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", uuid[i]);
    }
    return g_string_free(text, FALSE);
}
