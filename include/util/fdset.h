/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sets of file descriptors that somebody with more rights opened and passed in (-add-fd, add-fd over QMP). A set holds
 * one descriptor for each way of opening the same file; the path /dev/fdset/N stands for it. Big lock held.
 */
#ifndef FERRY_UTIL_FDSET_H
#define FERRY_UTIL_FDSET_H

#include <stdint.h>

#include "util/error.h"

/*
 * Opens `path` (O_CREAT makes files of mode 0666 less the umask). A path /dev/fdset/N gives a duplicate of the
 * descriptor of set N whose access mode is that of `flags`; O_APPEND, O_NONBLOCK and the like are then set on it, and
 * O_TRUNC is carried out. O_CLOEXEC always. -1 and an error that names the path.
 */
int fdset_open(const char *path, int flags, GError **error);

/*
 * Adds `fd`, which the set owns from here on, unless this fails. `*set` < 0: a new set, whose number goes
 * there.
 */
bool fdset_add(int fd, int64_t *set, const char *opaque, GError **error);
/* Closes descriptor `fd` of the set, or all of them (fd < 0). Duplicates that were given out stay open. */
bool fdset_remove(int64_t set, int64_t fd, GError **error);
/* Each descriptor, sets in order of their numbers. */
void fdset_foreach(void (*each)(int64_t set, int fd, const char *opaque, void *data), void *data);

#endif
