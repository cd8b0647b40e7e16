/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "memory/guest-copy.h"

/* Copies one piece of 1, 2, 4 or 8 bytes as one access if the guest's side is aligned; false if it is not such a
 * piece. */
#define COPY_ONE(type)                                               \
    do {                                                             \
        type value;                                                  \
        __atomic_load((const type *)from, &value, __ATOMIC_RELAXED); \
        memcpy(to, &value, sizeof(value));                           \
    } while (0)
#define STORE_ONE(type)                                       \
    do {                                                      \
        type value;                                           \
        memcpy(&value, from, sizeof(value));                  \
        __atomic_store((type *)to, &value, __ATOMIC_RELAXED); \
    } while (0)

static inline int load_piece(void *to, const void *from, size_t length)
{
    if ((uintptr_t)from & (length - 1)) {
        return 0;
    }
    switch (length) {
    case 1:
        COPY_ONE(uint8_t);
        return 1;
    case 2:
        COPY_ONE(uint16_t);
        return 1;
    case 4:
        COPY_ONE(uint32_t);
        return 1;
    case 8:
        COPY_ONE(uint64_t);
        return 1;
    default:
        return 0;
    }
}

static inline int store_piece(void *to, const void *from, size_t length)
{
    if ((uintptr_t)to & (length - 1)) {
        return 0;
    }
    switch (length) {
    case 1:
        STORE_ONE(uint8_t);
        return 1;
    case 2:
        STORE_ONE(uint16_t);
        return 1;
    case 4:
        STORE_ONE(uint32_t);
        return 1;
    case 8:
        STORE_ONE(uint64_t);
        return 1;
    default:
        return 0;
    }
}

#ifdef __SANITIZE_THREAD__
/* memcpy is intercepted and would report the guest's races. */
static size_t piece_length(const void *guest, size_t length)
{
    return !((uintptr_t)guest & 7) && length >= 8 ? 8 : 1;
}

static void copy_from(void *host, const void *guest, size_t length)
{
    for (size_t n; length; length -= n, host = (char *)host + n, guest = (const char *)guest + n) {
        load_piece(host, guest, n = piece_length(guest, length));
    }
}

static void copy_to(void *guest, const void *host, size_t length)
{
    for (size_t n; length; length -= n, host = (const char *)host + n, guest = (char *)guest + n) {
        store_piece(guest, host, n = piece_length(guest, length));
    }
}
#else
#define copy_from memcpy
#define copy_to   memcpy
#endif

void guest_copy_from(void *host, const void *guest, size_t length)
{
    if (!load_piece(host, guest, length)) {
        copy_from(host, guest, length);
    }
}

void guest_copy_to(void *guest, const void *host, size_t length)
{
    if (!store_piece(guest, host, length)) {
        copy_to(guest, host, length);
    }
}
