/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FERRY_SYSTEM_BACKENDS_H
#define FERRY_SYSTEM_BACKENDS_H

#include "system/options.h"

struct keyval;

/* -chardev, -object, -serial, -monitor, -qmp, -mon and the defaults of -nographic. Big lock held; once. */
bool backends_create(const struct options *options, GError **error);
/* -add-fd: the first to run, before anything opens a descriptor. */
bool passed_fds_add(const GPtrArray *list, GError **error);
/* -overcommit: before guest memory is made. NULL: not given. */
bool overcommit_apply(const char *text, GError **error);
/* -audiodev: nothing is made of them, since no sound device is built. */
bool audiodevs_check(const GPtrArray *list, GError **error);
/* -rtc, -icount; after the accelerator is known. */
bool clocks_configure(const struct options *options, GError **error);
/* -qtest, -gdb; after the machine exists. */
bool debuggers_create(const struct options *options, GError **error);
/* A device of its properties, "driver" among them, while the machine is made. Frees the keyval. */
bool device_create_from_keyval(struct keyval *kv, GError **error);
/* -device TYPE,prop=value,… or JSON. */
bool device_create_from_option(const char *text, GError **error);
/* The same while the machine is there: HMP's device_add. */
void device_add_from_text(const char *text, GError **error);

#endif
