/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FERRY_SYSTEM_MACHINE_SETUP_H
#define FERRY_SYSTEM_MACHINE_SETUP_H

#include "system/options.h"
#include "util/keyval.h"

#define ROUND_UP_TO(n, to) (((n) + (to) - 1) / (to) * (to))

/* Makes current_machine from the options and inits the accelerator. Big lock held; before any device. */
bool machine_setup(const struct options *options, GError **error);

#endif
