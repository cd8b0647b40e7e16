/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sources of entropy for guests: -object rng-random (a file of the host) and rng-builtin (the host's kernel). Big lock
 * held.
 */
#ifndef FERRY_SYSTEM_RNG_H
#define FERRY_SYSTEM_RNG_H

#include <stddef.h>

#include "util/error.h"

struct rng;

/* NULL: no such object. */
struct rng *rng_find(const char *id);
/* Without an object: the host's kernel. */
struct rng *rng_default(void);

/* Up to `length` bytes at once; 0: none now. Then `ready` is called once there may be some, until rng_forget(). */
size_t rng_read(struct rng *rng, void *data, size_t length, void (*ready)(void *opaque), void *opaque);
void rng_forget(struct rng *rng, void *opaque);

#endif
