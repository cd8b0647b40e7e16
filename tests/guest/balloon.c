/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest.h"
const struct command balloon_commands[] = { { NULL, NULL, NULL } };
