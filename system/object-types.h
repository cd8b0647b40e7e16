/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The object types of this room, and of rooms below it, which know nothing of objects. */
#ifndef FERRY_SYSTEM_OBJECT_TYPES_H
#define FERRY_SYSTEM_OBJECT_TYPES_H

#include "system/object.h"

extern const struct object_type object_type_iothread, object_type_memory_backend_file,
    object_type_memory_backend_memfd, object_type_memory_backend_ram, object_type_rng_builtin,
    object_type_rng_random, object_type_secret;

#endif
