/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -sandbox: system calls that this program never needs, and that a guest who has taken it over shall not have. */
#ifndef FERRY_SYSTEM_SANDBOX_H
#define FERRY_SYSTEM_SANDBOX_H

#include "util/error.h"

enum sandbox_group {
    SANDBOX_BASE, /* with enable=on, always */
    SANDBOX_OBSOLETE,
    SANDBOX_PRIVILEGES,
    SANDBOX_SPAWN,
    SANDBOX_RESOURCES,
    SANDBOX_GROUPS,
};

struct sandbox {
    bool enable;
    bool deny[SANDBOX_GROUPS];
    bool no_new_privileges; /* elevateprivileges=children or deny */
};

bool sandbox_parse(const char *text, struct sandbox *sandbox, GError **error);
/* For all threads, those to come included, and for good. What is refused for it afterwards (exec:) says so. */
bool sandbox_enforce(const struct sandbox *sandbox, GError **error);
/* False where this program was built without libseccomp: on is refused then. */
bool sandbox_available(void);

#endif
