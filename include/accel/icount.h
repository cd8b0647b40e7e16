/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -icount: a deterministic virtual clock that counts instructions. One vCPU, tcg only. */
#ifndef FERRY_ACCEL_ICOUNT_H
#define FERRY_ACCEL_ICOUNT_H

#include "util/error.h"

struct keyval;

/* Before vCPUs start; the caller refuses it with -smp above 1 or another accelerator than tcg. */
bool icount_configure(struct keyval *options, GError **error);
bool icount_enabled(void);

#endif
