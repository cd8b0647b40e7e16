/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FERRY_SYSTEM_SECRET_H
#define FERRY_SYSTEM_SECRET_H

#include <stddef.h>
#include <stdint.h>

/* The bytes of -object secret,id=ID, or NULL; they end with a zero byte that is not counted. Big lock held. */
const uint8_t *secret_data(const char *id, size_t *length);

#endif
