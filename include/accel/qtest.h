/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -accel qtest: no CPU runs; tests drive the devices through a socket, and time moves when they say. */
#ifndef FERRY_ACCEL_QTEST_H
#define FERRY_ACCEL_QTEST_H

#include "util/error.h"

/* -qtest CHARDEV ("unix:/path", "stdio", …): serves the protocol of accel/qtest/protocol.c there. Big lock held. */
bool qtest_init(const char *chardev_text, GError **error);

#endif
