/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UUIDs as bytes, in the order in which their text shows them (RFC 4122). */
#ifndef FERRY_UTIL_UUID_H
#define FERRY_UTIL_UUID_H

#include <stdint.h>

#define UUID_BYTES 16

/* `text` is valid, as g_uuid_string_is_valid() has it. */
void uuid_parse(const char *text, uint8_t uuid[UUID_BYTES]);
char *uuid_format(const uint8_t uuid[UUID_BYTES]);

#endif
